//! Dates as FreeSWITCH writes them, from microseconds since 1970: [`push_stamp`] and [`push_gmt`].
//!
//! The simulated switch lives in UTC. Nothing here reads a clock.

use std::io::Write as _;

/// Appends `2026-11-21%2004%3A18%3A18`, percent-encoded as in a plain event.
pub(crate) fn push_stamp(micros: u64, out: &mut Vec<u8>) {
    let t = Civil::from_micros(micros);
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}%20{:02}%3A{:02}%3A{:02}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    );
}

/// Appends `Sat,%2021%20Nov%202026%2004%3A18%3A18`, percent-encoded, without the zone.
pub(crate) fn push_gmt(micros: u64, out: &mut Vec<u8>) {
    let t = Civil::from_micros(micros);
    let _ = write!(
        out,
        "{},%20{:02}%20{}%20{:04}%20{:02}%3A{:02}%3A{:02}",
        t.weekday,
        t.day,
        MONTHS[t.month as usize - 1],
        t.year,
        t.hour,
        t.minute,
        t.second
    );
}

/// `2026-11-21 04:18:18`.
pub(crate) fn stamp(micros: u64) -> String {
    let t = Civil::from_micros(micros);
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second)
}

/// `0 years, 0 days, 0 hours, 17 minutes, 43 seconds, 336 milliseconds, 94 microseconds`; one of a kind is singular.
pub(crate) fn uptime(micros: u64) -> String {
    let parts = [
        (micros / 31_536_000_000_000, "year"),
        (micros / 86_400_000_000 % 365, "day"),
        (micros / 3_600_000_000 % 24, "hour"),
        (micros / 60_000_000 % 60, "minute"),
        (micros / 1_000_000 % 60, "second"),
        (micros / 1000 % 1000, "millisecond"),
        (micros % 1000, "microsecond"),
    ];
    let texts = parts.map(|(n, unit)| format!("{n} {unit}{}", if n == 1 { "" } else { "s" }));
    texts.join(", ")
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    weekday: &'static str,
}

impl Civil {
    /// Howard Hinnant's `civil_from_days`, for days after 1970.
    fn from_micros(micros: u64) -> Self {
        let seconds = micros / 1_000_000;
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            weekday: WEEKDAYS[(days % 7) as usize],
        }
    }
}

/// 1 January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_in_the_captures() {
        let mut out = Vec::new();
        push_stamp(1_795_234_698_468_106, &mut out);
        assert_eq!(out, b"2026-11-21%2004%3A18%3A18");
        out.clear();
        push_gmt(1_795_234_698_468_106, &mut out);
        assert_eq!(out, b"Sat,%2021%20Nov%202026%2004%3A18%3A18");
        assert_eq!(stamp(951_782_400_000_000), "2000-02-29 00:00:00");
    }

    #[test]
    fn an_uptime_has_singular_and_plural() {
        assert_eq!(
            uptime(99_618_877),
            "0 years, 0 days, 0 hours, 1 minute, 39 seconds, 618 milliseconds, 877 microseconds"
        );
    }
}
