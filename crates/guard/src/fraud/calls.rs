//! The calls that run: who pays for them, and for how long.

use super::ending::Ending;
use super::policy::Actions;
use super::{From, Start, State};
use crate::observation::Evidence;
use crate::source::Source;
use crate::time::Time;
use std::time::Duration;
use toll::Destination;

/// A call that runs.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) switch: u16,
    /// The switch's name of it, as it sent it.
    pub(super) call: Box<[u8]>,
    pub(super) account: u64,
    pub(super) tenant: u64,
    pub(super) to: Destination,
    pub(super) from: From,
    /// Whether the account made the call for sure; else nobody is blocked or banned for it.
    pub(super) is_blamed: bool,
    /// Of a gateway leg, the leg that it was made for.
    pub(super) origin: Option<u64>,
    pub(super) started: Time,
    /// When it was last known to run.
    pub(super) alive: Time,
    pub(super) answered: Option<Time>,
    /// Seconds that are charged.
    pub(super) charged: u64,
    /// Rules that fired on it, by their bit.
    pub(super) told: u16,
    /// Why it must end, if it must.
    pub(super) must_end: Option<Ending>,
}

/// A call whose end was never told is forgotten after so long, if the switch does not list it either.
const LONGEST_CALL: Duration = Duration::from_secs(12 * 3600);
/// No call is charged for longer.
const LONGEST_CHARGED: Duration = Duration::from_secs(30 * 86_400);
/// One that was never answered, after so long.
const LONGEST_RINGING: Duration = Duration::from_secs(3600);
/// The longest name of a call that is kept; a hang-up takes none that is longer.
const LONGEST_NAME: usize = 256;

/// What it costs to lose sight of a call: whether it must end, whether it was answered, its price, and the newer the dearer.
type Worth = (bool, bool, u64, Time);

impl Live {
    /// Dearer than any.
    pub(super) const DEAREST: Worth = (true, true, u64::MAX, Time::from_micros(u64::MAX));

    pub(super) fn new(start: &Start<'_>, account: u64, tenant: u64, to: Destination) -> Live {
        let Start { seen, ip, call, now, .. } = *start;
        Live {
            switch: seen.switch,
            call: name(call),
            account,
            tenant,
            to,
            from: From { ip, source: Source::of(ip), evidence: seen.evidence },
            is_blamed: true,
            origin: None,
            started: now,
            alive: now,
            answered: None,
            charged: 0,
            told: 0,
            must_end: None,
        }
    }

    /// A gateway leg begins that was made for it, and is the call from now on.
    pub(super) fn stands_in(&mut self, start: &Start<'_>, origin: u64) {
        (self.call, self.origin) = (name(start.call), Some(origin));
        (self.alive, self.answered, self.charged) = (start.now, None, 0);
    }

    /// It was found running: what it cost so far was charged before, or never will be.
    pub(super) fn learnt(&mut self, answered: Option<Time>, now: Time) {
        self.answered = self.answered.or(answered);
        self.alive = now;
        self.charged = self.seconds(now);
    }

    /// What of these may be done: nobody is blocked or banned for a call that he did not make for sure, nor for one that anybody can have
    /// sent in his address's name.
    pub(super) fn may(&self, actions: Actions) -> Actions {
        let is_blamed = self.is_blamed && self.from.evidence > Evidence::Forgeable;
        Actions { block: actions.block && is_blamed, ban: actions.ban && is_blamed, ..actions }
    }

    /// What an account does to a number.
    pub(super) fn verb(&self) -> &'static str {
        if self.is_blamed { "calls" } else { "is put through to" }
    }

    pub(super) fn worth(&self) -> Worth {
        (self.must_end.is_some(), self.answered.is_some(), self.to.cost.micros(), self.started)
    }

    /// Seconds since it was answered.
    pub(super) fn seconds(&self, now: Time) -> u64 {
        self.answered.map_or(0, |answered| now.since(answered).min(LONGEST_CHARGED).as_secs())
    }

    pub(super) fn is_forgotten(&self, now: Time) -> bool {
        let longest = if self.answered.is_some() { LONGEST_CALL } else { LONGEST_RINGING };
        now.since(self.alive) > longest
    }

    /// Charges account and tenant for the first so many seconds, as far as that is not done.
    pub(super) fn charge_up_to(&mut self, state: &mut State, seconds: u64, now: Time) {
        let seconds = seconds.min(LONGEST_CHARGED.as_secs());
        if seconds <= self.charged {
            return;
        }
        let price = self.to.cost;
        let more = seconds - self.charged;
        let cost = price.of_seconds(seconds).micros() - price.of_seconds(self.charged).micros();
        let cost = toll::Cost::from_micros(cost);
        self.charged = seconds;
        let to = &self.to;
        state.accounts.change(&self.account, |account| {
            let Some(outside) = &mut account.outside else { return false };
            outside.spending.charge(to, more, cost, now);
            if to.class.is_toll() {
                outside.dwell(to.country, more, now);
            }
            let day = outside.spending.day(now);
            outside.peaks.seconds = outside.peaks.seconds.max(day.toll_seconds.into());
            outside.peaks.micros = outside.peaks.micros.max(day.micros);
            account.last = account.last.max(now);
            true
        });
        state.tenants.change(&self.tenant, |tenant| {
            tenant.spending.charge(to, more, cost, now);
            false
        });
    }

    /// It is over.
    pub(super) fn over(&self, state: &mut State) {
        let is_toll = self.to.class.is_toll();
        state.accounts.change(&self.account, |account| {
            if let Some(outside) = &mut account.outside
                && is_toll
            {
                outside.live = outside.live.saturating_sub(1);
            }
            true
        });
    }
}

fn name(call: &[u8]) -> Box<[u8]> {
    if call.len() > LONGEST_NAME { Box::default() } else { call.into() }
}

/// Whether a leg that was last known to run then may be forgotten.
pub(super) fn is_lost(alive: Time, now: Time) -> bool {
    now.since(alive) > LONGEST_CALL
}
