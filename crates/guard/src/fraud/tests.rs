//! Calls under a virtual clock, through the guard's own entrance: what is told, what is ended, and what hurts nobody.

use super::*;
use crate::policy::Policy;
use crate::verdict::{AlertKind, Verdict};
use crate::{Guard, Limits};
use std::time::Duration;
use toll::{Dialling, Plan, Table};

mod ending;
mod forged;
mod kept;
mod legs;
mod stock;
mod tenants;

const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;

/// A Wednesday at noon, and so many seconds.
fn at(secs: f64) -> Time {
    Time::from_micros((1_794_398_400_000_000_i64 + (secs * 1e6) as i64) as u64)
}

/// A guard of a house in Germany, with a table that makes Somalia dear.
fn guard(change: impl FnOnce(&mut FraudPolicy)) -> Guard {
    let guard = Guard::new(Policy::default(), Limits::default(), [1, 2, 3, 4], Box::new(|_| ()));
    let mut policy = FraudPolicy { home: Country::new("DE"), ..FraudPolicy::default() };
    change(&mut policy);
    guard.fraud().set_policy(policy);
    let table = Table::parse("252,Somalia,,6\n44,Britain,,0.6\n4930,Berlin,,0.6\n").unwrap();
    let plan = Plan::new(Dialling { home: Country::new("DE"), ..Dialling::default() }, table).unwrap();
    guard.fraud().set_destinations(Box::new(move |number, _| plan.classify(number)));
    guard
}

fn observe(guard: &Guard, user: &str, domain: &str, what: What<'_>, now: f64) -> Vec<Verdict> {
    let seen = Observation {
        ip: Some("203.0.113.7".parse().unwrap()),
        port: 5060,
        evidence: Evidence::Likely,
        user: user.as_bytes(),
        domain: b"whatever.example",
        account_domain: domain.as_bytes(),
        ..Observation::of(0, what)
    };
    guard.observe(&seen, at(now)).into_iter().filter(|v| !matches!(v, Verdict::Allow(_))).collect()
}

fn start(guard: &Guard, user: &str, call: &str, number: &str, now: f64) -> Vec<Verdict> {
    let (call, destination) = (call.as_bytes(), number.as_bytes());
    observe(
        guard,
        user,
        "pbx.example",
        What::CallStarted { call, destination, authenticated: true, admitted: false },
        now,
    )
}

fn answer(guard: &Guard, call: &str, now: f64) {
    assert_eq!(observe(guard, "1000", "", What::CallAnswered { call: call.as_bytes() }, now), []);
}

fn end(guard: &Guard, call: &str, billed: u32, now: f64) {
    assert_eq!(
        observe(
            guard,
            "1000",
            "",
            What::CallEnded { call: call.as_bytes(), cause: b"NORMAL_CLEARING", billed, refused: false },
            now
        ),
        []
    );
}

/// A whole call of so many seconds.
fn call(guard: &Guard, user: &str, number: &str, seconds: u32, now: f64) -> Vec<Verdict> {
    let name = format!("{user}-{now}");
    let verdicts = start(guard, user, &name, number, now);
    answer(guard, &name, now + 1.0);
    end(guard, &name, seconds, now + 1.0 + f64::from(seconds));
    verdicts
}

fn tick(guard: &Guard, now: f64) -> Vec<Verdict> {
    guard.tick_calls(at(now)).into_iter().map(|(_, verdict)| verdict).collect()
}

/// The rules that the alerts among verdicts name.
fn told(verdicts: &[Verdict]) -> Vec<FraudRule> {
    let alerts = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Alert(alert) => Some(match &alert.kind {
            AlertKind::Fraud(fraud) => fraud.rules.clone(),
            AlertKind::TenantFraud(_) => vec![FraudRule::TenantCost],
            other => panic!("{other:?}"),
        }),
        _ => None,
    });
    alerts.flatten().collect()
}

fn hang_ups(verdicts: &[Verdict]) -> Vec<String> {
    let ended = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::HangUp { call, .. } => Some(call.clone()),
        _ => None,
    });
    ended.collect()
}

