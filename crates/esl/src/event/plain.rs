//! The plain format: lines of `Name: value`, an empty line, then the body if there is one.
//!
//! This is the hot path of the whole program: line feeds are found 64 bytes at a time as a bit mask, because lines
//! are so short that a call of `memchr` for each costs more than the search itself.

use crate::value::{Encoding, Value};
use memchr::{memchr, memmem::Finder};
use wide::u8x16;

pub(super) fn open(text: &[u8]) -> Option<&[u8]> {
    // The first line needs a name.
    let colon = memchr(b':', &text[..text.len().min(LONGEST_FIRST_NAME)])?;
    (memchr(b'\n', &text[..colon]).is_none()).then_some(text)
}

/// The headers in order: names and raw values. Lines without a colon are skipped; the empty line ends.
#[derive(Debug, Clone)]
pub(super) struct Lines<'a> {
    text: &'a [u8],
    /// Where the next line begins.
    line: usize,
    /// The line feeds of the block at `block` that were not passed yet, a bit each.
    feeds: u64,
    block: usize,
}

impl<'a> Lines<'a> {
    #[inline]
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, line: 0, feeds: matches::<BLOCK>(text, b'\n'), block: 0 }
    }

    /// Goes on at the first line that begins with `line`, which holds the line feed before it; gives what lies between.
    pub(super) fn skip_to(&mut self, line: &Finder<'_>) -> &'a [u8] {
        let Some(before) = self.line.checked_sub(1) else { return b"" };
        let Some(at) = self.text.get(before..).and_then(|rest| line.find(rest)) else { return b"" };
        let (from, to) = (self.line, self.line + at);
        *self =
            Self { text: self.text, line: to, feeds: matches::<BLOCK>(&self.text[to..], b'\n'), block: to };
        &self.text[from..to]
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        loop {
            let start = self.line;
            let end = self.line_end()?;
            let mut line = &self.text[start..end];
            if let [before @ .., b'\r'] = line {
                line = before;
            }
            if line.is_empty() {
                self.line = self.text.len();
                return None;
            }
            if let Some(colon) = colon(&self.text[start..], line.len()) {
                let value = &line[colon + 1..];
                return Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)));
            }
        }
    }

    /// The end of the next line, which may have no line feed; `None` when all is read.
    #[inline]
    fn line_end(&mut self) -> Option<usize> {
        if self.line >= self.text.len() {
            return None;
        }
        while self.feeds == 0 {
            self.block += BLOCK;
            let Some(rest) = self.text.get(self.block..).filter(|rest| !rest.is_empty()) else {
                self.line = self.text.len();
                return Some(self.text.len());
            };
            self.feeds = matches::<BLOCK>(rest, b'\n');
        }
        let end = self.block + self.feeds.trailing_zeros() as usize;
        self.feeds &= self.feeds - 1;
        self.line = end + 1;
        Some(end)
    }
}

pub(super) fn body(text: &[u8]) -> Option<Value<'_>> {
    let mut rest = text;
    loop {
        let end = memchr(b'\n', rest)?;
        let blank = matches!(&rest[..end], b"" | b"\r");
        rest = &rest[end + 1..];
        if blank {
            return (!rest.is_empty()).then(|| Value::new(rest, Encoding::Literal));
        }
    }
}

/// The first colon among the first `length` bytes of `text`.
#[inline]
fn colon(text: &[u8], length: usize) -> Option<usize> {
    let at = matches::<NAME>(text, b':').trailing_zeros() as usize;
    if at < length.min(NAME) {
        Some(at)
    } else if length > NAME {
        memchr(b':', &text[NAME..length]).map(|at| at + NAME)
    } else {
        None
    }
}

/// A bit for each of the first `N` bytes that is `byte`, which is not 0. `N` is a multiple of 16, up to 64.
#[inline]
fn matches<const N: usize>(text: &[u8], byte: u8) -> u64 {
    match text.first_chunk::<N>() {
        Some(block) => block_matches(block, byte),
        None => short_matches::<N>(text, byte),
    }
}

#[inline(always)]
fn block_matches<const N: usize>(block: &[u8; N], byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    let (parts, _) = block.as_chunks::<16>();
    let bits = |part: &[u8; 16]| u64::from(u8x16::new(*part).simd_eq(wanted).to_bitmask());
    parts.iter().rev().fold(0, |mask, part| mask << 16 | bits(part))
}

/// At the end of a text.
#[inline(never)]
fn short_matches<const N: usize>(text: &[u8], byte: u8) -> u64 {
    let mut block = [0; N];
    block[..text.len()].copy_from_slice(text);
    block_matches(&block, byte)
}

const BLOCK: usize = 64;
/// Most names are no longer.
const NAME: usize = 32;
/// Names are short; an event's first line is `Event-Name` or `Event-Subclass`.
const LONGEST_FIRST_NAME: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_can_be_skipped_up_to_a_line() {
        let text = b"A: 1\nB: 2\nvariable_C: no\nC: 3\nD: 4\n\n";
        let wanted = Finder::new(b"\nC: ");
        let names = |mut lines: Lines<'_>| {
            std::iter::from_fn(move || lines.next().map(|(name, _)| name.to_vec())).collect::<Vec<_>>()
        };
        let mut lines = Lines::new(text);
        assert_eq!(lines.skip_to(&wanted), b"", "the first line has no line feed before it");
        lines.next();
        assert_eq!(lines.skip_to(&wanted), b"B: 2\nvariable_C: no\n");
        assert_eq!(names(lines.clone()), [b"C", b"D"]);
        assert_eq!(lines.skip_to(&wanted), b"", "it is the next line already");
        lines.next();
        assert_eq!(lines.skip_to(&wanted), b"", "there is none");
        assert_eq!(names(lines), [b"D"]);
    }
}
