//! The rules: what fires when a call begins, and what fires while it runs.

use super::State;
use super::account::{Outside, Spending};
use super::calls::Live;
use super::policy::{FraudPolicy, FraudRule};
use crate::ban::span;
use crate::time::Time;
use std::time::Duration;
use toll::{Class, Cost, Country};

/// A rule that fired, and why in a few words.
pub(super) type Fired = Vec<(FraudRule, String)>;

/// A call begins. It is entered into its account's and tenant's sums first.
pub(super) fn started(policy: &FraudPolicy, state: &mut State, live: &Live, now: Time) -> Fired {
    let mut fired = Fired::new();
    let to = &live.to;
    match to.class {
        Class::Premium => fired.push((FraudRule::Premium, "a premium number".into())),
        Class::Satellite => fired.push((FraudRule::Premium, "a satellite network".into())),
        _ => {}
    }
    if to.class.is_toll() && policy.hours.as_ref().is_some_and(|hours| !hours.is_open(now)) {
        fired.push((FraudRule::OffHours, "outside the hours of fraud.hours".into()));
    }
    state.accounts.change(&live.account, |account| {
        let known_for = now.since(account.since);
        let outside = account.outside.get_or_insert_default();
        outside.spending.call(to, now);
        if !to.class.is_toll() {
            caps(policy, outside, live, now, &mut fired);
            return false;
        }
        let learns = new_country(policy, outside, to.country, known_for, &mut fired);
        let is_new = learns && outside.learn(to.country, now);
        let mut above = |rule, count: u32, cap: u32, what: &str| {
            if cap > 0 && count > cap {
                fired.push((rule, format!("{count} {what} (more than {cap} are too many)")));
            }
        };
        let rate = outside.rate(now);
        above(FraudRule::CallRate, rate, policy.call_rate, "toll calls within a minute");
        outside.live = outside.live.saturating_add(1);
        above(FraudRule::Concurrent, outside.live, policy.concurrent, "toll calls at a time");
        let row = outside.row(to.number, now);
        above(FraudRule::Sequential, row, policy.sequential, "calls to the same number one after the other");
        caps(policy, outside, live, now, &mut fired);
        let is_peak = rate > outside.peaks.rate || outside.live > outside.peaks.concurrent;
        outside.peaks.rate = outside.peaks.rate.max(rate);
        outside.peaks.concurrent = outside.peaks.concurrent.max(outside.live);
        is_new || is_peak
    });
    state.tenants.change(&live.tenant, |tenant| {
        tenant.spending.call(to, now);
        tenant_caps(policy, &tenant.spending, now, &mut fired);
        false
    });
    fired
}

/// Whether the country may be learnt. One whose calls are cut off is not: the next call would go through.
fn new_country(
    policy: &FraudPolicy,
    outside: &Outside,
    country: Country,
    known_for: Duration,
    fired: &mut Fired,
) -> bool {
    let is_judged = policy.home.is_some_and(|home| home != country)
        && country != Country::NOWHERE
        && !policy.countries.contains(&country)
        && known_for >= policy.history;
    if !is_judged || outside.knows(country) {
        return true;
    }
    let called: Vec<String> = outside.called().into_iter().take(8).map(|called| called.country).collect();
    let before = if called.is_empty() { "no country abroad".into() } else { called.join(", ") };
    let text = format!("{country} for the first time; in the {} before it called {before}", span(known_for));
    fired.push((FraudRule::NewCountry, text));
    policy.learning || !policy.actions(FraudRule::NewCountry).is_hard()
}

/// A call runs. Each rule tells of a call once; one that ends calls says so again after a while.
pub(super) fn running(policy: &FraudPolicy, state: &mut State, live: &mut Live, now: Time) -> Fired {
    let mut fired = Fired::new();
    let lasts = Duration::from_secs(live.seconds(now));
    if live.to.class.is_toll() && !policy.call_duration.is_zero() && lasts > policy.call_duration {
        fired.push((FraudRule::Duration, format!("this call lasts {} already", span(lasts))));
    }
    state.accounts.change(&live.account, |account| {
        if let Some(outside) = &account.outside {
            caps(policy, outside, live, now, &mut fired);
        }
        false
    });
    state.tenants.change(&live.tenant, |tenant| {
        tenant_caps(policy, &tenant.spending, now, &mut fired);
        false
    });
    let again = live.cut_off.is_none_or(|last| now.since(last) >= CUT_OFF_AGAIN);
    fired.retain(|(rule, _)| live.told & rule.bit() == 0 || (again && policy.actions(*rule).hang_up));
    for (rule, _) in &fired {
        live.told |= rule.bit();
        if policy.actions(*rule).hang_up {
            live.cut_off = Some(now);
        }
    }
    fired
}

/// When a call that should have been ended is ended again.
const CUT_OFF_AGAIN: Duration = Duration::from_secs(30);

/// What an account has used up.
fn caps(policy: &FraudPolicy, outside: &Outside, live: &Live, now: Time, fired: &mut Fired) {
    let day = outside.spending.day(now);
    let toll = Duration::from_secs(day.toll_seconds.into());
    if live.to.class.is_toll() {
        let mut above = |spent: Duration, cap: Duration, what: &str| {
            if !cap.is_zero() && spent > cap {
                let (spent, cap) = (span(spent), span(cap));
                fired
                    .push((FraudRule::Duration, format!("{spent} of {what} in 24 hours (the cap is {cap})")));
            }
        };
        above(toll, policy.account_duration, "toll calls");
        let there = Duration::from_secs(outside.spell(live.to.country, now));
        above(there, policy.country_duration, &format!("calls to {}", live.to.country));
    }
    costs(&outside.spending, "the account", (policy.account_cost_hour, policy.account_cost_day), now, fired);
}

fn tenant_caps(policy: &FraudPolicy, spending: &Spending, now: Time, fired: &mut Fired) {
    costs(spending, "the domain", (policy.tenant_cost_hour, policy.tenant_cost_day), now, fired);
}

fn costs(spending: &Spending, whose: &str, (hour, day): (Cost, Cost), now: Time, fired: &mut Fired) {
    let mut above = |spent: Cost, cap: Cost, within: &str| {
        if cap > Cost::ZERO && spent > cap {
            fired
                .push((FraudRule::Cost, format!("{whose} has spent {spent} in {within} (the cap is {cap})")));
        }
    };
    above(spending.cost_hour(now), hour, "an hour");
    above(Cost::from_micros(spending.day(now).micros), day, "24 hours");
}
