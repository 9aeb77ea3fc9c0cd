//! Somebody at a door: who, from where, by which way.

use crate::identity::Identity;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The way in, for the audit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// HTTP without TLS.
    Http,
    /// HTTP with TLS.
    Https,
    /// HTTP over the Unix socket.
    Socket,
    /// The event socket protocol without TLS.
    Esl,
    /// The event socket protocol with TLS.
    EslTls,
    /// The event socket protocol over a Unix socket.
    EslSocket,
}

/// Somebody at a door.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Who.
    pub identity: Identity,
    /// From where; none from this machine's Unix sockets.
    pub source: Option<IpAddr>,
    /// The way in.
    pub door: Door,
}

impl Door {
    /// All of them.
    pub const ALL: [Door; 6] =
        [Door::Http, Door::Https, Door::Socket, Door::Esl, Door::EslTls, Door::EslSocket];

    /// The word in the audit.
    pub fn word(self) -> &'static str {
        match self {
            Door::Http => "http",
            Door::Https => "https",
            Door::Socket => "socket",
            Door::Esl => "esl",
            Door::EslTls => "esl-tls",
            Door::EslSocket => "esl-socket",
        }
    }
}

impl Visit {
    /// Whose limits count. Callers without a credential share them by IPv4 address or IPv6 /64.
    pub(super) fn counted(&self) -> Arc<str> {
        match self.source {
            Some(source) if self.identity.name.is_empty() => network(source).to_string().into(),
            _ => self.identity.name.clone(),
        }
    }
}

fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}
