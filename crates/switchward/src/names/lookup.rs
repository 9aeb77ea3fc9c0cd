//! Asks DNS for the addresses of a name, and sifts what it says.
//!
//! IPv4 and IPv6 are asked for apart, because one may be answered and the other not. `/etc/hosts` and search domains count for
//! nothing, and nothing is cached: whoever asks knows the time to live. Start with [`look`].

use super::{HostName, MOST_ADDRESSES};
use guard::printable;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// What DNS said about a name: its IPv4 and its IPv6 addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// A.
    pub v4: Family,
    /// AAAA.
    pub v6: Family,
}

/// What DNS said about the addresses of one family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Family {
    /// These.
    Found(Found),
    /// There are none; whether the whole name does not exist.
    None {
        /// NXDOMAIN.
        no_name: bool,
    },
    /// It did not say: a time-out, SERVFAIL, or nothing that could be allowed.
    Failed(String),
}

/// Addresses that can be allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// In order, each once, at most [`MOST_ADDRESSES`].
    pub addresses: Vec<IpAddr>,
    /// The shortest time to live of all records that led there.
    pub ttl: Duration,
    /// Why others were left out.
    pub left_out: Vec<String>,
}

impl Answer {
    /// The same failure for both.
    pub fn failed(reason: &str) -> Answer {
        Answer { v4: Family::Failed(reason.into()), v6: Family::Failed(reason.into()) }
    }
}

/// A resolver that asks these servers; those of the host when there are none.
///
/// # Errors
/// When the host names none.
pub fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let provider = TokioRuntimeProvider::default();
    let builder = if servers.is_empty() {
        TokioResolver::builder(provider)
            .map_err(|error| format!("/etc/resolv.conf: {}", words(&error.to_string())))?
    } else {
        let config = ResolverConfig::from_name_servers(servers.iter().copied().map(server).collect());
        TokioResolver::builder_with_config(config, provider)
    };
    let mut builder = builder;
    set(builder.options_mut());
    builder.build().map_err(|error| words(&error.to_string()))
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn set(options: &mut ResolverOpts) {
    options.timeout = options.timeout.clamp(Duration::from_secs(1), LONGEST_TRY);
    options.attempts = options.attempts.clamp(1, MOST_TRIES);
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // Their times to live count, too.
    options.preserve_intermediates = true;
}

/// A name server as the configuration writes it: an address, perhaps with a port.
pub fn parse_server(text: &str) -> Option<SocketAddr> {
    let alone = text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    alone.or_else(|| text.parse().ok()).filter(|address| address.port() > 0 && !address.ip().is_unspecified())
}

/// Asks for both families; at most `most` long.
pub async fn look(resolver: &TokioResolver, name: &HostName, most: Duration) -> Answer {
    // With the dot of the root at its end no search domain is tried.
    let Ok(asked) = Name::from_ascii(format!("{name}.")) else {
        return Answer::failed("not a name that DNS knows");
    };
    let both =
        async { tokio::join!(one(resolver, &asked, RecordType::A), one(resolver, &asked, RecordType::AAAA)) };
    match tokio::time::timeout(most, both).await {
        Ok((v4, v6)) => Answer { v4, v6 },
        Err(_) => Answer::failed("no answer in time"),
    }
}

async fn one(resolver: &TokioResolver, name: &Name, kind: RecordType) -> Family {
    let told = |error: &NetError| format!("{kind}: {}", words(&error.to_string()));
    match resolver.lookup(name.clone(), kind).await {
        Ok(lookup) => {
            let records = lookup.answers();
            let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
            let addresses = records.iter().filter_map(|record| match record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            });
            sift(addresses.collect(), Duration::from_secs(ttl.into()))
        }
        Err(error) if error.is_no_records_found() => Family::None { no_name: error.is_nx_domain() },
        Err(error) => Family::Failed(told(&error)),
    }
}

