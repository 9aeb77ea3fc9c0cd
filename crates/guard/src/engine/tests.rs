//! Behaviour by behaviour: what the engine does with what a switch may see.

use super::*;
use crate::ban::{Ban, Scope};
use crate::observation::{Evidence, Method, Transport};
use crate::pattern::DomainPattern;
use crate::policy::UNTRUSTED_DOMAIN;
use crate::verdict::AlertKind;
use std::net::IpAddr;
use std::time::Duration;

fn at(secs: f64) -> Time {
    Time::from_micros((1e15 + secs * 1e6) as u64)
}

fn guard(change: impl FnOnce(&mut Policy)) -> Guard {
    let mut policy = Policy::default();
    change(&mut policy);
    Guard::new(policy, Limits::default(), [1, 2, 3, 4], Box::new(|_| ()))
}

/// Switches built-in rules off.
fn without(policy: &mut Policy, rules: &[&str]) {
    let off =
        |name: &&str| crate::RuleChange { name: (*name).into(), enabled: Some(false), ..Default::default() };
    policy.changes.extend(rules.iter().map(off));
}

/// The rules that judge many sources together.
const CROWDS: [&str; 6] = [
    "account-attacked",
    "account-attacked-alert",
    "account-attacked-slowly",
    "net-failures",
    "net-banned",
    "wide-net-banned",
];

fn from<'a>(ip: &str, what: What<'a>) -> Observation<'a> {
    let evidence = match what {
        What::AuthFailed(_) => Evidence::Likely,
        What::Registered { .. } | What::AuthSucceeded => Evidence::Proven,
        _ => Evidence::Forgeable,
    };
    Observation {
        ip: Some(crate::source::fold(ip.parse().unwrap())),
        port: 5060,
        transport: Transport::Udp,
        evidence,
        user: b"1000",
        domain: b"pbx.example",
        agent: b"Yealink SIP-T46U 108.86",
        ..Observation::of(0, what)
    }
}

const FAILED: What<'_> = What::AuthFailed(Method::Register);
const REGISTERED: What<'_> = What::Registered { expires: 3600 };
const CALL: What<'_> =
    What::CallStarted { call: b"uuid", destination: b"100", authenticated: false, admitted: false };

fn bans(verdicts: &Verdicts) -> Vec<Arc<Ban>> {
    verdicts
        .iter()
        .filter_map(|verdict| if let Verdict::Ban(ban) = verdict { Some(ban.clone()) } else { None })
        .collect()
}

/// The only ban among the verdicts of a run of observations, with the number of the observation that made it.
fn first_ban(
    guard: &Guard,
    seen: &Observation<'_>,
    times: impl IntoIterator<Item = f64>,
) -> Option<(usize, Arc<Ban>)> {
    times
        .into_iter()
        .enumerate()
        .find_map(|(n, time)| bans(&guard.observe(seen, at(time))).pop().map(|ban| (n + 1, ban)))
}

#[test]
fn five_failures_within_ten_minutes_are_a_ban_of_an_hour() {
    let guard = guard(|_| ());
    let (n, ban) =
        first_ban(&guard, &from("198.51.100.1", FAILED), (0..9).map(|n| n as f64 * 100.0)).unwrap();
    assert_eq!(n, 5);
    assert_eq!(ban.target.to_string(), "198.51.100.1");
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(3600));
    assert_eq!((ban.reason.evidence, ban.reason.count, ban.scope), (Evidence::Likely, 5, Scope::All));
    assert_eq!(ban.reason.last.since(ban.reason.first), Duration::from_secs(400));
    assert_eq!(
        ban.reason.text,
        "5 failed authentications within 6 min 40 s; accounts \"1000\"; domains \"pbx.example\"; user agents \"Yealink SIP-T46U 108.86\""
    );
}

#[test]
fn one_mistake_every_nine_minutes_is_no_burst_but_patience() {
    let patient = guard(|_| ());
    let (n, ban) =
        first_ban(&patient, &from("198.51.100.1", FAILED), (0..200).map(|n| n as f64 * 540.0)).unwrap();
    assert_eq!((n, ban.reason.rule.as_str(), ban.reason.count), (15, "slow-failures", 15));
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(86_400));
    let guard = guard(|policy| without(policy, &["slow-failures"]));
    assert_eq!(first_ban(&guard, &from("198.51.100.1", FAILED), (0..200).map(|n| n as f64 * 540.0)), None);
}

#[test]
fn the_window_slides_and_ends_to_the_moment() {
    let just_outside = guard(|_| ());
    let seen = from("198.51.100.1", FAILED);
    assert_eq!(first_ban(&just_outside, &seen, [0.0, 1.0, 2.0, 3.0, 600.0]), None);
    let just_inside = guard(|_| ());
    assert!(first_ban(&just_inside, &seen, [0.0, 1.0, 2.0, 3.0, 599.98]).is_some());
}

#[test]
fn answered_challenges_and_stale_nonces_are_no_strikes_however_many() {
    let guard = guard(|_| ());
    for n in 0..5000 {
        for what in [What::StaleNonce, What::Challenged, What::Refused] {
            assert!(guard.observe(&from("198.51.100.2", what), at(f64::from(n) / 50.0)).is_empty());
        }
    }
    for what in [What::StaleNonce, What::Refused] {
        assert_eq!(first_ban(&guard, &from("198.51.100.1", what), (0..500).map(|n| n as f64 / 50.0)), None);
    }
    assert!(guard.failed(at(10.0)).is_empty());
}

