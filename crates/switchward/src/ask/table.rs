//! Tables for a terminal, and times as a person says them.

use comfy_table::{ContentArrangement, Table, presets};
use guard::Time;
use guard::ban::span;

/// An empty table that fits the terminal; unlimited where there is none.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(headings.iter().copied());
    if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

/// A time of the daemon (RFC 3339); `None` for what is none.
pub(super) fn time(text: &str) -> Option<Time> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_second()).ok().map(Time::from_secs)
}

/// A time of the daemon with a blank between day and time, so that a narrow column breaks it there.
pub(super) fn utc(text: &str) -> String {
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// How long ago: "3 min 20 s ago".
pub(super) fn ago(text: &str, now: Time) -> String {
    time(text).map_or_else(|| "never".into(), |time| format!("{} ago", span(now.since(time))))
}

/// How long still: "56 min 40 s"; "for good" for what has no end.
pub(super) fn left(until: &str, is_permanent: bool, now: Time) -> String {
    match time(until) {
        Some(until) if !is_permanent => span(until.since(now)),
        _ => "for good".into(),
    }
}

/// A number with its thousands apart: "1,234,567".
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
