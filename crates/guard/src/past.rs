//! What the guard knows of the past, in one hand: reputation, earlier bans, and what was spent of the budgets.
//!
//! The engine tells it what happened and asks it how far a source is believed and how long a ban lasts; a store takes [`Rows`] out of it
//! now and then and gives them back at the next start. Start with [`Past::repute`] and [`Past::ban_time`].

use crate::ban::Ban;
use crate::budget::{Budget, Budgets, Spent};
use crate::observation::Evidence;
use crate::priors::{Growth, KeptPrior, Priors};
use crate::reputation::days::day_of;
use crate::reputation::{KeptAccount, KeptSource, Reputation, Repute, Success, Tier};
use crate::source::{Source, Target};
use crate::time::Time;
use ahash::RandomState;
use parking_lot::Mutex;
use std::time::Duration;

/// What is to be written down, or was.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rows {
    /// What is known of sources.
    pub sources: Vec<KeptSource>,
    /// What is known of accounts.
    pub accounts: Vec<KeptAccount>,
    /// Earlier bans.
    pub priors: Vec<KeptPrior>,
}

impl Rows {
    /// How many.
    pub fn len(&self) -> usize {
        self.sources.len() + self.accounts.len() + self.priors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes at most `most` rows out.
    #[must_use]
    pub fn take(&mut self, most: usize) -> Rows {
        fn some<T>(rows: &mut Vec<T>, most: &mut usize) -> Vec<T> {
            let taken = rows.split_off(rows.len() - rows.len().min(*most));
            *most -= taken.len();
            taken
        }
        let mut most = most;
        Rows {
            sources: some(&mut self.sources, &mut most),
            accounts: some(&mut self.accounts, &mut most),
            priors: some(&mut self.priors, &mut most),
        }
    }
}

/// How full the tables of the past are, and what was spent in the last minute.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PastState {
    /// Sources with a reputation.
    pub sources: usize,
    /// Accounts with one.
    pub accounts: usize,
    /// Targets with earlier bans.
    pub priors: usize,
    /// Bytes held.
    pub bytes: usize,
    /// Bans made in the last minute.
    pub bans_lately: u32,
    /// Sources with standing that were hit by one.
    pub standing_hit_lately: u32,
}

/// See the module.
pub struct Past {
    /// Whether anything is remembered.
    remembers: bool,
    reputation: Reputation,
    priors: Priors,
    budgets: Budgets,
    /// When each budget was last told to be spent.
    told: Mutex<[Option<Time>; 3]>,
}

impl Past {
    /// Room for `capacity` sources, as many accounts, and as many targets of earlier bans. `seed` keys the hashes. With
    /// room for none nothing is remembered.
    pub fn new(capacity: usize, seed: [u64; 4]) -> Past {
        let hasher = RandomState::with_seeds(seed[0], seed[1], seed[2], seed[3]);
        Past {
            remembers: capacity > 0,
            reputation: Reputation::new(capacity, [seed[0] ^ seed[2], seed[1] ^ seed[3]], &hasher),
            priors: Priors::new(capacity, hasher),
            budgets: Budgets::default(),
            told: Mutex::default(),
        }
    }

    /// What is known of sources and accounts.
    pub fn reputation(&self) -> &Reputation {
        &self.reputation
    }

    /// Earlier bans.
    pub fn priors(&self) -> &Priors {
        &self.priors
    }

    /// Right credentials came from a source, on this evidence. A forgery earns nothing.
    pub fn succeeded(&self, seen: &Success<'_>, evidence: Evidence, now: Time) {
        if self.remembers && evidence > Evidence::Forgeable {
            let attacked_on = || self.priors.proven_on(Target::Host(seen.source));
            self.reputation.succeeded(seen, attacked_on, now);
        }
    }

    /// An inbound call was answered, on this evidence.
    pub fn answered(&self, source: Source, user: &[u8], domain: &[u8], evidence: Evidence, now: Time) {
        if evidence > Evidence::Forgeable {
            self.reputation.answered(source, user, domain, now);
        }
    }

    /// What is known of a source that has so many registered phones, or is on the allow-list.
    pub fn repute(&self, source: Source, phones: u32, allowed: bool, now: Time) -> Repute {
        self.reputation.of_source(source, now).now(phones, allowed)
    }

