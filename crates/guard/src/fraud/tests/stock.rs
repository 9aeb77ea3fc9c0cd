//! Lost events: what a switch lists is what runs.

use super::*;
use crate::fraud::{Differences, Listed};

/// The only account, with its sums.
fn only(guard: &Guard) -> AccountUse {
    let mut all = guard.fraud().accounts(10, at(4000.0));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn listed(call: &str, is_answered: bool) -> Listed<'_> {
    Listed { call: call.as_bytes(), is_answered }
}

fn names(differences: &Differences) -> Vec<String> {
    let names = differences.missing.iter().map(|name| String::from_utf8_lossy(name).into_owned());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// A call that the switch tells of when it is asked.
fn learn(
    guard: &Guard,
    call: &str,
    number: &str,
    began: f64,
    answered: Option<f64>,
    now: f64,
) -> Vec<Verdict> {
    let what = What::CallStarted {
        call: call.as_bytes(),
        destination: number.as_bytes(),
        authenticated: true,
        admitted: false,
    };
    let seen = Observation {
        ip: Some("203.0.113.7".parse().unwrap()),
        evidence: Evidence::Likely,
        user: b"1003",
        account_domain: b"pbx.example",
        ..Observation::of(0, what)
    };
    guard.learn_call(&seen, at(began), answered.map(at), at(now))
}

#[test]
fn what_ended_unseen_is_over_and_charged_for_no_longer_than_it_was_seen() {
    let guard = guard(|policy| policy.account_cost_day = Cost::ZERO);
    let fraud = guard.fraud();
    for call in ["gone", "runs"] {
        start(&guard, "1003", call, "00442079460123", 0.0);
        answer(&guard, call, 0.0);
    }
    tick(&guard, 60.0);
    fraud.out_of_sight(0);
    tick(&guard, 3600.0);
    assert_eq!(only(&guard).seconds, 120, "not charged while out of sight");
    start(&guard, "1003", "new", "00442079460123", 3601.0);
    let look = fraud.look();
    let differences = fraud.compare(0, &[listed("runs", true)], at(3601.0));
    assert_eq!((names(&differences), &differences.untold[..]), (vec!["gone".to_owned()], &[][..]));
    fraud.ended_unseen(0, b"gone");
    fraud.in_sight(0);
    drop(look);
    assert_eq!((fraud.state().calls, only(&guard).live), (2, 2), "the new one is too young to be missed");
    tick(&guard, 3660.0);
    assert_eq!(only(&guard).seconds, 60 + 3660, "the one that runs ran all the time");
    // Another switch's list says nothing of ours.
    assert_eq!(fraud.compare(7, &[], at(4000.0)), Differences::default());
}

#[test]
fn an_answer_that_was_missed_is_asked_for_and_counts_from_when_it_was() {
    let guard = guard(|_| ());
    start(&guard, "1003", "a", "00442079460123", 0.0);
    let fraud = guard.fraud();
    assert_eq!(fraud.compare(0, &[listed("a", false)], at(100.0)), Differences::default());
    let _look = fraud.look();
    assert_eq!(fraud.compare(0, &[listed("a", true)], at(100.0)).untold, [0]);
    assert_eq!(learn(&guard, "a", "00442079460123", 0.0, Some(40.0), 100.0), []);
    tick(&guard, 100.0);
    assert_eq!((only(&guard).seconds, only(&guard).calls), (60, 1));
}

#[test]
fn a_call_that_runs_longer_than_any_is_kept_as_long_as_the_switch_lists_it() {
    let guard = guard(|_| ());
    for call in ["a", "b"] {
        start(&guard, "1003", call, "00442079460123", 0.0);
        answer(&guard, call, 0.0);
    }
    for hour in 1..20 {
        let now = f64::from(hour) * HOUR;
        guard.fraud().compare(0, &[listed("a", true)], at(now));
        tick(&guard, now);
    }
    assert_eq!(only(&guard).live, 1);
    end(&guard, "a", 20 * 3600, 20.0 * HOUR);
    assert_eq!((only(&guard).live, guard.fraud().state().calls), (0, 0));
}

#[test]
fn a_call_found_running_is_followed_from_its_beginning_and_charged_from_now() {
    let guard = guard(|policy| {
        policy.call_duration = Duration::from_secs(3600);
        policy.account_cost_hour = Cost::from_micros(10_000_000);
    });
    let fraud = guard.fraud();
    let look = fraud.look();
    let list = [listed("a", true), listed("b", false)];
    assert_eq!(fraud.compare(0, &list, at(3000.0)).untold, [0, 1]);
    assert_eq!(learn(&guard, "a", "00442079460123", 0.0, Some(0.0), 3000.0), []);
    assert_eq!(learn(&guard, "b", "1001", 2990.0, None, 3000.0), []);
    drop(look);
    assert_eq!(
        fraud.compare(0, &list, at(3001.0)),
        Differences::default(),
        "an extension, too, is known now"
    );
    assert_eq!((only(&guard).live, fraud.counts().learnt.value()), (1, 1));
    tick(&guard, 3060.0);
    assert_eq!(only(&guard).seconds, 60);
    assert_eq!(told(&tick(&guard, 3700.0)), [FraudRule::Duration], "it lasts an hour");
    end(&guard, "a", 3700, 3700.0);
    assert_eq!((only(&guard).live, only(&guard).seconds), (0, 700));
}

#[test]
fn calls_found_running_are_not_many_at_once() {
    let guard = guard(|policy| {
        policy.call_rate = 5;
        policy.concurrent = 0;
    });
    for n in 0..20 {
        let (began, call) = (f64::from(n) * 100.0, format!("c{n}"));
        assert_eq!(learn(&guard, &call, "00442079460123", began, Some(began), 3000.0), [], "{n}");
    }
    assert_eq!(only(&guard).live, 20);
}

#[test]
fn a_call_that_ends_while_it_is_asked_for_is_not_learnt() {
    let guard = guard(|_| ());
    let fraud = guard.fraud();
    let look = fraud.look();
    assert_eq!(fraud.compare(0, &[listed("a", true)], at(60.0)).untold, [0]);
    end(&guard, "a", 60, 61.0);
    assert_eq!(learn(&guard, "a", "00882161234567", 0.0, Some(0.0), 62.0), []);
    assert_eq!(fraud.state().calls, 0);
    drop(look);
    assert!(!fraud.is_running());
}

#[test]
fn a_call_found_running_to_a_satellite_is_told_of_once() {
    let guard = guard(|policy| hang_up(policy, FraudRule::Premium));
    let verdicts = learn(&guard, "a", "00882161234567", 0.0, Some(10.0), 60.0);
    assert_eq!((told(&verdicts), hang_ups(&verdicts)), (vec![FraudRule::Premium], vec!["a".to_owned()]));
    assert_eq!(learn(&guard, "a", "00882161234567", 0.0, Some(10.0), 61.0), []);
}

#[test]
fn a_switch_that_was_started_anew_has_the_calls_that_began_since() {
    let guard = guard(|_| ());
    start(&guard, "1003", "old", "00442079460123", 0.0);
    start(&guard, "1003", "new", "00442079460123", 100.0);
    guard.observe(&Observation::of(0, What::SwitchStarted { up: 30 }), at(120.0));
    let left = guard.fraud().compare(0, &[], at(1000.0));
    assert_eq!(names(&left), ["new"]);
}

#[test]
fn names_that_lists_and_events_write_differently_are_left_alone() {
    let guard = guard(|_| ());
    start(&guard, "1003", "call%40192.0.2.1", "00442079460123", 0.0);
    assert_eq!(guard.fraud().compare(0, &[], at(100.0)), Differences::default());
}
