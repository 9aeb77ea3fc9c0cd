//! The classic mode: ipsets and iptables rules, with `ipset`, `iptables` and real packets as witnesses. The whole
//! file also runs with the legacy iptables (see the last test).

use std::sync::mpsc::channel;
use std::time::Duration;

use netfilter::{Backend, Change, Config, Element, Error, Firewall, Mode, Scope, Target, Writer};

use crate::support::*;

const NAME: &str = "freeswitch-security";
const RULE: &str = "INPUT -m set --match-set freeswitch-security src -j DROP";

fn open() -> Firewall {
    Firewall::open(&ipset()).unwrap()
}

fn entries(set: &str) -> usize {
    sh(&format!("ipset save {set}")).lines().filter(|line| line.starts_with("add ")).count()
}

fn rules(program: &str) -> Vec<String> {
    sh(&format!("{program} -S INPUT"))
        .lines()
        .filter(|line| line.starts_with("-A"))
        .map(String::from)
        .collect()
}

#[test]
fn hosts_and_networks_are_dropped_and_others_are_not() {
    let wire = Net::new();
    let mut firewall = open();
    assert_eq!(firewall.backend(), Backend::Ipset);
    let banned = [
        all(host("198.51.100.7"), 60),
        all(net("198.51.100.64/26"), 60),
        for_ever(net("198.51.100.96/28")),
        all(host("2001:db8:a:1::7"), 60),
        for_ever(net("2001:db8:a:100::/56")),
    ];
    assert!(wire.passes("198.51.100.7", 5060, 5060) && wire.passes("2001:db8:a:1::7", 5060, 5060));
    firewall.apply(&adds(banned)).unwrap();
    for from in [
        "198.51.100.7",
        "198.51.100.65",
        "198.51.100.97",
        "2001:db8:a:1::7",
        "2001:db8:a:1::9",
        "2001:db8:a:133::1",
    ] {
        assert!(!wire.passes(from, 5060, 5060), "{from}");
        assert!(!wire.passes(from, 5060, 9999), "{from}");
    }
    for from in ["198.51.100.8", "2001:db8:a:2::7", "2001:db8:a:200::1"] {
        assert!(wire.passes(from, 5060, 5060), "{from}");
    }
    firewall
        .apply(&[Change::Remove(net("198.51.100.64/26")), Change::Remove(host("2001:db8:a:1::8"))])
        .unwrap();
    assert!(wire.passes("198.51.100.65", 1, 5060) && wire.passes("2001:db8:a:1::7", 1, 5060));
    assert!(!wire.passes("198.51.100.97", 1, 5060), "the narrower network still holds");
}

#[test]
fn one_phone_behind_a_nat_is_dropped_by_its_port_and_the_sip_scope_is_everything() {
    let wire = Net::new();
    let mut firewall = open();
    assert!(!succeeds("ipset list -t freeswitch-securityp"), "made only when needed");
    let banned = [
        all(Target::host_port(ip("198.51.100.7"), 5062), 60),
        for_ever(Target::host_port(ip("2001:db8:a:1::7"), 5062)),
        all(Target::host_port(ip("2001:db8:a:2::"), 5062), 60),
        sip(host("198.51.100.9"), 60),
    ];
    firewall.apply(&adds(banned)).unwrap();
    for (from, port, passes) in [
        ("198.51.100.7", 5062, false),
        ("198.51.100.7", 5063, true),
        ("2001:db8:a:1::7", 5062, false),
        ("2001:db8:a:1::8", 5062, true),
        ("2001:db8:a:2::8", 5062, false),
        ("2001:db8:a:2::8", 5063, true),
        ("198.51.100.9", 40000, false),
    ] {
        assert_eq!(wire.passes(from, port, 9999), passes, "{from} {port}");
    }
    let wished: Vec<Element> =
        banned.iter().map(|element| Element { scope: Scope::All, ..*element }).collect();
    assert_eq!(firewall.reconcile(&banned).unwrap().kept, 4);
    let mut held: Vec<Target> = firewall.elements().unwrap().iter().map(|element| element.target).collect();
    held.sort_unstable();
    let mut targets: Vec<Target> = wished.iter().map(|element| element.target).collect();
    targets.sort_unstable();
    assert_eq!(held, targets);
    firewall.apply(&banned.map(|element| Change::Remove(element.target))).unwrap();
    assert_eq!(firewall.elements().unwrap(), []);
    assert!(wire.passes("198.51.100.7", 5062, 9999));
}

