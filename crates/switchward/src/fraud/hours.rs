//! Office hours as the configuration writes them: "mon-fri 07:00-19:00", "sat 9:00-13:00", "daily 20:00-04:00".

use guard::fraud::Hours;
use jiff::tz::TimeZone;
use std::ops::RangeInclusive;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The days (Monday is 0) and the minutes after midnight that a text means; a last day before the first goes over the week's end.
pub(crate) fn parse(text: &str) -> Option<(Vec<usize>, (u16, u16))> {
    let (days, times) = text.trim().split_once(' ')?;
    let (from, until) = times.trim().split_once('-')?;
    let (from, until) = (minute(from)?, minute(until)?);
    (from != until && from < 1440).then_some((self::days(days)?, (from, until)))
}

fn days(text: &str) -> Option<Vec<usize>> {
    let day = |text: &str| DAYS.iter().position(|day| text.eq_ignore_ascii_case(day));
    if text.eq_ignore_ascii_case("daily") {
        return Some((0..7).collect());
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let range: RangeInclusive<usize> = first..=(if last < first { last + 7 } else { last });
    Some(range.map(|day| day % 7).collect())
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let is_number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= 1440).then_some(minutes)
}

/// Whether there is such a time zone; an empty text is the machine's own.
pub(crate) fn is_zone(text: &str) -> bool {
    text.is_empty() || TimeZone::get(text).is_ok()
}

/// The hours that a list means in a time zone as it is now; none when the list is empty.
pub(super) fn hours(list: &[String], zone: &str) -> Option<Hours> {
    let mut days = [(0, 0); 7];
    let parsed: Vec<_> = list.iter().filter_map(|text| parse(text)).collect();
    if parsed.is_empty() {
        return None;
    }
    for (which, times) in parsed {
        which.into_iter().for_each(|day| days[day] = times);
    }
    let zone =
        if zone.is_empty() { TimeZone::system() } else { TimeZone::get(zone).unwrap_or(TimeZone::UTC) };
    Some(Hours { days, offset: zone.to_offset(jiff::Timestamp::now()).seconds() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_people_write_them() {
        assert_eq!(parse("mon-fri 07:00-19:00"), Some((vec![0, 1, 2, 3, 4], (420, 1140))));
        assert_eq!(parse("Sat 9:00 - 13:30"), Some((vec![5], (540, 810))));
        assert_eq!(parse("fri-mon 20:00-04:00"), Some((vec![4, 5, 6, 0], (1200, 240))));
        assert_eq!(parse("daily 00:00-24:00"), Some(((0..7).collect(), (0, 1440))));
        for wrong in [
            "",
            "mon",
            "mon 7-19",
            "mon 07:00-07:00",
            "mon 24:00-25:00",
            "mo 07:00-19:00",
            "mon 07:60-08:00",
            "mon 7:0-8:00",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let list = ["mon-fri 08:00-18:00".to_owned(), "fri 08:00-16:00".into()];
        let hours = hours(&list, "UTC").unwrap();
        assert_eq!(
            (hours.days[3], hours.days[4], hours.days[5], hours.offset),
            ((480, 1080), (480, 960), (0, 0), 0)
        );
        assert_eq!(super::hours(&[], ""), None);
    }
}
