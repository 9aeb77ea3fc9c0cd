//! Toll fraud: calls of accounts that proved who they are, which says nothing about who uses the password.
//!
//! [`Fraud`] follows the calls of every account to destinations outside the house, sums up what they cost, and tells what is wondrous
//! ([`FraudRule`]). Where a number leads is told by a function ([`Fraud::set_destinations`]); `None` is an extension, which never counts.
//! Tables have hard caps and keyed hashes. Events may be lost, so calls are compared with what the switch lists ([`Fraud::compare`]); one
//! that neither ends nor is listed is forgotten after 12 hours. Start with
//! [`Fraud::observe`] and [`Fraud::tick`], which charges the calls that run on while nothing else happens.

use crate::bounded::Bounded;
use crate::observation::{Evidence, Observation, What};
use crate::source::Source;
use crate::time::Time;
use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use toll::Destination;

mod account;
mod calls;
mod ending;
mod finding;
mod judge;
mod kept;
mod legs;
mod look;
mod policy;
mod ring;
mod stock;
mod tenant;
#[cfg(test)]
mod tests;

pub use account::{Called, Learnt, Peaks};
pub use finding::{FraudAlert, FraudCounts};
pub use kept::Spent;
pub use look::{AccountUse, FraudState, TenantUse};
pub use policy::{Actions, FraudPolicy, FraudRule, Hours};
pub use stock::{Differences, Listed, Look};
pub use tenant::TenantAlert;
pub use toll::{Class, Cost, Country};

use account::{Account, Tenant};
use calls::Live;
use ending::Ending;
pub(crate) use finding::Finding;
use legs::{Leg, Origin};
use stock::Sight;
pub(crate) use tenant::TenantFinding;

/// Tells where a number leads that an account of a domain dialled.
pub type Destinations = Box<dyn Fn(&[u8], &[u8]) -> Option<Destination> + Send + Sync>;

/// How much may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FraudLimits {
    /// Accounts that called.
    pub accounts: usize,
    /// Domains.
    pub tenants: usize,
    /// Calls that run; four times as many legs are known by their account.
    pub calls: usize,
}

impl Default for FraudLimits {
    fn default() -> FraudLimits {
        FraudLimits { accounts: 50_000, tenants: 5_000, calls: 20_000 }
    }
}

/// The state of all accounts that call.
pub struct Fraud {
    policy: ArcSwap<FraudPolicy>,
    destinations: ArcSwapOption<Destinations>,
    state: Mutex<State>,
    /// Calls and legs that are known, and looks, so that the end of one of no interest takes no lock.
    running: AtomicUsize,
    /// Micros; since when calls are watched, 0 before the first log-in.
    began: AtomicU64,
    hasher: RandomState,
    counts: FraudCounts,
}

struct State {
    accounts: Bounded<u64, Account>,
    tenants: Bounded<u64, Tenant>,
    calls: Bounded<u64, Live>,
    /// Whose a leg is, by its name: of proven callers, and of legs made for them.
    origins: Bounded<u64, Origin>,
    sight: Sight,
    /// Tenants past a cap, whose accounts are to be looked through; each once.
    to_weigh: Vec<u64>,
}

/// What calls that run have come to.
pub(crate) struct Ticked {
    pub(crate) findings: Vec<Finding>,
    pub(crate) tenants: Vec<TenantFinding>,
}

/// A call begins: what an observation says of it.
struct Start<'a> {
    seen: &'a Observation<'a>,
    ip: IpAddr,
    call: &'a [u8],
    number: &'a [u8],
    /// The account's domain.
    domain: &'a [u8],
    now: Time,
}

impl Fraud {
    /// No accounts yet; every number is an extension until [`Fraud::set_destinations`].
    pub(crate) fn new(limits: FraudLimits, hasher: RandomState) -> Fraud {
        Fraud {
            policy: ArcSwap::default(),
            destinations: ArcSwapOption::empty(),
            state: Mutex::new(State {
                accounts: Bounded::new(limits.accounts, hasher.clone()),
                tenants: Bounded::new(limits.tenants, hasher.clone()),
                calls: Bounded::new(limits.calls, hasher.clone()),
                origins: Bounded::new(limits.calls.saturating_mul(4), hasher.clone()),
                sight: Sight::default(),
                to_weigh: Vec::new(),
            }),
            running: AtomicUsize::new(0),
            began: AtomicU64::new(0),
            hasher,
            counts: FraudCounts::default(),
        }
    }

