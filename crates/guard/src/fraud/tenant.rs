//! A tenant past its cap: who spent it, so that nobody pays for another's stolen password.
//!
//! The sums of a tenant tell only that too much was spent. [`Fraud::weigh`] goes through the accounts then: a person is told once, with
//! the [`TOP`] that spent most, and whoever spent clearly more than an equal share of it is what the rule's actions
//! hit ([`Tenant::spent_by_whom`]).

use super::account::{Spending, Tenant};
use super::policy::{Actions, FraudPolicy, FraudRule};
use super::{Fraud, From};
use crate::tally::printable;
use crate::time::Time;
use hashbrown::HashMap;
use std::time::Duration;
use toll::Cost;

/// What an alert about a tenant says, besides its sentence.
#[derive(Clone, PartialEq, Debug)]
pub struct TenantAlert {
    /// The domain.
    pub domain: String,
    /// What all its accounts have spent in the cap's window.
    pub spent: Cost,
    /// The cap.
    pub cap: Cost,
    /// The window: an hour, or 24.
    pub within: Duration,
    /// Who spent most of it, at most three, the most first: user@domain.
    pub spenders: Vec<(String, Cost)>,
    /// What is done to the calls of whoever spent more than `above`; when `learning`, what would be.
    pub actions: Actions,
    /// A quarter more than an equal share of what was spent; `None` when nobody has spent more than that.
    pub above: Option<Cost>,
    /// Whether nothing is done because the guard only learns.
    pub learning: bool,
}

/// A tenant is past a cap, and a person is to be told.
pub(crate) struct TenantFinding {
    pub(crate) switch: u16,
    pub(crate) from: From,
    pub(crate) alert: TenantAlert,
    /// Whether the rule's actions say that a person is told.
    pub(crate) is_told: bool,
}

/// The two caps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Window {
    Hour,
    Day,
}

impl Window {
    pub(super) fn length(self) -> Duration {
        Duration::from_secs(if self == Window::Hour { 3600 } else { 86_400 })
    }

    pub(super) fn words(self) -> &'static str {
        if self == Window::Hour { "an hour" } else { "24 hours" }
    }

    pub(super) fn spent(self, spending: &Spending, now: Time) -> Cost {
        match self {
            Window::Hour => spending.cost_hour(now),
            Window::Day => Cost::from_micros(spending.day(now).micros),
        }
    }
}

/// How many accounts share in what a tenant spent, as it was when they were last looked through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    window: Window,
    spenders: u64,
    at: Time,
}

/// What is known about who spends.
#[derive(Clone, Default, Debug)]
pub(super) struct Weighed {
    shared: Option<Shared>,
    /// When a person was last told that the cap of the hour, and of the day, is passed.
    told: [Time; 2],
    /// Whether it stands in the list of those to be looked through.
    is_listed: bool,
}

/// How many spenders are named.
const TOP: usize = 3;
/// The accounts of a tenant are looked through at most this often, in seconds, while it is past its cap.
const WEIGH_EVERY: Duration = Duration::from_secs(10);
/// How long it holds who shares.
const SHARE_HOLDS: Duration = Duration::from_secs(30);

impl Tenant {
    /// The cap that it is past, and what it has spent; the shorter window first.
    pub(super) fn past(&self, policy: &FraudPolicy, now: Time) -> Option<(Window, Cost, Cost)> {
        let caps = [(Window::Hour, policy.tenant_cost_hour), (Window::Day, policy.tenant_cost_day)];
        caps.into_iter()
            .filter(|(_, cap)| *cap > Cost::ZERO)
            .map(|(window, cap)| (window, window.spent(&self.spending, now), cap))
            .find(|(_, spent, cap)| spent > cap)
    }

    /// Notes that its accounts are to be looked through; true when that was not noted yet.
    pub(super) fn list(&mut self) -> bool {
        !std::mem::replace(&mut self.weighed.is_listed, true)
    }

    /// Why an account that has spent so much must answer for the tenant, if it must.
    pub(super) fn spent_by_whom(
        &self,
        policy: &FraudPolicy,
        account: &Spending,
        now: Time,
    ) -> Option<String> {
        let (_, spent, cap) = self.past(policy, now)?;
        let shared = self.weighed.shared.filter(|shared| now.since(shared.at) <= SHARE_HOLDS)?;
        let own = shared.window.spent(account, now);
        // Of what is spent now: all of them go on spending.
        let most = fair(shared.window.spent(&self.spending, now).micros(), shared.spenders);
        (own.micros() > most).then(|| {
            format!(
                "the domain has spent {spent} (the cap is {cap}), and this account {own} of it in {}, more than its share",
                shared.window.words()
            )
        })
    }
}

