//! A tenant past its cap: one alert, and nobody pays for another's stolen password.

use super::*;

fn guard_of_tenants(cap: u64, actions: Actions) -> Guard {
    guard(|policy| {
        policy.tenant_cost_day = Cost::from_micros(cap * 1_000_000);
        policy.account_cost_day = Cost::ZERO;
        policy.actions[FraudRule::TenantCost as usize] = actions;
    })
}

const EVERYTHING: Actions = Actions { alert: true, hang_up: true, block: true, ban: true };

fn alerts(verdicts: &[Verdict]) -> Vec<(String, TenantAlert)> {
    let alerts = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Alert(alert) => match &alert.kind {
            AlertKind::TenantFraud(tenant) => Some((alert.text.clone(), (**tenant).clone())),
            other => panic!("{other:?}"),
        },
        _ => None,
    });
    alerts.collect()
}

/// Without what is told because the banned address, which all of them call from here, is heard.
fn calm(mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    verdicts
        .retain(|v| !matches!(v, Verdict::Alert(alert) if matches!(alert.kind, AlertKind::NotEnforced(_))));
    verdicts
}

#[test]
fn of_three_accounts_the_one_that_spent_is_ended_blocked_and_banned() {
    let guard = guard_of_tenants(100, EVERYTHING);
    // Two talk at 0.60 a minute, the thief at 6.00.
    for (user, number) in [("1001", "00442079460123"), ("1002", "03012345678"), ("1003", "0025290112345")] {
        assert_eq!(start(&guard, user, user, number, 0.0), []);
        answer(&guard, user, 0.0);
    }
    let mut all = Vec::new();
    for second in 1..1800 {
        all.extend(tick(&guard, f64::from(second)));
        if second == 1500 {
            // While the domain is past its cap, the others call as they like, and the thief does not.
            assert_eq!(calm(start(&guard, "1001", "free", "00442079460124", 1500.0)), []);
            assert_eq!(calm(start(&guard, "1004", "new", "00442079460125", 1500.0)), []);
            let verdicts = start(&guard, "1003", "more", "03012345678", 1500.0);
            assert_eq!(hang_ups(&verdicts), ["more"]);
        }
    }
    let told = alerts(&all);
    assert_eq!(told.len(), 1, "{told:?}");
    let (text, alert) = &told[0];
    assert_eq!((alert.domain.as_str(), alert.within.as_secs()), ("pbx.example", 86_400));
    let names: Vec<&str> = alert.spenders.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[0], "1003@pbx.example");
    assert_eq!(names.len(), 3);
    for part in ["pbx.example", "1003@pbx.example 8", "the cap is 100", "nobody else", "hang-up, block, ban"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(hang_ups(&all).iter().all(|call| call == "1003" || call == "more"), "{:?}", hang_ups(&all));
    assert!(hang_ups(&all).contains(&"1003".to_owned()));
    let blocked: Vec<&str> = all
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::BlockAccount { user, .. } => Some(user.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(blocked, ["1003"]);
    let bans: Vec<_> = all
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Ban(ban) => Some((ban.reason.rule.as_str(), &ban.reason.users[..])),
            _ => None,
        })
        .collect();
    assert_eq!(bans, [("fraud-tenant-cost", &["1003".to_owned()][..])]);
    assert_eq!(guard.fraud().counts().fired[FraudRule::Cost as usize].value(), 0);
}