#[test]
fn ipv6_is_counted_by_its_64_and_mapped_ipv4_is_ipv4() {
    let guard = guard(|_| ());
    let mut banned = Vec::new();
    for n in 1..=5 {
        banned.extend(bans(&guard.observe(&from(&format!("2001:db8:0:1::{n}"), FAILED), at(n as f64))));
    }
    assert_eq!(banned[0].target.to_string(), "2001:db8:0:1::/64");
    for n in 0..5 {
        let text = if n % 2 == 0 { "::ffff:198.51.100.1" } else { "198.51.100.1" };
        banned.extend(bans(&guard.observe(&from(text, FAILED), at(n as f64))));
    }
    assert_eq!(banned[1].target.to_string(), "198.51.100.1");
}

#[test]
fn forgeable_strikes_ban_for_two_minutes_and_only_the_sip_ports() {
    let guard = guard(|_| ());
    let (n, ban) =
        first_ban(&guard, &from("198.51.100.1", What::CallAbandoned), (0..9).map(f64::from)).unwrap();
    assert_eq!(n, 5);
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(120));
    assert_eq!((ban.scope, ban.reason.evidence), (Scope::Sip, Evidence::Forgeable));
}

#[test]
fn forgeable_strikes_never_ban_a_source_with_a_registered_phone() {
    let guard = guard(|policy| policy.allow_on_success = false);
    guard.observe(&from("192.0.2.1", REGISTERED), at(0.0));
    for what in [What::CallAbandoned, CALL] {
        assert_eq!(
            first_ban(&guard, &from("192.0.2.1", what), (1..500).map(|n| n as f64 / 10.0)),
            None,
            "{what:?}"
        );
    }
    assert!(guard.counts().spared.value() > 100);
    guard.observe(&from("192.0.2.1", What::Unregistered), at(60.0));
    assert!(first_ban(&guard, &from("192.0.2.1", What::CallAbandoned), (61..70).map(f64::from)).is_some());
}

#[test]
fn one_wrong_phone_among_registered_ones_loses_its_port_and_the_office_goes_on() {
    let guard = guard(|_| ());
    let office = "192.0.2.1";
    for n in 0..49u16 {
        guard.observe(
            &Observation {
                port: 10_000 + n,
                user: format!("1{n:03}").as_bytes(),
                ..from(office, REGISTERED)
            },
            at(0.0),
        );
    }
    let wrong = Observation { port: 4444, ..from(office, FAILED) };
    let mut verdicts = Verdicts::new();
    for n in 1..=5 {
        verdicts = guard.observe(&wrong, at(f64::from(n) * 30.0));
    }
    let [Verdict::Ban(ban), Verdict::Alert(alert)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert_eq!(ban.target.to_string(), "192.0.2.1:4444");
    assert_eq!(alert.kind, AlertKind::FailingPhone);
    assert!(alert.text.contains("account") && alert.text.contains("49 registered phones"), "{}", alert.text);
    assert!(guard.ledger().banned("192.0.2.1".parse().unwrap(), 10_001, at(160.0)).is_none());
}

#[test]
fn a_source_with_standing_that_keeps_guessing_from_port_to_port_is_banned_whole() {
    let guard = guard(|_| ());
    guard.observe(&from("192.0.2.1", REGISTERED), at(0.0));
    let mut banned = Vec::new();
    for n in 0..50u16 {
        banned.extend(bans(
            &guard.observe(&Observation { port: 2000 + n, ..from("192.0.2.1", FAILED) }, at(f64::from(n))),
        ));
    }
    assert_eq!(banned.len(), 1);
    assert_eq!(banned[0].target.to_string(), "192.0.2.1");
    assert_eq!(banned[0].reason.count, 50);
}

#[test]
fn trusted_protected_and_operator_allowed_sources_are_never_banned() {
    let guard = guard(|policy| policy.protected = vec!["203.0.113.7/32".parse().unwrap()]);
    guard.order_allow("198.51.100.9".parse().unwrap(), None, "", "", "me", at(0.0)).unwrap();
    for address in ["10.1.2.3", "203.0.113.7", "198.51.100.9", "127.0.0.1", "::ffff:192.168.1.1"] {
        assert_eq!(first_ban(&guard, &from(address, FAILED), (0..100).map(f64::from)), None, "{address}");
    }
    assert_eq!(guard.failed(at(100.0)).len(), 5, "but what they do is shown");
    assert_eq!(guard.failed(at(100.0))[0].1.count, 100);
}

#[test]
fn the_call_that_exceeds_the_rate_bans_for_the_rates_own_time() {
    let guard = guard(|policy| policy.forgeable_max = Duration::from_secs(86_400));
    let (n, ban) = first_ban(&guard, &from("198.51.100.1", CALL), (0..40).map(f64::from)).unwrap();
    assert_eq!(n, 21);
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(900));
    assert_eq!(first_ban(&guard, &from("198.51.100.2", CALL), (0..400).map(|n| n as f64 * 3.01)), None);
}

