//! What can be dropped: one address, one address and source port, or a network, and how widely.
//!
//! [`Target`]'s constructors bring every spelling of a source to one form, so that a ban and the unban of the same
//! source always meet: an IPv4-mapped IPv6 address is the IPv4 address, an IPv6 host is its /64 (RFC 4291 section
//! 2.5.1: one subscriber owns 2^64 addresses), a /32 or an IPv6 /64 network is a host, host bits of a network are
//! cleared. Start with [`Target`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The source whose packets are dropped. Build it with [`Target::host`], [`Target::host_port`] or [`Target::net`];
/// a variant built by hand is brought to the same form before it reaches the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// One IPv4 address, or the /64 that an IPv6 address is in.
    Host(IpAddr),
    /// One address and one UDP or TCP source port: a single phone behind a NAT. An IPv6 address is meant exactly,
    /// but with a host part of zero (never a sender's address) it means its whole /64.
    HostPort(IpAddr, u16),
    /// Every address of a network.
    Net(IpNet),
}

impl Target {
    /// One IPv4 address or the /64 of an IPv6 address.
    #[must_use]
    pub fn host(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::Host(IpAddr::V4(ip)),
            IpAddr::V6(ip) => Self::Host(IpAddr::V6(subnet(ip))),
        }
    }

    /// One address and one source port, over UDP and TCP.
    #[must_use]
    pub fn host_port(ip: IpAddr, port: u16) -> Self {
        Self::HostPort(ip.to_canonical(), port)
    }

    /// A network; a /32 (IPv4) or /64 (IPv6) is the host of that name, `::ffff:a.b.c.d/96+n` is `a.b.c.d/n`.
    #[must_use]
    pub fn net(net: IpNet) -> Self {
        let net = match net {
            IpNet::V6(six) => unmap(six).unwrap_or(net).trunc(),
            IpNet::V4(_) => net.trunc(),
        };
        match net {
            IpNet::V4(four) if four.prefix_len() == 32 => Self::Host(IpAddr::V4(four.addr())),
            IpNet::V6(six) if six.prefix_len() == HOST_PREFIX_V6 => Self::Host(IpAddr::V6(six.addr())),
            other => Self::Net(other),
        }
    }

    /// The same target in the one form that the sets hold.
    #[must_use]
    pub fn normal(self) -> Self {
        match self {
            Self::Host(ip) => Self::host(ip),
            Self::HostPort(ip, port) => Self::host_port(ip, port),
            Self::Net(net) => Self::net(net),
        }
    }

    /// Every address that the target covers, as a network.
    #[must_use]
    pub fn network(self) -> IpNet {
        match self.normal() {
            Self::Net(net) => net,
            Self::Host(IpAddr::V4(ip)) | Self::HostPort(IpAddr::V4(ip), _) => IpNet::V4(v4_net(ip, 32)),
            Self::Host(IpAddr::V6(ip)) => IpNet::V6(v6_net(ip, HOST_PREFIX_V6)),
            Self::HostPort(IpAddr::V6(ip), _) if ip == subnet(ip) => IpNet::V6(v6_net(ip, HOST_PREFIX_V6)),
            Self::HostPort(IpAddr::V6(ip), _) => IpNet::V6(v6_net(ip, 128)),
        }
    }

    /// Whether some address is in both the target and `net`.
    #[must_use]
    pub fn overlaps(self, net: &IpNet) -> bool {
        let own = self.network();
        own.contains(&net.network()) || net.contains(&own.network())
    }

    /// Whether a packet from this address and source port is meant.
    #[must_use]
    pub fn covers(self, ip: IpAddr, port: u16) -> bool {
        let port_fits = !matches!(self, Self::HostPort(_, own) if own != port);
        port_fits && self.network().contains(&ip.to_canonical())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.normal() {
            Self::Host(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Host(IpAddr::V6(ip)) => write!(f, "{ip}/{HOST_PREFIX_V6}"),
            Self::HostPort(IpAddr::V4(ip), port) => write!(f, "{ip}:{port}"),
            Self::HostPort(IpAddr::V6(ip), port) => write!(f, "[{ip}]:{port}"),
            Self::Net(net) => write!(f, "{net}"),
        }
    }
}

