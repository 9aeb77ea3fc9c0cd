//! Counters of what the guard saw and decided; each is read without a lock.

use crate::engine::SLOTS;
use crate::observation::{Evidence, WHATS, What};
use crate::time::Time;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter.
#[derive(Default, Debug)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

/// What became of a rule that fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A ban was made, extended or widened.
    Ban,
    /// It would have been made if bans were enforced, or if the rule banned.
    WouldBan,
    /// An alert was raised.
    Alert,
    /// The source is trusted, allowed or registered.
    Spared,
    /// There was no room in the ledger.
    LedgerFull,
}

impl Outcome {
    /// All, in the order of [`Counts::decisions`].
    pub const ALL: [Outcome; 5] =
        [Outcome::Ban, Outcome::WouldBan, Outcome::Alert, Outcome::Spared, Outcome::LedgerFull];

    /// The word for it, as metrics show it.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Ban => "ban",
            Outcome::WouldBan => "would-ban",
            Outcome::Alert => "alert",
            Outcome::Spared => "spared",
            Outcome::LedgerFull => "ledger-full",
        }
    }
}

/// What became of the rules: by the slot of the rule's name, outcome and evidence, and when each fired last.
#[derive(Debug)]
pub struct Decisions(Vec<([[Count; 3]; Outcome::ALL.len()], Count)>);

impl Default for Decisions {
    fn default() -> Decisions {
        Decisions((0..=SLOTS).map(|_| Default::default()).collect())
    }
}

impl Decisions {
    /// Those of one rule: by outcome, in the order of [`Outcome::ALL`], and evidence.
    pub fn of(&self, slot: usize) -> Option<&[[Count; 3]; Outcome::ALL.len()]> {
        self.0.get(slot).map(|(counts, _)| counts)
    }
}

/// What the guard counted since it was made.
#[derive(Default, Debug)]
pub struct Counts {
    /// Observations by what was seen (see [`WHATS`]) and evidence.
    pub seen: [[Count; 3]; WHATS.len()],
    /// What became of rules that fired: by rule (see [`crate::Guard::rule_names`]), outcome and evidence.
    pub decisions: Decisions,
    /// Observations without a source address, or with something that is no address.
    pub without_source: Count,
    /// Challenges (no strike).
    pub challenges: Count,
    /// Registrations that succeeded.
    pub registrations: Count,
    /// Refused credentials.
    pub failed: Count,
    /// Wrong credentials at the guard's own interface.
    pub failed_logins: Count,
    /// Challenged calls that never came back.
    pub wrong_call_states: Count,
    /// Inbound calls.
    pub calls: Count,
    /// Strikes of sources that were banned already.
    pub heard_while_banned: Count,
    /// Bans made from forgeable, likely and proven evidence.
    pub bans: [Count; 3],
    /// Bans that would have been made if they were enforced.
    pub would_ban: Count,
    /// Rules that fired and spared a trusted, allowed or registered source.
    pub spared: Count,
    /// Calls to be hung up.
    pub hang_ups: Count,
    /// Alerts.
    pub alerts: Count,
    /// Bans refused because the ledger was full.
    pub ledger_full: Count,
    last_registration: Count,
    last_failed: Count,
    last_wrong_call_state: Count,
}

impl Counts {
    pub(crate) fn see(&self, what: &What<'_>, evidence: Evidence, now: Time) {
        self.seen[what.number()][evidence as usize].up();
        match what {
            What::Challenged | What::StaleNonce => self.challenges.up(),
            What::Registered { .. } => {
                self.registrations.up();
                self.last_registration.set(now.micros());
            }
            What::AuthFailed(_) => {
                self.failed.up();
                self.last_failed.set(now.micros());
            }
            What::LoginFailed => self.failed_logins.up(),
            What::CallAbandoned => {
                self.wrong_call_states.up();
                self.last_wrong_call_state.set(now.micros());
            }
            What::CallStarted { .. } => self.calls.up(),
            _ => {}
        }
    }

    /// A rule (by the slot of its name) has fired, and this became of it.
    pub(crate) fn decided(&self, slot: u8, outcome: Outcome, evidence: Evidence, now: Time) {
        if let Some((counts, last)) = self.decisions.0.get(usize::from(slot)) {
            counts[outcome as usize][evidence as usize].up();
            last.set(now.micros());
        }
        match outcome {
            Outcome::Ban => self.bans[evidence as usize].up(),
            Outcome::WouldBan => self.would_ban.up(),
            Outcome::Alert => {}
            Outcome::Spared => self.spared.up(),
            Outcome::LedgerFull => self.ledger_full.up(),
        }
    }

    /// How often a rule (by its place in [`crate::Guard::rule_names`]) has fired, whatever became of it.
    pub fn fired(&self, slot: usize) -> u64 {
        self.decisions.of(slot).into_iter().flatten().flatten().map(Count::value).sum()
    }

    /// When a rule fired last.
    pub fn last_fired(&self, slot: usize) -> Option<Time> {
        self.decisions.0.get(slot).and_then(|(_, last)| when(last))
    }

    /// All observations.
    pub fn observations(&self) -> u64 {
        self.seen.iter().flatten().map(Count::value).sum()
    }

    /// Bans made from whatever evidence.
    pub fn all_bans(&self) -> u64 {
        self.bans.iter().map(Count::value).sum()
    }

    /// When the last registration succeeded.
    pub fn last_registration(&self) -> Option<Time> {
        when(&self.last_registration)
    }

    /// When credentials were last refused.
    pub fn last_failed(&self) -> Option<Time> {
        when(&self.last_failed)
    }

    /// When a challenged call last ran out.
    pub fn last_wrong_call_state(&self) -> Option<Time> {
        when(&self.last_wrong_call_state)
    }
}

fn when(count: &Count) -> Option<Time> {
    Some(Time::from_micros(count.value())).filter(|time| *time != Time::ZERO)
}
