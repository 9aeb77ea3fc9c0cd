//! One name of the allow-list: what it means, how DNS is doing, when to ask again.
//!
//! [`Entry::hear`] is given an answer and the time and decides what the name means from then on; it touches nothing else. A positive
//! answer replaces the addresses. No answer keeps them for [`Pace::keep`]; "there is no such name" removes them when it was
//! heard [`Pace::confirmations`] times.

use super::lookup::{Answer, Family};
use super::{HostName, Kept, Terms};
use guard::{Target, Time};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How often names are asked, and how long what they meant is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pace {
    /// A shorter time to live counts as this; also the first wait after a failure, which doubles.
    pub shortest: Duration,
    /// A longer time to live counts as this.
    pub longest: Duration,
    /// The longest wait after a failure.
    pub longest_retry: Duration,
    /// How long addresses are kept when there is no answer.
    pub keep: Duration,
    /// How many answers in a row that there is no address remove the addresses.
    pub confirmations: u32,
    /// The longest that one look takes.
    pub most: Duration,
    /// How often the ledger is looked through.
    pub sweep: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            shortest: Duration::from_secs(30),
            longest: Duration::from_secs(24 * 3600),
            longest_retry: Duration::from_secs(300),
            keep: Duration::from_secs(24 * 3600),
            confirmations: 5,
            most: Duration::from_secs(10),
            sweep: Duration::from_secs(10),
        }
    }
}

/// A name and all that is known of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whether the configuration names it.
    pub configured: bool,
    /// On what terms it was ordered, when it was.
    pub terms: Option<Terms>,
    /// Since when it is there.
    pub added: Time,
    /// What it means, in order.
    pub addresses: Vec<IpAddr>,
    /// When DNS last told what it means.
    pub answered: Option<Time>,
    /// The time to live that it told, before it was bounded.
    pub ttl: Option<Duration>,
    /// Since when DNS has not told.
    pub failing_since: Option<Time>,
    /// Looks in a row that failed, since the start of the daemon.
    pub failures: u32,
    /// Answers in a row that there is no address.
    pub nothing: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
    /// Addresses of the last answer that were left out, and why.
    pub left_out: Vec<String>,
    /// Addresses that the ledger refuses, and why.
    pub refused: BTreeMap<Target, String>,
    /// When it is asked next.
    pub next: Instant,
    /// Whether it is being asked.
    pub asking: bool,
}

/// What an answer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The name means what it did.
    Same,
    /// It means something else.
    Changed,
    /// It means less because there was no answer for too long, or there is no such name.
    Dropped,
}

impl Entry {
    /// A new one, to be asked at once.
    pub fn new(now: Time, at: Instant) -> Entry {
        Entry {
            configured: false,
            terms: None,
            added: now,
            addresses: Vec::new(),
            answered: None,
            ttl: None,
            failing_since: None,
            failures: 0,
            nothing: 0,
            error: None,
            left_out: Vec::new(),
            refused: BTreeMap::new(),
            next: at,
            asking: false,
        }
    }

    /// One of the store, to be asked at once.
    pub fn of(kept: Kept, at: Instant) -> Entry {
        Entry {
            configured: kept.configured,
            terms: kept.terms,
            addresses: kept.addresses,
            answered: kept.answered,
            failing_since: kept.failing_since,
            ..Entry::new(kept.added, at)
        }
    }

    /// As the store keeps it.
    pub fn kept(&self, name: &HostName) -> Kept {
        Kept {
            name: name.clone(),
            configured: self.configured,
            terms: self.terms.clone(),
            added: self.added,
            addresses: self.addresses.clone(),
            answered: self.answered,
            failing_since: self.failing_since,
        }
    }

    /// Whether a look is due or under way.
    pub fn is_due(&self) -> bool {
        self.asking || self.next <= Instant::now()
    }

    /// Until when it holds; `None` is until it is removed.
    pub fn until(&self) -> Option<Time> {
        match &self.terms {
            Some(terms) if !self.configured => terms.until,
            _ => None,
        }
    }

    /// Until when its addresses are kept if there is no answer.
    pub fn kept_until(&self, pace: &Pace) -> Option<Time> {
        self.failing_since.filter(|_| !self.addresses.is_empty()).map(|since| since + pace.keep)
    }

    /// Takes in what DNS said at `now`, which is `at` on the steady clock.
    pub fn hear(&mut self, answer: Answer, now: Time, at: Instant, pace: &Pace) -> Heard {
        self.asking = false;
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = self.addresses.iter().copied().partition(IpAddr::is_ipv4);
        let has = |family: &Family| matches!(family, Family::Found(_));
        let any = has(&answer.v4) || has(&answer.v6);
        let failed = [&answer.v4, &answer.v6].into_iter().find_map(|family| match family {
            Family::Failed(reason) => Some(reason.clone()),
            _ => None,
        });
        let no_name = matches!(&answer.v4, Family::None { no_name: true });
        if any || failed.is_none() {
            self.left_out.clear();
        }
        let ttls = [&answer.v4, &answer.v6].into_iter().filter_map(|family| match family {
            Family::Found(found) => Some(found.ttl),
            _ => None,
        });
        let ttl = ttls.min();
        if any {
            (self.answered, self.ttl, self.nothing) = (Some(now), ttl, 0);
        }
        if any && failed.is_none() {
            (self.failures, self.failing_since, self.error) = (0, None, None);
        } else {
            self.failures = self.failures.saturating_add(1);
            self.failing_since.get_or_insert(now);
        }
        let mut dropped = false;
        if failed.is_none() && !any {
            self.nothing = self.nothing.saturating_add(1);
            let what = if no_name { "there is no such name" } else { "the name has no address" };
            dropped = self.nothing >= pace.confirmations;
            self.error = Some(what.into());
        }
        if let Some(reason) = &failed {
            self.error = Some(reason.clone());
        }
        // More than once, so that a clock that is set right at the start ends nothing.
        let too_long = self.failures >= pace.confirmations.min(3)
            && self.failing_since.is_some_and(|since| now.since(since) >= pace.keep);
        let mut all = self.family(v4, answer.v4, any, dropped || too_long);
        all.extend(self.family(v6, answer.v6, any, dropped || too_long));
        self.next = at + self.wait(ttl, pace);
        match all == self.addresses {
            true => Heard::Same,
            false => {
                self.addresses = all;
                if dropped || too_long { Heard::Dropped } else { Heard::Changed }
            }
        }
    }

    /// What a family means from now on.
    fn family(&mut self, before: Vec<IpAddr>, told: Family, any: bool, drop: bool) -> Vec<IpAddr> {
        match told {
            Family::Found(found) => {
                self.left_out.extend(found.left_out);
                found.addresses
            }
            // The other family was told, so this is no mishap.
            Family::None { .. } if any => Vec::new(),
            Family::None { .. } | Family::Failed(_) if drop => Vec::new(),
            Family::None { .. } | Family::Failed(_) => before,
        }
    }

    fn wait(&self, ttl: Option<Duration>, pace: &Pace) -> Duration {
        let live = ttl.unwrap_or(pace.longest).clamp(pace.shortest, pace.longest);
        match self.failures {
            0 => live,
            failures => {
                let doubled = pace.shortest.saturating_mul(1 << (failures - 1).min(16));
                live.min(doubled).min(pace.longest_retry).max(pace.shortest)
            }
        }
    }
}

#[cfg(test)]
mod tests;
