//! Secrets inside of a text whose form is only guessed: lines of `name: value`, `name=value`, JSON, XML, dial strings.
//!
//! The automaton finds the next word that may be a secret's name; what follows the word says in which form its value stands. Places are
//! byte offsets; each byte is looked at a fixed number of times.

use super::MARK;
use super::names::{Names, Place};
use crate::line::Line;
use memchr::memchr;
use std::ops::Range;

mod markup;

/// What kind of text it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A command: what follows a value matters.
    Command,
    /// Anything.
    Free,
    /// A channel's variables: a value may go on in the next lines.
    Dump,
    /// A table of the core's: its column "token" is a Call-ID.
    Table,
    /// Keys and values with slashes between.
    Slashes,
}

impl Form {
    /// The form in which a command answers.
    pub(super) fn of_reply(command: Line<'_>) -> Form {
        let is = |names: &[&str]| {
            command
                .as_str()
                .split([' ', '(', ')', '{', '}'])
                .any(|word| names.iter().any(|name| name.eq_ignore_ascii_case(word)))
        };
        if is(&["uuid_dump"]) {
            Form::Dump
        } else if is(&["db", "hash", "hash_dump", "memcache", "redis_raw"]) {
            Form::Slashes
        } else if command.verb().eq_ignore_ascii_case("show") {
            Form::Table
        } else {
            Form::Free
        }
    }
}

/// The text without its secrets; `None` when it holds none.
pub(super) fn redacted(names: &Names, text: &[u8], form: Form) -> Option<Vec<u8>> {
    names.find(text, 0)?;
    cut(text, found(names, text, form))
}

/// What to take out, in no order.
pub(super) fn found(names: &Names, text: &[u8], form: Form) -> Vec<Cut> {
    let mut scan =
        Scan { names, text, form, line: 0, tag: None, blocks: Vec::new(), seen: 0, cuts: Vec::new() };
    scan.run();
    scan.cuts
}

/// Something to be taken out, and whether what takes its place is to be quoted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cut {
    pub(super) range: Range<usize>,
    pub(super) is_quoted: bool,
}

impl Cut {
    pub(super) fn new(range: Range<usize>) -> Cut {
        Cut { range, is_quoted: false }
    }
}

/// The text with each cut filled by the mark; `None` without any.
pub(super) fn cut(text: &[u8], mut cuts: Vec<Cut>) -> Option<Vec<u8>> {
    cuts.retain(|cut| cut.range.start < cut.range.end);
    cuts.sort_unstable_by_key(|cut| cut.range.start);
    if cuts.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for Cut { range, is_quoted } in cuts {
        if range.start >= at {
            out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
            let quote: &[u8] = if is_quoted { b"\"" } else { b"" };
            out.extend([quote, MARK.as_bytes(), quote].concat());
        }
        at = at.max(range.end);
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Some(out)
}

struct Scan<'a> {
    names: &'a Names,
    text: &'a [u8],
    form: Form,
    /// Where the line begins.
    line: usize,
    /// Where the tag begins that is open.
    tag: Option<usize>,
    /// The brackets that are open: what closes each, what separates inside.
    blocks: Vec<(u8, u8)>,
    /// How far line, tag and blocks count.
    seen: usize,
    cuts: Vec<Cut>,
}

