//! Which names hold secrets: [`Names`], one automaton over all of the catalogue's.
//!
//! It answers two questions: whether a whole name is one ([`Names::has`]), and where in a text the next piece of one stands
//! ([`Names::find`]), so that text without any is passed over quickly.

use crate::catalogue::{Match, Secret};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};
use std::ops::Range;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `None` when it cannot be built: then every name is a secret.
    automaton: Option<AhoCorasick>,
    pieces: Vec<Piece>,
    /// Whole names that are none whatever the others say, without what stands before a variable's.
    kept: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    how: Match,
    /// It is a secret as the name of a header or a member, not only as that of a variable or a parameter.
    is_header: bool,
}

/// What a name is the name of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A header, a member of an object, a line's beginning: those that are secrets only as variables are not meant.
    Header,
    /// Anything that may hold a secret.
    Any,
}

impl Names {
    /// Those of a catalogue, and further ones in which a `*` may stand at the beginning and the end.
    pub(super) fn new(secrets: &[Secret], extra: &[String]) -> Names {
        let mut texts: Vec<String> = Vec::new();
        let mut pieces = Vec::new();
        for secret in secrets {
            let is_body = secret.place.iter().all(|place| place == "body");
            if !is_body && !secret.name.is_empty() {
                texts.push(secret.name.clone());
                let is_header = secret.place.iter().any(|place| place == "header");
                pieces.push(Piece { how: secret.how, is_header });
            }
        }
        for name in extra {
            let bare = name.trim().trim_matches('*').to_ascii_lowercase();
            let how = match (name.trim().starts_with('*'), name.trim().ends_with('*')) {
                (false, false) => Match::Exact,
                (false, true) => Match::Prefix,
                (true, false) => Match::Suffix,
                (true, true) => Match::Contains,
            };
            if !bare.is_empty() {
                texts.push(bare.strip_prefix("variable_").unwrap_or(&bare).to_owned());
                pieces.push(Piece { how, is_header: true });
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&texts)
            .ok();
        Names { automaton, pieces, kept: Vec::new() }
    }

    /// The same without these.
    pub(super) fn keeping(mut self, names: &[&'static str]) -> Names {
        self.kept.extend_from_slice(names);
        self
    }

    /// Whether a name is that of a secret.
    pub(super) fn has(&self, name: &[u8], place: Place) -> bool {
        let Some(automaton) = &self.automaton else { return true };
        // "x[2]" is part of x.
        let end = memchr::memchr(b'[', name).unwrap_or(name.len());
        let name = &name[..end];
        let bare = BEFORE.iter().find(|before| starts_with(name, before)).map_or(0, |before| before.len());
        if self.kept.iter().any(|kept| name[bare..].eq_ignore_ascii_case(kept.as_bytes())) {
            return false;
        }
        automaton.find_overlapping_iter(Input::new(name)).any(|found| {
            let Some(piece) = self.pieces.get(found.pattern().as_usize()) else { return true };
            let begins = found.start() == 0 || found.start() == bare;
            let ends = found.end() == name.len();
            let fits = match piece.how {
                Match::Exact => begins && ends,
                Match::Prefix => begins,
                Match::Suffix => ends,
                Match::Contains => true,
            };
            fits && (place == Place::Any || bare > 0 || piece.is_header)
        })
    }

    /// Where, from `from` on, the first piece of a name ends that may be a secret's.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let Some(automaton) = &self.automaton else { return (from < text.len()).then_some(from..from + 1) };
        automaton.find(Input::new(text).range(from..)).map(|found| found.range())
    }
}

fn starts_with(name: &[u8], before: &str) -> bool {
    name.get(..before.len()).is_some_and(|start| start.eq_ignore_ascii_case(before.as_bytes()))
}

/// What stands before the name of a variable: in events, in requests for calls, in dial strings.
const BEFORE: [&str; 4] = ["variable_", "nolocal:", "_nolocal_", "var_"];
