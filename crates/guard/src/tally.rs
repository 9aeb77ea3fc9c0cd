//! Who struck how often: a bounded table of sliding windows, keyed by rule and subject.
//!
//! The subjects are chosen by attackers, so the table has a hard cap: when it is full the cheapest of a few entries goes (an
//! expired one, else the one with the fewest strikes, else the oldest), the hash is keyed, and every observation sweeps one
//! slot. No timers. Start with [`Tallies::strike`].

use crate::names::{NameId, Names, remember};
use crate::observation::Evidence;
use crate::source::Source;
use crate::time::Time;
use crate::window::{ChunkPool, Stamp, Tick, Window};
use ahash::RandomState;
use hashbrown::HashTable;
use std::cmp::Reverse;

/// Whom a window belongs to: a source, or one port of a source (0 when the whole source is meant).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    bits: u64,
    port: u16,
    v6: bool,
    rule: u8,
}

impl Key {
    pub(crate) fn new(rule: u8, source: Source, port: u16) -> Key {
        let (bits, v6) = source.bits();
        Key { bits, port, v6, rule }
    }

    pub(crate) fn source(self) -> Source {
        if self.v6 { Source::V6(self.bits) } else { Source::V4(std::net::Ipv4Addr::from(self.bits as u32)) }
    }

    pub(crate) fn rule(self) -> u8 {
        self.rule
    }
}

struct Entry {
    key: Key,
    window: Window,
    /// Strikes since the window was last empty; more than the window holds when a source was spared.
    total: u32,
    users: [NameId; 4],
    domains: [NameId; 2],
    agents: [NameId; 2],
    used: bool,
}

/// What an observation adds to a window.
#[derive(Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) at: Time,
    pub(crate) evidence: Evidence,
    pub(crate) user: NameId,
    pub(crate) domain: NameId,
    pub(crate) agent: NameId,
}

/// How a rule counts: its window in ticks and how many strikes are kept.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) span: u32,
    pub(crate) keep: u32,
}

/// What a window says, in a form to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Strikes within the window, or since it was last empty when that is more.
    pub count: u32,
    /// The first strike that is still counted.
    pub first: Time,
    /// The latest strike.
    pub last: Time,
    /// Accounts named, at most four.
    pub users: Vec<String>,
    /// Domains named, at most two.
    pub domains: Vec<String>,
    /// User agents, at most two.
    pub agents: Vec<String>,
}

/// The windows of one shard.
pub(crate) struct Tallies {
    entries: Vec<Entry>,
    free: Vec<u32>,
    index: HashTable<u32>,
    chunks: ChunkPool,
    hand: usize,
    capacity: usize,
    hasher: RandomState,
    evicted: u64,
}

/// What it costs to forget an entry: whether it is live, its strikes, and the newer the dearer.
type Price = (bool, u32, Reverse<u32>);

/// How many entries the search for a victim looks at.
const LOOK_AT: usize = 8;
/// The least capacity: a source's own windows must not push one another out.
const SMALLEST: usize = 8 * LOOK_AT;

impl Tallies {
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Tallies {
        Tallies {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            chunks: ChunkPool::default(),
            hand: 0,
            capacity: capacity.max(SMALLEST),
            hasher,
            evicted: 0,
        }
    }

    /// Adds a strike and tells how many are in the window now.
    pub(crate) fn strike(&mut self, key: Key, measure: Measure, strike: Strike, spans: &[u32]) -> u32 {
        let now = Tick::of(strike.at);
        let slot = match self.find(key) {
            Some(slot) => slot,
            None => self.insert(key, now, spans),
        };
        let entry = &mut self.entries[slot as usize];
        entry.window.expire(&mut self.chunks, now, measure.span);
        if entry.window.len() == 0 {
            entry.total = 0;
            entry.users = [NameId::NONE; 4];
            entry.domains = [NameId::NONE; 2];
            entry.agents = [NameId::NONE; 2];
        }
        entry.window.push(&mut self.chunks, Stamp::new(now, strike.evidence), measure.keep);
        entry.total = entry.total.saturating_add(1);
        remember(&mut entry.users, strike.user);
        remember(&mut entry.domains, strike.domain);
        remember(&mut entry.agents, strike.agent);
        entry.window.len()
    }