fn hang_up(policy: &mut FraudPolicy, rule: FraudRule) {
    policy.actions[rule as usize] = Actions { alert: true, hang_up: true, ..Actions::NONE };
}

fn only(guard: &Guard) -> AccountUse {
    let mut all = guard.fraud().accounts(10, at(400.0 * DAY));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn premium_and_satellite_numbers_are_told_and_the_call_goes_on() {
    let guard = guard(|_| ());
    let verdicts = start(&guard, "1003", "a", "00882161234567", 0.0);
    assert_eq!(told(&verdicts), [FraudRule::Premium]);
    assert_eq!(verdicts.len(), 1);
    let Verdict::Alert(alert) = &verdicts[0] else { panic!("{verdicts:?}") };
    for part in [
        "1003@pbx.example",
        "+882161234567",
        "satellite",
        "6.00 a minute",
        "goes on",
        "password",
        "203.0.113.7",
    ] {
        assert!(alert.text.contains(part), "{part}: {}", alert.text);
    }
    assert_eq!(told(&start(&guard, "1004", "b", "09001234567", 1.0)), [FraudRule::Premium]);
    // The same account again within ten minutes: told five times, then counted and told with the next.
    for n in 0..6 {
        let verdicts = start(&guard, "1003", &format!("c{n}"), "00882161234567", 60.0 + f64::from(n));
        assert_eq!(verdicts.len(), usize::from(n < 4));
    }
    let again = start(&guard, "1003", "d", "0097912345678", 700.0);
    assert!(
        matches!(&again[..], [Verdict::Alert(alert)] if alert.text.contains("2 more since")),
        "{again:?}"
    );
    assert_eq!(guard.fraud().counts().fired[FraudRule::Premium as usize].value(), 9);
}

#[test]
fn extensions_and_strangers_never_count() {
    let guard = guard(|policy| policy.sequential = 1);
    for n in 0..500 {
        assert_eq!(call(&guard, "1003", "1001", 3600, f64::from(n)), []);
    }
    let stranger = What::CallStarted {
        call: b"x",
        destination: b"00882161234567",
        authenticated: false,
        admitted: false,
    };
    assert!(told(&observe(&guard, "1003", "", stranger, 1.0)).is_empty());
    assert!(guard.fraud().accounts(10, at(600.0)).is_empty());
    assert_eq!(guard.fraud().state().calls, 0);
}

#[test]
fn a_country_is_new_to_an_account_that_is_known_for_a_while_and_only_once() {
    let guard = guard(|_| ());
    // The first day teaches.
    assert_eq!(call(&guard, "1003", "00442079460123", 60, 0.0), []);
    assert_eq!(call(&guard, "1003", "1001", 60, 600.0), []);
    assert_eq!(call(&guard, "1003", "00442079460123", 60, 2.0 * DAY), []);
    assert_eq!(call(&guard, "1003", "03012345678", 60, 2.0 * DAY + 100.0), [], "home");
    let verdicts = call(&guard, "1003", "0025290112345", 60, 2.0 * DAY + 200.0);
    assert_eq!(told(&verdicts), [FraudRule::NewCountry]);
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.text.contains("SO for the first time") && alert.text.contains("called GB"))
    );
    assert_eq!(call(&guard, "1003", "0025290112345", 60, 3.0 * DAY), []);
    // One that never called anything but extensions is known, too.
    assert_eq!(call(&guard, "1005", "1001", 60, 0.0), []);
    assert_eq!(told(&call(&guard, "1005", "0025290112345", 60, 2.0 * DAY)), [FraudRule::NewCountry]);
    // The same user part elsewhere is another account, and one that appears later has learnt nothing.
    let what =
        What::CallStarted { call: b"z", destination: b"0025290112345", authenticated: true, admitted: false };
    assert_eq!(told(&observe(&guard, "1005", "other.example", what, 2.0 * DAY)), [FraudRule::NewCountry]);
}

