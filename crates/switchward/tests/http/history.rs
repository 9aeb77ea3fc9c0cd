//! `/security/history`, and what `why` tells of the past.

use crate::support::{Daemon, fields};
use serde_json::{Value, json};

fn told(page: &Value) -> Vec<(String, Value)> {
    let items = page["history"].as_array().unwrap();
    items
        .iter()
        .map(|item| (item["ban"]["target"].as_str().unwrap().to_owned(), item["how"].clone()))
        .collect()
}

#[tokio::test]
async fn who_banned_and_who_lifted_is_remembered() {
    let daemon = Daemon::start().await;
    let body = json!({"ip": "203.0.113.5", "reason": "spam", "note": "ticket 7"});
    daemon.post("/security/blacklist", &body).await.ok();
    daemon.patch("/security/blacklist/203.0.113.5", &json!({"permanent": true})).await.ok();
    daemon.delete("/security/blacklist/203.0.113.5").await.ok();
    daemon.post("/security/blacklist", &body).await.ok();
    let page = daemon.get("/security/history").await.ok();
    assert_eq!(fields(&page), ["history", "next"]);
    assert_eq!(told(&page), [("203.0.113.5".into(), Value::Null), ("203.0.113.5".into(), json!("lifted"))]);
    let lifted = &page["history"][1];
    assert_eq!(fields(lifted), ["ban", "ended", "how", "id", "liftedBy", "since"]);
    assert_eq!(lifted["liftedBy"], "operator 127.0.0.1");
    assert_eq!((&lifted["ban"]["note"], &lifted["ban"]["until"]), (&json!("ticket 7"), &Value::Null));
    assert_eq!(lifted["ban"]["remainingSeconds"], 0);
}

#[tokio::test]
async fn the_history_is_searched_and_paged() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "bob", 6);
    for ip in ["198.51.100.0/24", "198.51.100.7", "203.0.113.8:5062", "2001:db8::1"] {
        daemon.post("/security/blacklist", &json!({"ip": ip, "reason": format!("because {ip}")})).await.ok();
    }
    daemon.post("/security/whitelist", &json!({"ip": "2001:db8::1"})).await.ok();
    for (query, expected) in [
        ("ip=198.51.100.7", vec!["198.51.100.7", "198.51.100.0/24"]),
        ("ip=198.51.0.0/16", vec!["198.51.100.7", "198.51.100.0/24"]),
        ("rule=failed-registrations", vec!["203.0.113.9"]),
        ("account=bob@pbx.example", vec!["203.0.113.9"]),
        ("account=alice", vec![]),
        ("how=lifted", vec!["2001:db8::/64"]),
        ("how=expired", vec![]),
        ("how=standing&search=because", vec!["203.0.113.8:5062", "198.51.100.7", "198.51.100.0/24"]),
        ("who=guard", vec!["203.0.113.9"]),
        ("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z", vec![]),
        ("from=2199-01-01T00:00:00Z&how=lifted", vec![]),
    ] {
        let page = daemon.get(&format!("/security/history?{query}")).await.ok();
        let targets: Vec<String> = told(&page).into_iter().map(|(target, _)| target).collect();
        assert_eq!(targets, expected, "{query}");
    }
    let first = daemon.get("/security/history?limit=2").await.ok();
    let next = first["next"].as_i64().unwrap();
    let second = daemon.get(&format!("/security/history?limit=3&cursor={next}")).await.ok();
    assert_eq!((told(&first).len(), told(&second).len(), &second["next"]), (2, 3, &Value::Null));
    let one = daemon.get("/security/history/198.51.100.7?limit=1").await.ok();
    assert_eq!((told(&one)[0].0.as_str(), one["next"].is_i64()), ("198.51.100.7", true));
    let net = daemon.get("/security/history/198.51.100.0%2F24").await.ok();
    assert_eq!(told(&net).len(), 2);
    for query in ["limit=0", "cursor=x", "how=so", "from=yesterday", "to=", "ip=x", "page=1"] {
        daemon.get(&format!("/security/history?{query}")).await.error(400);
    }
    daemon.get("/security/history/pbx.example").await.error(400);
}

#[tokio::test]
async fn why_tells_note_past_and_lately_under_both_paths() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "bob", 6);
    daemon.delete("/security/blacklist/203.0.113.9").await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.9", "note": "ticket 9"})).await.ok();
    let why = daemon.get("/security/why/203.0.113.9").await.ok();
    assert_eq!(why["ban"]["note"], "ticket 9");
    assert_eq!((why["history"].as_array().unwrap().len(), &why["history"][1]["how"]), (2, &json!("lifted")));
    let lately: Vec<&str> =
        why["timeline"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect();
    assert!(lately.contains(&"refused") && lately.contains(&"banned"), "{lately:?}");
    let text = why["text"].as_str().unwrap();
    for word in
        ["note: ticket 9", "earlier bans:", "lifted by operator 127.0.0.1", "lately:", "bob@pbx.example"]
    {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
    let alias = daemon.get("/security/blacklist/203.0.113.9/why").await.ok();
    assert_eq!((&alias["history"], &alias["standing"]), (&why["history"], &why["standing"]));
    daemon.get("/security/blacklist/2001:db8::1/why").await.ok();
    daemon.get("/security/blacklist/198.51.100.0%2F24/why").await.error(400);
    daemon.get("/security/blacklist/why").await.error(400);
}
