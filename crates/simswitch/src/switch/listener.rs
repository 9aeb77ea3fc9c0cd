//! What one client wants to receive: [`Listener`].
//!
//! The rules are FreeSWITCH's: names after `CUSTOM` in one command are subclasses, case-sensitive and never checked;
//! event names ignore case and unknown ones are skipped; the format word applies to the whole connection; filters
//! are OR-ed, and one with a minus sign excludes.

use super::names;
use esl::{EventView, Format};
use regex_lite::Regex;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Listener {
    pub(super) format: Format,
    /// Whether `event` was ever accepted since the last `noevents`.
    pub(super) listening: bool,
    all: bool,
    names: BTreeSet<&'static str>,
    subclasses: BTreeSet<Vec<u8>>,
    filters: Vec<Filter>,
    /// After `myevents`: the only channel, if there was such a one.
    pub(super) mine: Option<Option<String>>,
    /// Log lines up to this level.
    pub(super) log: Option<u8>,
}

/// One word of `event` or `nixevent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'a> {
    All,
    Custom,
    Name(&'static str),
    Subclass(&'a [u8]),
}

/// The words of an `event` or `nixevent`, and the format if it comes first.
pub(super) fn words(argument: &[u8]) -> (Option<Format>, Vec<Word<'_>>) {
    let mut words = argument.split(|&b| b == b' ').filter(|word| !word.is_empty()).peekable();
    let format = words.peek().and_then(|word| format_word(word));
    if format.is_some() {
        words.next();
    }
    let mut custom = false;
    let known = words.filter_map(|word| {
        if custom {
            return Some(Word::Subclass(word));
        }
        match names::known(word)? {
            "ALL" => Some(Word::All),
            "CUSTOM" => {
                custom = true;
                Some(Word::Custom)
            }
            name => Some(Word::Name(name)),
        }
    });
    (format, known.collect())
}

fn format_word(word: &[u8]) -> Option<Format> {
    [Format::Plain, Format::Json, Format::Xml]
        .into_iter()
        .find(|format| word.eq_ignore_ascii_case(format.as_str().as_bytes()))
}

impl Listener {
    pub(super) fn add(&mut self, word: Word<'_>) {
        self.listening = true;
        match word {
            Word::All => self.all = true,
            Word::Custom => {
                self.names.insert("CUSTOM");
            }
            Word::Name(name) => {
                self.names.insert(name);
            }
            Word::Subclass(name) => {
                self.subclasses.insert(name.to_vec());
            }
        }
    }

    pub(super) fn remove(&mut self, word: Word<'_>) {
        match word {
            Word::All => {
                self.all = false;
                self.names.clear();
                self.subclasses.clear();
            }
            // Its subclasses are named on their own.
            Word::Custom => {}
            Word::Name(name) => {
                if self.all {
                    self.all = false;
                    self.names.extend(names::NAMES);
                }
                self.names.remove(name);
            }
            Word::Subclass(name) => {
                self.subclasses.remove(name);
            }
        }
    }

    /// Ends every subscription; gives whether there was one.
    pub(super) fn clear(&mut self) -> bool {
        let was = self.listening;
        self.listening = false;
        self.all = false;
        self.names.clear();
        self.subclasses.clear();
        was
    }

    /// Subscribes to the events of one channel, and to no others.
    pub(super) fn my_events(&mut self, channel: Option<String>, format: Option<Format>) {
        names::OF_A_CHANNEL.iter().for_each(|name| self.add(Word::Name(name)));
        self.mine = Some(channel);
        self.format = format.unwrap_or(self.format);
    }

    pub(super) fn add_filter(&mut self, header: &str, value: &str) {
        self.filters.push(Filter::new(header, value));
    }

    /// Removes filters; header `all` removes every one, no value removes all of a header.
    pub(super) fn delete_filter(&mut self, header: &str, value: Option<&str>) {
        self.filters.retain(|filter| {
            let named = header.eq_ignore_ascii_case("all") || filter.header == header;
            !(named && value.is_none_or(|value| filter.text == value))
        });
    }

    /// Whether an event is sent to this client.
    pub(super) fn wants(&self, name: &[u8], subclass: Option<&[u8]>, event: &EventView<'_>) -> bool {
        if !self.listening {
            return false;
        }
        let subscribed = self.all
            || str::from_utf8(name).is_ok_and(|name| self.names.contains(name))
                && subclass.is_none_or(|subclass| self.subclasses.contains(subclass));
        subscribed && self.passes(event) && self.is_mine(event)
    }

    /// Whether it is of the channel of `myevents`; of any, when there was none such.
    fn is_mine(&self, event: &EventView<'_>) -> bool {
        let Some(channel) = &self.mine else { return true };
        event
            .header("Unique-ID")
            .is_some_and(|uuid| channel.as_ref().is_none_or(|channel| *uuid.decoded() == *channel.as_bytes()))
    }

    fn passes(&self, event: &EventView<'_>) -> bool {
        let mut pass = self.filters.is_empty();
        for filter in &self.filters {
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

#[derive(Debug)]
struct Filter {
    header: String,
    text: String,
    excludes: bool,
    /// For `/.../`; one that cannot be compiled matches nothing.
    pattern: Option<Option<Regex>>,
}

impl Filter {
    fn new(header: &str, text: &str) -> Self {
        let wanted = text.trim_start_matches(['+', '-', ' ']);
        let sign = &text[..text.len() - wanted.len()];
        let pattern =
            wanted.strip_prefix('/').map(|rest| Regex::new(rest.strip_suffix('/').unwrap_or(rest)).ok());
        Self { header: header.into(), text: text.into(), excludes: sign.contains('-'), pattern }
    }

    fn matches(&self, event: &EventView<'_>) -> bool {
        let Some(value) = event.header(&self.header) else {
            return false;
        };
        let value = value.decoded();
        match &self.pattern {
            Some(pattern) => {
                let value = String::from_utf8_lossy(&value);
                pattern.as_ref().is_some_and(|pattern| pattern.is_match(&value))
            }
            None => value.eq_ignore_ascii_case(self.text.trim_start_matches(['+', '-', ' ']).as_bytes()),
        }
    }
}