    /// How long a ban of a target lasts whose rule says `base`, and how many earlier ones there were. What weak evidence asks for, which
    /// may be forged, never grows.
    pub fn ban_time(
        &self,
        target: Target,
        base: Duration,
        is_weak: bool,
        tier: Tier,
        growth: Growth,
        now: Time,
    ) -> (Duration, u32) {
        let priors = if is_weak { 0 } else { self.priors.count(target, growth, now) };
        (growth.grown(base, priors, tier), priors)
    }

    /// Takes a ban on this evidence out of the budgets; `standing` is its source, when that has standing.
    ///
    /// # Errors
    /// The budget that is spent, and whether a minute has passed since that was told.
    pub fn spend(
        &self,
        budget: Budget,
        evidence: Evidence,
        standing: Option<Source>,
        now: Time,
    ) -> Result<(), (Spent, bool)> {
        let Err(spent) = self.budgets.take(budget, evidence, standing, now) else { return Ok(()) };
        let mut told = self.told.lock();
        let last = &mut told[spent as usize];
        let due = last.is_none_or(|last| now < last || now.since(last) >= MINUTE);
        if due {
            *last = Some(now);
        }
        Err((spent, due))
    }

    /// The guard made a ban. What forgeable evidence made is not remembered.
    pub fn banned(&self, ban: &Ban, growth: Growth, now: Time) {
        let evidence = ban.reason.evidence;
        if !self.remembers || evidence == Evidence::Forgeable || ban.origin.is_operator() {
            return;
        }
        let is_proven = evidence == Evidence::Proven;
        self.priors.banned(ban.target, ban.until.unwrap_or(now), is_proven, growth, now);
        if let Target::Host(source) = ban.target
            && is_proven
        {
            self.reputation.attacked(source, now);
        }
    }

    /// An operator lifted a ban: it was wrong.
    pub fn lifted(&self, ban: &Ban, growth: Growth, now: Time) {
        if ban.origin.is_operator() || ban.reason.evidence == Evidence::Forgeable {
            return;
        }
        self.priors.taken_back(ban.target, growth, now);
        if let Target::Host(source) = ban.target {
            self.reputation.forgiven(source, ban.reason.last);
            self.reputation.forgiven(source, ban.since);
        }
    }

    /// Housekeeping, about once a second.
    pub fn tick(&self, growth: Growth, now: Time) {
        self.reputation.sweep(now);
        self.priors.sweep(growth, now);
    }

    /// What has changed since it was last asked. Whoever cannot write it down gives it back with [`Past::unwritten`].
    pub fn take_changed(&self) -> Rows {
        let mut rows = Rows::default();
        let Rows { sources, accounts, priors } = &mut rows;
        self.reputation.take_changed(|row| sources.push(row), |row| accounts.push(row));
        self.priors.take_changed(|row| priors.push(row));
        rows
    }

    /// These rows could not be written down: they count as changed again.
    pub fn unwritten(&self, rows: &Rows) {
        self.reputation.unwritten(&rows.sources, &rows.accounts);
        self.priors.unwritten(&rows.priors);
    }

    /// Takes in what a store kept, and the key of its hashes. Before the first observation.
    pub fn restore(&self, key: [u64; 2], rows: &Rows, growth: Growth, now: Time) {
        self.reputation.restore(key, &rows.sources, &rows.accounts, now);
        self.priors.restore(&rows.priors, growth, now);
    }

    /// The key of the hashes, which a store has to keep with the rows.
    pub fn key(&self) -> [u64; 2] {
        self.reputation.key()
    }

    /// How full it is.
    pub fn state(&self, now: Time) -> PastState {
        let reputation = self.reputation.state();
        let (priors, bytes) = self.priors.state();
        let (bans_lately, standing_hit_lately) = self.budgets.spent(now);
        PastState {
            sources: reputation.sources,
            accounts: reputation.accounts,
            priors,
            bytes: reputation.bytes + bytes,
            bans_lately,
            standing_hit_lately,
        }
    }
}

/// The day, as the rows count them: since 1970, in UTC.
pub fn day(now: Time) -> u16 {
    day_of(now)
}

/// How many days after its last mark nothing is left of a row about a source or an account.
pub const DAYS_KEPT: u16 = crate::reputation::days::KEPT;

const MINUTE: Duration = Duration::from_secs(60);
