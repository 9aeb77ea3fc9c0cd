//! Crowds: how many different ones struck lately, exactly, up to a threshold.
//!
//! A [`Crowd`] (a kind of [`Strikes`]) keeps for each one, known by a 32-bit keyed hash, when it struck last, at most
//! [`crate::rule::MOST_DISTINCT`] of them. The first two lie in the crowd itself; more lie in chunks of a [`CrowdPool`]. An attacker
//! cannot foresee the hash; two that share one are counted as one, never one as two.

use crate::strikes::{Grades, Strikes};
use crate::window::{Stamp, Tick};

/// One of a crowd, and when it struck last.
#[derive(Clone, Copy)]
struct One {
    tag: u32,
    stamp: Stamp,
}

const NOBODY: One = One { tag: 0, stamp: Stamp::ZERO };
const INLINE: usize = 2;
const CHUNK: usize = 7;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Chunk {
    ones: [One; CHUNK],
    next: u32,
}

/// The chunks that the crowds of one shard share.
#[derive(Default)]
pub(crate) struct CrowdPool {
    chunks: Vec<Chunk>,
    free: Vec<u32>,
}

impl CrowdPool {
    fn take(&mut self) -> u32 {
        let fresh = Chunk { ones: [NOBODY; CHUNK], next: NONE };
        if let Some(index) = self.free.pop() {
            self.chunks[index as usize] = fresh;
            return index;
        }
        self.chunks.push(fresh);
        (self.chunks.len() - 1) as u32
    }

    /// Gives back a chunk and all that hang on it.
    fn give_back(&mut self, mut index: u32) {
        while index != NONE {
            self.free.push(index);
            index = self.chunks[index as usize].next;
        }
    }
}

/// Those who struck one key, in no order.
pub(crate) struct Crowd {
    inline: [One; INLINE],
    head: u32,
    newest: Tick,
    len: u16,
}

impl Crowd {
    /// The one at a place below the length.
    fn place<'a>(&'a mut self, pool: &'a mut CrowdPool, at: usize) -> &'a mut One {
        if at < INLINE {
            return &mut self.inline[at];
        }
        let mut chunk = self.head;
        for _ in 0..(at - INLINE) / CHUNK {
            chunk = pool.chunks[chunk as usize].next;
        }
        &mut pool.chunks[chunk as usize].ones[(at - INLINE) % CHUNK]
    }

    fn iter<'a>(&'a self, pool: &'a CrowdPool) -> impl Iterator<Item = One> + 'a {
        let mut chunk = self.head;
        (0..usize::from(self.len)).map(move |at| {
            if at < INLINE {
                return self.inline[at];
            }
            let within = (at - INLINE) % CHUNK;
            let one = pool.chunks[chunk as usize].ones[within];
            if within == CHUNK - 1 {
                chunk = pool.chunks[chunk as usize].next;
            }
            one
        })
    }

    fn find(&self, pool: &CrowdPool, tag: u32) -> Option<usize> {
        self.iter(pool).position(|one| one.tag == tag)
    }

    fn add(&mut self, pool: &mut CrowdPool, one: One) {
        let at = usize::from(self.len);
        if at >= INLINE && (at - INLINE).is_multiple_of(CHUNK) {
            let fresh = pool.take();
            match at - INLINE {
                0 => self.head = fresh,
                full => {
                    let mut last = self.head;
                    for _ in 1..full / CHUNK {
                        last = pool.chunks[last as usize].next;
                    }
                    pool.chunks[last as usize].next = fresh;
                }
            }
        }
        self.len += 1;
        *self.place(pool, at) = one;
    }

    /// Takes the one at a place out; the last one takes its place.
    fn remove(&mut self, pool: &mut CrowdPool, at: usize) {
        let last = usize::from(self.len) - 1;
        let moved = *self.place(pool, last);
        *self.place(pool, at) = moved;
        self.len -= 1;
        if last >= INLINE && (last - INLINE).is_multiple_of(CHUNK) {
            // The last chunk is empty now.
            match last - INLINE {
                0 => {
                    pool.give_back(self.head);
                    self.head = NONE;
                }
                full => {
                    let mut before = self.head;
                    for _ in 1..full / CHUNK {
                        before = pool.chunks[before as usize].next;
                    }
                    let empty = std::mem::replace(&mut pool.chunks[before as usize].next, NONE);
                    pool.give_back(empty);
                }
            }
        }
    }

