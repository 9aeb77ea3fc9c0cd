//! Addresses and networks as an operator writes them.
//!
//! Start with [`parse_network`], which the HTTP interface may use as well: wherever an address is banned or allowed a
//! CIDR will do. Names are never looked up here.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Why a text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no address.
    #[error("not an IPv4 or IPv6 address")]
    Address,
    /// The part after the slash is no number.
    #[error("no prefix length after the slash")]
    Prefix,
    /// More than 32 (IPv4) or 128 (IPv6).
    #[error("the prefix length exceeds {0}")]
    PrefixTooLong(u8),
}

/// Reads an address (a host: /32 or /128) or a CIDR. Host bits are cut off (`127.0.0.1/8` is `127.0.0.0/8`), and an
/// IPv4-mapped IPv6 address or network (`::ffff:192.0.2.1`) becomes IPv4.
pub fn parse_network(text: &str) -> Result<IpNet, NetworkError> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(digits) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => {
            return Err(NetworkError::Prefix);
        }
        Some(digits) => digits.parse().map_err(|_| NetworkError::PrefixTooLong(longest))?,
    };
    let network = IpNet::new(address, prefix).map_err(|_| NetworkError::PrefixTooLong(longest))?;
    Ok(fold(network).trunc())
}

/// A mapped network is IPv4 when its whole prefix lies in the mapped range.
fn fold(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(MAPPED_BITS)) {
        (Some(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// Whether a host name or address can only mean this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST || mapped_loopback(address),
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn mapped_loopback(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
}

/// Bits in front of the IPv4 address in `::ffff:0:0/96`.
const MAPPED_BITS: u8 = 96;
