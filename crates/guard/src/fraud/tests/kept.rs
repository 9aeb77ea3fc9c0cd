//! What survives a restart: countries, levels, and the money of the day.

use super::*;

/// The guard after a restart, and what was written down.
fn restarted(first: &Guard, now: f64, change: impl FnOnce(&mut FraudPolicy)) -> (Guard, Vec<Learnt>) {
    let learnt = first.fraud().take_learnt();
    let text = serde_json::to_string(&learnt).unwrap();
    let second = guard(change);
    second.fraud().restore(
        &serde_json::from_str::<Vec<Learnt>>(&text).unwrap(),
        first.fraud().began(),
        at(now),
    );
    (second, learnt)
}

#[test]
fn what_an_account_learnt_survives_a_restart() {
    let first = guard(|_| ());
    call(&first, "1003", "00442079460123", 60, 0.0);
    call(&first, "1004", "1001", 60, 0.0);
    let (second, mut learnt) = restarted(&first, 2.0 * DAY, |_| ());
    assert_eq!(learnt.len(), 2);
    assert_eq!(first.fraud().take_learnt(), [], "told once");
    learnt.sort_by(|a, b| a.user.cmp(&b.user));
    assert_eq!((learnt[0].countries[0].country.as_str(), learnt[0].countries[0].calls), ("GB", 1));
    assert_eq!(second.fraud().take_learnt(), []);
    assert_eq!(call(&second, "1003", "00442079460123", 60, 2.0 * DAY), []);
    assert_eq!(told(&call(&second, "1003", "0025290112345", 60, 2.0 * DAY)), [FraudRule::NewCountry]);
    assert_eq!(told(&call(&second, "1004", "00442079460123", 60, 2.0 * DAY)), [FraudRule::NewCountry]);
    // One that was never seen has no day of its own to learn in.
    assert_eq!(told(&call(&second, "1009", "00442079460123", 60, 2.0 * DAY)), [FraudRule::NewCountry]);
}

#[test]
fn a_restart_is_no_new_day_to_spend() {
    let caps = |policy: &mut FraudPolicy| {
        hang_up(policy, FraudRule::Cost);
        hang_up(policy, FraudRule::TenantCost);
        policy.account_cost_day = Cost::from_micros(30_000_000);
        policy.tenant_cost_day = Cost::from_micros(35_000_000);
    };
    let first = guard(caps);
    // 24.00 in four minutes, and a call that runs on over the restart: 1.20 of it are paid.
    call(&first, "1003", "0025290112345", 240, 0.0);
    call(&first, "1004", "00442079460123", 100, 0.0);
    start(&first, "1003", "on", "00442079460123", 1000.0);
    answer(&first, "on", 1000.0);
    tick(&first, 1120.0);
    let (second, _) = restarted(&first, 1130.0, caps);
    let before = first.fraud().accounts(9, at(1120.0));
    let after = second.fraud().accounts(9, at(1130.0));
    let sums = |all: &[AccountUse]| -> Vec<_> {
        all.iter()
            .map(|a| (a.user.clone(), a.cost_day, a.cost_hour, a.calls, a.seconds, a.toll_seconds))
            .collect()
    };
    let mut sorted = (sums(&before), sums(&after));
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
    assert_eq!(second.fraud().tenants(1, at(1130.0)), first.fraud().tenants(1, at(1120.0)));
    assert_eq!(second.fraud().tenants(1, at(1130.0))[0].cost_day.to_string(), "26.20");
    // It is found to run: what was paid for before is not paid for again.
    let what = What::CallStarted {
        call: b"on",
        destination: b"00442079460123",
        authenticated: true,
        admitted: false,
    };
    let seen = Observation {
        ip: Some("203.0.113.7".parse().unwrap()),
        user: b"1003",
        account_domain: b"pbx.example",
        ..Observation::of(0, what)
    };
    assert_eq!(second.learn_call(&seen, at(1000.0), Some(at(1000.0)), at(1120.0)), []);
    assert_eq!(tick(&second, 1180.0), []);
    let account =
        |now: f64| second.fraud().accounts(9, at(now)).into_iter().find(|a| a.user == "1003").unwrap();
    assert_eq!(account(1180.0).cost_day.to_string(), "25.80");
    end(&second, "on", 180, 1180.0);
    assert_eq!(account(1180.0).cost_day.to_string(), "25.80");
    // And the cap of the day holds: 4.20 are left.
    start(&second, "1003", "rest", "0025290112345", 1200.0);
    answer(&second, "rest", 1200.0);
    assert_eq!(tick(&second, 1240.0), []);
    assert!(hang_ups(&tick(&second, 1245.0)).contains(&"rest".to_owned()));
    // A day later it is forgotten, as it would have been.
    assert_eq!(account(1300.0 + 25.0 * HOUR).cost_day, Cost::ZERO);
}

#[test]
fn rows_of_any_kind_are_taken_as_far_as_they_make_sense() {
    let old = r#"[{"user":"1003","domain":"pbx.example","since":1794398400000000,"last":1794398400000000,"countries":[],
        "peaks":{"rate":0,"concurrent":0,"seconds":0,"micros":0}}]"#;
    let old: Vec<Learnt> = serde_json::from_str(old).unwrap();
    assert!(old[0].spent.is_empty(), "as an older program wrote it");
    let guard = guard(|_| ());
    let number = at(0.0).secs() / 3600;
    let one = |user: &str, country: &str, hours: Vec<(u64, u64, [u32; 4])>| Learnt {
        user: user.into(),
        countries: vec![Called { country: country.into(), first: at(-DAY), last: at(0.0), calls: 1 }],
        spent: Spent { five_minutes: vec![(u64::MAX, 1), (0, 1)], hours },
        ..old[0].clone()
    };
    // The same account as it was typed twice; hours that never were, and one that lies ahead.
    let ahead = (number + 5, 1_000_000, [1; 4]);
    let rows = [
        one("anna", "GB", vec![(number, 1_000_000, [60, 1, 60, 1]), ahead, (u64::MAX, 1, [1; 4])]),
        one("ANNA", "FR", vec![(number, 2_000_000, [60, 1, 60, 1]), (0, u64::MAX, [u32::MAX; 4])]),
    ];
    guard.fraud().restore(&rows, Some(at(-2.0 * DAY)), at(0.0));
    guard.fraud().restore(&old, None, at(0.0));
    let account = only_at(&guard, 1.0);
    assert_eq!(
        (account.user.as_str(), account.cost_day.to_string().as_str(), account.calls),
        ("anna", "3.00", 2)
    );
    assert_eq!(guard.fraud().tenants(9, at(1.0))[0].cost_day.to_string(), "3.00");
    assert_eq!(call(&guard, "Anna", "00442079460123", 1, 2.0), []);
    assert_eq!(call(&guard, "Anna", "0033112345678", 1, 3.0), []);
    assert_eq!(told(&call(&guard, "Anna", "0025290112345", 1, 4.0)), [FraudRule::NewCountry]);
    // A clock that was ahead does not keep the guard from ever beginning.
    let fresh = self::guard(|_| ());
    fresh.fraud().restore(&[], Some(at(DAY)), at(0.0));
    assert_eq!(fresh.fraud().began(), None);
}

fn only_at(guard: &Guard, now: f64) -> AccountUse {
    let mut all = guard.fraud().accounts(10, at(now));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}
