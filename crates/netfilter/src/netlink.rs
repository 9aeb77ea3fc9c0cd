//! One netlink socket to the netfilter subsystems: requests, batches and dumps, each answered or failed in time.
//!
//! It knows the framing (RFC 3549; include/uapi/linux/netlink.h, nfnetlink.h) and nothing of tables or sets. Every
//! request carries a fresh sequence number, so that a late answer to an earlier request is skipped. An error on
//! *any* sequence number of a batch is the batch's answer: the kernel reports a missing privilege on the batch's
//! first message, whatever was asked. Start with [`Socket`].

pub(crate) mod message;
pub(crate) mod parse;
pub(crate) mod socket;

pub(crate) use message::Messages;
pub(crate) use parse::{Attributes, Message};
pub(crate) use socket::Socket;

/// NFNL_SUBSYS_* of include/uapi/linux/netfilter/nfnetlink.h.
pub(crate) const SUBSYS_CTNETLINK: u8 = 1;
pub(crate) const SUBSYS_IPSET: u8 = 6;
pub(crate) const SUBSYS_NFTABLES: u8 = 10;

/// NLM_F_* of include/uapi/linux/netlink.h.
pub(crate) const REQUEST: u16 = 1;
pub(crate) const ACK: u16 = 4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const EXCL: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;
pub(crate) const APPEND: u16 = 0x800;
/// Set by the kernel on a dump during which the dumped thing changed.
pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
