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
/// How long a port stays its phone's after the phone has left: it comes back there, and whoever knows that must not be able to fail in
/// its name meanwhile.
const COMES_BACK: Duration = Duration::from_secs(3600);
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
    /// When the last phone of a port left it.
    left: HashMap<(Source, u16), Time, RandomState>,
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
            left: HashMap::with_hasher(hasher.clone()),
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
            self.one_less(source, before.port, now);
        }
    }

    /// A binding was removed or ran out.
    pub(crate) fn unbind(&mut self, source: Source, user: &[u8], domain: &[u8], now: Time) {
        let key = (source, self.account(user, domain));
        if let Some(binding) = self.bindings.remove(&key) {
            self.one_less(source, binding.port, now.min(binding.until));
        }
    }

    /// Whether a phone is registered from exactly this port, or was a moment ago and will come back.
    pub(crate) fn is_phones_port(&self, source: Source, port: u16, now: Time) -> bool {
        let lately = |left: Time| now < left + COMES_BACK;
        self.ports.get(&(source, port)).is_some_and(|phones| lately(phones.until))
            || self.left.get(&(source, port)).is_some_and(|left| lately(*left))
    }

    fn one_less(&mut self, source: Source, port: u16, now: Time) {
        if self.sources.get_mut(&source).is_some_and(Phones::one_less) {
            self.sources.remove(&source);
        }
        if self.ports.get_mut(&(source, port)).is_some_and(Phones::one_less) {
            self.ports.remove(&(source, port));
            if self.left.len() < self.capacity {
                self.left.insert((source, port), now);
            }
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
                self.one_less(key.0, binding.port, binding.until);
            }
        }
        self.left.retain(|_, left| now < *left + COMES_BACK);
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
        assert!(standings.is_phones_port(office, 1001, at(1020)));
        standings.unbind(office, b"1001", b"d", at(1020));
        standings.unbind(office, b"1001", b"d", at(1020));
        assert!(standings.is_phones_port(office, 1000, at(1020)));
        assert_eq!(standings.phones(office, at(1020)), 1);
        standings.sweep(at(1151));
        assert_eq!(standings.phones(office, at(1151)), 0);
        assert_eq!(standings.len(), 0);
        // Its port stays its own for an hour: removed at 1020, run out at 1150.
        for (port, left) in [(1001, 1020), (1000, 1150)] {
            assert!(standings.is_phones_port(office, port, at(left + 3599)), "{port}");
            assert!(!standings.is_phones_port(office, port, at(left + 3600)), "{port}");
        }
        standings.sweep(at(4750));
        assert!(standings.left.is_empty());
    }

    #[test]
    fn a_phone_with_two_lines_keeps_its_port_until_both_are_gone() {
        let mut standings = Standings::new(100, RandomState::with_seeds(1, 2, 3, 4));
        let office = Source::of("192.0.2.1".parse().unwrap());
        for line in [b"1000", b"1001"] {
            standings.bind(office, 5060, (line, b"d"), Duration::from_secs(600), at(1000));
        }
        standings.unbind(office, b"1000", b"d", at(1010));
        assert!(standings.is_phones_port(office, 5060, at(1020)));
        // The other moves to another port.
        standings.bind(office, 5062, (b"1001", b"d"), Duration::from_secs(600), at(1030));
        assert!(standings.is_phones_port(office, 5060, at(1040)));
        assert!(!standings.is_phones_port(office, 5060, at(1030 + 3600)));
        assert!(standings.is_phones_port(office, 5062, at(1040)));
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
