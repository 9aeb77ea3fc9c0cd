//! Which of the events that a client listens to it wants to see: [`Filters`].
//!
//! The rules are FreeSWITCH's: filters are OR-ed, one with a minus sign excludes, `/…/` is a pattern. They look at what the client may
//! see, never at what was taken out of an event: whether an event passes would tell.

use esl::EventView;
use regex_lite::{Regex, RegexBuilder};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filters(Vec<Filter>);

/// One of them.
#[derive(Debug)]
pub(super) struct Filter {
    header: String,
    text: String,
    excludes: bool,
    is: Is,
}

#[derive(Debug)]
enum Is {
    Text(String),
    Like(Regex),
}

/// Why a filter is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFilter {
    #[error("-ERR too many filters")]
    TooMany,
    #[error("-ERR filter too long")]
    TooLong,
    #[error("-ERR invalid pattern")]
    Pattern,
}

impl Filters {
    /// Reads one that may be added.
    pub(super) fn read(&self, header: &str, text: &str) -> Result<Filter, BadFilter> {
        if self.0.len() >= MOST {
            return Err(BadFilter::TooMany);
        }
        if header.len() + text.len() > LONGEST {
            return Err(BadFilter::TooLong);
        }
        let wanted = text.trim_start_matches(['+', '-', ' ']);
        let excludes = text[..text.len() - wanted.len()].contains('-');
        let is = match wanted.strip_prefix('/') {
            Some(_)
                if self.0.iter().filter(|filter| matches!(filter.is, Is::Like(_))).count()
                    >= MOST_PATTERNS =>
            {
                return Err(BadFilter::TooMany);
            }
            Some(rest) => {
                let pattern = rest.strip_suffix('/').unwrap_or(rest);
                let built = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build();
                Is::Like(built.map_err(|_| BadFilter::Pattern)?)
            }
            None => Is::Text(wanted.to_owned()),
        };
        Ok(Filter { header: header.to_owned(), text: text.to_owned(), excludes, is })
    }

    /// Adds one that was read here.
    pub(super) fn add(&mut self, filter: Filter) {
        self.0.push(filter);
    }

    /// Takes away those of a header with this value, or all of it; header `all`: every one.
    pub(super) fn delete(&mut self, header: &str, value: Option<&str>) {
        self.0.retain(|filter| {
            let named = header.eq_ignore_ascii_case("all") || filter.header == header;
            !(named && value.is_none_or(|value| filter.text == value))
        });
    }

    /// Whether every event passes.
    pub(super) fn pass_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an event passes.
    pub(super) fn pass(&self, event: &EventView<'_>) -> bool {
        let mut pass = self.0.is_empty();
        for filter in &self.0 {
            if pass && !filter.excludes {
                continue;
            }
            if filter.matches(event) {
                if filter.excludes {
                    return false;
                }
                pass = true;
            }
        }
        pass
    }
}

impl Filter {
    fn matches(&self, event: &EventView<'_>) -> bool {
        let Some(value) = event.header(&self.header) else { return false };
        let value = value.decoded();
        match &self.is {
            Is::Text(text) => value.eq_ignore_ascii_case(text.as_bytes()),
            Is::Like(pattern) => {
                value.len() <= LONGEST_LOOKED_AT && pattern.is_match(&String::from_utf8_lossy(&value))
            }
        }
    }
}

/// Of one client.
const MOST: usize = 32;
/// Header and value together.
const LONGEST: usize = 512;
/// Of these with a pattern. They run where all events pass, so that all clients together must cost little: the next two bound one.
const MOST_PATTERNS: usize = 4;
/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 4 * 1024;
/// A longer value is like no pattern.
const LONGEST_LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use esl::Format;

    const EVENT: &[u8] = b"Event-Name: TALK\nUnique-ID: abc-1\nA: x%20y\n\n";

    fn add(filters: &mut Filters, header: &str, text: &str) -> Result<(), BadFilter> {
        filters.read(header, text).map(|filter| filters.add(filter))
    }

    fn passes(filters: &[(&str, &str)]) -> bool {
        let mut all = Filters::default();
        filters.iter().for_each(|(header, text)| add(&mut all, header, text).unwrap());
        all.pass(&EventView::parse(Format::Plain, EVENT).unwrap())
    }

    #[test]
    fn filters_are_ored_and_a_minus_excludes() {
        assert!(passes(&[]));
        assert!(passes(&[("Unique-ID", "ABC-1")]) && !passes(&[("Unique-ID", "abc")]));
        assert!(passes(&[("Unique-ID", "abc"), ("Event-Name", "TALK")]));
        assert!(!passes(&[("Event-Name", "TALK"), ("Unique-ID", "-abc-1")]));
        assert!(passes(&[("A", "/^x .$/")]) && !passes(&[("A", "/^y/")]) && !passes(&[("B", "/./")]));
    }

    #[test]
    fn deleting_takes_one_value_one_header_or_all() {
        let event = EventView::parse(Format::Plain, EVENT).unwrap();
        let mut filters = Filters::default();
        for (header, text) in [("A", "one"), ("A", "two"), ("B", "three")] {
            add(&mut filters, header, text).unwrap();
        }
        filters.delete("A", Some("one"));
        assert_eq!(filters.0.len(), 2);
        filters.delete("A", None);
        assert!(!filters.pass(&event));
        filters.delete("all", None);
        assert!(filters.pass(&event));
    }

    #[test]
    fn filters_are_bounded() {
        let mut filters = Filters::default();
        assert_eq!(add(&mut filters, "A", &"x".repeat(600)), Err(BadFilter::TooLong));
        assert_eq!(add(&mut filters, "A", "/(/"), Err(BadFilter::Pattern));
        assert_eq!(add(&mut filters, "A", "/((a{500}){500}){500}/"), Err(BadFilter::Pattern));
        (0..MOST_PATTERNS).for_each(|_| add(&mut filters, "A", "/^[0-9a-f-]{36}$/").unwrap());
        assert_eq!(add(&mut filters, "A", "/x/"), Err(BadFilter::TooMany));
        (MOST_PATTERNS..MOST).for_each(|_| add(&mut filters, "A", "x").unwrap());
        assert_eq!(add(&mut filters, "A", "x"), Err(BadFilter::TooMany));
    }
}
