//! One line: how it is written, byte by byte, and how its frame is taken apart again.
//!
//! `{"seq":7,"kind":"asked", ... ,"prev":"<hash>"[,"mac":"<hmac>"],"hash":"<hash>"}` and a line feed. The keys have a fixed order, so
//! that the frame is found from both ends without reading what is between.

use super::chain::{Digest, Key, sha256};
use super::{Asked, Done, Entry, Head, LONGEST_COMMAND, LONGEST_TEXT, stamp, text};
use std::io::Write;

/// The longest line, its line feed included, in bytes: an escape takes six bytes for one.
pub const LONGEST: usize = 6 * (LONGEST_COMMAND + 10 * LONGEST_TEXT) + 1_024;

/// Everything before `mac` and `hash`.
pub(super) fn write(sequence: u64, entry: &Entry<'_>, key: &str, prev: &Digest, out: &mut Vec<u8>) {
    let (kind, at) = match entry {
        Entry::Asked(asked) => ("asked", asked.at),
        Entry::Done(done) => ("done", done.at),
        Entry::Note { at, .. } => ("note", *at),
        Entry::Head(head) => ("head", head.at),
    };
    // Writing to a Vec does not fail.
    _ = write!(out, "{{\"seq\":{sequence},\"kind\":\"{kind}\",\"at\":\"{}\"", stamp(at));
    match entry {
        Entry::Asked(asked) => write_asked(asked, out),
        Entry::Done(Done { of, result, bytes, micros, .. }) => {
            _ = write!(out, ",\"of\":{of}");
            member("result", result, out);
            _ = write!(out, ",\"bytes\":{bytes},\"micros\":{micros}");
        }
        Entry::Note { text, .. } => member("text", text, out),
        Entry::Head(Head { why, lost, .. }) => {
            _ = write!(out, ",\"version\":{VERSION}");
            member("why", why, out);
            _ = write!(out, ",\"lost\":{lost},\"key\":\"{key}\"");
        }
    }
    write_digest("prev", prev, out);
}

fn write_asked(asked: &Asked<'_>, out: &mut Vec<u8>) {
    member("user", asked.user, out);
    member("proof", asked.proof, out);
    member("account", asked.account, out);
    member("source", asked.source, out);
    member("door", asked.door, out);
    member("switch", asked.switch, out);
    member("form", asked.form, out);
    let (command, left_out) = text::cut(asked.command, LONGEST_COMMAND);
    out.extend_from_slice(b",\"command\":");
    text::push(out, command);
    if left_out > 0 {
        _ = write!(out, ",\"left_out\":{left_out}");
    }
    member("decision", asked.verdict.word(), out);
    member("rule", asked.rule, out);
}

fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    text::push(out, text::cut(value, LONGEST_TEXT).0);
}

/// `,"name":"<64 digits>"`.
pub(super) fn write_digest(name: &str, digest: &Digest, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    out.extend_from_slice(&digest.hex());
    out.push(b'"');
}

/// The frame of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parts<'a> {
    pub(super) sequence: u64,
    /// "asked", "done", "note" or "head".
    pub(super) kind: &'a [u8],
    pub(super) prev: Digest,
    pub(super) mac: Option<Digest>,
    pub(super) hash: Digest,
    /// What `mac` seals.
    sealed: &'a [u8],
    /// What `hash` covers.
    hashed: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a line, without its line feed, apart; `None` when it has no such frame.
    pub(super) fn of(line: &'a [u8]) -> Option<Parts<'a>> {
        let rest = line.strip_prefix(b"{\"seq\":")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sequence = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let kind = rest[digits..].strip_prefix(b",\"kind\":\"")?;
        let kind = &kind[..kind.iter().position(|byte| *byte == b'"')?];
        let (hashed, hash) = take_digest("hash", line.strip_suffix(b"}")?)?;
        let (sealed, mac) = match take_digest("mac", hashed) {
            Some((sealed, mac)) => (sealed, Some(mac)),
            None => (hashed, None),
        };
        let (_, prev) = take_digest("prev", sealed)?;
        Some(Parts { sequence, kind, prev, mac, hash, sealed, hashed })
    }

    /// Whether the hash is that of the line.
    pub(super) fn is_right(&self) -> bool {
        sha256(self.hashed) == self.hash
    }

    /// Whether the key sealed it.
    pub(super) fn is_sealed_by(&self, key: &Key) -> bool {
        self.mac.is_some_and(|mac| key.sealed(&sha256(self.sealed).0, &mac))
    }
}

/// The number and hash of a line without its line feed; `None` when the line is not as it was written.
#[cfg(feature = "tokio")]
pub(crate) fn anchor(line: &[u8]) -> Option<super::Anchor> {
    let parts = Parts::of(line).filter(Parts::is_right)?;
    Some(super::Anchor { sequence: parts.sequence, hash: parts.hash })
}

/// Takes `,"name":"<64 digits>"` off the end.
fn take_digest<'a>(name: &str, bytes: &'a [u8]) -> Option<(&'a [u8], Digest)> {
    let bytes = bytes.strip_suffix(b"\"")?;
    let (bytes, digits) = bytes.split_at(bytes.len().checked_sub(64)?);
    let bytes = bytes.strip_suffix(b"\":\"")?.strip_suffix(name.as_bytes())?.strip_suffix(b",\"")?;
    Some((bytes, Digest::from_hex(digits)?))
}

/// Of the format.
const VERSION: u32 = 1;
