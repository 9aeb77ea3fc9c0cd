//! The engine: an observation in, verdicts out.
//!
//! Start with [`Guard::observe`]. It is called inline by whoever reads a switch, from any thread: the state is split into
//! shards by subject, each behind a short lock, of which one is held at a time; nothing waits and nothing is allocated unless a
//! verdict is made. The order of judgement: count and ask which rules fire ([`judge`]), then who must be spared and what the
//! evidence allows ([`sentence`]).

use crate::counts::Counts;
use crate::fraud::{Fraud, FraudLimits, FraudRule};
use crate::ledger::{AllowedBy, Journal, Ledger, Paced};
use crate::observation::{Observation, What};
use crate::past::Past;
use crate::policy::Policy;
use crate::signal::{Signal, Signals};
use crate::source::{Source, Target};
use crate::suspicion::Suspicion;
use crate::tally::Key;
use crate::time::Time;
use crate::verdict::Verdict;
use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption};
use arrayvec::ArrayVec;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::sync::Arc;

mod calls;
mod compiled;
mod fraud;
mod judge;
mod lately;
mod look;
mod mistyped;
mod neighbours;
mod orders;
mod own_phone;
mod past;
mod place;
mod reach;
mod seen;
mod sentence;
mod shard;
mod success;
mod untrusted;

use compiled::{Compiled, Slots};
use place::Atlas;
use seen::Seen;
use shard::Shard;
use success::Told;

pub(crate) use compiled::SLOTS;
pub use look::{Explanation, RuleRecord, State};
pub use orders::{Amendment, Refusal, Terms};
pub use place::{Place, Places};
pub use reach::{Learnt, MOST_LEARNT, MOST_OPERATORS, OPERATOR_FOR, Operator};

/// The verdicts on one observation; nearly always none.
pub type Verdicts = ArrayVec<Verdict, 10>;

/// How much the guard may keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Windows kept at most, over all rules and sources.
    pub windows: usize,
    /// Registrations kept at most.
    pub registrations: usize,
    /// Bans, and allow entries, kept at most.
    pub bans: usize,
    /// Records of what sources did lately.
    pub timeline: usize,
    /// Sources, accounts and earlier bans remembered over weeks, each; 0 remembers nothing.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            windows: 1_000_000,
            registrations: 200_000,
            bans: 1_000_000,
            timeline: 65_536,
            remembered: 200_000,
        }
    }
}

/// The guard: rules, windows, registrations and the ledger.
pub struct Guard {
    shards: Box<[Mutex<Shard>]>,
    policy: ArcSwap<Compiled>,
    slots: Mutex<Slots>,
    ledger: Ledger,
    counts: Counts,
    atlas: ArcSwap<Atlas>,
    suspicion: ArcSwapOption<Suspicion>,
    reach: reach::Reach,
    fraud: Fraud,
    /// Slots of the fraud rules, by their numbers.
    fraud_slots: [u8; FraudRule::ALL.len()],
    /// When a full ledger was last told.
    full_told: Paced,
    /// Log-ins that were told as suspicious.
    compromises: Mutex<Told>,
    past: Past,
    hasher: RandomState,
}

/// Shards: enough that two switches' readers seldom meet.
const SHARDS: usize = 16;
/// Slots that each observation sweeps.
const SWEEP: usize = 2;

impl Guard {
    /// A guard with an empty ledger. `seed` keys the hashes: random in production, fixed in tests.
    pub fn new(policy: Policy, limits: Limits, seed: [u64; 4], journal: Journal) -> Guard {
        let hasher = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        let shard = || Mutex::new(Shard::new(&limits, SHARDS, &hasher));
        let mut slots = Slots::default();
        let compiled = Compiled::new(policy, &mut slots);
        Guard {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            policy: ArcSwap::from_pointee(compiled),
            fraud_slots: FraudRule::ALL.map(|rule| slots.of(&rule.name().into())),
            slots: Mutex::new(slots),
            ledger: Ledger::new(limits.bans, hasher.clone(), journal),
            counts: Counts::default(),
            atlas: ArcSwap::default(),
            suspicion: ArcSwapOption::new(Suspicion::built_in().ok().map(Arc::new)),
            reach: reach::Reach::default(),
            fraud: Fraud::new(FraudLimits::default(), hasher.clone()),
            full_told: Paced::default(),
            compromises: Mutex::default(),
            past: Past::new(limits.remembered, seed),
            hasher,
        }
    }

