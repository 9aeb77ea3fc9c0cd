//! What the fraud rules allow, and what is done about the rest.

use crate::time::Time;
use std::time::Duration;
use toll::{Cost, Country};

/// A rule about calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FraudRule {
    /// A call to a premium number or a satellite network.
    Premium,
    /// A call to a country that the account never called.
    NewCountry,
    /// Too many calls of an account in a minute.
    CallRate,
    /// Too many calls of an account at a time.
    Concurrent,
    /// Too many calls of an account to the same number, one after the other.
    Sequential,
    /// Calls that last too long: one, or all of a day.
    Duration,
    /// Calls of an account that cost too much.
    Cost,
    /// A call outside the office's hours.
    OffHours,
    /// Calls of all accounts of a tenant that cost too much.
    TenantCost,
}

impl FraudRule {
    /// All.
    pub const ALL: [FraudRule; 9] = [
        FraudRule::Premium,
        FraudRule::NewCountry,
        FraudRule::CallRate,
        FraudRule::Concurrent,
        FraudRule::Sequential,
        FraudRule::Duration,
        FraudRule::Cost,
        FraudRule::OffHours,
        FraudRule::TenantCost,
    ];

    /// Its name, as reasons and answers show it.
    pub fn name(self) -> &'static str {
        match self {
            FraudRule::Premium => "fraud-premium",
            FraudRule::NewCountry => "fraud-new-country",
            FraudRule::CallRate => "fraud-call-rate",
            FraudRule::Concurrent => "fraud-concurrent",
            FraudRule::Sequential => "fraud-sequential",
            FraudRule::Duration => "fraud-duration",
            FraudRule::Cost => "fraud-cost",
            FraudRule::OffHours => "fraud-off-hours",
            FraudRule::TenantCost => "fraud-tenant-cost",
        }
    }

    pub(crate) fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// What is done when a rule fires.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Actions {
    /// A person is told.
    pub alert: bool,
    /// The call is ended.
    pub hang_up: bool,
    /// The account is blocked at the switch.
    pub block: bool,
    /// The source is banned.
    pub ban: bool,
}

impl Actions {
    /// Nothing; the rule only counts.
    pub const NONE: Actions = Actions { alert: false, hang_up: false, block: false, ban: false };
    /// A person is told.
    pub const ALERT: Actions = Actions { alert: true, ..Actions::NONE };

    /// The words that the configuration uses.
    pub const WORDS: [&str; 4] = ["alert", "hang-up", "block", "ban"];

    /// Of a word.
    pub fn of(word: &str) -> Option<Actions> {
        let none = Actions::NONE;
        Some(match word {
            "alert" => Actions::ALERT,
            "hang-up" => Actions { hang_up: true, ..none },
            "block" => Actions { block: true, ..none },
            "ban" => Actions { ban: true, ..none },
            _ => return None,
        })
    }

    /// These and those.
    pub fn and(self, other: Actions) -> Actions {
        Actions {
            alert: self.alert || other.alert,
            hang_up: self.hang_up || other.hang_up,
            block: self.block || other.block,
            ban: self.ban || other.ban,
        }
    }

    /// Whether more is done than telling.
    pub fn is_hard(self) -> bool {
        self.hang_up || self.block || self.ban
    }

    /// In words: "alert, hang-up".
    pub fn words(self) -> String {
        let set = [self.alert, self.hang_up, self.block, self.ban];
        let words = Actions::WORDS.iter().zip(set).filter(|(_, is_set)| *is_set).map(|(word, _)| *word);
        words.collect::<Vec<_>>().join(", ")
    }
}

/// When an office is open, in its own time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    /// Minutes after midnight from which and to which it is open, Monday first; equal when it is closed all day. An end before the
    /// beginning is on the next day.
    pub days: [(u16, u16); 7],
    /// Seconds by which its time is ahead of UTC.
    pub offset: i32,
}