#[test]
fn a_registered_or_allowed_source_passes_the_rates_unless_told_otherwise() {
    let bypass = guard(|_| ());
    bypass.observe(&from("192.0.2.1", REGISTERED), at(0.0));
    assert_eq!(first_ban(&bypass, &from("192.0.2.1", REGISTERED), (0..40).map(|n| n as f64 / 10.0)), None);
    let strict = guard(|policy| policy.rates_bypass = false);
    let (n, ban) =
        first_ban(&strict, &from("192.0.2.1", REGISTERED), (0..40).map(|n| n as f64 / 10.0)).unwrap();
    assert_eq!(
        (n, ban.reason.rule.as_str(), ban.reason.evidence),
        (11, "registration-rate", Evidence::Proven)
    );
}

#[test]
fn a_rate_that_should_only_alert_says_what_it_would_have_done() {
    let guard = guard(|policy| policy.rates_ban = false);
    let mut would = 0;
    for n in 0..42 {
        let verdicts = guard.observe(&from("198.51.100.1", CALL), at(n as f64 / 10.0));
        assert!(bans(&verdicts).is_empty());
        would += verdicts.iter().filter(|verdict| matches!(verdict, Verdict::WouldBan(_))).count();
    }
    assert_eq!((would, guard.counts().would_ban.value()), (2, 2));
}

#[test]
fn nothing_is_banned_or_hung_up_while_enforcing_is_off() {
    let guard = guard(|policy| {
        policy.enforce = false;
        policy.untrusted = vec![DomainPattern::new("pbx.example").unwrap()];
    });
    for n in 0..20 {
        for what in [FAILED, CALL, What::CallAbandoned] {
            let verdicts = guard.observe(&from("198.51.100.1", what), at(n as f64));
            assert!(
                !verdicts.iter().any(|verdict| matches!(verdict, Verdict::Ban(_) | Verdict::HangUp { .. }))
            );
        }
    }
    assert!(guard.counts().would_ban.value() > 0);
    assert_eq!(guard.ledger().sizes().0, 0);
}

#[test]
fn an_untrusted_domain_bans_at_once_and_hangs_the_call_up() {
    let guard = guard(|policy| policy.untrusted = vec![DomainPattern::new("*.evil.example").unwrap()]);
    let failed = Observation { domain: b"sip.EVIL.example", ..from("198.51.100.1", FAILED) };
    let ban = bans(&guard.observe(&failed, at(0.0))).pop().unwrap();
    assert_eq!(
        (ban.reason.rule.as_str(), ban.until.unwrap().since(ban.since)),
        (UNTRUSTED_DOMAIN, Duration::from_secs(3600))
    );
    let call = Observation { domain: b"sip.evil.example", ..from("198.51.100.2", CALL) };
    let verdicts = guard.observe(&call, at(0.0));
    let ban = bans(&verdicts).pop().unwrap();
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(120), "forgeable");
    assert!(verdicts.iter().any(
        |verdict| matches!(verdict, Verdict::HangUp { call, cause: "CALL_REJECTED", .. } if call == "uuid")
    ));
    guard.ledger().add_pattern(DomainPattern::new("bad.example").unwrap());
    let later = Observation { domain: b"bad.example", ..from("198.51.100.3", FAILED) };
    assert_eq!(bans(&guard.observe(&later, at(1.0))).len(), 1);
}

#[test]
fn a_success_allows_for_a_day_and_is_told_once() {
    let guard = guard(|_| ());
    let verdicts = guard.observe(&from("192.0.2.1", What::AuthSucceeded), at(0.0));
    assert!(matches!(&verdicts[..], [Verdict::Allow(entry)] if entry.user == "1000"));
    assert!(guard.observe(&from("192.0.2.1", REGISTERED), at(0.0)).is_empty());
    assert_eq!(guard.ledger().allowed("192.0.2.1".parse().unwrap(), at(86_399.0)), Some(AllowedBy::Success));
    assert_eq!(guard.ledger().allowed("192.0.2.1".parse().unwrap(), at(86_401.0)), None);
}

#[test]
fn a_password_found_after_many_failures_is_an_alarm_and_no_way_out() {
    let guard = guard(|_| ());
    assert!(first_ban(&guard, &from("198.51.100.1", FAILED), (0..9).map(f64::from)).is_some());
    let verdicts = guard.observe(&from("198.51.100.1", REGISTERED), at(10.0));
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.kind == AlertKind::Compromise),
        "{verdicts:?}"
    );
    assert!(guard.observe(&from("198.51.100.1", REGISTERED), at(11.0)).is_empty(), "told once");
    assert!(guard.ledger().banned("198.51.100.1".parse().unwrap(), 0, at(12.0)).is_some());
    assert_eq!(guard.ledger().allowed("198.51.100.1".parse().unwrap(), at(12.0)), None);
}

#[test]
fn a_banned_source_that_is_still_heard_is_an_alarm() {
    let guard = guard(|_| ());
    let seen = from("198.51.100.1", FAILED);
    first_ban(&guard, &seen, (0..5).map(f64::from)).unwrap();
    assert!(guard.observe(&seen, at(10.0)).is_empty(), "events on their way");
    let verdicts = guard.observe(&seen, at(30.0));
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if matches!(alert.kind, AlertKind::NotEnforced(_)))
    );
    assert!(guard.observe(&seen, at(31.0)).is_empty(), "not again within a minute");
    assert_eq!(guard.observe(&seen, at(91.0)).len(), 1, "but after it");
    assert_eq!(guard.counts().heard_while_banned.value(), 4);
    assert_eq!(guard.observe(&seen, at(-3600.0)).len(), 1, "a clock that was set back hides nothing");
}

