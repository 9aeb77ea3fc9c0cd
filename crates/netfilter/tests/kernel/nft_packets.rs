//! What nftables drops and what it lets through, seen by a listener on the other side of a wire.

use netfilter::{Change, Firewall, Target};

use crate::support::*;

fn open() -> Firewall {
    Firewall::open(&nftables()).unwrap()
}

#[test]
fn a_banned_host_is_dropped_and_its_neighbours_are_not() {
    let net = Net::new();
    assert!(net.passes("198.51.100.7", 5060, 5060), "before the firewall");
    let mut firewall = open();
    assert!(net.passes("198.51.100.7", 5060, 5060), "with an empty firewall");
    firewall.apply(&adds([all(host("198.51.100.7"), 60)])).unwrap();
    assert!(!net.passes("198.51.100.7", 5060, 5060));
    assert!(!net.passes("198.51.100.7", 40000, 9999));
    assert!(net.passes("198.51.100.8", 5060, 5060));
    let dropped: u64 = firewall.counters().unwrap().iter().map(|counter| counter.packets).sum();
    assert_eq!(dropped, 2);
    firewall.apply(&[Change::Remove(host("::ffff:198.51.100.7"))]).unwrap();
    assert!(net.passes("198.51.100.7", 5060, 5060));
}

#[test]
fn an_ipv6_host_is_its_whole_64() {
    let net = Net::new();
    let mut firewall = open();
    assert!(net.passes("2001:db8:a:1::7", 5060, 5060));
    firewall.apply(&adds([all(host("2001:db8:a:1::7"), 60)])).unwrap();
    assert!(!net.passes("2001:db8:a:1::7", 5060, 5060));
    assert!(!net.passes("2001:db8:a:1:ffff:1:2:3", 5060, 9999), "another address of the same /64");
    assert!(net.passes("2001:db8:a:2::7", 5060, 5060), "another /64");
    firewall.apply(&[Change::Remove(host("2001:db8:a:1::99"))]).unwrap();
    assert!(net.passes("2001:db8:a:1::7", 5060, 5060));
}

#[test]
fn the_sip_scope_lets_other_ports_through() {
    let net = Net::new();
    let mut firewall = open();
    firewall.apply(&adds([sip(host("198.51.100.7"), 60), sip(host("2001:db8:a:1::7"), 60)])).unwrap();
    for from in ["198.51.100.7", "2001:db8:a:1::8"] {
        assert!(!net.passes(from, 40000, 5060));
        assert!(!net.passes(from, 40000, 5080));
        assert!(net.passes(from, 40000, 9999), "not a SIP port");
    }
    assert!(net.passes("198.51.100.8", 40000, 5060));
}

#[test]
fn one_phone_behind_a_nat_is_dropped_by_its_port() {
    let net = Net::new();
    let mut firewall = open();
    let phones = [
        all(Target::host_port(ip("198.51.100.7"), 5062), 60),
        sip(Target::host_port(ip("198.51.100.9"), 5062), 60),
        all(Target::host_port(ip("2001:db8:a:1::7"), 5062), 60),
        sip(Target::host_port(ip("2001:db8:a:2::"), 5062), 60),
    ];
    firewall.apply(&adds(phones)).unwrap();
    assert!(!net.passes("198.51.100.7", 5062, 5060) && !net.passes("198.51.100.7", 5062, 9999));
    assert!(net.passes("198.51.100.7", 5063, 5060), "another phone behind the same address");
    assert!(!net.passes("198.51.100.9", 5062, 5060) && net.passes("198.51.100.9", 5062, 9999));
    assert!(!net.passes("2001:db8:a:1::7", 5062, 5060));
    assert!(net.passes("2001:db8:a:1::8", 5062, 5060), "an IPv6 phone is its own address");
    assert!(!net.passes("2001:db8:a:2::8", 5062, 5060), "an address without a host part is its /64");
    assert!(net.passes("2001:db8:a:2::8", 5062, 9999) && net.passes("2001:db8:a:2::8", 5063, 5060));
    assert_eq!(firewall.elements().unwrap().len(), phones.len());
}

#[test]
fn overlapping_networks_hold_each_for_itself() {
    let net_ = Net::new();
    let mut firewall = open();
    let wide = net("198.51.100.0/24");
    let narrow = net("198.51.100.64/26");
    let six = net("2001:db8:a::/48");
    firewall
        .apply(&adds([all(narrow, 60), for_ever(wide), all(host("198.51.100.65"), 60), sip(six, 60)]))
        .unwrap();
    assert!(!net_.passes("198.51.100.1", 1000, 9999) && !net_.passes("198.51.100.65", 1000, 9999));
    assert!(!net_.passes("2001:db8:a:7::1", 1000, 5060) && net_.passes("2001:db8:a:7::1", 1000, 9999));
    firewall.apply(&[Change::Remove(wide)]).unwrap();
    assert!(net_.passes("198.51.100.1", 1000, 9999));
    assert!(!net_.passes("198.51.100.66", 1000, 9999), "the narrower one still holds");
    firewall.apply(&[Change::Remove(narrow)]).unwrap();
    assert!(net_.passes("198.51.100.66", 1000, 9999));
    assert!(!net_.passes("198.51.100.65", 1000, 9999), "the host still holds");
}

#[test]
fn an_element_runs_out_by_itself() {
    let net = Net::new();
    let mut firewall = open();
    firewall.apply(&adds([all(host("198.51.100.7"), 1)])).unwrap();
    assert!(!net.passes("198.51.100.7", 5060, 5060));
    eventually("the ban has run out", || net.passes("198.51.100.7", 5060, 5060));
    assert!(firewall.elements().unwrap().is_empty());
}
