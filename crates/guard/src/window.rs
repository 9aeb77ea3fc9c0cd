//! Sliding windows: the exact times of the last few strikes, in little memory.
//!
//! A [`Window`] (a kind of [`Strikes`]) keeps at most as many strikes as its rule's threshold, so its size never depends on what an attacker
//! does. The first five lie in the window itself; more lie in chunks of a [`ChunkPool`] that all windows of a shard
//! share. A strike is a [`Stamp`]: the time in steps of 10 ms and the evidence, in four bytes. Ages compare right as long as
//! windows are swept at least every 60 days, which the tally's sweep does.

use crate::observation::Evidence;
use crate::rule::LONGEST_WINDOW_DAYS;
use crate::strikes::{Grades, Strikes};
use crate::time::Time;
use std::time::Duration;

/// A strike: 30 bits of time in steps of 10 ms (wrapping after 124 days), 2 bits of evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp(u32);

/// Time in steps of 10 ms, wrapping at 2^30.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tick(u32);

/// Length of a tick in microseconds.
pub(crate) const TICK_MICROS: u64 = 10_000;
const TICK_MASK: u32 = (1 << 30) - 1;
/// Longest window that wrapping time can hold: 60 days.
pub(crate) const LONGEST: Duration = Duration::from_secs(LONGEST_WINDOW_DAYS * 24 * 3600);

impl Tick {
    /// For places that nothing is in.
    pub(crate) const ZERO: Tick = Tick(0);

    pub(crate) fn of(time: Time) -> Tick {
        Tick((time.micros() / TICK_MICROS) as u32 & TICK_MASK)
    }

    /// Ticks from `earlier` to here; a stamp that seems to lie in the future (a clock set back) has age zero.
    pub(crate) fn since(self, earlier: Tick) -> u32 {
        let age = self.0.wrapping_sub(earlier.0) & TICK_MASK;
        if age > TICK_MASK / 2 { 0 } else { age }
    }
}

/// The length of a window in ticks.
pub(crate) fn ticks(span: Duration) -> u32 {
    (span.min(LONGEST).as_micros() as u64).div_ceil(TICK_MICROS) as u32
}

impl Stamp {
    /// For places that nothing is in.
    pub(crate) const ZERO: Stamp = Stamp(0);

    /// The same time, with evidence that is at least so strong.
    pub(crate) fn at_least(self, evidence: Evidence) -> Stamp {
        Stamp::new(self.tick(), self.evidence().max(evidence))
    }

    pub(crate) fn new(tick: Tick, evidence: Evidence) -> Stamp {
        let grade = match evidence {
            Evidence::Forgeable => 0,
            Evidence::Likely => 1,
            Evidence::Proven => 2,
        };
        Stamp(tick.0 | grade << 30)
    }

    pub(crate) fn tick(self) -> Tick {
        Tick(self.0 & TICK_MASK)
    }

    pub(crate) fn evidence(self) -> Evidence {
        match self.0 >> 30 {
            0 => Evidence::Forgeable,
            1 => Evidence::Likely,
            _ => Evidence::Proven,
        }
    }
}

const INLINE: usize = 5;
const CHUNK: usize = 15;
const NONE: u32 = u32::MAX;

#[derive(Clone)]
struct Chunk {
    stamps: [Stamp; CHUNK],
    next: u32,
}

/// The chunks that the windows of one shard share.
#[derive(Default)]
pub(crate) struct ChunkPool {
    chunks: Vec<Chunk>,
    free: Vec<u32>,
}

impl ChunkPool {
    fn take(&mut self) -> u32 {
        if let Some(index) = self.free.pop() {
            self.chunks[index as usize].next = NONE;
            return index;
        }
        self.chunks.push(Chunk { stamps: [Stamp(0); CHUNK], next: NONE });
        (self.chunks.len() - 1) as u32
    }

    fn give_back(&mut self, index: u32) {
        self.free.push(index);
    }

    /// Chunks in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.chunks.len() - self.free.len()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.free.capacity() * size_of::<u32>()
    }
}

/// The strikes of one key, oldest first.
///
/// A window that is dropped without [`Strikes::clear`] leaks its chunks into the pool, so the tally clears before it
/// forgets a key.
#[derive(Clone)]
pub(crate) struct Window {
    inline: [Stamp; INLINE],
    head: u32,
    tail: u32,
    len: u16,
    /// Where the oldest strike lies in the head chunk.
    start: u8,
    /// One past where the newest lies in the tail chunk.
    end: u8,
}

impl Window {
    /// Moves the inline strikes into a first chunk.
    fn spill(&mut self, pool: &mut ChunkPool) {
        let index = pool.take();
        pool.chunks[index as usize].stamps[..INLINE].copy_from_slice(&self.inline);
        (self.head, self.tail, self.start, self.end) = (index, index, 0, INLINE as u8);
    }

    fn pop(&mut self, pool: &mut ChunkPool) {
        if self.len == 0 {
            return;
        }
        self.len -= 1;
        if self.head == NONE {
            self.inline.copy_within(1.., 0);
            return;
        }
        self.start += 1;
        if self.len == 0 {
            self.clear(pool);
        } else if self.start as usize == CHUNK {
            let next = pool.chunks[self.head as usize].next;
            pool.give_back(self.head);
            (self.head, self.start) = (next, 0);
        }
    }

    fn first(&self, pool: &ChunkPool) -> Option<Stamp> {
        self.iter(pool).next()
    }