#[test]
fn an_account_that_never_called_learns_nothing_once_the_guard_has_watched_for_a_while() {
    let guard = guard(|_| ());
    // Phones register; the idle one's password is stolen on the third day.
    observe(&guard, "1001", "", What::Registered { expires: 3600 }, 0.0);
    assert_eq!(told(&call(&guard, "1009", "0025290112345", 60, 3.0 * DAY)), [FraudRule::NewCountry]);
    assert_eq!(told(&call(&guard, "1009", "00442079460123", 60, 3.0 * DAY + 100.0)), [FraudRule::NewCountry]);
    assert_eq!(guard.fraud().began(), Some(at(0.0)));
}

#[test]
fn a_name_is_one_account_however_it_is_typed() {
    let guard = guard(|policy| policy.concurrent = 1);
    assert_eq!(start(&guard, "anna", "a", "00442079460123", 0.0), []);
    assert_eq!(told(&start(&guard, "ANNA", "b", "00442079460124", 1.0)), [FraudRule::Concurrent]);
    let what = What::CallStarted {
        call: b"c",
        destination: b"00442079460125",
        authenticated: true,
        admitted: false,
    };
    observe(&guard, "Anna", "PBX.example", what, 2.0);
    let account = only(&guard);
    assert_eq!((account.user.as_str(), account.live), ("anna", 3));
    assert_eq!(guard.fraud().state().tenants, 1);
    // Only the case is folded: nothing runs together at the seam of user and domain, nor in long names.
    assert_eq!(start(&guard, &"x".repeat(64), "d", "00442079460123", 3.0), []);
    assert_eq!(start(&guard, &"x".repeat(65), "e", "00442079460123", 4.0), []);
}

#[test]
fn a_call_that_costs_nobody_anything_is_never_ended() {
    let everything = Actions { alert: true, hang_up: true, block: true, ban: true };
    let guard = guard(|policy| {
        policy.actions = [everything; FraudRule::ALL.len()];
        (policy.account_cost_day, policy.tenant_cost_day) = (Cost::from_micros(1), Cost::from_micros(1));
        policy.account_duration = Duration::from_secs(1);
        policy.hours = Some(Hours { days: [(0, 0); 7], offset: 0 });
    });
    call(&guard, "1003", "00442079460123", 600, 0.0);
    assert_eq!(hang_ups(&start(&guard, "1003", "paid", "03012345678", 701.0)), ["paid"]);
    assert_eq!(told(&tick(&guard, 702.0)), [FraudRule::TenantCost]);
    end(&guard, "paid", 0, 703.0);
    // The crisis line.
    assert_eq!(start(&guard, "1003", "help", "08001110111", 710.0), []);
    answer(&guard, "help", 711.0);
    for second in 0..7200 {
        assert_eq!(tick(&guard, 712.0 + f64::from(second)), [], "{second}");
    }
    end(&guard, "help", 7200, 7912.0);
}

#[test]
fn a_call_that_is_lost_sight_of_is_none_at_a_time() {
    let limits = FraudLimits { accounts: 100, tenants: 64, calls: 64 };
    let fraud = Fraud::new(limits, RandomState::with_seeds(1, 2, 3, 4));
    fraud.set_policy(FraudPolicy { concurrent: 0, call_rate: 0, sequential: 0, ..FraudPolicy::default() });
    let table = Table::parse("252,Somalia,,6\n44,Britain,,0.6\n").unwrap();
    let plan = Plan::new(Dialling { home: Country::new("DE"), ..Dialling::default() }, table).unwrap();
    fraud.set_destinations(Box::new(move |number, _| plan.classify(number)));
    let begin = |user: &[u8], call: &[u8], number: &[u8]| {
        let what = What::CallStarted { call, destination: number, authenticated: true, admitted: false };
        let ip = Some("203.0.113.7".parse().unwrap());
        let seen = Observation {
            ip,
            user,
            domain: b"pbx.example",
            evidence: Evidence::Likely,
            ..Observation::of(0, what)
        };
        assert!(fraud.observe(&seen, at(1.0)).is_none());
    };
    let live = |user: &str| {
        let all = fraud.accounts(10, at(2.0));
        all.into_iter().find(|account| account.user == user).map_or(0, |account| account.live)
    };
    (0..64u8).for_each(|n| begin(b"1003", &[n], b"00442079460123"));
    assert_eq!((live("1003"), fraud.state().calls), (64, 64));
    // Dearer calls of another crowd them out.
    (64..255u8).for_each(|n| begin(b"1004", &[n], b"0025290112345"));
    assert_eq!((live("1003"), live("1004"), fraud.state().calls), (0, 64, 64));
    assert_eq!(fraud.counts().untracked.value(), 191);
}

