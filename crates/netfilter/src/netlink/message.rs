//! Writes netlink messages into one buffer: [`Messages`].
//!
//! Lengths are filled in when a message or a nested attribute ends. An attribute's length is 16 bits: one that
//! outgrows it marks the buffer as overflown instead of wrapping, and the socket refuses to send it.

use super::{ACK, REQUEST};

/// A run of messages to be sent together, with consecutive sequence numbers.
#[derive(Debug)]
pub(crate) struct Messages {
    bytes: Vec<u8>,
    start: usize,
    first: u32,
    next: u32,
    overflow: bool,
}

impl Messages {
    /// An empty run whose first message gets the sequence number `first`.
    pub(crate) fn new(first: u32) -> Self {
        Self { bytes: Vec::with_capacity(256), start: 0, first, next: first, overflow: false }
    }

    /// Starts a message to a subsystem: netlink header and `nfgenmsg`. The one before it ends here.
    pub(crate) fn message(&mut self, subsystem: u8, kind: u8, flags: u16, family: u8) -> &mut Self {
        self.raw_message(u16::from(subsystem) << 8 | u16::from(kind), flags, family, 0)
    }

    /// Opens a transaction of `subsystem` (NFNL_MSG_BATCH_BEGIN).
    pub(crate) fn batch_begin(&mut self, subsystem: u8) -> &mut Self {
        self.raw_message(BATCH_BEGIN, 0, 0, u16::from(subsystem))
    }

    /// Closes the transaction. The last message before it is the one to be acknowledged: kernels before 6.10
    /// do not acknowledge the end itself.
    pub(crate) fn batch_end(&mut self, subsystem: u8) -> &mut Self {
        self.acknowledge();
        self.raw_message(BATCH_END, 0, 0, u16::from(subsystem))
    }

    /// Asks for an acknowledgement of the message that was started last.
    pub(crate) fn acknowledge(&mut self) {
        if let Some(flags) = self.bytes.get_mut(self.start + 6..self.start + 8) {
            let value = u16::from_ne_bytes([flags[0], flags[1]]) | ACK;
            flags.copy_from_slice(&value.to_ne_bytes());
        }
    }

    /// An attribute of raw bytes, padded to four.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = HEADER + value.len();
        self.overflow |= length > usize::from(u16::MAX);
        self.bytes.extend_from_slice(&(length as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.end()
    }

    /// A string attribute with its NUL.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// An eight bit attribute.
    pub(crate) fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// A 16 bit attribute in network order, as nfnetlink wants it.
    pub(crate) fn be16(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 32 bit attribute in network order.
    pub(crate) fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 64 bit attribute in network order.
    pub(crate) fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An attribute that holds those written by `inner`.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        inner(self);
        let length = self.bytes.len() - start;
        self.overflow |= length > usize::from(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&(length as u16).to_ne_bytes());
        self.end()
    }

    /// The sequence numbers in use: first and last.
    pub(crate) fn sequence(&self) -> (u32, u32) {
        (self.first, self.next.wrapping_sub(1))
    }

    /// How many messages so far.
    pub(crate) fn len(&self) -> u32 {
        self.next.wrapping_sub(self.first)
    }

    /// What goes over the socket; `None` when an attribute outgrew its length field.
    pub(crate) fn finished(&self) -> Option<&[u8]> {
        (!self.overflow).then_some(&self.bytes)
    }

    fn raw_message(&mut self, kind: u16, flags: u16, family: u8, resource: u16) -> &mut Self {
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.next.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[family, 0]);
        self.bytes.extend_from_slice(&resource.to_be_bytes());
        self.next = self.next.wrapping_add(1);
        self.end()
    }

    /// Keeps the length of the current message true after every write, so that there is nothing to forget.
    fn end(&mut self) -> &mut Self {
        let length = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

/// Length and kind of an attribute.
const HEADER: usize = 4;
/// NLA_F_NESTED.
const NESTED: u16 = 0x8000;
/// NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END.
pub(crate) const BATCH_BEGIN: u16 = 0x10;
pub(crate) const BATCH_END: u16 = 0x11;
