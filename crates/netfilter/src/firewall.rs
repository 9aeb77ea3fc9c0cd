//! One open backend: [`Firewall`]. Blocking, one thread; [`crate::Writer`] gives it a thread of its own.
//!
//! It brings changes to the form that the kernel wants (one per target, at most 1000 a transaction), keeps protected
//! networks out, and tries a refused transaction again element by element, so that one bad element never loses the
//! others. `report` has the answers that it gives, `reconcile` the work on whole lists.

pub(crate) mod eye;
mod reconcile;
mod report;

use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::{Config, Mode};
use crate::error::Error;
use crate::ipset::Ipset;
use crate::nft::{Nft, Watch};
use crate::shadow::Shadow;
use crate::target::{Change, Element, Scope, Target};
pub use report::{Applied, Backend, Counter, Health, Reconciled, SetHealth};

/// One open backend.
#[derive(Debug)]
pub struct Firewall {
    inner: Inner,
    protect: Vec<IpNet>,
    pub(crate) shadow: Shadow,
}

#[derive(Debug)]
enum Inner {
    Nft(Box<Nft>, Watch),
    Ipset(Box<Ipset>),
    Dry(HashMap<Target, Element>, Vec<(u16, u16)>),
}

/// A change in the form that the backends take: a target in normal form, and how it shall be dropped, if at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(crate) target: Target,
    pub(crate) wish: Option<(Scope, Option<Duration>)>,
}

impl Firewall {
    /// Opens the backend that the configuration chooses, and sets up what is missing. Elements that are there from
    /// an earlier run stay, so that a restart leaves no unprotected moment; nobody else's rules are touched.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::MissingPrivilege`], or that the mechanism is not there.
    pub fn open(config: &Config) -> Result<Self, Error> {
        config.check()?;
        let inner = match config.mode {
            _ if config.dry_run => Inner::Dry(HashMap::new(), config.merged_ports()),
            Mode::Nftables => Self::nftables(config)?,
            Mode::Ipset => Inner::Ipset(Box::new(Ipset::open(config)?)),
            Mode::Auto => match Self::nftables(config) {
                Err(nftables @ Error::NoNfTables { .. }) => match Ipset::open(config) {
                    Ok(ipset) => Inner::Ipset(Box::new(ipset)),
                    Err(ipset @ Error::NoIpset { .. }) => {
                        return Err(Error::NoFirewall {
                            nftables: nftables.to_string(),
                            ipset: ipset.to_string(),
                        });
                    }
                    Err(other) => return Err(other),
                },
                other => other?,
            },
        };
        Ok(Self { inner, protect: config.protect.clone(), shadow: Shadow::new() })
    }