#[test]
fn without_a_home_country_or_with_an_exception_no_country_is_new() {
    for guard in
        [guard(|policy| policy.home = None), guard(|policy| policy.countries = vec![Country(*b"SO")])]
    {
        assert_eq!(call(&guard, "1003", "1001", 60, 0.0), []);
        assert_eq!(call(&guard, "1003", "0025290112345", 60, 3.0 * DAY), []);
    }
}

#[test]
fn a_country_whose_calls_are_cut_off_stays_new() {
    let guard = guard(|policy| hang_up(policy, FraudRule::NewCountry));
    assert_eq!(call(&guard, "1003", "1001", 60, 0.0), []);
    for n in 0..5 {
        let now = 2.0 * DAY + f64::from(n) * 10.0;
        assert_eq!(hang_ups(&start(&guard, "1003", &n.to_string(), "0025290112345", now)), [n.to_string()]);
    }
}

#[test]
fn too_many_calls_at_a_time_in_a_minute_and_in_a_row() {
    let guard = guard(|policy| {
        (policy.call_rate, policy.concurrent, policy.sequential) = (5, 3, 0);
    });
    for n in 0..3 {
        assert_eq!(
            start(&guard, "1003", &n.to_string(), &format!("004420794601{n}0"), 70.0 * f64::from(n)),
            []
        );
    }
    assert_eq!(told(&start(&guard, "1003", "3", "00442079460190", 300.0)), [FraudRule::Concurrent]);
    (0..4).for_each(|n| end(&guard, &n.to_string(), 0, 301.0));
    assert_eq!(start(&guard, "1003", "x", "00442079460180", 400.0), []);
    end(&guard, "x", 0, 401.0);
    // National calls are no toll calls.
    (0..50).for_each(|n| assert_eq!(call(&guard, "1003", "03012345678", 1, 402.0 + f64::from(n) * 0.1), []));
    for n in 0..4 {
        assert_eq!(call(&guard, "1003", "00442079460180", 0, 410.0 + f64::from(n)), []);
    }
    assert_eq!(told(&call(&guard, "1003", "00442079460180", 0, 420.0)), [FraudRule::CallRate]);

    let guard = self::guard(|policy| policy.sequential = 3);
    for n in 0..3 {
        assert_eq!(call(&guard, "1003", "00442079460180", 10, 600.0 * f64::from(n)), []);
    }
    assert_eq!(told(&call(&guard, "1003", "00442079460180", 10, 2000.0)), [FraudRule::Sequential]);
    assert_eq!(call(&guard, "1003", "00442079460181", 10, 3000.0), []);
    assert_eq!(call(&guard, "1003", "00442079460180", 10, 4000.0), []);
    assert_eq!(call(&guard, "1003", "00442079460180", 10, 20_000.0), [], "hours later");
}

