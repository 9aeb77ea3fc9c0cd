//! What the ledger holds under its lock: bans and allow entries, found by target and by covering network, and the order in which
//! they run out. No journal, no policy; only the ledger comes in here.

use super::AllowedBy;
use super::places::Places;
use crate::ban::{Allowed, Ban};
use crate::source::{Source, Target, fold};
use crate::time::Time;
use ahash::RandomState;
use hashbrown::HashMap;
use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A ban that covers an address, and what was told of it.
pub(crate) struct Standing {
    pub(crate) ban: Arc<Ban>,
    told: Arc<Told>,
}

#[derive(Default)]
pub(super) struct Told {
    compromise: AtomicBool,
    not_enforced: Paced,
    recorded: Paced,
}

impl Standing {
    /// True the first time it is called for this ban.
    pub(crate) fn report_compromise_once(&self) -> bool {
        !self.told.compromise.swap(true, Relaxed)
    }

    /// True once a minute for this ban: its source is heard, and that is to be recorded.
    pub(crate) fn is_to_record(&self, now: Time) -> bool {
        self.told.recorded.is_due(now)
    }

    /// True once a minute for this ban.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.told.not_enforced.is_due(now)
    }
}

/// Something that is told once a minute at most.
#[derive(Default)]
pub(crate) struct Paced(AtomicU64);

impl Paced {
    /// Whether a minute has passed since it last said yes, or the clock was set back.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        let last = self.0.load(Relaxed);
        let due = last == 0 || now.micros() < last || now.since(Time::from_micros(last)) >= MINUTE;
        due && self.0.compare_exchange(last, now.micros(), Relaxed, Relaxed).is_ok()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct HeldBan {
    pub(super) ban: Arc<Ban>,
    told: Arc<Told>,
    /// In `ban_order`.
    place: u32,
}

pub(super) struct HeldAllow {
    pub(super) entry: Arc<Allowed>,
    /// Micros; what `entry.until` has grown to by successes. Zero is for good.
    until: AtomicU64,
    last_seen: AtomicU64,
    /// Micros; the `until` that the journal was last told.
    told: AtomicU64,
    /// In `allow_order`.
    place: AtomicU32,
}

impl HeldAllow {
    pub(super) fn new(entry: Arc<Allowed>) -> HeldAllow {
        let until = entry.until.map_or(0, Time::micros);
        let last_seen = entry.last_seen.micros();
        HeldAllow {
            entry,
            until: until.into(),
            last_seen: last_seen.into(),
            told: until.into(),
            place: 0.into(),
        }
    }

    pub(super) fn until(&self) -> Option<Time> {
        match self.until.load(Relaxed) {
            0 => None,
            micros => Some(Time::from_micros(micros)),
        }
    }

    pub(super) fn stands(&self, now: Time) -> bool {
        self.until().is_none_or(|until| until > now)
    }

    /// Lets the entry last until `until`. True when it is time to tell: a twenty-fourth of the time has passed.
    pub(super) fn refresh(&self, until: Time, ttl: Duration, now: Time) -> bool {
        self.last_seen.store(now.micros(), Relaxed);
        // What an operator wrote ends when he said.
        if self.until.load(Relaxed) == 0 || self.entry.origin.is_operator() {
            return false;
        }
        self.until.fetch_max(until.micros(), Relaxed);
        let told = self.told.load(Relaxed);
        let due = until.since(Time::from_micros(told)) > ttl / 24;
        due && self.told.compare_exchange(told, until.micros(), Relaxed, Relaxed).is_ok()
    }

