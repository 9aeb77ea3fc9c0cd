//! Reports to a central ban repository: a real HTTP server on one side, the real kernel on the other.

use crate::receivers::{Receiver, until};
use crate::support::{Daemon, Kernel, within};
use serde_json::json;
use std::time::Duration;
use switchward::config::Config;
use switchward::report::{Reporting, Reports};

async fn daemon(kernel: Kernel, url: &str, change: impl FnOnce(&mut Config)) -> (Daemon, Reporting) {
    let daemon = silent(kernel, url, change).await;
    let reporting = Reports::start(&daemon.app);
    (daemon, reporting)
}

/// As [`daemon`], but what is to be reported waits.
async fn silent(kernel: Kernel, url: &str, change: impl FnOnce(&mut Config)) -> Daemon {
    let daemon = Daemon::with(kernel, |config| {
        let chandaemon = &mut config.security.chandaemon;
        chandaemon.enabled = true;
        chandaemon.report_url = format!("{url}/report");
        chandaemon.blocker_url = "http://192.0.2.1:8088".into();
        chandaemon.service_name = "pbx1".into();
        change(config);
    })
    .await;
    let app = &daemon.app;
    app.reports.apply(&app.config.load());
    app.mirror.follow_with_reports(app.reports.clone());
    daemon
}

#[tokio::test]
async fn what_was_lifted_before_its_turn_is_not_reported() {
    let repository = Receiver::start().await;
    let daemon = silent(Kernel::Real, &repository.url, |_| {}).await;
    for ip in ["203.0.113.5", "203.0.113.6"] {
        daemon.post("/security/blacklist", &json!({"ip": ip})).await.ok();
    }
    until("both wait", || daemon.app.reports.stats().waiting == 2).await;
    daemon.delete("/security/blacklist/203.0.113.5").await.ok();
    daemon.patch("/security/blacklist/203.0.113.6", &json!({"note": "ticket 7"})).await.ok();
    let _reporting = Reports::start(&daemon.app);
    until("none waits", || daemon.app.reports.stats().waiting == 0).await;
    until_reported(&daemon, 1, 0).await;
    let got = repository.got();
    assert_eq!(got.len(), 1, "a note is no news, and a ban that is gone is none");
    assert_eq!(got[0].json()["ip"], "203.0.113.6");
}

#[tokio::test]
async fn what_the_kernel_refused_is_reported_when_it_takes_it_after_all() {
    let repository = Receiver::start().await;
    let daemon = silent(Kernel::Real, &repository.url, |_| {}).await;
    let writer = daemon.app.mirror.firewall().unwrap();
    writer.protect(vec!["203.0.113.0/24".parse().unwrap()]);
    daemon.refuse("203.0.113.5", "1000", 5);
    _ = writer.flush(SOON);
    writer.protect(Vec::new());
    _ = writer.flush(SOON);
    assert_eq!(daemon.app.reports.stats().waiting, 0, "the kernel does not hold it");
    let _reporting = Reports::start(&daemon.app);
    assert_eq!(repository.wait_for(1).await[0].json()["ip"], "203.0.113.5");
    assert_eq!(daemon.get("/security/iptables").await.ok()["blockedIps"], json!(["203.0.113.5"]));
}

async fn until_reported(daemon: &Daemon, sent: u64, failed: u64) {
    until(&format!("{sent} sent and {failed} failed"), || {
        let stats = daemon.app.reports.stats();
        (stats.sent, stats.failed) == (sent, failed)
    })
    .await;
}

#[tokio::test]
async fn a_ban_that_the_kernel_took_is_reported_and_the_repository_can_lift_it() {
    let repository = Receiver::start().await;
    let (daemon, _reporting) = daemon(Kernel::Real, &repository.url, |_| {}).await;
    daemon.refuse("203.0.113.5", "1000", 5);
    let got = repository.wait_for(1).await;
    assert_eq!((got[0].method.as_str(), got[0].path.as_str()), ("POST", "/report"));
    let report = got[0].json();
    let mut names: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["blocker", "fromUser", "ip", "reason", "service", "ttl"]);
    assert_eq!((&report["ip"], &report["service"]), (&json!("203.0.113.5"), &json!("pbx1")));
    assert_eq!(report["blocker"], "http://192.0.2.1:8088");
    assert!(report["fromUser"].as_str().unwrap().contains("1000"), "{report}");
    assert!(report["reason"].as_str().unwrap().contains("5 failed"), "{report}");
    assert_eq!(report["ttl"], 3600);
    until_reported(&daemon, 1, 0).await;
    assert_eq!(daemon.get("/security/stats").await.ok()["reportsSent"], 1);
    assert_eq!(daemon.get("/security/iptables").await.ok()["blockedIps"], json!(["203.0.113.5"]));

    let lifted = daemon.delete("/api/v1/ips/203.0.113.5/block").await.ok();
    assert_eq!((&lifted["ip"], &lifted["banned"]), (&json!("203.0.113.5"), &json!(false)));
    assert_eq!(daemon.get("/security/iptables").await.ok()["count"], 0);
    daemon.delete("/api/v1/ips/203.0.113.5/block").await.ok();
    assert_eq!(repository.got().len(), 1, "a lift is not reported");
}

