//! What was counted at the desk since the start: orders by door and decision, and how long the allowed ones took.

use super::Door;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// See the module.
#[derive(Debug, Default)]
pub struct Counts {
    /// Orders that were carried out.
    pub allowed: AtomicU64,
    /// Orders that were refused, for whatever reason.
    pub refused: AtomicU64,
    /// Orders about which rules in shadow would have said something else.
    pub shadow: AtomicU64,
    doors: [OfDoor; Door::ALL.len()],
    /// Of each bound of [`Counts::BOUNDS`], and one for all above.
    took: [AtomicU64; Counts::BOUNDS.len() + 1],
    took_micros: AtomicU64,
}

#[derive(Debug, Default)]
struct OfDoor {
    allowed: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    /// Upper bounds of the times that are counted together.
    pub const BOUNDS: [Duration; 12] = [
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
        Duration::from_secs(10),
        Duration::from_secs(60),
    ];

    /// Allowed and refused orders of a door.
    pub fn of(&self, door: Door) -> (u64, u64) {
        let counts = &self.doors[door as usize];
        (counts.allowed.load(Relaxed), counts.refused.load(Relaxed))
    }

    /// How many orders took how long, for each of [`Counts::BOUNDS`] and all above, and the sum in seconds.
    pub fn took(&self) -> ([u64; Counts::BOUNDS.len() + 1], f64) {
        let counts = std::array::from_fn(|place| self.took[place].load(Relaxed));
        (counts, self.took_micros.load(Relaxed) as f64 / 1e6)
    }

    pub(super) fn allow(&self, door: Door) {
        self.allowed.fetch_add(1, Relaxed);
        self.doors[door as usize].allowed.fetch_add(1, Relaxed);
    }

    pub(super) fn refuse(&self, door: Door) {
        self.refused.fetch_add(1, Relaxed);
        self.doors[door as usize].refused.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self, micros: u64) {
        let took = Duration::from_micros(micros);
        self.took[Counts::BOUNDS.partition_point(|bound| *bound < took)].fetch_add(1, Relaxed);
        self.took_micros.fetch_add(micros, Relaxed);
    }
}
