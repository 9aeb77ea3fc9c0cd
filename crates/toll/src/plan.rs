//! From what was dialled to where it leads: prefixes off, country found, class and price looked up.
//!
//! A dialled number can often be read in more than one way ("00 44 ..." is a call to Britain, or line 0 and a number of
//! northern Germany). Every reading gets a [`Rank`]; the best wins, and a reading as an international number that exists is always
//! better than one as a national number: a fraud must not hide behind a doubt.

use crate::class::Class;
use crate::destination::{Country, Destination};
use crate::digits::Digits;
use crate::numbering::{self, Kind};
use crate::table::Table;

/// How the users of a switch dial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialling {
    /// The country that the switch is in; without it every number with a country code is international.
    pub home: Option<Country>,
    /// What is dialled for a line out before the number itself ("9", "0"); may be left out by callers.
    pub trunk: Vec<String>,
    /// What is dialled before a country code.
    pub international: Vec<String>,
}

impl Default for Dialling {
    fn default() -> Dialling {
        let international = ["+", "00", "011"].map(String::from).to_vec();
        Dialling { home: None, trunk: Vec::new(), international }
    }
}

/// A prefix that nobody can dial, or a country that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not one to eight of the keys of a telephone.
    #[error("{0:?} is no prefix; use one to eight of the letters 0-9 * # +")]
    Prefix(String),
    /// No country of that name has numbers.
    #[error("{0} is no country with telephone numbers; use its two letters of ISO 3166, such as DE")]
    Country(Country),
}

/// How a switch's users dial, and what it costs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    dialling: Dialling,
    table: Table,
}

/// How good a reading of a number is; the greater the better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Begins like a national number, but the country gives out no such number.
    National,
    /// A foreign prefix and a country code, no such number.
    OtherPrefix,
    /// A number that exists, dialled in full without any prefix.
    Bare,
    /// The prefix of the home country and a country code, no such number.
    OwnPrefix,
    /// A foreign prefix and a number that exists.
    OtherPrefixKnown,
    /// A national number that exists.
    NationalKnown,
    /// The home country's prefix and a number that exists.
    OwnPrefixKnown,
}

/// One reading.
struct Reading {
    rank: Rank,
    plan: &'static numbering::Plan,
    number: Digits,
    kind: Kind,
}

impl Plan {
    /// A plan.
    ///
    /// # Errors
    /// When a prefix or the country cannot be.
    pub fn new(mut dialling: Dialling, table: Table) -> Result<Plan, PrefixError> {
        for prefix in dialling.trunk.iter().chain(&dialling.international) {
            let is_one = (1..=8).contains(&prefix.len()) && prefix.bytes().all(is_key);
            if !is_one {
                return Err(PrefixError::Prefix(prefix.chars().take(32).collect()));
            }
        }
        if let Some(home) = dialling.home.filter(|home| numbering::Plan::of(*home).is_none()) {
            return Err(PrefixError::Country(home));
        }
        for list in [&mut dialling.trunk, &mut dialling.international] {
            list.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
            list.dedup();
        }
        Ok(Plan { dialling, table })
    }

    /// The country that the switch is in.
    pub fn home(&self) -> Option<Country> {
        self.dialling.home
    }

    /// The operator's table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Where a dialled number leads; `None` for an extension, a service of the switch, an emergency call or nonsense.
    ///
    /// `dialled` may be anything; what follows the first byte that no telephone has is not looked at.
    pub fn classify(&self, dialled: &[u8]) -> Option<Destination> {
        let mut buffer = [0; LONGEST];
        let dialled = keys(dialled, &mut buffer);
        let lines = self.dialling.trunk.iter().filter_map(|trunk| dialled.strip_prefix(trunk.as_str()));
        let mut best: Option<Reading> = None;
        for text in lines.chain([dialled]) {
            self.readings(text, &mut |reading: Reading| {
                if best.as_ref().is_none_or(|best| reading.rank > best.rank) {
                    best = Some(reading);
                }
            });
        }
        self.priced(best?)
    }

    /// Every way to read a text without the prefix for a line.
    fn readings(&self, text: &str, found: &mut impl FnMut(Reading)) {
        if text.len() < SHORTEST {
            return;
        }
        let home = self.dialling.home.and_then(numbering::Plan::of);
        if let Some(home) = home {
            let prefix = home.outward.beginning(text);
            if prefix > 0 {
                international(&text[prefix..], Rank::OwnPrefixKnown, Rank::OwnPrefix, found);
            }
        }
        for prefix in &self.dialling.international {
            let Some(rest) = text.strip_prefix(prefix.as_str()) else { continue };
            if matches!(prefix.as_str(), "+" | "00") || home.is_none() {
                international(rest, Rank::OwnPrefixKnown, Rank::OwnPrefix, found);
            } else {
                international(rest, Rank::OtherPrefixKnown, Rank::OtherPrefix, found);
            }
        }
        if let Some(home) = home {
            national(home, text, found);
        }
        if text.len() >= SHORTEST_BARE {
            let mut only_known = |reading: Reading| {
                if reading.kind != Kind::Unknown {
                    found(reading);
                }
            };
            international(text, Rank::Bare, Rank::Bare, &mut only_known);
        }
    }

