//! Which set a target lives in: [`Slot`] names a set, [`Key`] is the element's bytes in it.
//!
//! Networks do not share one interval set. Each prefix length in use has a hash set of its own, looked up with the
//! packet's address masked to that length. So nested and overlapping networks stand side by side, each with its own
//! timeout (an interval set refuses overlaps, and a merged one would lose the narrower ban when the wider ends), and
//! adding one costs as little as adding a host. Hosts are simply the lengths 32 and 64. Their sets and those of
//! address and port exist always, the others from their first element on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::target::{HOST_PREFIX_V6, Scope, Target, v4_net, v6_net};

/// One set of our table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot {
    pub(crate) scope: Scope,
    pub(crate) family: Family,
    pub(crate) shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Family {
    V4,
    V6,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    /// The source address cut to so many bits.
    Prefix(u8),
    /// The source address and the source port.
    Port,
}

impl Slot {
    /// The sets that always exist.
    pub(crate) fn base() -> impl Iterator<Item = Self> {
        [Scope::All, Scope::Sip].into_iter().flat_map(|scope| {
            [Family::V4, Family::V6].into_iter().flat_map(move |family| {
                [Shape::Prefix(family.host()), Shape::Port].map(|shape| Self { scope, family, shape })
            })
        })
    }

    /// Where a target (in normal form) of a scope lives, and as what.
    pub(crate) fn of(target: Target, scope: Scope) -> (Self, Key) {
        let (family, shape, key) = match target {
            Target::Host(IpAddr::V4(ip)) => (Family::V4, Shape::Prefix(32), Key::new(&ip.octets())),
            Target::Host(IpAddr::V6(ip)) => {
                (Family::V6, Shape::Prefix(HOST_PREFIX_V6), Key::new(&ip.octets()))
            }
            Target::Net(net) => {
                let key = match net.network() {
                    IpAddr::V4(ip) => Key::new(&ip.octets()),
                    IpAddr::V6(ip) => Key::new(&ip.octets()),
                };
                let family = if net.network().is_ipv4() { Family::V4 } else { Family::V6 };
                (family, Shape::Prefix(net.prefix_len()), key)
            }
            Target::HostPort(IpAddr::V4(ip), port) => {
                (Family::V4, Shape::Port, Key::with_port(&ip.octets(), port))
            }
            Target::HostPort(IpAddr::V6(ip), port) => {
                (Family::V6, Shape::Port, Key::with_port(&ip.octets(), port))
            }
        };
        (Self { scope, family, shape }, key)
    }

    /// The target that an element of this set stands for; `None` when it is not one that we could have made.
    pub(crate) fn target(self, key: &[u8]) -> Option<Target> {
        if key.len() != self.key_length() {
            return None;
        }
        let ip = match self.family {
            Family::V4 => IpAddr::V4(Ipv4Addr::from(*key.first_chunk::<4>()?)),
            Family::V6 => IpAddr::V6(Ipv6Addr::from(*key.first_chunk::<16>()?)),
        };
        let target = match (self.shape, ip) {
            (Shape::Port, _) => {
                let port = key.get(self.family.length()..)?.first_chunk::<2>()?;
                Target::HostPort(ip, u16::from_be_bytes(*port))
            }
            (Shape::Prefix(32), IpAddr::V4(_)) | (Shape::Prefix(HOST_PREFIX_V6), IpAddr::V6(_)) => {
                Target::Host(ip)
            }
            (Shape::Prefix(prefix), IpAddr::V4(ip)) => Target::Net(v4_net(ip, prefix).into()),
            (Shape::Prefix(prefix), IpAddr::V6(ip)) => Target::Net(v6_net(ip, prefix).into()),
        };
        let (back, bytes) = Self::of(target.normal(), self.scope);
        (back == self && bytes.bytes() == key).then_some(target)
    }

