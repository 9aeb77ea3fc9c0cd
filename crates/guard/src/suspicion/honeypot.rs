//! Accounts and numbers that nobody uses: whoever tries one guesses.
//!
//! An entry is a user part, or `user@domain`, and may have `*`. Case makes no difference, since guessers do not mind it. Exact user parts
//! are looked up at once; those with a domain or a `*` one after another, so there are few of them. Start with [`Honeypots::hit`].

use crate::pattern::glob;
use arrayvec::ArrayVec;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// See the module.
#[derive(Debug, Default)]
pub struct Honeypots {
    list: Vec<Honeypot>,
    /// Places in the list by user part.
    exact: BTreeMap<Box<[u8]>, usize>,
    /// Places of all others.
    patterns: Vec<usize>,
}

/// One account or number, or a pattern of them.
#[derive(Debug)]
pub struct Honeypot {
    /// In lower case.
    name: Box<str>,
    /// Where `@` stands in the name, if it has a domain.
    at: Option<usize>,
    hits: AtomicU64,
}

/// Why a text is no honeypot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadHoneypot {
    /// Nothing, or only a domain.
    #[error("a honeypot names no account; write one such as \"admin\", \"9999*\" or \"test@pbx.example\"")]
    Empty,
    /// Longer than an account's name.
    #[error("the honeypot \"{0}\" has more than {LONGEST} characters")]
    TooLong(String),
    /// A blank or a control character.
    #[error("the honeypot \"{0}\" holds a blank or a control character")]
    BadCharacter(String),
    /// Would match every account there is.
    #[error("the honeypot \"{0}\" is every account, the healthy ones too; write more of the name")]
    MatchesAll(String),
    /// Too many.
    #[error("there are more than {MOST} honeypots, or more than {MOST_PATTERNS} with a \"*\" or a domain")]
    TooMany,
}

/// The most bytes of one.
pub const LONGEST: usize = 64;
/// The most that there may be.
pub const MOST: usize = 4096;
/// The most with a `*` or a domain.
pub const MOST_PATTERNS: usize = 64;

impl Honeypot {
    /// Its name as it was written, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many observations named it.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }
}

/// Checks one entry and tells it in lower case.
///
/// # Errors
/// When it is empty, too long, holds blanks or control characters, or matches every account.
pub fn checked(text: &str) -> Result<String, BadHoneypot> {
    let name = text.trim().to_ascii_lowercase();
    let (user, domain) =
        name.split_once('@').map_or((name.as_str(), None), |(user, domain)| (user, Some(domain)));
    let shown = || name.chars().take(LONGEST).filter(|c| !c.is_control()).collect();
    if user.is_empty() || domain.is_some_and(str::is_empty) {
        return Err(BadHoneypot::Empty);
    }
    if name.len() > LONGEST {
        return Err(BadHoneypot::TooLong(shown()));
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(BadHoneypot::BadCharacter(shown()));
    }
    if user.bytes().all(|byte| matches!(byte, b'*' | b'?')) {
        return Err(BadHoneypot::MatchesAll(shown()));
    }
    Ok(name)
}

impl Honeypots {
    /// Of these entries.
    ///
    /// # Errors
    /// The first entry that is none.
    pub fn new<T: AsRef<str>>(entries: &[T]) -> Result<Honeypots, BadHoneypot> {
        let mut honeypots = Honeypots::default();
        for entry in entries {
            honeypots.add(checked(entry.as_ref())?)?;
        }
        Ok(honeypots)
    }

    fn add(&mut self, name: String) -> Result<(), BadHoneypot> {
        if self.list.iter().any(|honeypot| *honeypot.name == *name) {
            return Ok(());
        }
        let at = name.find('@');
        let place = self.list.len();
        if at.is_some() || name.contains(['*', '?']) {
            self.patterns.push(place);
        } else {
            self.exact.insert(name.as_bytes().into(), place);
        }
        if place == MOST || self.patterns.len() > MOST_PATTERNS {
            return Err(BadHoneypot::TooMany);
        }
        self.list.push(Honeypot { name: name.into(), at, hits: AtomicU64::new(0) });
        Ok(())
    }

