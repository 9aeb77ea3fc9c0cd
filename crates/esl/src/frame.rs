//! What a server sends: [`Decoder`] takes bytes and gives out [`Frame`]s, views over its buffer.
//!
//! It does no I/O: read into [`Decoder::space`], tell [`Decoder::filled`], then call [`Decoder::next`] until it gives
//! `None`; at the end of the stream ask [`Decoder::finish`] how it ended. Memory is bounded by [`Limits`]. An event
//! that the server cut off to write its disconnect notice is never given out as an event.
//!
//! ```
//! let mut decoder = esl::Decoder::new(esl::Limits::default());
//! decoder.push(b"Content-Length: 50\nContent-Type: text/event-plain\n\nEvent-Name: HEART");
//! assert!(decoder.next()?.is_none());
//! decoder.push(b"BEAT\nEvent-Info: System%20Ready\n\n");
//! let frame = decoder.next()?.expect("a whole frame");
//! let event = frame.event().expect("an event frame").expect("an event");
//! assert_eq!(event.name(), b"HEARTBEAT");
//! assert!(event.header("Event-Info").is_some_and(|value| value.eq_decoded(b"System Ready")));
//! # Ok::<(), esl::DecodeError>(())
//! ```

use crate::{
    block::{self, Block, Scan, find_header},
    buffer::ReadBuffer,
    event::{EventError, EventView, Format},
};
use std::fmt;

mod notice;

/// How much one frame may hold; beyond it the decoder fails with a [`DecodeError`]. The buffer takes memory as bytes
/// come, at most twice as much as both limits together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a header block, its empty line included.
    pub header: usize,
    /// Bytes of a body.
    pub body: usize,
}

impl Default for Limits {
    /// 1 MiB of headers and 16 MiB of body.
    fn default() -> Self {
        Self { header: 1024 * 1024, body: 16 * 1024 * 1024 }
    }
}

/// Why a stream cannot be decoded any further. The connection should be closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The header lines do not end.
    #[error("a header block is larger than {limit} bytes")]
    HeaderTooLarge {
        /// [`Limits::header`].
        limit: usize,
    },
    /// A body would be larger than allowed.
    #[error("Content-Length {length} is larger than the limit of {limit} bytes")]
    BodyTooLarge {
        /// What the peer announced; `usize::MAX` when it does not fit.
        length: usize,
        /// [`Limits::body`].
        limit: usize,
    },
    /// Content-Length is no number, is negative, or is there twice with different values.
    #[error("out of range Content-Length {0:?}")]
    ContentLength(Box<str>),
}

impl DecodeError {
    pub(crate) fn content_length(value: &[u8]) -> Self {
        Self::ContentLength(String::from_utf8_lossy(&value[..value.len().min(32)]).into())
    }
}

/// What a frame is, by its Content-Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// `auth/request`: the server wants `auth` or `userauth`.
    AuthRequest,
    /// `command/reply`: the answer to everything but `api`.
    CommandReply,
    /// `api/response`: the answer to `api`, in the body.
    ApiResponse,
    /// `text/event-plain`, `text/event-json` or `text/event-xml`.
    Event(Format),
    /// `log/data`: a log line.
    LogData,
    /// `text/rude-rejection`: the address is refused by the server's access list.
    RudeRejection,
    /// `text/disconnect-notice`: the server is about to close.
    DisconnectNotice,
    /// Another type, or none.
    #[default]
    Other,
}

impl FrameKind {
    pub(crate) fn of(content_type: &[u8]) -> Self {
        match content_type {
            b"text/event-plain" => Self::Event(Format::Plain),
            b"text/event-json" => Self::Event(Format::Json),
            b"text/event-xml" => Self::Event(Format::Xml),
            b"command/reply" => Self::CommandReply,
            b"api/response" => Self::ApiResponse,
            b"auth/request" => Self::AuthRequest,
            b"log/data" => Self::LogData,
            b"text/rude-rejection" => Self::RudeRejection,
            b"text/disconnect-notice" => Self::DisconnectNotice,
            _ => Self::Other,
        }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// At the end of a frame.
    Clean,
    /// In the middle of a frame.
    Truncated {
        /// How many bytes of it had come.
        bytes: usize,
    },
    /// In the middle of a frame, with a disconnect notice written into it.
    Notice(Vec<u8>),
}

/// One frame: a view over the decoder's buffer.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    head: &'a [u8],
    body: &'a [u8],
    kind: FrameKind,
    spliced: bool,
}

