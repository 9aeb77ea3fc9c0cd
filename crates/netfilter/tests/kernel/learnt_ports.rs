//! SIP ports that are told while the firewall runs: closed by a ban of the SIP ports, kept through repairs, opened again.

use std::time::Duration;

use netfilter::{Change, Config, Element, Writer};

use crate::support::*;

const SOON: Duration = Duration::from_secs(10);
const BANNED: &str = "198.51.100.7";

fn banned() -> Element {
    sip(host(BANNED), 600)
}

fn writer(config: Config) -> Writer {
    Writer::spawn(config, Box::new(|| vec![banned()])).unwrap().0
}

#[test]
fn a_port_that_is_told_later_is_closed_by_bans_that_stand_and_by_new_ones_until_it_is_told_no_more() {
    let net = Net::new();
    let writer = writer(nftables());
    assert!(!net.passes(BANNED, 40000, 5060) && net.passes(BANNED, 40000, 9999));
    assert_eq!(writer.stats().sip_ports, Config::default().sip_ports);

    writer.also_close(vec![9999, 5062]);
    writer.submit(Change::Add(sip(host("198.51.100.9"), 600)));
    assert!(writer.flush(SOON));
    assert_eq!(
        writer.stats().sip_ports,
        [(5060, 5062), (5066, 5066), (5080, 5081), (7443, 7443), (9999, 9999)]
    );
    for from in [BANNED, "198.51.100.9"] {
        assert!(!net.passes(from, 40000, 9999) && !net.passes(from, 40000, 5060), "{from}");
    }
    assert!(net.passes("198.51.100.8", 40000, 9999), "a stranger who is not banned");
    // Both looks at the kernel expect it: that of the writer's thread and that beside it.
    let health = writer.health().unwrap();
    assert!(health.is_good(), "{health:?}");
    assert_eq!((writer.stats().foreign_flushes, writer.stats().rebuilds), (0, 0));

    writer.also_close(Vec::new());
    assert!(writer.flush(SOON));
    assert!(net.passes(BANNED, 40000, 9999) && !net.passes(BANNED, 40000, 5060));
    assert_eq!(writer.stats().sip_ports, Config::default().sip_ports);
    assert!(writer.health().unwrap().is_good());
}

#[test]
fn a_port_that_was_told_is_closed_again_after_somebody_elses_change() {
    let net = Net::new();
    let writer = writer(nftables());
    writer.also_close(vec![9999]);
    assert!(writer.flush(SOON) && !net.passes(BANNED, 40000, 9999));
    for (round, damage) in [
        "nft flush ruleset",
        "nft delete element inet switchward sip_ports { 9999 }",
        "nft flush set inet switchward sip_ports",
    ]
    .into_iter()
    .enumerate()
    {
        sh(damage);
        eventually(damage, || writer.stats().foreign_flushes == round as u64 + 1);
        assert!(!net.passes(BANNED, 40000, 9999) && !net.passes(BANNED, 40000, 5060), "{damage}");
        assert!(writer.health().unwrap().is_good(), "{damage}");
    }
    writer.rebuild();
    assert!(writer.flush(SOON) && !net.passes(BANNED, 40000, 9999));
}

#[test]
fn the_ipset_mode_closes_every_port_whatever_is_told() {
    let net = Net::new();
    let writer = writer(ipset());
    assert_eq!(writer.stats().sip_ports, [(0, u16::MAX)]);
    assert!(!net.passes(BANNED, 40000, 9999));
    writer.also_close(vec![9999]);
    assert!(writer.flush(SOON) && writer.health().unwrap().is_good());
    assert_eq!(writer.stats().sip_ports, [(0, u16::MAX)]);
    assert!(!net.passes(BANNED, 40000, 9999));
}