#[test]
fn a_cap_ends_the_call_that_runs_past_it_while_nothing_else_happens() {
    let guard = guard(|policy| {
        hang_up(policy, FraudRule::Cost);
        policy.account_cost_hour = Cost::from_micros(30_000_000);
    });
    // 6.00 a minute: five minutes are the cap.
    start(&guard, "1003", "long", "0025290112345", 0.0);
    answer(&guard, "long", 10.0);
    start(&guard, "1004", "other", "0025290112345", 0.0);
    answer(&guard, "other", 200.0);
    let mut ended = None;
    for second in 0..400 {
        let verdicts = tick(&guard, f64::from(second));
        if !verdicts.is_empty() {
            assert_eq!(told(&verdicts), [FraudRule::Cost]);
            assert_eq!(hang_ups(&verdicts), ["long"]);
            ended = Some(second);
            break;
        }
    }
    assert_eq!(ended, Some(311));
    assert_eq!(tick(&guard, 312.0), [], "told once");
    assert_eq!(hang_ups(&tick(&guard, 315.0)), ["long"], "asked again when it still runs");
    end(&guard, "long", 340, 350.0);
    // The next call is over before it begins, whatever it costs; an extension is not.
    assert_eq!(hang_ups(&start(&guard, "1003", "more", "03012345678", 360.0)), ["more"]);
    assert_eq!(start(&guard, "1003", "colleague", "1001", 361.0), []);
    // An hour later the account may call again.
    assert_eq!(start(&guard, "1003", "later", "00442079460123", 351.0 + HOUR), []);
}

#[test]
fn long_calls_are_told_one_by_one_and_all_together() {
    let guard = guard(|policy| {
        (policy.call_duration, policy.country_duration) =
            (Duration::from_secs(3600), Duration::from_secs(7200));
        policy.account_cost_day = Cost::ZERO;
    });
    start(&guard, "1003", "long", "00442079460123", 0.0);
    answer(&guard, "long", 0.0);
    let first = (0..5000).find(|second| !tick(&guard, f64::from(*second)).is_empty());
    assert_eq!(first, Some(3601));
    end(&guard, "long", 7000, 7000.0);
    assert_eq!(call(&guard, "1003", "00442079460123", 300, 8000.0), []);
    assert_eq!(told(&call(&guard, "1003", "00442079460123", 300, 9000.0)), [FraudRule::Duration]);
    assert_eq!(call(&guard, "1003", "0033112345678", 300, 10_000.0), [], "another country");
}

#[test]
fn learning_changes_nothing_and_says_what_would_have_been_done() {
    let everything = Actions { alert: true, hang_up: true, block: true, ban: true };
    let guard = guard(|policy| {
        policy.learning = true;
        policy.actions = [everything; FraudRule::ALL.len()];
        policy.account_cost_day = Cost::from_micros(1);
    });
    assert_eq!(call(&guard, "1003", "1001", 60, 0.0), []);
    let verdicts = call(&guard, "1003", "0025290112345", 60, 2.0 * DAY);
    assert_eq!(told(&verdicts), [FraudRule::NewCountry]);
    assert!(
        verdicts.iter().all(|verdict| matches!(verdict, Verdict::Alert(_) | Verdict::WouldBan(_))),
        "{verdicts:?}"
    );
    let Verdict::Alert(alert) = &verdicts[0] else { panic!() };
    assert!(
        alert.text.contains("hang-up, block, ban") && alert.kind.word() == "fraud-learning",
        "{}",
        alert.text
    );
    assert_eq!(guard.ledger().sizes().0, 0);
    let account = only(&guard);
    assert_eq!(account.countries[0].country, "SO");
    assert_eq!((account.peaks.concurrent, account.peaks.micros), (1, 6_000_000));
}

