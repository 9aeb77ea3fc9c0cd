//! Patterns of events that are sent: `!NAME`, behind CUSTOM a subclass by glob (its case counts), then headers: `name=glob`.
//!
//! A rule that allows and speaks of headers must speak of every header of the event that decides where it goes or what is done, or the
//! event is not allowed: `!NOTIFY user={user} host={domain}` allows no `to-uri`. With `$` at its end no other header may be there at all.

use super::{BadPattern, Part, Who, Word, is_plain, wild};
use crate::deed::EventHeader;
use crate::line::is_name;

/// What stands behind the name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sent {
    subclass: Option<String>,
    /// By name, in lower case.
    headers: Vec<(String, Word)>,
}

impl Sent {
    pub(super) fn new(event: &str, words: &[&str]) -> Result<Sent, BadPattern> {
        let mut sent = Sent { subclass: None, headers: Vec::new() };
        for (at, word) in words.iter().enumerate() {
            match word.split_once('=') {
                Some((name, glob)) if is_name(name) => {
                    sent.headers.push((name.to_ascii_lowercase(), Word::new(glob)?));
                }
                None if at == 0 && event == "custom" => sent.subclass = Some((*word).to_owned()),
                _ => return Err(BadPattern::Event((*word).to_owned())),
            }
        }
        Ok(sent)
    }

    pub(super) fn asks_for_owners(&self) -> bool {
        self.headers.iter().any(|(_, word)| *word == Word::Own)
    }

    /// When in doubt, no.
    pub(super) fn allows(
        &self,
        subclass: Option<&str>,
        headers: &[EventHeader],
        ends: bool,
        who: &Who<'_>,
    ) -> bool {
        let is_of = match (&self.subclass, subclass) {
            (None, None) => true,
            (Some(glob), Some(given)) => wild(glob.split('*'), given),
            // "!CUSTOM" alone allows no subclass.
            _ => false,
        };
        let named = |header: &EventHeader| self.headers.iter().any(|(name, _)| *name == header.name);
        let fits = |(name, word): &(String, Word)| {
            let mut given = headers.iter().filter(|header| header.name == *name);
            given.next().is_some_and(|header| {
                (is_literal(word) || is_plain(&header.value)) && word.matches(&header.value, who)
            }) && given.next().is_none()
        };
        let must_be_named = |header: &&EventHeader| ends || (header.decides && !self.headers.is_empty());
        is_of && headers.iter().filter(must_be_named).all(named) && self.headers.iter().all(fits)
    }

    /// When in doubt, yes.
    pub(super) fn denies(
        &self,
        subclass: Option<&str>,
        headers: &[EventHeader],
        ends: bool,
        who: &Who<'_>,
    ) -> bool {
        let is_of = match (&self.subclass, subclass) {
            (None, _) => true,
            (Some(glob), Some(given)) => {
                wild(glob.to_ascii_lowercase().split('*'), &given.to_ascii_lowercase())
            }
            (Some(_), None) => false,
        };
        let fits = |(name, word): &(String, Word)| {
            headers.iter().any(|header| {
                header.name == *name && (!is_plain(&header.value) || word.matches_loosely(&header.value, who))
            })
        };
        let only_these =
            || headers.iter().all(|header| self.headers.iter().any(|(name, _)| *name == header.name));
        is_of && self.headers.iter().all(fits) && (!ends || only_these())
    }
}

/// Whether a word is matched by one text only.
fn is_literal(word: &Word) -> bool {
    matches!(word, Word::Glob(parts) if !parts.contains(&Part::Any))
}
