//! How often each peer came with wrong credentials: after a few in a minute it is not listened to for a while.
//!
//! The peers choose their addresses, so the table is bounded: when it is full, whoever has been quiet longest is forgotten. IPv6 is counted
//! by /64. The guard counts the same failures by rules of its own, and bans; this here only saves the work in between.

use guard::Source;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<Source, VecDeque<Instant>>>);

impl Attempts {
    /// How long a peer must wait before it is listened to again; `None` when it is now.
    pub(crate) fn must_wait(&self, source: Source, now: Instant) -> Option<Duration> {
        let attempts = self.0.lock();
        let times = attempts.get(&source)?;
        let counted = times.iter().filter(|at| now.duration_since(**at) < WINDOW).count();
        let first = times.get(times.len().checked_sub(MOST)?)?;
        (counted >= MOST).then(|| WINDOW.saturating_sub(now.duration_since(*first)))
    }

    /// A wrong attempt.
    pub(crate) fn count(&self, source: Source, now: Instant) {
        let mut attempts = self.0.lock();
        if attempts.len() >= PEERS && !attempts.contains_key(&source) {
            attempts.retain(|_, times| times.back().is_some_and(|at| now.duration_since(*at) < WINDOW));
            if attempts.len() >= PEERS {
                let quiet =
                    attempts.iter().min_by_key(|(_, times)| times.back().copied()).map(|(source, _)| *source);
                quiet.map(|source| attempts.remove(&source));
            }
        }
        let times = attempts.entry(source).or_default();
        if times.len() == MOST {
            times.pop_front();
        }
        times.push_back(now);
    }

    /// How many more a peer may get wrong before it must wait.
    pub(crate) fn left(&self, source: Source, now: Instant) -> usize {
        let attempts = self.0.lock();
        let times = attempts.get(&source).into_iter().flatten();
        MOST - times.filter(|at| now.duration_since(**at) < WINDOW).count().min(MOST)
    }
}

/// Wrong attempts within [`WINDOW`] after which a peer must wait.
pub(crate) const MOST: usize = 10;
/// The window.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Most peers that are remembered.
const PEERS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn source(n: u32) -> Source {
        Source::of(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn ten_in_a_minute_are_enough_and_a_minute_later_it_may_try_again() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        for n in 0..10 {
            assert_eq!(attempts.must_wait(source(1), at(n)), None);
            attempts.count(source(1), at(n));
        }
        assert_eq!(attempts.must_wait(source(1), at(10)), Some(Duration::from_secs(50)));
        assert_eq!(attempts.must_wait(source(2), at(10)), None);
        assert_eq!(attempts.must_wait(source(1), at(60)), None);
        assert_eq!((attempts.left(source(1), at(10)), attempts.left(source(1), at(62))), (0, 3));
        attempts.count(source(1), at(60));
        assert_eq!(attempts.must_wait(source(1), at(60)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_quiet_first() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for n in 0..PEERS as u32 {
            attempts.count(source(n), start + Duration::from_millis(u64::from(n)));
        }
        let later = start + Duration::from_secs(30);
        for _ in 0..MOST {
            attempts.count(source(u32::MAX), later);
        }
        assert_eq!(attempts.0.lock().len(), PEERS);
        assert!(attempts.must_wait(source(u32::MAX), later).is_some());
        assert!(!attempts.0.lock().contains_key(&source(0)));
    }
}
