//! The writer's figures: [`WriterStats`] for readers, `Figures` for the thread that counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use crate::shadow::{Census, Shadow};

/// Upper bounds of the latency histogram, in microseconds; one more bucket is for all above.
pub const LATENCY_BOUNDS: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000];

/// The figures at one moment. Counters start at zero with the writer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Changes handed in.
    pub submitted: u64,
    /// Changes that the kernel has taken.
    pub applied: u64,
    /// Changes that the kernel has not taken.
    pub failed: u64,
    /// Changes that the protection has refused.
    pub refused: u64,
    /// Times that the desired list was put in again because something had failed.
    pub retried: u64,
    /// Runs of changes carried out together.
    pub batches: u64,
    /// Jobs waiting now.
    pub queue_depth: usize,
    /// The most jobs that ever waited.
    pub queue_high_water: u64,
    /// How long the oldest job waits that is not done, those in work included; zero when there is none.
    pub oldest_waits: Duration,
    /// Why something failed last.
    pub last_error: Option<String>,
    /// What was wished for and is not in the kernel, and why; `None` when all is well.
    pub degraded: Option<String>,
    /// Times that everything was put in anew.
    pub rebuilds: u64,
    /// Times that somebody else had destroyed or changed what is ours.
    pub foreign_flushes: u64,
    /// From submission to the kernel's answer, of the last ban, in microseconds.
    pub last_latency_us: u64,
    /// How many bans took how long: one count for each of [`LATENCY_BOUNDS`] and one for above.
    pub latency: [u64; LATENCY_BOUNDS.len() + 1],
    /// The sum of all these latencies in microseconds.
    pub latency_sum_us: u64,
    /// Connection tracking entries removed.
    pub conntrack_removed: u64,
    /// Elements that the kernel holds, by our count.
    pub elements: u64,
    /// The same by scope and kind of target.
    pub census: Census,
    /// Times that something failed.
    pub errors: u64,
    /// The ports that a ban of the SIP ports closes in the kernel, in order: inclusive ranges.
    pub sip_ports: Vec<(u16, u16)>,
}

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) submitted: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) rebuilds: AtomicU64,
    pub(crate) foreign: AtomicU64,
    elements: AtomicU64,
    census: Mutex<Census>,
    errors: AtomicU64,
    pub(crate) conntrack: Arc<AtomicU64>,
    high_water: AtomicU64,
    last_latency: AtomicU64,
    latency_sum: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    last_error: Mutex<Option<String>>,
    degraded: Mutex<Option<String>>,
    sip_ports: Mutex<Vec<(u16, u16)>>,
}

impl Figures {
    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Relaxed);
    }

    pub(crate) fn depth(&self, depth: usize) {
        self.high_water.fetch_max(depth as u64, Relaxed);
    }

    pub(crate) fn took(&self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.last_latency.store(microseconds, Relaxed);
        self.latency_sum.fetch_add(microseconds, Relaxed);
        self.latency[LATENCY_BOUNDS.partition_point(|bound| *bound < microseconds)].fetch_add(1, Relaxed);
    }

    pub(crate) fn holds(&self, shadow: &Shadow) {
        self.elements.store(shadow.len() as u64, Relaxed);
        *self.census.lock() = shadow.census();
    }

    pub(crate) fn closes(&self, ports: Vec<(u16, u16)>) {
        *self.sip_ports.lock() = ports;
    }

    pub(crate) fn error(&self, text: String) {
        self.errors.fetch_add(1, Relaxed);
        *self.last_error.lock() = Some(text);
    }

    pub(crate) fn degrade(&self, reason: Option<String>) {
        *self.degraded.lock() = reason;
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.degraded.lock().is_some()
    }

    pub(crate) fn snapshot(&self, queue_depth: usize, oldest_waits: Duration) -> WriterStats {
        WriterStats {
            submitted: self.submitted.load(Relaxed),
            applied: self.applied.load(Relaxed),
            failed: self.failed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            retried: self.retried.load(Relaxed),
            batches: self.batches.load(Relaxed),
            queue_depth,
            queue_high_water: self.high_water.load(Relaxed),
            oldest_waits,
            last_error: self.last_error.lock().clone(),
            degraded: self.degraded.lock().clone(),
            rebuilds: self.rebuilds.load(Relaxed),
            foreign_flushes: self.foreign.load(Relaxed),
            last_latency_us: self.last_latency.load(Relaxed),
            latency: std::array::from_fn(|index| self.latency[index].load(Relaxed)),
            latency_sum_us: self.latency_sum.load(Relaxed),
            conntrack_removed: self.conntrack.load(Relaxed),
            elements: self.elements.load(Relaxed),
            census: *self.census.lock(),
            errors: self.errors.load(Relaxed),
            sip_ports: self.sip_ports.lock().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_in_the_bucket_whose_bound_it_does_not_exceed() {
        let figures = Figures::default();
        for microseconds in [50, 51, 1_000_000, 1_000_001] {
            figures.took(Duration::from_micros(microseconds));
        }
        let stats = figures.snapshot(0, Duration::ZERO);
        assert_eq!((stats.latency[0], stats.latency[1], stats.latency[11], stats.latency[12]), (1, 1, 1, 1));
        assert_eq!((stats.last_latency_us, stats.latency_sum_us), (1_000_001, 2_000_102));
    }
}