    /// Replaces the policy; what was counted stays.
    pub fn set_policy(&self, policy: FraudPolicy) {
        self.policy.store(Arc::new(policy));
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<FraudPolicy> {
        self.policy.load_full()
    }

    /// Replaces the function that tells where a number leads.
    pub fn set_destinations(&self, destinations: Destinations) {
        self.destinations.store(Some(Arc::new(destinations)));
    }

    /// What was counted.
    pub fn counts(&self) -> &FraudCounts {
        &self.counts
    }

    /// Takes an observation in; what is to be done about it.
    pub(crate) fn observe(&self, seen: &Observation<'_>, now: Time) -> Option<Finding> {
        if matches!(seen.what, What::Registered { .. } | What::AuthSucceeded) {
            self.begin(now);
        }
        match seen.what {
            What::CallStarted { call, destination, authenticated: true, .. } => {
                let domain = if seen.account_domain.is_empty() { seen.domain } else { seen.account_domain };
                let start = Start { seen, ip: seen.ip?, call, number: destination, domain, now };
                return self.started(&start, now);
            }
            What::LegStarted { call, origin, gateway, destination }
                if !gateway.is_empty() || self.is_running() =>
            {
                return self.leg_started(seen, Leg { call, origin, gateway, number: destination }, now, now);
            }
            What::CallAnswered { call } | What::LegAnswered { call } if self.is_running() => {
                self.answered(seen.switch, call, now);
            }
            What::CallEnded { call, billed, .. } | What::LegEnded { call, billed } if self.is_running() => {
                _ = self.ended(seen.switch, call, billed, now);
            }
            What::SwitchStarted { up } if self.is_running() => {
                self.switched_off(seen.switch, Duration::from_secs(up.into()), now);
            }
            What::SwitchStopping if self.is_running() => {
                self.switched_off(seen.switch, Duration::ZERO, now);
            }
            _ => {}
        }
        None
    }

    /// Whoever logs in first begins the time in which accounts learn.
    fn begin(&self, now: Time) {
        if self.began.load(Relaxed) == 0 && self.policy.load().enabled {
            _ = self.began.compare_exchange(0, now.micros(), Relaxed, Relaxed);
        }
    }

    /// For how long calls have been watched; from now on if not yet.
    fn watched(&self, now: Time) -> Duration {
        self.begin(now);
        self.began().map_or(Duration::ZERO, |began| now.since(began))
    }

    fn is_running(&self) -> bool {
        self.running.load(Relaxed) > 0
    }

    /// A call begins at the time of `start`, which is told at `told`.
    fn started(&self, start: &Start<'_>, told: Time) -> Option<Finding> {
        let policy = self.policy.load();
        let Start { seen, now, domain, .. } = *start;
        if !policy.enabled || seen.user.is_empty() {
            return None;
        }
        self.begin(told);
        let destinations = self.destinations.load();
        let to = destinations.as_ref().and_then(|leads| leads(start.number, domain));
        let (account, tenant) = (self.key([seen.user, domain]), self.key([domain]));
        let key = self.call_key(seen.switch, start.call);
        let mut state = self.state.lock();
        state.account(account, tenant, start);
        if state.is_known(key) {
            return None;
        }
        state.remember(key, Origin::of_call(start, account, tenant));
        self.running.store(state.running(), Relaxed);
        let to = to?;
        state.tenant(tenant, domain, now);
        let mut live = Live::new(start, account, tenant, to);
        let watched = self.watched(told);
        let fired = judge::started(&policy, &mut state, &mut live, watched, now);
        state.counted(key, live.to.number, legs::bits(&fired));
        let finding = (!fired.is_empty()).then(|| finding::made(&policy, &mut state, &live, &fired, told));
        let finding = finding.inspect(|finding| {
            self.counts.count(&fired, finding);
            live.must_end = Ending::wanted_by(finding, told);
        });
        self.track(&mut state, key, live, told);
        finding
    }

    fn answered(&self, switch: u16, call: &[u8], now: Time) {
        let key = self.call_key(switch, call);
        let mut state = self.state.lock();
        let mut origin = None;
        state.calls.change(&key, |live| {
            live.answered.get_or_insert(now);
            origin = live.origin;
            false
        });
        if let Some(origin) = origin {
            state.is_through(origin);
        }
    }

    /// Follows a call. When there are too many, one that is lost sight of counts as ended, or its account would seem to call for ever.
    fn track(&self, state: &mut State, key: u64, live: Live, now: Time) {
        if let Some(mut lost) = state.calls.crowd_out(Live::worth, &Live::DEAREST) {
            self.counts.untracked.up();
            let seconds = lost.seconds(now);
            if !state.sight.is_blind(lost.switch) {
                lost.charge_up_to(state, seconds, now);
            }
            lost.over(state);
        }
        if !state.calls.make(key, live.clone(), Live::worth, &Live::DEAREST) {
            self.counts.untracked.up();
            live.over(state);
        }
        self.running.store(state.running(), Relaxed);
    }

    /// Whether such a call was followed.
    fn ended(&self, switch: u16, call: &[u8], billed: u32, now: Time) -> bool {
        let key = self.call_key(switch, call);
        let mut state = self.state.lock();
        state.origins.take(&key);
        state.sight.ended(key);
        self.running.store(state.running(), Relaxed);
        let Some(mut live) = state.calls.take(&key) else { return false };
        // The switch's own figure is better than ours, and all there is when the answer was lost.
        let seconds = if billed > 0 { u64::from(billed) } else { live.seconds(now) };
        live.charge_up_to(&mut state, seconds, now);
        live.over(&mut state);
        self.running.store(state.running(), Relaxed);
        true
    }

    /// A switch that starts or stops has no calls, but for those of the time that it has been up again.
    fn switched_off(&self, switch: u16, up: Duration, now: Time) {
        let is_old = |began: Time| now.since(began) >= up;
        self.end_where(now, |live| live.switch == switch && is_old(live.started));
        self.forget_origins(|origin| origin.switch == switch && is_old(origin.alive));
    }

    fn forget_origins(&self, is_over: impl Fn(&Origin) -> bool) {
        let mut from = Some(0);
        while let Some(place) = from {
            let mut state = self.state.lock();
            let mut over = Vec::new();
            from = state.origins.visit(place, |key, origin| {
                if is_over(origin) {
                    over.push(*key);
                }
            });
            for key in over {
                state.origins.take(&key);
            }
            self.running.store(state.running(), Relaxed);
        }
    }

    fn end_where(&self, now: Time, is_over: impl Fn(&Live) -> bool) {
        let mut state = self.state.lock();
        let mut from = Some(0);
        while let Some(place) = from {
            let mut over = Vec::new();
            from = state.calls.visit(place, |key, live| {
                if is_over(live) {
                    over.push(*key);
                }
            });
            for key in over {
                let Some(mut live) = state.calls.take(&key) else { continue };
                if !state.sight.is_blind(live.switch) {
                    let seconds = live.seconds(now);
                    live.charge_up_to(&mut state, seconds, now);
                }
                live.over(&mut state);
            }
        }
        self.running.store(state.running(), Relaxed);
    }

    /// About once a second: charges the calls that run, tells which of them have come to be too much, and asks again for the end of those
    /// that must end.
    pub(crate) fn tick(&self, now: Time) -> Ticked {
        let mut findings = Vec::new();
        let policy = self.policy.load_full();
        if self.is_running() {
            let mut from = Some(0);
            while let Some(place) = from {
                // In pieces, so that no event waits for all of them.
                let mut state = self.state.lock();
                let mut keys = Vec::new();
                from = state.calls.visit(place, |key, _| keys.push(*key));
                for key in keys {
                    findings.extend(self.run_on(&policy, &mut state, key, now));
                }
            }
            self.end_where(now, |live| live.is_forgotten(now));
        }
        let tenants = if policy.enabled { self.weigh(&policy, now) } else { Vec::new() };
        tenants.iter().for_each(|finding| self.counts.count_tenant(finding));
        let mut state = self.state.lock();
        state.origins.sweep(look::SWEEP, |origin| calls::is_lost(origin.alive, now));
        state.accounts.sweep(look::SWEEP, |account| now.since(account.last) > look::FORGET_AFTER);
        state.tenants.sweep(look::SWEEP, |tenant| now.since(tenant.last) > look::FORGET_AFTER);
        Ticked { findings, tenants }
    }

    fn run_on(&self, policy: &FraudPolicy, state: &mut State, key: u64, now: Time) -> Option<Finding> {
        let mut live = state.calls.get(&key)?.clone();
        if state.sight.is_blind(live.switch) {
            return None;
        }
        let seconds = live.seconds(now);
        live.charge_up_to(state, seconds, now);
        let fired = if policy.enabled { judge::running(policy, state, &mut live, now) } else { Vec::new() };
        let finding = if fired.is_empty() {
            ending::again(policy, &mut live, now)
        } else {
            let finding = finding::made(policy, state, &live, &fired, now);
            self.counts.count(&fired, &finding);
            live.must_end = Ending::wanted_by(&finding, now).or(live.must_end);
            Some(finding)
        };
        state.calls.change(&key, |kept| {
            *kept = live;
            false
        });
        finding
    }

    /// The key of an account or a domain, however it was typed: the switch knows no case either.
    fn key<const N: usize>(&self, parts: [&[u8]; N]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for part in parts {
            for piece in part.chunks(LONGEST) {
                let mut lower = [0; LONGEST];
                lower[..piece.len()].copy_from_slice(piece);
                lower.make_ascii_lowercase();
                hasher.write(&lower);
            }
            hasher.write_usize(part.len());
        }
        hasher.finish()
    }

    fn call_key(&self, switch: u16, call: &[u8]) -> u64 {
        self.hasher.hash_one((switch, call))
    }
}

impl State {
    /// Whether anything is known whose end matters.
    fn running(&self) -> usize {
        self.calls.len() + self.origins.len() + usize::from(self.sight.is_looking())
    }

