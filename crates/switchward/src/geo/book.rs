//! One file in MaxMind DB format: opened and checked whole, then asked.
//!
//! The records of GeoIP2, GeoLite2, DB-IP and IPinfo differ in their names; all of them are tried. A record that cannot be
//! understood says nothing, and is no error.

use super::Country;
use crate::clock;
use guard::Time;
use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// A file in memory.
pub struct Book {
    reader: Reader<Vec<u8>>,
    kind: String,
    built: Option<Time>,
}

/// Why a file cannot be used, and the mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system does not give it.
    #[error("cannot be read: {0}; put it there, readable for the daemon's user, or name another")]
    Unreadable(#[from] std::io::Error),
    /// A directory, a pipe or the like.
    #[error("is no ordinary file; name the .mmdb file itself")]
    NoFile,
    /// Larger than any such file is.
    #[error("is larger than {} MiB; take the file of countries or of autonomous systems alone", LARGEST >> 20)]
    TooLarge,
    /// Not in that format, cut off or damaged.
    #[error("is damaged or not in MaxMind DB format ({0}); unpack it if it is packed, or download it again")]
    Damaged(String),
}

type Record<'a> = LookupResult<'a, Vec<u8>>;

impl Book {
    /// Reads a file and walks through all of it. Blocks, for a second or so when it is a large one.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Book, OpenError> {
        // Opening a pipe would wait for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(OpenError::NoFile);
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > LARGEST {
            return Err(OpenError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Book::of(bytes).map_err(|error| OpenError::Damaged(short(&error.to_string())))
    }

    fn of(bytes: Vec<u8>) -> Result<Book, MaxMindDbError> {
        let reader = Reader::from_source(bytes)?;
        check(&reader)?;
        let about = reader.metadata();
        let built = (1..LAST_SECOND).contains(&about.build_epoch).then(|| Time::from_secs(about.build_epoch));
        Ok(Book { kind: short(&about.database_type), built, reader })
    }

    /// What the file says it is, such as "GeoLite2-Country"; printable.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// When it was built (RFC 3339), if it says so.
    pub fn built_at(&self) -> Option<String> {
        self.built.map(|built| clock::rfc3339(Some(built)))
    }

    /// How old it is, if it says so.
    pub fn age(&self, now: Time) -> Option<Duration> {
        self.built.map(|built| now.since(built))
    }

    /// The country of an address.
    pub(super) fn country(&self, ip: IpAddr) -> Option<Country> {
        let record = self.record(ip)?;
        COUNTRIES.iter().find_map(|path| Country::new(text(&record, path)?))
    }

    /// Number and name of the autonomous system of an address.
    pub(super) fn system(&self, ip: IpAddr) -> (Option<u32>, Option<String>) {
        let Some(record) = self.record(ip) else { return (None, None) };
        let number = NUMBERS.iter().find_map(|path| number(&record, path));
        let name =
            NAMES.iter().find_map(|path| text(&record, path).map(short).filter(|name| !name.is_empty()));
        // A name alone may be that of a country or a city.
        (number, name.filter(|_| number.is_some()))
    }

    /// Number alone of the autonomous system of an address.
    pub(super) fn system_number(&self, ip: IpAddr) -> Option<u32> {
        let record = self.record(ip)?;
        NUMBERS.iter().find_map(|path| number(&record, path))
    }

    fn record(&self, ip: IpAddr) -> Option<Record<'_>> {
        // Fails for IPv6 in a file of IPv4.
        self.reader.lookup(ip.to_canonical()).ok().filter(LookupResult::has_data)
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").field("kind", &self.kind).field("built", &self.built).finish_non_exhaustive()
    }
}

/// Follows every branch of the tree and decodes every record, so that damage is found now and not at night.
fn check(reader: &Reader<Vec<u8>>) -> Result<(), MaxMindDbError> {
    let mut seen = HashSet::new();
    // A tree of so many nodes has twice as many ends; more is a circle.
    let most = u64::from(reader.metadata().node_count) * 2 + 2;
    let mut ends = 0;
    for end in reader.networks(WithinOptions::default().include_networks_without_data())? {
        let end = end?;
        ends += 1;
        if ends > most {
            return Err(MaxMindDbError::invalid_database("the tree goes in circles"));
        }
        if end.offset().is_some_and(|offset| seen.insert(offset)) {
            end.decode::<IgnoredAny>()?;
        }
    }
    match seen.is_empty() {
        true => Err(MaxMindDbError::invalid_database("it has no networks")),
        false => Ok(()),
    }
}

fn text<'a>(record: &Record<'a>, path: &[&'a str]) -> Option<&'a str> {
    record.decode_path::<&str>(&keys(path)).ok().flatten()
}

/// 64496, "64496" or "AS64496".
fn number(record: &Record<'_>, path: &[&str]) -> Option<u32> {
    let keys = keys(path);
    if let Ok(Some(number)) = record.decode_path::<u32>(&keys) {
        return Some(number);
    }
    let text = record.decode_path::<&str>(&keys).ok().flatten()?.trim();
    let digits = text.get(..2).filter(|begin| begin.eq_ignore_ascii_case("as")).map_or(text, |_| &text[2..]);
    digits.parse().ok()
}

fn keys<'a>(path: &[&'a str]) -> Vec<PathElement<'a>> {
    path.iter().map(|key| PathElement::Key(key)).collect()
}

/// Printable, one line, of [`LONGEST`] characters at most.
fn short(text: &str) -> String {
    let kept: String = text.trim().chars().take(LONGEST).collect();
    guard::printable(kept.as_bytes())
}

/// Where records have the country's two letters; what the address is used for comes before who registered it.
const COUNTRIES: [&[&str]; 5] = [
    &["country", "iso_code"],
    &["country_code"],
    &["country"],
    &["country", "code"],
    &["registered_country", "iso_code"],
];
const NUMBERS: [&[&str]; 4] =
    [&["autonomous_system_number"], &["asn"], &["as_number"], &["traits", "autonomous_system_number"]];
const NAMES: [&[&str]; 5] = [
    &["autonomous_system_organization"],
    &["as_name"],
    &["as_organization"],
    &["name"],
    &["traits", "autonomous_system_organization"],
];
/// Characters of a name.
const LONGEST: usize = 80;
/// Bytes of a file; the largest that are sold have less.
const LARGEST: u64 = 1 << 30;
/// 9999-12-31, in seconds since 1970.
const LAST_SECOND: u64 = 253_402_300_799;
