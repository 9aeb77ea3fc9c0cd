//! What a SIP client does to the switch: [`Step`] and [`Action`].
//!
//! A step is one thing that a phone or an attacker does, from an address and port. What the switch makes of it (its
//! events, now and later) is the world's business.

use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Which actor of a scenario does it; see [`Scenario::ground_truth`](crate::Scenario::ground_truth).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u32);

/// One thing that a SIP client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who does it.
    pub actor: ActorId,
    /// Where the packets seem to come from.
    pub source: SocketAddr,
    /// What it is.
    pub action: Action,
}

/// What a SIP client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A REGISTER on the internal profile, and the answer to its challenge if `credentials` say so.
    Register {
        /// Who registers.
        client: Client,
        /// How the challenge is answered.
        credentials: Credentials,
        /// Seconds; 0 unregisters.
        expires: u32,
    },
    /// An INVITE on the internal profile, which challenges it.
    Call {
        /// Who calls.
        client: Client,
        /// What is dialled.
        number: Arc<str>,
        /// How the challenge is answered.
        credentials: Credentials,
        /// How long it rings before it is answered.
        ring: Duration,
        /// How long it is talked, if it is answered.
        talk: Option<Duration>,
    },
    /// A SUBSCRIBE or MESSAGE on the internal profile. Its challenge makes an event, what follows makes none, right or
    /// wrong.
    Ask {
        /// Who asks.
        client: Client,
        /// Which of the two.
        method: Method,
        /// Whom it is about, or who is written to.
        number: Arc<str>,
        /// How the challenge is answered.
        credentials: Credentials,
    },
    /// An INVITE on the external profile, which asks nobody for credentials and finds no route.
    PublicCall {
        /// Who calls.
        client: Client,
        /// What is dialled.
        number: Arc<str>,
    },
}

/// A method of [`Action::Ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SUBSCRIBE, as a phone's keys send it.
    Subscribe,
    /// MESSAGE.
    Message,
}

/// What a request says about its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The user of the From header and of the Authorization header.
    pub user: Arc<str>,
    /// The Call-ID.
    pub call_id: Arc<str>,
    /// The User-Agent.
    pub agent: Arc<str>,
}

/// How a client answers the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all. An INVITE then hangs for 10 s.
    None,
    /// Rightly, after a challenge.
    Fresh,
    /// Rightly and at once, with a nonce from before.
    Cached,
    /// At once, with a nonce that is no longer valid; then rightly.
    Stale,
    /// With a wrong password, after a challenge.
    Wrong,
    /// With a wrong password and the nonce of an earlier challenge: no new challenge.
    WrongAgain,
    /// With a nonce that the switch never made; never rightly.
    MadeUp,
}
