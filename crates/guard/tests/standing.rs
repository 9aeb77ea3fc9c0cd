//! Standing, recidivism and budgets as the engine applies them, over days of virtual time.

use guard::reputation::Tier;
use guard::{
    AlertKind, Evidence, Guard, Limits, Method, Observation, Policy, Scope, Source, Target, Time, Transport,
    Verdict, Verdicts, What,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Time {
    Time::from_secs(20_000 * 86_400 + 8 * 3600)
}

fn office() -> IpAddr {
    Ipv4Addr::new(192, 0, 2, 7).into()
}

fn other(n: u32) -> IpAddr {
    // A /24 each, so that no neighbour is judged for another.
    Ipv4Addr::from(0xc612_0001 + n * 256).into()
}

fn guard_with(policy: Policy) -> Guard {
    let limits = Limits { windows: 20_000, registrations: 10_000, bans: 10_000, ..Limits::default() };
    Guard::new(policy, limits, [1, 2, 3, 4], Box::new(|_| {}))
}

fn guard() -> Guard {
    guard_with(Policy::default())
}

fn seen<'a>(what: What<'a>, evidence: Evidence, ip: IpAddr, port: u16, user: &'a str) -> Observation<'a> {
    let (user, domain) = (user.as_bytes(), &b"pbx.example"[..]);
    let transport = if evidence == Evidence::Proven { Transport::Tcp } else { Transport::Udp };
    Observation {
        ip: Some(ip),
        port,
        evidence,
        transport,
        user,
        domain,
        agent: b"Phone 1.0",
        ..Observation::of(0, what)
    }
}

fn registers(guard: &Guard, ip: IpAddr, port: u16, user: &str, now: Time) {
    let expires = 3600;
    guard.observe(&seen(What::Registered { expires }, Evidence::Proven, ip, port, user), now);
}

fn fails(guard: &Guard, evidence: Evidence, ip: IpAddr, port: u16, user: &str, now: Time) -> Verdicts {
    guard.observe(&seen(What::AuthFailed(Method::Register), evidence, ip, port, user), now)
}

/// Fails until something comes of it, once a second.
fn until_judged(
    guard: &Guard,
    evidence: Evidence,
    (ip, port): (IpAddr, u16),
    most: usize,
    now: Time,
) -> Option<Verdict> {
    (0..most).find_map(|n| {
        let now = now + Duration::from_secs(n as u64);
        let failed = seen(What::AuthFailed(Method::Register), evidence, ip, port, "1000");
        let verdicts = guard.observe(&Observation { agent: b"Guesser 1.0", ..failed }, now);
        verdicts.into_iter().find(|verdict| matches!(verdict, Verdict::Ban(_) | Verdict::WouldBan(_)))
    })
}

fn ban(verdict: Option<Verdict>) -> std::sync::Arc<guard::Ban> {
    match verdict {
        Some(Verdict::Ban(ban)) => ban,
        other => panic!("no ban: {other:?}"),
    }
}

fn length(ban: &guard::Ban) -> Duration {
    ban.until.map_or(Duration::MAX, |until| until.since(ban.since))
}

/// Six days of an office of three phones; the last success was this long before the end.
fn six_good_days(guard: &Guard) -> Time {
    for day in 0..6 {
        for hour in 0..10 {
            let now = start() + DAY * day + HOUR * hour;
            for n in 0..3u16 {
                registers(guard, office(), 5060 + n, &format!("100{n}"), now);
            }
            let call = seen(What::CallAnswered { call: b"c" }, Evidence::Likely, office(), 5060, "1000");
            guard.observe(&call, now);
            guard.tick(now);
        }
    }
    start() + DAY * 5 + HOUR * 9
}

#[test]
fn a_failing_phone_of_a_trusted_source_costs_its_port_for_a_quarter_of_the_time() {
    let guard = guard();
    let now = six_good_days(&guard) + MINUTE;
    let ban = ban(until_judged(&guard, Evidence::Likely, (office(), 40_000), 10, now));
    assert_eq!((ban.target, ban.scope), (Target::port(office(), 40_000), Scope::Sip));
    assert_eq!(length(&ban), HOUR / 4);
    assert_eq!(ban.reason.standing, "trusted: 3 phones registered, good on 6 of 14 days, 60 answered calls");
    assert!(guard.ledger().banned(office(), 5060, now + MINUTE).is_none(), "the others go on");
}

#[test]
fn trust_outlives_the_registrations_for_a_while() {
    let guard = guard();
    let ended = six_good_days(&guard);
    // Two days later nothing is registered and the allow entry has run out.
    let now = ended + DAY * 2;
    guard.tick(now);
    let known = guard.explain(office(), now);
    assert_eq!((known.phones, known.allowed), (0, None));
    assert_eq!(known.repute.tier, Tier::Trusted);
    let ban = ban(until_judged(&guard, Evidence::Likely, (office(), 5060), 10, now));
    assert_eq!(ban.target, Target::port(office(), 5060), "as of one with standing");
    // What is forged in its name does nothing at all.
    for n in 0..200 {
        let forged = seen(What::CallAbandoned, Evidence::Forgeable, office(), 30_000 + n, "1000");
        let verdicts = guard.observe(&forged, now + HOUR + Duration::from_millis(u64::from(n)));
        assert!(verdicts.is_empty(), "{verdicts:?}");
    }
    // Two weeks later it is a stranger like any other.
    let now = ended + DAY * 14;
    assert_eq!(guard.explain(office(), now).repute.tier, Tier::Stranger);
    let verdict = until_judged(&guard, Evidence::Likely, (office(), 5061), 10, now);
    assert_eq!(self::ban(verdict).target, Target::host(office()));
}

#[test]
fn a_trusted_source_that_proves_an_attack_is_banned_and_trusted_no_more() {
    let guard = guard();
    let now = six_good_days(&guard) + MINUTE;
    let mut banned = None;
    for n in 0..300u16 {
        let now = now + Duration::from_millis(500 * u64::from(n));
        let verdicts = fails(&guard, Evidence::Proven, office(), 20_000 + n, &format!("victim{n}"), now);
        banned = verdicts.into_iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) if ban.target == Target::host(office()) => Some(ban),
            _ => None,
        });
        if banned.is_some() {
            break;
        }
    }
    let ban = banned.expect("three hundred accounts over TCP");
    assert_eq!(ban.reason.evidence, Evidence::Proven);
    assert!(ban.reason.standing.starts_with("trusted: "), "{}", ban.reason.standing);
    // While it is banned nothing that it does is good.
    let calls = guard.explain(office(), now).repute.answered;
    let call = seen(What::CallAnswered { call: b"c" }, Evidence::Likely, office(), 5060, "1000");
    guard.observe(&call, ban.since + MINUTE);
    assert_eq!(guard.explain(office(), now).repute.answered, calls);
    for day in 1..8 {
        guard.tick(now + DAY * day);
        let registered = What::Registered { expires: 3600 };
        let verdicts =
            guard.observe(&seen(registered, Evidence::Proven, office(), 5060, "1000"), now + DAY * day);
        let is_told = |verdict: &Verdict| matches!(verdict, Verdict::Alert(alert) if alert.kind == AlertKind::Compromise);
        assert!(verdicts.iter().any(is_told), "{verdicts:?}: a password may have been found");
    }
    let known = guard.explain(office(), now + DAY * 7 + MINUTE * 2);
    assert_eq!((known.repute.tier, known.repute.bad_days), (Tier::Known, 1));
    assert_eq!(known.repute.good_days, 6, "what looks like a found password earns nothing");
}

