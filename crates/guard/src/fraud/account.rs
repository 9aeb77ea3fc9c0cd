//! What an account, and a tenant, has called: the sums that the rules ask for, and what is remembered for months.

use super::From;
use super::kept::Spent;
use super::policy::FraudRule;
use super::ring::Ring;
use super::tenant::Weighed;
use crate::tally::printable;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use toll::{Cost, Country, Destination, Digits};

/// A country that an account has called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Called {
    /// Its two letters.
    pub country: String,
    /// When for the first time.
    pub first: Time,
    /// When last.
    pub last: Time,
    /// How often.
    pub calls: u32,
}

/// The most that an account did: what caps may be made of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Peaks {
    /// Toll calls in a minute.
    pub rate: u32,
    /// Toll calls at a time.
    pub concurrent: u32,
    /// Seconds of toll calls in 24 hours.
    pub seconds: u64,
    /// Cost of all calls in 24 hours, in millionths.
    pub micros: u64,
}

/// What is remembered of an account over a restart.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Learnt {
    /// User part of the account.
    pub user: String,
    /// Its domain.
    pub domain: String,
    /// When it called for the first time.
    pub since: Time,
    /// When last.
    pub last: Time,
    /// The countries, the oldest first.
    pub countries: Vec<Called>,
    /// The most that it did.
    pub peaks: Peaks,
    /// What it has spent in the last 24 hours.
    #[serde(default, skip_serializing_if = "Spent::is_empty")]
    pub spent: Spent,
}

/// A country in an account's memory.
#[derive(Clone, Copy, Debug)]
struct Known {
    country: Country,
    calls: u32,
    first: Time,
    last: Time,
}

/// Calls of an hour.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Hour {
    pub(super) micros: u64,
    pub(super) seconds: u32,
    pub(super) calls: u32,
    pub(super) toll_seconds: u32,
    pub(super) toll_calls: u32,
}

/// Seconds spent on one country.
#[derive(Clone, Debug)]
struct Spell {
    country: Country,
    seconds: Ring<u32, 8, 10_800>,
}

/// When alerts were given, by rule, and how often one was left out since.
#[derive(Clone, Default, Debug)]
pub(super) struct Told {
    /// When the first alert of the last burst was given.
    last: [Time; FraudRule::ALL.len()],
    /// How many were in it.
    burst: [u8; FraudRule::ALL.len()],
    held_back: [u32; FraudRule::ALL.len()],
    /// When blocking was last asked for.
    pub(super) blocked: Time,
}

impl Told {
    /// Whether an alert of a rule is due; how often it fired unsaid since the last.
    pub(super) fn is_due(&mut self, rule: FraudRule, now: Time) -> Option<u32> {
        let at = rule as usize;
        if self.last[at] == Time::ZERO || now.since(self.last[at]) >= TELL_EVERY {
            (self.last[at], self.burst[at]) = (now, 0);
        }
        // Another number or another country is news; once more too many calls is not.
        let most = if matches!(rule, FraudRule::Premium | FraudRule::NewCountry) { 5 } else { 1 };
        if self.burst[at] >= most {
            self.held_back[at] = self.held_back[at].saturating_add(1);
            return None;
        }
        self.burst[at] += 1;
        Some(std::mem::take(&mut self.held_back[at]))
    }

    /// Whether a rule fired within the last 24 hours.
    pub(super) fn lately(&self, rule: FraudRule, now: Time) -> bool {
        self.last[rule as usize] != Time::ZERO
            && now.since(self.last[rule as usize]) < Duration::from_secs(86_400)
    }
}

/// How often one rule tells about one account: at most this often, or so many times in a burst.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// What is spent in an hour and in a day, of an account or of a tenant.
#[derive(Clone, Default, Debug)]
pub(super) struct Spending {
    pub(super) hour: Ring<u64, 12, 300>,
    pub(super) day: Ring<Hour, 24, 3600>,
}

/// Sums of the last 24 hours.
pub(super) type Day = Hour;

