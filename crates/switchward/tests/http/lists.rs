//! `/security/bans`, `/security/allows`, and changing a ban: pages, search, sort.

use crate::support::{Daemon, fields};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BANS: &str = "/security/bans";

fn targets(page: &Value, list: &str) -> Vec<String> {
    page[list].as_array().unwrap().iter().map(|item| item["target"].as_str().unwrap().to_owned()).collect()
}

async fn found(daemon: &Daemon, query: &str) -> Vec<String> {
    let page = daemon.get(&format!("{BANS}?sort=target&order=asc&{query}")).await.ok();
    targets(&page, "bans")
}

#[tokio::test]
async fn a_ban_in_the_new_list_has_all_that_is_known() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 6);
    daemon
        .post(
            "/security/blacklist",
            &json!({"ip": "203.0.113.5", "reason": "spam", "scope": "sip", "ttl": "1h", "note": "ask\u{1b} Ann"}),
        )
        .await
        .ok();
    let page = daemon.get(&format!("{BANS}?sort=target&order=asc")).await.ok();
    assert_eq!(fields(&page), ["bans", "matched", "next", "total"]);
    assert_eq!((&page["matched"], &page["total"], &page["next"]), (&json!(2), &json!(2), &Value::Null));
    let by_hand = &page["bans"][0];
    assert_eq!(by_hand["target"], "203.0.113.5");
    assert_eq!((&by_hand["scope"], &by_hand["origin"]), (&json!("sip"), &json!("operator")));
    assert_eq!((&by_hand["who"], &by_hand["reason"]), (&json!("127.0.0.1"), &json!("spam")));
    assert_eq!(by_hand["note"], "ask\\u{1b} Ann");
    let left = by_hand["remainingSeconds"].as_u64().unwrap();
    assert!((3500..=3600).contains(&left), "{left}");
    let by_guard = &page["bans"][1];
    assert_eq!((&by_guard["origin"], &by_guard["who"]), (&json!("guard"), &json!("")));
    assert_eq!((&by_guard["evidence"], &by_guard["userIds"]), (&json!("likely"), &json!(["1000"])));
    assert_eq!(by_guard["userAgents"], json!(["Yealink SIP-T46U"]));
    assert!(by_guard["count"].as_u64().unwrap() >= 5);
    // The old list keeps its shape.
    let old = daemon.get("/security/blacklist").await.ok();
    assert_eq!(
        fields(&old["203.0.113.5"]),
        ["addedAt", "expiresAt", "failCount", "ip", "permanent", "reason"]
    );
}

