//! No sequence of observations bans what was learnt.

use super::*;
use crate::engine::Limits;
use crate::observation::{Evidence, Method, Observation, What};
use crate::policy::Policy;
use crate::verdict::Verdict;
use crate::{Refusal, Scope};

fn guard() -> Guard {
    Guard::new(
        Policy { trusted: Vec::new(), ..Policy::default() },
        Limits::default(),
        [1, 2, 3, 4],
        Box::new(|_| ()),
    )
}

fn learnt(ip: &str, label: &str) -> Learnt {
    Learnt { ip: ip.parse().unwrap(), label: label.into() }
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
        .map(|n| Learnt { ip: IpAddr::from((0xc612_0000 + n).to_be_bytes()), label: "gateway".into() })
        .collect();
    guard.learn_reach(&all, now());
    assert_eq!(guard.learnt(), MOST_LEARNT);
}