impl Spending {
    /// A call begins.
    pub(super) fn call(&mut self, to: &Destination, now: Time) {
        let hour = self.day.now(now);
        hour.calls = hour.calls.saturating_add(1);
        hour.toll_calls = hour.toll_calls.saturating_add(u32::from(to.class.is_toll()));
    }

    /// A call that began is counted as another one.
    pub(super) fn uncount(&mut self, to: &Destination, now: Time) {
        let hour = self.day.now(now);
        hour.calls = hour.calls.saturating_sub(1);
        hour.toll_calls = hour.toll_calls.saturating_sub(u32::from(to.class.is_toll()));
    }

    /// So many seconds of a call go by; what they cost comes to the same whoever charges how often.
    pub(super) fn charge(&mut self, to: &Destination, seconds: u64, cost: Cost, now: Time) {
        let few = u32::try_from(seconds).unwrap_or(u32::MAX);
        let five_minutes = self.hour.now(now);
        *five_minutes = five_minutes.saturating_add(cost.micros());
        let hour = self.day.now(now);
        hour.micros = hour.micros.saturating_add(cost.micros());
        hour.seconds = hour.seconds.saturating_add(few);
        if to.class.is_toll() {
            hour.toll_seconds = hour.toll_seconds.saturating_add(few);
        }
    }

    pub(super) fn cost_hour(&self, now: Time) -> Cost {
        Cost::from_micros(self.hour.window(now).fold(0, u64::saturating_add))
    }

    /// The last 24 hours together.
    pub(super) fn day(&self, now: Time) -> Day {
        self.day.window(now).fold(Day::default(), |sum, hour| Day {
            micros: sum.micros.saturating_add(hour.micros),
            seconds: sum.seconds.saturating_add(hour.seconds),
            calls: sum.calls.saturating_add(hour.calls),
            toll_seconds: sum.toll_seconds.saturating_add(hour.toll_seconds),
            toll_calls: sum.toll_calls.saturating_add(hour.toll_calls),
        })
    }
}

/// What an account that calls out needs besides.
#[derive(Clone, Default, Debug)]
pub(super) struct Outside {
    pub(super) spending: Spending,
    pub(super) told: Told,
    minute: Ring<u16, 12, 5>,
    countries: Vec<Known>,
    spells: Vec<Spell>,
    pub(super) peaks: Peaks,
    pub(super) live: u32,
    /// Where its last call out of the house came from, and to which switch.
    pub(super) from: Option<(u16, From)>,
    last_number: Option<(Digits, Time)>,
    pub(super) in_a_row: u32,
}

/// An account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: Box<[u8]>,
    pub(super) domain: Box<[u8]>,
    /// The key of its domain.
    pub(super) tenant: u64,
    pub(super) since: Time,
    pub(super) last: Time,
    /// Made with the first call that leaves the house.
    pub(super) outside: Option<Box<Outside>>,
}

impl Account {
    /// Its name, to show.
    pub(super) fn shown(&self) -> String {
        shown(&self.user, &self.domain)
    }
}

/// An account's name, to show.
pub(super) fn shown(user: &[u8], domain: &[u8]) -> String {
    format!("{}@{}", printable(user), printable(domain))
}

/// A tenant: all accounts of a domain.
#[derive(Clone, Debug)]
pub(super) struct Tenant {
    pub(super) domain: Box<[u8]>,
    pub(super) spending: Spending,
    pub(super) weighed: Weighed,
    /// Where the last call of any of its accounts came from, and to which switch.
    pub(super) from: Option<(u16, From)>,
    pub(super) last: Time,
}

/// Countries that are kept of an account, and countries whose seconds are.
const MOST_COUNTRIES: usize = 48;
const MOST_SPELLS: usize = 8;
/// Two calls further apart are not one after the other.
const IN_A_ROW: Duration = Duration::from_secs(3600);

