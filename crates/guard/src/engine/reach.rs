//! Networks that were learnt to be out of reach: gateways, trunks, the switch itself, and for some hours where operators are.
//!
//! What the policy trusts or protects is written by an operator; these are told by the switches, each with a label for whoever
//! asks why. Nothing that a source does bans one of them. A look costs a dozen comparisons at most, with
//! [`MOST_LEARNT`] too. `operators` has those who proved a credential. Start with [`Guard::learn_reach`].

mod operators;

use super::Guard;
use crate::ban::{Ban, Origin};
use crate::source::{Source, Target};
use crate::time::Time;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use operators::Operators;
pub use operators::{MOST_OPERATORS, OPERATOR_FOR, Operator};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// An address or a network that is out of reach, and what it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Learnt {
    /// The address, as a network of one, or the network.
    pub net: IpNet,
    /// What it is, as an operator knows it: "gateway carrier1".
    pub label: Arc<str>,
}

impl Learnt {
    /// One address.
    pub fn address(ip: IpAddr, label: Arc<str>) -> Learnt {
        Learnt { net: ip.into(), label }
    }

    /// The address without a length, or the network.
    pub fn place(&self) -> Place {
        Place(self.net)
    }
}

/// Writes a network of one address as that address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(IpNet);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

/// The most addresses and networks that are kept; of more the first.
pub const MOST_LEARNT: usize = 4096;

/// See the module.
#[derive(Default)]
pub(super) struct Reach {
    learnt: ArcSwap<Table>,
    operators: Operators,
}

/// What the switches told.
#[derive(Default)]
struct Table {
    /// What is one source; of an IPv6 /64 one address is enough.
    sources: BTreeMap<Source, Vec<Learnt>>,
    /// Wider networks by their first and last source, in order, none within another.
    wide: Vec<(Source, Source, Learnt)>,
}

impl Table {
    fn of(all: &[Learnt]) -> Table {
        let mut table = Table::default();
        for learnt in all.iter().take(MOST_LEARNT) {
            let (first, last) = (Source::of(learnt.net.network()), Source::of(learnt.net.broadcast()));
            if first != last {
                table.wide.push((first, last, learnt.clone()));
                continue;
            }
            let of_source = table.sources.entry(first).or_default();
            if of_source.iter().all(|known| known.net != learnt.net) {
                of_source.push(learnt.clone());
            }
        }
        // Networks lie within one another or apart, so the wider one that begins with or before another holds it.
        table.wide.sort_by(|(one, one_last, _), (other, other_last, _)| {
            one.cmp(other).then(other_last.cmp(one_last))
        });
        let mut end: Option<Source> = None;
        table.wide.retain(|(_, last, _)| {
            let is_within = end.is_some_and(|end| *last <= end);
            if !is_within {
                end = Some(*last);
            }
            !is_within
        });
        table
    }

    fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.wide.is_empty()
    }

    fn find(&self, source: Source) -> Option<&Learnt> {
        if let Some(learnt) = self.sources.get(&source) {
            return learnt.first();
        }
        let after = self.wide.partition_point(|(first, ..)| *first <= source);
        let (_, last, learnt) = self.wide.get(after.checked_sub(1)?)?;
        (source <= *last).then_some(learnt)
    }

    fn all(&self) -> impl Iterator<Item = &Learnt> {
        self.sources.values().flatten().chain(self.wide.iter().map(|(.., learnt)| learnt))
    }
}

impl Reach {
    /// What an address in this source is, if one was learnt to be out of reach.
    pub(super) fn label(&self, source: Source) -> Option<Learnt> {
        self.learnt.load().find(source).cloned()
    }

    /// Whether it was learnt from a switch.
    pub(super) fn is_learnt(&self, source: Source) -> bool {
        let learnt = self.learnt.load();
        !learnt.is_empty() && learnt.find(source).is_some()
    }

    /// Whether no rule may ban it: learnt from a switch, or an operator is there.
    pub(super) fn holds(&self, source: Source, now: Time) -> bool {
        self.is_learnt(source) || self.operators.is_at(source, now)
    }

    /// An operator who is in a target. For a network it looks at all of them.
    pub(super) fn operator_in(&self, target: Target, now: Time) -> Option<Operator> {
        self.operators.within(target, now)
    }

    /// An operator's order has banned this very source: it may be a thief's, and is spared no longer.
    pub(super) fn disown(&self, source: Source) {
        self.operators.forget(source);
    }

    /// Something in a target that was learnt to be out of reach. For a network it looks at all of them: not for every event.
    pub(super) fn overlapping(&self, target: Target) -> Option<Learnt> {
        match target.source() {
            Some(source) => self.label(source),
            None => self.learnt.load().all().find(|learnt| target.overlaps(&learnt.net)).cloned(),
        }
    }
}

impl Guard {
    /// These addresses and networks, and no others, are out of reach because a switch told so. Bans that stand against one of them
    /// are lifted: they are given back with what they hit.
    pub fn learn_reach(&self, all: &[Learnt], now: Time) -> Vec<(Arc<Ban>, Learnt)> {
        self.reach.learnt.store(Arc::new(Table::of(all)));
        self.lift_learnt(now)
    }

    /// Lifts the bans of what is out of reach by what was learnt.
    pub fn lift_learnt(&self, now: Time) -> Vec<(Arc<Ban>, Learnt)> {
        if self.reach.learnt.load().is_empty() {
            return Vec::new();
        }
        let bans = self.ledger.bans(now).into_iter();
        let wrong = bans.filter_map(|ban| Some((ban.target, self.reach.overlapping(ban.target)?)));
        let lifted = wrong.filter_map(|(target, learnt)| {
            let by = Origin::Operator(learnt.label.to_string());
            Some((self.ledger.lift(target, by, now)?, learnt))
        });
        lifted.collect()
    }

    /// How many sources and wider networks are out of reach by what was learnt.
    pub fn learnt(&self) -> usize {
        let learnt = self.reach.learnt.load();
        learnt.sources.len() + learnt.wide.len()
    }
}

#[cfg(test)]
mod tests;