    pub(super) fn shown(&self) -> Allowed {
        Allowed {
            until: self.until(),
            last_seen: Time::from_micros(self.last_seen.load(Relaxed)),
            ..(*self.entry).clone()
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    Bans,
    Allows,
}

pub(super) struct Inner {
    pub(super) bans: HashMap<Target, HeldBan, RandomState>,
    pub(super) ban_nets: JointPrefixMap<IpNet, ()>,
    /// The port bans of each source that has any.
    pub(super) ban_ports: HashMap<Source, Vec<Target>, RandomState>,
    pub(super) allows: HashMap<Target, Arc<HeldAllow>, RandomState>,
    pub(super) allow_nets: JointPrefixMap<IpNet, ()>,
    pub(super) expiry: BTreeSet<(Time, List, Target)>,
    /// The bans once more, for walks in pieces.
    pub(super) ban_order: Places<Arc<Ban>>,
    /// The allow entries once more.
    pub(super) allow_order: Places<Arc<HeldAllow>>,
    /// How many bans of each scope are aimed at what; see [`super::Census`].
    pub(super) census: super::Census,
}

impl Inner {
    pub(super) fn new(hasher: RandomState) -> Inner {
        Inner {
            bans: HashMap::with_hasher(hasher.clone()),
            ban_nets: JointPrefixMap::new(),
            ban_ports: HashMap::with_hasher(hasher.clone()),
            allows: HashMap::with_hasher(hasher),
            allow_nets: JointPrefixMap::new(),
            expiry: BTreeSet::new(),
            ban_order: Places::new(),
            allow_order: Places::new(),
            census: super::Census::default(),
        }
    }

    pub(super) fn standing(&self, ip: IpAddr, port: u16, now: Time) -> Option<Standing> {
        if self.bans.is_empty() {
            return None;
        }
        let found = |target: Target| {
            let held = self.bans.get(&target).filter(|held| held.ban.stands(now))?;
            Some(Standing { ban: held.ban.clone(), told: held.told.clone() })
        };
        let by_port =
            || (port != 0 && !self.ban_ports.is_empty()).then(|| found(Target::port(ip, port))).flatten();
        let by_net = || {
            if self.ban_nets.is_empty() {
                return None;
            }
            // The narrowest net nearly always stands; looking at the others allocates.
            let host = IpNet::from(fold(ip));
            let (narrowest, ()) = self.ban_nets.get_lpm(&host)?;
            found(Target::Net(narrowest))
                .or_else(|| self.ban_nets.cover(&host).find_map(|(net, ())| found(Target::Net(net))))
        };
        found(Target::host(ip)).or_else(by_port).or_else(by_net)
    }

    /// On what ground an address is on the allow-list.
    pub(super) fn allowed(&self, ip: IpAddr, now: Time) -> Option<AllowedBy> {
        let by = |target: Target| {
            let held = self.allows.get(&target).filter(|held| held.stands(now))?;
            Some(if held.entry.origin.is_operator() { AllowedBy::Operator } else { AllowedBy::Success })
        };
        let host = by(Target::host(ip));
        if host == Some(AllowedBy::Operator) || self.allow_nets.is_empty() {
            return host;
        }
        let address = IpNet::from(fold(ip));
        let Some((narrowest, ())) = self.allow_nets.get_lpm(&address) else { return host };
        if by(Target::Net(narrowest)) == Some(AllowedBy::Operator) {
            return Some(AllowedBy::Operator);
        }
        let nets = self.allow_nets.cover(&address);
        nets.filter_map(|(net, ())| by(Target::Net(net))).chain(host).max()
    }

    /// What within `net` is banned: the host, its ports, networks inside.
    pub(super) fn bans_within(&self, net: &IpNet) -> Vec<Target> {
        match Target::net(*net) {
            host @ Target::Host(source) => self.ports_of(source).chain([host]).collect(),
            _ => self.bans.keys().filter(|target| net.contains(&target.covers())).copied().collect(),
        }
    }

    pub(super) fn ports_of(&self, source: Source) -> impl Iterator<Item = Target> + '_ {
        self.ban_ports.get(&source).into_iter().flatten().copied()
    }

    pub(super) fn put_ban(&mut self, ban: Arc<Ban>) {
        self.put_ban_told(ban, Arc::default());
    }

    /// Puts the amended ban in the place of the one that stands; what was told of that one counts for this one.
    pub(super) fn amend_ban(&mut self, ban: Arc<Ban>) {
        let told = self.bans.get(&ban.target).map(|held| held.told.clone());
        self.put_ban_told(ban, told.unwrap_or_default());
    }

    fn put_ban_told(&mut self, ban: Arc<Ban>, told: Arc<Told>) {
        let target = ban.target;
        // One that replaces another keeps its place, so that a walk under way meets one of them.
        if let Some(held) = self.bans.get_mut(&target) {
            if let Some(until) = held.ban.until {
                self.expiry.remove(&(until, List::Bans, target));
            }
            if let Some(until) = ban.until {
                self.expiry.insert((until, List::Bans, target));
            }
            self.ban_order.replace(held.place, ban.clone());
            count_down(&mut self.census, &held.ban);
            count_up(&mut self.census, &ban);
            *held = HeldBan { ban, told, place: held.place };
            return;
        }
        match target {
            Target::Net(net) => _ = self.ban_nets.insert(net, ()),
            Target::Port(ip, _) => self.ban_ports.entry(Source::of(ip)).or_default().push(target),
            Target::Host(_) => {}
        }
        if let Some(until) = ban.until {
            self.expiry.insert((until, List::Bans, target));
        }
        count_up(&mut self.census, &ban);
        let place = self.ban_order.put(ban.clone());
        self.bans.insert(target, HeldBan { ban, told, place });
    }

    pub(super) fn take_ban(&mut self, target: Target) -> Option<Arc<Ban>> {
        let held = self.bans.remove(&target)?;
        self.ban_order.take(held.place);
        count_down(&mut self.census, &held.ban);
        match target {
            Target::Net(net) => _ = self.ban_nets.remove(&net),
            Target::Port(ip, _) => {
                let source = Source::of(ip);
                if let Some(ports) = self.ban_ports.get_mut(&source) {
                    ports.retain(|other| *other != target);
                    if ports.is_empty() {
                        self.ban_ports.remove(&source);
                    }
                }
            }
            Target::Host(_) => {}
        }
        if let Some(until) = held.ban.until {
            self.expiry.remove(&(until, List::Bans, target));
        }
        Some(held.ban)
    }

    pub(super) fn put_allow(&mut self, entry: Arc<Allowed>) {
        let target = entry.target;
        self.take_allow(target);
        if let Target::Net(net) = target {
            self.allow_nets.insert(net, ());
        }
        if let Some(until) = entry.until {
            self.expiry.insert((until, List::Allows, target));
        }
        let held = Arc::new(HeldAllow::new(entry));
        held.place.store(self.allow_order.put(held.clone()), Relaxed);
        self.allows.insert(target, held);
    }

    pub(super) fn take_allow(&mut self, target: Target) -> Option<Arc<HeldAllow>> {
        let held = self.allows.remove(&target)?;
        self.allow_order.take(held.place.load(Relaxed));
        if let Target::Net(net) = target {
            self.allow_nets.remove(&net);
        }
        // A refreshed entry stands in the order under the time it was made for; the sweep drops that place.
        if let Some(until) = held.entry.until {
            self.expiry.remove(&(until, List::Allows, target));
        }
        Some(held)
    }
}

fn count_up(census: &mut super::Census, ban: &Ban) {
    census[ban.scope as usize][kind(ban.target)] += 1;
}

/// A figure only: it must never stop a change of the ledger half-way.
fn count_down(census: &mut super::Census, ban: &Ban) {
    let count = &mut census[ban.scope as usize][kind(ban.target)];
    *count = count.saturating_sub(1);
}

/// The place of a target's kind in a [`super::Census`].
fn kind(target: Target) -> usize {
    match target {
        Target::Host(_) => 0,
        Target::Port(..) => 1,
        Target::Net(_) => 2,
    }
}
