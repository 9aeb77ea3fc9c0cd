//! Legs to gateways: whose they are, that nothing counts twice, and that nobody pays for what he did not dial.

use super::*;

/// The only account, with its sums.
fn only(guard: &Guard) -> AccountUse {
    let mut all = guard.fraud().accounts(10, at(600.0));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The switch makes a leg for another one.
fn leg(guard: &Guard, call: &str, origin: &str, gateway: &str, number: &str, now: f64) -> Vec<Verdict> {
    let what = What::LegStarted {
        call: call.as_bytes(),
        origin: origin.as_bytes(),
        gateway: gateway.as_bytes(),
        destination: number.as_bytes(),
    };
    leg_event(guard, what, now)
}

fn leg_event(guard: &Guard, what: What<'_>, now: f64) -> Vec<Verdict> {
    let seen = Observation { domain: b"pbx.example", evidence: Evidence::Proven, ..Observation::of(0, what) };
    guard.observe(&seen, at(now)).into_iter().collect()
}

fn leg_answers(guard: &Guard, call: &str, now: f64) {
    assert_eq!(leg_event(guard, What::LegAnswered { call: call.as_bytes() }, now), []);
}

fn leg_ends(guard: &Guard, call: &str, billed: u32, now: f64) {
    assert_eq!(leg_event(guard, What::LegEnded { call: call.as_bytes(), billed }, now), []);
}

fn hard(policy: &mut FraudPolicy) {
    for actions in &mut policy.actions {
        *actions = Actions { alert: true, hang_up: true, block: true, ban: true };
    }
}

fn account<'a>(all: &'a [AccountUse], user: &str) -> &'a AccountUse {
    all.iter().find(|account| account.user == user).unwrap_or_else(|| panic!("{user}: {all:?}"))
}

/// Whether somebody is blocked or banned.
fn punishes(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| matches!(verdict, Verdict::BlockAccount { .. } | Verdict::Ban(_)))
}

#[test]
fn a_call_and_its_gateway_leg_are_one_call() {
    let guard = guard(|policy| policy.call_rate = 1);
    assert_eq!(start(&guard, "1003", "a", "00442079460123", 0.0), []);
    assert_eq!(leg(&guard, "g", "a", "carrier", "00442079460123", 0.1), []);
    let state = guard.fraud().state();
    assert_eq!((state.calls, only(&guard).live, only(&guard).calls), (1, 1, 1));
    // The caller hears music first: what he is answered with costs nothing.
    answer(&guard, "a", 1.0);
    leg_answers(&guard, "g", 61.0);
    tick(&guard, 121.0);
    leg_ends(&guard, "g", 60, 121.0);
    end(&guard, "a", 120, 121.0);
    let account = only(&guard);
    assert_eq!((account.live, account.calls, account.seconds), (0, 1, 60));
    assert_eq!((account.cost_day.to_string().as_str(), guard.fraud().state().calls), ("0.60", 0));
    // Another number than the caller dialled: what leaves the house counts, and that alone.
    start(&guard, "1003", "b", "00442079460123", 200.0);
    leg(&guard, "h", "b", "carrier", "00252612345678", 200.1);
    assert_eq!((only(&guard).live, only(&guard).toll_calls), (1, 2));
    leg_answers(&guard, "h", 200.0);
    leg_ends(&guard, "h", 60, 260.0);
    assert_eq!(only(&guard).cost_day.to_string(), "6.60");
}

#[test]
fn a_prefix_that_the_dial_plan_takes_off_hides_nothing() {
    let guard = guard(hard);
    assert_eq!(start(&guard, "1003", "a", "77#00882161234567", 0.0), [], "leads nowhere that is known");
    let verdicts = leg(&guard, "g", "a", "carrier", "00882161234567", 0.1);
    assert_eq!(told(&verdicts), [FraudRule::Premium]);
    assert_eq!(hang_ups(&verdicts), ["g"]);
    // He dialled it himself, prefix or not.
    assert!(punishes(&verdicts), "{verdicts:?}");
    let Verdict::Alert(alert) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert!(alert.text.contains("1003@pbx.example calls +882161234567"), "{}", alert.text);
}

#[test]
fn a_forwarded_call_is_told_of_and_ended_but_the_caller_is_not_punished() {
    let guard = guard(hard);
    assert_eq!(start(&guard, "1000", "a", "1001", 0.0), []);
    assert_eq!(leg(&guard, "p", "a", "", "1001", 0.1), []);
    let verdicts = leg(&guard, "g", "a", "carrier", "00882161234567", 5.0);
    assert_eq!((told(&verdicts), hang_ups(&verdicts)), (vec![FraudRule::Premium], vec!["g".to_owned()]));
    assert!(!punishes(&verdicts), "{verdicts:?}");
    let Verdict::Alert(alert) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert!(alert.text.contains("1000@pbx.example is put through to +882161234567"), "{}", alert.text);
    assert_eq!(alert.source.to_string(), "203.0.113.7");
}