impl Outside {
    /// A toll call begins: how many in the last minute.
    pub(super) fn rate(&mut self, now: Time) -> u32 {
        let five_seconds = self.minute.now(now);
        *five_seconds = five_seconds.saturating_add(1);
        self.minute.window(now).map(u32::from).sum()
    }

    /// A toll call begins: how many to the same number one after the other.
    pub(super) fn row(&mut self, number: Digits, now: Time) -> u32 {
        let is_same = self.last_number.is_some_and(|(last, at)| last == number && now.since(at) < IN_A_ROW);
        self.in_a_row = if is_same { self.in_a_row.saturating_add(1) } else { 1 };
        self.last_number = Some((number, now));
        self.in_a_row
    }

    /// A call that began is counted as another one.
    pub(super) fn uncount(&mut self, to: &Destination, now: Time) {
        self.spending.uncount(to, now);
        if !to.class.is_toll() {
            return;
        }
        let five_seconds = self.minute.now(now);
        *five_seconds = five_seconds.saturating_sub(1);
        if self.last_number.is_some_and(|(last, _)| last == to.number) {
            self.in_a_row = self.in_a_row.saturating_sub(1);
        }
    }

    pub(super) fn knows(&self, country: Country) -> bool {
        self.countries.iter().any(|known| known.country == country)
    }

    /// Learns a country, or that it was called again. True when it is new.
    pub(super) fn learn(&mut self, country: Country, now: Time) -> bool {
        if let Some(known) = self.countries.iter_mut().find(|known| known.country == country) {
            known.calls = known.calls.saturating_add(1);
            known.last = now;
            return false;
        }
        if self.countries.len() == MOST_COUNTRIES
            && let Some(least) = (0..MOST_COUNTRIES).min_by_key(|&at| {
                let known = &self.countries[at];
                (known.calls, known.last)
            })
        {
            self.countries.remove(least);
        }
        self.countries.push(Known { country, calls: 1, first: now, last: now });
        true
    }

    /// Seconds of toll calls to a country go by.
    pub(super) fn dwell(&mut self, country: Country, seconds: u64, now: Time) {
        let at = match self.spells.iter().position(|spell| spell.country == country) {
            Some(at) => at,
            None => {
                if self.spells.len() == MOST_SPELLS
                    && let Some(least) = (0..MOST_SPELLS).min_by_key(|&at| sum(&self.spells[at], now))
                {
                    self.spells.remove(least);
                }
                self.spells.push(Spell { country, seconds: Ring::default() });
                self.spells.len() - 1
            }
        };
        let bucket = self.spells[at].seconds.now(now);
        *bucket = bucket.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX));
    }

    /// Seconds of toll calls to a country in the last 24 hours.
    pub(super) fn spell(&self, country: Country, now: Time) -> u64 {
        self.spells.iter().find(|spell| spell.country == country).map_or(0, |spell| sum(spell, now))
    }

    pub(super) fn called(&self) -> Vec<Called> {
        let show = |known: &Known| Called {
            country: known.country.to_string(),
            first: known.first,
            last: known.last,
            calls: known.calls,
        };
        self.countries.iter().map(show).collect()
    }

    /// Takes in what was remembered.
    pub(super) fn take_in(&mut self, learnt: &Learnt, now: Time) {
        for called in &learnt.countries {
            let Called { first, last, calls, .. } = *called;
            let Some(country) = Country::new(&called.country) else { continue };
            if self.countries.len() < MOST_COUNTRIES && !self.knows(country) {
                self.countries.push(Known { country, calls, first, last });
            }
        }
        let (mine, theirs) = (self.peaks, learnt.peaks);
        self.peaks = Peaks {
            rate: mine.rate.max(theirs.rate),
            concurrent: mine.concurrent.max(theirs.concurrent),
            seconds: mine.seconds.max(theirs.seconds),
            micros: mine.micros.max(theirs.micros),
        };
        self.spending.take_in(&learnt.spent, now);
    }
}

fn sum(spell: &Spell, now: Time) -> u64 {
    spell.seconds.window(now).map(u64::from).sum()
}