#[test]
fn adding_again_replaces_the_timeout_and_removing_what_is_missing_is_no_error() {
    alone();
    let mut firewall = open();
    for (element, expected) in [
        (all(host("198.51.100.7"), 1000), Some(1000)),
        (all(host("198.51.100.7"), 50), Some(50)),
        (for_ever(host("198.51.100.7")), None),
        (Element { timeout: Some(Duration::from_millis(1)), ..all(host("198.51.100.7"), 0) }, Some(1)),
        (all(host("198.51.100.7"), 100 * 86_400), Some(2_147_483)),
    ] {
        firewall.apply(&adds([element])).unwrap();
        let held = firewall.elements().unwrap();
        assert_eq!(held.len(), 1);
        let left = held[0].timeout.map(|left| left.as_secs());
        assert!(left == expected || left.map(|left| left + 1) == expected, "{left:?} is not {expected:?}");
    }
    let gone = [
        host("198.51.100.8"),
        net("203.0.113.0/24"),
        host("2001:db8::1"),
        Target::host_port(ip("198.51.100.7"), 1),
    ];
    let applied = firewall.apply(&gone.map(Change::Remove)).unwrap();
    assert_eq!((applied.removed, applied.refused), (4, vec![]));
    assert_eq!(entries(NAME), 1);
}

#[test]
fn ten_thousand_of_every_kind_are_all_there() {
    alone();
    let mut firewall = open();
    // For ever: a time left that differs by more than two seconds is put in anew, and a busy machine takes longer for so many.
    let mut elements: Vec<Element> = many(10_000).map(for_ever).collect();
    elements.extend((0..2000u16).map(|port| for_ever(Target::host_port(ip("2001:db8::1"), port))));
    elements.extend((0..2000u16).map(|index| for_ever(host(&format!("2001:db8:0:{index:x}::1")))));
    let applied = firewall.apply(&adds(elements.clone())).unwrap();
    assert_eq!((applied.added, applied.refused), (14_000, vec![]));
    assert_eq!([NAME, "freeswitch-security6", "freeswitch-security6p"].map(entries), [10_000, 2000, 4000]);
    assert_eq!(firewall.reconcile(&elements).unwrap().kept, 14_000);
    let done = firewall.reconcile(&elements[5000..]).unwrap();
    assert_eq!((done.removed, done.kept), (5000, 9000));
}

#[test]
fn a_full_set_refuses_some_and_keeps_the_others() {
    alone();
    let mut firewall = Firewall::open(&Config { max_elements: 64, ..ipset() }).unwrap();
    let mut elements: Vec<Element> = many(200).map(|target| all(target, 1000)).collect();
    elements.push(all(host("2001:db8::1"), 1000));
    let applied = firewall.apply(&adds(elements)).unwrap();
    assert_eq!(applied.added + applied.refused.len(), 201);
    assert_eq!(entries(NAME), applied.added - 1, "the IPv6 one went in as well");
    assert!(applied.refused.iter().all(|(_, error)| *error == Error::SetFull { set: NAME.into(), max: 64 }));
    assert!(applied.refused.len() >= 136);
}

#[test]
fn a_restart_keeps_elements_and_puts_no_rule_in_twice() {
    alone();
    sh("iptables -A INPUT -p udp --dport 53 -j ACCEPT");
    let banned = [all(host("198.51.100.7"), 1000), all(Target::host_port(ip("198.51.100.7"), 5062), 1000)];
    open().apply(&adds(banned)).unwrap();
    let before = rules("iptables");
    assert_eq!(before.len(), 3);
    assert!(before[2].contains("--dport 53"), "ours are on top: {before:?}");
    let mut again = open();
    assert_eq!(again.reconcile(&banned).unwrap().kept, 2);
    assert!(again.health().unwrap().is_good());
    assert_eq!(rules("iptables"), before);
    assert_eq!(rules("ip6tables"), ["-A INPUT -m set --match-set freeswitch-security6 src -j DROP"]);
    sh("ipset create theirs hash:ip");
    again.remove_everything().unwrap();
    assert_eq!(rules("iptables"), ["-A INPUT -p udp -m udp --dport 53 -j ACCEPT"]);
    assert_eq!((rules("ip6tables").len(), sh("ipset list -n").trim()), (0, "theirs"));
}

#[test]
fn somebody_elses_change_is_repaired() {
    alone();
    let mut elements: Vec<Element> = many(5000).map(|target| all(target, 1000)).collect();
    elements.extend([for_ever(host("2001:db8::1")), all(Target::host_port(ip("198.51.100.7"), 5062), 1000)]);
    let list = elements.clone();
    let (writer, started) = Writer::spawn(ipset(), Box::new(move || list.clone())).unwrap();
    assert_eq!(started.reconciled.added, 5002);
    let damages = [
        "ipset flush",
        "ipset flush freeswitch-security6",
        "ipset del freeswitch-security 198.18.0.77",
        "iptables -F INPUT",
        "ip6tables -F",
        &format!("iptables -D {RULE}"),
        "iptables -F;ip6tables -F;ipset destroy",
    ];
    for (index, damage) in damages.iter().enumerate() {
        damage.split(';').for_each(|line| drop(sh(line)));
        eventually(damage, || {
            writer.stats().foreign_flushes > index as u64
                && writer.health().unwrap().is_good()
                && writer.snapshot().unwrap().len() == 5002
        });
        assert!(rules("iptables").contains(&format!("-A {RULE}")), "{damage}");
    }
    assert_eq!(writer.stats().degraded, None);
}

