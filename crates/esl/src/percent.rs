//! FreeSWITCH's percent-encoding: [`encode`] and [`decode_into`].
//!
//! Encoded are control and non-ASCII bytes, the blank and ``"#%&+:;<=>?@[\]^`{|}``; a `%` that two upper-case hex
//! digits follow is left alone, so encoding twice is the same as once, and a value that held `%0A` decodes to a line
//! feed. Decoding yields bytes: they may hold NULs, line feeds and invalid UTF-8.

use memchr::memchr;

/// Appends `value`, encoded.
pub fn encode(value: &[u8], out: &mut Vec<u8>) {
    for (at, &byte) in value.iter().enumerate() {
        if is_literal(byte) || (byte == b'%' && is_escape(&value[at + 1..])) {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Appends `raw`, decoded. A `%` that no two hex digits follow stays.
pub fn decode_into(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let (byte, used) = escape(&rest[at..]);
        out.push(byte);
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
}

/// The byte that `raw`, which is not empty, begins with, and how many bytes of `raw` stand for it.
#[inline]
pub(crate) fn escape(raw: &[u8]) -> (u8, usize) {
    if let [b'%', high, low, ..] = *raw
        && let (Some(high), Some(low)) = (hex(high), hex(low))
    {
        return (high << 4 | low, 3);
    }
    (raw[0], 1)
}

/// The value of a hex digit.
#[inline]
pub(crate) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether a byte is written as it is.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"#%&+:;<=>?@[\\]^`{|}".contains(&byte)
}

/// Whether two upper-case hex digits come first.
fn is_escape(rest: &[u8]) -> bool {
    let upper = |b: &u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
    rest.len() >= 2 && rest[..2].iter().all(upper)
}

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
