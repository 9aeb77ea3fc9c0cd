//! The clocks that the half with I/O reads: the time for the audit, the minute of the week for hours, a clock that never goes back.

use crate::hours::Moment;

/// Micros since 1970, UTC.
pub fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or(0)
}

/// Micros since some moment; never goes back.
pub(crate) fn steady() -> u64 {
    use std::sync::LazyLock;
    static START: LazyLock<tokio::time::Instant> = LazyLock::new(tokio::time::Instant::now);
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// What the clock on the wall shows here.
pub fn moment() -> Moment {
    let now = jiff::Zoned::now();
    let day = now.weekday().to_monday_zero_offset().unsigned_abs();
    Moment { day, minute: u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs()) }
}
