//! Who struck how often: a bounded table of sliding windows, or of crowds, keyed by rule and subject.
//!
//! The subjects are chosen by attackers, so the table has a hard cap: when it is full the cheapest of a few entries goes (an
//! expired one, else the one with the fewest strikes, else the oldest), the hash is keyed, and every observation sweeps one
//! slot. No timers. Rules that count the same for the same subject share an entry: its track. Start with [`Tallies::strike`].

use crate::names::{NameId, Names, remember};
use crate::observation::Evidence;
use crate::source::Source;
use crate::strikes::Strikes;
use crate::time::Time;
use crate::window::{Stamp, TICK_MICROS, Tick};
use ahash::RandomState;
use hashbrown::HashTable;
use std::cmp::Reverse;

/// Whom an entry belongs to, and which track of rules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    high: u32,
    low: u32,
    port: u16,
    v6: bool,
    track: u8,
}

impl Key {
    /// A source, or one port of it (0 when the whole source is meant).
    pub(crate) fn new(track: u8, source: Source, port: u16) -> Key {
        let (bits, v6) = source.bits();
        Key { port, v6, ..Key::number(track, bits) }
    }

    /// A number: an account's hash, the upper bits of a net, an autonomous system.
    pub(crate) fn number(track: u8, bits: u64) -> Key {
        Key { high: (bits >> 32) as u32, low: bits as u32, port: 0, v6: false, track }
    }

    /// The same of IPv6.
    pub(crate) fn of_family(self, v6: bool) -> Key {
        Key { v6, ..self }
    }

    pub(crate) fn source(self) -> Source {
        let bits = u64::from(self.high) << 32 | u64::from(self.low);
        if self.v6 { Source::V6(bits) } else { Source::V4(std::net::Ipv4Addr::from(self.low)) }
    }

    pub(crate) fn track(self) -> u8 {
        self.track
    }

    /// The same for every track: chooses the shard.
    pub(crate) fn subject(self) -> Key {
        Key { track: 0, ..self }
    }
}

struct Entry<S> {
    key: Key,
    strikes: S,
    /// Strikes since it was last quiet; more than are kept when a source was spared.
    total: u32,
    /// When an alert was last told, in ticks that wrap after 497 days: strikes may go on for longer than a [`Tick`] can tell.
    /// Zero when never.
    told: u32,
    users: [NameId; 3],
    domain: [NameId; 1],
    agent: [NameId; 1],
    used: bool,
}

/// Where an entry lies, until the next strike.
#[derive(Clone, Copy)]
pub(crate) struct Slot(u32);

/// What an observation adds to an entry.
#[derive(Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) at: Time,
    pub(crate) evidence: Evidence,
    /// Whose it is, where different ones are counted.
    pub(crate) tag: u32,
    pub(crate) user: NameId,
    pub(crate) domain: NameId,
    pub(crate) agent: NameId,
}

/// How a track counts, in ticks: how long and how many strikes are kept, and after what silence the total begins anew.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) span: u32,
    pub(crate) keep: u32,
    pub(crate) quiet: u32,
    /// Whether what is kept stays when it is full, so that it can grow old enough to count.
    pub(crate) waits: bool,
}

/// What an entry says, in a form to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Strikes within the window, or since it was last quiet when that is more.
    pub count: u32,
    /// The first strike that is still counted.
    pub first: Time,
    /// The latest strike.
    pub last: Time,
    /// Accounts named, at most three.
    pub users: Vec<String>,
    /// Domains named, at most one.
    pub domains: Vec<String>,
    /// User agents, at most one.
    pub agents: Vec<String>,
}

/// The entries of one shard.
pub(crate) struct Tallies<S: Strikes> {
    entries: Vec<Entry<S>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    pool: S::Pool,
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

impl<S: Strikes> Tallies<S> {
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Tallies<S> {
        Tallies {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            pool: S::Pool::default(),
            hand: 0,
            capacity: capacity.max(SMALLEST),
            hasher,
            evicted: 0,
        }
    }

    /// Adds a strike; tells where it lies, for [`Tallies::weigh`]. `spans` are those of the tracks.
    pub(crate) fn strike(&mut self, key: Key, measure: Measure, strike: Strike, spans: &[u32]) -> Slot {
        let now = Tick::of(strike.at);
        let slot = match self.find(key) {
            Some(slot) => slot,
            None => self.insert(key, now, spans),
        };
        let entry = &mut self.entries[slot as usize];
        let quiet = entry.strikes.age(&self.pool, now) >= measure.quiet;
        entry.strikes.expire(&mut self.pool, now, measure.span);
        if quiet {
            entry.total = 0;
        }
        if entry.strikes.len() == 0 {
            entry.told = 0;
            (entry.users, entry.domain, entry.agent) = ([NameId::NONE; 3], [NameId::NONE], [NameId::NONE]);
        }
        if !measure.waits || entry.strikes.len() < measure.keep {
            entry.strikes.push(&mut self.pool, Stamp::new(now, strike.evidence), strike.tag, measure.keep);
        }
        entry.total = entry.total.saturating_add(1);
        remember(&mut entry.users, strike.user);
        remember(&mut entry.domain, strike.domain);
        remember(&mut entry.agent, strike.agent);
        Slot(slot)
    }

