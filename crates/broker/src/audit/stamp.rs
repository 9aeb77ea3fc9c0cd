//! A time as text and back: RFC 3339 in UTC with microseconds, always 27 bytes.

/// The time as text: "2026-11-21T10:00:00.000001Z". Times after the year 9999 are given as its end.
pub fn stamp(micros: u64) -> String {
    let micros = micros.min(LATEST);
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// The time that [`stamp`] wrote; `None` for any other text.
pub fn micros(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .try_fold(0_u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    let seconds =
        days(year, month, day) * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let micros = seconds * 1_000_000 + number(20, 26)?;
    // Written anew it must be the same, so that there is one way only to write a time.
    (bytes.len() == 27 && stamp(micros) == text).then_some(micros)
}

/// Year, month and day of a number of days since 1970 in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Days since 1970; years from 1970 and months from 1 to 12.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day;
    // The day counts from 1.
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).saturating_sub(719_469)
}

/// The last microsecond of 9999.
const LATEST: u64 = 253_402_300_799_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_267_259_123_456, "2026-11-21T13:20:59.123456Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(stamp(at), text);
            assert_eq!(micros(text), Some(at.min(LATEST)));
        }
        for text in [
            "",
            "2026-02-30T00:00:00.000000Z",
            "2026-01-01T24:00:00.000000Z",
            "2026-01-01 00:00:00.000000Z",
            "1969-12-31T23:59:59.000000Z",
            "2026-00-01T00:00:00.000000Z",
            "2026-01-01T00:00:00.000000+",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_as_it_was_written(at in 0..=LATEST) {
            prop_assert_eq!(micros(&stamp(at)), Some(at));
        }

        #[test]
        fn no_text_makes_the_reader_stumble(text in "[0-9T:.Z-]{0,30}") {
            _ = micros(&text);
        }
    }
}