#[test]
fn a_few_wrong_phones_do_not_make_a_trusted_office_suspicious_after_a_quiet_weekend() {
    let guard = guard();
    let now = six_good_days(&guard) + MINUTE;
    for n in 0..16u64 {
        fails(&guard, Evidence::Likely, office(), 40_000 + n as u16, "1002", now + MINUTE * 30 * n as u32);
    }
    let now = now + DAY * 3;
    guard.tick(now);
    assert_eq!(guard.explain(office(), now).phones, 0);
    let registered = seen(What::Registered { expires: 3600 }, Evidence::Proven, office(), 5060, "1000");
    let verdicts = guard.observe(&registered, now);
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Allow(_))), "{verdicts:?}");
    assert_eq!(guard.explain(office(), now).repute.good_days, 7);
}

#[test]
fn each_ban_is_twice_as_long_as_the_one_before_until_a_week() {
    grows(Evidence::Proven, [1, 2, 4, 8, 16, 32, 64, 128, 168, 168]);
}

#[test]
fn a_ban_that_may_be_somebody_elses_doing_grows_to_a_day() {
    grows(Evidence::Likely, [1, 2, 4, 8, 16, 24, 24, 24, 24, 24]);
}

fn grows(evidence: Evidence, hours: [u64; 10]) {
    let guard = guard();
    let (mut now, mut lengths) = (start(), Vec::new());
    for _ in 0..10 {
        let ban = ban(until_judged(&guard, evidence, (other(1), 5060), 10, now));
        assert_eq!(ban.reason.priors as usize, lengths.len());
        assert_eq!(ban.target, Target::host(other(1)));
        lengths.push(length(&ban).as_secs() / 3600);
        now = ban.since + length(&ban) + MINUTE;
        guard.tick(now);
    }
    assert_eq!(lengths, hours);
    // One is forgotten each week.
    let counts = [0u32, 1, 2, 4].map(|weeks| guard.explain(other(1), now + DAY * 7 * weeks).priors);
    assert_eq!(counts, [10, 9, 8, 0], "and all after four");
}