    fn find(&self, key: Key) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |&slot| self.entries[slot as usize].key == key).copied()
    }

    fn insert(&mut self, key: Key, now: Tick, spans: &[u32]) -> u32 {
        if self.entries.len() - self.free.len() >= self.capacity {
            self.evict(now, spans);
        }
        let entry = Entry {
            key,
            window: Window::EMPTY,
            total: 0,
            users: [NameId::NONE; 4],
            domains: [NameId::NONE; 2],
            agents: [NameId::NONE; 2],
            used: true,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index
            .insert_unique(hasher.hash_one(key), slot, |&slot| hasher.hash_one(entries[slot as usize].key));
        slot
    }

    /// Throws out the cheapest of the next few entries.
    fn evict(&mut self, now: Tick, spans: &[u32]) {
        let mut victim: Option<(u32, Price)> = None;
        let mut looked = 0;
        while looked < LOOK_AT {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &self.entries[self.hand];
            if !entry.used {
                continue;
            }
            looked += 1;
            let is_live = entry.window.is_live(&self.chunks, now, span_of(spans, entry.key));
            let price = (is_live, entry.window.len(), Reverse(entry.window.age(&self.chunks, now)));
            if victim.is_none_or(|(_, lowest)| price < lowest) {
                victim = Some((self.hand as u32, price));
            }
        }
        if let Some((slot, (live, ..))) = victim {
            self.evicted += u64::from(live);
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: u32) {
        let entry = &mut self.entries[slot as usize];
        entry.window.clear(&mut self.chunks);
        entry.used = false;
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(entry.key), |&other| other == slot) {
            found.remove();
        }
        self.free.push(slot);
    }

    /// Looks at the next `slots` entries and forgets those whose window has run out.
    pub(crate) fn sweep(&mut self, now: Tick, slots: usize, spans: &[u32]) {
        for _ in 0..slots.min(self.entries.len()) {
            self.hand = (self.hand + 1) % self.entries.len();
            let entry = &self.entries[self.hand];
            if entry.used && !entry.window.is_live(&self.chunks, now, span_of(spans, entry.key)) {
                self.remove(self.hand as u32);
            }
        }
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, key: Key) -> bool {
        self.find(key).map(|slot| self.remove(slot)).is_some()
    }

    /// The strongest grade that `needed` strikes of the key have.
    pub(crate) fn evidence(&self, key: Key, needed: u32) -> Evidence {
        self.find(key).map_or(Evidence::Forgeable, |slot| {
            self.entries[slot as usize].window.evidence(&self.chunks, needed)
        })
    }

    /// What the window of a key says at `now`; `None` when it has run out.
    pub(crate) fn record(&self, key: Key, now: Time, span: u32, names: &Names) -> Option<Record> {
        self.shown(self.find(key)?, now, span, names)
    }

    fn shown(&self, slot: u32, now: Time, span: u32, names: &Names) -> Option<Record> {
        let entry = &self.entries[slot as usize];
        if !entry.used || !entry.window.is_live(&self.chunks, Tick::of(now), span) {
            return None;
        }
        let (first, last) = entry.window.span(&self.chunks, now)?;
        let texts = |ids: &[NameId]| ids.iter().filter_map(|&id| names.name(id)).map(printable).collect();
        Some(Record {
            count: entry.total.max(entry.window.len()),
            first,
            last,
            users: texts(&entry.users),
            domains: texts(&entry.domains),
            agents: texts(&entry.agents),
        })
    }

    /// The live records of a rule that counts whole sources, from a place on and at most [`PIECE`] places far; tells where to go on.
    pub(crate) fn records(
        &self,
        rule: u8,
        now: Time,
        span: u32,
        names: &Names,
        from: usize,
        out: &mut Vec<(Source, Record)>,
    ) -> Option<usize> {
        for (slot, entry) in self.entries.iter().enumerate().skip(from).take(PIECE) {
            if entry.used && entry.key.rule == rule && entry.key.port == 0 {
                out.extend(
                    self.shown(slot as u32, now, span, names).map(|record| (entry.key.source(), record)),
                );
            }
        }
        (from + PIECE < self.entries.len()).then_some(from + PIECE)
    }

    /// Entries in use.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Live entries that had to go because the table was full.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.free.capacity() * 4
            + self.index.capacity() * 5
            + self.chunks.bytes()
    }
}

