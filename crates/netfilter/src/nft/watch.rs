//! Listens to what others do to our table: [`Watch`].
//!
//! The kernel tells every change of the ruleset to multicast group NFNLGRP_NFTABLES, with the port of who caused it.
//! Our own are filtered out in the kernel, so 100,000 bans a second do not fill the queue. When it overflows
//! nevertheless (somebody reloads a huge ruleset) the kernel says so, and the answer is to look at everything.
//!
//! While somebody listens, the kernel builds a notification of 4 KiB for every element of a transaction, also when
//! the filter drops it. So [`Watch::deafen`] stops listening for a large transaction; whether others changed anything
//! in the meantime is known from the ruleset's generation number, which every transaction raises by one.

use super::abi::*;
use crate::error::Error;
use crate::netlink::socket::Silence;
use crate::netlink::{SUBSYS_NFTABLES, Socket};

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Watch {
    socket: Socket,
    table: String,
    /// Something may have been missed.
    doubt: bool,
}

/// What was heard since the last look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Messages about our table that we did not cause.
    pub(crate) foreign: u64,
    /// Some messages were lost.
    pub(crate) overrun: bool,
    /// What the last of them did, in words.
    pub(crate) what: &'static str,
}

impl Watch {
    /// Listens for changes to `table` by everybody but the socket with port number `except`.
    pub(crate) fn open(table: &str, except: u32) -> Result<Self, Error> {
        Ok(Self {
            socket: Socket::subscribe(NFNLGRP_NFTABLES, except)?,
            table: table.to_string(),
            doubt: false,
        })
    }

    /// Stops listening.
    pub(crate) fn deafen(&mut self) {
        self.doubt |= self.socket.listen(NFNLGRP_NFTABLES, false).is_err();
    }

    /// Listens again. `alone` says that nobody else changed anything in the meantime.
    pub(crate) fn hear_again(&mut self, alone: impl FnOnce() -> bool) {
        let joined = self.socket.listen(NFNLGRP_NFTABLES, true).is_ok();
        self.doubt |= !joined || !alone();
    }

    /// Reads all that is there, without waiting.
    pub(crate) fn heard(&mut self) -> Heard {
        let mut heard = Heard { overrun: std::mem::take(&mut self.doubt), ..Heard::default() };
        for _ in 0..MOST_DATAGRAMS {
            let table = self.table.as_str();
            let result = self.socket.poll(|message| {
                let ours = message.kind >> 8 == u16::from(SUBSYS_NFTABLES)
                    && message.kind as u8 != NFT_MSG_NEWGEN
                    && message.family() == NFPROTO_INET
                    && message.attributes().text(NFTA_TABLE) == Some(table);
                if ours {
                    heard.foreign += 1;
                    heard.what = describe(message.kind as u8);
                }
            });
            match result {
                Ok(()) => {}
                Err(Silence::Overrun) => heard.overrun = true,
                Err(Silence::Nothing | Silence::Broken(_)) => break,
            }
        }
        heard
    }
}

impl std::os::fd::AsRawFd for Watch {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

fn describe(kind: u8) -> &'static str {
    match kind {
        NFT_MSG_DELTABLE => "the table was deleted",
        NFT_MSG_DELRULE => "a rule was deleted",
        NFT_MSG_DELSETELEM => "set elements were deleted",
        NFT_MSG_NEWSETELEM => "set elements were added",
        NFT_MSG_NEWRULE => "a rule was added",
        _ => "the table was changed",
    }
}

/// So that a flood of notifications cannot keep the caller here.
const MOST_DATAGRAMS: usize = 4096;
