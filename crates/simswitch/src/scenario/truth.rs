//! Who is who in a scenario: [`GroundTruth`].

use crate::step::ActorId;
use std::net::IpAddr;

/// What a ban of somebody would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Wrong.
    Healthy,
    /// A phone with a wrong password, trying on and on: a ban of its address and port is right; of its whole address
    /// is wrong when other phones share it.
    Misconfigured,
    /// Right.
    Attacker,
    /// Wrong: somebody else forges its address.
    Victim,
}

/// Where packets come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// The address, or the first of a network.
    pub address: IpAddr,
    /// The length of the network's prefix.
    pub prefix: u8,
    /// The port, if there is only one.
    pub port: Option<u16>,
}

impl Source {
    /// One address, any port.
    pub fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix, port: None }
    }

    /// One address and port.
    pub fn socket(address: IpAddr, port: u16) -> Self {
        Self { port: Some(port), ..Self::host(address) }
    }

    /// A network.
    pub fn network(address: IpAddr, prefix: u8) -> Self {
        Self { address, prefix, port: None }
    }

    /// Whether packets from there are its.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let bits = |address| match address {
            IpAddr::V4(v4) => (32, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (128, v6.to_bits()),
        };
        let ((width, ours), (other_width, other)) = (bits(self.address), bits(address));
        let host_bits = width - u32::from(self.prefix).min(width);
        width == other_width
            && ours.checked_shr(host_bits) == other.checked_shr(host_bits)
            && self.port.is_none_or(|ours| ours == port)
    }
}

/// One actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Its number; somebody who only suffers has none.
    pub actor: Option<ActorId>,
    /// What it plays, such as `password cracker`.
    pub role: &'static str,
    /// What it is.
    pub label: Label,
    /// Where its own packets come from. Empty for who forges every address.
    pub sources: Vec<Source>,
    /// Its account, if it is a phone.
    pub account: Option<String>,
}

/// All actors and victims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroundTruth {
    pub(super) entries: Vec<Truth>,
    pub(super) labels: Vec<Label>,
}

impl GroundTruth {
    /// Everybody.
    pub fn entries(&self) -> &[Truth] {
        &self.entries
    }

    /// What an actor is.
    pub fn label(&self, actor: ActorId) -> Option<Label> {
        self.labels.get(actor.0 as usize).copied()
    }

    /// Everybody who sends from an address and port. Phones and an attacker may share an address.
    pub fn at(&self, address: IpAddr, port: u16) -> impl Iterator<Item = &Truth> {
        self.entries
            .iter()
            .filter(move |truth| truth.sources.iter().any(|source| source.contains(address, port)))
    }

    /// Everybody who sends from an address, from whatever port.
    pub fn at_address(&self, address: IpAddr) -> impl Iterator<Item = &Truth> {
        self.entries.iter().filter(move |truth| {
            truth.sources.iter().any(|source| Source { port: None, ..*source }.contains(address, 0))
        })
    }
}
