//! A few digits held in place: a number or a prefix, without allocation.

use std::fmt;

/// At most 20 digits, as ASCII.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits {
    bytes: [u8; Digits::MOST],
    length: u8,
}

impl Digits {
    /// Digits that are kept; E.164 allows 15, and what is dialled beyond is of no use to the network.
    pub const MOST: usize = 20;
    /// None at all.
    pub const NONE: Digits = Digits { bytes: [0; Digits::MOST], length: 0 };

    /// The digits at the beginning of `text`, as many as are kept.
    pub fn of(text: &[u8]) -> Digits {
        let mut digits = Digits::NONE;
        for &byte in text.iter().take_while(|byte| byte.is_ascii_digit()).take(Digits::MOST) {
            digits.bytes[usize::from(digits.length)] = byte;
            digits.length += 1;
        }
        digits
    }

    /// Two, one after the other, as many as are kept.
    pub(crate) fn joined(first: &str, second: &str) -> Digits {
        let mut digits = Digits::of(first.as_bytes());
        for &byte in second.as_bytes().iter().take(Digits::MOST - digits.as_str().len()) {
            digits.bytes[usize::from(digits.length)] = byte;
            digits.length += 1;
        }
        digits
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // They are ASCII.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The first so many of them.
    pub fn first(&self, most: usize) -> Digits {
        Digits::of(&self.bytes[..usize::from(self.length).min(most)])
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
