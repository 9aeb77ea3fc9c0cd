//! From which countries an account, a profile of the switch, or anybody may come.
//!
//! A [`CountryRule`] is written `WHO: COUNTRIES`: `all: !KP`, `profile external: DE AT CH`, `account *@pbx.example: DE`. Countries are two
//! letters (ISO 3166-1 alpha-2); with `!` they are denied, without it those alone are allowed. The most particular rule that names the
//! request decides: account before profile before all, the first of several. An address whose country is not known is never denied.

use std::fmt;
use std::str::FromStr;

/// Whom a rule is for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Whom {
    All,
    Profile(String),
    /// User and domain; `*` stands for anything in its place.
    Account(String, String),
}

/// One rule; see the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountryRule {
    whom: Whom,
    /// Allowed alone, or denied.
    denied: bool,
    countries: Vec<[u8; 2]>,
}

/// Why a text is no rule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCountryRule {
    /// There is no colon, or nothing beside it.
    #[error(
        "write WHO: COUNTRIES, such as \"all: !KP\", \"profile external: DE AT\" or \"account *@pbx.example: DE\""
    )]
    Shape,
    /// Before the colon stands something else.
    #[error("{0:?} is not \"all\", \"profile NAME\" or \"account USER@DOMAIN\"")]
    Whom(String),
    /// Not two letters.
    #[error("{0:?} is no country: two letters of ISO 3166-1, such as DE, with a \"!\" before it to deny it")]
    Country(String),
    /// Some with `!`, some without.
    #[error(
        "allow countries or deny them, not both in one rule: those that are not allowed are denied anyway"
    )]
    Mixed,
}

impl FromStr for CountryRule {
    type Err = BadCountryRule;

    fn from_str(text: &str) -> Result<CountryRule, BadCountryRule> {
        let (whom, countries) = text.split_once(':').ok_or(BadCountryRule::Shape)?;
        let unknown = || BadCountryRule::Whom(whom.trim().into());
        let whom = match *whom.split_whitespace().collect::<Vec<_>>() {
            ["all"] => Whom::All,
            ["profile", name] => Whom::Profile(name.into()),
            ["account", account] => {
                let (user, domain) = account.split_once('@').ok_or_else(unknown)?;
                if user.is_empty() || domain.is_empty() {
                    return Err(unknown());
                }
                Whom::Account(user.into(), domain.into())
            }
            _ => return Err(unknown()),
        };
        let words: Vec<&str> = countries.split([' ', ',', '\t']).filter(|word| !word.is_empty()).collect();
        let denied = words.first().ok_or(BadCountryRule::Shape)?.starts_with('!');
        let mut countries = Vec::new();
        for word in words {
            let letters = word.strip_prefix('!').unwrap_or(word);
            let is_country = letters.len() == 2 && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
            let [first, second] = *letters.as_bytes() else {
                return Err(BadCountryRule::Country(word.into()));
            };
            if !is_country {
                return Err(BadCountryRule::Country(word.into()));
            }
            if word.starts_with('!') != denied {
                return Err(BadCountryRule::Mixed);
            }
            countries.push([first, second].map(|letter| letter.to_ascii_uppercase()));
        }
        Ok(CountryRule { whom, denied, countries })
    }
}

impl CountryRule {
    /// How particular the rule is, if it is for this request.
    fn reach(&self, profile: &[u8], user: &[u8], domain: &[u8]) -> Option<u8> {
        match &self.whom {
            Whom::All => Some(0),
            Whom::Profile(name) => (name.as_bytes() == profile).then_some(1),
            Whom::Account(own, its) => {
                let meets = |pattern: &str, text: &[u8]| {
                    pattern == "*" || pattern.as_bytes().eq_ignore_ascii_case(text)
                };
                (!user.is_empty() && meets(own, user) && meets(its, domain)).then_some(2)
            }
        }
    }

    fn denies(&self, country: [u8; 2]) -> bool {
        self.countries.contains(&country) == self.denied
    }
}

/// Whether the rules deny a request from a country.
pub(crate) fn denied(
    rules: &[CountryRule],
    (profile, user, domain): (&[u8], &[u8], &[u8]),
    country: [u8; 2],
) -> bool {
    let mut decides: Option<(u8, &CountryRule)> = None;
    for rule in rules {
        if let Some(reach) = rule.reach(profile, user, domain)
            && decides.is_none_or(|(before, _)| reach > before)
        {
            decides = Some((reach, rule));
        }
    }
    decides.is_some_and(|(_, rule)| rule.denies(country))
}

impl fmt::Display for CountryRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.whom {
            Whom::All => f.write_str("all:"),
            Whom::Profile(name) => write!(f, "profile {name}:"),
            Whom::Account(user, domain) => write!(f, "account {user}@{domain}:"),
        }?;
        let sign = if self.denied { "!" } else { "" };
        self.countries
            .iter()
            .try_for_each(|[first, second]| write!(f, " {sign}{}{}", char::from(*first), char::from(*second)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<CountryRule> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_most_particular_rule_decides() {
        let rules = rules(&[
            "all: !KP !RU",
            "profile external: DE AT",
            "account *@pbx.example: DE",
            "account boss@pbx.example: DE US",
        ]);
        let denies = |profile: &str, user: &str, domain: &str, country: &[u8; 2]| {
            denied(&rules, (profile.as_bytes(), user.as_bytes(), domain.as_bytes()), *country)
        };
        assert!(denies("internal", "", "", b"KP") && !denies("internal", "", "", b"US"));
        assert!(denies("external", "", "", b"US") && !denies("external", "", "", b"AT"));
        assert!(denies("external", "1000", "PBX.example", b"AT"), "the account's rule, not the profile's");
        assert!(denies("internal", "1000", "pbx.example", b"US"));
        assert!(denies("internal", "boss", "pbx.example", b"US"), "of two for the account the first one");
        assert!(!denied(&[], (b"", b"", b""), *b"KP"));
    }

    #[test]
    fn a_rule_reads_as_it_is_written_and_a_bad_one_says_why() {
        for text in ["all: !KP !RU", "profile external: DE AT CH", "account *@pbx.example: DE"] {
            assert_eq!(text.parse::<CountryRule>().unwrap().to_string(), text);
        }
        let bad = |text: &str| text.parse::<CountryRule>().unwrap_err();
        assert_eq!(bad("DE"), BadCountryRule::Shape);
        assert_eq!(bad("all:"), BadCountryRule::Shape);
        assert_eq!(bad("everybody: DE"), BadCountryRule::Whom("everybody".into()));
        assert_eq!(bad("account 1000: DE"), BadCountryRule::Whom("account 1000".into()));
        assert_eq!(bad("all: Germany"), BadCountryRule::Country("Germany".into()));
        assert_eq!(bad("all: d1"), BadCountryRule::Country("d1".into()));
        assert_eq!(bad("all: DE !FR"), BadCountryRule::Mixed);
    }
}