    /// Which mechanism is in use.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.inner {
            Inner::Nft(..) => Backend::Nftables,
            Inner::Ipset(_) => Backend::Ipset,
            Inner::Dry(..) => Backend::DryRun,
        }
    }

    /// Carries out changes, in order. Several of one target count as the last of them.
    ///
    /// # Errors
    /// When the backend as a whole fails ([`Error::Gone`] means: [`Self::rebuild`]). What one target alone is to
    /// blame for is in [`Applied::refused`] instead.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        for part in changes.chunks(BATCH) {
            let mut ops: Vec<Op> = Vec::with_capacity(part.len());
            let mut at: HashMap<Target, usize> = HashMap::with_capacity(part.len());
            for change in part {
                match self.permitted(change) {
                    Err(error) => applied.refused.push((change.target(), error)),
                    Ok(op) => match at.get(&op.target) {
                        Some(index) => ops[*index] = op,
                        None => {
                            at.insert(op.target, ops.len());
                            ops.push(op);
                        }
                    },
                }
            }
            self.commit(&ops, &mut applied)?;
        }
        Ok(applied)
    }

    /// What the kernel holds, with the time that each element has left. Lists all sets: not for a timer.
    ///
    /// # Errors
    /// When the kernel refuses the listing.
    pub fn elements(&mut self) -> Result<Vec<Element>, Error> {
        match &mut self.inner {
            Inner::Nft(nft, _) => nft.elements(),
            Inner::Ipset(ipset) => ipset.elements(),
            Inner::Dry(held, _) => Ok(held.values().copied().collect()),
        }
    }

    /// Whether our sets, chains and rules are there and hooked. Lists no elements.
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn health(&mut self) -> Result<Health, Error> {
        let backend = self.backend();
        let (problems, sets) = match &mut self.inner {
            Inner::Nft(nft, _) => (nft.problems()?, nft.sizes()?),
            Inner::Ipset(ipset) => (ipset.problems()?, ipset.sizes()?),
            Inner::Dry(..) => (Vec::new(), Vec::new()),
        };
        Ok(Health { backend, problems, sets })
    }

    /// Packets and bytes dropped so far, rule by rule (nftables only; a rebuilt rule starts at zero).
    ///
    /// # Errors
    /// When the kernel refuses to say.
    pub fn counters(&mut self) -> Result<Vec<Counter>, Error> {
        match &mut self.inner {
            Inner::Nft(nft, _) => nft.counters(),
            Inner::Ipset(_) | Inner::Dry(..) => Ok(Vec::new()),
        }
    }

    /// Replaces the protected networks, and frees what is dropped in them at present.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn protect(&mut self, networks: Vec<IpNet>) -> Result<Applied, Error> {
        let new: Vec<IpNet> = networks.iter().filter(|net| !self.protect.contains(net)).copied().collect();
        self.protect = networks;
        let freed: Vec<Change> = self
            .shadow
            .targets()
            .filter(|target| new.iter().any(|net| target.overlaps(net)))
            .map(Change::Remove)
            .collect();
        self.apply(&freed)
    }

    /// Bans of the SIP ports close these from now on, ranges that do not overlap, and no others. The ipset mode closes every port
    /// anyway.
    ///
    /// # Errors
    /// When the kernel refuses; [`Self::rebuild`] writes them again.
    pub fn close_ports(&mut self, ports: Vec<(u16, u16)>) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Nft(nft, _) => nft.close_ports(ports),
            Inner::Ipset(_) => Ok(()),
            Inner::Dry(_, closed) => {
                *closed = ports;
                Ok(())
            }
        }
    }

    /// The ports that a ban of the SIP ports closes: all, in the ipset mode.
    #[must_use]
    pub fn closed_ports(&self) -> Vec<(u16, u16)> {
        match &self.inner {
            Inner::Nft(nft, _) => nft.ports().to_vec(),
            Inner::Ipset(_) => vec![(0, u16::MAX)],
            Inner::Dry(_, closed) => closed.clone(),
        }
    }

    /// Takes out of the kernel all that we put there.
    ///
    /// # Errors
    /// When the kernel, or `iptables`, refuses.
    pub fn remove_everything(&mut self) -> Result<(), Error> {
        self.shadow.reset(&[]);
        match &mut self.inner {
            Inner::Nft(nft, _) => nft.remove(),
            Inner::Ipset(ipset) => ipset.remove(),
            Inner::Dry(held, _) => {
                tracing::info!(elements = held.len(), "dry run: would remove the whole firewall");
                held.clear();
                Ok(())
            }
        }
    }

    /// Uses only messages that Linux 6.1 (Debian 12) knows, whatever the running kernel is.
    pub fn restrict_to_linux_6_1(&mut self) {
        if let Inner::Nft(nft, _) = &mut self.inner {
            nft.without_destroy();
        }
    }

    /// Whether somebody else changed what is ours since the last call, and what. Cheap, for once a second.
    pub(crate) fn tampered(&mut self) -> Result<Option<String>, Error> {
        self.shadow.expire();
        match &mut self.inner {
            Inner::Nft(_, watch) => {
                let heard = watch.heard();
                Ok(match (heard.foreign, heard.overrun) {
                    (0, false) => None,
                    (0, true) => Some("notifications of the kernel were lost".to_string()),
                    _ => Some(heard.what.to_string()),
                })
            }
            Inner::Ipset(ipset) => ipset.tampered(self.shadow.counts()),
            Inner::Dry(..) => Ok(None),
        }
    }

    /// Readable when [`Self::tampered`] has something to say; `None` when it must be asked from time to time.
    pub(crate) fn signal(&self) -> Option<RawFd> {
        match &self.inner {
            Inner::Nft(_, watch) => Some(watch.as_raw_fd()),
            Inner::Ipset(_) | Inner::Dry(..) => None,
        }
    }

    fn nftables(config: &Config) -> Result<Inner, Error> {
        let nft = Nft::open(config)?;
        let watch = Watch::open(&config.table, nft.port())?;
        Ok(Inner::Nft(Box::new(nft), watch))
    }

    fn permitted(&self, change: &Change) -> Result<Op, Error> {
        let target = change.target();
        match change {
            Change::Remove(_) => Ok(Op { target, wish: None }),
            Change::Add(element) => match refusal(&self.protect, target) {
                Some(error) => Err(error),
                None => Ok(Op { target, wish: Some((element.scope, element.timeout)) }),
            },
        }
    }

    /// In transactions of 1000; a refused one again element by element.
    fn commit(&mut self, ops: &[Op], applied: &mut Applied) -> Result<(), Error> {
        for part in ops.chunks(BATCH) {
            match self.transact(part) {
                Ok(()) => part.iter().for_each(|op| self.note(op, applied)),
                Err(error) if !error.is_elementary() => return Err(error),
                Err(_) => {
                    for op in part {
                        match self.transact(&[*op]) {
                            Ok(()) => self.note(op, applied),
                            // Only what is missing needs room to be taken away (see nft/elements.rs).
                            Err(Error::SetFull { .. }) if op.wish.is_none() => self.note(op, applied),
                            Err(error) if error.is_elementary() => applied.refused.push((op.target, error)),
                            Err(error) => return Err(error),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn transact(&mut self, ops: &[Op]) -> Result<(), Error> {
        if ops.is_empty() {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            let result = match &mut self.inner {
                Inner::Nft(nft, _) => nft.commit(ops),
                Inner::Ipset(ipset) => ipset.commit(ops),
                Inner::Dry(held, _) => {
                    pretend(held, ops);
                    Ok(())
                }
            };
            match result {
                // Every change may be repeated, so one whose answer was lost is simply sent again.
                Err(error) if error.is_passing() && tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    fn note(&mut self, op: &Op, applied: &mut Applied) {
        match op.wish {
            Some((scope, timeout)) => {
                applied.added += 1;
                self.shadow.add(op.target, scope, timeout);
            }
            None => {
                applied.removed += 1;
                self.shadow.remove(op.target);
            }
        }
    }
}

/// Why a target may not be dropped, if so.
fn refusal(protect: &[IpNet], target: Target) -> Option<Error> {
    if target.network().prefix_len() == 0 {
        return Some(Error::Everyone { target });
    }
    let net = protect.iter().find(|net| target.overlaps(net))?;
    Some(Error::Protected { target, net: *net })
}

fn pretend(held: &mut HashMap<Target, Element>, ops: &[Op]) {
    for op in ops {
        match op.wish {
            Some((scope, timeout)) => {
                tracing::info!(target = %op.target, %scope, ?timeout, "dry run: would drop");
                held.insert(op.target, Element { target: op.target, scope, timeout });
            }
            None => {
                tracing::info!(target = %op.target, "dry run: would no longer drop");
                held.remove(&op.target);
            }
        }
    }
}

/// Changes in one transaction: more is not faster, and delays an urgent ban behind it.
const BATCH: usize = 1000;
const TRIES: usize = 3;
