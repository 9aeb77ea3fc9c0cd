//! Phones that were registered before the daemon came.

use crate::support::{Stage, eventually, traffic};
use simswitch::{Action, Credentials};

const PHONE: &str = "203.0.113.20:5060";

#[test]
fn a_phone_that_was_registered_before_us_is_not_banned_by_forged_calls() {
    let stage = Stage::new();
    let switch = stage.switch();
    let action =
        Action::Register { client: traffic::client("1002"), credentials: Credentials::Fresh, expires: 3600 };
    stage.act(&switch, &traffic::step(PHONE, action));
    // No memory of ours, no allow-list: only what the switch tells.
    let daemon = stage.start("security.auto_whitelist_on_success = false");
    let learnt = daemon.log.wait_for("learnt who is registered");
    assert!(learnt.contains("registrations=1"), "{learnt}");
    for source in [PHONE, "198.51.100.7"] {
        for _ in 0..20 {
            traffic::send(&switch, &traffic::abandoned_call(&switch, source));
        }
    }
    let ban = daemon.http.wait_for_ban("198.51.100.7");
    assert_eq!(ban["failCount"], 5, "{ban}");
    assert!(!daemon.http.ledger().contains("203.0.113.20"), "the phone is locked out");
    let counts = daemon.http.get("/security/overview")["counts"].clone();
    assert!(counts["spared"].as_u64() >= Some(1), "{counts}");
}

#[test]
fn a_ban_by_forgeable_evidence_is_short_and_closes_the_sip_ports_alone() {
    let stage = Stage::new();
    let wire = crate::support::Wire::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    for _ in 0..5 {
        traffic::send(&switch, &traffic::abandoned_call(&switch, "198.51.100.7"));
    }
    daemon.http.wait_for_ban("198.51.100.7");
    wire.stream("198.51.100.7").wait_for_silence();
    let said = daemon.log.wait_for("banned for");
    assert!(said.contains("2 min") && said.contains("forgeable"), "{said}");
    let sets = crate::support::sh("nft list set inet switchward sip_v4");
    assert!(sets.contains("198.51.100.7"), "{sets}");
}

#[test]
fn the_list_is_learnt_again_whenever_the_switch_comes_back() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    assert!(daemon.log.wait_for("learnt who is registered").contains("registrations=0"));
    let action =
        Action::Register { client: traffic::client("1002"), credentials: Credentials::Fresh, expires: 3600 };
    stage.act(&switch, &traffic::step(PHONE, action));
    let said = daemon.log.lines().len();
    switch.kill_connections();
    assert!(daemon.log.wait_after(said, "learnt who is registered").contains("registrations=1"));
}

#[test]
fn a_list_that_makes_no_sense_is_told_and_harms_nothing() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_api("show", "this is no JSON");
    let daemon = stage.start("");
    daemon.log.wait_for("the switch's list of registrations was not understood");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    eventually("the kernel follows", || crate::support::witness::nft().contains_key("198.51.100.7"));
}
