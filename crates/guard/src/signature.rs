//! User agents of scanners: which texts give one away, and how often each has.
//!
//! A signature is looked for without regard to ASCII case, anywhere in the user agent, or at its beginning (`^`) or its end (`$`). All are searched at
//! once by one automaton, which allocates nothing. A missing user agent matches nothing: healthy devices send none, and no attacker
//! has to. [`built_in`] are those that are known to be of tools and of no phone; [`mod@file`] reads an operator's. Start with [`Signatures`].

use aho_corasick::AhoCorasick;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub mod built_in;
pub mod file;

/// Where a signature comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It is one of [`built_in::ALL`].
    BuiltIn,
    /// It stands in the operator's file, on this line.
    File(u32),
}

/// A text that gives a scanner away.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pattern {
    /// In lower case.
    text: String,
    at_start: bool,
    at_end: bool,
}

/// Why a text is no signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPattern {
    /// Too short to tell anybody from anybody else.
    #[error("a signature has at least {SHORTEST} characters")]
    TooShort,
    /// Longer than a user agent's name.
    #[error("a signature has at most {LONGEST} characters")]
    TooLong,
    /// A control character, which no line of a file has by intention.
    #[error("a signature holds a control character")]
    BadCharacter,
}

/// The least characters of a signature: fewer are in the names of healthy phones.
pub const SHORTEST: usize = 3;
/// The most characters of a signature.
pub const LONGEST: usize = 64;
/// The most signatures.
pub const MOST: usize = 1024;
/// Only so much of a user agent is looked at: whoever sends more pays no more of our time.
pub const LOOKED_AT: usize = 256;

impl Pattern {
    /// Reads a signature: a text, with `^` before it where it must begin the user agent, with `$` after it where it must end it.
    ///
    /// # Errors
    /// When the text is too short, too long or holds control characters.
    pub fn new(text: &str) -> Result<Pattern, BadPattern> {
        let (at_start, text) = text.strip_prefix('^').map_or((false, text), |rest| (true, rest));
        let (at_end, text) = text.strip_suffix('$').map_or((false, text), |rest| (true, rest));
        match text.chars().count() {
            0..SHORTEST => Err(BadPattern::TooShort),
            SHORTEST..=LONGEST if text.chars().any(char::is_control) => Err(BadPattern::BadCharacter),
            SHORTEST..=LONGEST => Ok(Pattern { text: text.to_ascii_lowercase(), at_start, at_end }),
            _ => Err(BadPattern::TooLong),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |is_there, mark| if is_there { mark } else { "" };
        write!(f, "{}{}{}", mark(self.at_start, "^"), self.text, mark(self.at_end, "$"))
    }
}

/// One signature with what came of it.
#[derive(Clone, Debug)]
pub struct Signature {
    /// What is looked for.
    pub pattern: Pattern,
    /// Where it comes from.
    pub origin: Origin,
    /// What is known of it; empty for one of the file.
    pub about: &'static str,
    hits: Arc<AtomicU64>,
}

impl Signature {
    fn new(pattern: Pattern, origin: Origin, about: &'static str) -> Signature {
        Signature { pattern, origin, about, hits: Arc::default() }
    }

    /// How many observations had it, since the process began.
    pub fn hits(&self) -> u64 {
        self.hits.load(Relaxed)
    }
}

/// All signatures in force.
#[derive(Debug)]
pub struct Signatures {
    list: Vec<Signature>,
    automaton: AhoCorasick,
}

/// The signatures cannot be searched for.
#[derive(Debug, thiserror::Error)]
#[error("the signatures cannot be searched for: {0}")]
pub struct BuildError(#[from] aho_corasick::BuildError);

impl Signatures {
    /// Makes a list ready to be searched. Counts are taken over from `before` for signatures that were in force there.
    ///
    /// # Errors
    /// When there are more than can be searched at once; [`MOST`] always can.
    pub fn new(mut list: Vec<Signature>, before: Option<&Signatures>) -> Result<Signatures, BuildError> {
        for signature in &mut list {
            let same = |other: &&Signature| other.pattern == signature.pattern;
            if let Some(other) = before.and_then(|before| before.list.iter().find(same)) {
                signature.hits = other.hits.clone();
            }
        }
        let texts = list.iter().map(|signature| signature.pattern.text.as_bytes());
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(texts)?;
        Ok(Signatures { list, automaton })
    }

    /// The signature that a user agent has, which is counted; the one that ends first when it has several.
    pub fn hit(&self, agent: &[u8]) -> Option<&Signature> {
        let looked_at = &agent[..agent.len().min(LOOKED_AT)];
        // Nearly always, and this search is the faster one.
        if !self.automaton.is_match(looked_at) {
            return None;
        }
        let found = self.automaton.find_overlapping_iter(looked_at).find_map(|found| {
            let signature = self.list.get(found.pattern().as_usize())?;
            let Pattern { at_start, at_end, .. } = signature.pattern;
            let stands = (!at_start || found.start() == 0) && (!at_end || found.end() == agent.len());
            stands.then_some(signature)
        })?;
        found.hits.fetch_add(1, Relaxed);
        Some(found)
    }

    /// All, in the order of the built-in ones and then of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Signature> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

#[cfg(test)]
mod tests;