/// Leaves out what must not be allowed and what is too much.
fn sift(mut all: Vec<IpAddr>, ttl: Duration) -> Family {
    all = all.iter().map(IpAddr::to_canonical).collect();
    all.sort_unstable();
    all.dedup();
    let mut found = Found { ttl, ..Found::default() };
    let mut surplus = 0;
    for address in all {
        match silly(address) {
            Some(why) if found.left_out.len() < MOST_TOLD => {
                found.left_out.push(format!("{address} is {why}"));
            }
            Some(_) => {}
            None if found.addresses.len() < MOST_ADDRESSES => found.addresses.push(address),
            None => surplus += 1,
        }
    }
    match (found.addresses.is_empty(), found.left_out.is_empty()) {
        (true, true) => return Family::None { no_name: false },
        (true, false) => {
            return Family::Failed(format!("nothing that can be allowed: {}", found.left_out.join(", ")));
        }
        (false, _) => {}
    }
    if surplus > 0 {
        found.left_out.push(format!("{surplus} more than {MOST_ADDRESSES} addresses"));
    }
    Family::Found(found)
}

/// Why an address cannot be that of another host.
fn silly(address: IpAddr) -> Option<&'static str> {
    let unspecified = "unspecified";
    match address {
        _ if address.is_multicast() => Some("multicast"),
        _ if address.is_loopback() => Some("loopback"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some(unspecified),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("broadcast"),
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some("reserved"),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(unspecified),
        // The /64 is what would be allowed.
        IpAddr::V6(v6) if v6.segments()[..4] == [0; 4] => Some("in the network of the loopback address"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local"),
        _ => None,
    }
}

/// An error's words, fit for a line.
fn words(text: &str) -> String {
    printable(text.chars().take(LONGEST_WORDS).collect::<String>().as_bytes())
}

/// The longest that one server is waited for.
const LONGEST_TRY: Duration = Duration::from_secs(3);
const MOST_TRIES: usize = 2;
/// Addresses that are told one by one when they are refused.
const MOST_TOLD: usize = 8;
const LONGEST_WORDS: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn sifted(texts: &[&str]) -> Family {
        sift(texts.iter().map(|text| text.parse().unwrap()).collect(), Duration::from_secs(60))
    }

    #[test]
    fn addresses_that_are_nobodys_are_left_out_and_told() {
        let Family::Found(found) =
            sifted(&["203.0.113.9", "127.0.0.1", "192.0.2.1", "::ffff:192.0.2.1", "0.0.0.0"])
        else {
            panic!();
        };
        assert_eq!(found.addresses, ["192.0.2.1", "203.0.113.9"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert_eq!(found.left_out, ["0.0.0.0 is unspecified", "127.0.0.1 is loopback"]);
        for (text, why) in [
            ("0.1.2.3", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("250.1.2.3", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "in the network of the loopback address"),
            ("::ffff:127.0.0.1", "loopback"),
            ("ff02::1", "multicast"),
            ("fe80::1", "link-local"),
        ] {
            let Family::Failed(reason) = sifted(&[text]) else { panic!("{text}") };
            assert!(reason.ends_with(why), "{text}: {reason}");
        }
    }

    #[test]
    fn too_many_addresses_are_cut_to_the_smallest_whatever_their_order() {
        let many: Vec<String> = (0..200).map(|n| format!("198.51.100.{n}")).collect();
        let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
        let first = sifted(&many);
        many.reverse();
        assert_eq!(sifted(&many), first);
        let Family::Found(found) = first else { panic!() };
        assert_eq!(found.addresses.len(), MOST_ADDRESSES);
        assert_eq!(found.left_out, ["136 more than 64 addresses"]);
    }

    #[test]
    fn a_name_server_is_an_address_perhaps_with_a_port() {
        let read = |text: &str| parse_server(text).map(|address| address.to_string());
        assert_eq!(read("192.0.2.53").as_deref(), Some("192.0.2.53:53"));
        assert_eq!(read("2001:db8::53").as_deref(), Some("[2001:db8::53]:53"));
        assert_eq!(read("127.0.0.1:5353").as_deref(), Some("127.0.0.1:5353"));
        assert_eq!(read("[2001:db8::53]:5353").as_deref(), Some("[2001:db8::53]:5353"));
        for text in ["", "dns.example", "192.0.2.53:0", "192.0.2.53:", "0.0.0.0"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
