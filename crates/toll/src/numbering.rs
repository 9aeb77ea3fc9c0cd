//! The numbering plans of all countries: which country a number is in, and whether its owner earns by it.
//!
//! The table is made by `build.rs`. A pattern is compiled when its country is dialled for the first time, and kept.

use crate::destination::Country;
use regex_lite::Regex;
use std::sync::OnceLock;

/// The numbering plan of one country, or of a network of no country.
pub(crate) struct Plan {
    pub(crate) country: Country,
    /// Its calling code; several countries may share one.
    pub(crate) code: u16,
    /// What is dialled before a number within the country.
    pub(crate) national: &'static str,
    /// What is dialled there to get out.
    pub(crate) outward: Pattern,
    /// How its numbers begin, when that alone tells it from others with the same code.
    leading: Pattern,
    /// Any number that it gives out; premium; shared cost; free of charge.
    kinds: [Pattern; 4],
}

/// What a number within a plan is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Free,
    SharedCost,
    Premium,
    /// Given out and nothing of these.
    Ordinary,
    /// Not given out.
    Unknown,
}

impl Plan {
    const fn new(
        country: [u8; 2],
        code: u16,
        national: &'static str,
        outward: &'static str,
        leading: &'static str,
        kinds: [&'static str; 4],
    ) -> Plan {
        let [known, premium, shared, free] = kinds;
        Plan {
            country: Country(country),
            code,
            national,
            outward: Pattern::new(outward),
            leading: Pattern::new(leading),
            kinds: [Pattern::new(known), Pattern::new(premium), Pattern::new(shared), Pattern::new(free)],
        }
    }

    /// What a number (without the calling code) is.
    pub(crate) fn kind(&self, number: &str) -> Kind {
        let [known, premium, shared, free] = &self.kinds;
        if !known.is_whole(number) {
            Kind::Unknown
        } else if premium.is_whole(number) {
            Kind::Premium
        } else if free.is_whole(number) {
            Kind::Free
        } else if shared.is_whole(number) {
            Kind::SharedCost
        } else {
            Kind::Ordinary
        }
    }

    /// The plan of a country.
    pub(crate) fn of(country: Country) -> Option<&'static Plan> {
        PLANS.iter().find(|plan| plan.country == country && country != Country::NOWHERE)
    }

    /// The plans that share a calling code, the main one first; empty for a code that is not in use.
    pub(crate) fn with_code(code: u16) -> &'static [Plan] {
        let from = PLANS.partition_point(|plan| plan.code < code);
        let until = PLANS.partition_point(|plan| plan.code <= code);
        &PLANS[from..until]
    }

    /// Splits E.164 digits into the calling code's plan and the rest.
    pub(crate) fn split(digits: &str) -> Option<(&'static Plan, &str)> {
        (1..=3).find_map(|length| {
            let (code, number) = digits.split_at_checked(length)?;
            let plans = Plan::with_code(code.parse().ok().filter(|_| !code.starts_with('0'))?);
            let main = plans.first()?;
            let own = |plan: &&Plan| {
                if plan.leading.is_empty() {
                    plan.kinds[0].is_whole(number)
                } else {
                    plan.leading.begins(number)
                }
            };
            Some((plans.iter().find(own).unwrap_or(main), number))
        })
    }
}

/// A pattern that is compiled when it is first needed.
pub(crate) struct Pattern {
    text: &'static str,
    whole: OnceLock<Option<Regex>>,
}

impl Pattern {
    const fn new(text: &'static str) -> Pattern {
        Pattern { text, whole: OnceLock::new() }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A pattern that does not compile (a test compiles all of them) matches nothing.
    fn regex(&self, make: impl FnOnce() -> String) -> Option<&Regex> {
        if self.text.is_empty() {
            return None;
        }
        self.whole.get_or_init(|| Regex::new(&make()).ok()).as_ref()
    }

    /// Whether it matches all of a text.
    fn is_whole(&self, text: &str) -> bool {
        self.regex(|| format!("^(?:{})$", self.text)).is_some_and(|regex| regex.is_match(text))
    }

    fn begins(&self, text: &str) -> bool {
        self.beginning(text) > 0
    }

    /// How much of the beginning of a text it matches. A pattern is either for whole texts or for beginnings.
    pub(crate) fn beginning(&self, text: &str) -> usize {
        let found = self.regex(|| format!("^(?:{})", self.text)).and_then(|regex| regex.find(text));
        found.map_or(0, |found| found.end())
    }
}

// `PLANS`, in the order of the calling codes, the main country of a code first.
include!(concat!(env!("OUT_DIR"), "/plans.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_the_table_is_in_order() {
        for plan in &PLANS {
            for pattern in plan.kinds.iter().filter(|pattern| !pattern.is_empty()) {
                assert!(
                    Regex::new(&format!("^(?:{})$", pattern.text)).is_ok(),
                    "{} {}",
                    plan.country,
                    pattern.text
                );
            }
            for pattern in [&plan.outward, &plan.leading] {
                assert!(
                    Regex::new(&format!("^(?:{})", pattern.text)).is_ok(),
                    "{} {}",
                    plan.country,
                    pattern.text
                );
            }
        }
        assert!(PLANS.is_sorted_by_key(|plan| plan.code));
        assert!(PLANS.len() > 240);
        assert_eq!(Plan::with_code(1)[0].country, Country(*b"US"));
        assert_eq!(Plan::with_code(44)[0].country, Country(*b"GB"));
        assert!(Plan::with_code(882).len() == 1 && Plan::with_code(999).is_empty());
    }
}
