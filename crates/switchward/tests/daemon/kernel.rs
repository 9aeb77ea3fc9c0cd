//! From an event of the switch to the kernel, the ledger and the store.

use crate::support::witness::{self, Held};
use crate::support::{Daemon, Stage, eventually, traffic};
use simswitch::{Credentials, SimSwitch};
use std::collections::BTreeSet;

/// An attacker on IPv4 is banned while a phone registers beside him.
fn bans_the_attacker_alone(stage: &Stage, switch: &SimSwitch, daemon: &Daemon, kernel: fn() -> Held) {
    daemon.wait_for_switch();
    traffic::send(switch, &traffic::register(switch, "203.0.113.20", "1002", Credentials::Fresh));
    traffic::attack(switch, "198.51.100.7");
    let ban = daemon.http.wait_for_ban("198.51.100.7");
    assert_eq!((&ban["failCount"], &ban["permanent"]), (&5.into(), &false.into()), "{ban}");
    assert!(ban["reason"].as_str().unwrap().starts_with("5 failed "), "{ban}");
    eventually("the kernel holds the ban", || !kernel().is_empty());
    let held: Held = [("198.51.100.7".to_owned(), Some(3600))].into();
    assert!(close(&kernel(), &held), "{:?}", kernel());
    eventually("the store holds the ban", || witness::store(&stage.store()) == witness::targets(&held));
}

/// The same targets, with timeouts at most a second less: rules of the kernel count whole seconds or less.
fn close(held: &Held, expected: &Held) -> bool {
    let near = |held: Option<u64>, expected: Option<u64>| match (held, expected) {
        (Some(held), Some(expected)) => held <= expected && held + 1 >= expected,
        (held, expected) => held == expected,
    };
    held.len() == expected.len()
        && held
            .iter()
            .zip(expected)
            .all(|(held, expected)| held.0 == expected.0 && near(*held.1, *expected.1))
}

#[test]
fn a_guessing_attacker_is_in_the_ledger_the_kernel_and_the_store() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    bans_the_attacker_alone(&stage, &switch, &daemon, witness::nft);
    let said = daemon.log.wait_for("target=198.51.100.7");
    assert!(
        said.contains("WARN") && said.contains("banned for 60 min") && said.contains("failed-registrations"),
        "{said}"
    );
    assert!(!daemon.log.text().contains(traffic::VICTIM), "an account at level info:\n{}", daemon.log.text());
}

#[test]
fn the_same_holds_in_the_classic_mode() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("firewall.mode = \"ipset\"");
    bans_the_attacker_alone(&stage, &switch, &daemon, witness::ipset);
    assert!(crate::support::sh("iptables -S INPUT").contains("--match-set freeswitch-security src -j DROP"));
}

#[test]
fn the_account_is_told_at_level_debug() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("log.level = \"debug\"");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    assert!(daemon.log.wait_for("reason: ").contains("accounts \"victim\""));
}

#[test]
fn guesses_from_anywhere_in_a_64_ban_the_whole_64() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    for host in 1..=5 {
        let source = format!("2001:db8:7:7:{host}:{host}:{host}:{host}");
        traffic::send(&switch, &traffic::guess(&switch, &source));
    }
    daemon.http.wait_for_ban("2001:db8:7:7::/64");
    eventually("the kernel holds it", || {
        witness::targets(&witness::nft()) == BTreeSet::from(["2001:db8:7:7::/64".into()])
    });
}

#[test]
fn a_phone_of_a_trusted_network_is_never_banned() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    for source in ["192.168.1.20", "127.0.0.1", "198.51.100.7"] {
        traffic::attack(&switch, source);
    }
    daemon.http.wait_for_ban("198.51.100.7");
    assert_eq!(daemon.http.ledger(), BTreeSet::from(["198.51.100.7".into()]));
    assert_eq!(witness::targets(&witness::nft()), BTreeSet::from(["198.51.100.7".into()]));
}

#[test]
fn bans_and_their_ends_by_order_reach_the_kernel_before_they_are_answered() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let daemon = stage.start("");
    for target in ["198.51.100.7", "2001:db8:9::/64", "203.0.113.0/28", "198.51.100.9:5062"] {
        assert!(daemon.http.ban(target), "{target}");
        assert!(
            witness::nft().contains_key(target),
            "{target} is answered and not in the kernel: {:?}",
            witness::nft()
        );
        assert!(witness::store(&stage.store()).contains(target), "{target} is answered and not on the disk");
    }
    daemon.http.post("/security/blacklist", &serde_json::json!({"ip": "198.51.100.8", "permanent": true}));
    assert_eq!(witness::nft()["198.51.100.8"], None, "for good");
    daemon.http.post("/security/blacklist", &serde_json::json!({"ip": "198.51.100.10", "ttl": "90s"}));
    assert!(witness::nft()["198.51.100.10"].is_some_and(|seconds| (89..=90).contains(&seconds)));
    let (status, _) = daemon.http.ask("DELETE", "/security/blacklist/198.51.100.7", "").unwrap();
    assert_eq!(status, 200);
    assert!(!witness::nft().contains_key("198.51.100.7"));
    assert!(!witness::store(&stage.store()).contains("198.51.100.7"));
    assert_eq!(daemon.http.ledger(), witness::targets(&witness::nft()));
}
