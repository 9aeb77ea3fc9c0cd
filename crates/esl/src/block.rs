//! Finds the end of a header block and its Content-Length: [`Scan`].
//!
//! Both directions of the event socket are framed alike: lines that end in LF or CRLF, an empty line, then as many
//! bytes as `Content-Length` says. A block that arrives in pieces is never scanned twice. The scanner holds offsets
//! only; the bytes stay in the read buffer.

use crate::frame::{DecodeError, FrameKind, Limits};
use memchr::memchr;

/// Where the parts of a frame are, as offsets from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// The end of the header lines, without the empty line.
    pub(crate) head: usize,
    /// The first byte of the body.
    pub(crate) body: usize,
    /// The length of the body.
    pub(crate) length: usize,
    /// What Content-Type said.
    pub(crate) kind: FrameKind,
}

impl Block {
    pub(crate) fn end(&self) -> usize {
        self.body.saturating_add(self.length)
    }
}

/// The state of the search for one block.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where the line begins that is being read.
    line: usize,
    /// Up to where no line feed was found.
    seen: usize,
    /// Whether the first line is a command and not a header.
    command: bool,
    length: Option<usize>,
    kind: FrameKind,
    block: Option<Block>,
}

impl Scan {
    /// For blocks whose first line is a command.
    pub(crate) fn command() -> Self {
        Self { command: true, ..Self::default() }
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.seen == 0
    }

    /// Keeps a block that was found by other means.
    pub(crate) fn found(&mut self, block: Block) {
        self.seen = block.body;
        self.block = Some(block);
    }

    /// Looks on; `data` begins with the first byte of the block and may have grown since the last call.
    pub(crate) fn advance(&mut self, data: &[u8], limits: &Limits) -> Result<Option<Block>, DecodeError> {
        if self.block.is_some() {
            return Ok(self.block);
        }
        loop {
            let Some(at) = memchr(b'\n', &data[self.seen..]) else {
                self.seen = data.len();
                return if self.seen > limits.header {
                    Err(DecodeError::HeaderTooLarge { limit: limits.header })
                } else {
                    Ok(None)
                };
            };
            let end = self.seen + at;
            self.seen = end + 1;
            if self.seen > limits.header {
                return Err(DecodeError::HeaderTooLarge { limit: limits.header });
            }
            let line = trim_cr(&data[self.line..end]);
            if line.is_empty() {
                let block = Block {
                    head: self.line,
                    body: self.seen,
                    length: self.length.unwrap_or(0),
                    kind: self.kind,
                };
                self.block = Some(block);
                return Ok(self.block);
            }
            if !(self.command && self.line == 0) {
                self.header(line, limits)?;
            }
            self.line = self.seen;
        }
    }

    fn header(&mut self, line: &[u8], limits: &Limits) -> Result<(), DecodeError> {
        let Some((name, value)) = split_header(line) else {
            return Ok(());
        };
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = parse_length(value, limits.body)?;
            // Two different lengths would let two readers see two different frames.
            if self.length.is_some_and(|before| before != length) {
                return Err(DecodeError::content_length(value));
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.kind = FrameKind::of(value);
        }
        Ok(())
    }
}

/// Name and value of a header line, without the blanks around the value.
pub(crate) fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// The value of the first header of this name in a block of lines. Names of frame headers ignore case.
pub(crate) fn find_header<'a>(block: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers(block).find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// The headers of a block of lines, in order. Lines without a colon are left out.
pub(crate) fn headers(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    block.split(|&b| b == b'\n').filter_map(split_header)
}

pub(crate) fn trim_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A decimal number of at most `limit`; no sign, no blanks.
pub(crate) fn parse_length(text: &[u8], limit: usize) -> Result<usize, DecodeError> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::content_length(text));
    }
    let length =
        text.iter().try_fold(0usize, |n, digit| n.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
    match length {
        Some(length) if length <= limit => Ok(length),
        _ => Err(DecodeError::BodyTooLarge { length: length.unwrap_or(usize::MAX), limit }),
    }
}
