//! Networks that were learnt to be out of reach: gateways, trunks, the switch itself.
//!
//! What the policy trusts or protects is written by an operator; these are told by the switches, each with a label for whoever
//! asks why. Nothing that a source does bans one of them. A look costs a dozen comparisons at most, with
//! [`MOST_LEARNT`] too. Start with [`Guard::learn_reach`].

use super::Guard;
use crate::ban::{Ban, Origin};
use crate::source::{Source, Target};
use crate::time::Time;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// An address that is out of reach, and what it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Learnt {
    /// The address.
    pub ip: IpAddr,
    /// What it is, as an operator knows it: "gateway carrier1".
    pub label: Arc<str>,
}

/// The most addresses that are kept; of more the first.
pub const MOST_LEARNT: usize = 4096;

/// See the module.
#[derive(Default)]
pub(super) struct Reach {
    /// By source: of an IPv6 /64 one address is enough.
    learnt: ArcSwap<BTreeMap<Source, Vec<Learnt>>>,
}

impl Reach {
    /// What an address in this source is, if one is out of reach.
    pub(super) fn label(&self, source: Source) -> Option<Learnt> {
        self.learnt.load().get(&source)?.first().cloned()
    }

    pub(super) fn holds(&self, source: Source) -> bool {
        let learnt = self.learnt.load();
        !learnt.is_empty() && learnt.contains_key(&source)
    }

    /// An address in a target that is out of reach. For a network it looks at all of them: not for every event.
    pub(super) fn overlapping(&self, target: Target) -> Option<Learnt> {
        match target.source() {
            Some(source) => self.label(source),
            None => {
                let learnt = self.learnt.load();
                let mut all = learnt.values().flatten();
                all.find(|learnt| target.overlaps(&learnt.ip.into())).cloned()
            }
        }
    }
}

impl Guard {
    /// These addresses, and no others, are out of reach because a switch told so. Bans that stand against one of them are lifted:
    /// they are given back with what they hit.
    pub fn learn_reach(&self, all: &[Learnt], now: Time) -> Vec<(Arc<Ban>, Learnt)> {
        let mut by_source: BTreeMap<Source, Vec<Learnt>> = BTreeMap::new();
        for learnt in all.iter().take(MOST_LEARNT) {
            let of_source = by_source.entry(Source::of(learnt.ip)).or_default();
            if of_source.iter().all(|known| known.ip != learnt.ip) {
                of_source.push(learnt.clone());
            }
        }
        self.reach.learnt.store(Arc::new(by_source));
        self.lift_learnt(now)
    }

    /// Lifts the bans of addresses that are out of reach by what was learnt.
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

    /// How many sources are out of reach by what was learnt.
    pub fn learnt(&self) -> usize {
        self.reach.learnt.load().len()
    }
}

#[cfg(test)]
mod tests;
