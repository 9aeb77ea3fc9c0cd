//! The plain format: lines of `Name: value`, an empty line, then the body if there is one.

use crate::value::{Encoding, Value};
use memchr::{memchr, memchr2};

pub(super) fn open(text: &[u8]) -> Option<&[u8]> {
    // The first line needs a name.
    let colon = memchr(b':', &text[..text.len().min(LONGEST_FIRST_NAME)])?;
    (memchr(b'\n', &text[..colon]).is_none()).then_some(text)
}

/// Takes one header off `rest`; lines without a colon are skipped, the empty line ends.
#[inline]
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    loop {
        let text = *rest;
        let colon = position::<b':', b'\n'>(text);
        let name = &text[..colon];
        let after = text.get(colon + 1..).unwrap_or_default();
        if text.get(colon) != Some(&b':') {
            // A line without a colon; the empty one ends the headers.
            *rest = after;
            if matches!(name, b"" | b"\r") {
                *rest = &[];
                return None;
            }
            continue;
        }
        let end = position::<b'\n', b'\n'>(after);
        *rest = after.get(end + 1..).unwrap_or_default();
        let mut value = &after[..end];
        if let [before @ .., b'\r'] = value {
            value = before;
        }
        return Some((name, value.strip_prefix(b" ").unwrap_or(value)));
    }
}

/// Where one of two bytes is first, or the length. Names and values are short, and a call of `memchr` costs more than
/// a few words: compares eight bytes at a time, as in "Hacker's Delight", 6-1.
#[inline(always)]
fn position<const A: u8, const B: u8>(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The lowest bit is right; above it a carry may set others.
    let zero_in = |x: u64| x.wrapping_sub(ONES) & !x & (ONES << 7);
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let hits = zero_in(word ^ (ONES * A as u64)) | zero_in(word ^ (ONES * B as u64));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
        if at == LONG {
            return memchr2(A, B, &text[at..]).map_or(text.len(), |found| at + found);
        }
    }
    text[at..].iter().position(|&b| b == A || b == B).map_or(text.len(), |found| at + found)
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

/// Names are short; an event's first line is `Event-Name` or `Event-Subclass`.
const LONGEST_FIRST_NAME: usize = 4096;
/// From here on `memchr` is faster.
const LONG: usize = 64;
