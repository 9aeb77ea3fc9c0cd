//! The end of the daemon, and the start after it.

use crate::support::{FRIEND, Stage, Wire, eventually, sh, traffic, witness};
use guard::ledger::Change;
use guard::{Ban, Origin, Scope, Target, Time};
use simswitch::{Pace, Stamps};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_polite_end_in_a_flood_comes_soon_and_loses_nothing() {
    let stage = Stage::new();
    let switch = Arc::new(stage.switch());
    let mut daemon = stage.start("");
    daemon.wait_for_switch();
    assert!(daemon.http.ban("198.51.100.7"));
    let flooding = switch.clone();
    let flood = stage.meanwhile(async move {
        let events = traffic::flood(&flooding, traffic::sources(0, 5000));
        flooding.play(&events, Pace::Max, Stamps::Recorded).await;
    });
    eventually("the flood has begun to ban", || daemon.http.bans() > 100);
    let start = Instant::now();
    let status = daemon.terminate();
    assert!(status.success(), "{status}");
    // Every step of stopping has a limit, five seconds in all; twice that is for a machine that others keep busy.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    flood.abort();
    daemon.log.wait_for("stopped; the kernel keeps the bans");
    let kept = witness::store(&stage.store());
    assert!(kept.len() > 100, "{}", kept.len());
    witness::assert_same(("the store", &kept), ("the kernel", &witness::targets(&witness::nft())));
    let daemon = stage.start_again();
    witness::assert_same(("the store before", &kept), ("what all agree on now", &stage.agreed(&daemon)));
}

#[test]
fn with_flush_the_sets_are_gone_and_the_store_remembers() {
    let stage = Stage::new();
    for (mode, kernel_is_clean) in
        [("nftables", (|| !witness::has_table()) as fn() -> bool), ("ipset", ipset_is_clean)]
    {
        let mut daemon = stage.start(&format!("firewall.mode = \"{mode}\"\nfirewall.on_exit = \"flush\""));
        assert!(daemon.http.ban("198.51.100.7"));
        assert!(!kernel_is_clean(), "{mode}");
        assert!(daemon.terminate().success());
        assert!(kernel_is_clean(), "{mode}: {}{}", sh("nft list ruleset"), sh("ipset save"));
        daemon.log.wait_for("the kernel's sets are removed");
        assert_eq!(witness::store(&stage.store()), BTreeSet::from(["198.51.100.7".into()]), "{mode}");
    }
}

fn ipset_is_clean() -> bool {
    sh("ipset save").is_empty()
        && !sh("iptables -S").contains("match-set")
        && !sh("ip6tables -S").contains("match-set")
}

#[test]
fn ctrl_c_ends_it_as_well() {
    let stage = Stage::new();
    let mut daemon = stage.start("");
    daemon.signal("INT");
    assert!(daemon.ended().success());
}

#[test]
fn signals_during_the_start_are_heeded_after_it() {
    let stage = Stage::new();
    remember(&stage, traffic::sources(0, 20_000).map(Target::host));
    stage.configure("");
    let mut daemon = stage.launch();
    // The first that is said; the kernel comes after it.
    daemon.log.wait_for("ledger restored");
    daemon.signal("HUP");
    daemon.log.wait_for("the configuration is read anew");
    drop(daemon);
    daemon = stage.launch();
    daemon.log.wait_for("ledger restored");
    daemon.signal("TERM");
    assert!(daemon.ended().success());
    assert!(daemon.log.whole().contains("stopped; the kernel keeps the bans"));
    assert_eq!(witness::nft().len(), 20_000);
}

#[test]
fn a_restart_with_a_hundred_thousand_bans_leaves_no_gap() {
    const BANS: u32 = 100_000;
    let stage = Stage::new();
    let wire = Wire::new();
    remember(&stage, traffic::sources(0, BANS).map(Target::host));
    let from_nothing = Instant::now();
    let mut daemon = stage.start("");
    println!("start with {BANS} bans, none of them in the kernel: {:?}", from_nothing.elapsed());
    assert_eq!(stage.agreed(&daemon).len(), BANS as usize);
    let (banned, friend) = (wire.stream("198.18.0.7"), wire.stream(FRIEND));
    for how in ["TERM", "KILL"] {
        daemon.signal(how);
        daemon.ended();
        let again = Instant::now();
        daemon = stage.start_again();
        println!("start with {BANS} bans, all of them in the kernel, after SIG{how}: {:?}", again.elapsed());
        let said = daemon.log.wait_for("the kernel agrees with the ledger");
        assert!(said.contains("removed=0") && !said.contains("kept=0"), "{said}");
        assert_eq!(stage.agreed(&daemon).len(), BANS as usize);
        friend.wait_for_arrival();
    }
    let (sent, arrived) = banned.end();
    assert!(sent > 100 && arrived == 0, "{arrived} of {sent} packets of a banned source got through");
}

/// Puts bans into the store, as a daemon before us did.
fn remember(stage: &Stage, targets: impl Iterator<Item = Target>) {
    let (store, _) = switchward::store::Store::open(&stage.store()).unwrap();
    let now = switchward::clock::now();
    let reason = guard::Reason::operator("before", now);
    for target in targets {
        let (scope, origin) = (Scope::All, Origin::Operator("test".into()));
        let until = Some(Time::from_secs(now.secs() + 3600));
        let ban =
            Ban { target, scope, since: now, until, origin, reason: reason.clone(), note: String::new() };
        store.record(&Change::Banned(Arc::new(ban)));
    }
    stage.wait(store.settle()).unwrap();
    assert!(store.stop(crate::support::DEADLINE));
}
