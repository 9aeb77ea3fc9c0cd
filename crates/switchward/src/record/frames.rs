//! Frames of a capture: written with a right `Content-Length`, and without secrets.

use super::State;
use broker::Redactor;
use esl::{Format, Frame, FrameKind};
use std::io::Write as _;

/// Appends a frame: the header lines of `head` but for its length, or a content type, and the body.
pub(super) fn append(head: &[u8], content_type: &[u8], body: &[u8], out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    _ = writeln!(out, "Content-Length: {}", body.len());
    if !content_type.is_empty() {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(content_type);
        out.push(b'\n');
    }
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if !line.is_empty() && !name.eq_ignore_ascii_case(b"Content-Length") {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    out.push(b'\n');
    out.extend_from_slice(body);
}

/// Appends a frame without its secrets; false when it is nothing that a capture has.
pub(super) fn append_redacted(frame: &Frame<'_>, redactor: &Redactor, out: &mut Vec<u8>) -> bool {
    match (frame.kind(), frame.event()) {
        // Those are ours to write.
        (FrameKind::Event(_), Some(Ok(event))) if State::is_named(&event) => return false,
        (FrameKind::Event(_), Some(Ok(event))) => redactor.event(&event, Format::Plain, out),
        (FrameKind::LogData, _) => append(frame.head(), b"", &redactor.bytes(frame.body()), out),
        _ => return false,
    }
    true
}