    /// Takes over the hits of those that were in force before.
    pub fn go_on_from(&self, before: &Honeypots) {
        for honeypot in &self.list {
            if let Some(other) = before.list.iter().find(|other| other.name == honeypot.name) {
                honeypot.hits.store(other.hits(), Relaxed);
            }
        }
    }

    /// Whether an account, or a number called at a domain, is one; it is counted.
    pub fn hit(&self, user: &[u8], domain: &[u8]) -> bool {
        // Longer ones are no entry, and a pattern is to cost little.
        if self.list.is_empty() || user.is_empty() || user.len() > LONGEST {
            return false;
        }
        let mut lower: ArrayVec<u8, LONGEST> = ArrayVec::new();
        lower.extend(user.iter().map(u8::to_ascii_lowercase));
        let exact = self.exact.get(lower.as_slice()).copied();
        let found = exact
            .or_else(|| self.patterns.iter().copied().find(|place| self.list[*place].is(&lower, domain)));
        if let Some(place) = found {
            self.list[place].hits.fetch_add(1, Relaxed);
        }
        found.is_some()
    }

    /// All, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Honeypot> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl Honeypot {
    fn is(&self, user: &[u8], domain: &[u8]) -> bool {
        let name = self.name.as_bytes();
        match self.at {
            Some(at) => glob(&name[..at], user) && domain.len() <= 253 && glob(&name[at + 1..], domain),
            None => glob(name, user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_ones_patterns_and_domains_match_what_they_say() {
        let honeypots =
            Honeypots::new(&["admin", " 9999* ", "*test", "trap@pbx.example", "x?@*.example"]).unwrap();
        for (user, domain) in [
            ("admin", ""),
            ("ADMIN", "pbx.example"),
            ("9999", ""),
            ("999912345", ""),
            ("mytest", ""),
            ("trap", "PBX.example"),
            ("x1", "a.example"),
        ] {
            assert!(honeypots.hit(user.as_bytes(), domain.as_bytes()), "{user}@{domain}");
        }
        for (user, domain) in [
            ("", ""),
            ("administrator", ""),
            ("999", ""),
            ("trap", ""),
            ("trap", "other.example"),
            ("x12", "a.example"),
        ] {
            assert!(!honeypots.hit(user.as_bytes(), domain.as_bytes()), "{user}@{domain}");
        }
        assert!(!honeypots.hit(&[b'9'; 65536], b""), "no account is so long");
        assert_eq!(honeypots.iter().map(Honeypot::hits).collect::<Vec<_>>(), [2, 2, 1, 1, 1]);
        let after = Honeypots::new(&["new", "admin"]).unwrap();
        after.go_on_from(&honeypots);
        assert_eq!(after.iter().map(Honeypot::hits).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn what_would_match_everybody_or_nobody_is_refused() {
        for (text, error) in [
            ("", "names no account"),
            ("@pbx.example", "names no account"),
            ("a@", "names no account"),
            ("*", "is every account"),
            ("*?*@pbx.example", "is every account"),
            ("two words", "a blank"),
            ("a\nb", "a control character"),
        ] {
            assert!(checked(text).unwrap_err().to_string().contains(error), "{text:?}");
        }
        assert!(matches!(checked(&"9".repeat(65)), Err(BadHoneypot::TooLong(_))));
        let many = |n: usize, end: &str| (0..n).map(|n| format!("{n}{end}")).collect::<Vec<_>>();
        assert!(Honeypots::new(&many(MOST, "")).is_ok());
        assert_eq!(Honeypots::new(&many(MOST + 1, "")).unwrap_err(), BadHoneypot::TooMany);
        assert!(Honeypots::new(&many(MOST_PATTERNS, "*")).is_ok());
        assert_eq!(Honeypots::new(&many(MOST_PATTERNS + 1, "*")).unwrap_err(), BadHoneypot::TooMany);
    }
}
