//! A header's value or a body, decoded only when asked: [`Value`].
//!
//! It is a view over the read buffer and remembers how its bytes are written. Comparing and iterating allocate
//! nothing; [`Value::decoded`] allocates only when there is something to decode.

use crate::percent;
use memchr::{memchr, memmem};
use std::{borrow::Cow, fmt};

/// See the module.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    raw: &'a [u8],
    encoding: Encoding,
}

/// How the bytes of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Literal,
    /// Percent-encoded.
    Percent,
    /// The inside of a JSON string.
    Json,
    /// A JSON array of strings, brackets included; decodes to FreeSWITCH's `ARRAY::a|:b`.
    JsonArray,
    /// XML text of which so many decoded bytes count.
    Xml(usize),
}

impl<'a> Value<'a> {
    pub(crate) fn new(raw: &'a [u8], encoding: Encoding) -> Self {
        Self { raw, encoding }
    }

    /// The bytes as they came.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether [`Self::raw`] is already the value.
    #[inline]
    pub fn is_plain(&self) -> bool {
        match self.encoding {
            Encoding::Literal => true,
            Encoding::Percent => memchr(b'%', self.raw).is_none(),
            Encoding::Json => memchr(b'\\', self.raw).is_none(),
            Encoding::JsonArray => false,
            Encoding::Xml(keep) => self.raw.len() <= keep && memchr(b'&', self.raw).is_none(),
        }
    }

    /// Decodes into `out`, whose content is replaced.
    pub fn decode_into<'b>(&self, out: &'b mut Vec<u8>) -> &'b [u8] {
        out.clear();
        match self.encoding {
            Encoding::Literal => out.extend_from_slice(self.raw),
            Encoding::Percent => percent::decode_into(self.raw, out),
            _ if self.is_plain() => out.extend_from_slice(self.raw),
            _ => out.extend(self.bytes()),
        }
        out
    }

    /// The value: borrowed when nothing needs decoding.
    pub fn decoded(&self) -> Cow<'a, [u8]> {
        if self.is_plain() {
            return Cow::Borrowed(self.raw);
        }
        let mut out = Vec::with_capacity(self.raw.len());
        self.decode_into(&mut out);
        Cow::Owned(out)
    }

    /// Whether the value is `other`; allocates nothing.
    pub fn eq_decoded(&self, other: &[u8]) -> bool {
        if self.is_plain() { self.raw == other } else { self.bytes().eq(other.iter().copied()) }
    }

    /// The decoded bytes one by one; allocates nothing.
    pub fn bytes(&self) -> Bytes<'a> {
        let keep = if let Encoding::Xml(keep) = self.encoding { keep } else { usize::MAX };
        Bytes { rest: self.raw, encoding: self.encoding, keep, pending: Pending::default(), open: true }
    }

    /// Whether FreeSWITCH had no value: `_undef_`.
    pub fn is_undef(&self) -> bool {
        self.raw == b"_undef_"
    }

    /// The elements, when the value is an array: `ARRAY::a|:b`, or an array in JSON. Mind that a caller of the switch
    /// can write such a value himself.
    pub fn array(&self) -> Option<Array<'a>> {
        let rest = match self.encoding {
            Encoding::Percent => strip_either(self.raw, b"ARRAY%3A%3A", b"ARRAY::")?,
            Encoding::JsonArray => self.raw.get(1..self.raw.len().checked_sub(1)?)?,
            Encoding::Json | Encoding::Literal => self.raw.strip_prefix(b"ARRAY::")?,
            Encoding::Xml(_) => return None,
        };
        Some(Array { rest: Some(rest), encoding: self.encoding })
    }

    /// The value as a decimal number.
    pub fn number(&self) -> Option<u64> {
        std::str::from_utf8(self.raw).ok()?.parse().ok()
    }
}

impl PartialEq for Value<'_> {
    /// Compares what the values mean, however they are written.
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Value<'_> {}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.decoded()))
    }
}

/// The elements of an array value.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    rest: Option<&'a [u8]>,
    encoding: Encoding,
}

impl<'a> Iterator for Array<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let rest = self.rest.take()?;
        if self.encoding == Encoding::JsonArray {
            let from = memchr(b'"', rest)? + 1;
            let length = json_string(&rest[from..])?;
            self.rest = Some(&rest[from + length + 1..]);
            return Some(Value::new(&rest[from..from + length], Encoding::Json));
        }
        let plain = memmem::find(rest, b"|:").map(|at| (at, 2));
        let encoded = (self.encoding == Encoding::Percent)
            .then(|| memmem::find(rest, b"%7C%3A").map(|at| (at, 6)))
            .flatten();
        let cut = match (plain, encoded) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let element = match cut {
            Some((at, length)) => {
                self.rest = Some(&rest[at + length..]);
                &rest[..at]
            }
            None => rest,
        };
        Some(Value::new(element, self.encoding))
    }
}