    /// Its name in the kernel, for people to read: `all_v4`, `sip_v6_port`, `all_v4_net24`.
    pub(crate) fn name(self) -> String {
        let scope = match self.scope {
            Scope::All => "all",
            Scope::Sip => "sip",
        };
        let family = match self.family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        match self.shape {
            Shape::Port => format!("{scope}_{family}_port"),
            Shape::Prefix(prefix) if prefix == self.family.host() => format!("{scope}_{family}"),
            Shape::Prefix(prefix) => format!("{scope}_{family}_net{prefix}"),
        }
    }

    /// The set of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '_');
        let scope = match parts.next()? {
            "all" => Scope::All,
            "sip" => Scope::Sip,
            _ => return None,
        };
        let family = match parts.next()? {
            "v4" => Family::V4,
            "v6" => Family::V6,
            _ => return None,
        };
        let shape = match parts.next() {
            None => Shape::Prefix(family.host()),
            Some("port") => Shape::Port,
            Some(net) => Shape::Prefix(net.strip_prefix("net")?.parse().ok()?),
        };
        let slot = Self { scope, family, shape };
        let fits = !matches!(shape, Shape::Prefix(prefix) if usize::from(prefix) > family.length() * 8);
        (fits && slot.name() == name).then_some(slot)
    }

    /// The same set for the other scope.
    pub(crate) fn sibling(self) -> Self {
        let scope = if self.scope == Scope::All { Scope::Sip } else { Scope::All };
        Self { scope, ..self }
    }

    /// Bytes of an element's key. A port takes four, as every field of a concatenation is padded.
    pub(crate) fn key_length(self) -> usize {
        self.family.length() + if self.shape == Shape::Port { 4 } else { 0 }
    }

    /// The type number by which `nft` prints the elements (its own numbering, include/datatype.h of nftables):
    /// ipv4_addr 7, ipv6_addr 8, inet_service 13, six bits for each field of a concatenation.
    pub(crate) fn key_type(self) -> u32 {
        let address = match self.family {
            Family::V4 => 7,
            Family::V6 => 8,
        };
        if self.shape == Shape::Port { address << 6 | 13 } else { address }
    }
}

impl Family {
    /// Bytes of an address.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The prefix length that stands for one host.
    pub(crate) fn host(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => HOST_PREFIX_V6,
        }
    }
}

/// An element's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    bytes: [u8; 20],
    length: u8,
}

impl Key {
    fn new(address: &[u8]) -> Self {
        let mut key = Self { bytes: [0; 20], length: address.len() as u8 };
        key.bytes[..address.len()].copy_from_slice(address);
        key
    }

    fn with_port(address: &[u8], port: u16) -> Self {
        let mut key = Self::new(address);
        key.bytes[address.len()..address.len() + 2].copy_from_slice(&port.to_be_bytes());
        key.length += 4;
        key
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    fn any_target() -> impl Strategy<Value = Target> {
        let address = prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
            any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
        ];
        (address, any::<u16>(), 0u8..129, 0u8..3).prop_map(|(ip, port, prefix, kind)| match kind {
            0 => Target::host(ip),
            1 => Target::host_port(ip, port),
            _ => {
                let prefix = if ip.is_ipv4() { prefix % 33 } else { prefix };
                Target::net(IpNet::new(ip, prefix).unwrap())
            }
        })
    }

    proptest! {
        #[test]
        fn a_target_comes_back_from_its_set_and_key(target in any_target(), sip in any::<bool>()) {
            let scope = if sip { Scope::Sip } else { Scope::All };
            let (slot, key) = Slot::of(target, scope);
            prop_assert_eq!(slot.target(key.bytes()), Some(target));
            prop_assert_eq!(Slot::parse(&slot.name()), Some(slot));
            prop_assert_eq!(slot.sibling().sibling(), slot);
            prop_assert_eq!(key.bytes().len(), slot.key_length());
        }

        #[test]
        fn any_name_and_key_are_read_without_a_panic(
            name in "(all|sip|x)_?(v4|v6)?(_net[0-9]{0,3}|_port)?", key in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            if let Some(slot) = Slot::parse(&name) {
                let _ = slot.target(&key);
            }
        }
    }
}
