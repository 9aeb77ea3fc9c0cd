//! Where a packet claims to come from, and what a ban can be aimed at.
//!
//! A [`Source`] is what the engine counts by: an IPv4 address, or the /64 of an IPv6 address, because whoever holds one
//! address of a /64 holds all of them (RFC 6177). IPv4-mapped IPv6 (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2) is the
//! IPv4 address. A [`Target`] is what is banned: a source, one address and port, or a network.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What the engine counts by: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

/// Folds an IPv4-mapped IPv6 address to the IPv4 address that it is.
pub fn fold(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

/// Parses an address as a switch or an operator writes it: IPv4, IPv6, `::ffff:a.b.c.d` (folded), `[v6]`.
///
/// A host name, an empty text, a zone (`fe80::1%eth0`) or anything else is no address.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let text = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
    if text.is_empty() || text.len() > 45 {
        return None;
    }
    if let Some(v4) = parse_v4(text) {
        return Some(IpAddr::V4(v4));
    }
    IpAddr::from_str(std::str::from_utf8(text).ok()?).ok().map(fold)
}

/// The common case by hand: four decimal numbers without leading zeros, as `Ipv4Addr::from_str` has it.
fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let (mut index, mut digits, mut value) = (0usize, 0u32, 0u32);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                if digits > 0 && value == 0 {
                    return None;
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return None;
                }
            }
            b'.' => {
                if digits == 0 || index == 3 {
                    return None;
                }
                octets[index] = value as u8;
                index += 1;
                (digits, value) = (0, 0);
            }
            _ => return None,
        }
    }
    if index != 3 || digits == 0 {
        return None;
    }
    octets[3] = value as u8;
    Some(Ipv4Addr::from(octets))
}

impl Source {
    /// The source that an address belongs to.
    pub fn of(ip: IpAddr) -> Source {
        match fold(ip) {
            IpAddr::V4(v4) => Source::V4(v4),
            IpAddr::V6(v6) => Source::V6((u128::from(v6) >> 64) as u64),
        }
    }

