//! `/security/iptables`: what the kernel says, not what the ledger wishes.

use crate::support::{Daemon, Kernel, fields};
use serde_json::json;
use switchward::config::FirewallMode;

#[tokio::test]
async fn the_kernels_own_list_is_shown() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let targets = ["2001:db8::/64", "198.51.100.0/24", "203.0.113.5", "203.0.113.8:5062"];
    for target in targets {
        daemon.post("/security/blacklist", &json!({"ip": target})).await.ok();
    }
    let answer = daemon.get("/security/iptables").await.ok();
    assert_eq!(fields(&answer), ["blockedIps", "chain", "count", "ipset"]);
    let mut held: Vec<&str> =
        answer["blockedIps"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap()).collect();
    held.sort_unstable();
    let mut wanted = targets;
    wanted.sort_unstable();
    assert_eq!(held, wanted);
    assert_eq!(answer["count"], 4);

    let view = daemon.get("/security/overview").await.ok();
    let firewall = &view["firewall"];
    assert_eq!((&firewall["enforcing"], &firewall["backend"]), (&json!(true), &json!("nftables")));
    assert_eq!((&firewall["bansInKernel"], &firewall["degraded"]), (&json!(4), &json!(null)));
    assert_eq!((&firewall["problems"], &firewall["writer"]["applied"]), (&json!([]), &json!(4)));
    assert_eq!(firewall["writer"]["latency"]["count"], 4);

    daemon.delete("/security/blacklist/203.0.113.5").await.ok();
    assert_eq!(daemon.get("/security/iptables").await.ok()["count"], 3);
    // The ledger knows one that never went to the kernel: the answer does not invent it.
    daemon.restore_ban("203.0.113.77");
    assert_eq!(daemon.get("/security/iptables").await.ok()["count"], 3);
    assert_eq!(daemon.get("/security/blacklist").await.ok().as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn a_dry_run_holds_nothing() {
    let daemon = Daemon::with(Kernel::Dry, |_| {}).await;
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.5"})).await.ok();
    let answer = daemon.get("/security/iptables").await.ok();
    let wanted = json!({"chain": "INPUT", "ipset": "freeswitch-security", "blockedIps": [], "count": 0});
    assert_eq!(answer, wanted);
}

#[tokio::test]
async fn without_a_firewall_the_answer_is_an_error() {
    let daemon = Daemon::start().await;
    let error = daemon.get("/security/iptables").await.error(500);
    assert!(error.contains("no firewall in this test"), "{error}");
}

#[tokio::test]
async fn the_classic_mode_names_its_chain_and_counts_bans_not_elements() {
    let daemon = Daemon::with(Kernel::Real, |config| config.firewall.mode = FirewallMode::Ipset).await;
    for target in ["203.0.113.5", "203.0.113.8:5062", "2001:db8::1"] {
        daemon.post("/security/blacklist", &json!({"ip": target})).await.ok();
    }
    let answer = daemon.get("/security/iptables").await.ok();
    let held = json!(["203.0.113.5", "2001:db8::/64", "203.0.113.8:5062"]);
    let wanted = json!({"chain": "INPUT", "ipset": "freeswitch-security", "blockedIps": held, "count": 3});
    assert_eq!(answer, wanted);
    let firewall = daemon.get("/security/overview").await.ok()["firewall"].clone();
    assert_eq!((&firewall["backend"], &firewall["mode"]), (&json!("ipset"), &json!("ipset")));
    assert_eq!((&firewall["bansInKernel"], &firewall["toldByKernel"]), (&json!(3), &json!(true)));
}
