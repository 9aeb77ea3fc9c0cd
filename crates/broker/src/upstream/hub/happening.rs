//! One event for many followers, [`Happening`], and one line of the log, [`LogLine`].
//!
//! An event is kept as the frame that came, byte for byte; JSON and XML are made once, when somebody wants them.

use esl::{EventView, EventWriter, Format, Frame};
use std::{
    io::Write as _,
    sync::{Arc, OnceLock},
};

/// An event that the switch sent.
#[derive(Debug)]
pub struct Happening {
    plain: Arc<[u8]>,
    /// Where its text begins.
    text: usize,
    json: OnceLock<Arc<[u8]>>,
    xml: OnceLock<Arc<[u8]>>,
    /// Without secrets, in each format.
    redacted: [OnceLock<Arc<[u8]>>; 3],
}

impl Happening {
    /// From the text of a plain event; `None` when it is none.
    pub fn from_plain(text: &[u8]) -> Option<Happening> {
        EventView::parse(Format::Plain, text).ok()?;
        let mut frame = Vec::with_capacity(text.len() + 64);
        // Writing to a vector cannot fail.
        let _ = write!(frame, "Content-Length: {}\nContent-Type: text/event-plain\n\n", text.len());
        let head = frame.len();
        frame.extend_from_slice(text);
        Some(Happening {
            plain: frame.into(),
            text: head,
            json: OnceLock::new(),
            xml: OnceLock::new(),
            redacted: Default::default(),
        })
    }

    /// Name and headers.
    pub fn view(&self) -> EventView<'_> {
        EventView::parse(Format::Plain, &self.plain[self.text..]).unwrap_or_default()
    }

    /// The whole frame in a format. In plain it is as it came; a value that holds `%` and two upper-case hex digits of its own cannot be told
    /// from an encoded byte, so in JSON such a value may differ from what the switch would have written.
    pub fn frame(&self, format: Format) -> &Arc<[u8]> {
        match format {
            Format::Plain => &self.plain,
            Format::Json => self.json.get_or_init(|| self.write(format)),
            Format::Xml => self.xml.get_or_init(|| self.write(format)),
        }
    }

    /// The whole frame in a format without secrets; `make` appends it, once for all who want it.
    pub(crate) fn redacted(
        &self,
        format: Format,
        make: impl FnOnce(&EventView<'_>, &mut Vec<u8>),
    ) -> &Arc<[u8]> {
        let slot = match format {
            Format::Plain => &self.redacted[0],
            Format::Json => &self.redacted[1],
            Format::Xml => &self.redacted[2],
        };
        slot.get_or_init(|| {
            let mut frame = Vec::with_capacity(self.plain.len() * 2);
            make(&self.view(), &mut frame);
            frame.into()
        })
    }

    fn write(&self, format: Format) -> Arc<[u8]> {
        let view = self.view();
        let body = view.body().map(|body| body.decoded());
        let mut writer = EventWriter::new(format);
        let mut headers = view.headers().peekable();
        let mut value_bytes = Vec::new();
        while let Some((name, value)) = headers.next() {
            // The last header of an event with a body is its length, which the writer adds.
            if body.is_some() && headers.peek().is_none() && name == b"Content-Length" {
                break;
            }
            writer.header(&String::from_utf8_lossy(name), value.decode_into(&mut value_bytes));
        }
        let mut frame = Vec::with_capacity(self.plain.len() * 2);
        writer.finish(body.as_deref(), &mut frame);
        frame.into()
    }
}

/// A line of the switch's log.
#[derive(Debug, Clone)]
pub struct LogLine {
    frame: Arc<[u8]>,
    text: usize,
    level: u8,
}

impl LogLine {
    pub(super) fn new(frame: &Frame<'_>) -> LogLine {
        let level = frame.header("Log-Level").and_then(|value| str::from_utf8(value).ok()?.parse().ok());
        let mut bytes = frame.head().to_vec();
        bytes.push(b'\n');
        let text = bytes.len();
        bytes.extend_from_slice(frame.body());
        // Without a level it is for those who want everything.
        LogLine { frame: bytes.into(), text, level: level.unwrap_or(7).min(7) }
    }

    /// From 0 (console) to 7 (debug).
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The whole frame as it came.
    pub fn frame(&self) -> &Arc<[u8]> {
        &self.frame
    }

    /// What is said, with its line feed.
    pub fn text(&self) -> &[u8] {
        &self.frame[self.text..]
    }
}