#[tokio::test]
async fn orders_are_reported_with_networks_and_for_good_but_ports_are_not() {
    let repository = Receiver::start().await;
    let (daemon, _reporting) = daemon(Kernel::Real, &repository.url, |_| {}).await;
    for order in [
        json!({"ip": "198.51.100.7:5062"}),
        json!({"ip": "198.51.100.0/24", "permanent": true, "reason": "spam"}),
        json!({"ip": "2001:db8:0:1::7", "ttl": "90s"}),
    ] {
        daemon.post("/security/blacklist", &order).await.ok();
    }
    until_reported(&daemon, 2, 0).await;
    let reports: Vec<_> = repository.got().iter().map(super::receivers::Got::json).collect();
    let of = |ip: &str| reports.iter().find(|report| report["ip"] == ip).unwrap();
    assert_eq!(
        (&of("198.51.100.0/24")["ttl"], &of("198.51.100.0/24")["reason"]),
        (&json!(0), &json!("spam"))
    );
    assert!(of("198.51.100.0/24").get("fromUser").is_none());
    assert_eq!(of("2001:db8:0:1::")["ttl"], 90);
    // A repository lifts by what it was told, the slash encoded or not.
    for path in ["198.51.100.0/24", "2001:db8:0:1::", "198.51.100.7:5062"] {
        assert_eq!(daemon.delete(&format!("/api/v1/ips/{path}/block")).await.ok()["banned"], false, "{path}");
    }
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    daemon.post("/security/blacklist", &json!({"ip": "198.51.100.0/24"})).await.ok();
    daemon.delete("/api/v1/ips/198.51.100.0%2F24/block").await.ok();
    assert_eq!(daemon.get("/security/blacklist").await.ok(), json!({}));
    daemon.delete("/api/v1/ips/198.51.100.0/99/block").await.error(400);
}

#[tokio::test]
async fn what_is_not_enforced_is_not_reported() {
    let repository = Receiver::start().await;
    let (dry, _one) = daemon(Kernel::Dry, &repository.url, |_| {}).await;
    let (off, _two) =
        daemon(Kernel::Real, &repository.url, |config| config.security.auto_block_enabled = false).await;
    let (bare, _three) = daemon(Kernel::None, &repository.url, |_| {}).await;
    let (whole, _four) = daemon(Kernel::Real, &repository.url, |_| {}).await;
    for daemon in [&dry, &off, &bare, &whole] {
        daemon.restore_ban("203.0.113.9");
        daemon.refuse("203.0.113.5", "1000", 5);
        daemon.post("/security/blacklist", &json!({"ip": "203.0.113.6"})).await.ok();
    }
    until_reported(&whole, 2, 0).await;
    for daemon in [&dry, &off, &bare] {
        let stats = daemon.app.reports.stats();
        assert_eq!((stats.sent, stats.failed, stats.waiting), (0, 0, 0));
    }
    assert_eq!(repository.got().len(), 2);
}

#[tokio::test]
async fn a_repository_that_fails_is_counted_asked_once_for_each_ban_and_holds_nothing_up() {
    let repository = Receiver::start().await;
    repository.always((500, None, ""));
    let (daemon, reporting) = daemon(Kernel::Real, &repository.url, |config| {
        config.security.chandaemon.report_timeout = Duration::from_millis(200);
    })
    .await;
    daemon.refuse("203.0.113.5", "1000", 5);
    until_reported(&daemon, 0, 1).await;
    assert_eq!(repository.got().len(), 1);
    // A redirect is no success, and nobody is led away by it.
    repository.always((302, Some(("location", "http://192.0.2.99/")), ""));
    daemon.refuse("203.0.113.6", "1000", 5);
    until_reported(&daemon, 0, 2).await;
    repository.always((204, None, ""));
    for number in 10..60 {
        daemon.refuse(&format!("198.18.{number}.1"), &format!("u{number}"), 5);
    }
    assert!(daemon.app.settle().await.is_empty());
    within(reporting.stop(Duration::from_secs(30))).await;
    assert_eq!(daemon.app.reports.stats().sent, 50, "what waits at the end is sent");
    assert_eq!(daemon.get("/security/stats").await.ok()["reportsFailed"], 2);
}

#[tokio::test]
async fn a_reload_turns_reports_on_and_off() {
    let repository = Receiver::start().await;
    let (daemon, _reporting) = daemon(Kernel::Real, &repository.url, |_| {}).await;
    let mut config = Config::clone(&daemon.app.config.load());
    config.security.chandaemon.enabled = false;
    daemon.app.reload(config.clone());
    daemon.refuse("203.0.113.5", "1000", 5);
    assert!(daemon.app.settle().await.is_empty());
    config.security.chandaemon.enabled = true;
    daemon.app.reload(config);
    daemon.refuse("203.0.113.6", "1000", 5);
    until_reported(&daemon, 1, 0).await;
    assert_eq!(repository.got()[0].json()["ip"], "203.0.113.6");
}

const SOON: Duration = Duration::from_secs(10);
