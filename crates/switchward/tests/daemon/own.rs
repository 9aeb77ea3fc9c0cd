//! The host's own addresses that come while the daemon runs.

use crate::support::{Stage, eventually, sh, traffic, witness};

/// An interface that is not the loopback one.
fn interface() {
    sh("ip link add vip0 type veth peer name vip1");
    sh("ip link set vip0 up");
    sh("ip addr add 192.0.2.1/32 dev vip0");
}

#[test]
fn an_address_that_comes_later_is_protected_and_its_ban_is_lifted() {
    let stage = Stage::new();
    let switch = stage.switch();
    interface();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    assert!(!daemon.http.ban("192.0.2.1"), "its own from the beginning");
    assert!(daemon.http.ban("203.0.113.50"), "somebody's as yet");
    assert!(witness::nft().contains_key("203.0.113.50"));
    sh("ip addr add 203.0.113.50/32 dev vip0");
    eventually("it is let through", || !witness::nft().contains_key("203.0.113.50"));
    assert!(!daemon.http.ledger().contains("203.0.113.50"));
    daemon.log.wait_for("ban lifted: it overlaps");
    assert!(!daemon.http.ban("203.0.113.50"), "as its own");
    // Forged packets from it are like those from a stranger, who is banned after it.
    traffic::attack(&switch, "203.0.113.50");
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    assert_eq!(stage.agreed(&daemon).len(), 1);
    // Whose it is when it has gone is not known.
    sh("ip addr del 203.0.113.50/32 dev vip0");
    eventually("it is a stranger's again", || daemon.http.ban("203.0.113.50"));
    assert_eq!(stage.agreed(&daemon).len(), 2);
}

#[test]
fn a_reload_reads_the_hosts_addresses_at_once() {
    let stage = Stage::new();
    interface();
    let daemon = stage.start("");
    assert!(daemon.http.ban("203.0.113.50"));
    sh("ip addr add 203.0.113.50/32 dev vip0");
    daemon.signal("HUP");
    daemon.log.wait_for("the configuration is read anew");
    // The message comes last; the kernel's thread follows.
    assert!(!daemon.http.ledger().contains("203.0.113.50"));
    assert!(!daemon.http.ban("203.0.113.50"));
    eventually("it is let through", || !witness::nft().contains_key("203.0.113.50"));
}