/// The decoded bytes of a value.
#[derive(Debug, Clone)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    encoding: Encoding,
    /// How many bytes may still be given out.
    keep: usize,
    pending: Pending,
    /// In a JSON array: whether the prefix is still to come.
    open: bool,
}

impl Iterator for Bytes<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        if self.keep == 0 {
            return None;
        }
        let byte = match self.pending.next() {
            Some(byte) => byte,
            None => self.decode()?,
        };
        self.keep -= 1;
        Some(byte)
    }
}

impl Bytes<'_> {
    fn decode(&mut self) -> Option<u8> {
        match self.encoding {
            Encoding::JsonArray => return self.decode_array(),
            _ if self.rest.is_empty() => return None,
            _ => {}
        }
        let (byte, used) = match self.encoding {
            Encoding::Percent => percent::escape(self.rest),
            Encoding::Json => json_escape(self.rest, &mut self.pending),
            Encoding::Xml(_) => xml_entity(self.rest, &mut self.pending),
            Encoding::Literal | Encoding::JsonArray => (self.rest[0], 1),
        };
        self.rest = &self.rest[used..];
        Some(byte)
    }

    /// `["a","b"]` as `ARRAY::a|:b`. Outside of a string `rest` begins with a bracket, a comma or a closing quote.
    fn decode_array(&mut self) -> Option<u8> {
        match *self.rest.first()? {
            b'[' if self.open => {
                self.open = false;
                let text = self.rest[1..].trim_ascii_start();
                self.rest = text.strip_prefix(b"\"").unwrap_or_default();
                self.pending.put(b"RRAY::");
                Some(b'A')
            }
            b'"' => {
                let next = self.rest[1..].trim_ascii_start().strip_prefix(b",")?.trim_ascii_start();
                self.rest = next.strip_prefix(b"\"").unwrap_or_default();
                self.pending.put(b":");
                Some(b'|')
            }
            _ => {
                let (byte, used) = json_escape(self.rest, &mut self.pending);
                self.rest = &self.rest[used..];
                Some(byte)
            }
        }
    }
}

/// The bytes of one decoded character that were not given out yet.
#[derive(Debug, Clone, Default)]
struct Pending {
    bytes: [u8; 6],
    from: u8,
    to: u8,
}

impl Pending {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[..bytes.len()].copy_from_slice(bytes);
        self.from = 0;
        self.to = bytes.len() as u8;
    }

    /// Keeps all but the first byte of a character and gives that one out.
    fn put_char(&mut self, character: char) -> u8 {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        self.put(&bytes[1..]);
        bytes[0]
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        (self.from < self.to).then(|| {
            let byte = self.bytes[usize::from(self.from)];
            self.from += 1;
            byte
        })
    }
}

/// The length of a JSON string up to its closing quote, when that is there.
pub(crate) fn json_string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text[at..])?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
        if at > text.len() {
            return None;
        }
    }
}

/// One character of a JSON string. What is no valid escape stays as it is.
fn json_escape(text: &[u8], pending: &mut Pending) -> (u8, usize) {
    let [b'\\', kind, ..] = *text else {
        return (text[0], 1);
    };
    let simple = match kind {
        b'"' | b'\\' | b'/' => kind,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return json_unicode(text, pending).unwrap_or((b'\\', 1)),
        _ => return (b'\\', 1),
    };
    (simple, 2)
}

/// `\uXXXX`, or two of them that are a surrogate pair; a surrogate alone becomes U+FFFD.
fn json_unicode(text: &[u8], pending: &mut Pending) -> Option<(u8, usize)> {
    let first = json_unit(text)?;
    let (code, used) = match (first, text.get(6..).and_then(json_unit)) {
        (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
            (0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((pending.put_char(character), used))
}

fn json_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | u32::from(percent::hex(digit)?)))
}

/// One character of XML text. What is no known entity stays as it is.
fn xml_entity(text: &[u8], pending: &mut Pending) -> (u8, usize) {
    parse_entity(text, pending).unwrap_or((text[0], 1))
}

fn parse_entity(text: &[u8], pending: &mut Pending) -> Option<(u8, usize)> {
    let inner = text.strip_prefix(b"&")?;
    let length = memchr(b';', &inner[..inner.len().min(LONGEST_ENTITY)])?;
    let name = &inner[..length];
    let byte = match name {
        b"lt" => b'<',
        b"gt" => b'>',
        b"amp" => b'&',
        b"quot" => b'"',
        b"apos" => b'\'',
        _ => {
            let number = std::str::from_utf8(name.strip_prefix(b"#")?).ok()?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            pending.put_char(char::from_u32(code.ok()?)?)
        }
    };
    Some((byte, length + 2))
}

fn strip_either<'a>(text: &'a [u8], one: &[u8], other: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(one).or_else(|| text.strip_prefix(other))
}

/// `&#x10FFFF;` without the ampersand.
const LONGEST_ENTITY: usize = 9;
