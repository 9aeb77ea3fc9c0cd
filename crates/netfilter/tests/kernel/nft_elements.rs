//! What nftables sets hold after changes, with `nft` as the witness; every rule of batches, also as Linux 6.1 has it.

use std::time::Duration;

use netfilter::{Backend, Change, Config, Element, Error, Firewall, Mode, Scope, Target};

use crate::support::*;

/// The same on this kernel as it is, and with nothing that Linux 6.1 does not know.
fn on_both_kernels(test: impl Fn(Firewall) + Send + Sync) {
    std::thread::scope(|scope| {
        for old in [false, true] {
            let test = &test;
            scope.spawn(move || {
                alone();
                let mut firewall = Firewall::open(&nftables()).unwrap();
                if old {
                    firewall.restrict_to_linux_6_1();
                }
                test(firewall);
            });
        }
    });
}

fn left(firewall: &mut Firewall, target: Target) -> Option<Duration> {
    let elements = firewall.elements().unwrap();
    let mut own = elements.iter().filter(|element| element.target == target);
    let element = own.next().unwrap_or_else(|| panic!("{target} is not there"));
    assert!(own.next().is_none(), "{target} is there twice");
    element.timeout
}

#[test]
fn adding_again_replaces_the_timeout() {
    on_both_kernels(|mut firewall| {
        for target in [
            host("198.51.100.7"),
            host("2001:db8::1"),
            net("198.51.100.0/24"),
            Target::host_port(ip("198.51.100.7"), 5060),
        ] {
            for seconds in [10, 1000, 100] {
                firewall.apply(&adds([all(target, seconds)])).unwrap();
                let left = left(&mut firewall, target).unwrap().as_millis();
                assert!(
                    (u128::from(seconds) * 1000 - 2000..=u128::from(seconds) * 1000).contains(&left),
                    "{left}"
                );
            }
            firewall.apply(&adds([for_ever(target)])).unwrap();
            assert_eq!(left(&mut firewall, target), None);
            firewall.apply(&adds([all(target, 10)])).unwrap();
            assert!(left(&mut firewall, target).is_some());
        }
    });
}

#[test]
fn adding_again_moves_a_target_to_its_new_scope() {
    on_both_kernels(|mut firewall| {
        for target in [host("198.51.100.7"), net("198.51.100.0/24"), net("2001:db8::/32")] {
            for scope in [Scope::Sip, Scope::All, Scope::Sip] {
                firewall.apply(&adds([Element { scope, ..all(target, 100) }])).unwrap();
                let held: Vec<Scope> =
                    firewall.elements().unwrap().iter().map(|element| element.scope).collect();
                assert_eq!(held, [scope]);
            }
            firewall.apply(&[Change::Remove(target)]).unwrap();
        }
    });
}

#[test]
fn removing_what_is_not_there_is_no_error() {
    on_both_kernels(|mut firewall| {
        firewall.apply(&adds([all(host("198.51.100.1"), 100)])).unwrap();
        let gone = [
            host("198.51.100.2"),
            net("198.51.100.0/25"),
            host("2001:db8::1"),
            Target::host_port(ip("198.51.100.1"), 1),
        ];
        let mut changes: Vec<Change> = gone.map(Change::Remove).to_vec();
        changes.push(Change::Add(all(host("198.51.100.3"), 100)));
        let applied = firewall.apply(&changes).unwrap();
        assert_eq!((applied.added, applied.removed, applied.refused), (1, 4, vec![]));
        assert_eq!(nft_set("all_v4").len(), 2);
    });
}

#[test]
fn the_last_of_several_changes_of_a_target_counts() {
    on_both_kernels(|mut firewall| {
        let target = host("198.51.100.7");
        let add = Change::Add(all(target, 100));
        firewall
            .apply(&[add, Change::Remove(target), Change::Add(for_ever(host("::ffff:198.51.100.7")))])
            .unwrap();
        assert_eq!(left(&mut firewall, target), None);
        firewall.apply(&[add, Change::Remove(target)]).unwrap();
        assert!(firewall.elements().unwrap().is_empty());
    });
}

