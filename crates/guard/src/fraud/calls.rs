//! The calls that run: who pays for them, and for how long.

use super::{From, Start, State};
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
    pub(super) started: Time,
    pub(super) answered: Option<Time>,
    /// Seconds that are charged.
    pub(super) charged: u64,
    /// Rules that were told of while it ran, by their bit.
    pub(super) told: u8,
    /// When it was last to be ended.
    pub(super) cut_off: Option<Time>,
}

/// A call whose end was never told is forgotten after so long.
const LONGEST_CALL: Duration = Duration::from_secs(12 * 3600);
/// One that was never answered, after so long.
const LONGEST_RINGING: Duration = Duration::from_secs(3600);
/// The longest name of a call that is kept; a hang-up takes none that is longer.
const LONGEST_NAME: usize = 256;

/// What it costs to lose sight of a call: whether it was answered, its price, and the newer the dearer.
type Worth = (bool, u64, Time);

impl Live {
    /// Dearer than any.
    pub(super) const DEAREST: Worth = (true, u64::MAX, Time::from_micros(u64::MAX));

    pub(super) fn new(start: &Start<'_>, account: u64, tenant: u64, to: Destination) -> Live {
        let Start { seen, ip, call, now, .. } = *start;
        Live {
            switch: seen.switch,
            call: if call.len() > LONGEST_NAME { Box::default() } else { call.into() },
            account,
            tenant,
            to,
            from: From { ip, source: Source::of(ip), evidence: seen.evidence },
            started: now,
            answered: None,
            charged: 0,
            told: 0,
            cut_off: None,
        }
    }

    pub(super) fn worth(&self) -> Worth {
        (self.answered.is_some(), self.to.cost.micros(), self.started)
    }

    /// Seconds since it was answered.
    pub(super) fn seconds(&self, now: Time) -> u64 {
        self.answered.map_or(0, |answered| now.since(answered).min(LONGEST_CALL).as_secs())
    }

    pub(super) fn is_forgotten(&self, now: Time) -> bool {
        let longest = if self.answered.is_some() { LONGEST_CALL } else { LONGEST_RINGING };
        now.since(self.started) > longest
    }

    /// Charges account and tenant for the first so many seconds, as far as that is not done.
    pub(super) fn charge_up_to(&mut self, state: &mut State, seconds: u64, now: Time) {
        let seconds = seconds.min(LONGEST_CALL.as_secs());
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
            // What it is now is written down when the call is over.
            false
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
