//! Reads what the kernel has of our table: elements, sets, chains, rules and their counters, and what is wrong with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::abi::*;
use super::slot::Slot;
use super::{Nft, elements, rules};
use crate::error::Error;
use crate::firewall::{Counter, SetHealth};
use crate::netlink::socket::Part;
use crate::netlink::{Attributes, DUMP, Message, Messages};
use crate::target::{Element, Target};

/// What a set in the kernel is like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SetShape {
    pub(super) flags: u32,
    pub(super) key_length: u32,
    pub(super) max: u32,
    pub(super) count: Option<u64>,
}

impl Nft {
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

    /// The elements of some sets.
    pub(super) fn list(&mut self, slots: &[Slot]) -> Result<Vec<Element>, Error> {
        let mut elements = Vec::new();
        for slot in slots {
            elements.extend(self.whole(*slot)?);
        }
        Ok(elements)
    }

    /// The elements of a set. A listing is told in parts, each of which begins after so many elements as were told before; while the kernel
    /// rearranges the set, as it does some moments after it grew, some are so told twice and as many never, and it says nothing of it.
    /// Then what is listed again is added.
    fn whole(&mut self, slot: Slot) -> Result<Vec<Element>, Error> {
        let name = slot.name();
        let mut held: HashMap<Target, Element> = HashMap::new();
        for _ in 0..LISTINGS {
            let mut told: Vec<Element> = Vec::with_capacity(held.len());
            self.dump(NFT_MSG_GETSETELEM, Some((NFTA_SET_ELEM_LIST_SET, &name)), "listing a set", |part| {
                match part {
                    Part::Restart => told.clear(),
                    Part::Entry(message) => {
                        told.extend(elements::listed(message).filter_map(|(key, timeout)| {
                            Some(Element { target: slot.target(key)?, scope: slot.scope, timeout })
                        }))
                    }
                }
            })?;
            let mut once = HashSet::with_capacity(told.len());
            let is_torn = !told.iter().all(|element| once.insert(element.target));
            held.extend(told.into_iter().map(|element| (element.target, element)));
            if !is_torn {
                break;
            }
            std::thread::sleep(REARRANGED);
        }
        Ok(held.into_values().collect())
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
    pub(super) fn sets(&mut self) -> Result<BTreeMap<String, SetShape>, Error> {
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

/// How often a set is listed while the kernel rearranges it.
const LISTINGS: usize = 5;
/// Between two listings: about what moving a hundred thousand elements takes.
const REARRANGED: Duration = Duration::from_millis(20);
