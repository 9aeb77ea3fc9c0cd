//! The ledger: the authoritative bans and allow-list, in memory.
//!
//! The store mirrors it and the kernel is a projection of it; neither is asked what holds. Every change goes through one
//! lock and is told to the [`Journal`] while that lock is held, so whoever mirrors the ledger sees the changes in the order in
//! which they happened. Verdicts and operators use the same entrance. Start with [`Ledger::ban`] and [`Ledger::allow`].

use crate::ban::{Allowed, Ban, Origin};
use crate::pattern::DomainPattern;
use crate::source::{Source, Target};
use crate::time::Time;
use ahash::RandomState;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::RwLock;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A change of the ledger.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A ban was made, extended or widened; it replaces an older one of the same target.
    Banned(Arc<Ban>),
    /// The note of a ban was changed, and nothing else.
    Noted(Arc<Ban>),
    /// A ban was lifted, by whom.
    Lifted(Arc<Ban>, Origin),
    /// A ban ran out.
    Expired(Arc<Ban>),
    /// An allow entry was made, or replaces an older one of the same target.
    Allowed(Arc<Allowed>),
    /// An allow entry lasts longer because its source succeeded again; told now and then, not at every success.
    Refreshed(Arc<Allowed>),
    /// An allow entry was removed, by whom; `None` when it ran out.
    Disallowed(Arc<Allowed>, Option<Origin>),
    /// An untrusted-domain pattern was added.
    PatternAdded(DomainPattern),
    /// An untrusted-domain pattern was removed.
    PatternRemoved(DomainPattern),
}

/// Whoever mirrors the ledger. Called under the ledger's lock: it must only pass the change on.
pub type Journal = Box<dyn Fn(&Change) + Send + Sync>;

mod held;
mod places;
#[cfg(test)]
mod tests;

use held::{HeldAllow, Inner, List};
pub(crate) use held::{Paced, Standing};

/// What became of a ban.
#[derive(Clone, PartialEq, Debug)]
pub enum Entered {
    /// It stands now.
    Made(Arc<Ban>),
    /// One that is as strong stood already.
    Stands(Arc<Ban>),
    /// The ledger is full; nothing was changed.
    Full,
}

/// How many bans: of the scopes `Sip` and `All`, each for hosts, ports and networks.
pub type Census = [[usize; 3]; 2];

/// On what ground a source is on the allow-list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AllowedBy {
    /// A success: trust that lowers some rules.
    Success,
    /// An operator: never banned.
    Operator,
}

/// The bans and the allow-list.
pub struct Ledger {
    inner: RwLock<Inner>,
    patterns: ArcSwap<Vec<DomainPattern>>,
    journal: Journal,
    capacity: usize,
}

impl Ledger {
    /// An empty ledger with room for `capacity` bans.
    pub fn new(capacity: usize, hasher: RandomState, journal: Journal) -> Ledger {
        Ledger { inner: RwLock::new(Inner::new(hasher)), patterns: ArcSwap::default(), journal, capacity }
    }

    /// Fills the ledger with what a store kept; what has run out is left out. The journal is told nothing.
    pub fn restore(&self, bans: Vec<Ban>, allows: Vec<Allowed>, patterns: Vec<DomainPattern>, now: Time) {
        let mut inner = self.inner.write();
        for ban in bans.into_iter().filter(|ban| ban.stands(now)) {
            inner.put_ban(Arc::new(ban));
        }
        for entry in allows.into_iter().filter(|entry| entry.until.is_none_or(|until| until > now)) {
            inner.put_allow(Arc::new(entry));
        }
        self.patterns.store(Arc::new(patterns));
    }

    /// Enters a ban. One made by the guard replaces only what is weaker; an operator's always replaces.
    pub fn ban(&self, ban: Ban, now: Time) -> Entered {
        self.enter(&mut self.inner.write(), ban, now)
    }

