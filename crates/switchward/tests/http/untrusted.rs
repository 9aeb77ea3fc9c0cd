//! `/security/untrusted-networks`.

use crate::support::{Daemon, Kernel, fields};
use serde_json::json;

const LIST: &str = "/security/untrusted-networks";

#[tokio::test]
async fn patterns_are_added_tested_and_removed() {
    let daemon = Daemon::with(Kernel::Dry, |_| {}).await;
    assert_eq!(daemon.get(LIST).await.ok(), json!([]));
    let answer = daemon.post(LIST, &json!({"pattern": "*.Evil.example"})).await.ok();
    assert_eq!(fields(&answer), ["message", "status"]);
    assert_eq!(daemon.get(LIST).await.ok(), json!(["*.evil.example"]));
    let error = daemon.post(LIST, &json!({"pattern": "*.evil.EXAMPLE"})).await.error(400);
    assert!(error.contains("exists"), "{error}");

    let test = async |domain: &str| daemon.get(&format!("{LIST}/test/{domain}")).await.ok();
    assert_eq!(test("a.EVIL.example").await, json!({"domain": "a.EVIL.example", "isUntrusted": true}));
    assert_eq!(test("evil.example").await, json!({"domain": "evil.example", "isUntrusted": false}));

    let path = format!("{LIST}/*.evil.example");
    assert_eq!(daemon.delete(&path).await.ok()["status"], "success");
    let error = daemon.delete(&path).await.error(400);
    assert!(error.contains("not found"), "{error}");
    assert_eq!(test("a.evil.example").await["isUntrusted"], false);
}

#[tokio::test]
async fn what_is_no_pattern_is_refused() {
    let daemon = Daemon::start().await;
    for pattern in [json!(""), json!("*"), json!("a b"), json!("x".repeat(254)), json!(null), json!(5)] {
        daemon.post(LIST, &json!({"pattern": pattern})).await.error(400);
    }
    daemon.post(LIST, &json!({})).await.error(400);
    daemon.delete(&format!("{LIST}/%20")).await.error(400);
    assert_eq!(daemon.get(LIST).await.ok(), json!([]));
}

#[tokio::test]
async fn a_pattern_of_the_configuration_goes_until_the_next_start() {
    let daemon = Daemon::with(Kernel::Dry, |config| {
        config.security.untrusted_networks = vec!["evil.example".into(), "bad.example".into()];
    })
    .await;
    assert_eq!(daemon.get(LIST).await.ok(), json!(["bad.example", "evil.example"]));
    daemon.post(LIST, &json!({"pattern": "evil.example"})).await.error(400);
    let answer = daemon.delete(&format!("{LIST}/evil.example")).await.ok();
    assert!(answer["warnings"][0].as_str().unwrap().contains("next start"), "{answer}");
    assert_eq!(daemon.get(LIST).await.ok(), json!(["bad.example"]));
    assert!(daemon.app.guard.policy().untrusted.iter().all(|pattern| pattern.as_str() == "bad.example"));
}
