//! The one place where the daemon reads the wall clock.

use guard::Time;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// RFC 3339 in UTC with all the digits of the second that there are.
pub fn exact(time: Time) -> String {
    let micros = i64::try_from(time.micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// Notices when the wall clock is set, by a clock that nobody sets.
pub struct Steady {
    started: Instant,
    /// Wall clock less steady clock, in microseconds.
    offset: i128,
}

impl Steady {
    /// From now on.
    pub fn new() -> Steady {
        let started = Instant::now();
        Steady { started, offset: i128::from(now().micros()) }
    }

    /// Whether the wall clock was set by more than five seconds since this was last asked.
    pub fn was_set(&mut self) -> bool {
        self.has_jumped(now(), self.started.elapsed())
    }

    fn has_jumped(&mut self, wall: Time, elapsed: Duration) -> bool {
        let offset = i128::from(wall.micros()) - elapsed.as_micros() as i128;
        let jumped = (offset - self.offset).abs() > JUMP;
        // Small steps add up as drift, which is no jump.
        self.offset = offset;
        jumped
    }
}

impl Default for Steady {
    fn default() -> Steady {
        Steady::new()
    }
}

/// How much is a jump, in microseconds.
const JUMP: i128 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_drift_is_not() {
        let mut steady = Steady::new();
        let (start, mut elapsed) = (now(), Duration::ZERO);
        for _ in 0..100 {
            elapsed += Duration::from_secs(1);
            assert!(!steady.has_jumped(start + elapsed + elapsed / 50, elapsed), "two per cent too fast");
        }
        for jump in [Duration::from_secs(3600), Duration::from_secs(7200)] {
            elapsed += Duration::from_secs(1);
            assert!(steady.has_jumped(start + elapsed + jump, elapsed));
            elapsed += Duration::from_secs(1);
            assert!(!steady.has_jumped(start + elapsed + jump, elapsed));
        }
        assert!(steady.has_jumped(start - Duration::from_secs(3600), elapsed), "backwards");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(Some(Time::from_secs(1_795_234_698))), "2026-11-21T04:18:18Z");
        assert_eq!(exact(Time::from_micros(1_795_234_698_250_000)), "2026-11-21T04:18:18.25Z");
        assert!(exact(Time::from_micros(u64::MAX)).len() >= 20);
        assert_eq!(rfc3339(None), "0001-01-01T00:00:00Z");
        assert!(rfc3339(Some(Time::from_micros(u64::MAX))).len() >= 20);
    }
}