    /// Enters a ban of the guard, unless an operator's allow entry covers it (and `heed` says that those count): an order that
    /// came while the verdict was on its way wins.
    pub(crate) fn ban_unless_allowed(&self, ban: Ban, heed: bool, now: Time) -> Option<Entered> {
        let mut inner = self.inner.write();
        let ip = match ban.target {
            Target::Host(source) => source.first(),
            Target::Port(ip, _) => ip,
            Target::Net(net) => net.addr(),
        };
        if heed && inner.allowed(ip, now) == Some(AllowedBy::Operator) {
            return None;
        }
        Some(self.enter(&mut inner, ban, now))
    }

    fn enter(&self, inner: &mut Inner, ban: Ban, now: Time) -> Entered {
        if inner.bans.get(&ban.target).is_some_and(|held| !held.ban.stands(now))
            && let Some(over) = inner.take_ban(ban.target)
        {
            // It ran out and nobody has swept it yet; what follows is another ban.
            (self.journal)(&Change::Expired(over));
        }
        let standing = inner.bans.get(&ban.target);
        let mut ban = ban;
        if let Some(held) = standing
            && !ban.origin.is_operator()
        {
            if !ban.exceeds(&held.ban) {
                return Entered::Stands(held.ban.clone());
            }
            // What is there already must not shrink: the longer time and the wider scope of both.
            ban.scope = ban.scope.max(held.ban.scope);
            ban.until = match (ban.until, held.ban.until) {
                (Some(own), Some(theirs)) => Some(own.max(theirs)),
                _ => None,
            };
            ban.since = held.ban.since;
            ban.note.clone_from(&held.ban.note);
        } else if standing.is_none() && inner.bans.len() >= self.capacity && !ban.origin.is_operator() {
            return Entered::Full;
        }
        let ban = Arc::new(ban);
        inner.put_ban(ban.clone());
        (self.journal)(&Change::Banned(ban.clone()));
        Entered::Made(ban)
    }

    /// Changes the standing ban of exactly this target; nothing happens when there is none.
    pub fn amend(&self, target: Target, now: Time, change: impl FnOnce(&mut Ban)) -> Option<Arc<Ban>> {
        let mut inner = self.inner.write();
        let held = inner.bans.get(&target).filter(|held| held.ban.stands(now))?;
        let mut ban = (*held.ban).clone();
        change(&mut ban);
        let is_as_before = (ban.until, ban.scope) == (held.ban.until, held.ban.scope);
        let ban = Arc::new(Ban { target, ..ban });
        inner.amend_ban(ban.clone());
        let change = if is_as_before { Change::Noted } else { Change::Banned };
        (self.journal)(&change(ban.clone()));
        Some(ban)
    }

    /// The standing ban of exactly this target.
    pub fn ban_of(&self, target: Target, now: Time) -> Option<Arc<Ban>> {
        let inner = self.inner.read();
        inner.bans.get(&target).map(|held| held.ban.clone()).filter(|ban| ban.stands(now))
    }

    /// Lifts the ban of exactly this target.
    pub fn lift(&self, target: Target, by: Origin, now: Time) -> Option<Arc<Ban>> {
        let mut inner = self.inner.write();
        let ban = inner.take_ban(target)?;
        (self.journal)(&Change::Lifted(ban.clone(), by));
        ban.stands(now).then_some(ban)
    }

    /// Lifts the ban of exactly this target, if it is the one that stands since `since`.
    pub(crate) fn lift_made(&self, target: Target, since: Time, by: Origin, now: Time) -> Option<Arc<Ban>> {
        let mut inner = self.inner.write();
        inner.bans.get(&target).filter(|held| held.ban.since == since && held.ban.stands(now))?;
        let ban = inner.take_ban(target)?;
        (self.journal)(&Change::Lifted(ban.clone(), by));
        Some(ban)
    }

    /// Lifts every ban that lies within `net`: the host's, its ports', networks inside.
    pub fn lift_within(&self, net: &IpNet, by: &Origin) -> Vec<Arc<Ban>> {
        let mut inner = self.inner.write();
        self.lift_all(&mut inner, net, by)
    }

