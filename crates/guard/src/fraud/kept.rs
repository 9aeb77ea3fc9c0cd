//! What survives a restart: what accounts learnt, what they have spent of the day, and since when calls are watched.
//!
//! Whoever writes it down asks [`Fraud::take_learnt`] now and then and gives it back with [`Fraud::restore`] before the first
//! observation. Sums are kept by their steps of five minutes and of an hour, so that they grow old as they would have. What tenants have
//! spent is the sum of that.

use super::account::{Account, Hour, Learnt, Outside, Peaks, Spending};
use super::{Fraud, cut};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::Relaxed;

/// What was spent lately, by the time that it was spent in.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Spent {
    /// Cost in millionths, by the number of the five minutes since 1970.
    pub five_minutes: Vec<(u64, u64)>,
    /// By the number of the hour since 1970: cost in millionths, then seconds and calls, then those of toll calls alone.
    pub hours: Vec<(u64, u64, [u32; 4])>,
}

impl Spent {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.five_minutes.is_empty() && self.hours.is_empty()
    }
}

impl Spending {
    fn kept(&self) -> Spent {
        let hour = |(number, hour): (u64, Hour)| {
            let counts = [hour.seconds, hour.calls, hour.toll_seconds, hour.toll_calls];
            (hour.micros > 0 || counts != [0; 4]).then_some((number, hour.micros, counts))
        };
        Spent {
            five_minutes: self.hour.numbered(Time::ZERO).filter(|(_, micros)| *micros > 0).collect(),
            hours: self.day.numbered(Time::ZERO).filter_map(hour).collect(),
        }
    }

    /// Adds what was spent before a restart. What lies ahead, because a clock was set back, is left out.
    pub(super) fn take_in(&mut self, spent: &Spent, now: Time) {
        let (five_minutes, hour) = (now.secs() / 300, now.secs() / 3600);
        for (number, micros) in spent.five_minutes.iter().filter(|(number, _)| *number <= five_minutes) {
            if let Some(bucket) = self.hour.of(*number) {
                *bucket = bucket.saturating_add(*micros);
            }
        }
        for (number, micros, counts) in spent.hours.iter().filter(|(number, ..)| *number <= hour) {
            if let Some(bucket) = self.day.of(*number) {
                let [seconds, calls, toll_seconds, toll_calls] = *counts;
                bucket.micros = bucket.micros.saturating_add(*micros);
                bucket.seconds = bucket.seconds.saturating_add(seconds);
                bucket.calls = bucket.calls.saturating_add(calls);
                bucket.toll_seconds = bucket.toll_seconds.saturating_add(toll_seconds);
                bucket.toll_calls = bucket.toll_calls.saturating_add(toll_calls);
            }
        }
    }
}

impl Fraud {
    /// Since when calls are watched: the first time that anybody logged in, if somebody has.
    pub fn began(&self) -> Option<Time> {
        Some(Time::from_micros(self.began.load(Relaxed))).filter(|began| *began != Time::ZERO)
    }

    /// What has changed of what should survive a restart, since this was last asked. Whoever asks must keep it.
    pub fn take_learnt(&self) -> Vec<Learnt> {
        let mut learnt = Vec::new();
        let mut from = Some(0);
        while let Some(place) = from {
            from =
                self.state.lock().accounts.take_changed(place, |_, account| learnt.push(remembered(account)));
        }
        learnt
    }

    /// Takes over what survived a restart; `began` is what [`Fraud::began`] said.
    pub fn restore(&self, learnt: &[Learnt], began: Option<Time>, now: Time) {
        let first = learnt.iter().map(|learnt| learnt.since).chain(began).filter(|began| *began <= now).min();
        if let Some(first) = first.filter(|first| self.began().is_none_or(|began| *first < began)) {
            self.began.store(first.micros(), Relaxed);
        }
        let mut state = self.state.lock();
        for learnt in learnt {
            let (user, domain) = (learnt.user.as_bytes(), learnt.domain.as_bytes());
            let (key, tenant) = (self.key([user, domain]), self.key([domain]));
            // Two rows may be one account, typed in two ways.
            if state.accounts.change(&key, |account| account.take_in(learnt, now)) {
                state.tenant_spent(tenant, learnt, now);
                continue;
            }
            let mut account = Account {
                user: cut(user),
                domain: cut(domain),
                tenant,
                since: learnt.since,
                last: learnt.last,
                outside: None,
            };
            account.take_in(learnt, now);
            if state.accounts.make(key, account, |account| account.last, &learnt.last) {
                state.tenant_spent(tenant, learnt, now);
            }
        }
        state.accounts.settle();
    }
}

impl Account {
    fn take_in(&mut self, learnt: &Learnt, now: Time) -> bool {
        self.since = self.since.min(learnt.since);
        self.last = self.last.max(learnt.last);
        let has_called =
            !learnt.countries.is_empty() || learnt.peaks != Peaks::default() || !learnt.spent.is_empty();
        if has_called {
            self.outside.get_or_insert_with(Box::<Outside>::default).take_in(learnt, now);
        }
        false
    }
}

impl super::State {
    fn tenant_spent(&mut self, key: u64, learnt: &Learnt, now: Time) {
        if learnt.spent.is_empty() {
            return;
        }
        self.tenant(key, learnt.domain.as_bytes(), learnt.last);
        self.tenants.change(&key, |tenant| {
            tenant.spending.take_in(&learnt.spent, now);
            false
        });
    }
}

/// Names that are no text, or were cut, are kept as good as they can be: their account is then a new one after a restart.
fn remembered(account: &Account) -> Learnt {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let outside = account.outside.as_ref();
    Learnt {
        user: text(&account.user),
        domain: text(&account.domain),
        since: account.since,
        last: account.last,
        countries: outside.map(|outside| outside.called()).unwrap_or_default(),
        peaks: outside.map(|outside| outside.peaks).unwrap_or_default(),
        spent: outside.map(|outside| outside.spending.kept()).unwrap_or_default(),
    }
}
