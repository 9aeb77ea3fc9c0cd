//! What a switch saw a source do: the guard's only input.
//!
//! Each kind of switch has a module elsewhere that turns its events into an [`Observation`]; nothing here knows one
//! switch from another. All texts are bytes that the source may have chosen: decoded, not validated. Start with
//! [`Observation`], then [`What`] and [`Evidence`].

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// How hard an observation is to forge. Ordered: a stronger grade is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// One packet with a forged sender makes it.
    Forgeable,
    /// The sender had to quote something that the switch had sent to somebody (a nonce).
    Likely,
    /// The sender received what the switch sent to the address: a connection, a registration that succeeded.
    Proven,
}

impl Evidence {
    /// The word for it, as in logs and answers.
    pub fn word(self) -> &'static str {
        match self {
            Evidence::Forgeable => "forgeable",
            Evidence::Likely => "likely",
            Evidence::Proven => "proven",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Evidence {
    /// All grades, the easiest to forge first.
    pub const ALL: [Evidence; 3] = [Evidence::Forgeable, Evidence::Likely, Evidence::Proven];
}

/// How the request travelled, as far as the event tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Transport {
    /// The event does not tell.
    #[default]
    Unknown,
    /// Datagrams: the source address can be forged.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket, plain or over TLS.
    WebSocket,
}

impl Transport {
    /// Whether a sender with a forged address cannot use it.
    pub fn is_connected(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Tls | Transport::WebSocket)
    }
}

/// The SIP method whose credentials were refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// REGISTER.
    Register,
    /// INVITE.
    Invite,
    /// Another one, or the event does not tell.
    Other,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What<'a> {
    /// A request without usable credentials was answered with a challenge. Every healthy phone makes these.
    Challenged,
    /// The credentials quoted a nonce that is no longer valid; the phone was challenged again. Not a failure.
    StaleNonce,
    /// Credentials were checked and refused: the first of two events of one attempt; it counts nothing by itself.
    Refused,
    /// Credentials were checked and refused: the event that counts.
    AuthFailed(Method),
    /// Credentials were checked and right (a registration, a call, a query of bindings).
    AuthSucceeded,
    /// A contact was bound for so many seconds.
    Registered {
        /// Lifetime of the binding in seconds.
        expires: u32,
    },
    /// A binding was removed by the phone.
    Unregistered,
    /// A binding ran out or was flushed.
    Expired,
    /// Credentials for the guard's own interface were wrong. The sender completed a handshake, so this is proven.
    LoginFailed,
    /// A challenged call that never came back with credentials.
    CallAbandoned,
    /// A call came in (inbound leg).
    CallStarted {
        /// The switch's name of the call, for a hang-up.
        call: &'a [u8],
        /// The number dialled.
        destination: &'a [u8],
        /// Whether the caller proved an account.
        authenticated: bool,
        /// Whether the switch let the caller in without that, for his address: its access list, or that of an account.
        admitted: bool,
    },
    /// An inbound call was answered.
    CallAnswered {
        /// The switch's name of the call.
        call: &'a [u8],
    },
    /// An inbound call ended.
    CallEnded {
        /// The switch's name of the call.
        call: &'a [u8],
        /// The hang-up cause (Q.850 name).
        cause: &'a [u8],
        /// Seconds between answer and end.
        billed: u32,
        /// Whether the switch itself refused the call of somebody who proved no account, before it tried to reach anybody.
        refused: bool,
    },
    /// Credentials were checked for an account that the switch does not have. Of a REGISTER or INVITE it is told beside the
    /// failure ([`What::AuthFailed`]) and is no second attempt; of a SUBSCRIBE or MESSAGE it is all that is ever told.
    UnknownAccount,
    /// An access list of the switch refused the address for calls or registrations (forgeable).
    AclRejected,
    /// An access list of the switch refused a client of its event socket: proven, and no SIP.
    ClientRefused,
    /// The switch refused a session because too many were new in this second, or too many there; it does not tell whose.
    OverSessionRate,
    /// The switch made a leg of its own, to a gateway or to a phone, for a call that it has or of its own accord (outbound leg).
    LegStarted {
        /// The switch's name of the leg.
        call: &'a [u8],
        /// The leg that it was made for; empty when there is none.
        origin: &'a [u8],
        /// The gateway that it leaves by; empty when it goes to a phone.
        gateway: &'a [u8],
        /// The number that it calls.
        destination: &'a [u8],
    },
    /// A leg to a gateway was answered.
    LegAnswered {
        /// The switch's name of the leg.
        call: &'a [u8],
    },
    /// A leg to a gateway ended.
    LegEnded {
        /// The switch's name of the leg.
        call: &'a [u8],
        /// Seconds between answer and end.
        billed: u32,
    },
    /// The switch says that it is alive.
    Heartbeat,
    /// The switch started.
    SwitchStarted {
        /// Seconds that it has been up already.
        up: u32,
    },
    /// The switch is going down.
    SwitchStopping,
}