    fn lift_all(&self, inner: &mut Inner, net: &IpNet, by: &Origin) -> Vec<Arc<Ban>> {
        let targets = inner.bans_within(net);
        let lifted: Vec<Arc<Ban>> = targets.into_iter().filter_map(|target| inner.take_ban(target)).collect();
        for ban in &lifted {
            (self.journal)(&Change::Lifted(ban.clone(), by.clone()));
        }
        lifted
    }

    /// The ban that covers an address (and port, when it is not 0): the host's, the port's or a network's.
    pub fn banned(&self, ip: IpAddr, port: u16, now: Time) -> Option<Arc<Ban>> {
        self.standing(ip, port, now).map(|standing| standing.ban)
    }

    pub(crate) fn standing(&self, ip: IpAddr, port: u16, now: Time) -> Option<Standing> {
        self.inner.read().standing(ip, port, now)
    }

    /// The bans of single ports of a source.
    pub fn port_bans(&self, source: Source, now: Time) -> Vec<Arc<Ban>> {
        let inner = self.inner.read();
        let held = inner.ports_of(source).filter_map(|target| inner.bans.get(&target));
        held.map(|held| held.ban.clone()).filter(|ban| ban.stands(now)).collect()
    }

    /// A ban that covers all of `target` and is not its own: a network's, or the host's of a port.
    pub fn covering(&self, target: Target, now: Time) -> Option<Arc<Ban>> {
        let inner = self.inner.read();
        if let Target::Port(ip, _) = target
            && let Some(host) = inner.bans.get(&Target::host(ip)).filter(|held| held.ban.stands(now))
        {
            return Some(host.ban.clone());
        }
        let nets = inner.ban_nets.cover(&target.covers());
        nets.filter(|(net, ())| Target::Net(*net) != target)
            .find_map(|(net, ())| inner.bans.get(&Target::Net(net)))
            .filter(|held| held.ban.stands(now))
            .map(|held| held.ban.clone())
    }

    /// Enters an allow entry of an operator and lifts the bans within it. Returns those.
    pub fn allow(&self, entry: Allowed) -> Vec<Arc<Ban>> {
        let net = entry.target.covers();
        let by = entry.origin.clone();
        let entry = Arc::new(entry);
        let mut inner = self.inner.write();
        inner.put_allow(entry.clone());
        (self.journal)(&Change::Allowed(entry));
        self.lift_all(&mut inner, &net, &by)
    }

    /// Removes the allow entry of exactly this target.
    pub fn disallow(&self, target: Target, by: Origin) -> Option<Arc<Allowed>> {
        let mut inner = self.inner.write();
        let held = inner.take_allow(target)?;
        let entry = Arc::new(held.shown());
        (self.journal)(&Change::Disallowed(entry.clone(), Some(by)));
        Some(entry)
    }

    /// A source succeeded: makes an allow entry for `ttl`, or lets the one there is last longer. Returns a new one.
    ///
    /// Nothing happens while a ban covers the source: a password that was found does not open the door.
    pub(crate) fn succeeded(
        &self,
        ip: IpAddr,
        user: &[u8],
        domain: &[u8],
        ttl: Duration,
        now: Time,
    ) -> Option<Arc<Allowed>> {
        let target = Target::host(ip);
        let until = now + ttl;
        let inner = self.inner.read();
        if let Some(held) = inner.allows.get(&target) {
            if inner.standing(ip, 0, now).is_none() && held.refresh(until, ttl, now) {
                (self.journal)(&Change::Refreshed(Arc::new(held.shown())));
            }
            return None;
        }
        drop(inner);
        let mut inner = self.inner.write();
        if inner.standing(ip, 0, now).is_some()
            || inner.allows.contains_key(&target)
            || inner.allows.len() >= self.capacity
        {
            return None;
        }
        let entry = Arc::new(Allowed {
            target,
            added: now,
            until: Some(until),
            last_seen: now,
            user: crate::tally::printable(user),
            domain: crate::tally::printable(domain),
            origin: Origin::Guard,
        });
        inner.put_allow(entry.clone());
        (self.journal)(&Change::Allowed(entry.clone()));
        Some(entry)
    }