#[test]
fn lifting_a_ban_forgets_what_led_to_it() {
    let guard = guard(|_| ());
    let seen = from("198.51.100.1", FAILED);
    first_ban(&guard, &seen, (0..5).map(f64::from)).unwrap();
    assert_eq!(guard.order_lift("198.51.100.1".parse().unwrap(), "me", at(6.0)).len(), 1);
    assert_eq!(first_ban(&guard, &seen, (7..11).map(f64::from)), None, "four more are four");
    assert!(first_ban(&guard, &seen, [11.5]).is_some());
    for address in ["198.51.100.2", "198.51.100.3"] {
        first_ban(&guard, &from(address, FAILED), (0..4).map(f64::from));
        assert!(guard.order_lift(address.parse().unwrap(), "me", at(5.0)).is_empty());
        assert_eq!(first_ban(&guard, &from(address, FAILED), (6..10).map(f64::from)), None);
    }
}

#[test]
fn orders_that_would_lock_somebody_out_are_refused() {
    let guard = guard(|policy| policy.protected = vec!["203.0.113.7/32".parse().unwrap()]);
    guard.order_allow("198.51.100.0/28".parse().unwrap(), None, "", "", "me", at(0.0)).unwrap();
    let order = |text: &str| guard.order_ban(text.parse().unwrap(), None, Scope::All, "", "me", at(1.0));
    assert!(matches!(order("10.0.0.1"), Err(Refusal::Trusted { .. })));
    assert!(matches!(order("0.0.0.0/0"), Err(Refusal::Trusted { .. })));
    assert!(matches!(order("203.0.113.0/24"), Err(Refusal::Protected { .. })));
    assert!(matches!(order("198.51.100.3"), Err(Refusal::AllowListed { .. })));
    assert!(matches!(order("198.51.100.0/24"), Err(Refusal::AllowListed { .. })));
    let ban = order("198.51.100.128/25").unwrap();
    assert_eq!((ban.until, ban.reason.rule.as_str()), (None, "operator"));
    let allow = guard.order_allow("198.51.100.200".parse().unwrap(), None, "", "", "me", at(2.0));
    assert!(matches!(allow, Err(Refusal::Covered { .. })));
}

#[test]
fn an_office_that_comes_back_after_an_address_change_is_no_attack() {
    let guard = guard(|policy| policy.allow_on_success = false);
    for n in 0..30u16 {
        let time = at(f64::from(n) / 10.0);
        let user = format!("1{n:03}");
        let phone =
            |what| Observation { port: 20_000 + n, user: user.as_bytes(), ..from("192.0.2.50", what) };
        for what in [What::StaleNonce, What::Challenged, What::AuthSucceeded, REGISTERED] {
            assert!(bans(&guard.observe(&phone(what), time)).is_empty());
        }
    }
}

#[test]
fn what_is_known_of_an_address_is_told() {
    let guard = guard(|_| ());
    for n in 0..3 {
        guard.observe(&from("198.51.100.1", FAILED), at(f64::from(n)));
    }
    let told = guard.explain("198.51.100.1".parse().unwrap(), at(4.0));
    assert_eq!(
        told.counted.iter().map(|record| (&*record.rule, record.record.count)).collect::<Vec<_>>(),
        [
            ("failed-registrations", 3),
            ("registration-rate", 3),
            ("enumeration", 1),
            ("slow-failures", 3),
            ("net-failures", 1)
        ]
    );
    assert!(told.ban.is_none() && told.allowed.is_none() && told.out_of_reach.is_none());
    assert_eq!(guard.explain("10.0.0.1".parse().unwrap(), at(4.0)).out_of_reach, "10.0.0.0/8".parse().ok());
}

#[test]
fn a_flood_of_sources_stays_within_the_cap() {
    let limits =
        Limits { windows: 16_000, registrations: 1_000, bans: 1_000, timeline: 1_000, ..Limits::default() };
    let mut policy = Policy::default();
    without(&mut policy, &CROWDS);
    let guard = Guard::new(policy, limits, [1, 2, 3, 4], Box::new(|_| ()));
    for n in 0..80_000u32 {
        let mut seen = from("198.51.100.1", FAILED);
        seen.ip = Some(IpAddr::V4((0xc612_0000 + n).into()));
        guard.observe(&seen, at(f64::from(n) / 10_000.0));
    }
    let state = guard.state();
    assert!(state.windows <= 16_000 && state.windows_evicted > 20_000, "{state:?}");
    assert!(state.bytes < 8_000_000, "{state:?}");
}

#[test]
fn an_allow_list_that_is_switched_off_protects_nobody() {
    let guard = guard(|policy| policy.allow = false);
    guard.order_allow("198.51.100.9".parse().unwrap(), None, "", "", "me", at(0.0)).unwrap();
    assert!(first_ban(&guard, &from("198.51.100.9", FAILED), (0..9).map(f64::from)).is_some());
}

#[test]
fn a_ban_within_what_has_become_trusted_is_lifted() {
    let guard = guard(|_| ());
    for address in ["198.51.100.1", "203.0.113.1"] {
        first_ban(&guard, &from(address, FAILED), (0..9).map(f64::from)).unwrap();
    }
    assert!(guard.lift_out_of_reach(at(10.0)).is_empty());
    let trusted = vec!["198.51.100.0/24".parse().unwrap()];
    guard.set_policy(Policy { trusted, ..Policy::default() });
    let lifted = guard.lift_out_of_reach(at(10.0));
    assert_eq!(lifted.iter().map(|(ban, _)| ban.target.to_string()).collect::<Vec<_>>(), ["198.51.100.1"]);
    assert_eq!(guard.ledger().bans(at(10.0)).len(), 1);
}

