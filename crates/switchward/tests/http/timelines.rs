//! What sources and accounts did lately.

use crate::support::{Daemon, fields};
use guard::What;
use serde_json::{Value, json};

fn told(timeline: &Value) -> Vec<&str> {
    timeline["timeline"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_source_s_timeline_tells_what_it_did_and_what_came_of_it() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "bob\u{202e}", 7);
    daemon.observe("203.0.113.7", What::Registered { expires: 3600 });
    daemon.observe("203.0.113.7", What::Unregistered);
    daemon.delete("/security/blacklist/203.0.113.9").await.ok();
    let timeline = daemon.get("/security/sources/203.0.113.9/timeline").await.ok();
    assert_eq!(fields(&timeline), ["subject", "timeline"]);
    let mut what = told(&timeline);
    what.sort_unstable();
    // Heard while banned: twice, recorded once.
    let expected =
        ["ban-lifted", "banned", "heard-while-banned", "refused", "refused", "refused", "refused", "refused"];
    assert_eq!(what, expected);
    let refused =
        timeline["timeline"].as_array().unwrap().iter().find(|item| item["what"] == "refused").unwrap();
    let names = [
        "at",
        "domain",
        "evidence",
        "ip",
        "port",
        "switch",
        "text",
        "transport",
        "userAgent",
        "userId",
        "what",
    ];
    assert_eq!(fields(refused), names);
    assert_eq!((&refused["userId"], &refused["domain"]), (&json!("bob\\u{202e}"), &json!("pbx.example")));
    assert_eq!((&refused["port"], &refused["transport"]), (&json!(5062), &json!("udp")));
    assert_eq!((&refused["switch"], &refused["evidence"]), (&json!("freeswitch"), &json!("likely")));
    let phone = daemon.get("/security/sources/203.0.113.7/timeline").await.ok();
    assert_eq!(told(&phone), ["unregistered", "registered"]);
    let two = daemon.get("/security/sources/203.0.113.9/timeline?limit=2").await.ok();
    assert_eq!(told(&two).len(), 2);
    daemon.get("/security/sources/198.51.100.0%2F24/timeline").await.error(400);
    daemon.get("/security/sources/203.0.113.9/timeline?limit=0").await.error(400);
}

#[tokio::test]
async fn an_account_s_timeline_goes_over_all_sources() {
    let daemon = Daemon::start().await;
    // Fewer than make the account attacked.
    for n in 1..=8 {
        daemon.refuse(&format!("198.18.{n}.1"), "bob", 1);
    }
    daemon.refuse("203.0.113.99", "bob", 5);
    daemon.refuse("203.0.113.98", "alice", 1);
    let timeline = daemon.get("/security/accounts/bob@pbx.example/timeline").await.ok();
    assert_eq!(timeline["subject"], "bob@pbx.example");
    let what = told(&timeline);
    assert_eq!(what.iter().filter(|what| **what == "refused").count(), 13);
    daemon.delete("/security/blacklist/203.0.113.99").await.ok();
    let timeline = daemon.get("/security/accounts/BOB%40PBX.example/timeline").await.ok();
    assert!(told(&timeline).contains(&"banned") && told(&timeline).contains(&"ban-lifted"));
    let none = daemon.get("/security/accounts/eve@pbx.example/timeline").await.ok();
    assert_eq!(told(&none), [""; 0]);
    for account in ["bob", "@pbx.example", "bob@"] {
        daemon.get(&format!("/security/accounts/{account}/timeline")).await.error(400);
    }
}