/// Which packets of the source are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Only those to the SIP ports (see [`crate::Config::sip_ports`]). The ipset mode cannot tell ports apart by
    /// set, and drops everything instead.
    Sip,
    /// Every packet.
    All,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sip => "SIP ports",
            Self::All => "everything",
        })
    }
}

/// One entry of the kernel's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Element {
    /// Whose packets.
    pub target: Target,
    /// Which of them.
    pub scope: Scope,
    /// How long from now; `None` is for ever. Less than a second counts as one second.
    pub timeout: Option<Duration>,
}

/// One wish to the kernel. A change is idempotent: carrying it out twice is the same as once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Drop the target; timeout and scope of one that is there already are replaced.
    Add(Element),
    /// Let the target through again; one that is not there is no error.
    Remove(Target),
}

impl Change {
    /// Whom it is about, in normal form.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self::Add(element) => element.target.normal(),
            Self::Remove(target) => target.normal(),
        }
    }
}

/// The /64 network address.
pub(crate) fn subnet(ip: Ipv6Addr) -> Ipv6Addr {
    mask_v6(ip, HOST_PREFIX_V6)
}

/// The address with all bits after the prefix cleared.
pub(crate) fn mask_v6(ip: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & mask)
}

/// `::ffff:a.b.c.d/n` with n of 96 or more, as the IPv4 network it is.
fn unmap(net: Ipv6Net) -> Option<IpNet> {
    let four = net.addr().to_ipv4_mapped()?;
    let prefix = net.prefix_len().checked_sub(96)?;
    Some(IpNet::V4(v4_net(four, prefix)))
}

/// A network of a prefix length that is known to be good; a longer one is cut to a host.
pub(crate) fn v4_net(ip: Ipv4Addr, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(ip, prefix.min(32)).trunc()
}

/// As [`v4_net`].
pub(crate) fn v6_net(ip: Ipv6Addr, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(ip, prefix.min(128)).trunc()
}

/// An IPv6 host is counted and dropped as this much of its address.
pub(crate) const HOST_PREFIX_V6: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn every_spelling_of_a_source_is_one_target() {
        assert_eq!(Target::host(ip("::ffff:192.0.2.1")), Target::host(ip("192.0.2.1")));
        assert_eq!(Target::host(ip("2001:db8::1")), Target::host(ip("2001:db8::ffff:2")));
        assert_ne!(Target::host(ip("2001:db8::1")), Target::host(ip("2001:db8:0:1::1")));
        assert_eq!(Target::net(net("192.0.2.1/32")), Target::host(ip("192.0.2.1")));
        assert_eq!(Target::net(net("2001:db8::7/64")), Target::host(ip("2001:db8::1")));
        assert_eq!(Target::net(net("::ffff:192.0.2.9/120")), Target::net(net("192.0.2.0/24")));
        assert_eq!(Target::net(net("192.0.2.77/24")), Target::Net(net("192.0.2.0/24")));
        assert_eq!(Target::host_port(ip("::ffff:192.0.2.1"), 5060), Target::HostPort(ip("192.0.2.1"), 5060));
    }

    #[test]
    fn a_target_says_what_it_covers_and_overlaps() {
        let wide = Target::net(net("192.0.2.0/24"));
        assert!(wide.covers(ip("192.0.2.255"), 1) && !wide.covers(ip("192.0.3.0"), 1));
        let phone = Target::host_port(ip("192.0.2.1"), 5062);
        assert!(phone.covers(ip("192.0.2.1"), 5062) && !phone.covers(ip("192.0.2.1"), 5063));
        assert!(Target::host(ip("2001:db8::1")).overlaps(&net("2001:db8::99/128")));
        assert!(wide.overlaps(&net("192.0.2.7/32")) && wide.overlaps(&net("192.0.0.0/16")));
        assert!(!wide.overlaps(&net("192.0.3.0/24")) && !wide.overlaps(&net("2001:db8::/32")));
    }

    #[test]
    fn a_target_prints_as_an_operator_writes_it() {
        assert_eq!(Target::host(ip("192.0.2.1")).to_string(), "192.0.2.1");
        assert_eq!(Target::host(ip("2001:db8::5")).to_string(), "2001:db8::/64");
        assert_eq!(Target::host_port(ip("2001:db8::5"), 5060).to_string(), "[2001:db8::5]:5060");
        assert_eq!(Target::net(net("198.51.100.0/24")).to_string(), "198.51.100.0/24");
    }
}
