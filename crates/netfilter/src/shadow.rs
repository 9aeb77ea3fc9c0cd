//! What we believe the kernel holds: [`Shadow`]. A belief only: the kernel is asked where it matters.
//!
//! It answers three questions without listing a set: how many elements there should be (somebody else's flush of an
//! ipset shows in the count), which of them a newly protected network frees, and how many are in force.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::target::{Element, Scope, Target};

/// Elements by target, and by when they end.
#[derive(Debug)]
pub(crate) struct Shadow {
    start: Instant,
    held: HashMap<Target, (Scope, Option<u64>)>,
    ends: BTreeSet<(u64, Target)>,
    /// How many of them are IPv4, IPv6, IPv4 with a port, IPv6 with a port.
    counts: [usize; 4],
    census: Census,
}

/// How many elements: of the scopes `Sip` and `All`, each for hosts, ports and networks.
pub type Census = [[u64; 3]; 2];

impl Shadow {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            held: HashMap::new(),
            ends: BTreeSet::new(),
            counts: [0; 4],
            census: Census::default(),
        }
    }

    /// The kernel has taken this element.
    pub(crate) fn add(&mut self, target: Target, scope: Scope, timeout: Option<Duration>) {
        // Rounded down by more than a second: what is still counted here is still in the kernel.
        let end = timeout.map(|timeout| (self.start.elapsed() + timeout).as_secs().saturating_sub(1));
        match self.held.insert(target, (scope, end)) {
            Some((scope, old)) => {
                *self.census_of(scope, target) -= 1;
                if let Some(old) = old {
                    self.ends.remove(&(old, target));
                }
            }
            None => self.counts[class(target)] += 1,
        }
        *self.census_of(scope, target) += 1;
        if let Some(end) = end {
            self.ends.insert((end, target));
        }
    }

    /// The kernel no longer holds it.
    pub(crate) fn remove(&mut self, target: Target) {
        if let Some((scope, end)) = self.held.remove(&target) {
            self.counts[class(target)] -= 1;
            *self.census_of(scope, target) -= 1;
            if let Some(end) = end {
                self.ends.remove(&(end, target));
            }
        }
    }

    /// Starts anew from what the kernel said.
    pub(crate) fn reset(&mut self, elements: &[Element]) {
        self.held.clear();
        self.ends.clear();
        self.counts = [0; 4];
        self.census = Census::default();
        for element in elements {
            self.add(element.target.normal(), element.scope, element.timeout);
        }
    }

    /// Drops what has run out.
    pub(crate) fn expire(&mut self) {
        let now = self.start.elapsed().as_secs();
        while let Some((end, target)) = self.ends.first().copied() {
            if end > now {
                break;
            }
            self.remove(target);
        }
    }

    /// The targets in force.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.held.keys().copied()
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// How many of each scope and kind.
    pub(crate) fn census(&self) -> Census {
        self.census
    }

    fn census_of(&mut self, scope: Scope, target: Target) -> &mut u64 {
        let kind = match target {
            Target::Host(_) => 0,
            Target::HostPort(..) => 1,
            Target::Net(_) => 2,
        };
        &mut self.census[usize::from(scope == Scope::All)][kind]
    }

    /// How many of each class.
    pub(crate) fn counts(&self) -> [usize; 4] {
        self.counts
    }
}

/// 0 for IPv4 and 1 for IPv6, and 2 more for one with a port: the order of the ipsets.
pub(crate) fn class(target: Target) -> usize {
    let port = usize::from(matches!(target, Target::HostPort(..)));
    port * 2 + usize::from(target.network().network().is_ipv6())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refreshed_element_ends_at_its_new_time_only() {
        let mut shadow = Shadow::new();
        let target = Target::host([192, 0, 2, 1].into());
        shadow.add(target, Scope::All, Some(Duration::ZERO));
        shadow.add(target, Scope::Sip, Some(Duration::from_secs(100)));
        shadow.expire();
        assert_eq!(shadow.len(), 1);
        shadow.add(target, Scope::All, None);
        assert!(shadow.ends.is_empty());
        assert_eq!((shadow.counts(), shadow.census()), ([1, 0, 0, 0], [[0; 3], [1, 0, 0]]));
        shadow.add(Target::host_port(std::net::Ipv6Addr::LOCALHOST.into(), 1), Scope::All, None);
        assert_eq!(shadow.counts(), [1, 0, 0, 1]);
        shadow.remove(Target::host_port(std::net::Ipv6Addr::LOCALHOST.into(), 1));
        shadow.remove(target);
        assert_eq!((shadow.len(), shadow.targets().count()), (0, 0));
        shadow.add(target, Scope::All, Some(Duration::ZERO));
        shadow.expire();
        assert_eq!((shadow.len(), shadow.counts(), shadow.census()), (0, [0; 4], [[0; 3]; 2]));
    }
}
