//! Makes the kernel hold exactly a list: [`Firewall::reconcile`] with what is there, [`Firewall::rebuild`] anew.

use std::collections::HashMap;
use std::time::Duration;

use super::{Applied, Firewall, Inner, Op, Reconciled, refusal};
use crate::error::Error;
use crate::ipset::Ipset;
use crate::target::{Change, Element, Scope, Target};

impl Firewall {
    /// Makes the kernel hold exactly `desired`. It lists the sets once; what is missing is added before what is too
    /// much is removed, and nothing that is wished for is missing at any moment.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn reconcile(&mut self, desired: &[Element]) -> Result<Reconciled, Error> {
        self.undisturbed(|firewall| firewall.bring_in_line(desired))
    }

    fn bring_in_line(&mut self, desired: &[Element]) -> Result<Reconciled, Error> {
        let mut reconciled = Reconciled::default();
        let held = self.elements()?;
        self.shadow.reset(&held);
        let mut present: HashMap<Target, Vec<Element>> = HashMap::with_capacity(held.len());
        for element in held {
            present.entry(element.target.normal()).or_default().push(element);
        }
        let mut wanted: HashMap<Target, Op> = HashMap::with_capacity(desired.len());
        for element in desired {
            match self.permitted(&Change::Add(*element)) {
                Ok(op) => drop(wanted.insert(op.target, op)),
                Err(error) => reconciled.refused.push((element.target.normal(), error)),
            }
        }
        let mut missing = Vec::new();
        for op in wanted.values() {
            match present.get(&op.target).map(Vec::as_slice) {
                Some([only]) if self.same(only, op) => reconciled.kept += 1,
                _ => missing.push(*op),
            }
        }
        let surplus: Vec<Op> = present
            .keys()
            .filter(|target| !wanted.contains_key(target))
            .map(|target| Op { target: *target, wish: None })
            .collect();
        let mut applied = Applied::default();
        self.commit(&missing, &mut applied)?;
        self.commit(&surplus, &mut applied)?;
        // A set may have been too full for them until the surplus was gone.
        let (full, refused): (Vec<_>, Vec<_>) =
            applied.refused.into_iter().partition(|(_, error)| matches!(error, Error::SetFull { .. }));
        let again: Vec<Op> = full.iter().filter_map(|(target, _)| wanted.get(target).copied()).collect();
        let mut second = Applied::default();
        self.commit(&again, &mut second)?;
        reconciled.added = applied.added + second.added;
        reconciled.removed = applied.removed;
        reconciled.refused.extend(refused);
        reconciled.refused.extend(second.refused);
        Ok(reconciled)
    }

    /// Sets everything up anew with exactly `desired`, after somebody destroyed it. With nftables in one
    /// transaction, whatever is left of the old.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn rebuild(&mut self, desired: &[Element]) -> Result<Reconciled, Error> {
        self.undisturbed(|firewall| firewall.build(desired))
    }

    fn build(&mut self, desired: &[Element]) -> Result<Reconciled, Error> {
        match &mut self.inner {
            Inner::Nft(nft, _) => {
                let permitted: Vec<Element> = {
                    let protect = &self.protect;
                    let mut unique: HashMap<Target, Element> = HashMap::with_capacity(desired.len());
                    let allowed =
                        desired.iter().filter(|element| refusal(protect, element.target.normal()).is_none());
                    unique.extend(allowed.map(|element| (element.target.normal(), *element)));
                    unique.into_values().collect()
                };
                match nft.replace(&permitted) {
                    Ok(()) => {
                        self.shadow.reset(&permitted);
                        return Ok(Reconciled { added: permitted.len(), ..Reconciled::default() });
                    }
                    // Too large or too many: an empty table first, then what fits, in parts.
                    Err(error) if error.is_elementary() => nft.replace(&[])?,
                    Err(error) => return Err(error),
                }
            }
            Inner::Ipset(ipset) => ipset.set_up()?,
            Inner::Dry(..) => {}
        }
        self.bring_in_line(desired)
    }

    /// Does a lot of work without the kernel preparing a notification of every element.
    fn undisturbed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let mut before = None;
        if let Inner::Nft(nft, watch) = &mut self.inner {
            before = nft.transactions_of_others();
            watch.deafen();
        }
        let result = work(self);
        if let Inner::Nft(nft, watch) = &mut self.inner {
            watch.hear_again(|| before.is_some() && nft.transactions_of_others() == before);
        }
        result
    }

    /// Whether the kernel's element is what is wished for, give or take two seconds of time left.
    fn same(&self, held: &Element, op: &Op) -> bool {
        let Some((scope, timeout)) = op.wish else { return false };
        let (scope, timeout) = match self.inner {
            Inner::Ipset(_) => (Scope::All, timeout.map(Ipset::round)),
            _ => (scope, timeout),
        };
        let close = match (held.timeout, timeout) {
            (None, None) => true,
            (Some(held), Some(wished)) => held.abs_diff(wished) <= Duration::from_secs(2),
            _ => false,
        };
        held.scope == scope && close
    }
}
