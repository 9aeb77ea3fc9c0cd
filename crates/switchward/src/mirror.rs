//! What follows the ledger: every change goes to the kernel and to the store, in order.
//!
//! [`Mirror`] is the ledger's journal. It is made before the ledger, because the ledger wants it; the firewall and the store
//! are put in once, when they are open. Called under the ledger's lock, it only passes things on.

use guard::ledger::Change;
use guard::{Ban, Guard, Scope, Target, Time};
use netfilter::Writer;
use std::sync::{Arc, OnceLock};

use crate::clock;
use crate::store::{Kept, Store};

/// The followers of the ledger.
#[derive(Default)]
pub struct Mirror {
    firewall: OnceLock<Writer>,
    store: OnceLock<Store>,
}

impl Mirror {
    /// From now on changes go to this firewall too.
    pub fn follow_with_firewall(&self, writer: Writer) {
        _ = self.firewall.set(writer);
    }

    /// From now on changes go to this store too.
    pub fn follow_with_store(&self, store: Store) {
        _ = self.store.set(store);
    }

    /// The firewall, when bans are enforced.
    pub fn firewall(&self) -> Option<&Writer> {
        self.firewall.get()
    }

    /// The store.
    pub fn store(&self) -> Option<&Store> {
        self.store.get()
    }

    /// The journal of a ledger.
    pub fn journal(self: &Arc<Mirror>) -> guard::ledger::Journal {
        let mirror = self.clone();
        Box::new(move |change| mirror.tell(change))
    }

    fn tell(&self, change: &Change) {
        if let Some(writer) = self.firewall.get() {
            match change {
                Change::Banned(ban) => writer.submit(netfilter::Change::Add(element(ban, clock::now()))),
                Change::Lifted(ban, _) => writer.submit(netfilter::Change::Remove(target(ban.target))),
                // The kernel forgets by itself what runs out.
                Change::Expired(_) | Change::Allowed(_) | Change::Refreshed(_) | Change::Disallowed(..) => {}
                Change::PatternAdded(_) | Change::PatternRemoved(_) => {}
            }
        }
        if let Some(store) = self.store.get() {
            store.record(change);
        }
    }
}

/// The ledger as the kernel should hold it now.
pub fn desired(guard: &Guard) -> Vec<netfilter::Element> {
    let now = clock::now();
    guard.ledger().bans(now).iter().map(|ban| element(ban, now)).collect()
}

/// The ledger as the store should hold it now.
pub fn whole(guard: &Guard) -> Kept {
    let (ledger, now) = (guard.ledger(), clock::now());
    Kept {
        bans: ledger.bans(now).iter().map(|ban| (**ban).clone()).collect(),
        allows: ledger.allows(now),
        patterns: ledger.patterns().to_vec(),
        ..Kept::default()
    }
}

/// A ban as the kernel gets it at `now`.
pub fn element(ban: &Ban, now: Time) -> netfilter::Element {
    let scope = match ban.scope {
        Scope::Sip => netfilter::Scope::Sip,
        Scope::All => netfilter::Scope::All,
    };
    netfilter::Element { target: target(ban.target), scope, timeout: ban.remaining(now) }
}

/// A target as the kernel's side knows it.
pub fn target(target: Target) -> netfilter::Target {
    match target {
        Target::Host(source) => netfilter::Target::host(source.first()),
        Target::Port(ip, port) => netfilter::Target::host_port(ip, port),
        Target::Net(net) => netfilter::Target::net(net),
    }
}
