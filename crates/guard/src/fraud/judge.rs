//! The rules: what fires when a call begins, and what fires while it runs.

use super::State;
use super::account::Outside;
use super::calls::Live;
use super::policy::{FraudPolicy, FraudRule};
use crate::ban::span;
use crate::time::Time;
use std::time::Duration;
use toll::{Class, Cost, Country};

/// A rule that fired, and why in a few words.
pub(super) type Fired = Vec<(FraudRule, String)>;

/// A call begins. It is entered into its account's and tenant's sums first. `watched` is how long the guard has looked at calls.
pub(super) fn started(
    policy: &FraudPolicy,
    state: &mut State,
    live: &mut Live,
    watched: Duration,
    now: Time,
) -> Fired {
    let mut fired = Fired::new();
    let to = &live.to;
    let from = Some((live.switch, live.from));
    match to.class {
        Class::Premium => fired.push((FraudRule::Premium, "a premium number".into())),
        Class::Satellite => fired.push((FraudRule::Premium, "a satellite network".into())),
        _ => {}
    }
    if to.class.is_toll() && policy.hours.as_ref().is_some_and(|hours| !hours.is_open(now)) {
        fired.push((FraudRule::OffHours, "outside the hours of fraud.hours".into()));
    }
    state.accounts.change(&live.account, |account| {
        let outside = account.outside.get_or_insert_default();
        outside.spending.call(to, now);
        outside.from = from;
        if !to.class.is_toll() {
            caps(policy, outside, live, now, &mut fired);
            return true;
        }
        let learns = new_country(policy, outside, to.country, watched, &mut fired);
        if learns {
            outside.learn(to.country, now);
        }
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
        outside.peaks.rate = outside.peaks.rate.max(rate);
        outside.peaks.concurrent = outside.peaks.concurrent.max(outside.live);
        true
    });
    state.tenants.change(&live.tenant, |tenant| {
        tenant.spending.call(to, now);
        tenant.from = from;
        false
    });
    tenant_caps(policy, state, live, now, &mut fired);
    live.told = fired.iter().fold(0, |told, (rule, _)| told | rule.bit());
    fired
}

/// Whether the country may be learnt. One whose calls are cut off is not: the next call would go through.
fn new_country(
    policy: &FraudPolicy,
    outside: &Outside,
    country: Country,
    watched: Duration,
    fired: &mut Fired,
) -> bool {
    let is_judged = policy.home.is_some_and(|home| home != country)
        && country != Country::NOWHERE
        && !policy.countries.contains(&country)
        && watched >= policy.history;
    if !is_judged || outside.knows(country) {
        return true;
    }
    let called: Vec<String> = outside.called().into_iter().take(8).map(|called| called.country).collect();
    let before = if called.is_empty() { "no country abroad".into() } else { called.join(", ") };
    let text = format!(
        "{country} for the first time; in the {} that calls are watched it called {before}",
        span(watched)
    );
    fired.push((FraudRule::NewCountry, text));
    policy.learning || !policy.actions(FraudRule::NewCountry).is_hard()
}

/// A call runs. Each rule fires on a call once; what must end is seen to by [`super::ending`].
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
    tenant_caps(policy, state, live, now, &mut fired);
    // An operator may have made a rule harder meanwhile.
    let ends = |rule: FraudRule| !policy.learning && live.must_end.is_none() && policy.actions(rule).hang_up;
    fired.retain(|(rule, _)| live.told & rule.bit() == 0 || ends(*rule));
    live.told = fired.iter().fold(live.told, |told, (rule, _)| told | rule.bit());
    fired
}

/// What an account has used up. A call that costs nobody anything, perhaps to a crisis line, is never too dear.
fn caps(policy: &FraudPolicy, outside: &Outside, live: &Live, now: Time, fired: &mut Fired) {
    if live.to.class == Class::Free {
        return;
    }
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
    let spending = &outside.spending;
    let mut above = |spent: Cost, cap: Cost, within: &str| {
        if cap > Cost::ZERO && spent > cap {
            let text = format!("the account has spent {spent} in {within} (the cap is {cap})");
            fired.push((FraudRule::Cost, text));
        }
    };
    above(spending.cost_hour(now), policy.account_cost_hour, "an hour");
    above(Cost::from_micros(day.micros), policy.account_cost_day, "24 hours");
}

/// A tenant past its cap is listed, so that its accounts are looked through; who spent most of it answers for it.
fn tenant_caps(policy: &FraudPolicy, state: &mut State, live: &Live, now: Time, fired: &mut Fired) {
    let State { accounts, tenants, to_weigh, .. } = state;
    let is_hard = policy.actions(FraudRule::TenantCost).is_hard();
    tenants.change(&live.tenant, |tenant| {
        if tenant.past(policy, now).is_none() {
            return false;
        }
        if tenant.list() {
            to_weigh.push(live.tenant);
        }
        let outside = accounts.get(&live.account).and_then(|account| account.outside.as_ref());
        if is_hard
            && live.to.class != Class::Free
            && let Some(why) =
                outside.and_then(|outside| tenant.spent_by_whom(policy, &outside.spending, now))
        {
            fired.push((FraudRule::TenantCost, why));
        }
        false
    });
}
