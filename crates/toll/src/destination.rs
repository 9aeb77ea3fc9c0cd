//! What is known of where a call goes.

use crate::class::{Class, Cost};
use crate::digits::Digits;
use std::fmt;
use std::sync::Arc;

/// A country by its two capital letters (ISO 3166-1 alpha-2); [`Country::NOWHERE`] for networks of no country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country(pub [u8; 2]);

impl Country {
    /// Satellites, international premium and free numbers: a code that ISO 3166 leaves to its users.
    pub const NOWHERE: Country = Country(*b"XX");

    /// The country that two letters name, in either case.
    pub fn new(text: &str) -> Option<Country> {
        match text.as_bytes() {
            [one, two] if one.is_ascii_alphabetic() && two.is_ascii_alphabetic() => {
                Some(Country([one.to_ascii_uppercase(), two.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    /// The number in full, E.164 without the plus.
    pub number: Digits,
    /// The country.
    pub country: Country,
    /// What kind of number it is.
    pub class: Class,
    /// What a minute costs: by the operator's table, else what is usual for the class.
    pub cost: Cost,
    /// What `cost` is the price of: the longest prefix of the operator's table that fits, else the calling code.
    pub prefix: Digits,
    /// The table's name for that prefix.
    pub name: Option<Arc<str>>,
    /// Whether the country gives out such numbers. Fraudsters like those that it does not.
    pub is_valid: bool,
}

impl Destination {
    /// "SO, premium" or with the table's name "SO Somalia mobile, international".
    pub fn words(&self) -> String {
        let mut words = self.country.to_string();
        if self.country == Country::NOWHERE {
            words = format!("+{}", self.number.first(3));
        }
        if let Some(name) = &self.name {
            words = format!("{words} {name}");
        }
        let unknown = if self.is_valid { "" } else { ", not a number that is given out" };
        format!("{words}, {}{unknown}", self.class)
    }
}