/// The most that one of so many may have spent when others spent the rest: a quarter more than an equal share. A lone spender has none.
fn fair(spent: u64, spenders: u64) -> u64 {
    if spenders > 1 { (spent / spenders).saturating_mul(5) / 4 } else { 0 }
}

/// What the accounts of one tenant have spent.
struct Scale {
    window: Window,
    spent: Cost,
    cap: Cost,
    spenders: u64,
    /// The most first.
    top: Vec<Spender>,
}

struct Spender {
    micros: u64,
    name: String,
    /// Where its last call came from, and to which switch.
    from: Option<(u16, From)>,
}

impl Scale {
    fn add(&mut self, micros: u64, name: impl FnOnce() -> String, from: Option<(u16, From)>) {
        if micros == 0 {
            return;
        }
        self.spenders += 1;
        let place = self.top.iter().take_while(|other| other.micros >= micros).count();
        if place < TOP {
            self.top.insert(place, Spender { micros, name: name(), from });
            self.top.truncate(TOP);
        }
    }
}

impl Fraud {
    /// Looks through the accounts of the tenants that are past a cap and have calls; tells what a person is to hear.
    pub(super) fn weigh(&self, policy: &FraudPolicy, now: Time) -> Vec<TenantFinding> {
        let mut scales = self.to_weigh(policy, now);
        if scales.is_empty() {
            return Vec::new();
        }
        let mut from = Some(0);
        while let Some(place) = from {
            from = self.state.lock().accounts.visit(place, |_, account| {
                if let Some(scale) = scales.get_mut(&account.tenant)
                    && let Some(outside) = &account.outside
                {
                    let spent = scale.window.spent(&outside.spending, now);
                    scale.add(spent.micros(), || account.shown(), outside.from);
                }
            });
        }
        let mut state = self.state.lock();
        let mut findings = Vec::new();
        for (key, scale) in scales {
            state.tenants.change(&key, |tenant| {
                findings.extend(tenant.weighed_out(policy, scale, now));
                false
            });
        }
        findings
    }

    /// The tenants whose accounts are to be looked through now; the others stay listed.
    fn to_weigh(&self, policy: &FraudPolicy, now: Time) -> HashMap<u64, Scale, ahash::RandomState> {
        let mut scales = HashMap::with_hasher(self.hasher.clone());
        let mut state = self.state.lock();
        let listed = std::mem::take(&mut state.to_weigh);
        for key in listed {
            let mut waits = false;
            state.tenants.change(&key, |tenant| {
                // A clock that is set back is no reason to wait.
                waits = tenant
                    .weighed
                    .shared
                    .is_some_and(|shared| now >= shared.at && now.since(shared.at) < WEIGH_EVERY);
                tenant.weighed.is_listed = waits;
                if !waits && let Some((window, spent, cap)) = tenant.past(policy, now) {
                    let scale = Scale { window, spent, cap, spenders: 0, top: Vec::new() };
                    scales.insert(key, scale);
                }
                false
            });
            if waits {
                state.to_weigh.push(key);
            }
        }
        scales
    }
}

impl Tenant {
    fn weighed_out(&mut self, policy: &FraudPolicy, scale: Scale, now: Time) -> Option<TenantFinding> {
        let Scale { window, spent, cap, .. } = scale;
        self.weighed.shared = Some(Shared { window, spenders: scale.spenders, at: now });
        let last = &mut self.weighed.told[window as usize];
        if *last != Time::ZERO && now >= *last && now.since(*last) < window.length() {
            return None;
        }
        let fair = fair(spent.micros(), scale.spenders);
        let is_above = scale.top.first().is_some_and(|first| first.micros > fair);
        let (switch, from) = scale.top.first().and_then(|first| first.from).or(self.from)?;
        *last = now;
        let actions = policy.actions(FraudRule::TenantCost);
        Some(TenantFinding {
            switch,
            from,
            is_told: actions.alert,
            alert: TenantAlert {
                domain: printable(&self.domain),
                spent,
                cap,
                within: window.length(),
                above: is_above.then(|| Cost::from_micros(fair)),
                spenders: scale
                    .top
                    .into_iter()
                    .map(|spender| (spender.name, Cost::from_micros(spender.micros)))
                    .collect(),
                actions: Actions { alert: false, ..actions },
                learning: policy.learning,
            },
        })
    }
}
