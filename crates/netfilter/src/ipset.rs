//! The classic backend: [`Ipset`] keeps up to four ipsets, and one iptables rule for each.
//!
//! | set | type | holds | rule |
//! |---|---|---|---|
//! | NAME | hash:net | IPv4 hosts and networks | `iptables`, `src` |
//! | NAME6 | hash:net | IPv6 /64s and networks | `ip6tables`, `src` |
//! | NAMEp | hash:ip,port | IPv4 address and port, UDP and TCP | `iptables`, `src,src` |
//! | NAME6p | hash:net,port | the same for IPv6 | `ip6tables`, `src,src` |
//!
//! The last two are made when first needed. A set cannot tell destination ports, so a ban of the SIP ports only drops
//! everything here. `protocol` has the messages, `rules` the rules, `takeover` what happens to a set of another make.

mod protocol;
mod rules;
mod takeover;

use std::net::IpAddr;
use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, IPSET_HASH_FULL};
use crate::firewall::{Op, SetHealth};
use crate::netlink::Socket;
use crate::shadow::class;
use crate::target::{Element, Scope, Target, v4_net, v6_net};
use protocol::{Entry, Header};
use rules::Rule;

/// Our ipsets in the kernel, over one socket.
#[derive(Debug)]
pub(crate) struct Ipset {
    socket: Socket,
    max: u32,
    sets: [Set; 4],
}

/// One of the four.
#[derive(Debug, Clone)]
struct Set {
    kind: &'static str,
    family: u8,
    rule: Rule,
    /// It exists and its rule is in.
    ready: bool,
    /// How many rules looked it up when last asked.
    references: u32,
}

