//! Counters of what the guard saw and decided; each is read without a lock.

use crate::observation::{Evidence, What};
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

/// What the guard counted since it was made.
#[derive(Default, Debug)]
pub struct Counts {
    /// Observations.
    pub observations: Count,
    /// Observations without a source address, or with something that is no address.
    pub without_source: Count,
    /// Challenges (no strike).
    pub challenges: Count,
    /// Registrations that succeeded.
    pub registrations: Count,
    /// Refused credentials.
    pub failed: Count,
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
    pub(crate) fn see(&self, what: &What<'_>, now: Time) {
        self.observations.up();
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
            What::CallAbandoned => {
                self.wrong_call_states.up();
                self.last_wrong_call_state.set(now.micros());
            }
            What::CallStarted { .. } => self.calls.up(),
            _ => {}
        }
    }

    pub(crate) fn banned(&self, evidence: Evidence) {
        self.bans[evidence as usize].up();
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
