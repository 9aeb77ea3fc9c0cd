//! What a server reads: [`CommandDecoder`] gives out [`CommandFrame`]s.
//!
//! As FreeSWITCH reads them: a line, headers, an empty line, and a body when a Content-Length says so; lines end in
//! LF or CRLF; empty lines before a command are skipped. What the commands mean is for the server to say.

use crate::{
    block::{self, Scan, find_header, trim_cr},
    buffer::ReadBuffer,
    frame::{DecodeError, End, Limits},
};
use memchr::memchr;
use std::fmt;

/// One command as a client sent it: a view over the decoder's buffer.
#[derive(Clone, Copy)]
pub struct CommandFrame<'a> {
    line: &'a [u8],
    head: &'a [u8],
    body: &'a [u8],
}

impl<'a> CommandFrame<'a> {
    /// The first line, without its line end.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The first word, as it was written; FreeSWITCH ignores its case. Empty when the line begins with a blank.
    pub fn verb(&self) -> &'a [u8] {
        self.line.split(|&b| b == b' ').next().unwrap_or_default()
    }

    /// What follows the first word and one blank; `None` when no blank follows, which FreeSWITCH takes for an unknown
    /// command where it wants an argument.
    pub fn argument(&self) -> Option<&'a [u8]> {
        memchr(b' ', self.line).map(|at| &self.line[at + 1..])
    }

    /// The value of the first header of this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        find_header(self.head, name)
    }

    /// All headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        block::headers(self.head)
    }

    /// The bytes after the headers; empty when there are none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl fmt::Debug for CommandFrame<'_> {
    /// Never shows a password, hence no arguments of `auth` and `userauth`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        let secret = verb.eq_ignore_ascii_case(b"auth") || verb.eq_ignore_ascii_case(b"userauth");
        let shown = if secret { verb } else { self.line };
        write!(f, "{:?} and {} bytes of body", String::from_utf8_lossy(shown), self.body.len())
    }
}

/// Turns what a client sends into commands.
#[derive(Debug)]
pub struct CommandDecoder {
    buffer: ReadBuffer,
    scan: Scan,
    limits: Limits,
    error: Option<DecodeError>,
}

impl CommandDecoder {
    /// An empty decoder; it allocates with the first byte.
    pub fn new(limits: Limits) -> Self {
        Self { buffer: ReadBuffer::new(), scan: Scan::command(), limits, error: None }
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

    /// The next whole command, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// A Content-Length that is out of range, or a limit passed: FreeSWITCH sends its disconnect notice and closes.
    /// The same error is given again from then on.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows the decoder: an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<CommandFrame<'_>>, DecodeError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if self.scan.is_fresh() {
            let blank = self.buffer.data().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.buffer.consume(blank);
        }
        match self.scan.advance(self.buffer.data(), &self.limits) {
            Ok(Some(block)) if block.end() <= self.buffer.len() => {
                self.scan = Scan::command();
                let bytes = self.buffer.consume(block.end());
                let head = &bytes[..block.head];
                let end = memchr(b'\n', head).unwrap_or(head.len());
                Ok(Some(CommandFrame {
                    line: trim_cr(&head[..end]),
                    head: head.get(end + 1..).unwrap_or_default(),
                    body: &bytes[block.body..],
                }))
            }
            Ok(_) => Ok(None),
            Err(error) => {
                self.error = Some(error.clone());
                Err(error)
            }
        }
    }

    /// How the stream ended: [`End::Clean`] or [`End::Truncated`]. The decoder is empty afterwards.
    pub fn finish(&mut self) -> End {
        let bytes = self.buffer.data().iter().skip_while(|b| matches!(b, b'\r' | b'\n')).count();
        let held = self.buffer.len();
        self.buffer.consume(held);
        self.scan = Scan::command();
        if bytes == 0 { End::Clean } else { End::Truncated { bytes } }
    }

    /// How many bytes are held that no command was made of yet.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}
