//! The nftables backend: [`Nft`] keeps one table of its own and nobody else's.
//!
//! `slot` says which set a target lives in, `rules` what the table looks like, `elements` how its sets are changed,
//! `watch` hears when somebody else changes them, `inspect` reads what the kernel has.

mod abi;
mod elements;
mod inspect;
mod rules;
mod slot;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::error::Error;
use crate::firewall::Op;
use crate::netlink::{Messages, SUBSYS_NFTABLES, Socket};
use crate::target::Element;
use abi::*;
use elements::Lists;
use inspect::SetShape;
use slot::Slot;
pub(crate) use watch::Watch;

/// Our table in the kernel, over one socket.
#[derive(Debug)]
pub(crate) struct Nft {
    socket: Socket,
    table: String,
    ports: Vec<(u16, u16)>,
    max: u32,
    /// The sets that exist.
    slots: BTreeSet<Slot>,
    /// Whether the kernel knows DESTROYSETELEM.
    destroy: bool,
    /// Transactions of ours that went through.
    commits: u32,
}

/// Sets that exist, and the SIP ports.
#[derive(Debug)]
pub(crate) struct Slots(BTreeSet<Slot>, Vec<(u16, u16)>);

impl Nft {
    /// Takes over the table if it is there, with its elements, else makes it.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let mut nft = Self {
            socket: Socket::open().map_err(no_nftables)?,
            table: config.table.clone(),
            ports: config.merged_ports(),
            max: config.max_elements,
            slots: Slot::base().collect(),
            destroy: false,
            commits: 0,
        };
        let sets = nft.sets().map_err(no_nftables)?;
        let known: BTreeMap<Slot, &SetShape> =
            sets.iter().filter_map(|(name, shape)| Some((Slot::parse(name)?, shape))).collect();
        let fits = known.iter().all(|(slot, shape)| nft.fits(*slot, shape));
        let readable: Vec<Slot> = known
            .iter()
            .filter(|(slot, shape)| shape.key_length == slot.key_length() as u32)
            .map(|(slot, _)| *slot)
            .collect();
        nft.slots.extend(readable.iter().copied());
        let refreshed =
            if fits { nft.lay_out() } else { Err(Error::Gone { what: "the former layout".into() }) };
        match refreshed {
            Ok(()) => {}
            Err(error) if error.is_elementary() || matches!(error, Error::Gone { .. }) => {
                tracing::info!(table = nft.table, %error, "the table is of another make: replacing it with its elements");
                let elements = nft.list(&readable)?;
                nft.replace(&elements).map_err(no_nftables)?;
            }
            Err(error) => return Err(error),
        }
        nft.destroy = nft.knows_destroy();
        Ok(nft)
    }

    /// The same table over a socket of its own, to read it.
    pub(crate) fn beside(&self) -> Result<Self, Error> {
        Ok(Self {
            socket: Socket::open()?,
            table: self.table.clone(),
            ports: self.ports.clone(),
            slots: self.slots.clone(),
            ..*self
        })
    }

    /// The sets that exist.
    pub(crate) fn in_use(&self) -> Slots {
        Slots(self.slots.clone(), self.ports.clone())
    }

    /// What [`Self::in_use`] told of the one that writes.
    pub(crate) fn use_these(&mut self, slots: Slots) {
        (self.slots, self.ports) = (slots.0, slots.1);
    }

    /// Pretends to be on a kernel without DESTROYSETELEM.
    pub(crate) fn without_destroy(&mut self) {
        self.destroy = false;
    }

    /// The port number under which our changes are announced.
    pub(crate) fn port(&self) -> u32 {
        self.socket.port()
    }

    /// How many transactions of others the ruleset has seen, counted from an unknown start; `None` when the kernel
    /// does not say.
    pub(crate) fn transactions_of_others(&mut self) -> Option<u32> {
        let mut run = self.socket.compose();
        run.message(SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, libc::AF_UNSPEC as u8);
        let mut generation = None;
        let about = "asking for the generation";
        self.socket.ask(&run, about, |message| generation = message.attributes().be32(NFTA_GEN_ID)).ok()?;
        Some(generation?.wrapping_sub(self.commits))
    }

    /// Carries out all of them or none, in one transaction.
    pub(crate) fn commit(&mut self, ops: &[Op]) -> Result<(), Error> {
        let mut lists = Lists::default();
        for op in ops {
            match op.wish {
                Some((scope, timeout)) => {
                    let (slot, key) = Slot::of(op.target, scope);
                    for present in [slot, slot.sibling()] {
                        if self.slots.contains(&present) {
                            lists.gone(present, key);
                        }
                    }
                    lists.here(slot, key, timeout);
                }
                None => {
                    let (slot, key) = Slot::of(op.target, crate::Scope::All);
                    for present in [slot, slot.sibling()] {
                        if self.slots.contains(&present) {
                            lists.gone(present, key);
                        }
                    }
                }
            }
        }
        let new: Vec<Slot> = lists.growing().filter(|slot| !self.slots.contains(slot)).collect();
        let mut run = self.begin();
        for (id, slot) in new.iter().enumerate() {
            rules::set(&mut run, &self.table, *slot, self.max, id as u32);
            rules::rule(&mut run, &self.table, *slot);
        }
        lists.write(&mut run, &self.table, self.destroy);
        self.end(run, "changing set elements").map_err(|error| self.explain(error, ops))?;
        self.slots.extend(new);
        Ok(())
    }

    /// Puts a fresh table with exactly these elements in the place of whatever is there, in one transaction.
    pub(crate) fn replace(&mut self, elements: &[Element]) -> Result<(), Error> {
        let mut lists = Lists::default();
        for element in elements {
            let (slot, key) = Slot::of(element.target.normal(), element.scope);
            lists.here(slot, key, element.timeout);
        }
        let slots: BTreeSet<Slot> = Slot::base().chain(lists.growing()).collect();
        let mut run = self.begin();
        // Adding it first makes the deletion succeed when it is missing.
        rules::command(&mut run, NFT_MSG_NEWTABLE, crate::netlink::CREATE, &self.table);
        rules::command(&mut run, NFT_MSG_DELTABLE, 0, &self.table);
        self.write_layout(&mut run, &slots);
        lists.write(&mut run, &self.table, self.destroy);
        self.end(run, "building the table")?;
        self.slots = slots;
        Ok(())
    }

    /// Closes these ports to bans of the SIP ports, and no others, in one transaction. When it fails, the next look finds the set
    /// changed.
    pub(crate) fn close_ports(&mut self, ports: Vec<(u16, u16)>) -> Result<(), Error> {
        self.ports = ports;
        let mut run = self.begin();
        rules::ports(&mut run, &self.table, &self.ports);
        self.end(run, "writing the SIP ports")
    }

    /// The ports that a ban of the SIP ports closes.
    pub(crate) fn ports(&self) -> &[(u16, u16)] {
        &self.ports
    }

    /// Deletes the table with all that is in it.
    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        let mut run = self.begin();
        rules::command(&mut run, NFT_MSG_NEWTABLE, crate::netlink::CREATE, &self.table);
        rules::command(&mut run, NFT_MSG_DELTABLE, 0, &self.table);
        self.end(run, "deleting the table")
    }

    /// Makes what is missing and writes all rules anew, in one transaction that leaves every element in place.
    fn lay_out(&mut self) -> Result<(), Error> {
        let mut run = self.begin();
        self.write_layout(&mut run, &self.slots);
        self.end(run, "creating the table")
    }

    fn write_layout(&self, run: &mut Messages, slots: &BTreeSet<Slot>) {
        rules::table(run, &self.table);
        rules::no_rules(run, &self.table);
        rules::ports(run, &self.table, &self.ports);
        for (id, slot) in slots.iter().enumerate() {
            rules::set(run, &self.table, *slot, self.max, id as u32);
            rules::rule(run, &self.table, *slot);
        }
        rules::sip_jump(run, &self.table);
    }

    fn fits(&self, slot: Slot, shape: &SetShape) -> bool {
        shape.flags == NFT_SET_TIMEOUT
            && shape.key_length == slot.key_length() as u32
            && shape.max == self.max
    }

    /// Tries it on an element that no packet can match.
    fn knows_destroy(&mut self) -> bool {
        let mut lists = Lists::default();
        let (slot, key) =
            Slot::of(crate::Target::HostPort(std::net::Ipv4Addr::UNSPECIFIED.into(), 0), crate::Scope::All);
        lists.gone(slot, key);
        let mut run = self.begin();
        lists.write(&mut run, &self.table, true);
        self.end(run, "trying DESTROYSETELEM").is_ok()
    }

    fn begin(&self) -> Messages {
        let mut run = self.socket.compose();
        run.batch_begin(SUBSYS_NFTABLES);
        run
    }

    fn end(&mut self, mut run: Messages, doing: &str) -> Result<(), Error> {
        if run.len() == 1 {
            // Nothing to do. An empty transaction is never answered before Linux 6.10.
            return Ok(());
        }
        run.batch_end(SUBSYS_NFTABLES);
        let doing = format!("{doing} (nftables table inet {})", self.table);
        self.socket.transact(&run, &doing)?;
        self.commits = self.commits.wrapping_add(1);
        Ok(())
    }

    /// Turns the kernel's code into what it means for these changes.
    fn explain(&mut self, error: Error, ops: &[Op]) -> Error {
        match error.code() {
            Some(libc::ENFILE | libc::ENOSPC) => {
                let slot = ops.iter().find_map(|op| op.wish.map(|(scope, _)| Slot::of(op.target, scope).0));
                Error::SetFull { set: slot.map_or_else(String::new, Slot::name), max: self.max }
            }
            Some(libc::ENOENT) => match self.problems() {
                Ok(problems) if !problems.is_empty() => Error::Gone { what: problems.join(", ") },
                _ => error,
            },
            _ => error,
        }
    }
}

