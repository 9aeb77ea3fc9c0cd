//! The JSON format: one flat object of strings and arrays of strings, the body under `_body`.

use crate::value::{Encoding, Value, json_string};

/// What follows the opening brace.
pub(super) fn open(text: &[u8]) -> Option<&[u8]> {
    text.trim_ascii_start().strip_prefix(b"{")
}

/// Takes one header off `rest`, passing over the body. The object's end, and what is no member, ends.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Value<'a>)> {
    loop {
        let member = member(rest);
        match member {
            Some((BODY, _)) => {}
            Some(_) => return member,
            None => {
                *rest = &[];
                return None;
            }
        }
    }
}

pub(super) fn body(text: &[u8]) -> Option<Value<'_>> {
    let mut rest = text;
    std::iter::from_fn(|| member(&mut rest)).find(|(name, _)| *name == BODY).map(|(_, value)| value)
}

fn member<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Value<'a>)> {
    let text = rest.trim_ascii_start();
    let text = text.strip_prefix(b",").unwrap_or(text).trim_ascii_start().strip_prefix(b"\"")?;
    let name = json_string(text)?;
    let after = text[name + 1..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let (value, used) = value(after)?;
    *rest = &after[used..];
    Some((&text[..name], value))
}

/// A value and how many bytes it takes.
fn value(text: &[u8]) -> Option<(Value<'_>, usize)> {
    match text.first()? {
        b'"' => {
            let length = json_string(&text[1..])?;
            Some((Value::new(&text[1..=length], Encoding::Json), length + 2))
        }
        b'[' => {
            let length = array(text)?;
            Some((Value::new(&text[..length], Encoding::JsonArray), length))
        }
        b'{' | b'}' | b',' | b':' => None,
        // A number or a word; FreeSWITCH writes strings only.
        _ => {
            let length = text.iter().position(|b| matches!(b, b',' | b'}'))?;
            Some((Value::new(text[..length].trim_ascii_end(), Encoding::Literal), length))
        }
    }
}

/// The length of an array of strings, brackets included.
fn array(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b']' => return Some(at + 1),
            b'"' => at += json_string(&text[at + 1..])? + 2,
            b',' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => return None,
        }
    }
}

const BODY: &[u8] = b"_body";