#[test]
fn failures_in_a_registered_phones_name_cost_it_nothing_and_a_stranger_on_that_address_its_port() {
    // Who got a nonce at his own address can forge failures in anybody's name.
    let guard = guard(|policy| policy.untrusted = vec![DomainPattern::new("evil.example").unwrap()]);
    guard.observe(&Observation { port: 5060, ..from("192.0.2.1", REGISTERED) }, at(0.0));
    let mut told = Vec::new();
    for n in 0..100 {
        let domain = if n % 2 == 0 { &b"pbx.example"[..] } else { b"evil.example" };
        let forged = Observation { port: 5060, domain, ..from("192.0.2.1", FAILED) };
        let verdicts = guard.observe(&forged, at(f64::from(n)));
        assert!(bans(&verdicts).is_empty(), "{verdicts:?}");
        told.extend(verdicts.into_iter().map(|verdict| (n, verdict)));
    }
    let [(49, Verdict::Alert(alert))] = &told[..] else { panic!("{told:?}") };
    assert!(
        alert.text.contains("192.0.2.1:5060") && alert.text.contains("failed-registrations-phone"),
        "{alert:?}"
    );
    let other = Observation { port: 4444, domain: b"evil.example", ..from("192.0.2.1", FAILED) };
    let ban = bans(&guard.observe(&other, at(700.0))).pop().unwrap();
    assert_eq!((ban.target.to_string(), ban.scope), ("192.0.2.1:4444".to_string(), Scope::Sip));
}

#[test]
fn twenty_wrong_phones_of_an_office_lose_their_ports_and_the_office_goes_on() {
    let guard = guard(|_| ());
    guard.observe(&Observation { port: 5060, ..from("192.0.2.1", REGISTERED) }, at(0.0));
    let mut banned = Vec::new();
    for n in 0..10u16 {
        for phone in 0..20u16 {
            let (port, user) = (20_000 + phone, format!("20{phone:02}"));
            let failed = Observation { port, user: user.as_bytes(), ..from("192.0.2.1", FAILED) };
            banned.extend(bans(&guard.observe(&failed, at(f64::from(n * 60 + phone)))));
        }
    }
    assert_eq!(banned.len(), 20);
    assert!(banned.iter().all(|ban| matches!(ban.target, Target::Port(..))), "{banned:?}");
}

#[test]
fn a_ban_on_forgeable_evidence_grows_by_what_is_harder_to_forge() {
    let guard = guard(|_| ());
    let scanner = |what| Observation { agent: b"friendly-scanner", ..from("198.51.100.1", what) };
    let brief = bans(&guard.observe(&scanner(What::Challenged), at(0.0))).pop().unwrap();
    assert_eq!(
        (brief.scope, brief.until.unwrap().since(brief.since)),
        (Scope::Sip, Duration::from_secs(120))
    );
    assert!(bans(&guard.observe(&scanner(What::Challenged), at(0.1))).is_empty());
    let long = bans(&guard.observe(&scanner(FAILED), at(0.2))).pop().unwrap();
    assert_eq!((long.scope, long.until.unwrap().since(at(0.2))), (Scope::All, Duration::from_secs(3600)));
    assert_eq!(long.reason.evidence, Evidence::Likely);
    assert!(bans(&guard.observe(&scanner(FAILED), at(0.3))).is_empty(), "it stands");
}

#[test]
fn an_account_that_is_tried_from_net_after_net_for_weeks_is_told() {
    let guard = guard(|_| ());
    let mut told = Vec::new();
    for n in 0..40u8 {
        let verdicts =
            guard.observe(&from(&format!("198.18.{n}.7"), FAILED), at(f64::from(n) * 8.0 * 3600.0));
        assert!(bans(&verdicts).is_empty());
        told.extend(verdicts.into_iter().map(|verdict| (n, verdict)));
    }
    let [(19, Verdict::Alert(alert))] = &told[..] else { panic!("{told:?}") };
    assert_eq!(alert.kind, AlertKind::Rule("account-attacked-slowly".into()));
}

#[test]
fn a_password_found_after_nine_slow_failures_is_told_and_earns_no_trust() {
    let guard = guard(|_| ());
    for n in 0..9 {
        assert!(guard.observe(&from("198.51.100.1", FAILED), at(f64::from(n) * 240.0)).is_empty());
    }
    let verdicts = guard.observe(&from("198.51.100.1", What::AuthSucceeded), at(9.0 * 240.0));
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.kind == AlertKind::Compromise),
        "{verdicts:?}"
    );
    assert_eq!(guard.ledger().allowed("198.51.100.1".parse().unwrap(), at(2161.0)), None);
}

#[test]
fn one_protected_address_keeps_its_64_from_being_banned() {
    let guard = guard(|policy| policy.protected = vec!["2001:db8:0:1::7/128".parse().unwrap()]);
    assert_eq!(first_ban(&guard, &from("2001:db8:0:1::bad", FAILED), (0..50).map(f64::from)), None);
    assert!(first_ban(&guard, &from("2001:db8:0:2::bad", FAILED), (0..50).map(f64::from)).is_some());
}