/// A first request that the kernel does not understand at all means that there is no nftables, or no `inet` tables.
fn no_nftables(error: Error) -> Error {
    match error {
        Error::Refused { doing, code } if NOT_UNDERSTOOD.contains(&code) => {
            Error::NoNfTables { doing, reason: std::io::Error::from_raw_os_error(code).to_string() }
        }
        other => other,
    }
}

/// What a kernel without nf_tables, or with a part of it only, answers.
const NOT_UNDERSTOOD: [i32; 5] =
    [libc::EINVAL, libc::EOPNOTSUPP, libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT, libc::ENOENT];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn a_change_that_changes_nothing_sends_nothing() {
        // SAFETY: no pointers; only this thread is moved to a network namespace of its own.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "needs root");
        let mut nft = Nft::open(&Config::default()).unwrap();
        let before = (nft.commits, nft.transactions_of_others().unwrap());
        // No set for this prefix length exists: there is nothing to remove it from.
        let target = Target::net("198.51.100.0/27".parse().unwrap());
        nft.commit(&[Op { target, wish: None }]).unwrap();
        assert_eq!((nft.commits, nft.transactions_of_others().unwrap()), before);
        nft.commit(&[Op { target, wish: Some((crate::Scope::All, None)) }]).unwrap();
        assert_eq!((nft.commits, nft.transactions_of_others().unwrap()), (before.0 + 1, before.1));
    }
}