    /// Makes the account of a call, or marks that it was there.
    fn account(&mut self, key: u64, tenant: u64, start: &Start<'_>) {
        let now = start.now;
        let is_there = self.accounts.change(&key, |account| {
            // Once a day is enough to be written down.
            let is_new_day = account.last.secs() / 86_400 != now.secs() / 86_400;
            account.last = account.last.max(now);
            is_new_day
        });
        if is_there {
            return;
        }
        let account = Account {
            user: cut(start.seen.user),
            domain: cut(start.domain),
            tenant,
            since: now,
            last: now,
            outside: None,
        };
        let worth = |account: &Account| {
            let outside = account.outside.as_ref();
            (outside.is_some_and(|outside| outside.live > 0), outside.is_some(), account.last)
        };
        self.accounts.make(key, account, worth, &(true, true, Time::from_micros(u64::MAX)));
    }

    /// Makes the tenant of a call, or marks that it was there.
    fn tenant(&mut self, key: u64, domain: &[u8], now: Time) {
        let touch = |tenant: &mut Tenant| {
            tenant.last = tenant.last.max(now);
            false
        };
        if !self.tenants.change(&key, touch) {
            let tenant = Tenant {
                domain: cut(domain),
                spending: Default::default(),
                weighed: Default::default(),
                from: None,
                last: now,
            };
            let worth = |tenant: &Tenant| tenant.last;
            self.tenants.make(key, tenant, worth, &Time::from_micros(u64::MAX));
        }
    }
}

/// Longest name of an account or a domain that is kept, in bytes; longer ones are told apart by their hash all the same.
const LONGEST: usize = 64;

fn cut(name: &[u8]) -> Box<[u8]> {
    name[..name.len().min(LONGEST)].into()
}

/// What a finding needs to know of where a call comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) ip: IpAddr,
    pub(crate) source: Source,
    pub(crate) evidence: Evidence,
}