    /// The bans and the allow-list.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.policy.load().policy.clone()
    }

    /// Replaces the policy. Windows keep what they have counted.
    pub fn set_policy(&self, policy: Policy) {
        let mut slots = self.slots.lock();
        self.policy.store(Arc::new(Compiled::new(policy, &mut slots)));
    }

    /// Replaces what gives a source away by itself: scanners' user agents, honeypots. Those that need no file are there from the start.
    pub fn set_suspicion(&self, suspicion: Arc<Suspicion>) {
        self.suspicion.store(Some(suspicion));
    }

    /// What gives a source away by itself, with its hits.
    pub fn suspicion(&self) -> Option<Arc<Suspicion>> {
        self.suspicion.load_full()
    }

    /// What an observation gives away beside what it is. Right credentials give nothing away.
    fn suspected(&self, seen: &Observation<'_>) -> Signals {
        let may_be_attack = matches!(
            seen.what,
            What::AuthFailed(_)
                | What::Challenged
                | What::CallAbandoned
                | What::CallStarted { authenticated: false, .. }
                | What::UnknownAccount
        );
        if !may_be_attack {
            return Signals::NONE;
        }
        self.suspicion.load().as_ref().map_or(Signals::NONE, |suspicion| suspicion.seen(seen))
    }

    /// Names of all rules that there ever were, by the slots that [`Counts::decisions`] counts them under.
    pub fn rule_names(&self) -> Vec<Arc<str>> {
        self.slots.lock().names()
    }

    fn shard(&self, source: Source) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(source) >> 32) as usize % SHARDS]
    }

    /// The shard of a subject that is not a source or a part of one.
    fn wide_shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[(self.hasher.hash_one(key.subject()) >> 32) as usize % SHARDS]
    }

    /// Judges one observation, made at `now`.
    pub fn observe(&self, seen: &Observation<'_>, now: Time) -> Verdicts {
        let mut verdicts = Verdicts::new();
        self.counts.see(&seen.what, seen.evidence, now);
        let fraud = self.fraud.observe(seen, now);
        let Some(ip) = seen.ip else {
            if !seen.what.is_of_the_switch() {
                self.counts.without_source.up();
            }
            self.found_on(fraud, now, &mut verdicts);
            return verdicts;
        };
        let place = Place::default();
        let mut seen = Seen { seen, ip, source: Source::of(ip), now, hasher: &self.hasher, place };
        let mut signals = Signals::of(&seen.seen.what) | self.suspected(seen.seen);
        if self.is_denied(&seen, signals) {
            signals |= Signals::one(Signal::DeniedCountry);
        }
        if signals.has(Signal::AuthFailed) && self.is_from_a_new_country(&seen) {
            signals |= Signals::one(Signal::NewCountry);
        }
        self.strike(&mut seen, signals, &mut verdicts);
        match seen.seen.what {
            What::AuthFailed(_) => _ = self.untrusted(&seen, &mut verdicts),
            What::CallStarted { call, authenticated, .. } => {
                self.untrusted_call(&seen, call, &mut verdicts);
                if authenticated {
                    self.succeeded(&seen, &mut verdicts);
                }
            }
            What::AuthSucceeded => self.succeeded(&seen, &mut verdicts),
            What::Registered { expires } => self.registered(&seen, expires, &mut verdicts),
            What::CallAnswered { .. } => self.answered(&seen),
            What::Unregistered | What::Expired => {
                let mut shard = self.shard(seen.source).lock();
                shard.standings.unbind(seen.source, seen.seen.user, seen.seen.domain, now);
            }
            _ => {}
        }
        self.found_on(fraud, now, &mut verdicts);
        verdicts
    }

    /// On what ground a source is on the allow-list, if that is heeded.
    fn allowed(&self, policy: &Policy, seen: &Seen<'_>) -> Option<AllowedBy> {
        policy.allow.then(|| self.ledger.allowed(seen.ip, seen.now)).flatten()
    }

    /// Whether nothing that a source does may ban it: trusted, protected, or allowed by an operator.
    fn is_untouchable(&self, compiled: &Compiled, seen: &Seen<'_>) -> bool {
        compiled.is_out_of_reach(seen.source)
            || self.reach.holds(seen.source, seen.now)
            || self.allowed(&compiled.policy, seen) == Some(AllowedBy::Operator)
    }

    /// Housekeeping, about once a second: what has run out is forgotten. Returns the bans that ended.
    pub fn tick(&self, now: Time) -> Vec<Arc<crate::Ban>> {
        let compiled = self.policy.load();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.standings.sweep(now);
            // All of it once in ten minutes, in small pieces.
            let slots = shard.windows.len().max(shard.crowds.len()) / 600 + 64;
            shard.sweep(now, slots, &compiled);
        }
        self.past.tick(compiled.policy.growth, now);
        self.ledger.expire(now)
    }
}

/// Whether any of `nets` overlaps the target.
fn overlapping<'a>(nets: impl IntoIterator<Item = &'a IpNet>, target: Target) -> Option<IpNet> {
    nets.into_iter().find(|net| target.overlaps(net)).copied()
}

#[cfg(test)]
mod tests;
