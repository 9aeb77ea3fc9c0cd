//! `/security/blacklist` and the central repository's way in.

use crate::support::{Daemon, Kernel, apart, fields};
use serde_json::json;
use std::time::Duration;

const LIST: &str = "/security/blacklist";

#[tokio::test]
async fn a_ban_is_in_the_list_with_exactly_these_fields() {
    let daemon = Daemon::with(Kernel::Dry, |_| {}).await;
    let answer = daemon.post(LIST, &json!({"ip": "203.0.113.5", "reason": "spam"})).await.ok();
    assert_eq!(fields(&answer), ["message", "status", "warnings"]);
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["warnings"], json!(["dry run: the kernel drops nothing"]));

    let list = daemon.get(LIST).await.ok();
    assert_eq!(fields(&list), ["203.0.113.5"]);
    let ban = &list["203.0.113.5"];
    assert_eq!(fields(ban), ["addedAt", "expiresAt", "failCount", "ip", "permanent", "reason"]);
    assert_eq!((&ban["ip"], &ban["reason"]), (&json!("203.0.113.5"), &json!("spam")));
    assert_eq!((&ban["failCount"], &ban["permanent"]), (&json!(0), &json!(false)));
    // security.block_duration
    assert_eq!(apart(&ban["addedAt"], &ban["expiresAt"]), Duration::from_secs(3600));

    let one = daemon.get("/security/blacklist/203.0.113.5").await.ok();
    assert_eq!(one, json!({"ip": "203.0.113.5", "blacklisted": true}));
    let other = daemon.get("/security/blacklist/203.0.113.6").await.ok();
    assert_eq!(other, json!({"ip": "203.0.113.6", "blacklisted": false}));
}

#[tokio::test]
async fn an_answer_without_warnings_has_no_such_field() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let answer = daemon.post(LIST, &json!({"ip": "203.0.113.5"})).await.ok();
    assert_eq!(fields(&answer), ["message", "status"]);
    assert_eq!(daemon.get(LIST).await.ok()["203.0.113.5"]["reason"], "banned by hand");
}

#[tokio::test]
async fn permanent_and_ttl_say_how_long_a_ban_lasts() {
    let daemon = Daemon::start().await;
    daemon.post(LIST, &json!({"ip": "203.0.113.1", "permanent": true})).await.ok();
    daemon.post(LIST, &json!({"ip": "203.0.113.2", "ttl": "1h30m"})).await.ok();
    daemon
        .post(LIST, &json!({"ip": "203.0.113.3", "ttl": null, "permanent": false, "reason": null}))
        .await
        .ok();
    let list = daemon.get(LIST).await.ok();
    assert_eq!(list["203.0.113.1"]["permanent"], true);
    assert_eq!(list["203.0.113.1"]["expiresAt"], "0001-01-01T00:00:00Z");
    let length = |ip: &str| apart(&list[ip]["addedAt"], &list[ip]["expiresAt"]);
    assert_eq!(length("203.0.113.2"), Duration::from_secs(5400));
    assert_eq!(length("203.0.113.3"), Duration::from_secs(3600));
    for body in [
        json!({"ip": "203.0.113.9", "ttl": "soon"}),
        json!({"ip": "203.0.113.9", "ttl": "0s"}),
        json!({"ip": "203.0.113.9", "ttl": "-5m"}),
        json!({"ip": "203.0.113.9", "ttl": "1h", "permanent": true}),
        json!({"ip": "203.0.113.9", "scope": "some"}),
    ] {
        daemon.post(LIST, &body).await.error(400);
    }
    assert_eq!(daemon.get("/security/blacklist/203.0.113.9").await.ok()["blacklisted"], false);
}

#[tokio::test]
async fn every_spelling_of_a_target_is_one_target() {
    let daemon = Daemon::start().await;
    for (given, shown) in [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.6", "203.0.113.6"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("198.51.100.77/24", "198.51.100.0/24"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:2::/48", "2001:db8:2::/48"),
        ("203.0.113.8:5062", "203.0.113.8:5062"),
        ("[2001:db8:5::1]:5062", "[2001:db8:5::1]:5062"),
    ] {
        daemon.post(LIST, &json!({"ip": given})).await.ok();
        assert_eq!(daemon.get(LIST).await.ok()[shown]["ip"], shown, "{given}");
        let encoded = format!("{LIST}/{}", given.replace('/', "%2F").replace('[', "%5B").replace(']', "%5D"));
        let one = daemon.get(&encoded).await.ok();
        assert_eq!((&one["ip"], &one["blacklisted"]), (&json!(shown), &json!(true)), "{encoded}");
        let gone = daemon.delete(&encoded).await.ok();
        assert_eq!(gone["status"], "success");
        assert_eq!(daemon.get(LIST).await.ok(), json!({}), "{given}");
        assert_eq!(daemon.get(&encoded).await.ok()["blacklisted"], false, "{given}");
    }
}

#[tokio::test]
async fn a_network_covers_its_addresses_and_a_port_only_itself() {
    let daemon = Daemon::start().await;
    daemon.post(LIST, &json!({"ip": "198.51.100.0/24"})).await.ok();
    daemon.post(LIST, &json!({"ip": "203.0.113.8:5062"})).await.ok();
    for (path, banned) in [
        ("198.51.100.7", true),
        ("198.51.100.128%2F25", true),
        ("198.51.100.128/25", true),
        ("198.51.0.0%2F16", false),
        ("198.51.101.1", false),
        ("203.0.113.8", false),
        ("203.0.113.8:5062", true),
        ("203.0.113.8:5063", false),
        ("198.51.100.9:1234", true),
    ] {
        assert_eq!(daemon.get(&format!("{LIST}/{path}")).await.ok()["blacklisted"], banned, "{path}");
    }
    // Lifting one address of a banned network frees nobody, and the answer says so.
    let answer = daemon.delete(&format!("{LIST}/198.51.100.7")).await.ok();
    let warnings = answer["warnings"].to_string();
    assert!(warnings.contains("198.51.100.0/24"), "{warnings}");
}