    fn iter<'a>(&'a self, pool: &'a ChunkPool) -> impl Iterator<Item = Stamp> + 'a {
        let (mut chunk, mut at, mut left) =
            (self.head, if self.head == NONE { 0 } else { self.start as usize }, self.len);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            left -= 1;
            if chunk == NONE {
                at += 1;
                return Some(self.inline[at - 1]);
            }
            if at == CHUNK {
                chunk = pool.chunks[chunk as usize].next;
                at = 0;
            }
            at += 1;
            Some(pool.chunks[chunk as usize].stamps[at - 1])
        })
    }
}

impl Strikes for Window {
    type Pool = ChunkPool;

    const EMPTY: Window =
        Window { inline: [Stamp(0); INLINE], head: NONE, tail: NONE, len: 0, start: 0, end: 0 };
    const IS_TOTAL: bool = true;

    fn len(&self) -> u32 {
        u32::from(self.len)
    }

    fn push(&mut self, pool: &mut ChunkPool, stamp: Stamp, _tag: u32, keep: u32) {
        while u32::from(self.len) >= keep.clamp(1, u32::from(u16::MAX)) {
            self.pop(pool);
        }
        if self.head == NONE {
            if (self.len as usize) < INLINE {
                self.inline[self.len as usize] = stamp;
                self.len += 1;
                return;
            }
            self.spill(pool);
        }
        if self.end as usize == CHUNK {
            let next = pool.take();
            pool.chunks[self.tail as usize].next = next;
            self.tail = next;
            self.end = 0;
        }
        pool.chunks[self.tail as usize].stamps[self.end as usize] = stamp;
        self.end += 1;
        self.len += 1;
    }

    /// One strike less: the oldest.
    fn undo(&mut self, pool: &mut ChunkPool, _tag: u32) {
        self.pop(pool);
    }

    fn expire(&mut self, pool: &mut ChunkPool, now: Tick, span: u32) {
        while let Some(oldest) = self.first(pool) {
            if now.since(oldest.tick()) < span {
                break;
            }
            self.pop(pool);
        }
    }

    fn clear(&mut self, pool: &mut ChunkPool) {
        let mut index = self.head;
        while index != NONE {
            let next = pool.chunks[index as usize].next;
            pool.give_back(index);
            index = next;
        }
        *self = Window::EMPTY;
    }

    fn newest(&self, pool: &ChunkPool) -> Option<Tick> {
        match (self.len, self.head) {
            (0, _) => None,
            (len, NONE) => Some(self.inline[len as usize - 1].tick()),
            _ => Some(pool.chunks[self.tail as usize].stamps[self.end as usize - 1].tick()),
        }
    }

    fn grades(&self, pool: &ChunkPool, now: Tick, span: u32, patience: u32) -> Grades {
        self.iter(pool).fold(Grades::default(), |grades, stamp| grades.with(stamp, now, span, patience))
    }

    fn bytes(pool: &ChunkPool) -> usize {
        pool.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn stamp(at: u64, grade: u8) -> Stamp {
        let evidence = [Evidence::Forgeable, Evidence::Likely, Evidence::Proven][grade as usize % 3];
        Stamp::new(Tick::of(Time::from_micros(at * TICK_MICROS)), evidence)
    }

    proptest! {
        #[test]
        fn a_window_agrees_with_a_plain_queue(
            steps in prop::collection::vec((0u64..400, 0u8..3, 0u8..10), 1..300), keep in 1u32..60, span in 1u32..2000, start in 0u64..1 << 31,
        ) {
            let (mut pool, mut window, mut model) = (ChunkPool::default(), Window::EMPTY, VecDeque::new());
            let mut now = start;
            for (pause, grade, what) in steps {
                now += pause;
                if what == 0 {
                    window.clear(&mut pool);
                    model.clear();
                    prop_assert_eq!(pool.used(), 0);
                } else {
                    window.push(&mut pool, stamp(now, grade), 0, keep);
                    model.push_back((now, grade));
                    while model.len() > keep as usize { model.pop_front(); }
                }
                window.expire(&mut pool, Tick::of(Time::from_micros(now * TICK_MICROS)), span);
                model.retain(|(at, _)| now - at < u64::from(span));
                prop_assert_eq!(window.len() as usize, model.len());
                let wanted: Vec<Stamp> = model.iter().map(|(at, grade)| stamp(*at, *grade)).collect();
                prop_assert_eq!(window.iter(&pool).collect::<Vec<_>>(), wanted);
                let time = Time::from_micros(now * TICK_MICROS);
                let grades = window.grades(&pool, Tick::of(time), span, 0);
                prop_assert_eq!(grades.count() as usize, model.len());
                prop_assert_eq!(
                    grades.first_and_last(time),
                    model.front().zip(model.back()).map(|(a, b)| (Time::from_micros(a.0 * TICK_MICROS), Time::from_micros(b.0 * TICK_MICROS)))
                );
            }
        }
    }

    #[test]
    fn evidence_is_the_strongest_grade_that_enough_strikes_have() {
        let (mut pool, mut window) = (ChunkPool::default(), Window::EMPTY);
        for grade in [0, 1, 1, 2, 2] {
            window.push(&mut pool, stamp(10, grade), 0, 5);
        }
        let grades = window.grades(&pool, Tick::of(Time::from_micros(11 * TICK_MICROS)), 100, 0);
        assert_eq!(grades.evidence(2), Evidence::Proven);
        assert_eq!(grades.evidence(4), Evidence::Likely);
        assert_eq!(grades.evidence(5), Evidence::Forgeable);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_strike_ancient() {
        let (mut pool, mut window) = (ChunkPool::default(), Window::EMPTY);
        window.push(&mut pool, stamp(1_000_000, 1), 0, 5);
        window.expire(&mut pool, Tick::of(Time::from_micros(900_000 * TICK_MICROS)), 60_000);
        assert_eq!(window.len(), 1);
    }
}