    /// The network of this source: a /32 or a /64.
    pub fn net(self) -> IpNet {
        match self {
            Source::V4(v4) => IpNet::V4(Ipv4Net::from(v4)),
            Source::V6(_) => match self.first() {
                IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, 64)),
                IpAddr::V4(v4) => IpNet::V4(Ipv4Net::from(v4)),
            },
        }
    }

    /// The first address of this source: the address itself, or the /64's all-zero interface.
    pub fn first(self) -> IpAddr {
        match self {
            Source::V4(v4) => IpAddr::V4(v4),
            Source::V6(prefix) => IpAddr::V6(Ipv6Addr::from(u128::from(prefix) << 64)),
        }
    }

    /// A number that no other source of the same family has, and the family.
    pub(crate) fn bits(self) -> (u64, bool) {
        match self {
            Source::V4(v4) => (u64::from(u32::from(v4)), false),
            Source::V6(prefix) => (prefix, true),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::V4(v4) => v4.fmt(f),
            Source::V6(_) => write!(f, "{}/64", self.first()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a ban or an allow entry is aimed at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An IPv4 address or an IPv6 /64.
    Host(Source),
    /// One address and source port: one phone of many behind a NAT.
    Port(IpAddr, u16),
    /// A network that is neither a single IPv4 address nor an IPv6 /64.
    Net(IpNet),
}

impl Target {
    /// The target of one address.
    pub fn host(ip: IpAddr) -> Target {
        Target::Host(Source::of(ip))
    }

    /// The target of one address and port.
    pub fn port(ip: IpAddr, port: u16) -> Target {
        Target::Port(fold(ip), port)
    }

    /// The target of a network; a /32, and an IPv6 /64 or what is smaller, are hosts; host bits are cleared.
    pub fn net(net: IpNet) -> Target {
        let net = net.trunc();
        match net {
            IpNet::V4(v4) if v4.prefix_len() == 32 => Target::host(IpAddr::V4(v4.addr())),
            IpNet::V6(v6) if v6.prefix_len() >= 64 => match v6.addr().to_ipv4_mapped() {
                Some(v4) if v6.prefix_len() >= 96 => Ipv4Net::new(v4, v6.prefix_len() - 96)
                    .map_or(Target::Net(net), |mapped| Target::net(IpNet::V4(mapped))),
                _ => Target::host(IpAddr::V6(v6.addr())),
            },
            other => Target::Net(other),
        }
    }

    /// The network that this target covers (a port's is its address).
    pub fn covers(self) -> IpNet {
        match self {
            Target::Host(source) => source.net(),
            Target::Port(ip, _) => IpNet::from(ip),
            Target::Net(net) => net,
        }
    }

    /// Whether any address is covered both by this target and by `net`.
    pub fn overlaps(self, net: &IpNet) -> bool {
        let own = self.covers();
        own.contains(net) || net.contains(&own)
    }
}

/// A text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an IP address nor a CIDR")]
pub struct BadTarget(pub String);

impl FromStr for Target {
    type Err = BadTarget;

    /// Accepts `a.b.c.d`, `a.b.c.d/n`, `v6`, `v6/n`, `a.b.c.d:port`, `[v6]:port`.
    fn from_str(text: &str) -> Result<Target, BadTarget> {
        let text = text.trim();
        if let Some(ip) = parse_ip(text.as_bytes()) {
            return Ok(Target::host(ip));
        }
        if text.contains('/') {
            return text
                .parse::<IpNet>()
                .map(Target::net)
                .map_err(|_| BadTarget(text.chars().take(64).collect()));
        }
        if let Some((host, port)) = text.rsplit_once(':')
            && (host.starts_with('[') || !host.contains(':'))
            && let (Some(ip), Ok(port)) = (parse_ip(host.as_bytes()), port.parse::<u16>())
            && port != 0
        {
            return Ok(Target::port(ip, port));
        }
        Err(BadTarget(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host(source) => source.fmt(f),
            Target::Port(IpAddr::V4(v4), port) => write!(f, "{v4}:{port}"),
            Target::Port(IpAddr::V6(v6), port) => write!(f, "[{v6}]:{port}"),
            Target::Net(net) => net.fmt(f),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        parse_ip(text.as_bytes())
    }

    #[test]
    fn mapped_ipv6_is_the_ipv4_address() {
        assert_eq!(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
        assert_eq!("::ffff:192.0.2.7".parse::<Target>(), "192.0.2.7".parse());
        assert_eq!("::ffff:192.0.2.0/120".parse::<Target>(), "192.0.2.0/24".parse());
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "unknown",
            "pbx.example",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "256.1.1.1",
            "1.2.3.4 ",
            "fe80::1%eth0",
            "1.2.3.-4",
            "...",
            "1..2.3",
        ] {
            assert_eq!(ip(text), None, "{text:?}");
        }
        assert_eq!(parse_ip(&[0xff, 0x31]), None);
    }

    #[test]
    fn the_fast_ipv4_parser_agrees_with_the_standard_one() {
        proptest::proptest!(|(text in "[0-9.]{1,17}")| {
            proptest::prop_assert_eq!(parse_v4(text.as_bytes()), text.parse::<Ipv4Addr>().ok());
        });
        proptest::proptest!(|(bits: u32)| {
            let v4 = Ipv4Addr::from(bits);
            proptest::prop_assert_eq!(parse_v4(v4.to_string().as_bytes()), Some(v4));
        });
    }

    #[test]
    fn a_64_is_one_source() {
        let one = Source::of("2001:db8:0:1::1".parse().unwrap());
        assert_eq!(one, Source::of("2001:db8:0:1:ffff::2".parse().unwrap()));
        assert_ne!(one, Source::of("2001:db8:0:2::1".parse().unwrap()));
        assert_eq!(one.to_string(), "2001:db8:0:1::/64");
    }

    #[test]
    fn targets_read_what_they_print() {
        for text in [
            "192.0.2.1",
            "192.0.2.0/24",
            "2001:db8::/64",
            "2001:db8::/32",
            "192.0.2.1:5060",
            "[2001:db8::1]:5060",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.9/32".parse::<Target>().unwrap().to_string(), "192.0.2.9");
        for text in ["2001:db8::1", "2001:db8::7/128", "2001:db8::/96"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), "2001:db8::/64");
        }
        for text in
            ["", "x", "192.0.2.1:0", "192.0.2.1:99999", "192.0.2.0/33", "2001:db8::1:", "http://192.0.2.1/"]
        {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }
}
