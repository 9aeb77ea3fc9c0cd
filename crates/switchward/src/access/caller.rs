//! Who asks: the peer of the connection, and what it proved.
//!
//! [`Arrival`] is what the listener knows, [`Who`] what the request's credential made of it. What a header says about other addresses
//! counts for nothing.

use super::role::Role;
use super::tls::Certificate;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The way in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Door {
    /// TCP.
    #[default]
    Http,
    /// TLS.
    Https,
    /// The Unix socket.
    Socket,
    /// The event socket door, without TLS.
    Esl,
    /// The event socket door with TLS.
    EslTls,
    /// The event socket door's Unix socket.
    EslSocket,
}

impl Door {
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

/// How somebody proved who they are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proof {
    /// Not at all; the address is all there is.
    #[default]
    None,
    /// A token.
    Token,
    /// Name and password.
    Basic,
    /// A client certificate.
    Certificate,
    /// The Unix socket could be opened.
    Socket,
}

/// A connection, as the listener saw it come.
#[derive(Clone, Default, Debug)]
pub struct Arrival {
    /// The peer's address, an IPv4-mapped one folded; none on the Unix socket.
    pub peer: Option<IpAddr>,
    /// The way in.
    pub door: Door,
    /// The client certificate, which was found to be in order.
    pub certificate: Option<Arc<Certificate>>,
    /// The user at the other end of the Unix socket.
    pub uid: Option<u32>,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Who {
    /// The peer's address, an IPv4-mapped one folded; `None` on the Unix socket, or when the server did not tell.
    pub peer: Option<IpAddr>,
    /// The way in.
    pub door: Door,
    /// How they proved it.
    pub proof: Proof,
    /// The name of the token, the user or the certificate, "uid 0" on the Unix socket; empty when nothing was proved.
    pub name: Arc<str>,
    /// What they may do in this request, by their credential or by their address.
    pub role: Option<Role>,
    /// What the directory said that knew the password, when it was not the users file.
    pub identity: Option<Arc<broker::Identity>>,
}

impl Who {
    /// Somebody of whom only the connection is known.
    pub fn stranger(arrival: &Arrival) -> Who {
        Who { peer: arrival.peer, door: arrival.door, ..Who::default() }
    }

    /// Who made this request: as the gate found, or as far as the connection tells.
    pub(crate) fn of(extensions: &axum::http::Extensions) -> Who {
        let arrived = || extensions.get::<Arrival>().map(Who::stranger);
        extensions.get::<Who>().cloned().or_else(arrived).unwrap_or_default()
    }

    /// Whether a credential was shown, or the Unix socket used.
    pub fn is_proven(&self) -> bool {
        self.proof != Proof::None
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.name, self.peer) {
            ("", Some(peer)) => peer.fmt(f),
            ("", None) => f.write_str("unknown"),
            (name, Some(peer)) => write!(f, "{name} ({peer})"),
            (name, None) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_by_name_and_address() {
        let peer = Some("198.51.100.7".parse().unwrap());
        let who = |name: &str, peer| Who { peer, name: name.into(), ..Who::default() }.to_string();
        assert_eq!(who("alice", peer), "alice (198.51.100.7)");
        assert_eq!(who("", peer), "198.51.100.7");
        assert_eq!(who("uid 0", None), "uid 0");
        assert_eq!(who("", None), "unknown");
    }
}
