//! Set elements to and from the kernel: [`Lists`] gathers the changes of one transaction set by set.

use std::collections::BTreeMap;
use std::time::Duration;

use super::abi::*;
use super::rules::{command, key};
use super::slot::{Key, Slot};
use crate::netlink::{Attributes, CREATE, Message, Messages};

/// What one transaction does to the elements of each set.
#[derive(Debug, Default)]
pub(crate) struct Lists(BTreeMap<Slot, (Gone, Here)>);

/// Keys to be taken away, and keys to be put in with their timeouts.
type Gone = Vec<Key>;
type Here = Vec<(Key, Option<Duration>)>;

impl Lists {
    /// The element shall not be there, or not as it was.
    pub(crate) fn gone(&mut self, slot: Slot, key: Key) {
        self.0.entry(slot).or_default().0.push(key);
    }

    /// The element shall be there, with this timeout.
    pub(crate) fn here(&mut self, slot: Slot, key: Key, timeout: Option<Duration>) {
        self.0.entry(slot).or_default().1.push((key, timeout));
    }

    /// The sets that get an element.
    pub(crate) fn growing(&self) -> impl Iterator<Item = Slot> {
        self.0.iter().filter(|(_, (_, here))| !here.is_empty()).map(|(slot, _)| *slot)
    }

    /// Writes it all. An element that shall be there is taken away first, as an element that exists keeps its old
    /// timeout before Linux 6.12. Taking away one that is missing fails the transaction, unless the kernel knows
    /// DESTROYSETELEM (`destroy`, Linux 6.3): without it each is added before, which does no harm to one that
    /// exists. The kernel puts the whole transaction in force at once, so nobody slips through in between.
    pub(crate) fn write(&self, out: &mut Messages, table: &str, destroy: bool) {
        for (slot, (gone, here)) in &self.0 {
            let name = slot.name();
            for part in gone.chunks(PER_MESSAGE) {
                if destroy {
                    list(out, NFT_MSG_DESTROYSETELEM, 0, table, &name, part.iter().map(|key| (key, None)));
                } else {
                    list(out, NFT_MSG_NEWSETELEM, CREATE, table, &name, part.iter().map(|key| (key, None)));
                    list(out, NFT_MSG_DELSETELEM, 0, table, &name, part.iter().map(|key| (key, None)));
                }
            }
            for part in here.chunks(PER_MESSAGE) {
                let elements = part.iter().map(|(key, timeout)| (key, *timeout));
                list(out, NFT_MSG_NEWSETELEM, CREATE, table, &name, elements);
            }
        }
    }
}

/// The elements in one message of a listing, with the time that they have left.
pub(crate) fn listed(message: Message<'_>) -> impl Iterator<Item = (&[u8], Option<Duration>)> {
    let list = message.attributes().inside(NFTA_SET_ELEM_LIST_ELEMENTS);
    list.filter(|(kind, _)| *kind == NFTA_LIST_ELEM).filter_map(|(_, element)| {
        let element = Attributes(element);
        let key = element.inside(NFTA_SET_ELEM_KEY).find(NFTA_DATA_VALUE)?;
        Some((key, element.be64(NFTA_SET_ELEM_EXPIRATION).map(Duration::from_millis)))
    })
}

/// Keys and flags of the elements in one message of a listing: for the sets of ports and protocols.
pub(crate) fn listed_plain(message: Message<'_>) -> impl Iterator<Item = (Vec<u8>, u32)> {
    let list = message.attributes().inside(NFTA_SET_ELEM_LIST_ELEMENTS);
    list.filter(|(kind, _)| *kind == NFTA_LIST_ELEM).filter_map(|(_, element)| {
        let element = Attributes(element);
        let key = element.inside(NFTA_SET_ELEM_KEY).find(NFTA_DATA_VALUE)?;
        Some((key.to_vec(), element.be32(NFTA_SET_ELEM_FLAGS).unwrap_or(0)))
    })
}

fn list<'a>(
    out: &mut Messages,
    kind: u8,
    flags: u16,
    table: &str,
    set: &str,
    elements: impl Iterator<Item = (&'a Key, Option<Duration>)>,
) {
    command(out, kind, flags, table).text(NFTA_SET_ELEM_LIST_SET, set).nest(
        NFTA_SET_ELEM_LIST_ELEMENTS,
        |list| {
            for (own, timeout) in elements {
                list.nest(NFTA_LIST_ELEM, |element| {
                    key(element, own.bytes());
                    if let Some(timeout) = timeout {
                        let timeout = timeout.clamp(SHORTEST, LONGEST);
                        element.be64(NFTA_SET_ELEM_TIMEOUT, timeout.as_millis() as u64);
                    }
                });
            }
        },
    );
}

/// An element takes at most 48 bytes and the list at most 64 KiB.
const PER_MESSAGE: usize = 1000;
/// Less would round to no timeout at all, which means for ever.
const SHORTEST: Duration = Duration::from_secs(1);
/// A hundred years; far from the kernel's limit of 2^64 nanoseconds.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
