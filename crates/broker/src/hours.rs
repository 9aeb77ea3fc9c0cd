//! When a role counts: days of the week and a time of day, in the local time of the machine.

use std::fmt;
use std::str::FromStr;

/// A minute of the week, as the clock on the wall shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Monday is 0.
    pub day: u8,
    /// 0 to 1439.
    pub minute: u16,
}

/// Days and hours: "Mon-Fri 08:00-18:00", "Sat,Sun", "22:00-06:00". What crosses midnight belongs to the day on which it begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    text: String,
    days: u8,
    from: u16,
    until: u16,
}

/// A text that says no hours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} says no hours; write them like \"Mon-Fri 08:00-18:00\", \"Sat,Sun\" or \"22:00-06:00\"")]
pub struct BadHours(String);

impl Hours {
    /// Whether a moment is within them.
    pub fn hold(&self, now: Moment) -> bool {
        let on = |day: u8| self.days & 1 << day != 0;
        let today = now.day.min(6);
        if self.from < self.until {
            return on(today) && (self.from..self.until).contains(&now.minute);
        }
        (on(today) && now.minute >= self.from) || (on((today + 6) % 7) && now.minute < self.until)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Hours {
    type Err = BadHours;

    fn from_str(text: &str) -> Result<Hours, BadHours> {
        let bad = || BadHours(text.to_owned());
        let (mut days, mut span) = (None, None);
        for word in text.split_whitespace() {
            match word.starts_with(|first: char| first.is_ascii_digit()) {
                true if span.is_none() => span = Some(time_span(word).ok_or_else(bad)?),
                false if days.is_none() && span.is_none() => days = Some(day_set(word).ok_or_else(bad)?),
                _ => return Err(bad()),
            }
        }
        if days.is_none() && span.is_none() {
            return Err(bad());
        }
        let (from, until) = span.unwrap_or((0, DAY));
        Ok(Hours { text: text.trim().to_owned(), days: days.unwrap_or(0x7f), from, until })
    }
}

/// Bits of the days in "Mon-Fri" or "Sat,Sun"; a range may go over Sunday.
fn day_set(text: &str) -> Option<u8> {
    let day = |word: &str| DAYS.iter().position(|name| name.eq_ignore_ascii_case(word));
    let mut set = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        loop {
            set |= 1 << at;
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Some(set)
}

fn time_span(text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        (minutes < 60 && (hours < 24 || (hours, minutes) == (24, 0))).then_some(hours * 60 + minutes)
    };
    let (from, until) = text.split_once('-')?;
    let (from, until) = (minute(from)?, minute(until)?);
    (from != until && from != DAY).then_some((from, until))
}

const DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(hours: &str, day: u8, time: (u16, u16)) -> bool {
        hours.parse::<Hours>().unwrap().hold(Moment { day, minute: time.0 * 60 + time.1 })
    }

    #[test]
    fn days_and_times_are_both_needed() {
        assert!(hold("Mon-Fri 08:00-18:00", 0, (8, 0)));
        assert!(!hold("Mon-Fri 08:00-18:00", 0, (18, 0)));
        assert!(!hold("Mon-Fri 08:00-18:00", 5, (12, 0)));
        assert!(hold("sat,SUN", 6, (23, 59)));
        assert!(hold("Fri-Mon", 0, (0, 0)) && !hold("Fri-Mon", 1, (0, 0)));
        assert!(hold("00:00-24:00", 3, (12, 0)));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        assert!(hold("Fri 22:00-06:00", 4, (23, 0)));
        assert!(hold("Fri 22:00-06:00", 5, (5, 59)));
        assert!(!hold("Fri 22:00-06:00", 4, (5, 0)));
        assert!(!hold("Fri 22:00-06:00", 5, (22, 30)));
        assert!(hold("Sun 22:00-06:00", 0, (1, 0)));
    }

    #[test]
    fn what_says_no_hours_is_refused() {
        for text in [
            "",
            "always",
            "8-18",
            "08:00",
            "25:00-26:00",
            "08:60-09:00",
            "08:00-08:00",
            "24:00-06:00",
            "Mon Tue",
            "08:00-09:00 Mon",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text:?}");
        }
    }
}
