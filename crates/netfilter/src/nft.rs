//! The nftables backend: [`Nft`] keeps one table of its own and nobody else's.
//!
//! `slot` says which set a target lives in, `rules` what the table looks like, `elements` how its sets are changed,
//! `watch` hears when somebody else changes them.

mod abi;
mod elements;
mod rules;
mod slot;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::error::Error;
use crate::firewall::{Counter, Op, SetHealth};
use crate::netlink::socket::Part;
use crate::netlink::{Attributes, DUMP, Message, Messages, SUBSYS_NFTABLES, Socket};
use crate::target::Element;
use abi::*;
use elements::Lists;
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

/// What a set in the kernel is like.
#[derive(Debug, PartialEq, Eq)]
struct SetShape {
    flags: u32,
    key_length: u32,
    max: u32,
    count: Option<u64>,
}

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

    /// All elements of all our sets.
    pub(crate) fn elements(&mut self) -> Result<Vec<Element>, Error> {
        let slots: Vec<Slot> = self.slots.iter().copied().collect();
        self.list(&slots)
    }

    /// What is missing or was changed, in words; empty when all is as it should be. No element is listed.
    pub(crate) fn problems(&mut self) -> Result<Vec<String>, Error> {
        let mut problems = Vec::new();
        let sets = self.sets()?;
        let chains = self.chains()?;
        if sets.is_empty() && chains.is_empty() {
            return Ok(vec![format!("table inet {} is missing", self.table)]);
        }
        for slot in &self.slots {
            match sets.get(&slot.name()) {
                None => problems.push(format!("set {} is missing", slot.name())),
                Some(shape) if !self.fits(*slot, shape) => {
                    problems.push(format!("set {} was changed", slot.name()))
                }
                Some(_) => {}
            }
        }
        for (set, mut expected) in [
            (rules::SIP_PORTS, rules::port_elements(&self.ports)),
            (rules::TRANSPORTS, rules::transport_elements()),
        ] {
            let mut found = self.plain(set)?;
            found.sort_unstable();
            expected.sort_unstable();
            if found != expected {
                problems.push(format!("set {set} was changed"));
            }
        }
        match chains.get(rules::ENTRY) {
            None => problems.push(format!("chain {} is missing", rules::ENTRY)),
            Some(false) => problems.push(format!("chain {} is not hooked as it should be", rules::ENTRY)),
            Some(true) => {}
        }
        let mut found = self.rules()?;
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut expected: Vec<String> = self.slots.iter().flat_map(|slot| rules::comments(*slot)).collect();
        expected.push(rules::SIP_JUMP.to_string());
        expected.sort_unstable();
        for name in &expected {
            if !found.iter().any(|rule| rule.name == *name) {
                problems.push(format!("the rule of {name} is missing"));
            }
        }
        if found.len() > expected.len() {
            problems.push("there are rules that are not ours".to_string());
        }
        Ok(problems)
    }

    /// The sets with their sizes, where the kernel tells them.
    pub(crate) fn sizes(&mut self) -> Result<Vec<SetHealth>, Error> {
        let ours = |(name, shape): (String, SetShape)| {
            Slot::parse(&name).map(|_| SetHealth { name, elements: shape.count, max: shape.max })
        };
        Ok(self.sets()?.into_iter().filter_map(ours).collect())
    }

    /// Packets and bytes dropped, rule by rule, since the rule was made.
    pub(crate) fn counters(&mut self) -> Result<Vec<Counter>, Error> {
        Ok(self.rules()?.into_iter().filter(|rule| rule.name != rules::SIP_JUMP).collect())
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

    fn list(&mut self, slots: &[Slot]) -> Result<Vec<Element>, Error> {
        let mut elements = Vec::new();
        for slot in slots {
            let (name, before) = (slot.name(), elements.len());
            self.dump(NFT_MSG_GETSETELEM, Some((NFTA_SET_ELEM_LIST_SET, &name)), "listing a set", |part| {
                match part {
                    Part::Restart => elements.truncate(before),
                    Part::Entry(message) => {
                        elements.extend(elements::listed(message).filter_map(|(key, timeout)| {
                            Some(Element { target: slot.target(key)?, scope: slot.scope, timeout })
                        }))
                    }
                }
            })?;
        }
        Ok(elements)
    }

    /// What is in a small set.
    fn plain(&mut self, set: &str) -> Result<Vec<(Vec<u8>, u32)>, Error> {
        let mut found = Vec::new();
        let result =
            self.dump(NFT_MSG_GETSETELEM, Some((NFTA_SET_ELEM_LIST_SET, set)), "listing a set", |part| {
                match part {
                    Part::Restart => found.clear(),
                    Part::Entry(message) => found.extend(elements::listed_plain(message)),
                }
            });
        absent_is_empty(result)?;
        Ok(found)
    }

    /// The sets of our table, by name; none when there is no such table.
    fn sets(&mut self) -> Result<BTreeMap<String, SetShape>, Error> {
        let mut sets = BTreeMap::new();
        let table = self.table.clone();
        let result = self.dump(NFT_MSG_GETSET, None, "listing the sets", |part| match part {
            Part::Restart => sets.clear(),
            Part::Entry(message) if in_table(message, &table) => {
                let about = message.attributes();
                let shape = SetShape {
                    flags: about.be32(NFTA_SET_FLAGS).unwrap_or(0),
                    key_length: about.be32(NFTA_SET_KEY_LEN).unwrap_or(0),
                    max: about.inside(NFTA_SET_DESC).be32(NFTA_SET_DESC_SIZE).unwrap_or(0),
                    count: about.be32(NFTA_SET_COUNT).map(u64::from),
                };
                sets.insert(about.text(NFTA_SET_NAME).unwrap_or_default().to_string(), shape);
            }
            Part::Entry(_) => {}
        });
        absent_is_empty(result)?;
        Ok(sets)
    }

    /// The chains of our table, and whether each is hooked as ours is.
    fn chains(&mut self) -> Result<BTreeMap<String, bool>, Error> {
        let mut chains = BTreeMap::new();
        let table = self.table.clone();
        let result = self.dump(NFT_MSG_GETCHAIN, None, "listing the chains", |part| match part {
            Part::Restart => chains.clear(),
            Part::Entry(message) if in_table(message, &table) => {
                let about = message.attributes();
                let hook = about.inside(NFTA_CHAIN_HOOK);
                let hooked = hook.be32(NFTA_HOOK_HOOKNUM) == Some(PRE_ROUTING)
                    && hook.be32(NFTA_HOOK_PRIORITY) == Some(RAW_PRIORITY as u32)
                    && about.be32(NFTA_CHAIN_POLICY) == Some(NF_ACCEPT);
                chains.insert(about.text(NFTA_CHAIN_NAME).unwrap_or_default().to_string(), hooked);
            }
            Part::Entry(_) => {}
        });
        absent_is_empty(result)?;
        Ok(chains)
    }

    /// The rules of our table by their comments, with their counters.
    fn rules(&mut self) -> Result<Vec<Counter>, Error> {
        let mut found = Vec::new();
        let table = self.table.clone();
        let result = self.dump(NFT_MSG_GETRULE, None, "listing the rules", |part| match part {
            Part::Restart => found.clear(),
            Part::Entry(message) if in_table(message, &table) => found.push(counter(message)),
            Part::Entry(_) => {}
        });
        absent_is_empty(result)?;
        Ok(found)
    }

    fn dump(
        &mut self,
        kind: u8,
        name: Option<(u16, &str)>,
        doing: &str,
        each: impl FnMut(Part<'_>),
    ) -> Result<(), Error> {
        let table = self.table.clone();
        let request = |out: &mut Messages| {
            rules::command(out, kind, DUMP, &table);
            if let Some((attribute, name)) = name {
                out.text(attribute, name);
            }
        };
        self.socket.dump(request, doing, each)
    }

    fn begin(&self) -> Messages {
        let mut run = self.socket.compose();
        run.batch_begin(SUBSYS_NFTABLES);
        run
    }

    fn end(&mut self, mut run: Messages, doing: &str) -> Result<(), Error> {
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

fn in_table(message: Message<'_>, table: &str) -> bool {
    message.family() == NFPROTO_INET && message.attributes().text(NFTA_TABLE) == Some(table)
}

/// A listing in a table that does not exist has nothing in it.
fn absent_is_empty(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.code() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// The comment of a rule and the sum of its counters.
fn counter(message: Message<'_>) -> Counter {
    let about = message.attributes();
    let userdata = about.find(NFTA_RULE_USERDATA).unwrap_or_default();
    let comment = userdata.get(2..).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
    let mut counter = Counter { name: String::from_utf8_lossy(comment).into_owned(), packets: 0, bytes: 0 };
    for (_, expression) in about.inside(NFTA_RULE_EXPRESSIONS) {
        let expression = Attributes(expression);
        if expression.text(NFTA_EXPR_NAME) == Some("counter") {
            let data = expression.inside(NFTA_EXPR_DATA);
            counter.packets += data.be64(NFTA_COUNTER_PACKETS).unwrap_or(0);
            counter.bytes += data.be64(NFTA_COUNTER_BYTES).unwrap_or(0);
        }
    }
    counter
}

/// What a kernel without nf_tables, or with a part of it only, answers.
const NOT_UNDERSTOOD: [i32; 5] =
    [libc::EINVAL, libc::EOPNOTSUPP, libc::EPROTONOSUPPORT, libc::EAFNOSUPPORT, libc::ENOENT];
