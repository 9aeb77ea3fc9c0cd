//! When to try again: [`Backoff`]. Pure: the clock and the dice are arguments.

use std::time::{Duration, Instant};

/// Exponential back-off with jitter. The first wait is the base, each further one twice as long up to the cap, each
/// shortened at random by up to a quarter so that many clients do not come back at once. A connection that held for a
/// minute starts the waits anew; one that broke sooner does not.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    next: Duration,
    connected: Option<Instant>,
}

impl Backoff {
    /// `base` above `cap` counts as `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        let base = base.min(cap);
        Self { base, cap, next: base, connected: None }
    }

    /// A connection came about.
    pub fn connected(&mut self, now: Instant) {
        self.connected = Some(now);
    }

    /// A try failed or the connection broke: how long to wait. `dice` is from 0 to 1.
    pub fn lost(&mut self, now: Instant, dice: f64) -> Duration {
        let held = self.connected.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if held >= STABLE {
            self.reset();
        }
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.cap);
        wait.mul_f64(1.0 - JITTER * dice.clamp(0.0, 1.0))
    }

    /// Starts the waits anew.
    pub fn reset(&mut self) {
        self.next = self.base;
    }
}

const STABLE: Duration = Duration::from_secs(60);
const JITTER: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let now = Instant::now();
        let mut backoff = Backoff::new(seconds(5), seconds(60));
        let waits: Vec<_> = (0..6).map(|_| backoff.lost(now, 0.0).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn the_dice_shorten_a_wait_by_a_quarter_at_most() {
        let now = Instant::now();
        let mut backoff = Backoff::new(seconds(60), seconds(60));
        assert_eq!(backoff.lost(now, 1.0), seconds(45));
        assert_eq!(backoff.lost(now, 0.5), Duration::from_millis(52_500));
        assert_eq!(backoff.lost(now, 7.0), seconds(45));
    }

    #[test]
    fn only_a_minute_of_connection_starts_anew() {
        let start = Instant::now();
        let mut backoff = Backoff::new(seconds(5), seconds(60));
        backoff.lost(start, 0.0);
        backoff.connected(start);
        assert_eq!(backoff.lost(start + seconds(59), 0.0), seconds(10));
        backoff.connected(start);
        assert_eq!(backoff.lost(start + seconds(60), 0.0), seconds(5));
        assert_eq!(
            backoff.lost(start + seconds(600), 0.0),
            seconds(10),
            "the time between tries does not count"
        );
        backoff.reset();
        assert_eq!(backoff.lost(start, 0.0), seconds(5));
    }

    #[test]
    fn a_base_above_the_cap_is_the_cap() {
        assert_eq!(Backoff::new(seconds(100), seconds(60)).lost(Instant::now(), 0.0), seconds(60));
    }
}
