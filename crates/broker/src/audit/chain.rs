//! The chain: each line carries the hash of the line before and its own, so that no line can be changed, taken out or put in alone.
//!
//! `hash` is SHA-256 over all bytes of the line before `,"hash":`, the hash of the line before (`prev`) included. Who can write
//! the file can compute the whole chain anew; a [`Key`] that they do not have adds `mac` (HMAC-SHA-256, RFC 2104), and an [`Anchor`]
//! kept elsewhere tells when the newest lines were cut off.

use super::{Entry, line};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 64 lower-case hexadecimal digits; nothing else is a digest.
    pub fn from_hex(text: &[u8]) -> Option<Digest> {
        let mut digest = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Digest(digest))
    }

    /// The 64 digits.
    pub fn hex(&self) -> [u8; 64] {
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex().iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The newest line: its sequence number and hash. Kept in a second place, it tells when the end of a journal was cut off.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Anchor {
    /// Lines since the first one; 0 before there is any.
    pub sequence: u64,
    /// The line's hash.
    pub hash: Digest,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = BadAnchor;

    fn from_str(text: &str) -> Result<Anchor, BadAnchor> {
        let (sequence, hash) = text.split_once(':').ok_or(BadAnchor)?;
        let hash = Digest::from_hex(hash.as_bytes()).ok_or(BadAnchor)?;
        Ok(Anchor { sequence: sequence.parse().map_err(|_| BadAnchor)?, hash })
    }
}

/// A text is no anchor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an anchor is a number, a colon and 64 hexadecimal digits")]
pub struct BadAnchor;

/// The secret that seals lines against who can write the files but cannot read the key.
#[derive(Clone)]
pub struct Key {
    started: Hmac<Sha256>,
    id: String,
}

impl Key {
    /// Takes the bytes of a key; `None` when they are fewer than [`Key::SHORTEST`].
    pub fn new(secret: &[u8]) -> Option<Key> {
        if secret.len() < Key::SHORTEST {
            return None;
        }
        let started = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        let mut key = Key { started, id: String::new() };
        let id = key.seal(b"switchward audit: the name of this key");
        key.id = Digest(id).to_string()[..16].to_owned();
        Some(key)
    }

    /// The fewest bytes of a key.
    pub const SHORTEST: usize = 16;

    /// Its name in the first line of a file: it tells nothing of the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn seal(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = self.started.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }

    /// Whether a line's `mac` is this key's; takes the same time whatever the difference.
    pub(super) fn sealed(&self, bytes: &[u8], mac: &Digest) -> bool {
        let mut expected = self.started.clone();
        expected.update(bytes);
        expected.verify_slice(&mac.0).is_ok()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// Makes lines that follow one another.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    last: Anchor,
    key: Option<Key>,
}

impl Chain {
    /// Goes on after `last`; `Anchor::default()` for the first line of all.
    pub fn new(last: Anchor, key: Option<Key>) -> Chain {
        Chain { last, key }
    }

    /// The newest line.
    pub fn last(&self) -> Anchor {
        self.last
    }

    /// With which key lines are sealed.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Appends the next line, its line feed included, to `out` and gives its anchor. The chain stands where it stood until
    /// [`Chain::advance`] is told that the line is written.
    pub fn line(&self, entry: &Entry<'_>, out: &mut Vec<u8>) -> Anchor {
        let start = out.len();
        let lost = if let Entry::Head(head) = entry { head.lost } else { 0 };
        let sequence = self.last.sequence.saturating_add(1).saturating_add(lost);
        line::write(sequence, entry, self.key.as_ref().map_or("", Key::id), &self.last.hash, out);
        let mut sha = Sha256::new();
        sha.update(&out[start..]);
        if let Some(key) = &self.key {
            let mac = key.seal(&sha.clone().finalize());
            let from = out.len();
            line::write_digest("mac", &Digest(mac), out);
            sha.update(&out[from..]);
        }
        let hash = Digest(sha.finalize().into());
        line::write_digest("hash", &hash, out);
        out.extend_from_slice(b"}\n");
        Anchor { sequence, hash }
    }

    /// The line that [`Chain::line`] gave is written.
    pub fn advance(&mut self, to: Anchor) {
        self.last = to;
    }
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
