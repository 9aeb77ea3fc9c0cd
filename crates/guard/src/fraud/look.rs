//! What an operator may ask: accounts with their calls, minutes, cost and countries.

use super::Fraud;
use super::account::{Account, Called, Outside, Peaks};
use super::policy::FraudRule;
use crate::tally::printable;
use crate::time::Time;
use std::time::Duration;
use toll::Cost;

/// What an account did.
#[derive(Clone, PartialEq, Debug)]
pub struct AccountUse {
    /// User part, printable.
    pub user: String,
    /// Domain, printable.
    pub domain: String,
    /// When it called for the first time that is known.
    pub since: Time,
    /// When last.
    pub last: Time,
    /// Toll calls that run.
    pub live: u32,
    /// Calls that left the house in the last 24 hours.
    pub calls: u32,
    /// Those to other countries and to dear numbers.
    pub toll_calls: u32,
    /// Seconds of all of them.
    pub seconds: u32,
    /// Seconds of toll calls.
    pub toll_seconds: u32,
    /// What they cost in the last hour.
    pub cost_hour: Cost,
    /// And in the last 24 hours.
    pub cost_day: Cost,
    /// The countries that it has called, the oldest first.
    pub countries: Vec<Called>,
    /// The most that it did.
    pub peaks: Peaks,
    /// The rules that fired in the last 24 hours and told somebody.
    pub told: Vec<FraudRule>,
}

/// What all accounts of a domain did.
#[derive(Clone, PartialEq, Debug)]
pub struct TenantUse {
    /// The domain, printable.
    pub domain: String,
    /// Calls that left the house in the last 24 hours.
    pub calls: u32,
    /// Seconds of them.
    pub seconds: u32,
    /// What they cost in the last hour.
    pub cost_hour: Cost,
    /// And in the last 24 hours.
    pub cost_day: Cost,
}

/// How full the tables are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FraudState {
    /// Accounts known.
    pub accounts: usize,
    /// Domains known.
    pub tenants: usize,
    /// Calls that run.
    pub calls: usize,
    /// Bytes held, what hangs on the accounts estimated.
    pub bytes: usize,
}

/// Accounts swept each second, and how long one is remembered.
pub(super) const SWEEP: usize = 64;
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(180 * 86_400);

impl Fraud {
    /// The accounts that have called out of the house, the dearest of the last 24 hours first; at most `most`.
    pub fn accounts(&self, most: usize, now: Time) -> Vec<AccountUse> {
        let mut all = Vec::new();
        self.each_account(|account| {
            if let Some(outside) = &account.outside {
                all.push(shown(account, outside, now));
            }
        });
        all.sort_by(|a: &AccountUse, b: &AccountUse| {
            let dearness = |one: &AccountUse| (one.live > 0, one.cost_day, one.last);
            dearness(b).cmp(&dearness(a)).then_with(|| (&a.user, &a.domain).cmp(&(&b.user, &b.domain)))
        });
        all.truncate(most);
        all
    }

    /// The domains whose accounts have called out of the house in the last 24 hours, the dearest first; at most `most`.
    pub fn tenants(&self, most: usize, now: Time) -> Vec<TenantUse> {
        let mut all = Vec::new();
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.state.lock().tenants.visit(place, |_, tenant| {
                let day = tenant.spending.day(now);
                if day.calls > 0 {
                    all.push(TenantUse {
                        domain: printable(&tenant.domain),
                        calls: day.calls,
                        seconds: day.seconds,
                        cost_hour: tenant.spending.cost_hour(now),
                        cost_day: Cost::from_micros(day.micros),
                    });
                }
            });
        }
        all.sort_by(|a: &TenantUse, b: &TenantUse| {
            b.cost_day.cmp(&a.cost_day).then_with(|| a.domain.cmp(&b.domain))
        });
        all.truncate(most);
        all
    }

    fn each_account(&self, mut show: impl FnMut(&Account)) {
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.state.lock().accounts.visit(place, |_, account| show(account));
        }
    }

    /// How full the tables are.
    pub fn state(&self) -> FraudState {
        let mut outside = 0;
        self.each_account(|account| outside += usize::from(account.outside.is_some()));
        let state = self.state.lock();
        let bytes = state.accounts.bytes() + state.tenants.bytes() + state.calls.bytes();
        FraudState {
            accounts: state.accounts.len(),
            tenants: state.tenants.len(),
            calls: state.calls.len(),
            bytes: bytes + outside * (size_of::<Outside>() + 128) + state.accounts.len() * 32,
        }
    }
}

fn shown(account: &Account, outside: &Outside, now: Time) -> AccountUse {
    let day = outside.spending.day(now);
    AccountUse {
        user: printable(&account.user),
        domain: printable(&account.domain),
        since: account.since,
        last: account.last,
        live: outside.live,
        calls: day.calls,
        toll_calls: day.toll_calls,
        seconds: day.seconds,
        toll_seconds: day.toll_seconds,
        cost_hour: outside.spending.cost_hour(now),
        cost_day: Cost::from_micros(day.micros),
        countries: outside.called(),
        peaks: outside.peaks,
        told: FraudRule::ALL.into_iter().filter(|rule| outside.told.lately(*rule, now)).collect(),
    }
}