#[test]
fn an_account_is_blocked_once_an_hour_and_its_source_banned_whatever_its_standing() {
    let guard = guard(|policy| {
        policy.actions[FraudRule::Premium as usize] = Actions { block: true, ban: true, ..Actions::NONE };
    });
    // The attacker has registered with the stolen password.
    observe(&guard, "1003", "", What::Registered { expires: 3600 }, 0.0);
    let verdicts = start(&guard, "1003", "a", "00882161234567", 1.0);
    assert!(
        matches!(&verdicts[0], Verdict::BlockAccount { user, domain, .. } if user == "1003" && domain == "pbx.example")
    );
    assert!(
        matches!(&verdicts[1], Verdict::Ban(ban) if ban.reason.rule == "fraud-premium" && ban.reason.users == ["1003"])
    );
    assert_eq!(verdicts.len(), 2);
    assert_eq!(start(&guard, "1003", "b", "00882161234567", 2.0), []);
    let later = start(&guard, "1003", "c", "00882161234567", 2.0 + HOUR);
    assert!(later.iter().any(|verdict| matches!(verdict, Verdict::BlockAccount { .. })));
    // A ban counts as an earlier one for the next, which is longer.
    let Some(Verdict::Ban(again)) = later.iter().find(|verdict| matches!(verdict, Verdict::Ban(_))) else {
        panic!()
    };
    assert_eq!((again.reason.priors, again.remaining(at(2.0 + HOUR))), (1, Some(Duration::from_secs(7200))));
    // A trusted network is never banned.
    guard.set_policy(Policy { trusted: vec!["203.0.113.0/24".parse().unwrap()], ..Policy::default() });
    guard.lift_out_of_reach(at(3.0 * HOUR));
    let trusted = start(&guard, "1009", "d", "00882161234567", 3.0 * HOUR);
    assert!(matches!(&trusted[..], [Verdict::BlockAccount { .. }]), "{trusted:?}");
}

#[test]
fn bans_for_fraud_are_in_the_budget_of_all_bans() {
    let guard = guard(|policy| {
        policy.actions[FraudRule::Premium as usize] = Actions { ban: true, ..Actions::NONE };
    });
    let budget = crate::budget::Budget { all: 2, ..Default::default() };
    guard.set_policy(Policy { budget, ..Policy::default() });
    let mut bans = Vec::new();
    for n in 0..4u8 {
        let name = [n];
        let seen = Observation {
            ip: Some([198, 51, 100, n].into()),
            port: 5060,
            evidence: Evidence::Likely,
            user: b"1003",
            domain: b"pbx.example",
            ..Observation::of(
                0,
                What::CallStarted {
                    call: &name,
                    destination: b"00882161234567",
                    authenticated: true,
                    admitted: false,
                },
            )
        };
        bans.extend(guard.observe(&seen, at(f64::from(n))));
    }
    let is_budget = |v: &&Verdict| matches!(v, Verdict::Alert(alert) if alert.kind == AlertKind::Budget);
    assert_eq!(bans.iter().filter(|v| matches!(v, Verdict::Ban(_))).count(), 2, "{bans:?}");
    assert_eq!(bans.iter().filter(|v| matches!(v, Verdict::WouldBan(_))).count(), 2, "{bans:?}");
    assert_eq!(bans.iter().filter(is_budget).count(), 1, "told once a minute");
    assert_eq!(guard.past().state(at(4.0)).bans_lately, 2);
}

#[test]
fn while_banning_is_off_nothing_is_ended() {
    let guard = guard(|policy| hang_up(policy, FraudRule::Premium));
    guard.set_policy(Policy { enforce: false, ..Policy::default() });
    let verdicts = start(&guard, "1003", "a", "00882161234567", 1.0);
    assert!(
        matches!(&verdicts[..], [Verdict::Alert(alert)] if alert.text.contains("banning is off")),
        "{verdicts:?}"
    );
}

#[test]
fn events_that_were_lost_break_nothing() {
    let guard = guard(|_| ());
    // Never started, as far as we saw.
    answer(&guard, "unknown", 0.0);
    end(&guard, "unknown", 3600, 1.0);
    // Never answered, as far as we saw: the switch's figure counts.
    start(&guard, "1003", "a", "00442079460123", 2.0);
    end(&guard, "a", 120, 130.0);
    assert_eq!(guard.fraud().accounts(1, at(200.0))[0].cost_day.to_string(), "1.20");
    // Told twice.
    start(&guard, "1003", "b", "00442079460123", 200.0);
    start(&guard, "1003", "b", "00442079460123", 201.0);
    assert_eq!(only(&guard).live, 1);
    // Never ended: forgotten at last, and charged for no more than that.
    answer(&guard, "b", 201.0);
    tick(&guard, 11.0 * HOUR);
    assert_eq!(guard.fraud().state().calls, 1);
    tick(&guard, 13.0 * HOUR);
    assert_eq!((guard.fraud().state().calls, only(&guard).live), (0, 0));
    // A switch that starts anew has no calls; that of another goes on.
    start(&guard, "1003", "c", "00442079460123", 14.0 * HOUR);
    guard.observe(&Observation::of(7, What::SwitchStarted { up: 0 }), at(14.0 * HOUR));
    assert_eq!(guard.fraud().state().calls, 1);
    guard.observe(&Observation::of(0, What::SwitchStarted { up: 0 }), at(14.0 * HOUR));
    assert_eq!((guard.fraud().state().calls, only(&guard).live), (0, 0));
}

