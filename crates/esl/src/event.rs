//! One event: [`EventView`], a view over the read buffer in any of the three [`Format`]s.
//!
//! [`EventView::name`] is cheap, so that an unwanted event is skipped without looking at the rest; the fast way to
//! read several headers is one pass over [`EventView::headers`]. Nothing is decoded or allocated until a [`Value`]
//! is asked for it. Header names are matched exactly, as FreeSWITCH writes them.

use crate::value::{Encoding, Value};
use std::fmt;

mod json;
mod plain;
mod xml;

/// How events are written on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// Lines of `Name: value`, values percent-encoded.
    #[default]
    Plain,
    /// One flat object; may hold duplicate keys, arrays of strings and invalid UTF-8.
    Json,
    /// FreeSWITCH's fixed layout, values percent-encoded; may be not well-formed.
    Xml,
}

impl Format {
    /// The word in the `event` command and the end of the Content-Type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Xml => "xml",
        }
    }
}

/// Why a body is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It does not begin as an event of this format does.
    #[error("the body does not begin like an event in {} format", .0.as_str())]
    Malformed(Format),
}

/// One event. See the module.
#[derive(Clone, Copy)]
pub struct EventView<'a> {
    text: &'a [u8],
    format: Format,
}

impl Default for EventView<'_> {
    /// An event without headers.
    fn default() -> Self {
        Self { text: b"", format: Format::Plain }
    }
}

impl<'a> EventView<'a> {
    /// A view of the body of an event frame. Only its beginning is looked at; what is malformed further on ends the
    /// headers early.
    ///
    /// # Errors
    /// [`EventError::Malformed`] when the body does not begin like an event.
    pub fn parse(format: Format, body: &'a [u8]) -> Result<Self, EventError> {
        let text = match format {
            Format::Plain => plain::open(body),
            Format::Json => json::open(body),
            Format::Xml => xml::open(body),
        };
        let text = text.ok_or(EventError::Malformed(format))?;
        Ok(Self { text, format })
    }

    /// How the event is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// `Event-Name`, such as `CHANNEL_CREATE`; empty when there is none. It stands among the first headers.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.header("Event-Name").map_or(b"", |value| value.raw())
    }

    /// `Event-Subclass` of a CUSTOM event, such as `sofia::register`.
    #[inline]
    pub fn subclass(&self) -> Option<Value<'a>> {
        self.header("Event-Subclass")
    }

    /// The first header of this name.
    #[inline]
    pub fn header(&self, name: &str) -> Option<Value<'a>> {
        self.headers().find(|(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }

    /// All headers of this name, in order.
    pub fn header_all<'n>(&self, name: &'n str) -> impl Iterator<Item = Value<'a>> + use<'a, 'n> {
        self.headers().filter(move |(n, _)| *n == name.as_bytes()).map(|(_, value)| value)
    }

    /// All headers in order, without the body. Names are as they came: FreeSWITCH does not encode them.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        Headers(match self.format {
            Format::Plain => Inner::Plain(plain::Lines::new(self.text)),
            Format::Json => Inner::Json(self.text),
            Format::Xml => Inner::Xml(self.text),
        })
    }

    /// The body, when there is one.
    pub fn body(&self) -> Option<Value<'a>> {
        match self.format {
            Format::Plain => plain::body(self.text),
            Format::Json => json::body(self.text),
            Format::Xml => xml::body(self.text),
        }
    }

    /// The bytes as they came: of a plain event the whole body of its frame, headers and body.
    pub fn raw(&self) -> &'a [u8] {
        self.text
    }

    /// `Event-Sequence`: global for the server, with gaps, not strictly increasing on the wire.
    pub fn sequence(&self) -> Option<u64> {
        self.header("Event-Sequence")?.number()
    }

    /// `Event-Date-Timestamp`: microseconds since 1970, in steps of about 20 ms.
    pub fn timestamp(&self) -> Option<u64> {
        self.header("Event-Date-Timestamp")?.number()
    }
}

impl fmt::Debug for EventView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers().map(|(name, value)| (String::from_utf8_lossy(name), value));
        f.debug_map().entries(headers).finish()
    }
}

/// The headers of an event in order.
#[derive(Debug, Clone)]
pub struct Headers<'a>(Inner<'a>);

#[derive(Debug, Clone)]
enum Inner<'a> {
    Plain(plain::Lines<'a>),
    Json(&'a [u8]),
    Xml(&'a [u8]),
}

impl<'a> Headers<'a> {
    /// Goes on at the first line that begins with what `line` looks for, which is a line feed and the beginning of a
    /// header; gives the bytes in between, which are not given out. For readers in a hurry: nothing is skipped in JSON
    /// and XML, or when there is no such line.
    #[inline]
    pub fn skip_to(&mut self, line: &memchr::memmem::Finder<'_>) -> &'a [u8] {
        match &mut self.0 {
            Inner::Plain(lines) => lines.skip_to(line),
            Inner::Json(_) | Inner::Xml(_) => b"",
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Plain(lines) => lines.next().map(|(name, raw)| (name, Value::new(raw, Encoding::Percent))),
            Inner::Json(rest) => json::next(rest),
            Inner::Xml(rest) => xml::next(rest),
        }
    }
}