impl Hours {
    /// Whether it is open.
    pub fn is_open(&self, now: Time) -> bool {
        let local = (now.secs() as i64 + i64::from(self.offset)).max(0) as u64;
        // 1970-01-01 was a Thursday.
        let (day, minute) = (((local / 86_400 + 3) % 7) as usize, (local % 86_400 / 60) as u16);
        let (today, yesterday) = (self.days[day], self.days[(day + 6) % 7]);
        let in_today = match today {
            (from, until) if from <= until => (from..until).contains(&minute),
            (from, _) => minute >= from,
        };
        in_today || (yesterday.1 < yesterday.0 && minute < yesterday.1)
    }
}

/// What the rules allow. A cap of 0 is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FraudPolicy {
    /// Whether calls are looked at.
    pub enabled: bool,
    /// Only watch: learn countries and levels, and say what would have been done.
    pub learning: bool,
    /// What is done, by [`FraudRule`].
    pub actions: [Actions; FraudRule::ALL.len()],
    /// The country of the switch, which is never new. Without it no country is told as new.
    pub home: Option<Country>,
    /// Countries that are never new.
    pub countries: Vec<Country>,
    /// How long log-ins must have been watched before a country is new to an account.
    pub history: Duration,
    /// Toll calls of an account in a minute.
    pub call_rate: u32,
    /// Toll calls of an account at a time.
    pub concurrent: u32,
    /// Calls of an account to one toll number, one after the other, with less than an hour between them.
    pub sequential: u32,
    /// How long one toll call may be.
    pub call_duration: Duration,
    /// How long all toll calls of an account may be in 24 hours.
    pub account_duration: Duration,
    /// The same, to one country.
    pub country_duration: Duration,
    /// What an account may spend in an hour, on all calls.
    pub account_cost_hour: Cost,
    /// In 24 hours.
    pub account_cost_day: Cost,
    /// What all accounts of a domain may spend in an hour.
    pub tenant_cost_hour: Cost,
    /// In 24 hours.
    pub tenant_cost_day: Cost,
    /// When toll calls are usual; `None` is always.
    pub hours: Option<Hours>,
    /// How long a ban lasts.
    pub ban: Duration,
}

impl Default for FraudPolicy {
    /// Hurts nobody: it tells what is wondrous, and ends no call. How many calls are too many, only the operator knows.
    fn default() -> FraudPolicy {
        FraudPolicy {
            enabled: true,
            learning: false,
            actions: [Actions::ALERT; FraudRule::ALL.len()],
            home: None,
            countries: Vec::new(),
            history: Duration::from_secs(24 * 3600),
            call_rate: 30,
            concurrent: 10,
            sequential: 20,
            call_duration: Duration::from_secs(4 * 3600),
            account_duration: Duration::from_secs(16 * 3600),
            country_duration: Duration::from_secs(8 * 3600),
            account_cost_hour: Cost::ZERO,
            account_cost_day: Cost::from_micros(100_000_000),
            tenant_cost_hour: Cost::ZERO,
            tenant_cost_day: Cost::from_micros(1_000_000_000),
            hours: None,
            ban: Duration::from_secs(3600),
        }
    }
}

impl FraudPolicy {
    /// What is done when a rule fires.
    pub fn actions(&self, rule: FraudRule) -> Actions {
        self.actions[rule as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_office_is_open_in_its_own_time() {
        let mut days = [(8 * 60, 18 * 60); 7];
        days[4] = (20 * 60, 4 * 60);
        (days[5], days[6]) = ((0, 0), (0, 0));
        let hours = Hours { days, offset: 3600 };
        // 2026-11-21 was a Saturday; midnight UTC.
        let saturday = 1_795_219_200;
        let open =
            |hours_after: f64| hours.is_open(Time::from_secs(saturday + (hours_after * 3600.0) as u64));
        assert!(open(0.0) && open(2.9), "Friday's night");
        assert!(!open(3.1) && !open(12.0), "Saturday");
        assert!(!open(24.0 + 12.0), "Sunday");
        assert!(!open(48.0 + 6.9) && open(48.0 + 7.0) && open(48.0 + 16.9) && !open(48.0 + 17.0), "Monday");
        assert!(!Hours { days: [(0, 0); 7], offset: -7200 }.is_open(Time::ZERO));
    }
}
