//! No sequence of observations bans what was learnt.

use super::*;
use crate::engine::Limits;
use crate::observation::{Evidence, Method, Observation, What};
use crate::policy::Policy;
use crate::verdict::Verdict;
use crate::{Refusal, Scope};
use std::time::Duration;

fn guard() -> Guard {
    Guard::new(
        Policy { trusted: Vec::new(), ..Policy::default() },
        Limits::default(),
        [1, 2, 3, 4],
        Box::new(|_| ()),
    )
}

fn learnt(ip: &str, label: &str) -> Learnt {
    Learnt::address(ip.parse().unwrap(), label.into())
}

fn now() -> Time {
    Time::from_secs(1_795_000_000)
}

/// Every kind of strike, at every grade, many times. Gives the targets that were banned.
fn attack(guard: &Guard, ip: &str) -> Vec<String> {
    let mut banned = Vec::new();
    for evidence in Evidence::ALL {
        for what in [
            What::AuthFailed(Method::Register),
            What::AuthFailed(Method::Invite),
            What::CallAbandoned,
            What::LoginFailed,
            What::UnknownAccount,
            What::AclRejected,
            What::ClientRefused,
            What::CallStarted { call: b"uuid", destination: b"100", authenticated: false, admitted: false },
            What::Registered { expires: 60 },
        ] {
            for round in 0..200_u16 {
                let user = format!("user{round}");
                let seen = Observation {
                    ip: Some(ip.parse().unwrap()),
                    port: 5060 + round % 3,
                    evidence,
                    user: user.as_bytes(),
                    domain: b"pbx.example",
                    agent: b"friendly-scanner",
                    ..Observation::of(0, what)
                };
                for verdict in guard.observe(&seen, now()) {
                    if let Verdict::Ban(ban) = verdict {
                        banned.push(ban.target.to_string());
                    }
                }
            }
        }
    }
    banned
}

#[test]
fn nothing_that_a_gateway_does_bans_it() {
    let guard = guard();
    guard.learn_reach(
        &[learnt("198.51.100.7", "gateway carrier1"), learnt("2001:db8:1::7", "gateway six")],
        now(),
    );
    assert_eq!(attack(&guard, "198.51.100.7"), [] as [&str; 0]);
    // Of an IPv6 /64 the whole is banned or nothing.
    assert_eq!(attack(&guard, "2001:db8:1::666"), [] as [&str; 0]);
    assert!(!attack(&guard, "198.51.100.8").is_empty());
    assert!(!attack(&guard, "2001:db8:2::7").is_empty());
}

#[test]
fn what_was_learnt_is_shown_with_its_label_and_refused_to_an_operator() {
    let guard = guard();
    guard.learn_reach(&[learnt("198.51.100.7", "gateway carrier1")], now());
    assert_eq!(
        guard.explain("198.51.100.7".parse().unwrap(), now()).learnt,
        Some(learnt("198.51.100.7", "gateway carrier1"))
    );
    assert_eq!(guard.explain("198.51.100.8".parse().unwrap(), now()).learnt, None);
    for target in ["198.51.100.7", "198.51.100.7:5060", "198.51.100.0/24"] {
        let refusal =
            guard.order_ban(target.parse().unwrap(), None, Scope::All, "", "me", now()).unwrap_err();
        assert!(matches!(refusal, Refusal::Learnt { .. }), "{target}: {refusal}");
        assert!(refusal.to_string().contains("gateway carrier1"), "{refusal}");
    }
}

#[test]
fn a_ban_that_stands_when_it_is_learnt_is_lifted() {
    let guard = guard();
    for target in ["198.51.100.7", "198.51.100.7:5060", "203.0.113.0/24", "198.51.100.8"] {
        guard.order_ban(target.parse().unwrap(), None, Scope::All, "", "me", now()).unwrap();
    }
    let all = [learnt("198.51.100.7", "gateway carrier1"), learnt("203.0.113.9", "profile internal")];
    let mut lifted: Vec<String> = guard
        .learn_reach(&all, now())
        .iter()
        .map(|(ban, why)| format!("{} {}", ban.target, why.label))
        .collect();
    lifted.sort();
    assert_eq!(
        lifted,
        [
            "198.51.100.7 gateway carrier1",
            "198.51.100.7:5060 gateway carrier1",
            "203.0.113.0/24 profile internal"
        ]
    );
    let left: Vec<String> = guard.ledger().bans(now()).iter().map(|ban| ban.target.to_string()).collect();
    assert_eq!(left, ["198.51.100.8"]);
}

#[test]
fn what_is_no_longer_told_is_within_reach_again() {
    let guard = guard();
    guard.learn_reach(&[learnt("198.51.100.7", "gateway carrier1")], now());
    guard.learn_reach(&[], now());
    assert_eq!(guard.learnt(), 0);
    assert!(!attack(&guard, "198.51.100.7").is_empty());
}

#[test]
fn so_many_are_kept_and_no_more() {
    let guard = guard();
    let all: Vec<Learnt> = (0..2 * MOST_LEARNT as u32)
        .map(|n| Learnt::address(IpAddr::from((0xc612_0000 + n).to_be_bytes()), "gateway".into()))
        .collect();
    guard.learn_reach(&all, now());
    assert_eq!(guard.learnt(), MOST_LEARNT);
}

fn network(net: &str, label: &str) -> Learnt {
    Learnt { net: net.parse().unwrap(), label: label.into() }
}