#[test]
fn bans_on_forgeable_evidence_never_grow_nor_make_others_grow() {
    let guard = guard();
    let mut now = start();
    for round in 0..6 {
        let abandoned = (0..10).find_map(|n| {
            let now = now + Duration::from_secs(n);
            let seen = seen(What::CallAbandoned, Evidence::Forgeable, other(1), 5060, "1000");
            guard.observe(&seen, now).into_iter().find(|verdict| matches!(verdict, Verdict::Ban(_)))
        });
        let ban = ban(abandoned);
        assert_eq!((length(&ban), ban.reason.priors), (MINUTE * 2, 0), "{round}");
        now = now + HOUR;
        guard.tick(now);
    }
    let ban = ban(until_judged(&guard, Evidence::Likely, (other(1), 5060), 10, now));
    assert_eq!((length(&ban), ban.reason.priors), (HOUR, 0));
}

#[test]
fn a_ban_that_an_operator_lifts_was_never_made() {
    let guard = guard();
    let mut now = start();
    for _ in 0..4 {
        let ban = ban(until_judged(&guard, Evidence::Proven, (other(1), 5060), 10, now));
        assert_eq!(length(&ban), HOUR);
        now = now + MINUTE;
        assert_eq!(guard.order_lift(ban.target, "alice", now).len(), 1);
        assert_eq!(guard.explain(other(1), now).priors, 0);
    }
    // By an allow entry likewise.
    let ban = ban(until_judged(&guard, Evidence::Proven, (other(2), 5060), 10, now));
    let (_, lifted) = guard.order_allow(ban.target, Some(HOUR), "", "", "alice", now + MINUTE).unwrap();
    assert_eq!((lifted.len(), guard.explain(other(2), now + MINUTE).priors), (1, 0));
    // What runs out by itself stays on the record.
    let ban = self::ban(until_judged(&guard, Evidence::Proven, (other(3), 5060), 10, now));
    guard.tick(now + DAY);
    assert_eq!(guard.explain(other(3), now + DAY).priors, 1);
    assert_eq!(length(&ban), HOUR);
}

