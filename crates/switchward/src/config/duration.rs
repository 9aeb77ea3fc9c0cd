//! Durations as Go writes them: the predecessor's file, its REST answers, and ours.
//!
//! [`parse`] reads what Go's `time.ParseDuration` reads, but no negative one; [`format_go`] writes what Go's
//! `Duration.String` writes; [`format_short`] is the same without the zero units at the end.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// It begins with a minus.
    #[error("negative")]
    Negative,
    /// No digits where a number must stand.
    #[error("no number before {0:?}")]
    NoNumber(String),
    /// Digits without a unit behind them.
    #[error("no unit after {0:?}")]
    NoUnit(String),
    /// A unit that Go does not know.
    #[error("unknown unit {0:?}")]
    UnknownUnit(String),
    /// More than Go's 2^63 - 1 nanoseconds, about 292 years.
    #[error("too long")]
    TooLong,
}

/// Reads a sum of decimal numbers with units (`ns`, `us` or `µs`, `ms`, `s`, `m`, `h`), such as `90s`, `1h30m`,
/// `1.5h`; a plain `0` is zero. What is less than a nanosecond is cut off.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    match rest {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let mut sum = 0u128;
    while !rest.is_empty() {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, next) = split_where(after, |c| c.is_ascii_digit() || c == '.');
        sum += nanoseconds(number, unit)?;
        if sum > MAX {
            return Err(DurationError::TooLong);
        }
        rest = next;
    }
    let (seconds, nanos) = (sum / NANOS_PER_SECOND, sum % NANOS_PER_SECOND);
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) => Ok(Duration::new(seconds, nanos)),
        _ => Err(DurationError::TooLong),
    }
}

/// Go's `Duration.String`: `1h30m0s`, `5m0s`, `1.5s`, `500ms`, `2µs`, `0s`.
pub fn format_go(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => return "0s".into(),
        1..1_000 => return format!("{nanos}ns"),
        1_000..1_000_000 => return format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..NANOS_PER_SECOND => return format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {}
    }
    let minutes = duration.as_secs() / 60;
    let seconds = decimal(nanos - u128::from(minutes) * 60 * NANOS_PER_SECOND, NANOS_PER_SECOND);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// [`format_go`] without zero units at the end: `1h`, `1h30m`, `5m`, `24h`.
pub fn format_short(duration: Duration) -> String {
    let full = format_go(duration);
    let full = match full.strip_suffix("m0s") {
        Some(front) => format!("{front}m"),
        None => full,
    };
    match full.strip_suffix("h0m") {
        Some(front) => format!("{front}h"),
        None => full,
    }
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

fn nanoseconds(number: &str, unit: &str) -> Result<u128, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        let shown = if number.is_empty() { unit } else { number };
        return Err(DurationError::NoNumber(shown.chars().take(SHOWN).collect()));
    }
    let scale = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        "" => return Err(DurationError::NoUnit(number.chars().take(SHOWN).collect())),
        other => return Err(DurationError::UnknownUnit(other.chars().take(SHOWN).collect())),
    };
    let whole = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > DIGITS => return Err(DurationError::TooLong),
        digits => digits.parse::<u128>().map_err(|_| DurationError::TooLong)?,
    };
    // Digits beyond the 18th are far below a nanosecond, even of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = fraction.parse::<u128>().unwrap_or(0) * scale / 10u128.pow(fraction.len() as u32);
    Ok(whole * scale + part)
}

/// `nanos / unit` with as many decimals as it needs.
fn decimal(nanos: u128, unit: u128) -> String {
    let (whole, part) = (nanos / unit, nanos % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{part:0digits$}").trim_end_matches('0'))
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
const MAX: u128 = i64::MAX as u128;
/// Longer numbers exceed [`MAX`] in every unit.
const DIGITS: usize = 19;
/// Characters of the text that an error quotes.
const SHOWN: usize = 20;
