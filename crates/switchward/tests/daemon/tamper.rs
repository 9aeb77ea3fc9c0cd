//! Somebody else changes the kernel's sets.

use crate::support::{Ended, Stage, Wire, eventually, sh, witness};

#[test]
fn a_foreign_flush_is_repaired_and_said_so() {
    let stage = Stage::new();
    let wire = Wire::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    let banned = wire.stream("198.51.100.7");
    banned.wait_for_silence();
    for round in 1..=3 {
        let said = daemon.log.lines().len();
        sh("nft flush ruleset");
        let line = daemon.log.wait_after(said, "somebody else changed our firewall: repaired");
        assert!(line.contains("WARN"), "{line}");
        stage.agreed(&daemon);
        banned.wait_for_silence();
        let firewall = daemon.http.get("/security/overview")["firewall"].clone();
        assert_eq!(
            (&firewall["writer"]["foreignFlushes"], &firewall["degraded"]),
            (&round.into(), &().into()),
            "{firewall}"
        );
    }
    let status = Ended::of(&mut stage.command(&["status"])).with(0);
    assert!(status.contains("3 after a foreign flush"), "{status}");
}

#[test]
fn a_deleted_element_and_a_foreign_one_are_put_right() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    sh("nft delete element inet switchward all_v4 { 198.51.100.7 }");
    eventually("the deleted element is back", || witness::nft().contains_key("198.51.100.7"));
    sh("nft add element inet switchward all_v4 { 198.51.100.99 timeout 1h }");
    eventually("the foreign element is gone", || !witness::nft().contains_key("198.51.100.99"));
    stage.agreed(&daemon);
}

#[test]
fn a_destroyed_ipset_rule_is_put_back() {
    let stage = Stage::new();
    let daemon = stage.start("firewall.mode = \"ipset\"");
    assert!(daemon.http.ban("198.51.100.7"));
    for damage in ["iptables -F INPUT", "ipset flush freeswitch-security", "iptables -D INPUT 1"] {
        let said = daemon.log.lines().len();
        sh(damage);
        daemon.log.wait_after(said, "somebody else changed our firewall: repaired");
        assert!(sh("iptables -S INPUT").contains("--match-set freeswitch-security src -j DROP"), "{damage}");
        assert!(witness::ipset().contains_key("198.51.100.7"), "{damage}");
    }
}