#[test]
fn by_default_one_alert_names_who_spent_most_and_all_calls_go_on() {
    let guard = guard_of_tenants(20, Actions::ALERT);
    for n in 0..40 {
        let verdicts = call(&guard, &format!("10{n:02}"), "00442079460123", 60 + n, f64::from(n) * 200.0);
        assert_eq!(verdicts, []);
    }
    let mut all = start(&guard, "1000", "over", "00442079460123", 9000.0);
    (9000..9700).for_each(|second| all.extend(tick(&guard, f64::from(second))));
    all.extend(start(&guard, "1000", "again", "00442079460123", 9700.0));
    assert_eq!(all.len(), 1, "{all:?}");
    let (text, alert) = &alerts(&all)[0];
    let names: Vec<&str> = alert.spenders.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["1039@pbx.example", "1038@pbx.example", "1037@pbx.example"]);
    assert!(text.contains("All calls go on."), "{text}");
    // The other domain has spent nothing.
    let what = What::CallStarted {
        call: b"z",
        destination: b"00442079460123",
        authenticated: true,
        admitted: false,
    };
    assert_eq!(observe(&guard, "1000", "other.example", what, 9701.0), []);
    assert_eq!(tick(&guard, 9702.0), []);
    // Still past it a day later: told once more.
    for n in 0..40 {
        call(&guard, &format!("10{n:02}"), "00442079460123", 60, 9000.0 + DAY + f64::from(n) * 30.0);
    }
    start(&guard, "1000", "tomorrow", "00442079460123", 12_000.0 + DAY);
    assert_eq!(alerts(&tick(&guard, 12_001.0 + DAY)).len(), 1);
}

#[test]
fn where_all_spend_the_same_nobody_is_ended_and_a_lone_account_is() {
    let guard = guard_of_tenants(50, EVERYTHING);
    for n in 0..10 {
        start(&guard, &format!("100{n}"), &n.to_string(), "00442079460123", 0.0);
        answer(&guard, &n.to_string(), 0.0);
    }
    let mut all = Vec::new();
    (1..900).for_each(|second| all.extend(tick(&guard, f64::from(second))));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(alerts(&all)[0].0.contains("nobody spent much more than the others"));

    let guard = guard_of_tenants(50, EVERYTHING);
    start(&guard, "1003", "a", "0025290112345", 0.0);
    answer(&guard, "a", 0.0);
    let first = (1..900).find_map(|second| {
        let ended = hang_ups(&tick(&guard, f64::from(second)));
        (!ended.is_empty()).then_some((second, ended))
    });
    assert_eq!(first, Some((502, vec!["a".to_owned()])));
}

#[test]
fn learning_tells_and_ends_nobody() {
    let guard = guard_of_tenants(10, EVERYTHING);
    guard.fraud().set_policy(FraudPolicy { learning: true, ..FraudPolicy::clone(&guard.fraud().policy()) });
    start(&guard, "1003", "a", "0025290112345", 0.0);
    answer(&guard, "a", 0.0);
    let mut all = Vec::new();
    (1..600).for_each(|second| all.extend(tick(&guard, f64::from(second))));
    all.retain(|verdict| !matches!(verdict, Verdict::WouldBan(_)));
    assert_eq!(all.len(), 1, "{all:?}");
    let (text, alert) = &alerts(&all)[0];
    assert!(alert.learning && text.contains("fraud.learning is on"), "{text}");
    assert_eq!(guard.ledger().sizes().0, 0);
}

/// Each tenant is told of, although all are past their caps at once, and none is looked through all the time.
#[test]
fn many_tenants_at_once_are_told_of_one_by_one() {
    let guard = guard_of_tenants(1, Actions::ALERT);
    for tenant in 0..200 {
        for user in 0..3 {
            let call = format!("{tenant}-{user}");
            let what = What::CallStarted {
                call: call.as_bytes(),
                destination: b"0025290112345",
                authenticated: true,
                admitted: false,
            };
            assert_eq!(observe(&guard, &user.to_string(), &format!("t{tenant}.example"), what, 0.0), []);
            answer(&guard, &call, 0.0);
        }
    }
    let mut all = Vec::new();
    (1..60).for_each(|second| all.extend(tick(&guard, f64::from(second))));
    let mut domains: Vec<String> = alerts(&all).into_iter().map(|(_, alert)| alert.domain).collect();
    domains.sort();
    domains.dedup();
    assert_eq!((all.len(), domains.len()), (200, 200));
}