impl Ipset {
    /// Makes the sets and rules, or takes them over with their elements.
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let (v4, v6) = (libc::AF_INET as u8, libc::AF_INET6 as u8);
        let set = |suffix: &str, kind, family, fields| Set {
            kind,
            family,
            rule: Rule {
                program: if family == v4 { "iptables" } else { "ip6tables" },
                chain: config.iptables_chain.clone(),
                set: format!("{}{suffix}", config.ipset_name),
                fields,
            },
            ready: false,
            references: 0,
        };
        let sets = [
            set("", "hash:net", v4, "src"),
            set("6", "hash:net", v6, "src"),
            set("p", "hash:ip,port", v4, "src,src"),
            set("6p", "hash:net,port", v6, "src,src"),
        ];
        let mut ipset = Self { socket: Socket::open().map_err(no_ipset)?, max: config.max_elements, sets };
        // Sets for ports that an earlier run made are taken over as well.
        for index in 0..ipset.sets.len() {
            let name = ipset.sets[index].rule.set.clone();
            let exists = protocol::header(&mut ipset.socket, &name).map_err(no_ipset)?.is_some();
            ipset.sets[index].ready = exists || index < ALWAYS;
        }
        ipset.set_up().map_err(no_ipset)?;
        Ok(ipset)
    }

    /// The same sets over a socket of its own, to read them.
    pub(crate) fn beside(&self) -> Result<Self, Error> {
        Ok(Self { socket: Socket::open()?, max: self.max, sets: self.sets.clone() })
    }

    /// Which sets exist.
    pub(crate) fn in_use(&self) -> [bool; 4] {
        std::array::from_fn(|index| self.sets[index].ready)
    }

    /// What [`Self::in_use`] told of the one that writes.
    pub(crate) fn use_these(&mut self, ready: [bool; 4]) {
        for (set, ready) in self.sets.iter_mut().zip(ready) {
            set.ready = ready;
        }
    }

    /// Makes what is missing of the sets in use and of their rules.
    pub(crate) fn set_up(&mut self) -> Result<(), Error> {
        for index in 0..self.sets.len() {
            if self.sets[index].ready {
                self.make(index)?;
            }
        }
        Ok(())
    }

    /// Carries the changes out. Not atomic: after an error some are in force, and all may be repeated.
    pub(crate) fn commit(&mut self, ops: &[Op]) -> Result<(), Error> {
        let mut lists: [(Vec<Entry>, Vec<Entry>); 4] = Default::default();
        for op in ops {
            let (index, entry, twice) = place(op);
            let (gone, here) = &mut lists[index];
            let list = if op.wish.is_some() { here } else { gone };
            list.push(entry);
            list.extend(twice);
        }
        for (index, (gone, here)) in lists.iter().enumerate() {
            if !here.is_empty() && !self.sets[index].ready {
                self.make(index)?;
            }
            if !self.sets[index].ready {
                continue;
            }
            let name = self.sets[index].rule.set.clone();
            for (add, entries) in [(true, here), (false, gone)] {
                protocol::change(&mut self.socket, &name, add, entries).map_err(|error| {
                    match error.code() {
                        Some(IPSET_HASH_FULL) => Error::SetFull { set: name.clone(), max: self.max },
                        Some(libc::ENOENT) => Error::Gone { what: format!("ipset {name}") },
                        _ => error,
                    }
                })?;
            }
        }
        Ok(())
    }

    /// All elements of all our sets.
    pub(crate) fn elements(&mut self) -> Result<Vec<Element>, Error> {
        let mut elements = Vec::new();
        for set in self.sets.iter().filter(|set| set.ready) {
            let entries = protocol::entries(&mut self.socket, &set.rule.set)?;
            elements.extend(entries.iter().filter_map(element));
        }
        Ok(elements)
    }

    /// What is missing or was changed, in words. Runs `iptables -C`: not for a timer.
    pub(crate) fn problems(&mut self) -> Result<Vec<String>, Error> {
        let mut problems = Vec::new();
        for set in self.sets.iter().filter(|set| set.ready) {
            match protocol::header(&mut self.socket, &set.rule.set)? {
                None => problems.push(format!("ipset {} is missing", set.rule.set)),
                Some(header) if !set.fits(&header, self.max) => {
                    problems.push(format!("ipset {} is of another make", set.rule.set));
                }
                Some(header)
                    if set.has_rule() && !set.rule.is_there_as_far_as_known(header.references)? =>
                {
                    problems
                        .push(format!("the {} rule of ipset {} is missing", set.rule.program, set.rule.set));
                }
                Some(_) => {}
            }
        }
        Ok(problems)
    }

    /// The sets and their sizes.
    pub(crate) fn sizes(&mut self) -> Result<Vec<SetHealth>, Error> {
        let mut sizes = Vec::new();
        for set in self.sets.iter().filter(|set| set.ready) {
            if let Some(header) = protocol::header(&mut self.socket, &set.rule.set)? {
                let elements = Some(u64::from(header.elements));
                sizes.push(SetHealth { name: set.rule.set.clone(), elements, max: header.max });
            }
        }
        Ok(sizes)
    }

    /// What somebody else did to us, if anything. Reads the sets' headers only; a rule is looked for when a set has
    /// fewer references than before. `least` is how many targets of each set must be there.
    pub(crate) fn tampered(&mut self, least: [usize; 4]) -> Result<Option<String>, Error> {
        for (set, least) in self.sets.iter_mut().zip(least).filter(|(set, _)| set.ready) {
            let name = &set.rule.set;
            let Some(header) = protocol::header(&mut self.socket, name)? else {
                return Ok(Some(format!("ipset {name} was destroyed")));
            };
            let fewer = header.references < set.references && set.has_rule();
            if fewer && !set.rule.is_there_as_far_as_known(header.references)? {
                return Ok(Some(format!("the {} rule of ipset {name} was deleted", set.rule.program)));
            }
            set.references = header.references;
            // A target with a port is two elements.
            let least = if set.kind.contains("port") { least * 2 } else { least };
            if (header.elements as usize) < least {
                return Ok(Some(format!("ipset {name} has {} elements left of {least}", header.elements)));
            }
        }
        Ok(None)
    }

    /// Deletes our rules and sets.
    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for set in &mut self.sets {
            if std::mem::take(&mut set.ready) {
                let rule = if set.has_rule() { set.rule.delete() } else { Ok(()) };
                let gone = match protocol::destroy(&mut self.socket, &set.rule.set) {
                    Err(error) if error.code() == Some(libc::ENOENT) => Ok(()),
                    other => other,
                };
                result = result.and(rule).and(gone);
            }
        }
        result
    }

    /// The timeout that ipset really uses: whole seconds, and at most what its kernel code can count (IPSET_MAX_TIMEOUT
    /// of include/linux/netfilter/ipset/ip_set.h, 24 days). The writer renews those that are cut by it.
    pub(crate) fn round(timeout: Duration) -> Duration {
        let whole = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
        Duration::from_secs(whole.clamp(1, MAX_TIMEOUT))
    }

    /// One set with its rule.
    fn make(&mut self, index: usize) -> Result<(), Error> {
        let name = self.sets[index].rule.set.clone();
        let set = &self.sets[index];
        takeover::finish(&mut self.socket, set, self.max)?;
        match protocol::header(&mut self.socket, &name)? {
            None => protocol::create(&mut self.socket, &name, set.kind, set.family, self.max)?,
            Some(header) if set.fits(&header, self.max) => {}
            Some(header) => takeover::replace(&mut self.socket, set, &header, self.max)?,
        }
        let set = &mut self.sets[index];
        let references = protocol::header(&mut self.socket, &name)?.map_or(0, |header| header.references);
        if set.has_rule() {
            match set.rule.insert() {
                // Put in by somebody who may, before us.
                Err(error) if error.is_privilege() && references > 0 => {
                    tracing::info!(set = name, %error, "a rule uses the ipset already; whether it is right is not known");
                }
                other => other?,
            }
        }
        set.references = protocol::header(&mut self.socket, &name)?.map_or(0, |header| header.references);
        set.ready = true;
        Ok(())
    }
}

