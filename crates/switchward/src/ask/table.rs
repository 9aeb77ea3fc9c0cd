//! Tables for a terminal, and times as a person says them.

use comfy_table::{ContentArrangement, Table, presets};
use guard::Time;
use guard::ban::span;
use guard::tally::printable;

/// An empty table that fits the terminal; unlimited where there is none.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(headings.iter().copied());
    if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

/// Words that an attacker may have chosen, fit for a terminal: no control or format character is left.
pub(crate) fn shown(text: &str) -> String {
    printable(text.as_bytes())
}

/// The same for a cell of a table, cut where it gets long.
pub(crate) fn cell(text: &str) -> String {
    cut(&shown(text), LONGEST_CELL)
}

/// At most so many characters; what was cut off is told by an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A time of the daemon (RFC 3339); `None` for what is none.
pub(crate) fn time(text: &str) -> Option<Time> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_second()).ok().map(Time::from_secs)
}

/// A time of the daemon with a blank between day and time, so that a narrow column breaks it there.
pub(crate) fn utc(text: &str) -> String {
    text.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// How long ago: "3 min 20 s ago".
pub(crate) fn ago(text: &str, now: Time) -> String {
    time(text).map_or_else(|| "never".into(), |time| format!("{} ago", span(now.since(time))))
}

/// How long still: "56 min 40 s"; "for good" for what has no end.
pub(crate) fn left(until: &str, is_permanent: bool, now: Time) -> String {
    match time(until) {
        Some(until) if !is_permanent => span(until.since(now)),
        _ => "for good".into(),
    }
}

/// A number with its thousands apart: "1,234,567".
pub(crate) fn grouped(number: u64) -> String {
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

/// Characters of a cell.
const LONGEST_CELL: usize = 120;
