//! What a [`crate::Firewall`] says of itself and of its work.

use std::fmt;

use crate::error::Error;
use crate::target::Target;

/// Which mechanism a [`crate::Firewall`] uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A table of our own.
    Nftables,
    /// Classic ipsets with iptables rules.
    Ipset,
    /// None: the wishes are only logged.
    DryRun,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nftables => "nftables",
            Self::Ipset => "ipset",
            Self::DryRun => "dry run",
        })
    }
}

/// What became of some changes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Targets that are now in the kernel as wished.
    pub added: usize,
    /// Targets that are now not in the kernel.
    pub removed: usize,
    /// Targets that the kernel, or the protection, would not take.
    pub refused: Vec<(Target, Error)>,
}

/// What it took to make the kernel hold a list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// Elements that were missing or had another scope or timeout.
    pub added: usize,
    /// Elements that should not have been there.
    pub removed: usize,
    /// Elements that were there already.
    pub kept: usize,
    /// Those that could not be put in.
    pub refused: Vec<(Target, Error)>,
}

/// Whether the kernel still has what we set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Which mechanism.
    pub backend: Backend,
    /// What is missing or was changed by somebody else, in words; empty is healthy.
    pub problems: Vec<String>,
    /// The sets.
    pub sets: Vec<SetHealth>,
}

impl Health {
    /// Nothing is missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One set of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHealth {
    /// Its name.
    pub name: String,
    /// How many elements; `None` when the kernel does not tell without a listing (nftables before Linux 6.16).
    pub elements: Option<u64>,
    /// How many it may hold.
    pub max: u32,
}

/// What one rule has dropped since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The set that the rule looks up.
    pub name: String,
    /// Packets dropped.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}