#[test]
fn a_call_costs_the_same_however_often_it_is_looked_at() {
    let guard = guard(|policy| policy.account_cost_day = Cost::ZERO);
    for (user, every) in [("1", 1.0), ("2", 7.0), ("3", 1000.0)] {
        start(&guard, user, user, "00442079460123", 0.0);
        answer(&guard, user, 0.0);
        let mut now = 0.0;
        while now < 500.0 {
            tick(&guard, now);
            now += every;
        }
        end(&guard, user, 517, 517.0);
    }
    let costs: Vec<String> =
        guard.fraud().accounts(9, at(600.0)).iter().map(|account| account.cost_day.to_string()).collect();
    assert_eq!(costs, ["5.17"; 3]);
}

#[test]
fn tables_are_bounded_whatever_is_called() {
    let guard = guard(|policy| policy.enabled = true);
    for n in 0..60_000u32 {
        start(&guard, &n.to_string(), &n.to_string(), "00442079460123", 1.0);
    }
    let state = guard.fraud().state();
    let limits = FraudLimits::default();
    assert_eq!((state.accounts, state.calls), (limits.accounts, limits.calls));
    assert!(state.bytes < 80 << 20, "{}", state.bytes);
    // Names of any length and kind.
    let long = "x".repeat(255);
    start(&guard, &long, &long.repeat(4), "00442079460123", 2.0);
    let one = guard
        .fraud()
        .accounts(100_000, at(3.0))
        .into_iter()
        .find(|account| account.user.starts_with('x'))
        .unwrap();
    assert_eq!(one.user.len(), 64);
}

/// Fifty accounts that call abroad in office hours, for three weeks.
#[test]
fn a_healthy_office_is_never_told_of() {
    let guard = guard(|policy| {
        policy.hours = Some(Hours { days: [(7 * 60, 19 * 60); 7], offset: 0 });
        policy.actions =
            [Actions { alert: true, hang_up: true, block: true, ban: true }; FraudRule::ALL.len()];
    });
    let mut rng = fastrand::Rng::with_seed(7);
    let homes = ["0044207946", "0033145678", "0039064567", "0014155550"];
    let mut ends: Vec<(f64, String, u32)> = Vec::new();
    for day in 0..21 {
        // Each account has the countries that it works with, and all of them on its first day.
        let mut starts: Vec<(f64, u32, usize)> = Vec::new();
        for account in 0..50 {
            for n in 0..rng.usize(6..12) {
                let second = f64::from(day) * DAY + rng.f64() * 6.5 * HOUR;
                starts.push((second, account, (account as usize + n % 2) % homes.len()));
            }
        }
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (second, account, home) in starts {
            while let Some(place) = ends.iter().position(|(end, ..)| *end <= second) {
                let (end, call, billed) = ends.swap_remove(place);
                self::end(&guard, &call, billed, end);
            }
            let name = format!("{account}-{second}");
            let number = format!("{}{:04}", homes[home], rng.u32(0..10_000));
            assert_eq!(start(&guard, &format!("1{account:03}"), &name, &number, second), [], "day {day}");
            answer(&guard, &name, second);
            let seconds = rng.u32(10..600);
            ends.push((second + f64::from(seconds), name, seconds));
            assert_eq!(tick(&guard, second), []);
        }
    }
    assert_eq!(guard.fraud().accounts(100, at(21.0 * DAY)).len(), 50);
}