    /// Takes a strike of a key back.
    pub(crate) fn undo(&mut self, key: Key, tag: u32) {
        let Some(slot) = self.find(key) else { return };
        let entry = &mut self.entries[slot as usize];
        entry.strikes.undo(&mut self.pool, tag);
        entry.total = entry.total.saturating_sub(1);
        if entry.strikes.len() == 0 {
            self.remove(slot);
        }
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
            strikes: S::EMPTY,
            total: 0,
            told: 0,
            users: [NameId::NONE; 3],
            domain: [NameId::NONE],
            agent: [NameId::NONE],
            used: true,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                if self.entries.len() == self.entries.capacity() {
                    // By a quarter, not double: these tables are most of the memory that an attack takes.
                    self.entries.reserve_exact((self.entries.len() / 4).max(SMALLEST));
                }
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
            let is_live = entry.strikes.is_live(&self.pool, now, span_of(spans, entry.key));
            let price = (is_live, entry.strikes.len(), Reverse(entry.strikes.age(&self.pool, now)));
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
        entry.strikes.clear(&mut self.pool);
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
            if entry.used && !entry.strikes.is_live(&self.pool, now, span_of(spans, entry.key)) {
                self.remove(self.hand as u32);
            }
        }
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, key: Key) -> bool {
        self.find(key).map(|slot| self.remove(slot)).is_some()
    }

    /// The evidence of a rule that fires: `threshold` strikes or more within its window, each `patience` old.
    pub(crate) fn weigh(
        &self,
        (key, slot): (Key, Slot),
        now: Tick,
        threshold: u32,
        span: u32,
        patience: u32,
    ) -> Option<Evidence> {
        let Entry { key: there, strikes, .. } = &self.entries[slot.0 as usize];
        // What was struck since may have pushed it out.
        if *there != key || strikes.len() < threshold {
            return None;
        }
        let grades = strikes.grades(&self.pool, now, span, patience);
        (grades.count() >= threshold).then(|| grades.evidence(threshold))
    }

    /// How many strikes a key has within a window.
    pub(crate) fn count(&self, key: Key, now: Tick, span: u32) -> u32 {
        self.find(key)
            .map_or(0, |slot| self.entries[slot as usize].strikes.grades(&self.pool, now, span, 0).count())
    }

    /// Whether an alert about a key is due: none was told within `span`. It counts as told from now on.
    pub(crate) fn tell(&mut self, key: Key, now: Time, span: u32) -> bool {
        let Some(slot) = self.find(key) else { return false };
        let (told, now) = (&mut self.entries[slot as usize].told, (now.micros() / TICK_MICROS) as u32);
        let due = *told == 0 || now.wrapping_sub(*told) >= span;
        if due {
            *told = now.max(1);
        }
        due
    }

    /// What a key's window of `span` ticks says at `now`; `None` when it has run out.
    pub(crate) fn record(&self, key: Key, now: Time, span: u32, names: &Names) -> Option<Record> {
        self.shown(self.find(key)?, now, span, names)
    }

    fn shown(&self, slot: u32, now: Time, span: u32, names: &Names) -> Option<Record> {
        let entry = &self.entries[slot as usize];
        if !entry.used {
            return None;
        }
        let grades = entry.strikes.grades(&self.pool, Tick::of(now), span, 0);
        let (first, last) = grades.first_and_last(now)?;
        let texts = |ids: &[NameId]| ids.iter().filter_map(|&id| names.name(id)).map(printable).collect();
        Some(Record {
            count: if S::IS_TOTAL { entry.total.max(grades.count()) } else { grades.count() },
            first,
            last,
            users: texts(&entry.users),
            domains: texts(&entry.domain),
            agents: texts(&entry.agent),
        })
    }

    /// The live records of a track that counts whole sources, from a place on and at most [`PIECE`] places far; tells where to go on.
    pub(crate) fn records(
        &self,
        track: u8,
        now: Time,
        span: u32,
        names: &Names,
        from: usize,
        out: &mut Vec<(Source, Record)>,
    ) -> Option<usize> {
        for (slot, entry) in self.entries.iter().enumerate().skip(from).take(PIECE) {
            if entry.used && entry.key.track == track && entry.key.port == 0 {
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
        self.entries.capacity() * size_of::<Entry<S>>()
            + self.free.capacity() * 4
            + self.index.capacity() * 5
            + S::bytes(&self.pool)
    }
}

/// Places that are looked at under one lock.
const PIECE: usize = 256;

fn span_of(spans: &[u32], key: Key) -> u32 {
    spans.get(usize::from(key.track())).copied().unwrap_or(0)
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
    const MEASURE: Measure = Measure { span: SPANS[0], keep: 5, quiet: SPANS[0], waits: false };

    fn table(capacity: usize) -> Tallies<crate::window::Window> {
        Tallies::new(capacity, RandomState::with_seeds(1, 2, 3, 4))
    }

    fn strike(at: u64) -> Strike {
        let none = NameId::NONE;
        let evidence = Evidence::Likely;
        Strike { at: Time::from_secs(at), evidence, tag: 0, user: none, domain: none, agent: none }
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
        tallies.strike(key(7), MEASURE, strike(1011), &SPANS);
        assert_eq!(tallies.count(key(7), Tick::of(Time::from_secs(1011)), SPANS[0]), 5);
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
            tallies.strike(key(7), MEASURE, strike(2000), &SPANS);
            tallies.count(key(7), Tick::of(Time::from_secs(2000)), SPANS[0])
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
