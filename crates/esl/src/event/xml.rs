//! The XML format: FreeSWITCH's fixed layout, one element a line. It is not parsed as XML, because header names may
//! hold characters that no XML name may.

use crate::value::{Encoding, Value};
use memchr::{memchr, memmem};

/// What follows `<headers>`.
pub(super) fn open(text: &[u8]) -> Option<&[u8]> {
    let inner = text.trim_ascii_start().strip_prefix(b"<event>")?.trim_ascii_start();
    inner.strip_prefix(b"<headers>").or_else(|| inner.strip_prefix(b"<headers/>"))
}

/// Takes one header off `rest`; the Content-Length that stands behind the headers counts as one, like in the other
/// formats. The body or what is no element ends.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Value<'a>)> {
    let found = element(rest);
    match found {
        Some((name, raw)) => Some((name, Value::new(raw, Encoding::Percent))),
        None => {
            *rest = &[];
            None
        }
    }
}

pub(super) fn body(text: &[u8]) -> Option<Value<'_>> {
    let mut rest = text;
    let mut length = None;
    while let Some((name, raw)) = element(&mut rest) {
        if name == b"Content-Length" {
            length = Value::new(raw, Encoding::Percent).number();
        }
    }
    let inner = rest.trim_ascii_start().strip_prefix(b"<body>")?;
    let end = memmem::rfind(inner, b"</body>")?;
    // A body that ends with a line feed is followed by the indentation of `</body>`: the length says where it ends.
    let keep = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    Some(Value::new(&inner[..end], Encoding::Xml(keep)))
}

/// Takes one element off `rest`; leaves it untouched when there is none.
fn element<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = rest.trim_ascii_start();
    let text = text.strip_prefix(b"</headers>").unwrap_or(text).trim_ascii_start();
    *rest = text;
    let inner =
        text.strip_prefix(b"<").filter(|inner| !inner.starts_with(b"body>") && !inner.starts_with(b"/"))?;
    let end = memchr(b'>', inner)?;
    let after = &inner[end + 1..];
    if let Some(name) = inner[..end].strip_suffix(b"/") {
        *rest = after;
        return Some((name, b""));
    }
    // Neither brackets nor line feeds stand in a value: they are percent-encoded.
    let name = &inner[..end];
    let value = memchr(b'<', after)?;
    let close = after[value..].strip_prefix(b"</")?.strip_prefix(name)?.strip_prefix(b">")?;
    *rest = close;
    Some((name, &after[..value]))
}
