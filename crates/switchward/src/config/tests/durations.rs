//! Go's durations against a model that only multiplies and adds.

use std::time::Duration;

use proptest::prelude::*;

use crate::config::duration::{DurationError, format_go, format_short, parse};

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

fn part() -> impl Strategy<Value = (u32, Option<(u32, usize)>, usize)> {
    (0u32..100_000, proptest::option::of((0u32..1_000_000, 1usize..10)), 0..UNITS.len())
}

proptest! {
    #[test]
    fn a_sum_of_parts_is_the_sum_of_its_parts(parts in proptest::collection::vec(part(), 1..6)) {
        let mut text = String::new();
        let mut nanos = 0u128;
        for (whole, fraction, unit) in parts {
            let (name, scale) = UNITS[unit];
            text += &whole.to_string();
            nanos += u128::from(whole) * scale;
            if let Some((digits, width)) = fraction {
                let digits = format!("{digits:0width$}");
                text += &format!(".{digits}");
                nanos += digits.parse::<u128>().unwrap() * scale / 10u128.pow(digits.len() as u32);
            }
            text += name;
        }
        prop_assert_eq!(parse(&text).map(|duration| duration.as_nanos()), Ok(nanos));
    }

    #[test]
    fn what_is_written_is_read_back(nanos in 0..=i64::MAX as u64) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(parse(&format_go(duration)), Ok(duration));
        prop_assert_eq!(parse(&format_short(duration)), Ok(duration));
    }

    #[test]
    fn whole_minutes_are_read_back(minutes in 0u64..10_000_000) {
        let duration = Duration::from_secs(minutes * 60);
        prop_assert_eq!(parse(&format_short(duration)), Ok(duration));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+0-9.nuµmsh ]{0,40}") {
        let _ = parse(&text);
    }
}

#[test]
fn durations_are_written_as_go_writes_them() {
    let cases = [
        (0, "0s", "0s"),
        (1, "1ns", "1ns"),
        (1_100, "1.1µs", "1.1µs"),
        (2_200_000, "2.2ms", "2.2ms"),
        (3_300_000_000, "3.3s", "3.3s"),
        (60_000_000_000, "1m0s", "1m"),
        (245_000_000_000, "4m5s", "4m5s"),
        (300_000_000_000, "5m0s", "5m"),
        (5_400_000_000_000, "1h30m0s", "1h30m"),
        (86_400_000_000_000, "24h0m0s", "24h"),
        (3_610_000_000_000, "1h0m10s", "1h0m10s"),
    ];
    for (nanos, go, short) in cases {
        let duration = Duration::from_nanos(nanos);
        assert_eq!((format_go(duration).as_str(), format_short(duration).as_str()), (go, short));
    }
}

#[test]
fn what_go_takes_is_taken() {
    for (text, nanos) in [("0", 0), ("+5s", 5_000_000_000), (".5s", 500_000_000), ("1.s", 1_000_000_000)] {
        assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
    }
    assert_eq!(parse("9223372036854775807ns"), Ok(Duration::from_nanos(i64::MAX as u64)));
}

#[test]
fn what_go_refuses_is_refused_with_the_reason() {
    assert_eq!(parse(""), Err(DurationError::Empty));
    assert_eq!(parse("-5m"), Err(DurationError::Negative));
    assert_eq!(parse("5"), Err(DurationError::NoUnit("5".into())));
    assert_eq!(parse("1h5"), Err(DurationError::NoUnit("5".into())));
    assert_eq!(parse("m"), Err(DurationError::NoNumber("m".into())));
    assert_eq!(parse(".s"), Err(DurationError::NoNumber(".".into())));
    assert_eq!(parse("1.2.3s"), Err(DurationError::NoNumber("1.2.3".into())));
    assert_eq!(parse("5 m"), Err(DurationError::UnknownUnit(" m".into())));
    assert_eq!(parse("1d"), Err(DurationError::UnknownUnit("d".into())));
    assert_eq!(parse("9223372036854775808ns"), Err(DurationError::TooLong));
    assert_eq!(parse("99999999999999999999h"), Err(DurationError::TooLong));
}
