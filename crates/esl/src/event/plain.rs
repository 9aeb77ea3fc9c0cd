//! The plain format: lines of `Name: value`, an empty line, then the body if there is one.

use crate::value::{Encoding, Value};
use memchr::memchr;

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
        let end = memchr(b'\n', text).unwrap_or(text.len());
        let mut line = &text[..end];
        if let [before @ .., b'\r'] = line {
            line = before;
        }
        if line.is_empty() {
            *rest = &[];
            return None;
        }
        *rest = text.get(end + 1..).unwrap_or(&[]);
        if let Some(colon) = line.iter().position(|&b| b == b':') {
            let value = &line[colon + 1..];
            return Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)));
        }
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

/// Names are short; an event's first line is `Event-Name` or `Event-Subclass`.
const LONGEST_FIRST_NAME: usize = 4096;