impl Scan<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(hit) = self.names.find(self.text, at) {
            let (mut from, mut to) = (hit.start, hit.end);
            while from > at && self.byte(from - 1).is_some_and(is_of_a_word) {
                from -= 1;
            }
            while self.byte(to).is_some_and(is_of_a_word) {
                to += 1;
            }
            at = to;
            // The end of an encoded byte: "%22pin%22".
            if from > 0 && self.text[from - 1] == b'%' && to - from > 2 {
                from += 2;
            }
            if !self.names.has(&self.text[from..to], Place::Any) {
                continue;
            }
            self.look(from);
            at = at.max(self.word(from, to));
            self.seen = self.seen.max(at);
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    fn rest(&self, at: usize) -> &[u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Brings line, tag and blocks up to here.
    fn look(&mut self, to: usize) {
        for at in self.seen..to {
            match self.text[at] {
                b'\n' => {
                    self.line = at + 1;
                    self.blocks.clear();
                }
                open @ (b'{' | b'[' | b'<') => {
                    if open == b'<' {
                        self.tag = Some(at);
                    }
                    let close = match open {
                        b'{' => b'}',
                        b'[' => b']',
                        _ => b'>',
                    };
                    let separator = match self.rest(at + 1) {
                        [b'^', b'^', other, ..] => *other,
                        _ => b',',
                    };
                    if self.blocks.len() < DEEPEST {
                        self.blocks.push((close, separator));
                    }
                }
                close @ (b'}' | b']' | b'>') => {
                    if close == b'>' {
                        self.tag = None;
                    }
                    if self.blocks.last().is_some_and(|block| block.0 == close) {
                        self.blocks.pop();
                    }
                }
                _ => {}
            }
        }
        self.seen = self.seen.max(to);
    }

    /// Finds the value that belongs to the name of a secret; gives the place from where to go on.
    fn word(&mut self, from: usize, to: usize) -> usize {
        let is_header = self.names.has(&self.text[from..to], Place::Header);
        if let Some(end) = self.markup(from, to, is_header) {
            return end;
        }
        // "x[2]" is part of x.
        let mut at = to;
        if self.byte(at) == Some(b'[')
            && let Some(close) = memchr(b']', self.rest(at)).filter(|close| *close < 8)
        {
            at += close + 1;
        }
        let blanks = self.rest(at).iter().take_while(|byte| **byte == b' ').count();
        match self.rest(at + blanks) {
            [b'=', ..] => self.assigned(from, at + blanks + 1),
            [b'"' | b'\'' | b'\\', ..] if blanks == 0 => self.member(at, is_header),
            // "${x:0:3}" reads.
            [b':', ..] if self.text[..from].ends_with(b"${") => to,
            [b':', ..] if is_header => self.told(from, at + blanks + 1),
            [b'\t', ..] if is_header && self.begins_line(from) => self.told(from, at + blanks),
            [b'/', ..] if self.form == Form::Slashes => self.until_line_end(at + blanks + 1),
            [b'%' | b'&', ..] if blanks == 0 => self.encoded(at),
            _ => to,
        }
    }

    fn begins_line(&self, from: usize) -> bool {
        self.text[self.line.min(from)..from].iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }

    fn take(&mut self, range: Range<usize>) -> usize {
        let end = range.end;
        self.cuts.push(Cut::new(range));
        end
    }

    fn until_line_end(&mut self, from: usize) -> usize {
        let rest = self.rest(from);
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let end = rest[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
        self.take(from..from + end)
    }

    /// After `name=`.
    fn assigned(&mut self, name: usize, from: usize) -> usize {
        let before = name.checked_sub(1).and_then(|at| self.byte(at)).unwrap_or(b'\n');
        let blanks = self.rest(from).iter().take_while(|byte| **byte == b' ').count();
        if let Some(b'"' | b'\'') = self.byte(from + blanks)
            && let Some(end) = self.closing_quote(from + blanks)
            && self.byte(end + 1).is_none_or(|next| next.is_ascii_whitespace() || b",;/>?}])".contains(&next))
        {
            self.take(from + blanks + 1..end);
            return end + 1;
        }
        match (before, self.blocks.last()) {
            // The whole of a quoted text: data="name=value".
            (b'"', _) => self.until(from, b"\""),
            (b'\'', None) => self.until(from, b"'"),
            (b'?' | b'&', _) => self.until(from, b"&# \"'<>"),
            (_, Some(&(close, separator))) => self.until(from, &[close, separator]),
            (b';', None) => self.until(from, b";"),
            _ => self.until_line_end(from),
        }
    }

    /// Up to one of these bytes, quotes and escapes heeded, or to the line's end.
    fn until(&mut self, from: usize, stops: &[u8]) -> usize {
        let mut at = from;
        while let Some(byte) = self.byte(at) {
            match byte {
                b'\n' => break,
                b'\\' if self.byte(at + 1) != Some(b'\n') => at += 1,
                _ if stops.contains(&byte) => break,
                b'\'' | b'"' => match memchr::memchr2(byte, b'\n', self.rest(at + 1)) {
                    Some(length) if self.byte(at + 1 + length) == Some(byte) => at += length + 1,
                    // One that nothing closes: no later byte is looked at for it again.
                    _ => return self.until_line_end(from),
                },
                _ => {}
            }
            at += 1;
        }
        self.take(from..at.min(self.text.len()))
    }

    /// After `name:`, `name<tab>`.
    fn told(&mut self, name: usize, from: usize) -> usize {
        if let (Some(&(close, separator)), Form::Command) = (self.blocks.last(), self.form) {
            return self.until(from, &[close, separator]);
        }
        let from = from + self.rest(from).iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if self.form != Form::Dump || !self.begins_line(name) {
            return self.until_line_end(from);
        }
        // Such as an SDP: up to the next line that looks like a header.
        let mut end = from;
        while let Some(length) = memchr(b'\n', self.rest(end)) {
            let next = end + length + 1;
            if is_header(self.rest(next)) {
                return self.take(from..next - 1);
            }
            end = next;
        }
        self.take(from..self.text.len())
    }

    /// Percent-encoded, or with the entities of XML: where the value ends is not looked for.
    fn encoded(&mut self, at: usize) -> usize {
        let is = |start: &[u8]| {
            self.rest(at).get(..start.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(start))
        };
        let starts: [&[u8]; 7] = [b"%3d", b"%3a", b"%22", b"%20", b"&quot;", b"&#34;", b"&apos;"];
        match starts.into_iter().find(|start| is(start)) {
            Some(start) => self.until_line_end(at + start.len()),
            None => at,
        }
    }
}

/// Whether a line begins as that of a header does.
fn is_header(line: &[u8]) -> bool {
    let name =
        line.iter().take(LONGEST_NAME).take_while(|byte| is_of_a_word(**byte) || matches!(byte, b'[' | b']'));
    let name = name.count();
    name > 0 && line.get(name..).is_some_and(|rest| rest.starts_with(b": ") || rest.starts_with(b":\n"))
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Brackets inside of brackets that are told apart.
const DEEPEST: usize = 32;
const LONGEST_NAME: usize = 128;