#[test]
fn a_transfer_of_the_called_phone_is_the_callers_call_though_he_is_gone() {
    let guard = guard(|_| ());
    start(&guard, "1000", "a", "1001", 0.0);
    leg(&guard, "p", "a", "", "1001", 0.1);
    answer(&guard, "a", 1.0);
    // REFER of the caller: the phone that he called goes out, he hangs up.
    end(&guard, "a", 10, 11.0);
    leg(&guard, "g", "p", "carrier", "00252612345678", 11.0);
    leg_answers(&guard, "g", 12.0);
    tick(&guard, 72.0);
    let account = only(&guard);
    assert_eq!(
        (account.user.as_str(), account.live, account.cost_day.to_string()),
        ("1000", 1, "6.00".into())
    );
    leg_ends(&guard, "g", 60, 72.0);
    assert_eq!((only(&guard).live, guard.fraud().state().calls), (0, 0));
}

#[test]
fn a_leg_that_nobody_is_known_to_have_asked_for_is_ended_and_hurts_nobody() {
    let guard = guard(hard);
    // An `originate`, a conference, a stranger's call that is forwarded.
    for (call, origin) in [("g", ""), ("h", "conference"), ("i", "stranger")] {
        let verdicts = leg(&guard, call, origin, "carrier", "00882161234567", 0.0);
        assert_eq!(hang_ups(&verdicts), [call]);
        assert!(!punishes(&verdicts), "{verdicts:?}");
    }
    let all = guard.fraud().accounts(10, at(1.0));
    assert_eq!((all.len(), account(&all, "unknown").domain.as_str()), (1, "pbx.example"));
    assert_eq!(account(&all, "unknown").live, 3);
    leg_answers(&guard, "g", 1.0);
    leg_ends(&guard, "g", 60, 61.0);
    assert_eq!(only(&guard).cost_day.to_string(), "6.00");
    let verdicts = leg(&guard, "j", "", "carrier", "00870123456789", 62.0);
    let Some(Verdict::Alert(alert)) = verdicts.first() else { panic!("{verdicts:?}") };
    assert!(alert.text.contains("No account is known") && !alert.text.contains("password"), "{}", alert.text);
}

#[test]
fn the_next_gateway_for_the_same_call_is_the_same_call() {
    let guard = guard(|policy| {
        policy.call_rate = 1;
        hang_up(policy, FraudRule::Premium);
    });
    assert_eq!(start(&guard, "1003", "a", "00442079460123", 0.0), []);
    for gateway in ["first", "second", "third"] {
        assert_eq!(leg(&guard, gateway, "a", gateway, "00442079460123", 1.0), []);
        leg_ends(&guard, gateway, 0, 2.0);
    }
    let account = only(&guard);
    assert_eq!((account.calls, account.toll_calls, account.live), (1, 1, 0));
    // What is to be ended is ended on each way, and told of once.
    let verdicts = start(&guard, "1004", "b", "00882161234567", 3.0);
    assert_eq!((told(&verdicts).len(), hang_ups(&verdicts)), (1, vec!["b".to_owned()]));
    assert_eq!(leg(&guard, "b1", "b", "first", "00882161234567", 3.1), []);
    leg_ends(&guard, "b1", 0, 3.2);
    assert_eq!(hang_ups(&leg(&guard, "b2", "b", "second", "00882161234567", 3.3)), ["b2"]);
    // Who dials on after an answer makes another call.
    start(&guard, "1005", "c", "5000", 4.0);
    for call in ["c1", "c2"] {
        leg(&guard, call, "c", "carrier", "00442079460123", 5.0);
        leg_answers(&guard, call, 6.0);
        leg_ends(&guard, call, 6, 12.0);
    }
    let all = guard.fraud().accounts(10, at(20.0));
    assert_eq!(self::account(&all, "1005").toll_calls, 2);
}

#[test]
fn legs_to_phones_and_unheard_of_legs_cost_nothing_and_are_not_kept() {
    let guard = guard(hard);
    start(&guard, "1000", "a", "1001", 0.0);
    for n in 0..100 {
        assert_eq!(leg(&guard, &format!("p{n}"), "nobody", "", "00882161234567", 1.0), []);
    }
    leg_answers(&guard, "never", 1.0);
    leg_ends(&guard, "never", 3600, 1.0);
    assert_eq!((guard.fraud().state().calls, guard.fraud().accounts(10, at(1.0)).len()), (0, 0));
    assert_eq!(guard.fraud().state.lock().origins.len(), 1);
    end(&guard, "a", 0, 2.0);
    assert_eq!(guard.fraud().state.lock().origins.len(), 0);
    assert!(!guard.fraud().is_running());
}

#[test]
fn a_gateway_leg_that_is_put_through_to_another_goes_on_costing() {
    let guard = guard(|_| ());
    start(&guard, "1003", "a", "00442079460123", 0.0);
    leg(&guard, "g", "a", "carrier", "00442079460123", 0.0);
    leg_answers(&guard, "g", 0.0);
    // The caller refers the far end to another number, and hangs up.
    for number in ["00442079460123", "00442079460999"] {
        leg(&guard, number, "g", "carrier", number, 60.0);
        leg_answers(&guard, number, 60.0);
    }
    end(&guard, "a", 60, 60.0);
    assert_eq!((only(&guard).live, guard.fraud().state().calls), (3, 3));
    tick(&guard, 120.0);
    assert_eq!(only(&guard).seconds, 120 + 60 + 60);
    for call in ["g", "00442079460123", "00442079460999"] {
        leg_ends(&guard, call, 0, 120.0);
    }
    assert_eq!((only(&guard).live, guard.fraud().state().calls), (0, 0));
}
