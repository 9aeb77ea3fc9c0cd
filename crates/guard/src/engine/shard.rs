//! One shard of the engine's state: the windows, registrations and names of the sources that fall to it.
//!
//! It counts; what follows from a count is the engine's.

use super::Limits;
use super::compiled::Compiled;
use crate::names::{LONGEST_NAME, Names};
use crate::observation::{Evidence, Observation};
use crate::policy::{Applies, Rule, Subject, number};
use crate::source::Source;
use crate::standing::Standings;
use crate::tally::{Key, Record, Strike, Tallies, printable};
use crate::time::Time;
use crate::timeline::{self, Did, Ring};
use ahash::RandomState;
use std::net::IpAddr;

pub(crate) struct Shard {
    pub(super) tallies: Tallies,
    pub(super) standings: Standings,
    pub(super) names: Names,
    /// What sources did lately.
    pub(super) timeline: Ring,
}

/// An observation whose source is known.
pub(super) struct Seen<'a> {
    pub(super) seen: &'a Observation<'a>,
    pub(super) ip: IpAddr,
    pub(super) source: Source,
    pub(super) now: Time,
}

impl Seen<'_> {
    pub(super) fn key(&self, rule: u8, subject: Subject) -> Key {
        Key::new(rule, self.source, if subject == Subject::Port { self.seen.port } else { 0 })
    }

    pub(super) fn record(&self) -> Record {
        let one = |text: &[u8]| {
            if text.is_empty() { Vec::new() } else { vec![printable(&text[..text.len().min(LONGEST_NAME)])] }
        };
        Record {
            count: 1,
            first: self.now,
            last: self.now,
            users: one(self.seen.user),
            domains: one(self.seen.domain),
            agents: one(self.seen.agent),
        }
    }
}

impl Names {
    /// An observation as a strike: its names are kept.
    pub(super) fn strike(&mut self, seen: &Seen<'_>) -> Strike {
        let Observation { evidence, user, domain, agent, .. } = *seen.seen;
        let [user, domain, agent] = [user, domain, agent].map(|name| self.intern(name));
        Strike { at: seen.now, evidence, user, domain, agent }
    }
}

impl Shard {
    /// Whether a strike comes from the port of a registered phone and is no proof: whoever got a nonce can forge it.
    pub(super) fn is_phones_name(&self, seen: &Seen<'_>, evidence: Evidence) -> bool {
        evidence < Evidence::Proven
            && self.standings.is_registered_port(seen.source, seen.seen.port, seen.now)
    }

    /// One of `shards` that share the limits.
    pub(super) fn new(limits: &Limits, shards: usize, hasher: &RandomState) -> Shard {
        Shard {
            tallies: Tallies::new(limits.windows / shards, hasher.clone()),
            standings: Standings::new(limits.registrations / shards, hasher.clone()),
            names: Names::new(NAMES, hasher.clone()),
            timeline: Ring::new(limits.timeline / shards),
        }
    }

    /// Records what a source did.
    pub(super) fn record(&mut self, seen: &Seen<'_>) {
        if let Some(did) = Did::of(&seen.seen.what) {
            self.timeline.push(timeline::Record::new(seen.seen, seen.ip, did, seen.now));
        }
    }

    /// Counts a strike under a rule; its evidence when the rule fires.
    ///
    /// A rule that is not for this source counts all the same when it is one of the four that are shown.
    pub(super) fn count(
        &mut self,
        compiled: &Compiled,
        index: usize,
        rule: &Rule,
        seen: &Seen<'_>,
        strike: Strike,
        known: bool,
    ) -> Option<Evidence> {
        let applies = match rule.applies {
            Applies::Everyone => true,
            Applies::Strangers => !known,
            Applies::Known => known && !self.is_phones_name(seen, strike.evidence),
            Applies::Phone => self.is_phones_name(seen, strike.evidence),
        };
        let shown = index <= usize::from(number::REGISTRATION_RATE);
        if (!applies && !shown) || (rule.subject == Subject::Port && seen.seen.port == 0) {
            return None;
        }
        let key = seen.key(index as u8, rule.subject);
        let measure = compiled.measure(index);
        let count = self.tallies.strike(key, measure, strike, &compiled.spans);
        if !applies || count < rule.limit.threshold {
            return None;
        }
        Some(self.tallies.evidence(key, rule.limit.threshold))
    }
}

/// Names kept in each shard.
const NAMES: usize = 4096;
