//! Secrets in commands: those that stand at a place, not behind a name with `=`.
//!
//! `uuid_setvar U password x` sets one; so do `global_setvar`, `db insert/realm/password/x` and others, wherever in a line they stand,
//! because commands stand in commands. The rest is the work of [`text`].

use super::names::{Names, Place};
use super::text::{self, Cut, Form};
use std::ops::Range;

/// Whether arguments name a secret that the command then tells: `uuid_getvar U password`, `eval ${password}`. A name that is set with `=`
/// is not told.
pub(super) fn asks_for(names: &Names, arguments: &str) -> bool {
    if names.find(arguments.as_bytes(), 0).is_none() {
        return false;
    }
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"/,;(){}$'\"|:".contains(byte);
    arguments
        .as_bytes()
        .split(is_end)
        .any(|word| memchr::memchr(b'=', word).is_none_or(|at| at == 0) && names.has(word, Place::Any))
}

/// A line without its secrets; `None` when there are none.
pub(super) fn redacted(names: &Names, text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut cuts = match names.find(bytes, 0) {
        Some(_) => text::found(names, bytes, Form::Command),
        None => Vec::new(),
    };
    by_place(names, text, &mut cuts);
    text::cut(bytes, cuts)
}

/// What commands say at a place of their own.
fn by_place(names: &Names, text: &str, cuts: &mut Vec<Cut>) {
    // What is behind a cut up to the line's end is not looked at again, so that the work stays linear.
    let mut words = Words { text, at: 0 };
    while let Some(word) = words.next() {
        let verb = &text[word];
        let Some((_, how)) = VERBS.iter().find(|(name, _)| name.eq_ignore_ascii_case(verb)) else { continue };
        let mut ahead = Words { ..words };
        let mut word =
            || ahead.next().map(|range| (text[range.clone()].trim_matches(['\'', '"']), range.end));
        let cut = match how {
            How::Setvar => {
                let Some((_, _)) = word() else { continue };
                named(names, word(), text)
            }
            How::Global => {
                let Some((given, end)) = word() else { continue };
                let name = given.split('=').next().unwrap_or_default();
                match given.len() > name.len() {
                    true if names.has(name.as_bytes(), Place::Any) => {
                        Some(end - (given.len() - name.len()) + 1..text.len())
                    }
                    true => None,
                    false => named(names, Some((given, end)), text),
                }
            }
            How::Multi => {
                let Some((_, end)) = word() else { continue };
                multi(names, text, end, cuts);
                None
            }
            How::Path => {
                let Some((path, end)) = word() else { continue };
                let start = end - path.len();
                path_value(names, path).map(|at| start + at..text.len())
            }
            How::After(count) => (0..*count).try_for_each(|_| word().map(|_| ())).and_then(|()| {
                let (rest, end) = word()?;
                Some(end - rest.len()..text.len())
            }),
            How::Pin => {
                let Some((_, _)) = word() else { continue };
                match word() {
                    Some((action, end)) if is_pin(action) => Some(end..text.len()),
                    _ => None,
                }
            }
        };
        if let Some(range) = cut {
            let from = range.start
                + text[range.clone()].bytes().take_while(|byte| matches!(byte, b' ' | b'\'' | b'"')).count();
            cuts.push(Cut::new(from..closing(text, from)));
            words.at = range.end;
        }
    }
}

/// The rest of the line when the word is the name of a secret.
fn named(names: &Names, word: Option<(&str, usize)>, text: &str) -> Option<Range<usize>> {
    let (name, end) = word?;
    names.has(name.as_bytes(), Place::Any).then_some(end..text.len())
}

/// `name=value;name=value` up to the line's end.
fn multi(names: &Names, text: &str, from: usize, cuts: &mut Vec<Cut>) {
    let mut at = from;
    for item in text[from..].split(';') {
        if let Some((name, value)) = item.split_once('=')
            && names.has(name.trim().as_bytes(), Place::Any)
        {
            let start = at + item.len() - value.len();
            cuts.push(Cut::new(start..start + value.len()));
        }
        at += item.len() + 1;
    }
}

/// Where in `insert/realm/key/value` the value begins, when the realm or the key is the name of a secret.
fn path_value(names: &Names, path: &str) -> Option<usize> {
    let mut at = 0;
    let mut is_secret = false;
    for (place, part) in path.splitn(4, '/').enumerate() {
        if place == 3 {
            return is_secret.then_some(at);
        }
        is_secret |= place > 0 && names.has(part.as_bytes(), Place::Any);
        at += part.len() + 1;
    }
    None
}

fn is_pin(word: &str) -> bool {
    ["pin", "mpin", "chat-pin"].iter().any(|pin| pin.eq_ignore_ascii_case(word))
}

/// Up to the end of the line: what closes an expression there may stay.
fn closing(text: &str, from: usize) -> usize {
    from + text[from..].trim_end_matches([')', '}', '\'', '"']).len()
}

/// Words, with their places. Brackets and quotes separate as blanks do: commands stand in expressions, applications in brackets.
#[derive(Clone, Copy)]
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..)?;
        let from = self.at + rest.find(|character| !is_between(character))?;
        let length = self.text[from..].find(is_between).unwrap_or(self.text.len() - from);
        self.at = from + length;
        Some(from..self.at)
    }
}

fn is_between(character: char) -> bool {
    matches!(character, ' ' | '(' | ')' | '{' | '}' | '$' | '\'' | '"' | '&')
}

/// Where the secret stands.
enum How {
    /// After the channel a name, then the value.
    Setvar,
    /// A name, then the value after `=` or a blank.
    Global,
    /// After the channel `name=value;name=value`.
    Multi,
    /// `action/realm/key/value`.
    Path,
    /// After so many words.
    After(usize),
    /// After the conference "pin".
    Pin,
}

const VERBS: &[(&str, How)] = &[
    ("uuid_setvar", How::Setvar),
    ("uuid_setvar_multi", How::Multi),
    ("global_setvar", How::Global),
    ("setenv", How::Global),
    ("db", How::Path),
    ("hash", How::Path),
    ("memcache", How::Setvar),
    ("vm_fsdb_auth_login", How::After(3)),
    ("uuid_send_dtmf", How::After(1)),
    ("uuid_recv_dtmf", How::After(1)),
    ("send_dtmf", How::After(0)),
    ("conference", How::Pin),
];