#[test]
fn ten_sources_with_standing_a_minute_and_the_rest_is_an_alarm() {
    let guard = guard();
    for n in 0..30 {
        registers(&guard, other(n), 5060, "1000", start());
    }
    let (mut bans, mut would, mut alerts) = (0, 0, Vec::new());
    let now = start() + MINUTE;
    for n in 0..30 {
        for strike in 0..6u64 {
            let now = now + Duration::from_millis(u64::from(n) * 100 + strike);
            for verdict in fails(&guard, Evidence::Likely, other(n), 40_000, "1000", now) {
                match verdict {
                    Verdict::Ban(_) => bans += 1,
                    Verdict::WouldBan(_) => would += 1,
                    Verdict::Alert(alert) if alert.kind == AlertKind::Budget => alerts.push(alert.text),
                    _ => {}
                }
            }
        }
    }
    assert_eq!((bans, would, alerts.len()), (10, 20, 1), "{alerts:?}");
    assert!(alerts[0].contains("guard.max_standing_bans_per_minute"), "{}", alerts[0]);
    // Strangers have a budget of their own, and an operator none.
    assert_eq!(
        ban(until_judged(&guard, Evidence::Likely, (other(99), 5060), 10, now)).target,
        Target::host(other(99))
    );
    for n in 0..30 {
        guard.order_ban(Target::port(other(n), 40_001), None, Scope::Sip, "", "alice", now).unwrap();
    }
    // A minute later there is room again.
    let now = now + MINUTE * 2;
    let ban = ban(until_judged(&guard, Evidence::Likely, (other(29), 40_000), 10, now));
    assert_eq!(ban.target, Target::port(other(29), 40_000));
}

