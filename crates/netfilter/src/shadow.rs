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
}

impl Shadow {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), held: HashMap::new(), ends: BTreeSet::new() }
    }

    /// The kernel has taken this element.
    pub(crate) fn add(&mut self, target: Target, scope: Scope, timeout: Option<Duration>) {
        // Rounded down: what is still counted here is still in the kernel.
        let end = timeout.map(|timeout| (self.start.elapsed() + timeout).as_secs());
        if let Some((_, Some(old))) = self.held.insert(target, (scope, end)) {
            self.ends.remove(&(old, target));
        }
        if let Some(end) = end {
            self.ends.insert((end, target));
        }
    }

    /// The kernel no longer holds it.
    pub(crate) fn remove(&mut self, target: Target) {
        if let Some((_, Some(old))) = self.held.remove(&target) {
            self.ends.remove(&(old, target));
        }
    }

    /// Starts anew from what the kernel said.
    pub(crate) fn reset(&mut self, elements: &[Element]) {
        self.held.clear();
        self.ends.clear();
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
            self.ends.remove(&(end, target));
            self.held.remove(&target);
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
        shadow.remove(target);
        assert_eq!((shadow.len(), shadow.targets().count()), (0, 0));
        shadow.add(target, Scope::All, Some(Duration::ZERO));
        shadow.expire();
        assert_eq!(shadow.len(), 0);
    }
}