    /// On what ground an address is on the allow-list.
    pub fn allowed(&self, ip: IpAddr, now: Time) -> Option<AllowedBy> {
        self.inner.read().allowed(ip, now)
    }

    /// Whether any allow entry stands within a net, or around it. Looks at all of them.
    pub(crate) fn has_allowed_within(&self, net: &IpNet, now: Time) -> bool {
        let inner = self.inner.read();
        inner.allows.values().any(|held| held.stands(now) && held.entry.target.overlaps(net))
    }

    /// The allow entry of exactly this target, or of a network that covers it.
    pub fn allow_entry(&self, target: Target, now: Time) -> Option<Allowed> {
        let inner = self.inner.read();
        let shown = |target: &Target| {
            inner.allows.get(target).filter(|held| held.stands(now)).map(|held| held.shown())
        };
        shown(&target).or_else(|| {
            inner.allow_nets.cover(&target.covers()).find_map(|(net, ())| shown(&Target::Net(net)))
        })
    }

    /// An operator's allow entry that overlaps `target`, if there is one.
    pub fn operator_allow_overlapping(&self, target: Target, now: Time) -> Option<Allowed> {
        let inner = self.inner.read();
        let mine = |held: &&Arc<HeldAllow>| held.stands(now) && held.entry.origin.is_operator();
        if let Target::Net(net) = target {
            let held = inner.allows.values().find(|held| mine(held) && held.entry.target.overlaps(&net));
            return held.map(|held| held.shown());
        }
        let exact = inner.allows.get(&Target::net(target.covers())).filter(mine);
        exact.map(|held| held.shown()).or_else(|| {
            let mut nets = inner.allow_nets.cover(&target.covers());
            nets.find_map(|(net, ())| {
                inner.allows.get(&Target::Net(net)).filter(mine).map(|held| held.shown())
            })
        })
    }

    /// Removes what has run out, tells the journal, and returns the bans among it.
    pub fn expire(&self, now: Time) -> Vec<Arc<Ban>> {
        let mut expired = Vec::new();
        // In pieces, so that a verdict never waits for thousands.
        while self.expire_some(now, &mut expired) == PIECE {}
        expired
    }

    /// Goes through at most [`PIECE`] places of the order; tells how many.
    fn expire_some(&self, now: Time, expired: &mut Vec<Arc<Ban>>) -> usize {
        let mut inner = self.inner.write();
        for done in 0..PIECE {
            let Some(&(until, list, target)) = inner.expiry.first().filter(|(until, ..)| *until <= now)
            else {
                return done;
            };
            match list {
                List::Bans => {
                    if let Some(ban) = inner.take_ban(target) {
                        (self.journal)(&Change::Expired(ban.clone()));
                        expired.push(ban);
                    }
                }
                List::Allows => match inner.allows.get(&target).map(|held| held.until()) {
                    Some(Some(later)) if later > now => _ = inner.expiry.insert((later, list, target)),
                    Some(Some(_)) => {
                        if let Some(held) = inner.take_allow(target) {
                            (self.journal)(&Change::Disallowed(Arc::new(held.shown()), None));
                        }
                    }
                    // Gone, or replaced by one for good.
                    Some(None) | None => {}
                },
            }
            inner.expiry.remove(&(until, list, target));
        }
        PIECE
    }

    /// The bans that stand.
    pub fn bans(&self, now: Time) -> Vec<Arc<Ban>> {
        let mut bans = Vec::with_capacity(self.sizes().0);
        self.each_ban(now, |ban| bans.push(ban.clone()));
        bans
    }

