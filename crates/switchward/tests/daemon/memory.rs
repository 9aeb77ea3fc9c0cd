//! What the daemon remembers across a kill, and what it forgets.

use crate::support::{Stage, eventually, sh, traffic, witness};
use serde_json::json;
use std::collections::BTreeSet;

fn set(targets: &[&str]) -> BTreeSet<String> {
    targets.iter().map(|target| (*target).to_owned()).collect()
}

#[test]
fn every_kind_of_order_survives_a_kill() {
    let stage = Stage::new();
    let daemon = stage.start("");
    let targets = [
        "198.51.100.7",
        "203.0.113.0/28",
        "203.0.113.200:5062",
        "2001:db8:7:7::/64",
        "2001:db8:8::/48",
        "[2001:db8:9::5]:5062",
    ];
    for target in targets {
        assert!(daemon.http.ban(target), "{target}");
    }
    daemon
        .http
        .post("/security/blacklist", &json!({"ip": "198.51.100.8", "permanent": true, "scope": "sip"}));
    daemon.http.post("/security/blacklist", &json!({"ip": "198.51.100.9"}));
    daemon.http.ask("DELETE", "/security/blacklist/198.51.100.9", "").unwrap();
    daemon
        .http
        .post("/security/whitelist", &json!({"ip": "198.51.100.20", "userId": "1001", "permanent": true}));
    daemon.http.post("/security/whitelist", &json!({"ip": "198.51.100.21"}));
    daemon.http.ask("DELETE", "/security/whitelist/198.51.100.21", "").unwrap();
    daemon.http.post("/security/untrusted-networks", &json!({"pattern": "*.evil.example"}));
    let lists = ["/security/blacklist", "/security/whitelist", "/security/untrusted-networks"];
    let before = lists.map(|path| daemon.http.get(path));
    let kernel = witness::nft();

    daemon.kill();
    let daemon = stage.start_again();
    assert_eq!(lists.map(|path| daemon.http.get(path)), before, "times, reasons and all");
    let mut expected = set(&targets);
    expected.insert("198.51.100.8".into());
    assert_eq!(stage.agreed(&daemon), expected);
    assert_eq!(witness::targets(&kernel), expected);
    assert_eq!(witness::nft()["198.51.100.8"], None, "for good");
    assert!(sh("nft list set inet switchward sip_v4").contains("198.51.100.8"), "SIP ports alone");
    assert!(!daemon.http.ban("198.51.100.20"), "allowed by an operator");
}

#[test]
fn a_ban_that_ran_out_while_we_were_away_is_forgotten_everywhere() {
    let stage = Stage::new();
    let daemon = stage.start("");
    daemon.http.post("/security/blacklist", &json!({"ip": "198.51.100.7", "ttl": "1s"}));
    assert!(daemon.http.ban("198.51.100.8"));
    daemon.kill();
    eventually("the kernel forgets by itself", || !witness::nft().contains_key("198.51.100.7"));
    let daemon = stage.start_again();
    assert_eq!(stage.agreed(&daemon), set(&["198.51.100.8"]));
}

#[test]
fn a_restart_does_not_make_a_ban_longer() {
    let stage = Stage::new();
    let daemon = stage.start("");
    daemon.http.post("/security/blacklist", &json!({"ip": "198.51.100.7", "ttl": "10m"}));
    let before = daemon.http.get("/security/blacklist")["198.51.100.7"]["expiresAt"].clone();
    daemon.kill();
    sh("nft flush ruleset");
    let daemon = stage.start_again();
    assert_eq!(daemon.http.get("/security/blacklist")["198.51.100.7"]["expiresAt"], before);
    assert!(witness::nft()["198.51.100.7"].is_some_and(|seconds| seconds <= 600), "{:?}", witness::nft());
}

#[test]
fn who_is_allowed_by_a_success_stays_so_across_a_kill() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let registered = traffic::register(&switch, "203.0.113.20", "1002", simswitch::Credentials::Fresh);
    traffic::send(&switch, &registered);
    let is_allowed = |daemon: &crate::support::Daemon| daemon.http.get("/security/whitelist/203.0.113.20");
    eventually("the phone is allowed", || is_allowed(&daemon)["whitelisted"] == true);
    assert_eq!(is_allowed(&daemon)["userId"], "1002");
    // An order that is answered is on the disk, and so is all that came before it.
    assert!(daemon.http.ban("198.51.100.7"));
    daemon.kill();
    let daemon = stage.start_again();
    assert_eq!(is_allowed(&daemon)["whitelisted"], true);
}

#[test]
fn who_becomes_trusted_while_we_are_away_is_free() {
    let stage = Stage::new();
    let daemon = stage.start("");
    for target in ["198.51.100.7", "203.0.113.7"] {
        assert!(daemon.http.ban(target));
    }
    daemon.kill();
    let daemon = stage.start("security.trusted_networks = [\"198.51.100.0/24\"]");
    assert_eq!(stage.agreed(&daemon), set(&["203.0.113.7"]));
}
