//! What a table of tallies can hold: [`Strikes`], counted one by one ([`crate::window`]) or by what they are told apart by
//! ([`crate::crowd`]).

use crate::observation::Evidence;
use crate::time::Time;
use crate::window::{Stamp, TICK_MICROS, Tick};
use std::time::Duration;

/// The strikes of one key, in little memory.
pub(crate) trait Strikes: Sized {
    /// Where what does not fit into it lies.
    type Pool: Default;
    /// None.
    const EMPTY: Self;
    /// Whether strikes that are no longer kept still count for what is shown.
    const IS_TOTAL: bool;

    /// How many are kept.
    fn len(&self) -> u32;
    /// Adds one; keeps at most `keep`. `tag` says whose it is.
    fn push(&mut self, pool: &mut Self::Pool, stamp: Stamp, tag: u32, keep: u32);
    /// Takes one back.
    fn undo(&mut self, pool: &mut Self::Pool, tag: u32);
    /// Forgets those that are `span` ticks old or older.
    fn expire(&mut self, pool: &mut Self::Pool, now: Tick, span: u32);
    /// Forgets all.
    fn clear(&mut self, pool: &mut Self::Pool);
    /// When the newest was.
    fn newest(&self, pool: &Self::Pool) -> Option<Tick>;
    /// Those that are at least `patience` and less than `span` ticks old.
    fn grades(&self, pool: &Self::Pool, now: Tick, span: u32, patience: u32) -> Grades;
    /// Bytes that a pool holds.
    fn bytes(pool: &Self::Pool) -> usize;

    /// Whether any is younger than `span` ticks.
    fn is_live(&self, pool: &Self::Pool, now: Tick, span: u32) -> bool {
        self.age(pool, now) < span
    }

    /// Ticks since the newest one; when there is none more than any.
    fn age(&self, pool: &Self::Pool, now: Tick) -> u32 {
        self.newest(pool).map_or(u32::MAX, |newest| now.since(newest))
    }
}

/// How many strikes of each grade, and how long ago the first and the last of them were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grades {
    counts: [u32; 3],
    /// Ticks since the first and the last one.
    oldest: u32,
    newest: u32,
}

impl Default for Grades {
    fn default() -> Grades {
        Grades { counts: [0; 3], oldest: 0, newest: u32::MAX }
    }
}

impl Grades {
    /// With one more, if it is old enough and not too old.
    pub(crate) fn with(mut self, stamp: Stamp, now: Tick, span: u32, patience: u32) -> Grades {
        let age = now.since(stamp.tick());
        if age >= patience && age < span {
            self.counts[stamp.evidence() as usize] += 1;
            self.oldest = self.oldest.max(age);
            self.newest = self.newest.min(age);
        }
        self
    }

    /// All of them.
    pub(crate) fn count(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The strongest grade that `needed` of them have or exceed; forgeable when there are fewer.
    pub(crate) fn evidence(&self, needed: u32) -> Evidence {
        let [_, likely, proven] = self.counts;
        match needed {
            _ if proven >= needed => Evidence::Proven,
            _ if proven + likely >= needed => Evidence::Likely,
            _ => Evidence::Forgeable,
        }
    }

    /// From when to when they were, seen from `now`.
    pub(crate) fn first_and_last(&self, now: Time) -> Option<(Time, Time)> {
        let at = |age: u32| now - Duration::from_micros(u64::from(age) * TICK_MICROS);
        (self.count() > 0).then(|| (at(self.oldest), at(self.newest)))
    }
}