#[test]
fn the_predecessors_set_is_taken_over_without_a_gap() {
    for former in ["hash:ip", "hash:ip timeout 3600", "hash:net", "hash:net timeout 0 maxelem 65536"] {
        let wire = Net::new();
        sh(&format!("ipset create {NAME} {former}"));
        sh(&format!("ipset add {NAME} 198.51.100.7"));
        sh(&format!("ipset add {NAME} 198.51.100.8"));
        sh("iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
        sh(&format!("iptables -I {RULE}"));
        assert!(!wire.passes("198.51.100.7", 1, 9999) && wire.passes("198.51.100.9", 1, 9999));
        let to = wire.listener(9999).local_addr().unwrap();
        let (stop, stopped) = channel::<()>();
        let attacker = wire.attacker();
        let flood = std::thread::spawn(move || {
            attacker.run(move || {
                let mut count = 0u64;
                while stopped.try_recv().is_err() {
                    send(ip("198.51.100.7"), 5060, to, "attack");
                    count += 1;
                }
                count
            })
        });
        let mut firewall = open();
        stop.send(()).unwrap();
        assert!(flood.join().unwrap() > 0);
        assert!(!wire.passes("198.51.100.7", 1, 9999) && wire.passes("198.51.100.9", 1, 9999));
        let listener = wire.listener(9999);
        listener.set_nonblocking(true).unwrap();
        assert!(listener.recv_from(&mut [0; 64]).is_err(), "{former}: a banned packet came through");
        let permanent = !former.contains("3600");
        assert!(firewall.elements().unwrap().iter().all(|element| element.timeout.is_none() == permanent));
        assert_eq!(firewall.elements().unwrap().len(), 2);
        assert_eq!(rules("iptables").len(), 2);
        assert_eq!(sh("ipset list -n").lines().count(), 2);
        assert!(sh(&format!("ipset list -t {NAME}")).contains("hash:net"));
        firewall.apply(&adds([all(net("198.51.100.0/28"), 60)])).unwrap();
        assert!(!wire.passes("198.51.100.9", 1, 9999));
    }
}

#[test]
fn a_set_that_somebody_elses_rule_uses_is_not_taken_and_the_error_says_why() {
    alone();
    sh(&format!("ipset create {NAME} hash:ip"));
    sh(&format!("ipset add {NAME} 198.51.100.7"));
    sh(&format!("iptables -A FORWARD -m set --match-set {NAME} dst -j ACCEPT"));
    sh(&format!("iptables -I {RULE}"));
    let error = Firewall::open(&ipset()).unwrap_err().to_string();
    assert!(error.contains(NAME) && error.contains("hash:ip") && error.contains("ipset_name"), "{error}");
    assert_eq!((entries(NAME), sh("ipset list -n").trim()), (1, NAME), "all is as it was");
    assert_eq!(rules("iptables"), [format!("-A {RULE}")]);
}

#[test]
fn a_chain_that_does_not_exist_is_said_at_the_start() {
    alone();
    let error =
        Firewall::open(&Config { iptables_chain: "NOWHERE".into(), ..ipset() }).unwrap_err().to_string();
    assert!(error.contains("NOWHERE"), "{error}");
}

#[test]
fn the_longest_name_fits() {
    alone();
    let config = Config { ipset_name: "n".repeat(29), mode: Mode::Ipset, ..Config::default() };
    let mut firewall = Firewall::open(&config).unwrap();
    let phones = ["198.51.100.7", "2001:db8::1"].map(|from| all(Target::host_port(ip(from), 5062), 100));
    firewall.apply(&adds(phones)).unwrap();
    assert_eq!(sh("ipset list -n").lines().count(), 4);
    assert!(firewall.health().unwrap().is_good());
}

#[test]
fn all_of_this_holds_with_the_legacy_iptables_too() {
    if std::env::var_os("NETFILTER_TEST_VARIANT").is_some() {
        return;
    }
    let bin = std::env::temp_dir().join(format!("legacy-{}", std::process::id()));
    std::fs::create_dir_all(&bin).unwrap();
    for program in ["iptables", "ip6tables"] {
        let legacy = format!("/usr/sbin/{program}-legacy");
        std::os::unix::fs::symlink(std::fs::canonicalize(legacy).unwrap(), bin.join(program)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["ipset_mode::", "--test-threads=2"])
        .env("PATH", path)
        .env("NETFILTER_TEST_VARIANT", "legacy")
        .output()
        .unwrap();
    std::fs::remove_dir_all(&bin).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(" 13 passed"), "{text}");
}

#[test]
fn a_take_over_that_was_cut_short_is_finished_by_the_next_start() {
    alone();
    // The moment after the old set was destroyed.
    sh(&format!("ipset create {NAME}-t hash:net timeout 0"));
    sh(&format!("ipset add {NAME}-t 198.51.100.7"));
    sh(&format!("iptables -I INPUT -m set --match-set {NAME}-t src -j DROP"));
    let mut firewall = open();
    assert_eq!(firewall.elements().unwrap(), [for_ever(host("198.51.100.7"))]);
    assert_eq!(rules("iptables"), [format!("-A {RULE}")]);
    assert!(!sh("ipset list -n").contains("-t"));
}
