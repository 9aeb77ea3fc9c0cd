//! Where operators are: addresses that proved the credential of one lately. No rule bans them, so that a wrong password in a
//! phone at home does not take the interface from whoever could mend it.
//!
//! The table is bounded, and a name has a few places at a time, so that a stolen credential shown from everywhere drives out only
//! its own. An order of an operator's that names exactly such an address is carried out: it may be the thief's. Start with
//! [`Guard::proved`].

use super::super::Guard;
use crate::source::{Source, Target, fold};
use crate::time::Time;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// An address that proved the credential of an operator or administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    /// The address; of an IPv6 /64 the last that did.
    pub ip: IpAddr,
    /// Whose credential: "user alice".
    pub name: Arc<str>,
    /// When it was first proved, without a gap longer than [`OPERATOR_FOR`].
    pub since: Time,
    /// When it was proved last, give or take a minute.
    pub last: Time,
}

/// How long after the last proof such an address is out of reach.
pub const OPERATOR_FOR: Duration = Duration::from_secs(12 * 3600);
/// The most that are kept; of more those whose last proof is latest.
pub const MOST_OPERATORS: usize = 256;
/// The most of one name.
const MOST_OF_A_NAME: usize = 16;
/// A proof that comes sooner after the last is not written down.
const NOTED_EVERY: Duration = Duration::from_secs(60);

impl Operator {
    /// Until when it is out of reach, unless it proves the credential again.
    pub fn until(&self) -> Time {
        self.last + OPERATOR_FOR
    }

    fn is_live(&self, now: Time) -> bool {
        now < self.until()
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Operators(ArcSwap<BTreeMap<Source, Operator>>);

impl Operators {
    pub(super) fn is_at(&self, source: Source, now: Time) -> bool {
        let all = self.0.load();
        !all.is_empty() && all.get(&source).is_some_and(|operator| operator.is_live(now))
    }

    fn proved(&self, ip: IpAddr, name: &str, now: Time) -> bool {
        let (ip, source) = (fold(ip), Source::of(ip));
        let is_noted = |operator: &Operator| {
            *operator.name == *name && operator.ip == ip && now.since(operator.last) < NOTED_EVERY
        };
        if self.0.load().get(&source).is_some_and(is_noted) {
            return false;
        }
        let mut is_new = false;
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.retain(|_, operator| operator.is_live(now));
            let known = all.get(&source).filter(|known| *known.name == *name);
            is_new = known.is_none();
            let since = known.map_or(now, |known| known.since);
            all.insert(source, Operator { ip, name: name.into(), since, last: now });
            let oldest = |all: &BTreeMap<Source, Operator>, of: &dyn Fn(&Operator) -> bool| {
                let others = all.iter().filter(|(at, operator)| **at != source && of(operator));
                others.min_by_key(|(_, operator)| operator.last).map(|(at, _)| *at)
            };
            if all.values().filter(|operator| *operator.name == *name).count() > MOST_OF_A_NAME
                && let Some(at) = oldest(&all, &|operator| *operator.name == *name)
            {
                all.remove(&at);
            }
            if all.len() > MOST_OPERATORS
                && let Some(at) = oldest(&all, &|_| true)
            {
                all.remove(&at);
            }
            all
        });
        is_new
    }

    fn keep(&self, keep: impl Fn(&Operator) -> bool) {
        if self.0.load().values().all(&keep) {
            return;
        }
        self.0.rcu(|all| {
            let mut all = (**all).clone();
            all.retain(|_, operator| keep(operator));
            all
        });
    }

    pub(super) fn forget(&self, source: Source) {
        self.keep(|operator| Source::of(operator.ip) != source);
    }

    fn all(&self, now: Time) -> Vec<Operator> {
        self.0.load().values().filter(|operator| operator.is_live(now)).cloned().collect()
    }

    /// One that is in a target, for which all are looked at.
    pub(super) fn within(&self, target: Target, now: Time) -> Option<Operator> {
        let all = self.0.load();
        match target.source() {
            Some(source) => all.get(&source).filter(|operator| operator.is_live(now)).cloned(),
            None => {
                let mut live = all.iter().filter(|(_, operator)| operator.is_live(now));
                live.find(|(source, _)| target.overlaps(&source.net())).map(|(_, operator)| operator.clone())
            }
        }
    }
}

impl Guard {
    /// Somebody at this address proved the credential `name` of an operator or administrator: no rule bans the address until
    /// [`OPERATOR_FOR`] later. Bans that stand stay. True when that is new of this name there.
    pub fn proved(&self, ip: IpAddr, name: &str, now: Time) -> bool {
        self.reach.operators.proved(ip, name, now)
    }

    /// Where operators are, by address.
    pub fn operators(&self, now: Time) -> Vec<Operator> {
        self.reach.operators.all(now)
    }

    /// Forgets those that are not to be kept: the credential is no longer good.
    pub fn keep_operators(&self, keep: impl Fn(&Operator) -> bool) {
        self.reach.operators.keep(keep);
    }
}