impl<'a> Frame<'a> {
    /// What it is.
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The value of the first header of this name, ignoring case. Frame headers are not encoded.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        find_header(self.head, name)
    }

    /// All headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        block::headers(self.head)
    }

    /// The header lines as they came, without the empty line.
    pub fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The bytes after the headers; empty when there are none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The text of a `command/reply`, such as `+OK accepted`.
    pub fn reply_text(&self) -> Option<&'a [u8]> {
        self.header("Reply-Text")
    }

    /// The event, when the frame carries one.
    pub fn event(&self) -> Option<Result<EventView<'a>, EventError>> {
        match self.kind {
            FrameKind::Event(format) => Some(EventView::parse(format, self.body)),
            _ => None,
        }
    }

    /// Whether this disconnect notice was written into the middle of another frame, which is lost.
    pub fn is_spliced(&self) -> bool {
        self.spliced
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("head", &String::from_utf8_lossy(self.head))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Turns what a server sends into frames. See the module.
#[derive(Debug)]
pub struct Decoder {
    buffer: ReadBuffer,
    scan: Scan,
    /// In a suspect body: where a disconnect notice may begin, from the first byte of the frame.
    notice: Option<usize>,
    limits: Limits,
    error: Option<DecodeError>,
}

impl Decoder {
    /// An empty decoder; it allocates with the first byte.
    pub fn new(limits: Limits) -> Self {
        Self { buffer: ReadBuffer::new(), scan: Scan::default(), notice: None, limits, error: None }
    }

    /// Where to read into, at least 64 KiB. What is not consumed yet stays.
    pub fn space(&mut self) -> &mut [u8] {
        self.buffer.space()
    }

    /// Says that `n` bytes were read into [`Self::space`].
    ///
    /// # Panics
    /// When `n` is larger than that space.
    pub fn filled(&mut self, n: usize) {
        self.buffer.filled(n);
    }

    /// Copies bytes in, for callers that have them already.
    pub fn push(&mut self, data: &[u8]) {
        if self.error.is_none() {
            self.buffer.push(data);
        }
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// See [`DecodeError`]; the same error is given again from then on.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows the decoder: an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, DecodeError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        match self.locate() {
            Ok(None) => Ok(None),
            Ok(Some(found)) => {
                self.scan = Scan::default();
                self.notice = None;
                let bytes = self.buffer.consume(found.block.end());
                Ok(Some(Frame {
                    head: &bytes[found.start..found.block.head],
                    body: &bytes[found.block.body..],
                    kind: found.block.kind,
                    spliced: found.start > 0,
                }))
            }
            Err(error) => {
                self.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// How the stream ended. Call it at the end of the stream, after [`Self::next`] gave `None`; the decoder is empty
    /// afterwards.
    pub fn finish(&mut self) -> End {
        let rest = self.buffer.data();
        let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let end = if blank == rest.len() {
            End::Clean
        } else if let Some(text) = notice::at_end(rest) {
            End::Notice(text.to_vec())
        } else {
            End::Truncated { bytes: rest.len() - blank }
        };
        let held = self.buffer.len();
        self.buffer.consume(held);
        self.scan = Scan::default();
        self.notice = None;
        end
    }

    /// How many bytes are held that no frame was made of yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The size of the buffer: what the decoder holds of the machine's memory.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn locate(&mut self) -> Result<Option<Found>, DecodeError> {
        if self.scan.is_fresh() {
            self.skip_blank_lines();
            if let Some(block) = plain_event_head(self.buffer.data(), &self.limits) {
                self.scan.found(block);
            }
        }
        let data = self.buffer.data();
        let Some(block) = self.scan.advance(data, &self.limits)? else {
            return Ok(None);
        };
        if data.len() < block.end() {
            return Ok(None);
        }
        if !notice::is_suspect(block.kind, &data[block.body..block.end()]) {
            return Ok(Some(Found { start: 0, block }));
        }
        match notice::search(data, &block, self.notice) {
            notice::Search::Absent => Ok(Some(Found { start: 0, block })),
            notice::Search::Perhaps(at) => {
                self.notice = Some(at);
                Ok(None)
            }
            notice::Search::Found { start, block } => Ok(Some(Found { start, block })),
        }
    }

    /// Some answers are followed by an empty line that their Content-Length does not count.
    fn skip_blank_lines(&mut self) {
        let blank = self.buffer.data().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if blank > 0 {
            self.buffer.consume(blank);
        }
    }
}

/// A whole frame in the buffer.
struct Found {
    /// Where it begins: not 0 only for a notice that was written into another frame.
    start: usize,
    block: Block,
}

/// The head of nearly every frame, exactly as FreeSWITCH writes it.
fn plain_event_head(data: &[u8], limits: &Limits) -> Option<Block> {
    let rest = data.strip_prefix(b"Content-Length: ")?;
    let mut length = 0usize;
    let mut digits = 0;
    while let Some(digit) = rest.get(digits).filter(|b| b.is_ascii_digit()) {
        if digits == 9 {
            return None;
        }
        length = length * 10 + usize::from(digit - b'0');
        digits += 1;
    }
    let head = 16 + digits;
    if digits == 0 || length > limits.body || !data[head..].starts_with(PLAIN) {
        return None;
    }
    let body = head + PLAIN.len();
    if body > limits.header {
        return None;
    }
    Some(Block { head: body - 1, body, length, kind: FrameKind::Event(Format::Plain) })
}

const PLAIN: &[u8] = b"\nContent-Type: text/event-plain\n\n";