#[tokio::test]
async fn deleting_is_idempotent() {
    let daemon = Daemon::start().await;
    daemon.post(LIST, &json!({"ip": "203.0.113.5"})).await.ok();
    for _ in 0..2 {
        let answer = daemon.delete(&format!("{LIST}/203.0.113.5")).await.ok();
        assert_eq!(answer["status"], "success");
        assert_eq!(daemon.get(LIST).await.ok(), json!({}));
    }
}

#[tokio::test]
async fn the_central_repository_lifts_a_ban() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    daemon.post(LIST, &json!({"ip": "203.0.113.5", "permanent": true})).await.ok();
    for _ in 0..2 {
        let answer = daemon.delete("/api/v1/ips/203.0.113.5/block").await.ok();
        let wanted = json!({"ip": "203.0.113.5", "banned": false, "message": "IP unblocked successfully"});
        assert_eq!(answer, wanted);
    }
    assert_eq!(daemon.get(LIST).await.ok(), json!({}));
    daemon.delete("/api/v1/ips/nonsense/block").await.error(400);
    daemon.delete("/api/v1/ips/2001:db8::1%2F48/block").await.ok();
}

#[tokio::test]
async fn what_must_not_be_banned_is_refused_with_the_reason() {
    let daemon = Daemon::start().await;
    daemon.post("/security/whitelist", &json!({"ip": "203.0.113.5"})).await.ok();
    for (ip, word) in [
        ("203.0.113.5", "allow-list"),
        ("203.0.113.0/24", "allow-list"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("0.0.0.0/0", "trusted"),
        ("::1", "operator"),
        ("", "required"),
        ("pbx.example", "neither"),
        ("1.2.3", "neither"),
    ] {
        let error = daemon.post(LIST, &json!({"ip": ip})).await.error(400);
        assert!(error.contains(word), "{ip}: {error}");
    }
    daemon.post(LIST, &json!({"reason": "no address"})).await.error(400);
    assert_eq!(daemon.get(LIST).await.ok(), json!({}));
}

#[tokio::test]
async fn a_thousand_are_one_batch_and_one_more_is_none() {
    let daemon = Daemon::start().await;
    let order = |n: u32| json!({"ip": format!("198.18.{}.{}", n / 256, n % 256)});
    let path = format!("{LIST}/batch");
    let too_many: Vec<_> = (0..1001).map(order).collect();
    let error = daemon.post(&path, &json!(too_many)).await.error(400);
    assert!(error.contains("1000"), "{error}");
    assert_eq!(daemon.get(LIST).await.ok(), json!({}));

    let enough: Vec<_> = (0..1000).map(order).collect();
    let answer = daemon.post(&path, &json!(enough)).await.ok();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 1000);
    assert!(results.iter().all(|result| fields(result) == ["ip", "status"]));
    assert_eq!(daemon.get(LIST).await.ok().as_object().unwrap().len(), 1000);
    assert_eq!(daemon.app.mirror.store().unwrap().health().waiting, 0);
}

#[tokio::test]
async fn a_batch_tells_what_became_of_each() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let orders = json!([
        {"ip": "203.0.113.5", "reason": "one"},
        {"ip": "10.0.0.1"},
        {"ip": "nonsense"},
        {"ip": "2001:db8::1", "permanent": true},
        {},
    ]);
    let answer = daemon.post(&format!("{LIST}/batch"), &orders).await.ok();
    assert_eq!(fields(&answer), ["results"]);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results[0], json!({"ip": "203.0.113.5", "status": "success"}));
    assert_eq!(fields(&results[1]), ["error", "ip"]);
    assert_eq!(results[2]["ip"], "nonsense");
    assert_eq!(results[3], json!({"ip": "2001:db8::/64", "status": "success"}));
    assert!(results[4]["error"].as_str().unwrap().contains("required"));
    assert_eq!(fields(&daemon.get(LIST).await.ok()), ["2001:db8::/64", "203.0.113.5"]);
    assert_eq!(daemon.post(&format!("{LIST}/batch"), &json!([])).await.ok(), json!({"results": []}));
}

#[tokio::test]
async fn a_ban_by_a_rule_shows_its_strikes() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.50", "1000", 5);
    let ban = daemon.get(LIST).await.ok()["203.0.113.50"].clone();
    assert_eq!(ban["failCount"], 5);
    assert!(ban["reason"].as_str().unwrap().contains("failed"), "{ban}");
    assert_eq!(daemon.get("/security/stats").await.ok()["blockedAttempts"], 1);
}

#[tokio::test]
async fn a_long_list_is_whole() {
    let daemon = Daemon::start().await;
    let app = daemon.app.clone();
    let enter = move || {
        for n in 0..20_000u32 {
            let ip = std::net::Ipv4Addr::from(0xc612_0000 + n);
            let target = guard::Target::host(ip.into());
            let now = switchward::clock::now();
            app.guard.order_ban(target, None, guard::Scope::All, "many", "test", now).unwrap();
        }
    };
    tokio::task::spawn_blocking(enter).await.unwrap();
    let answer = daemon.get(LIST).await;
    let list = answer.ok();
    assert_eq!(list.as_object().unwrap().len(), 20_000);
    assert_eq!(list["198.18.78.31"]["reason"], "many");
}
