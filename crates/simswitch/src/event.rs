//! One event, independent of the format that a client asked for: [`Event`].
//!
//! It is kept as the body of a plain event, byte for byte as the switch wrote it, because that form loses nothing.
//! Frames in other formats are made from it with the codec's writer.

use esl::{EventError, EventView, EventWriter, Format};
use std::{io::Write as _, sync::Arc};

/// See the module. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    plain: Arc<[u8]>,
}

impl Event {
    /// An event from the body of a `text/event-plain` frame.
    ///
    /// # Errors
    /// When it does not begin like one.
    pub fn from_plain(body: impl Into<Arc<[u8]>>) -> Result<Self, EventError> {
        let plain = body.into();
        EventView::parse(Format::Plain, &plain)?;
        Ok(Self { plain })
    }

    /// The same event from any format; what the plain format cannot tell apart is lost.
    ///
    /// # Errors
    /// When it has no headers.
    pub fn from_view(view: &EventView<'_>) -> Result<Self, EventError> {
        let mut frame = Vec::new();
        write(view, EventWriter::new(Format::Plain), &mut frame);
        let head = frame.windows(2).position(|two| two == b"\n\n").map_or(0, |at| at + 2);
        Self::from_plain(&frame[head..])
    }

    pub(crate) fn from_template(plain: &[u8]) -> Self {
        Self { plain: plain.into() }
    }

    /// The body of a plain frame: headers, an empty line, and the event's own body if it has one.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Name and headers.
    pub fn view(&self) -> EventView<'_> {
        EventView::parse(Format::Plain, &self.plain).expect("what is no event cannot become one")
    }

    /// The whole frame in a format.
    pub fn frame(&self, format: Format) -> Arc<[u8]> {
        let mut out = Vec::with_capacity(self.plain.len() + 64);
        if format == Format::Plain {
            // Writing to a vector cannot fail.
            let _ = write!(out, "Content-Length: {}\nContent-Type: text/event-plain\n\n", self.plain.len());
            out.extend_from_slice(&self.plain);
            return out.into();
        }
        write(&self.view(), EventWriter::new(format), &mut out);
        out.into()
    }
}

fn write(view: &EventView<'_>, mut writer: EventWriter, out: &mut Vec<u8>) {
    let body = view.body().map(|body| body.decoded());
    let mut headers = view.headers().peekable();
    let mut decoded = Vec::new();
    while let Some((name, value)) = headers.next() {
        // The last header of an event with a body is its length, which the writer adds; `sendevent` may have put
        // another one before it.
        if body.is_some() && headers.peek().is_none() && name == b"Content-Length" {
            break;
        }
        writer.header(&String::from_utf8_lossy(name), value.decode_into(&mut decoded));
    }
    writer.finish(body.as_deref(), out);
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}