#[test]
fn a_full_ledger_is_told_once_a_minute() {
    let limits = Limits { bans: 1, ..Limits::default() };
    let guard = Guard::new(Policy::default(), limits, [1, 2, 3, 4], Box::new(|_| ()));
    first_ban(&guard, &from("198.51.100.1", FAILED), (0..5).map(f64::from)).unwrap();
    let mut told = 0;
    for n in 0..300 {
        told += guard.observe(&from("198.51.100.2", FAILED), at(f64::from(n) / 10.0)).len();
    }
    assert_eq!(told, 1);
    assert!(guard.counts().ledger_full.value() > 100);
}

fn wrong_login(ip: &str) -> Observation<'_> {
    let seen = Observation {
        evidence: Evidence::Proven,
        transport: Transport::Tcp,
        port: 0,
        user: b"",
        ..from(ip, What::LoginFailed)
    };
    Observation { domain: b"", agent: b"", ..seen }
}

#[test]
fn wrong_credentials_at_our_own_door_never_cost_registered_phones_the_switch() {
    let guard = guard(|_| ());
    guard.observe(&from("198.51.100.1", REGISTERED), at(0.0));
    let said: Vec<_> =
        (0..20).flat_map(|n| guard.observe(&wrong_login("198.51.100.1"), at(f64::from(n)))).collect();
    assert_eq!(said.len(), 2, "told once for ten");
    assert!(said.iter().all(|verdict| matches!(verdict, Verdict::WouldBan(_))), "{said:?}");
}

#[test]
fn ten_wrong_credentials_at_our_own_door_are_a_ban() {
    let guard = guard(|_| ());
    let (n, ban) = first_ban(&guard, &wrong_login("198.51.100.1"), (0..20).map(f64::from)).unwrap();
    assert_eq!((n, ban.reason.rule.as_str(), ban.scope), (10, "failed-logins", Scope::All));
    assert_eq!((ban.target.to_string().as_str(), ban.reason.evidence), ("198.51.100.1", Evidence::Proven));
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(3600));
    assert_eq!(ban.reason.text, "10 failed log-ins within 9 s");
    assert_eq!((guard.counts().failed_logins.value(), guard.counts().failed.value()), (10, 0));
}

#[test]
fn wrong_credentials_are_no_failed_registrations_and_spare_who_is_trusted() {
    let guard = guard(|_| ());
    for n in 0..4 {
        assert!(guard.observe(&from("198.51.100.1", FAILED), at(f64::from(n))).is_empty());
    }
    assert!(guard.observe(&wrong_login("198.51.100.1"), at(5.0)).is_empty());
    for n in 0..50 {
        assert!(guard.observe(&wrong_login("192.168.1.1"), at(f64::from(n))).is_empty());
    }
    let slow = (0..40).map(|n| f64::from(n) * 70.0);
    assert_eq!(first_ban(&guard, &wrong_login("198.51.100.2"), slow), None, "nine within ten minutes");
}

#[test]
fn who_is_banned_from_sip_is_counted_at_our_own_door_and_widens_his_ban() {
    let guard = guard(|_| ());
    let abandoned = from("198.51.100.1", What::CallAbandoned);
    let (_, first) = first_ban(&guard, &abandoned, (0..5).map(f64::from)).unwrap();
    assert_eq!(first.scope, Scope::Sip);
    // Longer after the ban than its packets could still be on their way: the interface is open to them.
    let times = (0..10).map(|n| 30.0 + f64::from(n));
    for time in times.clone().take(9) {
        assert!(guard.observe(&wrong_login("198.51.100.1"), at(time)).is_empty(), "no alert and no ban");
    }
    let (_, ban) = first_ban(&guard, &wrong_login("198.51.100.1"), times.skip(9)).unwrap();
    assert_eq!((ban.scope, ban.reason.rule.as_str()), (Scope::All, "failed-logins"));
}

#[test]
fn a_list_of_many_sources_has_each_of_them_once() {
    let guard = guard(|policy| without(policy, &CROWDS));
    for number in 0..20_000u32 {
        let ip = std::net::Ipv4Addr::from(0xc612_0000 + number).to_string();
        guard.observe(&from(&ip, FAILED), at(1.0));
    }
    let listed = guard.failed(at(2.0));
    assert_eq!(listed.len(), 20_000);
    assert!(listed.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, none twice");
}

#[test]
fn challenges_that_nobody_answers_are_a_scan_and_answered_ones_are_not() {
    let scan = guard(|_| ());
    let (n, ban) =
        first_ban(&scan, &from("198.51.100.1", What::Challenged), (0..200).map(|n| n as f64 / 2.0)).unwrap();
    assert_eq!((ban.reason.rule.as_str(), ban.scope), ("unanswered-challenges", Scope::Sip));
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(120), "anybody can forge it");
    // Thirty that are four seconds old; those that came since wait.
    assert_eq!(n, 30 + 8);
    // An office of 200 phones comes back at a new address: all are challenged at once, and answer within three seconds.
    let office = guard(|_| ());
    for n in 0..200 {
        assert!(office.observe(&from("198.51.100.2", What::Challenged), at(f64::from(n) / 1e3)).is_empty());
    }
    for n in 0..200u16 {
        let (port, user) = (10_000 + n, format!("1{n:03}"));
        for what in [What::AuthSucceeded, REGISTERED] {
            let seen = Observation { port, user: user.as_bytes(), ..from("198.51.100.2", what) };
            assert!(bans(&office.observe(&seen, at(2.0 + f64::from(n) / 200.0))).is_empty());
        }
    }
    // A PBX that is no registered phone challenges and answers all day.
    let trunk = guard(|policy| policy.allow_on_success = false);
    for n in 0..2000 {
        for what in [What::Challenged, What::AuthSucceeded] {
            assert!(bans(&trunk.observe(&from("198.51.100.3", what), at(f64::from(n) / 4.0))).is_empty());
        }
    }
}

