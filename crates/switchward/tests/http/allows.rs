//! `/security/whitelist`.

use crate::support::{Daemon, Kernel, apart, fields};
use serde_json::json;
use std::time::Duration;

const LIST: &str = "/security/whitelist";

#[tokio::test]
async fn an_entry_is_in_the_list_with_exactly_these_fields() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let order = json!({"ip": "203.0.113.5", "userId": "1000", "domain": "pbx.example"});
    let answer = daemon.post(LIST, &order).await.ok();
    assert_eq!(fields(&answer), ["message", "status"]);
    assert_eq!(answer["status"], "success");

    let list = daemon.get(LIST).await.ok();
    assert_eq!(fields(&list), ["203.0.113.5"]);
    let entry = &list["203.0.113.5"];
    let names = ["addedAt", "domain", "expiresAt", "ip", "lastSeen", "permanent", "userId"];
    assert_eq!(fields(entry), names);
    assert_eq!((&entry["ip"], &entry["permanent"]), (&json!("203.0.113.5"), &json!(false)));
    assert_eq!((&entry["userId"], &entry["domain"]), (&json!("1000"), &json!("pbx.example")));
    // security.whitelist_ttl
    assert_eq!(apart(&entry["addedAt"], &entry["expiresAt"]), Duration::from_secs(24 * 3600));
    assert_eq!(entry["lastSeen"], entry["addedAt"]);

    let one = daemon.get("/security/whitelist/203.0.113.5").await.ok();
    let wanted = json!({"ip": "203.0.113.5", "whitelisted": true, "userId": "1000", "domain": "pbx.example"});
    assert_eq!(one, wanted);
    let other = daemon.get("/security/whitelist/203.0.113.6").await.ok();
    assert_eq!(other, json!({"ip": "203.0.113.6", "whitelisted": false}));
}

#[tokio::test]
async fn the_earlier_releases_spelling_of_a_field_is_read() {
    let daemon = Daemon::start().await;
    daemon.post(LIST, &json!({"ip": "203.0.113.5", "user_id": "1001", "permanent": true})).await.ok();
    let entry = daemon.get(LIST).await.ok()["203.0.113.5"].clone();
    assert_eq!((&entry["userId"], &entry["permanent"]), (&json!("1001"), &json!(true)));
    assert_eq!(entry["expiresAt"], "0001-01-01T00:00:00Z");
}

#[tokio::test]
async fn networks_and_ipv6_are_allowed_too_but_no_ports() {
    let daemon = Daemon::start().await;
    for (given, shown, within) in [
        ("198.51.100.0/24", "198.51.100.0/24", "198.51.100.7"),
        ("2001:db8:0:1::5", "2001:db8:0:1::/64", "2001:db8:0:1:ffff::"),
        ("2001:db8:2::/48", "2001:db8:2::/48", "2001:db8:2:3::1"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.9"),
    ] {
        daemon.post(LIST, &json!({"ip": given, "ttl": "5m"})).await.ok();
        let list = daemon.get(LIST).await.ok();
        assert_eq!(fields(&list), [shown]);
        assert_eq!(apart(&list[shown]["addedAt"], &list[shown]["expiresAt"]), Duration::from_secs(300));
        assert_eq!(daemon.get(&format!("{LIST}/{within}")).await.ok()["whitelisted"], true);
        daemon.delete(&format!("{LIST}/{}", given.replace('/', "%2F"))).await.ok();
        assert_eq!(daemon.get(LIST).await.ok(), json!({}));
    }
    daemon.post(LIST, &json!({"ip": "198.51.100.0/24"})).await.ok();
    let answer = daemon.delete(&format!("{LIST}/198.51.100.7")).await.ok();
    assert!(answer["warnings"].to_string().contains("198.51.100.0/24"), "{answer}");
    let error = daemon.post(LIST, &json!({"ip": "203.0.113.5:5060"})).await.error(400);
    assert!(error.contains("port"), "{error}");
    daemon.post(LIST, &json!({"ip": "nonsense"})).await.error(400);
    daemon.post(LIST, &json!({"userId": "1000"})).await.error(400);
}

#[tokio::test]
async fn allowing_lifts_the_ban_and_keeps_the_guard_off() {
    let daemon = Daemon::start().await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
    let answer = daemon.post(LIST, &json!({"ip": "203.0.113.5"})).await.ok();
    assert!(answer["message"].as_str().unwrap().contains("ban"), "{answer}");
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    daemon.refuse("203.0.113.5", "1000", 50);
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
}

#[tokio::test]
async fn an_address_of_a_banned_network_cannot_be_allowed_alone() {
    let daemon = Daemon::start().await;
    daemon.post("/security/blacklist", &json!({"ip": "198.51.100.0/24"})).await.ok();
    let error = daemon.post(LIST, &json!({"ip": "198.51.100.7"})).await.error(400);
    assert!(error.contains("198.51.100.0/24"), "{error}");
}

#[tokio::test]
async fn deleting_is_idempotent() {
    let daemon = Daemon::start().await;
    daemon.post(LIST, &json!({"ip": "203.0.113.5"})).await.ok();
    for _ in 0..2 {
        assert_eq!(daemon.delete(&format!("{LIST}/203.0.113.5")).await.ok()["status"], "success");
        assert_eq!(daemon.get(LIST).await.ok(), json!({}));
    }
    daemon.delete(&format!("{LIST}/nonsense")).await.error(400);
    daemon.get(&format!("{LIST}/nonsense")).await.error(400);
}

#[tokio::test]
async fn a_thousand_are_one_batch_and_one_more_is_none() {
    let daemon = Daemon::start().await;
    let path = format!("{LIST}/batch");
    let order = |n: u32| json!({"ip": format!("198.18.{}.{}", n / 256, n % 256), "user_id": n.to_string()});
    let too_many: Vec<_> = (0..1001).map(order).collect();
    daemon.post(&path, &json!(too_many)).await.error(400);
    assert_eq!(daemon.get(LIST).await.ok(), json!({}));
    let mut orders: Vec<_> = (0..999).map(order).collect();
    orders.push(json!({"ip": "nonsense"}));
    let answer = daemon.post(&path, &json!(orders)).await.ok();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 1000);
    assert_eq!(results[998], json!({"ip": "198.18.3.230", "status": "success"}));
    assert_eq!(fields(&results[999]), ["error", "ip"]);
    let list = daemon.get(LIST).await.ok();
    assert_eq!(list.as_object().unwrap().len(), 999);
    assert_eq!(list["198.18.3.230"]["userId"], "998");
}
