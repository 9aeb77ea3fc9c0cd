//! Who may change state.

use crate::support::{Daemon, Kernel};
use serde_json::json;

const CHANGES: &[(&str, &str)] = &[
    ("POST", "/security/blacklist"),
    ("POST", "/security/blacklist/batch"),
    ("DELETE", "/security/blacklist/203.0.113.5"),
    ("DELETE", "/api/v1/ips/203.0.113.5/block"),
    ("POST", "/security/whitelist"),
    ("POST", "/security/whitelist/batch"),
    ("DELETE", "/security/whitelist/203.0.113.5"),
    ("POST", "/security/untrusted-networks"),
    ("DELETE", "/security/untrusted-networks/evil.example"),
    ("POST", "/security/esl/command"),
    ("POST", "/security/esl/log-level"),
    ("POST", "/security/esl/log_level"),
    ("POST", "/security/esl/reconnect"),
    ("PUT", "/security/blacklist"),
    ("PATCH", "/anything"),
];
const REFUSAL: &str = "source IP not permitted for this operation";

#[tokio::test]
async fn another_peer_changes_nothing_and_may_read() {
    let daemon = Daemon::start().await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
    for (method, path) in CHANGES {
        let body =
            json!({"ip": "203.0.113.6", "pattern": "evil.example", "level": "error", "command": "status"});
        let answer = daemon.ask(method, path).from([127, 0, 0, 2]).body(body.to_string()).send().await;
        assert_eq!(answer.error(403), REFUSAL, "{method} {path}");
    }
    let read = |path| daemon.ask("GET", path).from([127, 0, 0, 2]).send();
    assert_eq!(read("/security/blacklist").await.ok().as_object().unwrap().len(), 1);
    assert_eq!(read("/security/whitelist").await.ok(), json!({}));
    assert_eq!(read("/security/esl").await.ok()["logLevel"], "info");
}

#[tokio::test]
async fn a_forwarded_header_counts_for_nothing() {
    let daemon = Daemon::start().await;
    for name in ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"] {
        let value = if name == "Forwarded" { "for=127.0.0.1" } else { "127.0.0.1" };
        let refused = daemon.ask("DELETE", "/security/blacklist/203.0.113.5").from([127, 0, 0, 2]);
        assert_eq!(refused.header(name, value).send().await.error(403), REFUSAL);
        let value = value.replace("127.0.0.1", "192.0.2.1");
        let allowed = daemon.ask("DELETE", "/security/blacklist/203.0.113.5");
        allowed.header(name, &value).send().await.ok();
    }
}

#[tokio::test]
async fn the_lists_of_the_configuration_say_who_may() {
    let daemon = Daemon::with(Kernel::None, |config| {
        config.security.chandaemon.allowed_api_ips = vec!["127.0.0.2/32".parse().unwrap()];
        config.api.allowed_ips = vec!["127.0.3.0/24".parse().unwrap()];
    })
    .await;
    let order = || daemon.ask("DELETE", "/security/blacklist/203.0.113.5");
    order().from([127, 0, 0, 2]).send().await.ok();
    order().from([127, 0, 3, 9]).send().await.ok();
    order().from([127, 0, 0, 1]).send().await.error(403);
}

#[tokio::test]
async fn an_ipv4_mapped_peer_is_the_ipv4_peer() {
    let daemon = Daemon::at("[::ffff:127.0.0.1]:0", Kernel::None, |_| {}).await;
    assert!(daemon.address.is_ipv6());
    let answer = daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await;
    assert_eq!(answer.ok()["status"], "success");
    let why = daemon.get("/security/why/203.0.113.5").await.ok();
    assert_eq!(why["ban"]["by"], "operator 127.0.0.1");
}

#[tokio::test]
async fn ipv6_loopback_may() {
    let daemon = Daemon::at("[::1]:0", Kernel::None, |_| {}).await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let daemon = Daemon::start().await;
    let own = daemon.url();
    let order = |origin: &str| {
        daemon.ask("POST", "/security/blacklist").header("Origin", origin).body(r#"{"ip": "203.0.113.5"}"#)
    };
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1"] {
        order(origin).json().send().await.error(403);
    }
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    // Its own page, but a form that any site could send.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        order(&own).header("Content-Type", kind).send().await.error(415);
    }
    order(&own).send().await.error(415);
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    order(&own).header("Content-Type", "application/json; charset=utf-8").send().await.ok();
    assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn without_an_origin_the_content_type_does_not_matter() {
    let daemon = Daemon::start().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json", "nonsense"] {
        let order = daemon.ask("POST", "/security/blacklist").header("Content-Type", kind);
        order.body(r#"{"ip": "203.0.113.5"}"#).send().await.ok();
    }
}