    fn priced(&self, reading: Reading) -> Option<Destination> {
        let Reading { plan, number, kind, .. } = reading;
        let is_home = self.dialling.home == Some(plan.country);
        let mut class = match (plan.code, kind) {
            (870 | 881 | 882 | 883, _) => Class::Satellite,
            (979, _) | (_, Kind::Premium) => Class::Premium,
            (808, _) | (_, Kind::SharedCost) => Class::SharedCost,
            (800, _) => Class::Free,
            // From abroad a free number is free no more.
            (_, Kind::Free) if is_home => Class::Free,
            _ if is_home => Class::National,
            _ => Class::International,
        };
        let row = self.table.longest(number.as_str());
        if let Some(row) = row {
            if row.is_internal {
                return None;
            }
            class = row.class.unwrap_or(class);
        }
        let cost = row.and_then(|row| row.cost).unwrap_or_else(|| self.table.usual_cost(class));
        let code = plan.code.to_string().len();
        // Where several countries share a code, three digits more tell them apart.
        let shared = if numbering::Plan::with_code(plan.code).len() > 1 { 3 } else { 0 };
        let prefix = row.map_or_else(|| number.first(code + shared), |row| Digits::of(row.prefix.as_bytes()));
        let name = row.and_then(|row| row.name.clone());
        let is_valid = kind != Kind::Unknown;
        Some(Destination { number, country: plan.country, class, cost, prefix, name, is_valid })
    }
}

/// A text that begins with a country code.
fn international(text: &str, known: Rank, unknown: Rank, found: &mut impl FnMut(Reading)) {
    let digits = leading_digits(text);
    if digits.len() < SHORTEST {
        return;
    }
    let Some((plan, rest)) = numbering::Plan::split(digits) else { return };
    let kind = plan.kind(rest);
    let rank = if kind == Kind::Unknown { unknown } else { known };
    found(Reading { rank, plan, number: Digits::of(digits.as_bytes()), kind });
}

/// A text as it is dialled within a country.
fn national(home: &'static numbering::Plan, text: &str, found: &mut impl FnMut(Reading)) {
    let digits = leading_digits(text);
    let stripped = digits.strip_prefix(home.national).filter(|_| !home.national.is_empty());
    // In North America both ways are usual; elsewhere a number without the prefix is one of the same town.
    let as_it_is = (home.national.is_empty() || home.code == 1).then_some(digits);
    for rest in stripped.into_iter().chain(as_it_is) {
        if rest.len() < SHORTEST {
            continue;
        }
        let number = Digits::joined(&home.code.to_string(), rest);
        // Another country may share the code.
        let Some((plan, rest)) = numbering::Plan::split(number.as_str()) else { continue };
        match plan.kind(rest) {
            Kind::Unknown
                if plan.country == home.country
                    && stripped.is_some_and(|digits| !digits.starts_with('0')) =>
            {
                found(Reading { rank: Rank::National, plan, number, kind: Kind::Unknown });
            }
            Kind::Unknown => {}
            kind => found(Reading { rank: Rank::NationalKnown, plan, number, kind }),
        }
    }
}

fn leading_digits(text: &str) -> &str {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

fn is_key(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'*' | b'#' | b'+')
}

/// What of a text can be keyed: separators (RFC 3966 section 5.1.1) are left out, and it ends where something else begins.
fn keys<'a>(text: &[u8], buffer: &'a mut [u8; LONGEST]) -> &'a str {
    let mut length = 0;
    for &byte in text {
        if is_key(byte) && length < LONGEST {
            buffer[length] = byte;
            length += 1;
        } else if !matches!(byte, b'-' | b'.' | b'(' | b')' | b' ' | b'/') {
            break;
        }
    }
    std::str::from_utf8(&buffer[..length]).unwrap_or_default()
}

/// Keys that are looked at: a prefix for a line, one for abroad, and a number with some digits too many.
const LONGEST: usize = 40;
/// Fewer digits are an extension, a service of the switch or an emergency number.
const SHORTEST: usize = 7;
/// Fewer digits without any prefix are not taken for a number in full.
const SHORTEST_BARE: usize = 10;