#[tokio::test]
async fn a_search_finds_by_address_network_text_and_person() {
    let daemon = Daemon::start().await;
    for (ip, reason, scope) in [
        ("198.51.100.0/24", "a whole Scanner farm", "all"),
        ("198.51.100.7", "one of them", "sip"),
        ("203.0.113.8:5062", "a phone", "all"),
        ("2001:db8:1::/48", "six", "all"),
    ] {
        let body = json!({"ip": ip, "reason": reason, "scope": scope, "note": format!("ticket {ip}")});
        daemon.post("/security/blacklist", &body).await.ok();
    }
    daemon.refuse("203.0.113.9", "bob", 6);
    for (query, expected) in [
        ("ip=198.51.100.7", vec!["198.51.100.7", "198.51.100.0/24"]),
        ("ip=198.51.100.9", vec!["198.51.100.0/24"]),
        ("ip=198.51.0.0/16", vec!["198.51.100.7", "198.51.100.0/24"]),
        ("search=198.51.100.9", vec!["198.51.100.0/24"]),
        ("ip=203.0.113.8", vec!["203.0.113.8:5062"]),
        ("ip=2001:db8:1:5::9", vec!["2001:db8:1::/48"]),
        ("reason=whole%20scanner", vec!["198.51.100.0/24"]),
        ("search=SCANNER", vec!["198.51.100.0/24"]),
        ("account=bob", vec!["203.0.113.9"]),
        ("account=bob@pbx.example", vec!["203.0.113.9"]),
        ("account=bob@elsewhere.example", vec![]),
        ("agent=yealink", vec!["203.0.113.9"]),
        ("rule=failed-registrations", vec!["203.0.113.9"]),
        ("origin=guard", vec!["203.0.113.9"]),
        ("scope=sip&origin=operator", vec!["198.51.100.7"]),
        ("who=127.0.0&note=2001", vec!["2001:db8:1::/48"]),
        ("search=nothing%20of%20the%20kind", vec![]),
    ] {
        assert_eq!(found(&daemon, query).await, expected, "{query}");
    }
    let page = daemon.get(&format!("{BANS}?scope=sip")).await.ok();
    assert_eq!((&page["matched"], &page["total"]), (&json!(1), &json!(5)));
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_whatever_comes_between() {
    let daemon = Daemon::start().await;
    let ban = |n: u32| json!({"ip": format!("198.18.{}.{}", n / 250, n % 250), "reason": "x"});
    let orders: Vec<Value> = (0..700).map(ban).collect();
    daemon.post("/security/blacklist/batch", &json!(orders)).await.ok();
    for sort in ["since", "until", "target", "count"] {
        let mut seen = BTreeSet::new();
        let mut next = String::new();
        let mut pages = 0;
        loop {
            let page = daemon.get(&format!("{BANS}?limit=100&sort={sort}{next}")).await.ok();
            for target in targets(&page, "bans") {
                assert!(seen.insert(target.clone()), "{target} twice, sorted by {sort}");
            }
            pages += 1;
            // What was on this page goes away; the next page does not move.
            daemon.delete(&format!("/security/blacklist/{}", targets(&page, "bans")[5])).await.ok();
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!((seen.len(), pages), (700, 7), "{sort}");
        daemon.post("/security/blacklist/batch", &json!(orders)).await.ok();
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_reason() {
    let daemon = Daemon::start().await;
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "sort=colour",
        "order=up",
        "ip=pbx.example",
        "scope=some",
        "origin=me",
        "reson=typo",
    ] {
        for list in [BANS, "/security/allows"] {
            let error = daemon.get(&format!("{list}?{query}")).await.error(400);
            assert!(!error.is_empty(), "{list} {query}");
        }
    }
    for cursor in ["x", "e30", ""] {
        daemon.get(&format!("{BANS}?cursor={cursor}")).await.error(404);
    }
    daemon.ask("PUT", BANS).send().await.error(405);
}

#[tokio::test]
async fn the_allow_list_is_searched_and_sorted_too() {
    let daemon = Daemon::start().await;
    for (ip, user) in [("192.0.2.0/24", "trunk"), ("198.51.100.7", "1000")] {
        let body = json!({"ip": ip, "userId": user, "domain": "pbx.example", "permanent": true});
        daemon.post("/security/whitelist", &body).await.ok();
    }
    let ask =
        async |query: &str| daemon.get(&format!("/security/allows?sort=target&order=asc&{query}")).await.ok();
    let page = ask("").await;
    assert_eq!(targets(&page, "allows"), ["198.51.100.7", "192.0.2.0/24"]);
    assert_eq!((&page["allows"][0]["until"], &page["allows"][0]["who"]), (&Value::Null, &json!("127.0.0.1")));
    assert_eq!(targets(&ask("ip=192.0.2.9").await, "allows"), ["192.0.2.0/24"]);
    assert_eq!(targets(&ask("account=1000@pbx.example").await, "allows"), ["198.51.100.7"]);
    assert_eq!(targets(&ask("search=trunk").await, "allows"), ["192.0.2.0/24"]);
    assert_eq!(targets(&ask("origin=guard").await, "allows"), [""; 0]);
    let first = ask("limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = daemon.get(&format!("/security/allows?limit=1&cursor={next}")).await.ok();
    assert_eq!(targets(&second, "allows"), ["192.0.2.0/24"]);
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn a_ban_is_extended_shortened_narrowed_and_noted() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "bob", 6);
    let path = "/security/blacklist/203.0.113.9";
    let answer = daemon.patch(path, &json!({"ttl": "48h", "note": "come back on Monday"})).await.ok();
    assert_eq!(answer["status"], "success");
    let left = answer["ban"]["remainingSeconds"].as_u64().unwrap();
    assert!((172_700..=172_800).contains(&left), "{left}");
    // Who and why stay.
    assert_eq!(
        (&answer["ban"]["origin"], &answer["ban"]["rule"]),
        (&json!("guard"), &json!("failed-registrations"))
    );
    let answer = daemon.patch(path, &json!({"permanent": true, "scope": "sip"})).await.ok();
    assert_eq!((&answer["ban"]["until"], &answer["ban"]["scope"]), (&Value::Null, &json!("sip")));
    assert_eq!(answer["ban"]["note"], "come back on Monday");
    let answer = daemon.patch(path, &json!({"ttl": "5m", "note": ""})).await.ok();
    assert!(answer["ban"]["remainingSeconds"].as_u64().unwrap() <= 300);
    assert_eq!(answer["ban"]["note"], "");
    for body in [
        json!({}),
        json!({"permanent": false}),
        json!({"ttl": "1h", "permanent": true}),
        json!({"ttl": "0s"}),
        json!({"scope": "some"}),
        json!({"note": 7}),
    ] {
        daemon.patch(path, &body).await.error(400);
    }
    daemon.patch("/security/blacklist/nowhere", &json!({"ttl": "1h"})).await.error(400);
    daemon.post("/security/blacklist", &json!({"ip": "198.51.100.0/24"})).await.ok();
    let error = daemon.patch("/security/blacklist/198.51.100.7", &json!({"ttl": "1h"})).await.error(404);
    assert!(error.contains("198.51.100.0/24"), "{error}");
    daemon.patch("/security/blacklist/198.51.100.0/24", &json!({"ttl": "1h"})).await.ok();
    let from = daemon.ask("PATCH", path).from([127, 0, 0, 2]).body(r#"{"ttl":"1h"}"#).send().await;
    from.error(403);
}