/// The word for each kind of [`What`], as metrics show it.
pub const WHATS: [&str; 23] = [
    "challenged",
    "stale-nonce",
    "refused",
    "auth-failed",
    "auth-succeeded",
    "registered",
    "unregistered",
    "expired",
    "call-abandoned",
    "call-started",
    "call-answered",
    "call-ended",
    "heartbeat",
    "switch-started",
    "switch-stopping",
    "login-failed",
    "unknown-account",
    "acl-rejected",
    "over-session-rate",
    "client-refused",
    "leg-started",
    "leg-answered",
    "leg-ended",
];

impl What<'_> {
    /// Whether it tells of the switch itself and so never has a source.
    pub(crate) fn is_of_the_switch(&self) -> bool {
        matches!(
            self,
            What::OverSessionRate
                | What::Heartbeat
                | What::SwitchStarted { .. }
                | What::SwitchStopping
                | What::LegStarted { .. }
                | What::LegAnswered { .. }
                | What::LegEnded { .. }
        )
    }

    /// Its place in [`WHATS`].
    pub(crate) fn number(&self) -> usize {
        match self {
            What::Challenged => 0,
            What::StaleNonce => 1,
            What::Refused => 2,
            What::AuthFailed(_) => 3,
            What::AuthSucceeded => 4,
            What::Registered { .. } => 5,
            What::Unregistered => 6,
            What::Expired => 7,
            What::CallAbandoned => 8,
            What::CallStarted { .. } => 9,
            What::CallAnswered { .. } => 10,
            What::CallEnded { .. } => 11,
            What::Heartbeat => 12,
            What::SwitchStarted { .. } => 13,
            What::SwitchStopping => 14,
            What::LoginFailed => 15,
            What::UnknownAccount => 16,
            What::AclRejected => 17,
            What::OverSessionRate => 18,
            What::ClientRefused => 19,
            What::LegStarted { .. } => 20,
            What::LegAnswered { .. } => 21,
            What::LegEnded { .. } => 22,
        }
    }
}

/// One thing a switch saw a source do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation<'a> {
    /// Index of the switch in the configuration.
    pub switch: u16,
    /// What happened.
    pub what: What<'a>,
    /// The source address of the packet, folded; `None` when the event has none or it is no address.
    pub ip: Option<IpAddr>,
    /// The source port of the packet; 0 when unknown.
    pub port: u16,
    /// How the request travelled.
    pub transport: Transport,
    /// How hard this is to forge.
    pub evidence: Evidence,
    /// User part of the account that was tried or proved; empty when unknown.
    pub user: &'a [u8],
    /// Domain of the account or of the caller, as the sender wrote it where that is told; empty when unknown.
    pub domain: &'a [u8],
    /// The domain in which the switch looked for the account, where it tells that of a sender who may have written another; empty when not.
    pub account_domain: &'a [u8],
    /// The user agent; empty when unknown.
    pub agent: &'a [u8],
    /// The switch's own name for where the request came in (of FreeSWITCH, the sofia profile); empty when unknown.
    pub profile: &'a [u8],
}

impl<'a> Observation<'a> {
    /// An observation of `what` with nothing else known.
    pub fn of(switch: u16, what: What<'a>) -> Observation<'a> {
        Observation {
            switch,
            what,
            ip: None,
            port: 0,
            transport: Transport::Unknown,
            evidence: Evidence::Forgeable,
            user: b"",
            domain: b"",
            account_domain: b"",
            agent: b"",
            profile: b"",
        }
    }
}
