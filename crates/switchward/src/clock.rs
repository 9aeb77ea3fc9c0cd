//! The one place where the daemon reads the wall clock.

use guard::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now. Bans and allow entries outlive the process, so their times are wall-clock times.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// RFC 3339 in UTC with seconds; "0001-01-01T00:00:00Z" for none, as the predecessor's clients know it.
pub fn rfc3339(time: Option<Time>) -> String {
    let Some(time) = time else { return "0001-01-01T00:00:00Z".into() };
    let secs = i64::try_from(time.secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(secs) {
        Ok(stamp) => stamp.to_string(),
        Err(_) => jiff::Timestamp::MAX.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(Some(Time::from_secs(1_795_234_698))), "2026-11-21T04:18:18Z");
        assert_eq!(rfc3339(None), "0001-01-01T00:00:00Z");
        assert!(rfc3339(Some(Time::from_micros(u64::MAX))).len() >= 20);
    }
}
