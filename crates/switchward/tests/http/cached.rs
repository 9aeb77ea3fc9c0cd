//! The cache of GET answers: what it keeps, and that a change is seen at once.

use crate::support::{Answer, Daemon, Kernel, fields};
use serde_json::{Value, json};
use std::time::Duration;

async fn caching() -> Daemon {
    Daemon::with(Kernel::None, |config| config.cache.enabled = true).await
}

async fn count(daemon: &Daemon, group: &str, name: &str) -> u64 {
    daemon.get("/cache/stats").await.ok()[group][name].as_u64().unwrap()
}

#[tokio::test]
async fn the_statistics_have_the_contracts_fields() {
    let daemon = caching().await;
    let wanted = json!({
        "enabled": true,
        "security": {"hits": 0, "misses": 0, "entries": 0, "ttl": "5m0s"},
        "operations": {"writes": 0, "reads": 0, "misses": 0, "deletes": 0},
    });
    assert_eq!(daemon.get("/cache/stats").await.ok(), wanted);
    let off = Daemon::with(Kernel::None, |config| config.cache.enabled = false).await;
    off.get("/security/rate-limit").await.ok();
    assert_eq!(off.get("/cache/stats").await.ok(), json!({"enabled": false}));
}

#[tokio::test]
async fn the_same_question_is_answered_from_the_cache_until_it_is_cleared() {
    let daemon = caching().await;
    let first = daemon.get("/security/rate-limit").await;
    let second = daemon.get("/security/rate-limit").await;
    assert_eq!(first.ok(), second.ok());
    assert_eq!(names(&first), names(&second));
    let stats = daemon.get("/cache/stats").await.ok();
    assert_eq!(stats["security"], json!({"hits": 1, "misses": 1, "entries": 1, "ttl": "5m0s"}));
    assert_eq!(stats["operations"], json!({"writes": 1, "reads": 2, "misses": 1, "deletes": 0}));

    let cleared = daemon.post("/cache/security/clear", &json!({})).await.ok();
    assert_eq!(cleared, json!({"status": "security cache cleared"}));
    let stats = daemon.get("/cache/stats").await.ok();
    assert_eq!((&stats["security"]["entries"], &stats["operations"]["deletes"]), (&json!(0), &json!(1)));
    daemon.get("/security/rate-limit").await.ok();
    assert_eq!(count(&daemon, "security", "misses").await, 2);
    // The body counts for nothing, and need not be there.
    daemon.ask("POST", "/cache/security/clear").send().await.ok();
    daemon.ask("POST", "/cache/security/clear").from([127, 0, 0, 2]).send().await.error(403);
}

fn names(answer: &Answer) -> Vec<String> {
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_order_is_seen_at_once() {
    let daemon = caching().await;
    for number in 0..20 {
        let ip = format!("203.0.113.{number}");
        let is_listed =
            async |list: &str| daemon.get(&format!("/security/{list}")).await.ok().get(&ip).is_some();
        for list in ["blacklist", "whitelist"] {
            assert!(!is_listed(list).await);
            daemon.post(&format!("/security/{list}"), &json!({ "ip": ip })).await.ok();
            assert!(is_listed(list).await, "{list} {ip}");
            daemon.delete(&format!("/security/{list}/{ip}")).await.ok();
            assert!(!is_listed(list).await, "{list} {ip}");
        }
        let patterns = async || daemon.get("/security/untrusted-networks").await.ok();
        assert_eq!(patterns().await, json!([]));
        daemon.post("/security/untrusted-networks", &json!({"pattern": "evil.example"})).await.ok();
        assert_eq!(patterns().await, json!(["evil.example"]));
        daemon.delete("/security/untrusted-networks/evil.example").await.ok();
    }
    let stats = daemon.get("/security/stats").await.ok();
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.99"})).await.ok();
    let after = daemon.get("/security/stats").await.ok();
    assert_eq!((&stats["activeBlacklistEntries"], &after["activeBlacklistEntries"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn a_ban_of_the_guard_is_seen_at_once() {
    let daemon = caching().await;
    for number in 1..20 {
        assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), number - 1);
        daemon.refuse(&format!("198.18.{number}.1"), &format!("u{number}"), 5);
        assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), number);
        assert_eq!(daemon.get("/security/stats").await.ok()["activeBlacklistEntries"], number);
    }
}

#[tokio::test]
async fn what_events_change_is_true_again_after_a_second() {
    let daemon = caching().await;
    daemon.refuse("203.0.113.5", "1000", 1);
    daemon.get("/security/failed").await.ok();
    daemon.refuse("203.0.113.5", "1000", 1);
    let asked = tokio::time::Instant::now();
    let told = loop {
        let failed = daemon.get("/security/failed").await.ok();
        if failed["203.0.113.5"]["count"] == 2 || asked.elapsed() > Duration::from_secs(60) {
            break failed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(told["203.0.113.5"]["count"], 2);
}

#[tokio::test]
async fn another_configuration_makes_a_kept_answer_void() {
    let daemon = caching().await;
    let limit = async || daemon.get("/security/rate-limit").await.ok()["callRateLimit"].clone();
    assert_eq!(limit().await, 20);
    let mut config = switchward::config::Config::clone(&daemon.app.config.load());
    config.security.rate_limit.call_rate_limit = 7;
    daemon.app.config.store(config.into());
    assert_eq!(limit().await, 7);
}

#[tokio::test]
async fn how_things_stand_right_now_is_never_kept() {
    let daemon = caching().await;
    for path in [
        "/health",
        "/security/status",
        "/security/esl",
        "/security/channels",
        "/security/overview",
        "/security/why/203.0.113.5",
        "/security/blacklist/203.0.113.5",
        "/openapi.json",
        "/nothing",
    ] {
        daemon.get(path).await;
        daemon.get(path).await;
    }
    let stats = daemon.get("/cache/stats").await.ok();
    assert_eq!((&stats["operations"]["reads"], &stats["security"]["entries"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn only_answers_of_a_known_and_short_length_are_kept() {
    let daemon = caching().await;
    let orders: Vec<Value> = (0..101).map(|number| json!({"ip": format!("198.51.100.{number}")})).collect();
    daemon.post("/security/blacklist/batch", &json!(orders)).await.ok();
    for _ in 0..3 {
        assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), 101);
    }
    let query = "x".repeat(300);
    daemon.get(&format!("/security/rate-limit?{query}")).await.ok();
    assert_eq!(count(&daemon, "security", "entries").await, 0);
    // Another question is another answer, and there are not more than so many.
    for number in 0..400 {
        daemon.get(&format!("/security/rate-limit?{number}")).await.ok();
    }
    assert_eq!(count(&daemon, "security", "entries").await, 256);
    assert_eq!(count(&daemon, "operations", "deletes").await, 400 - 256);
}

#[tokio::test]
async fn head_asks_no_cache() {
    let daemon = caching().await;
    daemon.get("/security/rate-limit").await.ok();
    let answer = daemon.ask("HEAD", "/security/rate-limit").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(fields(&daemon.get("/security/rate-limit").await.ok()).len(), 9);
}
