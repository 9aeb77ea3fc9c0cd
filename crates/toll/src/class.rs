//! What kind of destination a number is, and what a minute costs.

use std::fmt;
use std::str::FromStr;

/// The class of a destination, by what it costs and by what fraudsters use it for. Ordered by how much a call there is to be wondered at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// The called party pays.
    Free,
    /// In the home country.
    National,
    /// In another country.
    International,
    /// The caller pays a part, more than for a national call.
    SharedCost,
    /// The called party earns by the minute, in any country.
    Premium,
    /// Satellite networks and networks of no country.
    Satellite,
}

impl Class {
    /// All, the cheapest first.
    pub const ALL: [Class; 6] = [
        Class::Free,
        Class::National,
        Class::International,
        Class::SharedCost,
        Class::Premium,
        Class::Satellite,
    ];

    /// The word for it, as in tables, logs and answers.
    pub fn word(self) -> &'static str {
        match self {
            Class::Free => "free",
            Class::National => "national",
            Class::International => "international",
            Class::SharedCost => "shared-cost",
            Class::Premium => "premium",
            Class::Satellite => "satellite",
        }
    }

    /// The class of that word, in any case.
    pub fn of(word: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.word().eq_ignore_ascii_case(word))
    }

    /// Whether a call there is more than an ordinary call within the country: what rates and durations are counted for.
    pub fn is_toll(self) -> bool {
        self >= Class::International
    }

    /// What a minute is taken to cost where no table says it.
    pub fn usual_cost(self) -> Cost {
        Cost::from_micros(match self {
            Class::Free => 0,
            Class::National => 20_000,
            Class::International => 250_000,
            Class::SharedCost => 200_000,
            Class::Premium => 2_000_000,
            Class::Satellite => 6_000_000,
        })
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An amount of the operator's money, in millionths of whatever unit he counts in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Cost(u64);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount; write it like 0.25, at most {LARGEST} and six places")]
pub struct CostError(String);

/// The largest amount that can be written.
const LARGEST: u64 = 1_000_000_000;

impl Cost {
    /// Nothing.
    pub const ZERO: Cost = Cost(0);

    /// From millionths.
    pub const fn from_micros(micros: u64) -> Cost {
        Cost(micros)
    }

    /// In millionths.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// What so many seconds cost at this price a minute.
    pub fn of_seconds(self, seconds: u64) -> Cost {
        Cost(u64::try_from(u128::from(self.0) * u128::from(seconds) / 60).unwrap_or(u64::MAX))
    }

    /// Both together.
    pub const fn plus(self, other: Cost) -> Cost {
        Cost(self.0.saturating_add(other.0))
    }

    /// As a number, for JSON.
    pub fn as_units(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl fmt::Display for Cost {
    /// With two places, or as many as it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest % 10_000 == 0 || whole > 0 {
            return write!(f, "{whole}.{:02}", rest / 10_000);
        }
        let places = format!("{rest:06}");
        write!(f, "{whole}.{}", places.trim_end_matches('0'))
    }
}

impl FromStr for Cost {
    type Err = CostError;

    fn from_str(text: &str) -> Result<Cost, CostError> {
        let wrong = || CostError(text.chars().take(32).collect());
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole)
            || !is_number(places)
            || (whole.is_empty() && places.is_empty())
            || places.len() > 6
        {
            return Err(wrong());
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
        let micros: u64 = format!("{places:0<6}").parse().map_err(|_| wrong())?;
        if whole > LARGEST {
            return Err(wrong());
        }
        Ok(Cost(whole * 1_000_000 + micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown() {
        for (text, micros, shown) in [
            ("0.25", 250_000, "0.25"),
            ("3", 3_000_000, "3.00"),
            (".5", 500_000, "0.50"),
            ("0.0123", 12_300, "0.0123"),
            ("1000000000", 1_000_000_000_000_000, "1000000000.00"),
        ] {
            let cost: Cost = text.parse().unwrap();
            assert_eq!((cost.micros(), cost.to_string().as_str()), (micros, shown));
        }
        for text in ["", ".", "1,5", "-1", "1e3", "0.1234567", "99999999999", "\u{663}"] {
            assert!(text.parse::<Cost>().is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_cost_their_part_of_a_minute_and_never_overflow() {
        assert_eq!(Cost::from_micros(600_000).of_seconds(90).to_string(), "0.90");
        assert_eq!(Cost::from_micros(u64::MAX).of_seconds(u64::MAX).micros(), u64::MAX);
    }
}
