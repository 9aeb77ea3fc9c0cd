//! Writes events the way FreeSWITCH does, in any format: [`EventWriter`].
//!
//! What a decoder reads from it is what was put in. The plain format cannot carry a header name with a colon or a
//! control character; such bytes become `_` in every format.

use crate::{event::Format, percent};
use std::io::Write as _;

/// Collects one event and writes it as a whole frame. It can be used again; its buffers stay.
#[derive(Debug, Default)]
pub struct EventWriter {
    format: Format,
    text: Vec<u8>,
}

impl EventWriter {
    /// Starts an event.
    pub fn new(format: Format) -> Self {
        Self { format, text: Vec::with_capacity(1024) }
    }

    /// Adds a header. `value` is what it means, not how it is written. As in FreeSWITCH a value `ARRAY::a|:b` is an
    /// array, and a `%` that two upper-case hex digits follow is not encoded (see [`percent::encode`]).
    pub fn header(&mut self, name: &str, value: &[u8]) -> &mut Self {
        match self.format {
            Format::Plain => {
                push_name(&mut self.text, name.as_bytes());
                self.text.extend_from_slice(b": ");
                percent::encode(value, &mut self.text);
                self.text.push(b'\n');
            }
            Format::Json => self.json_header(name.as_bytes(), value),
            Format::Xml => match value.strip_prefix(ARRAY) {
                Some(elements) => {
                    split(elements).for_each(|element| self.xml_header(name.as_bytes(), element));
                }
                None => self.xml_header(name.as_bytes(), value),
            },
        }
        self
    }

    /// Appends the whole frame to `out` and starts anew.
    pub fn finish(&mut self, body: Option<&[u8]>, out: &mut Vec<u8>) {
        self.close(body);
        // Writing to a vector cannot fail.
        let _ = write!(
            out,
            "Content-Length: {}\nContent-Type: text/event-{}\n\n",
            self.text.len(),
            self.format.as_str()
        );
        out.append(&mut self.text);
    }

    fn json_header(&mut self, name: &[u8], value: &[u8]) {
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        self.text.push(b'"');
        let from = self.text.len();
        push_name(&mut self.text, name);
        // Quotes and backslashes in a name are rare: written here as a value is.
        if self.text[from..].iter().any(|b| matches!(b, b'"' | b'\\')) {
            let plain = self.text.split_off(from);
            push_json(&mut self.text, &plain);
        }
        self.text.extend_from_slice(b"\":");
        match value.strip_prefix(ARRAY) {
            Some(elements) => {
                for (n, element) in split(elements).enumerate() {
                    self.text.extend_from_slice(if n == 0 { b"[\"" } else { b",\"" });
                    push_json(&mut self.text, element);
                    self.text.push(b'"');
                }
                self.text.push(b']');
            }
            None => {
                self.text.push(b'"');
                push_json(&mut self.text, value);
                self.text.push(b'"');
            }
        }
    }

    fn xml_header(&mut self, name: &[u8], value: &[u8]) {
        self.text.extend_from_slice(b"    <");
        push_name(&mut self.text, name);
        self.text.push(b'>');
        percent::encode(value, &mut self.text);
        self.text.extend_from_slice(b"</");
        push_name(&mut self.text, name);
        self.text.extend_from_slice(b">\n");
    }

    fn close(&mut self, body: Option<&[u8]>) {
        let length = body.map(|body| body.len().to_string());
        match self.format {
            Format::Plain => {
                if let Some(length) = &length {
                    self.header("Content-Length", length.as_bytes());
                }
                self.text.push(b'\n');
                self.text.extend_from_slice(body.unwrap_or_default());
            }
            Format::Json => {
                if let (Some(length), Some(body)) = (&length, body) {
                    self.header("Content-Length", length.as_bytes());
                    self.text.extend_from_slice(b",\"_body\":\"");
                    push_json(&mut self.text, body);
                    self.text.push(b'"');
                } else if self.text.is_empty() {
                    self.text.push(b'{');
                }
                self.text.push(b'}');
            }
            Format::Xml => {
                self.text.splice(0..0, *b"<event>\n  <headers>\n");
                self.text.extend_from_slice(b"  </headers>\n");
                if let (Some(length), Some(body)) = (&length, body) {
                    let _ = write!(self.text, "  <Content-Length>{length}</Content-Length>\n  <body>");
                    push_xml(&mut self.text, body);
                    if body.ends_with(b"\n") {
                        self.text.extend_from_slice(b"  ");
                    }
                    self.text.extend_from_slice(b"</body>\n");
                }
                self.text.extend_from_slice(b"</event>\n");
            }
        }
    }
}

fn split(elements: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(elements);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memmem::find(text, b"|:") {
            Some(at) => {
                rest = Some(&text[at + 2..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

fn push_name(out: &mut Vec<u8>, name: &[u8]) {
    let safe = |b: &u8| if b.is_ascii_control() || matches!(b, b':' | b'<' | b'>') { b'_' } else { *b };
    out.extend(name.iter().map(safe));
}

fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
}

/// Text as FreeSWITCH's XML printer writes it: other than ASCII becomes a character reference.
fn push_xml(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '<' => out.extend_from_slice(b"&lt;"),
                '>' => out.extend_from_slice(b"&gt;"),
                '&' => out.extend_from_slice(b"&amp;"),
                '\r' => out.extend_from_slice(b"&#xD;"),
                ' '..='~' | '\n' | '\t' => out.push(character as u8),
                _ => {
                    let _ = write!(out, "&#x{:X};", u32::from(character));
                }
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

const ARRAY: &[u8] = b"ARRAY::";
