//! The names with who holds which address, and how that becomes entries of the ledger.
//!
//! An address is in the ledger as long as a name holds it, as an order of "name NAME"; when several do, as that of the one that lasts
//! longest. [`Book::settle`] compares one address with the ledger and puts it right; everything else ends there.

use super::lookup::Answer;
use super::{Entry, HostName, Kept, MOST_NAMES, Pace, Removed, Terms, TooMany, entry};
use crate::app::App;
use crate::clock;
use crate::store::names::Change;
use guard::{Allowed, Origin, Target, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

#[derive(Default)]
pub(super) struct Book {
    entries: BTreeMap<HostName, Entry>,
    holders: BTreeMap<Target, BTreeSet<HostName>>,
}

impl Book {
    pub(super) fn entries(&self) -> impl Iterator<Item = (&HostName, &Entry)> {
        self.entries.iter()
    }

    pub(super) fn entry(&self, name: &HostName) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(super) fn holder(&self, target: Target) -> Option<HostName> {
        self.holders.get(&target).and_then(|names| names.first().cloned())
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<HostName> {
        let due = self.entries.iter_mut().filter(|(_, entry)| !entry.asking && entry.next <= now);
        let (name, entry) = due.min_by_key(|(_, entry)| entry.next)?;
        entry.asking = true;
        Some(name.clone())
    }

    pub(super) fn none_is_asked(&mut self) {
        let next = Instant::now() + Pace::default().shortest;
        for entry in self.entries.values_mut().filter(|entry| entry.asking) {
            (entry.asking, entry.next) = (false, next);
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter(|entry| !entry.asking).map(|entry| entry.next).min()
    }

    /// Takes in a name of the store.
    pub(super) fn restore(&mut self, kept: Kept) {
        let (name, entry) = (kept.name.clone(), Entry::of(kept, Instant::now()));
        self.hold(&name, &entry.addresses);
        self.entries.insert(name, entry);
    }

    /// Compares all with the ledger, and finds there what names left behind that are gone.
    pub(super) fn bring_all_in_line(&mut self, app: &App) {
        let mut targets: BTreeSet<Target> = self.holders.keys().copied().collect();
        app.guard.ledger().each_allow(clock::now(), |entry| {
            if name_of(&entry.origin).is_some() {
                targets.insert(entry.target);
            }
        });
        self.settle_all(app, targets, false);
    }

    /// Follows the names of the configuration.
    pub(super) fn configure(&mut self, app: &App, names: &[String]) {
        let names: BTreeSet<HostName> =
            names.iter().filter_map(|name| name.parse().ok()).take(MOST_NAMES).collect();
        let gone: Vec<HostName> = self
            .entries
            .iter()
            .filter(|(name, entry)| entry.configured && !names.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            tracing::info!(%name, "the name is no longer in security.allowed_names");
            self.change(app, &name, |entry| entry.configured = false);
            self.drop_unwanted(app, &name);
        }
        for name in names {
            if self.entries.get(&name).is_none_or(|entry| !entry.configured) {
                self.change(app, &name, |entry| entry.configured = true);
            }
        }
    }

    pub(super) fn order(&mut self, app: &App, name: &HostName, terms: Terms) -> Result<(), TooMany> {
        let others = self.entries.iter().filter(|(other, entry)| *other != name && entry.terms.is_some());
        if others.count() >= MOST_NAMES {
            return Err(TooMany);
        }
        tracing::info!(%name, who = terms.who, "name allowed by order");
        self.change(app, name, |entry| {
            entry.terms = Some(terms);
            entry.next = Instant::now();
        });
        Ok(())
    }

    pub(super) fn remove(&mut self, app: &App, name: &HostName) -> Removed {
        let Some(entry) = self.entries.get(name) else { return Removed::Unknown };
        match (entry.configured, entry.terms.is_some()) {
            (true, false) => Removed::IsConfigured,
            (true, true) => {
                self.change(app, name, |entry| entry.terms = None);
                Removed::StaysConfigured
            }
            (false, _) => {
                self.change(app, name, |entry| entry.terms = None);
                self.drop_unwanted(app, name);
                Removed::Gone
            }
        }
    }

    /// Changes why a name is there, or makes it.
    fn change(&mut self, app: &App, name: &HostName, change: impl FnOnce(&mut Entry)) {
        let entry =
            self.entries.entry(name.clone()).or_insert_with(|| Entry::new(clock::now(), Instant::now()));
        change(entry);
        store(app, Change::Put(entry.kept(name)));
        let targets = targets(&entry.addresses);
        self.settle_all(app, targets, true);
    }

    /// Removes a name that neither the configuration nor an order wants.
    fn drop_unwanted(&mut self, app: &App, name: &HostName) {
        if self.entries.get(name).is_some_and(|entry| !entry.configured && entry.terms.is_none())
            && let Some(entry) = self.entries.remove(name)
        {
            self.release(name, &entry.addresses);
            self.settle_all(app, targets(&entry.addresses), false);
            store(app, Change::Removed(name.clone()));
        }
    }

    pub(super) fn heard(&mut self, app: &App, name: &HostName, answer: Answer, pace: &Pace) {
        // It may have been removed meanwhile.
        let Some(entry) = self.entries.get_mut(name) else { return };
        let before = entry.clone();
        let heard = entry.hear(answer, clock::now(), Instant::now(), pace);
        let after = entry.clone();
        tell(name, &before, &after, heard);
        // When it was answered is worth no write of its own.
        if (&before.addresses, before.failing_since) != (&after.addresses, after.failing_since)
            || before.answered.is_none() && after.answered.is_some()
        {
            store(app, Change::Put(after.kept(name)));
        }
        if before.addresses != after.addresses {
            self.release(name, &before.addresses);
            self.hold(name, &after.addresses);
        }
        let mut all = targets(&before.addresses);
        all.extend(targets(&after.addresses));
        self.settle_all(app, all, false);
    }

    /// Puts right what others did to the addresses of a name; removes it when its time is over.
    pub(super) fn sweep(&mut self, app: &App, name: &HostName, now: Time) {
        let Some(entry) = self.entries.get(name) else { return };
        let all = targets(&entry.addresses);
        if entry.terms.as_ref().and_then(|terms| terms.until).is_some_and(|until| until <= now) {
            tracing::info!(%name, "the name's time on the allow-list is over");
            self.change(app, name, |entry| entry.terms = None);
            self.drop_unwanted(app, name);
        }
        self.settle_all(app, all, false);
    }

    fn hold(&mut self, name: &HostName, addresses: &[IpAddr]) {
        for target in targets(addresses) {
            self.holders.entry(target).or_default().insert(name.clone());
        }
    }

    fn release(&mut self, name: &HostName, addresses: &[IpAddr]) {
        for target in targets(addresses) {
            if let Some(names) = self.holders.get_mut(&target) {
                names.remove(name);
                if names.is_empty() {
                    self.holders.remove(&target);
                }
            }
        }
    }

    fn settle_all(&mut self, app: &App, targets: BTreeSet<Target>, anew: bool) {
        let now = clock::now();
        for target in targets {
            self.settle(app, target, anew, now);
        }
    }

    /// Compares what the ledger has for an address with who holds it, and puts the ledger right. `anew`: even when it looks right,
    /// because the terms may have changed.
    fn settle(&mut self, app: &App, target: Target, anew: bool, now: Time) {
        let ledger = app.guard.ledger();
        let there = ledger.allow_entry(target, now).filter(|entry| entry.target == target);
        let by_name = there.as_ref().and_then(|entry| name_of(&entry.origin));
        let Some((name, until)) = self.longest_holder(target, now) else {
            if let Some(name) = by_name {
                app.guard.order_disallow(target, &who(&name));
            }
            return;
        };
        let is_right = |entry: &Allowed| match &by_name {
            Some(by) => !anew && *by == name && entry.until == until,
            // By hand; when that ends, the name's comes back.
            None => entry.origin.is_operator(),
        };
        let refusal = match &there {
            Some(entry) if is_right(entry) => None,
            _ => {
                let terms = self.entries.get(&name).and_then(|entry| entry.terms.as_ref());
                let user = terms.map_or("", |terms| terms.user.as_str());
                let domain = terms.map(|terms| terms.domain.as_str()).filter(|domain| !domain.is_empty());
                let domain = domain.unwrap_or(name.as_str());
                let ttl = until.map(|until| until.since(now));
                match app.guard.order_allow(target, ttl, user, domain, &who(&name), now) {
                    Ok((_, lifted)) => {
                        if !lifted.is_empty() {
                            tracing::info!(%name, %target, lifted = lifted.len(), "bans lifted: a name of the allow-list has the address");
                        }
                        None
                    }
                    Err(refusal) => Some(refusal.to_string()),
                }
            }
        };
        for name in self.holders.get(&target).into_iter().flatten() {
            let Some(entry) = self.entries.get_mut(name) else { continue };
            match &refusal {
                None => _ = entry.refused.remove(&target),
                Some(reason) => {
                    if entry.refused.insert(target, reason.clone()).is_none() {
                        tracing::warn!(%name, %target, %reason, "an address of an allowed name cannot be allowed");
                    }
                }
            }
        }
    }

    /// Who of those that hold an address holds it longest, and until when.
    fn longest_holder(&self, target: Target, now: Time) -> Option<(HostName, Option<Time>)> {
        let names = self.holders.get(&target)?.iter();
        let held = names.filter_map(|name| Some((name, self.entries.get(name)?.until())));
        let held = held.filter(|(_, until)| until.is_none_or(|until| until > now));
        // The first of those that last as long.
        let longest = held.reduce(|best, other| {
            let longer = match (best.1, other.1) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(best), Some(other)) => other > best,
            };
            if longer { other } else { best }
        });
        longest.map(|(name, until)| (name.clone(), until))
    }
}

fn targets(addresses: &[IpAddr]) -> BTreeSet<Target> {
    addresses.iter().copied().map(Target::host).collect()
}

/// How the ledger knows who made an entry.
pub(super) fn who(name: &HostName) -> String {
    format!("{WHO}{name}")
}

/// The name that made an entry.
pub(super) fn name_of(origin: &Origin) -> Option<HostName> {
    match origin {
        Origin::Operator(who) => who.strip_prefix(WHO)?.parse().ok(),
        Origin::Guard => None,
    }
}

const WHO: &str = "name ";

fn store(app: &App, change: Change) {
    if let Some(store) = app.mirror.store() {
        store.name(change);
    }
}

/// One line when something begins or ends, none for every look.
fn tell(name: &HostName, before: &Entry, after: &Entry, heard: entry::Heard) {
    let addresses = after.addresses.len();
    let error = after.error.as_deref().unwrap_or_default();
    match heard {
        entry::Heard::Changed => {
            tracing::info!(%name, addresses, "a name of the allow-list has other addresses");
        }
        entry::Heard::Dropped => {
            tracing::warn!(%name, addresses, error, "a name of the allow-list lost addresses that DNS no longer confirms");
        }
        entry::Heard::Same => {}
    }
    match (before.failing_since, after.failing_since) {
        (None, Some(_)) => {
            tracing::warn!(%name, addresses, error, "a name of the allow-list is not answered; what it meant is kept for now");
        }
        (Some(_), None) => tracing::info!(%name, addresses, "a name of the allow-list is answered again"),
        _ => {}
    }
}