#[test]
fn five_accounts_tried_in_a_day_are_a_list_and_one_is_a_mistake() {
    let guard = guard(|_| ());
    let mut banned = Vec::new();
    for n in 0..9 {
        let user = format!("1{n:03}");
        let seen = Observation { user: user.as_bytes(), ..from("198.51.100.1", FAILED) };
        banned.extend(bans(&guard.observe(&seen, at(f64::from(n) * 3600.0))));
    }
    assert_eq!((banned[0].reason.rule.as_str(), banned[0].reason.count), ("enumeration", 5));
    let one = from("198.51.100.2", FAILED);
    assert_eq!(first_ban(&guard, &one, (0..14).map(|n| f64::from(n) * 3600.0)), None);
}

#[test]
fn an_account_that_is_tried_from_everywhere_is_told_and_the_next_stranger_is_banned() {
    let guard = guard(|_| ());
    let mut alerts = 0;
    for n in 0..40u8 {
        let ip = format!("198.18.{n}.7");
        let verdicts = guard.observe(&from(&ip, FAILED), at(f64::from(n) * 600.0));
        assert_eq!(bans(&verdicts).len(), usize::from(n >= 9), "{n}");
        alerts += verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Alert(_))).count();
    }
    assert_eq!(alerts, 2, "the burst once, and once that it goes on and on");
    // The user's own phone, registered, may be wrong once.
    guard.observe(&from("192.0.2.1", REGISTERED), at(24_000.0));
    assert!(bans(&guard.observe(&from("192.0.2.1", FAILED), at(24_001.0))).is_empty());
    // Who gets in from a new place meanwhile is looked at.
    let verdicts = guard.observe(&from("203.0.113.77", What::AuthSucceeded), at(24_002.0));
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.kind == AlertKind::Compromise),
        "{verdicts:?}"
    );
    assert!(guard.observe(&from("203.0.113.77", REGISTERED), at(24_002.0)).is_empty(), "told once");
}

#[test]
fn neighbours_that_attack_one_by_one_lose_their_net_unless_somebody_lives_there() {
    for resident in [false, true] {
        let guard = guard(|policy| policy.failed.ban = Duration::from_secs(7200));
        if resident {
            guard.observe(&Observation { user: b"resident", ..from("198.51.100.200", REGISTERED) }, at(0.0));
        }
        let mut targets = Vec::new();
        for host in 1..=5 {
            let user = format!("u{host}");
            let seen = from("198.51.100.1", FAILED);
            let ip = Some(IpAddr::from([198, 51, 100, host]));
            for n in 0..5 {
                let seen = Observation { ip, user: user.as_bytes(), ..seen };
                let time = at(f64::from(host) * 100.0 + f64::from(n));
                targets.extend(bans(&guard.observe(&seen, time)).iter().map(|ban| ban.target.to_string()));
            }
        }
        let net = targets.iter().any(|target| target == "198.51.100.0/24");
        assert_eq!((net, targets.len()), (!resident, if resident { 5 } else { 6 }), "{targets:?}");
    }
}

#[test]
fn an_attacker_who_hops_through_ipv6_loses_his_56_and_then_his_48() {
    let guard = guard(|_| ());
    let mut targets = Vec::new();
    for n in 0..40u32 {
        // Five /64 in each /56.
        let ip = format!("2001:db8:1:{:x}::9", ((n / 5) << 8) | (n % 5));
        let user = format!("u{n}");
        for k in 0..5 {
            let seen = Observation { user: user.as_bytes(), ..from(&ip, FAILED) };
            let time = at(f64::from(n) * 10.0 + f64::from(k));
            targets.extend(bans(&guard.observe(&seen, time)).iter().map(|ban| ban.target.to_string()));
        }
    }
    assert!(targets.iter().any(|target| target == "2001:db8:1::/56"), "{targets:?}");
    assert_eq!(
        targets.last().map(String::as_str),
        Some("2001:db8:1::/48"),
        "and then nothing comes any more"
    );
}

#[test]
fn a_password_found_after_nine_failures_is_told_and_earns_no_trust() {
    let guard = guard(|policy| policy.failed.threshold = 20);
    for n in 0..9 {
        assert!(guard.observe(&from("198.51.100.1", FAILED), at(f64::from(n))).is_empty());
    }
    let verdicts = guard.observe(&from("198.51.100.1", What::AuthSucceeded), at(10.0));
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.kind == AlertKind::Compromise),
        "{verdicts:?}"
    );
    assert_eq!(guard.ledger().allowed("198.51.100.1".parse().unwrap(), at(11.0)), None);
    assert_eq!(guard.failed(at(11.0))[0].1.count, 9, "nothing is forgotten");
    // Somebody who mistypes thrice is nobody's news.
    for n in 0..3 {
        guard.observe(&from("198.51.100.2", FAILED), at(f64::from(n)));
    }
    let verdicts = guard.observe(&from("198.51.100.2", What::AuthSucceeded), at(10.0));
    assert!(matches!(&verdicts[..], [Verdict::Allow(_)]), "{verdicts:?}");
}