#[test]
fn a_full_set_refuses_some_and_keeps_the_others() {
    for old in [false, true] {
        alone();
        let mut firewall = Firewall::open(&Config { max_elements: 10, ..nftables() }).unwrap();
        if old {
            firewall.restrict_to_linux_6_1();
        }
        let mut elements: Vec<Element> = many(15).map(|target| all(target, 100)).collect();
        elements.push(all(host("2001:db8::1"), 100));
        let applied = firewall.apply(&adds(elements.clone())).unwrap();
        assert_eq!((applied.added, applied.refused.len()), (11, 5));
        for (_, error) in &applied.refused {
            assert_eq!(*error, Error::SetFull { set: "all_v4".into(), max: 10 });
        }
        assert_eq!(nft_set("all_v4").len(), 10);
        // A full set still takes refreshes and removals, also of what is not there.
        let mut changes = adds([all(elements[0].target, 1000)]);
        changes.extend([Change::Remove(elements[14].target), Change::Remove(elements[1].target)]);
        let applied = firewall.apply(&changes).unwrap();
        assert_eq!((applied.added, applied.removed, applied.refused), (1, 2, vec![]));
        let applied = firewall.apply(&adds([elements[14]])).unwrap();
        assert_eq!(applied.refused, []);
    }
}

#[test]
fn ten_thousand_at_once_are_all_there() {
    on_both_kernels(|mut firewall| {
        let mut elements: Vec<Element> = many(10_000).map(|target| all(target, 1000)).collect();
        elements.extend((0..3000u16).map(|port| all(Target::host_port(ip("2001:db8::1"), port), 1000)));
        let applied = firewall.apply(&adds(elements.clone())).unwrap();
        assert_eq!((applied.added, applied.refused.len()), (13_000, 0));
        assert_eq!(nft_set("all_v4").len(), 10_000);
        assert_eq!(nft_set("all_v6_port").len(), 3000);
        let removals: Vec<Change> = elements.iter().map(|element| Change::Remove(element.target)).collect();
        firewall.apply(&removals).unwrap();
        assert_eq!(firewall.elements().unwrap(), []);
    });
}

#[test]
fn reconciling_leaves_exactly_what_is_wished_for() {
    on_both_kernels(|mut firewall| {
        let kept: Vec<Element> = many(2000).map(|target| all(target, 500)).collect();
        let surplus =
            [all(host("203.0.113.1"), 500), sip(net("203.0.113.0/24"), 500), for_ever(host("2001:db8::1"))];
        let changed =
            [all(host("203.0.113.2"), 500), sip(host("203.0.113.3"), 500), for_ever(host("203.0.113.4"))];
        firewall.apply(&adds(kept.iter().chain(&surplus).chain(&changed).copied())).unwrap();
        let wished = [
            all(host("203.0.113.2"), 900),
            all(host("203.0.113.3"), 500),
            all(host("203.0.113.4"), 500),
            for_ever(net("192.0.2.0/28")),
        ];
        let desired: Vec<Element> = kept.iter().chain(&wished).copied().collect();
        let done = firewall.reconcile(&desired).unwrap();
        assert_eq!((done.added, done.removed, done.kept, done.refused), (4, 3, 2000, vec![]));
        let done = firewall.reconcile(&desired).unwrap();
        assert_eq!((done.added, done.removed, done.kept), (0, 0, 2004));
        let done = firewall.rebuild(&desired[1990..]).unwrap();
        assert_eq!(done.added, 14);
        assert_eq!(firewall.reconcile(&desired[1990..]).unwrap().kept, 14);
    });
}

