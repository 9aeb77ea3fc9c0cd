//! A call that must end: asked for until the switch says that it is over.

use super::*;

/// The call that a switch is to end, and how often it was asked before.
fn asked(verdicts: &[Verdict]) -> Vec<(String, u32)> {
    let asked = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::HangUp { call, again, .. } => Some((call.clone(), *again)),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_call_that_must_end_from_its_start_is_asked_for_until_it_has_ended() {
    let guard = guard(|policy| hang_up(policy, FraudRule::Premium));
    let verdicts = start(&guard, "1003", "a", "00882161234567", 0.0);
    assert_eq!(asked(&verdicts), [("a".to_owned(), 0)]);
    let Verdict::Alert(alert) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert!(
        alert.text.contains("Under way: hang-up (the switch is asked until the call has ended)"),
        "{}",
        alert.text
    );
    answer(&guard, "a", 1.0);
    // The switch does nothing: asked again, less and less often, and told nobody anew.
    let mut when = Vec::new();
    for second in 1..300 {
        let verdicts = tick(&guard, f64::from(second));
        assert_eq!(told(&verdicts), []);
        when.extend(asked(&verdicts).into_iter().map(|(call, again)| (second, call, again)));
    }
    let seconds: Vec<i32> = when.iter().map(|(second, ..)| *second).collect();
    assert_eq!(seconds, [4, 12, 28, 60, 120, 180, 240]);
    assert!(when.iter().enumerate().all(|(n, (_, call, again))| call == "a" && *again as usize == n + 1));
    assert_eq!(guard.counts().hang_ups.value(), 1, "one call");
    assert_eq!(guard.fraud().counts().fired[FraudRule::Premium as usize].value(), 1);
    end(&guard, "a", 299, 300.0);
    (300..500).for_each(|second| assert_eq!(tick(&guard, f64::from(second)), []));
}

#[test]
fn a_call_that_the_switch_does_not_have_is_forgotten_and_paid_for() {
    let guard = guard(|policy| {
        hang_up(policy, FraudRule::Cost);
        (policy.account_cost_hour, policy.home) = (Cost::from_micros(6_000_000), Country::new("DE"));
    });
    start(&guard, "1003", "a", "0025290112345", 0.0);
    answer(&guard, "a", 0.0);
    assert_eq!(asked(&tick(&guard, 90.0)), [("a".to_owned(), 0)]);
    assert!(!guard.fraud().call_is_gone(7, b"a", at(100.0)), "another switch");
    assert!(!guard.fraud().call_is_gone(0, b"b", at(100.0)), "another call");
    assert!(guard.fraud().call_is_gone(0, b"a", at(100.0)));
    assert!(!guard.fraud().call_is_gone(0, b"a", at(100.0)), "gone already");
    assert_eq!((guard.fraud().state().calls, only(&guard).live), (0, 0));
    assert_eq!(guard.fraud().accounts(1, at(101.0))[0].cost_day.to_string(), "10.00");
    (101..400).for_each(|second| assert_eq!(tick(&guard, f64::from(second)), []));
}

#[test]
fn what_the_operator_takes_back_is_asked_for_no_more() {
    let guard = guard(|policy| hang_up(policy, FraudRule::Premium));
    let hard = FraudPolicy::clone(&guard.fraud().policy());
    start(&guard, "1003", "a", "00882161234567", 0.0);
    for softer in [
        FraudPolicy { learning: true, ..hard.clone() },
        FraudPolicy { enabled: false, ..hard.clone() },
        FraudPolicy { actions: [Actions::ALERT; FraudRule::ALL.len()], ..hard.clone() },
    ] {
        guard.fraud().set_policy(softer);
        assert_eq!(tick(&guard, 100.0), []);
    }
    guard.fraud().set_policy(hard);
    guard.set_policy(Policy { enforce: false, ..Policy::default() });
    assert_eq!(tick(&guard, 101.0), []);
    guard.set_policy(Policy::default());
    assert_eq!(asked(&tick(&guard, 200.0)), [("a".to_owned(), 2)]);
}

#[test]
fn a_rule_that_is_made_harder_ends_what_it_was_told_of_before() {
    let guard = guard(|policy| policy.account_cost_hour = Cost::from_micros(6_000_000));
    start(&guard, "1003", "a", "0025290112345", 0.0);
    answer(&guard, "a", 0.0);
    assert_eq!(told(&tick(&guard, 90.0)), [FraudRule::Cost]);
    assert_eq!(tick(&guard, 91.0), []);
    let mut policy = FraudPolicy::clone(&guard.fraud().policy());
    hang_up(&mut policy, FraudRule::Cost);
    guard.fraud().set_policy(policy);
    assert_eq!(asked(&tick(&guard, 92.0)), [("a".to_owned(), 0)]);
    assert_eq!(tick(&guard, 93.0), []);
    assert_eq!(asked(&tick(&guard, 96.0)), [("a".to_owned(), 1)]);
}