#[test]
fn a_rule_of_the_operators_own_counts_what_he_says_and_its_name_keeps_its_counters() {
    let own = crate::RuleChange {
        name: "two-at-once".into(),
        counts: Some(crate::Signal::AuthFailed.into()),
        threshold: Some(2),
        window: Some(Duration::from_secs(1)),
        ban: Some(Duration::from_secs(60)),
        ..Default::default()
    };
    let guard = guard(|policy| policy.changes.push(own.clone()));
    let (n, ban) = first_ban(&guard, &from("198.51.100.1", FAILED), [0.0, 2.0, 4.0, 4.5]).unwrap();
    assert_eq!((n, ban.reason.rule.as_str()), (4, "two-at-once"));
    let slot = guard.rule_names().iter().position(|name| &**name == "two-at-once").unwrap();
    guard.set_policy(Policy::default());
    guard.set_policy(Policy { changes: vec![own], ..Policy::default() });
    assert_eq!(guard.counts().fired(slot), 1);
    assert_eq!(&*guard.rule_names()[slot], "two-at-once");
}

#[test]
fn a_scanners_name_costs_two_minutes_when_anybody_can_write_it_and_an_hour_when_he_answered() {
    let guard = guard(|_| ());
    let scanner = |ip, what| Observation { agent: b"friendly-scanner", ..from(ip, what) };
    let ban = bans(&guard.observe(&scanner("198.51.100.1", What::Challenged), at(0.0))).pop().unwrap();
    assert_eq!((ban.reason.rule.as_str(), ban.scope), ("scanner", Scope::Sip));
    assert_eq!(ban.until.unwrap().since(ban.since), Duration::from_secs(120));
    let ban = bans(&guard.observe(&scanner("198.51.100.2", FAILED), at(0.0))).pop().unwrap();
    assert_eq!((ban.scope, ban.until.unwrap().since(ban.since)), (Scope::All, Duration::from_secs(3600)));
    // Nobody bans a phone by writing such a name in its address.
    guard.observe(&from("192.0.2.1", REGISTERED), at(0.0));
    for n in 0..100 {
        assert!(bans(&guard.observe(&scanner("192.0.2.1", What::Challenged), at(f64::from(n)))).is_empty());
    }
    // No user agent is no scanner.
    let silent = Observation { agent: b"", ..from("198.51.100.3", FAILED) };
    assert!(guard.observe(&silent, at(0.0)).is_empty());
}

#[test]
fn an_account_from_a_country_that_it_may_not_come_from_is_banned_even_with_its_password() {
    let guard = guard(|policy| policy.countries = vec!["account *@pbx.example: DE".parse().unwrap()]);
    let german = |ip| matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 192);
    guard.set_places(Some(Arc::new(move |ip| Place {
        country: Some(if german(ip) { *b"DE" } else { *b"US" }),
        system: None,
    })));
    assert!(bans(&guard.observe(&from("192.0.2.1", What::AuthSucceeded), at(0.0))).is_empty());
    let ban = bans(&guard.observe(&from("198.51.100.1", What::AuthSucceeded), at(0.0))).pop().unwrap();
    assert_eq!((ban.reason.rule.as_str(), ban.reason.evidence), ("denied-country", Evidence::Proven));
    let other = Observation { domain: b"other.example", ..from("198.51.100.2", What::AuthSucceeded) };
    assert!(bans(&guard.observe(&other, at(0.0))).is_empty());
    guard.set_places(None);
    assert!(bans(&guard.observe(&from("198.51.100.3", What::AuthSucceeded), at(0.0))).is_empty());
}

#[test]
fn a_system_with_many_failing_sources_is_told_and_not_banned() {
    let guard = guard(|policy| without(policy, &CROWDS));
    guard.set_places(Some(Arc::new(|_| Place { country: None, system: Some(64_496) })));
    let mut told = Vec::new();
    for n in 0..60u8 {
        let user = format!("u{n}");
        let seen = Observation { user: user.as_bytes(), ..from("198.51.100.1", FAILED) };
        let seen = Observation { ip: Some(IpAddr::from([198, 18, n, 1])), ..seen };
        let verdicts = guard.observe(&seen, at(f64::from(n)));
        assert!(bans(&verdicts).is_empty());
        told.extend(verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Alert(alert) => Some(alert.text.clone()),
            _ => None,
        }));
    }
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("AS64496: 30 sources with failed authentications"), "{told:?}");
    assert!(told[1].starts_with("switch freeswitch: 50 sources with failed authentications"), "{told:?}");
}

#[test]
fn each_thing_is_recorded_once_whatever_rules_there_are() {
    for rates in [true, false] {
        let guard = guard(|policy| policy.rates = rates);
        for what in [REGISTERED, CALL, What::Challenged, FAILED, What::Unregistered] {
            guard.observe(&from("192.0.2.1", what), at(0.0));
        }
        // The challenge of a registered phone is nothing to remember.
        assert_eq!(
            guard.timeline_of_source(Source::of("192.0.2.1".parse().unwrap()), 10).len(),
            4,
            "{rates}"
        );
    }
}
