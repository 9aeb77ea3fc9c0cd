//! What sources did lately: a ring of small records of fixed size, one in each shard.
//!
//! It is written under the lock that an observation takes anyway and allocates nothing after the start. A flooder displaces
//! only what is in the shards of its sources, and a banned source is recorded once a minute at most. Start with [`Moment`].

use crate::observation::{Evidence, Method, Transport, What};
use crate::source::Source;
use crate::tally::printable;
use crate::time::Time;
use std::net::{IpAddr, Ipv6Addr};

/// What a source did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Did {
    /// Its credentials were refused.
    Refused(Method),
    /// It was challenged for a call and never came back.
    Abandoned,
    /// It started a call.
    Called {
        /// Whether it proved an account.
        authenticated: bool,
    },
    /// It registered a phone.
    Registered,
    /// It took a registration back.
    Unregistered,
    /// A registration of it ran out.
    Expired,
    /// It was heard although it is banned.
    HeardWhileBanned,
    /// It was challenged, and has not answered yet.
    Challenged,
    /// It named an account that the switch does not have.
    UnknownAccount,
    /// An access list of the switch refused it.
    AclRejected,
}

/// One thing that a source did, with names made printable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// When.
    pub at: Time,
    /// What.
    pub did: Did,
    /// From which address.
    pub ip: IpAddr,
    /// From which port; 0 when unknown.
    pub port: u16,
    /// Number of the switch that saw it.
    pub switch: u16,
    /// How the request travelled.
    pub transport: Transport,
    /// How hard it is to forge.
    pub evidence: Evidence,
    /// The account; may be empty, and is cut to [`LONGEST_NAME`] bytes.
    pub user: String,
    /// Its domain; likewise.
    pub domain: String,
    /// The user agent; likewise.
    pub agent: String,
}

impl Moment {
    /// The account, as far as it is kept.
    pub(crate) fn account(&self) -> (&str, &str) {
        (&self.user, &self.domain)
    }
}

impl Did {
    /// What is recorded of an observation, if anything.
    pub(crate) fn of(what: &What<'_>) -> Option<Did> {
        Some(match what {
            What::AuthFailed(method) => Did::Refused(*method),
            What::CallAbandoned => Did::Abandoned,
            What::CallStarted { authenticated, .. } => Did::Called { authenticated: *authenticated },
            What::Registered { .. } => Did::Registered,
            What::Unregistered => Did::Unregistered,
            What::Expired => Did::Expired,
            What::Challenged => Did::Challenged,
            What::UnknownAccount => Did::UnknownAccount,
            What::AclRejected | What::ClientRefused => Did::AclRejected,
            _ => return None,
        })
    }
}

