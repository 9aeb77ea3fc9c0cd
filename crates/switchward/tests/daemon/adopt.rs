//! A store that remembers nothing: what the kernel holds then is taken over, not thrown out.

use crate::support::{Stage, sh, witness};
use std::collections::BTreeSet;

fn set(targets: &[&str]) -> BTreeSet<String> {
    targets.iter().map(|target| (*target).to_owned()).collect()
}

#[test]
fn what_the_predecessor_banned_stays_banned_after_the_swap_and_can_be_lifted() {
    let stage = Stage::new();
    sh("ipset create freeswitch-security hash:ip timeout 0");
    sh("ipset add freeswitch-security 198.51.100.7 timeout 3000");
    sh("ipset add freeswitch-security 198.51.100.8 timeout 0");
    sh("iptables -I INPUT 1 -m set --match-set freeswitch-security src -j DROP");
    let daemon = stage.start("firewall.mode = \"ipset\"");
    let both = set(&["198.51.100.7", "198.51.100.8"]);
    assert_eq!(stage.agreed_with(&daemon, witness::ipset), both);
    let held = daemon.http.get("/security/blacklist");
    assert_eq!(held["198.51.100.8"]["permanent"], true);
    assert_eq!(held["198.51.100.7"]["permanent"], false);
    assert!(held["198.51.100.7"]["reason"].as_str().unwrap().contains("found in the kernel"), "{held}");
    daemon.http.ask("DELETE", "/security/blacklist/198.51.100.8", "").unwrap();
    assert_eq!(stage.agreed_with(&daemon, witness::ipset), set(&["198.51.100.7"]));
}

#[test]
fn bans_outlive_a_store_that_was_lost_but_not_a_trust_that_came() {
    let stage = Stage::new();
    let daemon = stage.start("");
    for target in ["198.51.100.7", "203.0.113.0/28", "192.0.2.9:5062", "2001:db8:7:7::/64"] {
        assert!(daemon.http.ban(target), "{target}");
    }
    daemon.kill();
    for extra in ["", "-wal", "-shm"] {
        _ = std::fs::remove_file(format!("{}{extra}", stage.store().display()));
    }
    stage.configure("security.trusted_networks = [\"127.0.0.0/8\", \"198.51.100.0/24\"]");
    let daemon = stage.start_again();
    let kept = set(&["203.0.113.0/28", "192.0.2.9:5062", "2001:db8:7:7::/64"]);
    assert_eq!(stage.agreed(&daemon), kept);
}
