//! A disconnect notice that was written into the middle of another frame.
//!
//! FreeSWITCH stops a listener that does not read by cutting an event off mid-line and writing
//! `Content-Type: text/disconnect-notice` right there. The bytes of the notice then stand where the cut frame's body
//! should, and may even make up its Content-Length. A body that does not end as its kind always ends is suspect.

use super::{FrameKind, Limits};
use crate::{
    block::{Block, Scan, find_header, parse_length},
    event::Format,
};
use memchr::{memchr, memmem, memrchr};

/// What [`search`] found.
pub(super) enum Search {
    /// The body is what it says.
    Absent,
    /// A notice may begin at this offset; more bytes are needed to tell.
    Perhaps(usize),
    /// A whole notice.
    Found {
        /// Where its head begins.
        start: usize,
        block: Block,
    },
}

/// Whether a whole body does not end as bodies of its kind do.
#[inline]
pub(super) fn is_suspect(kind: FrameKind, body: &[u8]) -> bool {
    match kind {
        FrameKind::Event(Format::Plain) => !body.ends_with(b"\n\n") || ends_in_length(body),
        FrameKind::Event(Format::Json) => !body.ends_with(b"}"),
        FrameKind::Event(Format::Xml) => !body.ends_with(b"</event>\n"),
        FrameKind::LogData => !body.ends_with(b"\n"),
        _ => false,
    }
}

/// Looks for a notice in the suspect body of `block`. `data` begins with the block and may reach beyond it.
pub(super) fn search(data: &[u8], block: &Block, before: Option<usize>) -> Search {
    let start = match before {
        Some(at) => at,
        None => {
            if is_whole_plain_event(block.kind, &data[block.body..block.end()]) {
                return Search::Absent;
            }
            match candidate(data, block) {
                Some(at) => at,
                None => return Search::Absent,
            }
        }
    };
    let rest = &data[start..];
    let known = rest.len().min(HEAD.len());
    if rest[..known] != HEAD[..known] {
        return Search::Absent;
    }
    let mut scan = Scan::default();
    let Ok(found) = scan.advance(rest, &NOTICE_LIMITS) else {
        return Search::Absent;
    };
    match found {
        Some(inner) if inner.end() <= rest.len() => Search::Found {
            start,
            block: Block {
                head: start + inner.head,
                body: start + inner.body,
                length: inner.length,
                kind: FrameKind::DisconnectNotice,
            },
        },
        _ => Search::Perhaps(start),
    }
}

/// The text of a notice that the end of an unfinished stream consists of.
pub(super) fn at_end(rest: &[u8]) -> Option<&[u8]> {
    let start = memmem::rfind(rest, HEAD)?;
    let mut scan = Scan::default();
    let block = scan.advance(&rest[start..], &NOTICE_LIMITS).ok()??;
    let text = &rest[start + block.body..];
    (text.len() <= block.length).then_some(text)
}

/// The last place in the body where a notice begins, or may begin when the body is cut inside the notice's head.
fn candidate(data: &[u8], block: &Block) -> Option<usize> {
    let body = &data[block.body..block.end()];
    if let Some(at) = memmem::rfind(body, HEAD) {
        return Some(block.body + at);
    }
    let tail = body.len().saturating_sub(HEAD.len() - 1);
    let at = tail + memrchr(HEAD[0], &body[tail..])?;
    HEAD.starts_with(&body[at..]).then_some(block.body + at)
}

/// Whether a plain event's own Content-Length tells the rest of the body, as it does when it has one.
fn is_whole_plain_event(kind: FrameKind, body: &[u8]) -> bool {
    if kind != FrameKind::Event(Format::Plain) {
        return false;
    }
    let Some(end) = memmem::find(body, b"\n\n") else {
        return false;
    };
    let head = &body[..end + 1];
    if memmem::find(head, HEAD).is_some() {
        return false;
    }
    let last = memrchr(b'\n', &head[..end]).map_or(head, |at| &head[at + 1..]);
    find_header(last, "Content-Length").and_then(|value| parse_length(value, body.len()).ok())
        == Some(body.len() - end - 2)
}

/// Whether the last line before the closing empty line is a Content-Length: an event without a body has none there,
/// but a notice's head has.
#[inline]
fn ends_in_length(body: &[u8]) -> bool {
    let Some(text) = body.strip_suffix(b"\n\n") else {
        return false;
    };
    if !text.last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let tail = &text[text.len().saturating_sub(LENGTH.len() + 8)..];
    memchr(LENGTH[0], tail).is_some() && memmem::find(tail, LENGTH).is_some()
}

const HEAD: &[u8] = b"Content-Type: text/disconnect-notice\n";
const LENGTH: &[u8] = b"\nContent-Length: ";
/// A notice is one short line.
const NOTICE_LIMITS: Limits = Limits { header: 256, body: 64 * 1024 };
