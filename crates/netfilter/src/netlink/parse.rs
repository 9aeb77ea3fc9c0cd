//! Reads what the kernel sends: [`messages`] splits a datagram, [`Attributes`] walks one level of attributes.
//!
//! Every length is checked against what is there; a malformed tail ends the walk. Nothing here panics.

/// One message: header fields, `nfgenmsg` cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`: subsystem in the high byte, message in the low one, or a control message below 16.
    pub(crate) kind: u16,
    /// `nlmsg_flags`.
    pub(crate) flags: u16,
    /// `nlmsg_seq`.
    pub(crate) sequence: u32,
    /// `nlmsg_pid`: in a notification, the port of who asked for the change.
    pub(crate) port: u32,
    /// All after the netlink header.
    pub(crate) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes after the `nfgenmsg`.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes(self.payload.get(GENERIC..).unwrap_or_default())
    }

    /// `nfgen_family`.
    pub(crate) fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or(0)
    }

    /// Of an NLMSG_ERROR or NLMSG_DONE: 0 or the positive code.
    pub(crate) fn error(&self) -> i32 {
        match self.payload.first_chunk::<4>() {
            Some(bytes) => i32::from_ne_bytes(*bytes).saturating_neg(),
            None => 0,
        }
    }
}

/// The messages of one datagram.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<NETLINK>()?;
        let length = word(header, 0) as usize;
        let message = Message {
            kind: half(header, 4),
            flags: half(header, 6),
            sequence: word(header, 8),
            port: word(header, 12),
            payload: bytes.get(NETLINK..length)?,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Walks attributes: kind (flag bits cut off) and value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first attribute of a kind.
    pub(crate) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find_map(|(own, value)| (own == kind).then_some(value))
    }

    /// The attributes inside the first attribute of a kind; none when it is missing.
    pub(crate) fn inside(self, kind: u16) -> Attributes<'a> {
        Attributes(self.find(kind).unwrap_or_default())
    }

    /// A string, without its NUL.
    pub(crate) fn text(self, kind: u16) -> Option<&'a str> {
        let bytes = self.find(kind)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).ok()
    }

    /// A 32 bit number in network order.
    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(*self.find(kind)?.first_chunk()?))
    }

    /// A 64 bit number in network order.
    pub(crate) fn be64(self, kind: u16) -> Option<u64> {
        Some(u64::from_be_bytes(*self.find(kind)?.first_chunk()?))
    }

    /// A 16 bit number in network order.
    pub(crate) fn be16(self, kind: u16) -> Option<u16> {
        Some(u16::from_be_bytes(*self.find(kind)?.first_chunk()?))
    }

    /// An eight bit number.
    pub(crate) fn u8(self, kind: u16) -> Option<u8> {
        self.find(kind)?.first().copied()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.0.first_chunk::<4>()?;
        let length = usize::from(half(header, 0));
        let kind = half(header, 2) & KIND;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Size of `struct nlmsghdr` and `struct nfgenmsg`.
const NETLINK: usize = 16;
const GENERIC: usize = 4;
/// NLA_TYPE_MASK.
const KIND: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Messages;
    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_a_panic_and_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for message in messages(&bytes) {
                let _ = (message.error(), message.family());
                for (kind, value) in message.attributes() {
                    prop_assert!(kind <= KIND && value.len() <= bytes.len());
                    for _ in Attributes(value) {}
                }
            }
        }

        #[test]
        fn what_is_written_is_read_back(
            kinds in prop::collection::vec((1u16..200, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            count in 1u32..5, first in any::<u32>(), text in "[a-z0-9-]{0,31}", number in any::<u64>(),
        ) {
            let mut out = Messages::new(first);
            for _ in 0..count {
                out.message(10, 12, 0x400, 1).text(201, &text).be64(202, number).nest(203, |inner| {
                    for (kind, value) in &kinds {
                        inner.bytes(*kind, value);
                    }
                });
            }
            prop_assert_eq!(out.sequence(), (first, first.wrapping_add(count - 1)));
            let bytes = out.finished().unwrap();
            let mut seen = 0;
            for (index, message) in messages(bytes).enumerate() {
                prop_assert_eq!(message.kind, 10 << 8 | 12);
                prop_assert_eq!(message.flags, 0x401);
                prop_assert_eq!(message.family(), 1);
                prop_assert_eq!(message.sequence, first.wrapping_add(index as u32));
                let attributes = message.attributes();
                prop_assert_eq!(attributes.text(201), Some(text.as_str()));
                prop_assert_eq!(attributes.be64(202), Some(number));
                let inner: Vec<_> = attributes.inside(203).map(|(kind, value)| (kind, value.to_vec())).collect();
                prop_assert_eq!(&inner, &kinds);
                seen += 1;
            }
            prop_assert_eq!(seen, count);
        }
    }

    #[test]
    fn an_attribute_over_64_kib_is_refused_and_never_wraps() {
        let mut out = Messages::new(1);
        out.message(6, 9, 0, 2).nest(8, |inner| {
            for _ in 0..2 {
                inner.bytes(1, &[0; 40_000]);
            }
        });
        assert!(out.finished().is_none());
    }
}