impl Set {
    fn fits(&self, header: &Header, max: u32) -> bool {
        header.kind == self.kind && header.family == self.family && header.timeouts && header.max == max
    }

    /// A host without IPv6 has no place for an IPv6 rule, and needs none.
    fn has_rule(&self) -> bool {
        self.family == libc::AF_INET as u8 || std::path::Path::new("/proc/net/if_inet6").exists()
    }
}

/// In which set a change goes, and as which entries.
fn place(op: &Op) -> (usize, Entry, Option<Entry>) {
    let timeout = match op.wish {
        Some((_, Some(timeout))) => Ipset::round(timeout).as_secs() as u32,
        _ => 0,
    };
    let (ip, prefix) = (op.target.network().network(), op.target.network().prefix_len());
    match op.target {
        Target::HostPort(_, port) => {
            let entry = |protocol: i32| Entry { ip, prefix, port: Some((port, protocol as u8)), timeout };
            (class(op.target), entry(libc::IPPROTO_UDP), Some(entry(libc::IPPROTO_TCP)))
        }
        _ => (class(op.target), Entry { ip, prefix, port: None, timeout }, None),
    }
}

/// The element that an entry stands for. One with a port is there twice: the one for UDP is taken.
fn element(entry: &Entry) -> Option<Element> {
    let target = match (entry.port, entry.ip) {
        (Some((port, protocol)), ip) if i32::from(protocol) == libc::IPPROTO_UDP => {
            Target::host_port(ip, port)
        }
        (Some(_), _) => return None,
        (None, IpAddr::V4(ip)) => Target::net(v4_net(ip, entry.prefix).into()),
        (None, IpAddr::V6(ip)) => Target::net(v6_net(ip, entry.prefix).into()),
    };
    let timeout = (entry.timeout > 0).then(|| Duration::from_secs(entry.timeout.into()));
    Some(Element { target, scope: Scope::All, timeout })
}

/// What a kernel without ipset, or without one of its types, answers.
fn no_ipset(error: Error) -> Error {
    match error {
        Error::Refused {
            doing,
            code: code @ (libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | 4097 | 4098),
        } => {
            let reason = Error::Refused { doing: "the kernel answers".into(), code }.to_string();
            Error::NoIpset { doing, reason }
        }
        Error::Command { command, reason } => Error::NoIpset { doing: command, reason },
        other => other,
    }
}

/// The first two sets always exist.
const ALWAYS: usize = 2;
const MAX_TIMEOUT: u64 = 2_147_483;