    fn oldest(&self, pool: &CrowdPool, now: Tick) -> Option<usize> {
        let ages = self.iter(pool).enumerate().map(|(at, one)| (now.since(one.stamp.tick()), at));
        ages.max_by_key(|(age, at)| (*age, std::cmp::Reverse(*at))).map(|(_, at)| at)
    }
}

impl Strikes for Crowd {
    type Pool = CrowdPool;

    const EMPTY: Crowd = Crowd { inline: [NOBODY; INLINE], head: NONE, newest: Tick::ZERO, len: 0 };
    const IS_TOTAL: bool = false;

    fn len(&self) -> u32 {
        u32::from(self.len)
    }

    /// Who is there already struck now, with the stronger evidence of both times; else the oldest makes room.
    fn push(&mut self, pool: &mut CrowdPool, stamp: Stamp, tag: u32, keep: u32) {
        self.newest = stamp.tick();
        if let Some(at) = self.find(pool, tag) {
            let one = self.place(pool, at);
            one.stamp = stamp.at_least(one.stamp.evidence());
            return;
        }
        while self.len() >= keep.max(1)
            && let Some(at) = self.oldest(pool, stamp.tick())
        {
            self.remove(pool, at);
        }
        self.add(pool, One { tag, stamp });
    }

    fn undo(&mut self, pool: &mut CrowdPool, tag: u32) {
        if let Some(at) = self.find(pool, tag) {
            self.remove(pool, at);
        }
    }

    fn expire(&mut self, pool: &mut CrowdPool, now: Tick, span: u32) {
        let mut at = 0;
        while at < usize::from(self.len) {
            if now.since(self.place(pool, at).stamp.tick()) < span {
                at += 1;
            } else {
                self.remove(pool, at);
            }
        }
    }

    fn clear(&mut self, pool: &mut CrowdPool) {
        pool.give_back(self.head);
        *self = Crowd::EMPTY;
    }

    fn newest(&self, _pool: &CrowdPool) -> Option<Tick> {
        (self.len > 0).then_some(self.newest)
    }

    fn grades(&self, pool: &CrowdPool, now: Tick, span: u32, patience: u32) -> Grades {
        self.iter(pool).fold(Grades::default(), |grades, one| grades.with(one.stamp, now, span, patience))
    }

    fn bytes(pool: &CrowdPool) -> usize {
        pool.chunks.capacity() * size_of::<Chunk>() + pool.free.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Evidence;
    use crate::time::Time;
    use proptest::prelude::*;

    fn tick(secs: u64) -> Tick {
        Tick::of(Time::from_secs(secs))
    }

    proptest! {
        #[test]
        fn a_crowd_agrees_with_a_plain_list(
            steps in prop::collection::vec((1u64..40, 0u32..30, 0u8..12), 1..300), keep in 1u32..40, span in 1u64..400, start in 0u64..1 << 24,
        ) {
            let (mut pool, mut crowd, mut model) = (CrowdPool::default(), Crowd::EMPTY, Vec::<(u32, u64)>::new());
            let mut now = start;
            for (pause, tag, what) in steps {
                now += pause;
                match what {
                    0 => {
                        crowd.clear(&mut pool);
                        model.clear();
                    }
                    1 => {
                        crowd.undo(&mut pool, tag);
                        model.retain(|(other, _)| *other != tag);
                    }
                    _ => {
                        crowd.push(&mut pool, Stamp::new(tick(now), Evidence::Likely), tag, keep);
                        let known = model.iter().position(|(other, _)| *other == tag);
                        if let Some(at) = known {
                            model.remove(at);
                        } else if model.len() >= keep as usize {
                            model.remove(0);
                        }
                        model.push((tag, now));
                    }
                }
                crowd.expire(&mut pool, tick(now), (span * 100) as u32);
                model.retain(|(_, at)| now - at < span);
                prop_assert_eq!(crowd.len() as usize, model.len());
                prop_assert_eq!(crowd.grades(&pool, tick(now), (span * 100) as u32, 0).count() as usize, model.len());
                let used = pool.chunks.len() - pool.free.len();
                prop_assert_eq!(used, model.len().saturating_sub(INLINE).div_ceil(CHUNK));
            }
        }
    }

    #[test]
    fn one_that_strikes_again_and_again_stays_one() {
        let (mut pool, mut crowd) = (CrowdPool::default(), Crowd::EMPTY);
        for n in 0..100 {
            crowd.push(&mut pool, Stamp::new(tick(n), Evidence::Likely), 7, 5);
        }
        assert_eq!(crowd.len(), 1);
    }
}
