//! A histogram of durations that many threads write to and nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets; one more is for all above.
pub const BOUNDS: [Duration; 16] = [
    Duration::from_micros(1),
    Duration::from_nanos(2_500),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// How many took how long.
#[derive(Default, Debug)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Histogram {
    /// One more took so long.
    pub fn took(&self, time: Duration) {
        self.counts[BOUNDS.partition_point(|bound| *bound < time)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many are in each bucket, and the sum of all in seconds.
    pub fn read(&self) -> ([u64; BOUNDS.len() + 1], f64) {
        let counts = std::array::from_fn(|place| self.counts[place].load(Relaxed));
        (counts, self.nanos.load(Relaxed) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_in_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanos in [0, 1_000, 1_001, 5_000_000_000, 5_000_000_001] {
            histogram.took(Duration::from_nanos(nanos));
        }
        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 1, 1, 1));
        assert!((sum - 10.000_002_002).abs() < 1e-9, "{sum}");
        assert!(BOUNDS.is_sorted());
    }
}