    /// Shows every ban that stands, in no order. The lock is let go of between pieces: what comes or goes meanwhile may or
    /// may not be shown.
    pub fn each_ban(&self, now: Time, mut show: impl FnMut(&Arc<Ban>)) {
        self.in_pieces(
            |inner, from, piece| inner.ban_order.piece(from, WALK, piece),
            |ban: Arc<Ban>| {
                if ban.stands(now) {
                    show(&ban);
                }
            },
        );
    }

    /// The allow entries that stand.
    pub fn allows(&self, now: Time) -> Vec<Allowed> {
        let mut allows = Vec::new();
        self.each_allow(now, |entry| allows.push(entry));
        allows
    }

    /// Shows every allow entry that stands, as [`Ledger::each_ban`] does.
    pub fn each_allow(&self, now: Time, mut show: impl FnMut(Allowed)) {
        self.in_pieces(
            |inner, from, piece| inner.allow_order.piece(from, WALK, piece),
            |held: Arc<HeldAllow>| {
                if held.stands(now) {
                    show(held.shown());
                }
            },
        );
    }

    /// Walks a list piece by piece; only copying a piece's pointers happens under the lock.
    fn in_pieces<T>(
        &self,
        piece_of: impl Fn(&Inner, usize, &mut Vec<T>) -> Option<usize>,
        mut show: impl FnMut(T),
    ) {
        let mut piece = Vec::with_capacity(WALK);
        let mut next = Some(0);
        while let Some(from) = next {
            next = piece_of(&self.inner.read(), from, &mut piece);
            piece.drain(..).for_each(&mut show);
        }
    }

    /// How many bans and allow entries are held, those that ran out a moment ago included.
    pub fn sizes(&self) -> (usize, usize) {
        let inner = self.inner.read();
        (inner.bans.len(), inner.allows.len())
    }

    /// How many bans there are of each kind. Kept up to date, not counted.
    pub fn census(&self) -> Census {
        self.inner.read().census
    }

    /// How many bans end by then; counts no further than a million.
    pub fn ending_by(&self, time: Time) -> usize {
        let inner = self.inner.read();
        let ending = inner.expiry.iter().take_while(|(until, ..)| *until <= time).take(1_000_000);
        ending.filter(|(_, list, _)| *list == List::Bans).count()
    }

    /// Untrusted-domain patterns added at run time.
    pub fn patterns(&self) -> Arc<Vec<DomainPattern>> {
        self.patterns.load_full()
    }

    /// Adds a pattern; false when it is there already.
    pub fn add_pattern(&self, pattern: DomainPattern) -> bool {
        let _in_order = self.inner.write();
        let mut patterns = self.patterns.load().to_vec();
        if patterns.contains(&pattern) {
            return false;
        }
        patterns.push(pattern.clone());
        self.patterns.store(Arc::new(patterns));
        (self.journal)(&Change::PatternAdded(pattern));
        true
    }

    /// Removes a pattern; false when it is not there.
    pub fn remove_pattern(&self, pattern: &DomainPattern) -> bool {
        let _in_order = self.inner.write();
        let mut patterns = self.patterns.load().to_vec();
        let before = patterns.len();
        patterns.retain(|other| other != pattern);
        if patterns.len() == before {
            return false;
        }
        self.patterns.store(Arc::new(patterns));
        (self.journal)(&Change::PatternRemoved(pattern.clone()));
        true
    }

    /// The pattern that a domain matches, if any.
    pub(crate) fn matching_pattern(&self, domain: &[u8]) -> Option<DomainPattern> {
        self.patterns.load().iter().find(|pattern| pattern.matches(domain)).cloned()
    }
}

/// The source of a target that is a host.
impl Target {
    /// The source, when the target is one.
    pub fn source(self) -> Option<Source> {
        match self {
            Target::Host(source) => Some(source),
            Target::Port(ip, _) => Some(Source::of(ip)),
            Target::Net(_) => None,
        }
    }
}

/// How many entries run out under one lock, each of them told to all who listen.
const PIECE: usize = 64;
/// Places that a walk reads under one lock.
const WALK: usize = 2048;
