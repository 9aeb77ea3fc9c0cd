//! What can only be read: every answer has exactly the contract's fields, of the contract's types.

use crate::support::{Daemon, Kernel, fields, time};
use guard::What;
use serde_json::json;

#[tokio::test]
async fn health() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/health").await.ok();
    assert_eq!(answer, json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}

#[tokio::test]
async fn system_stats() {
    let daemon = Daemon::start().await;
    let answer = daemon.get("/system/stats").await.ok();
    assert_eq!(fields(&answer), ["cpuCores", "memory", "tasks", "version"]);
    assert!(answer["cpuCores"].as_u64().unwrap() > 0);
    assert!(answer["memory"]["resident"].as_u64().unwrap() > 1 << 20);
    assert!(answer["tasks"]["alive"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn security_status() {
    let daemon = Daemon::start().await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
    daemon.post("/security/whitelist", &json!({"ip": "203.0.113.6"})).await.ok();
    daemon.post("/security/whitelist", &json!({"ip": "203.0.113.7"})).await.ok();
    let wanted = json!({
        "enabled": true, "autoBlock": true, "whitelistCount": 2, "blacklistCount": 1,
        "eslConnected": false, "eslHost": "127.0.0.1", "eslPort": "8021",
    });
    assert_eq!(daemon.get("/security/status").await.ok(), wanted);
}

#[tokio::test]
async fn security_stats() {
    let daemon = Daemon::start().await;
    let none = "0001-01-01T00:00:00Z";
    let wanted = json!({
        "totalRegistrations": 0, "failedRegistrations": 0, "blockedAttempts": 0, "wrongCallStates": 0,
        "lastRegistrationTime": none, "lastFailedTime": none, "lastWrongCallStateTime": none,
        "activeWhitelistEntries": 0, "activeBlacklistEntries": 0, "reportsSent": 0, "reportsFailed": 0,
    });
    assert_eq!(daemon.get("/security/stats").await.ok(), wanted);

    let before = switchward::clock::now();
    daemon.observe("203.0.113.7", What::Registered { expires: 3600 });
    daemon.observe("203.0.113.8", What::CallAbandoned);
    daemon.refuse("203.0.113.9", "1000", 6);
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.99"})).await.ok();
    let stats = daemon.get("/security/stats").await.ok();
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!((number("totalRegistrations"), number("failedRegistrations")), (1, 6));
    // Five failures are a ban; an operator's ban is no blocked attempt.
    assert_eq!((number("blockedAttempts"), number("wrongCallStates")), (1, 1));
    assert_eq!((number("activeBlacklistEntries"), number("activeWhitelistEntries")), (2, 1));
    for name in ["lastRegistrationTime", "lastFailedTime", "lastWrongCallStateTime"] {
        assert!(time(&stats[name]).secs() >= before.secs(), "{name}");
    }
}

#[tokio::test]
async fn security_esl() {
    let daemon = Daemon::start().await;
    let wanted = json!({
        "connected": false, "host": "127.0.0.1", "port": "8021", "connectionAttempts": 0,
        "connectionErrors": 0, "eventsProcessed": 0, "eventsQueued": 0, "eventsDropped": 0,
        "logLevel": "info", "workerCount": 1, "queueLength": 0, "queueCapacity": 0,
    });
    assert_eq!(daemon.get("/security/esl").await.ok(), wanted);
}

#[tokio::test]
async fn security_channels() {
    let daemon = Daemon::with(Kernel::Dry, |_| {}).await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
    let channels = daemon.get("/security/channels").await.ok();
    assert_eq!(fields(&channels), ["firewall", "reports", "store"]);
    for name in ["firewall", "reports", "store"] {
        let channel = &channels[name];
        assert_eq!(fields(channel), ["capacity", "dropped", "highWaterMark", "length", "name", "resizes"]);
        assert_eq!((&channel["name"], &channel["dropped"]), (&json!(name), &json!(0)));
    }
    assert!(channels["firewall"]["highWaterMark"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn failed_and_registrations_are_counted_by_source() {
    let daemon = Daemon::start().await;
    assert_eq!(daemon.get("/security/failed").await.ok(), json!({}));
    daemon.refuse("203.0.113.9", "1000", 2);
    daemon.refuse("203.0.113.9", "1001", 1);
    daemon.refuse("2001:db8::9", "1000", 1);
    let worst = daemon.get("/security/failed?limit=1").await.ok();
    assert_eq!((fields(&worst), &worst["203.0.113.9"]["count"]), (vec!["203.0.113.9"], &json!(3)));
    daemon.get("/security/failed?limit=0").await.error(400);
    let failed = daemon.get("/security/failed").await.ok();
    assert_eq!(fields(&failed), ["2001:db8::/64", "203.0.113.9"]);
    let record = &failed["203.0.113.9"];
    assert_eq!(fields(record), ["count", "domains", "firstAttempt", "lastAttempt", "userIds"]);
    assert_eq!((&record["count"], &record["userIds"]), (&json!(3), &json!(["1000", "1001"])));
    assert_eq!(record["domains"], json!(["pbx.example"]));
    assert!(time(&record["firstAttempt"]) <= time(&record["lastAttempt"]));

    let rates = daemon.get("/security/rate-limit/registrations").await.ok();
    let record = &rates["203.0.113.9"];
    assert_eq!(fields(record), ["count", "domains", "firstRequest", "lastRequest", "userIds"]);
    assert_eq!((&record["count"], &record["userIds"]), (&json!(3), &json!(["1000", "1001"])));
}

#[tokio::test]
async fn abandoned_calls_and_calls_are_counted_by_source() {
    let daemon = Daemon::start().await;
    for path in ["/security/wrong-call-states", "/security/rate-limit/calls"] {
        assert_eq!(daemon.get(path).await.ok(), json!({}));
    }
    daemon.observe("203.0.113.8", What::CallAbandoned);
    daemon.observe("203.0.113.8", What::CallAbandoned);
    let states = daemon.get("/security/wrong-call-states").await.ok();
    let record = &states["203.0.113.8"];
    assert_eq!(fields(record), ["count", "firstAttempt", "lastAttempt", "userIds"]);
    assert_eq!(record["count"], 2);

    daemon.observe(
        "203.0.113.7",
        What::CallStarted { call: b"a", destination: b"1001", authenticated: false, admitted: false },
    );
    let calls = daemon.get("/security/rate-limit/calls").await.ok();
    assert_eq!(fields(&calls), ["203.0.113.7"]);
    let record = &calls["203.0.113.7"];
    assert_eq!(fields(record), ["count", "domains", "firstRequest", "lastRequest", "userIds"]);
    assert_eq!(record["count"], 1);
}

#[tokio::test]
async fn rate_limit_durations_are_gos() {
    let daemon = Daemon::start().await;
    let wanted = json!({
        "enabled": true, "callRateLimit": 20, "callRateInterval": "1m0s", "registrationLimit": 10,
        "registrationWindow": "1m0s", "autoBlockOnExceed": true, "blockDuration": "15m0s",
        "whitelistBypass": true, "cleanupInterval": "5m0s",
    });
    assert_eq!(daemon.get("/security/rate-limit").await.ok(), wanted);
}

#[tokio::test]
async fn overview_tells_what_is_wrong() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 5);
    let view = daemon.get("/security/overview").await.ok();
    assert_eq!((&view["enabled"], &view["dryRun"]), (&json!(true), &json!(false)));
    assert_eq!((&view["firewall"]["enforcing"], &view["ledger"]["bans"]), (&json!(false), &json!(1)));
    assert_eq!(view["firewall"]["unenforced"], "no firewall in this test");
    assert_eq!(view["firewall"]["backend"], json!(null));
    assert_eq!((&view["counts"]["failed"], &view["counts"]["bansLikely"]), (&json!(5), &json!(1)));
    assert_eq!((&view["store"]["open"], &view["store"]["failing"]), (&json!(true), &json!(null)));
    let switch = &view["switches"][0];
    assert_eq!((&switch["name"], &switch["connected"]), (&json!("freeswitch"), &json!(false)));
    assert_eq!(switch["lastEvent"], json!(null));

    let dry = Daemon::with(Kernel::Dry, |_| {}).await.get("/security/overview").await.ok();
    assert_eq!((&dry["dryRun"], &dry["firewall"]["backend"]), (&json!(true), &json!("dry run")));
    assert_eq!((&dry["firewall"]["enforcing"], &dry["firewall"]["bansInKernel"]), (&json!(false), &json!(0)));
}