#[test]
fn nobody_in_a_learnt_network_is_banned_and_the_neighbours_are() {
    let guard = guard();
    guard.learn_reach(
        &[
            network("198.51.100.64/26", "access list carriers"),
            network("198.51.100.64/28", "access list carriers"),
            network("198.51.100.70/32", "gateway carrier1"),
            network("203.0.113.0/24", "access list carriers"),
            network("2001:db8:1::/48", "access list carriers"),
            network("2001:db8:7:1::8/125", "access list carriers"),
        ],
        now(),
    );
    for spared in [
        "198.51.100.64",
        "198.51.100.70",
        "198.51.100.100",
        "198.51.100.127",
        "203.0.113.255",
        "2001:db8:1:ffff::1",
        "2001:db8:7:1::99",
    ] {
        assert_eq!(attack(&guard, spared), [] as [&str; 0], "{spared}");
    }
    for stranger in [
        "198.51.100.63",
        "198.51.100.128",
        "203.0.114.0",
        "2001:db8:2::1",
        "2001:db8:0:ffff::1",
        "2001:db8:7::9",
    ] {
        assert!(!attack(&guard, stranger).is_empty(), "{stranger}");
    }
    let label =
        |ip: &str| guard.explain(ip.parse().unwrap(), now()).learnt.map(|learnt| learnt.label.to_string());
    assert_eq!(label("198.51.100.70").as_deref(), Some("gateway carrier1"));
    assert_eq!(label("198.51.100.71").as_deref(), Some("access list carriers"));
    assert_eq!(label("198.51.100.128"), None);
    // An order that meets the network from above, from within and exactly.
    for target in ["198.51.0.0/16", "198.51.100.96/27", "198.51.100.99", "198.51.100.64/26"] {
        let refusal =
            guard.order_ban(target.parse().unwrap(), None, Scope::All, "", "me", now()).unwrap_err();
        assert!(matches!(refusal, Refusal::Learnt { .. }), "{target}: {refusal}");
        assert!(refusal.to_string().contains("carrier"), "{refusal}");
    }
}

#[test]
fn no_rule_bans_an_operator_for_twelve_hours_after_the_last_proof() {
    let guard = guard();
    let home: IpAddr = "198.51.100.7".parse().unwrap();
    assert!(guard.proved(home, "user alice", now()));
    assert!(!guard.proved(home, "user alice", now() + Duration::from_secs(3600)), "she is known there");
    assert!(guard.proved("2001:db8:1::7".parse().unwrap(), "token ops", now()));
    assert_eq!(attack(&guard, "2001:db8:1::666"), [] as [&str; 0]);
    let seen = guard.explain(home, now()).operator.unwrap();
    assert_eq!(
        (&*seen.name, seen.since, seen.last),
        ("user alice", now(), now() + Duration::from_secs(3600))
    );
    // Right up to the end, and not beyond it.
    let end = now() + Duration::from_secs(3600) + OPERATOR_FOR;
    let strike = |at: Time| {
        let seen = Observation {
            ip: Some(home),
            evidence: Evidence::Likely,
            user: b"1000",
            ..Observation::of(0, What::AuthFailed(Method::Register))
        };
        let verdicts: Vec<Verdict> = (0..20).flat_map(|_| guard.observe(&seen, at)).collect();
        verdicts.iter().any(|verdict| matches!(verdict, Verdict::Ban(_)))
    };
    assert!(!strike(Time::from_micros(end.micros() - 1)));
    assert_eq!(guard.operators(Time::from_micros(end.micros() - 1)).len(), 1);
    assert!(strike(end));
    assert_eq!(guard.operators(end), []);
}

#[test]
fn a_ban_that_stands_when_an_operator_proves_himself_stays_and_only_his_own_address_can_be_ordered() {
    let guard = guard();
    let order = |target: &str| guard.order_ban(target.parse().unwrap(), None, Scope::Sip, "", "me", now());
    order("198.51.100.7").unwrap();
    let home: IpAddr = "198.51.100.7".parse().unwrap();
    guard.proved(home, "user alice", now());
    assert_eq!(guard.lift_learnt(now()), []);
    assert_eq!(guard.learn_reach(&[learnt("203.0.113.9", "gateway")], now()), []);
    assert_eq!(guard.ledger().bans(now()).len(), 1);
    guard.order_lift("198.51.100.7".parse().unwrap(), "me", now());
    let refusal = order("198.51.100.0/24").unwrap_err();
    assert!(matches!(refusal, Refusal::Operator { ip, .. } if ip == home), "{refusal}");
    assert!(refusal.to_string().contains("user alice"), "{refusal}");
    // Somebody who knows better: it is a thief. Then it is nobody's place any more.
    order("198.51.100.7").unwrap();
    assert_eq!(guard.operators(now()), []);
    guard.proved(home, "user alice", now());
    guard.keep_operators(|operator| &*operator.name != "user alice");
    assert_eq!(guard.operators(now()), []);
}

#[test]
fn a_stolen_credential_drives_out_its_own_places_and_the_table_is_bounded() {
    let guard = guard();
    let at = |n: u32| IpAddr::from((0xc612_0000 + n).to_be_bytes());
    guard.proved(at(0), "user alice", now());
    for n in 1..200 {
        guard.proved(at(n), "user mallory", now() + Duration::from_secs(u64::from(n)));
    }
    let later = now() + Duration::from_secs(300);
    let all = guard.operators(later);
    assert_eq!(all.len(), 17);
    assert!(all.iter().any(|operator| &*operator.name == "user alice"));
    assert!(all.iter().any(|operator| operator.ip == at(199)), "the last one counts");
    for n in 1000..2000 {
        guard.proved(at(n), &format!("user {n}"), later + Duration::from_secs(u64::from(n)));
    }
    assert_eq!(guard.operators(later + Duration::from_secs(2000)).len(), MOST_OPERATORS);
}
