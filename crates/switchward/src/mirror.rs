//! What follows the ledger: every change goes to the kernel, to the store and into the news, in order.
//!
//! [`Mirror`] is the ledger's journal. It is made before the ledger, because the ledger wants it; the firewall and the store
//! are put in once, when they are open. Called under the ledger's lock, it only passes things on.

use guard::ledger::Change;
use guard::{Ban, Guard, Origin, Reason, Scope, Target, Time};
use netfilter::Writer;
use std::sync::{Arc, OnceLock};

use crate::clock;
use crate::names::Names;
use crate::news::{Event, News};
use crate::report::Reports;
use crate::store::{Kept, Store};

/// The followers of the ledger.
pub struct Mirror {
    news: Arc<News>,
    firewall: OnceLock<Writer>,
    store: OnceLock<Store>,
    reports: OnceLock<Arc<Reports>>,
}

impl Mirror {
    /// Nobody follows yet but the news, which say whether this is a dry run (`security.dry_run`).
    pub fn new(dry_run: bool) -> Mirror {
        Mirror {
            news: Arc::new(News::new(dry_run)),
            firewall: OnceLock::new(),
            store: OnceLock::new(),
            reports: OnceLock::new(),
        }
    }

    /// What is told to all who follow.
    pub fn news(&self) -> &Arc<News> {
        &self.news
    }

    /// From now on changes go to this firewall too.
    pub fn follow_with_firewall(&self, writer: Writer) {
        _ = self.firewall.set(writer);
    }

    /// From now on changes go to this store too.
    pub fn follow_with_store(&self, store: Store) {
        _ = self.store.set(store);
    }

    /// From now on these hear which bans the kernel takes.
    pub fn follow_with_reports(&self, reports: Arc<Reports>) {
        _ = self.reports.set(reports);
    }

    /// The firewall, when bans are enforced.
    pub fn firewall(&self) -> Option<&Writer> {
        self.firewall.get()
    }

    /// The store.
    pub fn store(&self) -> Option<&Store> {
        self.store.get()
    }

    /// Hands a ban to the kernel once more, which does not seem to hold it.
    pub fn enforce(&self, ban: &Ban) {
        if let Some(writer) = self.firewall.get() {
            writer.submit(netfilter::Change::Add(element(ban, clock::now())));
        }
    }

    /// As [`Mirror::enforce`]; `done` hears what the kernel says.
    pub(crate) fn enforce_and_tell(&self, ban: &Ban, done: netfilter::Done) {
        if let Some(writer) = self.firewall.get() {
            writer.submit_with(netfilter::Change::Add(element(ban, clock::now())), done);
        }
    }

    /// Takes a target out of the kernel, whether the ledger knows of it or not.
    pub fn release(&self, released: Target) {
        if let Some(writer) = self.firewall.get() {
            writer.submit(netfilter::Change::Remove(target(released)));
        }
    }

    /// The journal of a ledger.
    pub fn journal(self: &Arc<Mirror>) -> guard::ledger::Journal {
        let mirror = self.clone();
        Box::new(move |change| mirror.tell(change))
    }

    fn tell(&self, change: &Change) {
        if let Some(writer) = self.firewall.get() {
            match change {
                Change::Banned(ban) => match self.reports.get().and_then(|reports| reports.hears(ban)) {
                    Some(done) => self.enforce_and_tell(ban, done),
                    None => writer.submit(netfilter::Change::Add(element(ban, clock::now()))),
                },
                // The kernel forgets by itself what runs out, but by a clock of its own: the wall clock may have been set.
                Change::Lifted(ban, _) | Change::Expired(ban) => self.release(ban.target),
                Change::Noted(_) | Change::Allowed(_) | Change::Refreshed(_) | Change::Disallowed(..) => {}
                Change::PatternAdded(_) | Change::PatternRemoved(_) => {}
            }
        }
        if let Some(store) = self.store.get() {
            store.record(change);
        }
        let event = match change {
            Change::Banned(ban) => Event::Banned(ban.clone()),
            Change::Lifted(ban, by) => Event::Lifted(ban.clone(), by.clone()),
            Change::Expired(ban) => Event::Expired(ban.clone()),
            Change::Allowed(entry) => Event::Allowed(entry.clone()),
            Change::Disallowed(entry, by) => Event::Disallowed(entry.clone(), by.clone()),
            Change::Noted(_) | Change::Refreshed(_) | Change::PatternAdded(_) | Change::PatternRemoved(_) => {
                return;
            }
        };
        self.news.tell(event);
    }
}

/// The ledger as the kernel should hold it now.
pub fn desired(guard: &Guard) -> Vec<netfilter::Element> {
    let now = clock::now();
    guard.ledger().bans(now).iter().map(|ban| element(ban, now)).collect()
}

/// The ledger as the store should hold it now.
pub fn whole(guard: &Guard, names: &Names) -> Kept {
    let (ledger, now) = (guard.ledger(), clock::now());
    Kept {
        bans: ledger.bans(now).iter().map(|ban| (**ban).clone()).collect(),
        allows: ledger.allows(now),
        patterns: ledger.patterns().to_vec(),
        names: names.kept(),
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

/// An element of the kernel that no ledger knows, as a ban.
pub fn adopted(element: &netfilter::Element, now: Time) -> Ban {
    let reason = Reason::operator("found in the kernel's sets at the first start", now);
    Ban {
        target: match element.target {
            netfilter::Target::Host(ip) => Target::host(ip),
            netfilter::Target::HostPort(ip, port) => Target::port(ip, port),
            netfilter::Target::Net(net) => Target::net(net),
        },
        scope: match element.scope {
            netfilter::Scope::Sip => Scope::Sip,
            netfilter::Scope::All => Scope::All,
        },
        since: now,
        until: element.timeout.map(|left| now + left),
        origin: Origin::Guard,
        reason: Reason { rule: FOUND_IN_KERNEL.into(), ..reason },
        note: String::new(),
    }
}

/// The rule of what was found in the kernel.
pub(crate) const FOUND_IN_KERNEL: &str = "found-in-kernel";