#[test]
fn opening_again_keeps_elements_and_a_changed_layout_takes_them_along() {
    alone();
    let elements =
        [all(host("198.51.100.7"), 500), sip(net("198.51.100.0/24"), 500), for_ever(host("2001:db8::1"))];
    Firewall::open(&nftables()).unwrap().apply(&adds(elements)).unwrap();
    let mut again = Firewall::open(&nftables()).unwrap();
    assert_eq!(again.reconcile(&elements).unwrap().kept, 3);
    assert!(again.health().unwrap().is_good());
    let smaller = Config { max_elements: 77, sip_ports: vec![(6000, 6000), (1, 2)], ..nftables() };
    let mut other = Firewall::open(&smaller).unwrap();
    assert_eq!(other.reconcile(&elements).unwrap().kept, 3);
    let listing = sh("nft list table inet switchward");
    assert!(listing.contains("size 77") && listing.contains("{ 1-2, 6000 }"), "{listing}");
}

#[test]
fn nobody_elses_ruleset_is_touched() {
    alone();
    sh("nft add table inet filter");
    sh("nft add chain inet filter input { type filter hook input priority 0 ; }");
    sh("nft add rule inet filter input tcp dport 22 accept");
    let before = sh("nft list table inet filter");
    let mut firewall = Firewall::open(&Config { mode: Mode::Auto, ..Config::default() }).unwrap();
    assert_eq!(firewall.backend(), Backend::Nftables);
    firewall.apply(&adds([all(host("198.51.100.7"), 10)])).unwrap();
    firewall.remove_everything().unwrap();
    assert_eq!(sh("nft list ruleset"), before);
    firewall.remove_everything().unwrap();
}

#[test]
fn the_table_reads_well_in_nft() {
    alone();
    let mut firewall = Firewall::open(&nftables()).unwrap();
    let wild = [
        all(host("198.51.100.7"), 1000),
        for_ever(net("198.51.100.0/24")),
        sip(Target::host_port(ip("2001:db8::7"), 5062), 1000),
    ];
    firewall.apply(&adds(wild)).unwrap();
    let listing = sh("nft list table inet switchward");
    for line in [
        "type filter hook prerouting priority raw; policy accept;",
        "ip saddr @all_v4 counter packets 0 bytes 0 drop comment \"all_v4\"",
        "ip6 saddr & ffff:ffff:ffff:ffff:: == @all_v6 counter packets 0 bytes 0 drop comment \"all_v6\"",
        "ip saddr & 255.255.255.0 == @all_v4_net24 counter packets 0 bytes 0 drop comment \"all_v4_net24\"",
        "ip saddr . th sport @all_v4_port counter packets 0 bytes 0 drop comment \"all_v4_port\"",
        "meta l4proto @transports th dport @sip_ports jump sip comment \"to the SIP ports\"",
        "elements = { 5060-5061, 5066,",
        "elements = { 198.51.100.7 timeout 16m40s expires",
        "elements = { 198.51.100.0 }",
        "elements = { 2001:db8::7 . 5062 timeout 16m40s",
    ] {
        assert!(listing.contains(line), "{line:?} is not in:\n{listing}");
    }
}

#[test]
fn a_protected_network_is_never_dropped() {
    alone();
    let protect = vec!["198.51.100.0/28".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
    let mut firewall = Firewall::open(&Config { protect, ..nftables() }).unwrap();
    let asked = [
        host("198.51.100.3"),
        net("198.51.0.0/16"),
        net("0.0.0.0/0"),
        host("2001:db8:1:7::1"),
        Target::host_port(ip("198.51.100.1"), 9),
        host("198.51.100.16"),
    ];
    let applied = firewall.apply(&adds(asked.map(for_ever))).unwrap();
    assert_eq!((applied.added, applied.refused.len()), (1, 5));
    assert!(applied.refused[0].1.to_string().contains("198.51.100.0/28"));
    let done = firewall.reconcile(&asked.map(for_ever)).unwrap();
    assert_eq!((done.kept, done.refused.len()), (1, 5));
    assert_eq!(firewall.rebuild(&asked.map(for_ever)).unwrap().added, 1);
    // Protecting later frees what is dropped.
    firewall.protect(vec!["198.51.100.0/24".parse().unwrap()]).unwrap();
    assert_eq!(firewall.elements().unwrap(), []);
}