/// The records of one shard, the newest in the place of the oldest.
pub(crate) struct Ring {
    records: Vec<Record>,
    capacity: usize,
    /// Where the next one goes once the ring is full.
    next: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Record {
    at: Time,
    ip: Ipv6Addr,
    port: u16,
    switch: u16,
    did: Did,
    transport: Transport,
    evidence: Evidence,
    user: Name,
    domain: Name,
    agent: Name,
}

/// A name cut to a fixed length.
#[derive(Clone, Copy)]
struct Name {
    length: u8,
    text: [u8; LONGEST_NAME],
}

impl Name {
    fn of(text: &[u8]) -> Name {
        let mut name = Name { length: 0, text: [0; LONGEST_NAME] };
        for (place, byte) in name.text.iter_mut().zip(text) {
            *place = *byte;
        }
        name.length = text.len().min(LONGEST_NAME) as u8;
        name
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Ring {
    /// Room for `capacity` records; the memory is touched only as they come.
    pub(crate) fn new(capacity: usize) -> Ring {
        Ring { records: Vec::with_capacity(capacity), capacity, next: 0 }
    }

    pub(crate) fn push(&mut self, record: Record) {
        if self.records.len() < self.capacity {
            self.records.push(record);
        } else if let Some(place) = self.records.get_mut(self.next) {
            *place = record;
            self.next += 1;
            if self.next == self.capacity {
                self.next = 0;
            }
        }
    }

    /// Adds the records of a piece of the ring that `keep` keeps; where to go on, unless that was all.
    pub(crate) fn piece(
        &self,
        from: usize,
        keep: impl Fn(&Record) -> bool,
        found: &mut Vec<Record>,
    ) -> Option<usize> {
        let end = (from + PIECE).min(self.records.len());
        found.extend(self.records.get(from..end)?.iter().filter(|record| keep(record)));
        (end < self.records.len()).then_some(end)
    }

    /// The newest records that `keep` keeps, at most `most`, out of the newest [`GLANCE`]: a glance back that costs microseconds.
    pub(crate) fn glance(&self, most: usize, keep: impl Fn(&Record) -> bool) -> Vec<Moment> {
        let (newer, older) = self.records.split_at(self.next.min(self.records.len()));
        let back = newer.iter().rev().chain(older.iter().rev()).take(GLANCE);
        back.filter(|record| keep(record)).take(most).map(Record::shown).collect()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.records.len() * size_of::<Record>()
    }
}

impl Record {
    pub(crate) fn new(seen: &crate::observation::Observation<'_>, ip: IpAddr, did: Did, at: Time) -> Record {
        Record {
            at,
            ip: match ip {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            },
            port: seen.port,
            switch: seen.switch,
            did,
            transport: seen.transport,
            evidence: seen.evidence,
            user: Name::of(seen.user),
            domain: Name::of(seen.domain),
            agent: Name::of(seen.agent),
        }
    }

    pub(crate) fn at(&self) -> Time {
        self.at
    }

    pub(crate) fn did(&self) -> Did {
        self.did
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn source(&self) -> Source {
        Source::of(IpAddr::V6(self.ip))
    }

    /// Whether it is about this account, as far as names are kept; ASCII letters match in either case.
    pub(crate) fn is_of(&self, user: &[u8], domain: &[u8]) -> bool {
        let same = |name: &Name, text: &[u8]| {
            name.bytes().eq_ignore_ascii_case(&text[..text.len().min(LONGEST_NAME)])
        };
        same(&self.user, user) && same(&self.domain, domain)
    }

    pub(crate) fn shown(&self) -> Moment {
        let text = |name: &Name| printable(name.bytes());
        Moment {
            at: self.at,
            did: self.did,
            ip: crate::source::fold(IpAddr::V6(self.ip)),
            port: self.port,
            switch: self.switch,
            transport: self.transport,
            evidence: self.evidence,
            user: text(&self.user),
            domain: text(&self.domain),
            agent: text(&self.agent),
        }
    }
}

/// Bytes of a name that are kept; the rest is cut off.
pub const LONGEST_NAME: usize = 32;
/// Records that [`Ring::glance`] looks at.
const GLANCE: usize = 256;
/// Records that are looked at under one lock.
const PIECE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Observation;

    fn record(at: u64, user: &[u8]) -> Record {
        let seen = Observation { user, ..Observation::of(0, What::AuthFailed(Method::Register)) };
        let ip = IpAddr::from([192, 0, 2, 1]);
        Record::new(&seen, ip, Did::Refused(Method::Register), Time::from_secs(at))
    }

    #[test]
    fn the_newest_take_the_place_of_the_oldest_and_nothing_grows() {
        let mut ring = Ring::new(100);
        for at in 0..1050 {
            ring.push(record(at, b"1000"));
        }
        let mut found = Vec::new();
        assert_eq!(ring.piece(0, |_| true, &mut found), None);
        let mut times: Vec<u64> = found.iter().map(|record| record.at.secs()).collect();
        times.sort_unstable();
        assert_eq!(times, (950..1050).collect::<Vec<_>>());
        assert!(ring.bytes() <= 100 * 160, "{}", ring.bytes());
        let newest: Vec<u64> = ring
            .glance(3, |record| record.at.secs() % 2 == 0)
            .iter()
            .map(|moment| moment.at.secs())
            .collect();
        assert_eq!(newest, [1048, 1046, 1044]);
        let mut none = Ring::new(0);
        none.push(record(1, b""));
        assert_eq!(none.bytes(), 0);
    }

    #[test]
    fn names_are_cut_and_printable_and_the_address_is_what_it_was() {
        let long = [b"\x1b[31m".as_slice(), &[b'x'; 200]].concat();
        let shown = record(7, &long).shown();
        assert_eq!(shown.user.len(), "\\u{1b}".len() + LONGEST_NAME - 1);
        assert_eq!((shown.ip, shown.at), (IpAddr::from([192, 0, 2, 1]), Time::from_secs(7)));
        assert!(record(7, b"BOB").is_of(b"bob", b""));
        assert!(!record(7, b"bo").is_of(b"bob", b""));
    }
}