#[test]
fn a_runaway_rule_stops_at_the_budget_of_all() {
    let mut policy = Policy::default();
    policy.budget.all = 100;
    let guard = guard_with(policy);
    let mut made = 0;
    for n in 0..300u32 {
        let now = start() + Duration::from_millis(u64::from(n) * 20);
        match until_judged(&guard, Evidence::Likely, (other(n), 5060), 5, now) {
            Some(Verdict::Ban(_)) => made += 1,
            Some(Verdict::WouldBan(ban)) => assert!(n >= 100 && ban.reason.count >= 5),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 100);
    assert_eq!(guard.past().state(start()).bans_lately, 100);
}

#[test]
fn a_restart_keeps_standing_and_priors() {
    let guard = guard();
    let now = six_good_days(&guard) + MINUTE;
    let first = ban(until_judged(&guard, Evidence::Likely, (other(1), 5060), 10, now));
    let rows = guard.past().take_changed();

    let again = Guard::new(Policy::default(), Limits::default(), [5, 6, 7, 8], Box::new(|_| {}));
    again.past().restore(guard.past().key(), &rows, Policy::default().growth, now);
    let later = first.until.unwrap() + HOUR;
    assert_eq!(again.explain(office(), later).repute.tier, Tier::Trusted);
    let second = ban(until_judged(&again, Evidence::Likely, (other(1), 5060), 10, later));
    assert_eq!((length(&second), second.reason.priors), (HOUR * 2, 1));
    let account = again.past().reputation().of_account(b"1000", b"pbx.example", now).unwrap();
    assert_eq!((account.good_days, account.answered), (6, 60));
}

#[test]
fn nothing_that_can_be_forged_earns_standing() {
    let guard = guard();
    for day in 0..10 {
        let now = start() + DAY * day;
        let call = What::CallStarted { call: b"c", destination: b"9", authenticated: true, admitted: false };
        guard.observe(&seen(call, Evidence::Forgeable, other(1), 5060, "1000"), now);
        guard
            .observe(&seen(What::CallAnswered { call: b"c" }, Evidence::Proven, other(2), 5060, "1000"), now);
        guard.observe(&seen(What::Challenged, Evidence::Proven, other(3), 5060, "1000"), now);
    }
    let now = start() + DAY * 9;
    for n in 1..4 {
        assert_eq!(guard.explain(other(n), now).repute.good_days, 0, "{n}");
        assert_eq!(guard.past().repute(Source::of(other(n)), 0, false, now).answered, 0, "{n}");
    }
}

#[test]
fn a_net_in_which_a_trusted_phone_lives_is_not_banned_while_that_phone_is_away() {
    for trusted in [false, true] {
        let guard = guard();
        for day in 0..6 {
            if trusted {
                registers(&guard, office(), 5060, "1000", start() + DAY * day);
            }
        }
        // Two days later nothing of it is registered or on the allow-list, and its neighbours attack one after another.
        let now = start() + DAY * 8;
        guard.tick(now);
        let mut nets = 0;
        for host in 20..25 {
            let neighbour = IpAddr::from([192, 0, 2, host]);
            for n in 0..5 {
                let user = format!("u{host}");
                let verdicts = fails(&guard, Evidence::Likely, neighbour, 4000, &user, now + MINUTE * n);
                nets += verdicts
                    .iter()
                    .filter(|verdict| matches!(verdict, Verdict::Ban(ban) if matches!(ban.target, Target::Net(_))))
                    .count();
            }
        }
        assert_eq!(nets, usize::from(!trusted));
    }
}

#[test]
fn a_phone_of_the_house_with_an_old_password_loses_its_port_wherever_it_comes() {
    let guard = guard();
    (0..3).for_each(|day| registers(&guard, office(), 5060, "1000", start() + DAY * day));
    let now = start() + DAY * 4;
    guard.tick(now);
    let wrong = |(ip, port): (IpAddr, u16), user: &'static str, agent: &'static [u8]| {
        (0..5u32).find_map(|n| {
            let user = if user == "two" { ["1000", "1001"][n as usize % 2] } else { user };
            let failed = seen(What::AuthFailed(Method::Register), Evidence::Likely, ip, port, user);
            let verdicts =
                guard.observe(&Observation { agent, ..failed }, now + Duration::from_secs(n.into()));
            verdicts.into_iter().find(|verdict| matches!(verdict, Verdict::Ban(_)))
        })
    };
    // At a carrier's address, where others come and go.
    let hit = ban(wrong((other(1), 40_000), "1000", b"Phone 1.0"));
    assert_eq!((hit.target, hit.scope), (Target::port(other(1), 40_000), Scope::Sip));
    // Who goes on from another port is no lost phone.
    let hit = ban(wrong((other(1), 40_001), "1000", b"Phone 1.0"));
    assert_eq!(hit.target, Target::host(other(1)));
    // Another user agent, another account beside it, an account without a past: a stranger as ever.
    for (n, user, agent) in
        [(10, "1000", &b"Phone 2.0"[..]), (11, "two", b"Phone 1.0"), (12, "1009", b"Phone 1.0")]
    {
        assert_eq!(ban(wrong((other(n), 40_000), user, agent)).target, Target::host(other(n)), "{user}");
    }
}

#[test]
fn who_fails_at_one_address_day_by_day_is_no_phone_on_the_road() {
    let guard = guard();
    (0..3).for_each(|day| registers(&guard, office(), 5060, "1000", start() + DAY * day));
    let hit = (0..40u32).find_map(|n| {
        let now = start() + DAY * 4 + HOUR * n;
        guard.tick(now);
        let failed = seen(What::AuthFailed(Method::Register), Evidence::Likely, other(1), 40_000, "1000");
        guard.observe(&failed, now).into_iter().find_map(|verdict| match verdict {
            Verdict::Ban(ban) => Some((n + 1, ban)),
            _ => None,
        })
    });
    let (tries, ban) = hit.unwrap();
    assert_eq!((tries, &*ban.reason.rule, ban.target), (15, "slow-failures", Target::host(other(1))));
}
