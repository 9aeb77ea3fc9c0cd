//! A second look at the kernel: [`Eye`] reads what [`super::Firewall`] wrote, over a socket of its own and from another thread, so
//! that no change waits while a list is read.
//!
//! Which sets are in use only the firewall knows; it says so with each look ([`InUse`]).

use std::collections::HashMap;

use super::{Backend, Counter, Firewall, Health, Inner};
use crate::error::Error;
use crate::ipset::Ipset;
use crate::nft::{Nft, Slots};
use crate::target::{Element, Target};

/// See the module.
#[derive(Debug)]
pub(crate) enum Eye {
    Nft(Box<Nft>),
    Ipset(Box<Ipset>),
}

/// The sets in use at a moment.
#[derive(Debug)]
pub(crate) enum InUse {
    Nft(Slots),
    Ipset([bool; 4]),
}

impl Firewall {
    /// An eye on this one's sets; none on a dry run, which has nothing but what it remembers.
    pub(crate) fn eye(&self) -> Result<Option<Eye>, Error> {
        Ok(match &self.inner {
            Inner::Nft(nft, _) => Some(Eye::Nft(Box::new(nft.beside()?))),
            Inner::Ipset(ipset) => Some(Eye::Ipset(Box::new(ipset.beside()?))),
            Inner::Dry(..) => None,
        })
    }

    /// What an eye must know.
    pub(crate) fn in_use(&self) -> Option<InUse> {
        match &self.inner {
            Inner::Nft(nft, _) => Some(InUse::Nft(nft.in_use())),
            Inner::Ipset(ipset) => Some(InUse::Ipset(ipset.in_use())),
            Inner::Dry(..) => None,
        }
    }
}

impl Eye {
    /// Before each look.
    pub(crate) fn know(&mut self, in_use: InUse) {
        match (self, in_use) {
            (Eye::Nft(nft), InUse::Nft(slots)) => nft.use_these(slots),
            (Eye::Ipset(ipset), InUse::Ipset(ready)) => ipset.use_these(ready),
            // A firewall does not change its mechanism.
            (Eye::Nft(_), InUse::Ipset(_)) | (Eye::Ipset(_), InUse::Nft(_)) => {}
        }
    }

    /// As [`Firewall::elements`]. While sets change, a target that went or came meanwhile may be there or not.
    pub(crate) fn elements(&mut self) -> Result<Vec<Element>, Error> {
        let elements = match self {
            Eye::Nft(nft) => nft.elements()?,
            Eye::Ipset(ipset) => ipset.elements()?,
        };
        // One that moved to another place, or to another set, while that was read is told twice.
        let held: HashMap<Target, Element> =
            elements.into_iter().map(|element| (element.target, element)).collect();
        Ok(held.into_values().collect())
    }

    /// As [`Firewall::health`]; a problem may be none, when the firewall just changed what it sets up.
    pub(crate) fn health(&mut self) -> Result<Health, Error> {
        let (backend, problems, sets) = match self {
            Eye::Nft(nft) => (Backend::Nftables, nft.problems()?, nft.sizes()?),
            Eye::Ipset(ipset) => (Backend::Ipset, ipset.problems()?, ipset.sizes()?),
        };
        Ok(Health { backend, problems, sets })
    }

    /// As [`Firewall::counters`].
    pub(crate) fn counters(&mut self) -> Result<Vec<Counter>, Error> {
        match self {
            Eye::Nft(nft) => nft.counters(),
            Eye::Ipset(_) => Ok(Vec::new()),
        }
    }
}
