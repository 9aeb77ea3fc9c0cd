//! Which phones are registered from where.
//!
//! A binding is one account at one source; it lives until the phone or the switch removes it or its lifetime, plus a grace
//! for the switch's own sweep, runs out. Only a success makes one, but one stolen password makes many, so the table is bounded and a
//! lifetime is cut to a day.

use crate::source::Source;
use crate::time::Time;
use ahash::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use std::time::Duration;

/// FreeSWITCH keeps a binding for 60 s after its expiry and looks every 30 s.
const GRACE: Duration = Duration::from_secs(90);

/// The longest lifetime believed: phones renew far more often.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How often a full table is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Binding {
    until: Time,
    port: u16,
}

#[derive(Clone, Copy, Default)]
struct Phones {
    count: u32,
    until: Time,
}

impl Phones {
    fn one_more(&mut self, until: Time) {
        self.count += 1;
        self.until = self.until.max(until);
    }

    /// Whether none is left.
    fn one_less(&mut self) -> bool {
        self.count -= 1;
        self.count == 0
    }
}

/// The registrations of one shard.
pub(crate) struct Standings {
    bindings: HashMap<(Source, u64), Binding, RandomState>,
    sources: HashMap<Source, Phones, RandomState>,
    /// The same by port: one phone may have several lines.
    ports: HashMap<(Source, u16), Phones, RandomState>,
    swept: Time,
    capacity: usize,
    hasher: RandomState,
    refused: u64,
}

impl Standings {
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Standings {
        Standings {
            bindings: HashMap::with_hasher(hasher.clone()),
            sources: HashMap::with_hasher(hasher.clone()),
            ports: HashMap::with_hasher(hasher.clone()),
            swept: Time::ZERO,
            capacity: capacity.max(1),
            hasher,
            refused: 0,
        }
    }

    fn account(&self, user: &[u8], domain: &[u8]) -> u64 {
        self.hasher.hash_one((user, domain))
    }

    /// A phone was registered for `expires` from `now` on.
    pub(crate) fn bind(
        &mut self,
        source: Source,
        port: u16,
        account: (&[u8], &[u8]),
        expires: Duration,
        now: Time,
    ) {
        let key = (source, self.account(account.0, account.1));
        let until = now + expires.min(LONGEST) + GRACE;
        if self.bindings.len() >= self.capacity && !self.bindings.contains_key(&key) {
            if now.since(self.swept) >= SWEEP_EVERY {
                self.sweep(now);
            }
            if self.bindings.len() >= self.capacity {
                self.refused += 1;
                return;
            }
        }
        let before = self.bindings.insert(key, Binding { until, port });
        self.sources.entry(source).or_default().one_more(until);
        self.ports.entry((source, port)).or_default().one_more(until);
        if let Some(before) = before {
            self.one_less(source, before.port);
        }
    }

    /// A binding was removed or ran out.
    pub(crate) fn unbind(&mut self, source: Source, user: &[u8], domain: &[u8]) {
        let key = (source, self.account(user, domain));
        if let Some(binding) = self.bindings.remove(&key) {
            self.one_less(source, binding.port);
        }
    }

    /// Whether a phone is registered from exactly this port.
    pub(crate) fn is_registered_port(&self, source: Source, port: u16, now: Time) -> bool {
        self.ports.get(&(source, port)).is_some_and(|phones| phones.until > now)
    }

    fn one_less(&mut self, source: Source, port: u16) {
        if self.sources.get_mut(&source).is_some_and(Phones::one_less) {
            self.sources.remove(&source);
        }
        if self.ports.get_mut(&(source, port)).is_some_and(Phones::one_less) {
            self.ports.remove(&(source, port));
        }
    }

    /// How many phones are registered from a source.
    pub(crate) fn phones(&self, source: Source, now: Time) -> u32 {
        self.sources.get(&source).filter(|phones| phones.until > now).map_or(0, |phones| phones.count)
    }

    /// Whether a phone is registered from anywhere in a net. Looks at all of them.
    pub(crate) fn is_any_within(&self, net: &IpNet, now: Time) -> bool {
        self.sources.iter().any(|(source, phones)| phones.until > now && net.contains(&source.first()))
    }

    /// Forgets bindings that have run out.
    pub(crate) fn sweep(&mut self, now: Time) {
        self.swept = now;
        let gone: Vec<(Source, u64)> =
            self.bindings.iter().filter(|(_, binding)| binding.until <= now).map(|(key, _)| *key).collect();
        for key in gone {
            if let Some(binding) = self.bindings.remove(&key) {
                self.one_less(key.0, binding.port);
            }
        }
    }

    /// Bindings held.
    pub(crate) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Bindings not kept because the table was full.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn a_source_stands_while_any_phone_of_it_is_registered() {
        let mut standings = Standings::new(100, RandomState::with_seeds(1, 2, 3, 4));
        let office = Source::of("192.0.2.1".parse().unwrap());
        standings.bind(office, 1000, (b"1000", b"d"), Duration::from_secs(60), at(1000));
        standings.bind(office, 1001, (b"1001", b"d"), Duration::from_secs(600), at(1000));
        standings.bind(office, 1001, (b"1001", b"d"), Duration::from_secs(600), at(1010));
        assert_eq!(standings.phones(office, at(1020)), 2);
        assert!(standings.is_registered_port(office, 1001, at(1020)));
        standings.unbind(office, b"1001", b"d");
        standings.unbind(office, b"1001", b"d");
        assert!(!standings.is_registered_port(office, 1001, at(1020)));
        assert!(standings.is_registered_port(office, 1000, at(1020)));
        assert_eq!(standings.phones(office, at(1020)), 1);
        standings.sweep(at(1151));
        assert_eq!(standings.phones(office, at(1151)), 0);
        assert_eq!(standings.len(), 0);
    }

    #[test]
    fn a_phone_with_two_lines_keeps_its_port_until_both_are_gone() {
        let mut standings = Standings::new(100, RandomState::with_seeds(1, 2, 3, 4));
        let office = Source::of("192.0.2.1".parse().unwrap());
        for line in [b"1000", b"1001"] {
            standings.bind(office, 5060, (line, b"d"), Duration::from_secs(600), at(1000));
        }
        standings.unbind(office, b"1000", b"d");
        assert!(standings.is_registered_port(office, 5060, at(1020)));
        // The other moves to another port.
        standings.bind(office, 5062, (b"1001", b"d"), Duration::from_secs(600), at(1030));
        assert!(!standings.is_registered_port(office, 5060, at(1040)));
        assert!(standings.is_registered_port(office, 5062, at(1040)));
        assert_eq!(standings.phones(office, at(1040)), 1);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut standings = Standings::new(10, RandomState::with_seeds(1, 2, 3, 4));
        for n in 0..50u32 {
            standings.bind(Source::V4(n.into()), 1000, (b"1000", b"d"), Duration::from_secs(60), at(1000));
        }
        assert_eq!((standings.len(), standings.refused()), (10, 40));
        standings.bind(Source::V4(99.into()), 1000, (b"1000", b"d"), Duration::from_secs(60), at(2000));
        assert_eq!(standings.len(), 1);
    }
}
