//! The captured calls with a stolen password, judged: each number is told of by the rule that it should be.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use esl::{Decoder, Limits};
use extract::freeswitch::Extractor;
use guard::fraud::{Country, FraudPolicy, FraudRule};
use guard::{AlertKind, Guard, Policy, Time, Verdict};
use std::io::Read;
use std::time::Duration;
use toll::{Dialling, Plan, Table};

/// The alerts on the calls of a capture: number and rules, in order; and the guard, to be asked.
fn told(name: &str, home: &str, policy: FraudPolicy) -> (Vec<(String, Vec<FraudRule>)>, Guard, Time) {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    let guard = Guard::new(Policy::default(), guard::Limits::default(), [1, 2, 3, 4], Box::new(|_| ()));
    let home = Country::new(home);
    guard.fraud().set_policy(FraudPolicy { home, ..policy });
    let plan = Plan::new(Dialling { home, ..Dialling::default() }, Table::default()).unwrap();
    guard.fraud().set_destinations(Box::new(move |number, _| plan.classify(number)));
    let (mut decoder, mut extractor) =
        (Decoder::new(Limits::default()), Extractor::new(0, "default.example"));
    decoder.push(&bytes);
    let (mut told, mut now) = (Vec::new(), Time::ZERO);
    while let Some(frame) = decoder.next().unwrap() {
        let Some(Ok(event)) = frame.event() else { continue };
        if let Some(micros) = event.header("Event-Date-Timestamp").and_then(|value| value.number()) {
            now = Time::from_micros(micros);
        }
        let Some(seen) = extractor.read(event) else { continue };
        for verdict in guard.observe(&seen, now) {
            if let Verdict::Alert(alert) = verdict
                && let AlertKind::Fraud(fraud) = alert.kind
            {
                assert_eq!(
                    (alert.source.to_string(), fraud.account.as_str()),
                    ("127.0.66.30".into(), "1003@pbx.example")
                );
                assert!(
                    alert.text.contains(&fraud.number) && alert.text.contains("password"),
                    "{}",
                    alert.text
                );
                told.push((fraud.number, fraud.rules));
            }
        }
        assert!(guard.tick_calls(now).is_empty());
    }
    (told, guard, now)
}

#[test]
fn by_default_the_satellite_and_the_premium_call_are_told_of() {
    let (alerts, guard, now) = told("calls.plain", "US", FraudPolicy::default());
    let premium = |number: &str| (number.to_owned(), vec![FraudRule::Premium]);
    assert_eq!(alerts, [premium("+882161234567"), premium("+97912345678")]);
    // Nine calls were answered; 1003 alone has called out of the house, and nothing runs any more.
    let accounts = guard.fraud().accounts(10, now);
    assert_eq!(accounts.len(), 1);
    let account = &accounts[0];
    assert_eq!((account.user.as_str(), account.live, account.toll_calls), ("1003", 0, 11));
    assert_eq!(account.peaks.concurrent, 4);
    // Each call and its leg to the carrier are one: so many seconds were billed.
    assert_eq!((account.calls, account.seconds), (11, 5 + 4 * 2));
    assert!(account.cost_day.micros() > 0, "{account:?}");
    let countries: Vec<&str> = account.countries.iter().map(|called| called.country.as_str()).collect();
    assert_eq!(countries, ["GB", "TN", "LV", "XX", "SO"]);
    assert_eq!(guard.fraud().state().calls, 0);
}

#[test]
fn to_an_account_with_history_each_country_is_new_once() {
    let policy =
        FraudPolicy { history: Duration::ZERO, concurrent: 3, call_rate: 10, ..FraudPolicy::default() };
    let (alerts, ..) = told("calls.plain", "US", policy);
    let short: Vec<(&str, &[FraudRule])> =
        alerts.iter().map(|(number, rules)| (number.as_str(), &rules[..])).collect();
    use FraudRule::{CallRate, Concurrent, NewCountry, Premium};
    assert_eq!(
        short,
        [
            ("+441632960123", &[NewCountry][..]),
            ("+21612345678", &[NewCountry]),
            ("+37167000001", &[NewCountry]),
            ("+882161234567", &[Premium]),
            ("+97912345678", &[Premium]),
            ("+25290112345", &[NewCountry]),
            ("+25290012345", &[CallRate, Concurrent]),
        ]
    );
}

#[test]
fn healthy_calls_and_strangers_are_nothing_to_these_rules() {
    for name in ["mixed.plain", "flood_mixed.plain", "hostile.plain", "wrong_call_state.plain"] {
        let policy =
            FraudPolicy { history: Duration::ZERO, concurrent: 1, call_rate: 1, ..FraudPolicy::default() };
        assert_eq!(told(name, "DE", policy).0, [], "{name}");
    }
}