/// Places that are looked at under one lock.
const PIECE: usize = 256;

fn span_of(spans: &[u32], key: Key) -> u32 {
    spans.get(usize::from(key.rule())).copied().unwrap_or(0)
}

/// Bytes that a source chose, made fit for a log line or a screen: UTF-8, control characters written as `\u{..}`.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() || is_invisible(c) {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

/// Format characters (Unicode category Cf) and separators: they turn or hide what stands beside them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const SPANS: [u32; 1] = [60_000];
    const MEASURE: Measure = Measure { span: SPANS[0], keep: 5 };

    fn table(capacity: usize) -> Tallies {
        Tallies::new(capacity, RandomState::with_seeds(1, 2, 3, 4))
    }

    fn strike(at: u64) -> Strike {
        let none = NameId::NONE;
        Strike { at: Time::from_secs(at), evidence: Evidence::Likely, user: none, domain: none, agent: none }
    }

    fn key(n: u32) -> Key {
        Key::new(0, Source::V4(Ipv4Addr::from(n)), 0)
    }

    #[test]
    fn the_table_never_outgrows_its_cap_and_keeps_the_busiest() {
        let mut tallies = table(1000);
        for second in 0..4 {
            tallies.strike(key(7), MEASURE, strike(1000 + second), &SPANS);
        }
        for n in 100..200_000 {
            tallies.strike(key(n), MEASURE, strike(1010), &SPANS);
            assert!(tallies.len() <= 1000);
        }
        assert_eq!(tallies.strike(key(7), MEASURE, strike(1011), &SPANS), 5);
        assert!(tallies.evicted() > 100_000);
        assert!(tallies.bytes() < 400_000, "{}", tallies.bytes());
    }

    #[test]
    fn among_equals_the_oldest_goes_so_that_a_newcomer_can_reach_the_threshold() {
        let mut tallies = table(64);
        for n in 100..10_000 {
            tallies.strike(key(n), MEASURE, strike(1000 + u64::from(n) / 100), &SPANS);
        }
        // Five strikes of a newcomer, with a few others between each of them.
        let reached = (0..5).map(|round| {
            for n in 0..6 {
                tallies.strike(key(20_000 + round * 10 + n), MEASURE, strike(2000), &SPANS);
            }
            tallies.strike(key(7), MEASURE, strike(2000), &SPANS)
        });
        assert_eq!(reached.collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_sweep_forgets_what_has_run_out() {
        let mut tallies = table(1000);
        for n in 0..500 {
            tallies.strike(key(n), MEASURE, strike(1000), &SPANS);
        }
        tallies.sweep(Tick::of(Time::from_secs(1599)), 500, &SPANS);
        assert_eq!(tallies.len(), 500);
        tallies.sweep(Tick::of(Time::from_secs(1600)), 500, &SPANS);
        assert_eq!(tallies.len(), 0);
        assert_eq!(tallies.evicted(), 0);
    }

    #[test]
    fn control_characters_are_shown_and_not_sent_to_the_terminal() {
        assert_eq!(printable(b"a\x1b[31m\nb\xff"), "a\\u{1b}[31m\\u{a}b\u{fffd}");
        assert_eq!(printable("\u{202e}evil".as_bytes()), "\\u{202e}evil");
    }
}
