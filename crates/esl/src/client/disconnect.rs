//! Why a connection did not come about or ended: [`Disconnect`].

use crate::{
    command::CommandError,
    frame::{DecodeError, End},
};
use std::{io, sync::Arc, time::Duration};

/// Why a connection did not come about or ended. Its text tells the operator what to do where he can do something.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// Nobody listens: FreeSWITCH is not running (yet), or its event socket has another port.
    #[error("nobody listens at {0}: is FreeSWITCH running, and is this its event socket's port?")]
    Refused(String),
    /// The host cannot be reached, or its name cannot be resolved.
    #[error("cannot reach {address}: {error}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// No connection within the limit.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// Connected, but not logged in within the limit.
    #[error("connected, but not logged in within {0:?}")]
    AuthTimeout(Duration),
    /// The password, or the user, is wrong.
    #[error("wrong event socket password (or user)")]
    WrongPassword,
    /// The server's access list does not allow our address.
    #[error("our address is refused by the event socket's apply-inbound-acl: {0}")]
    AccessDenied(String),
    /// The server did not accept the subscription.
    #[error("the subscription is refused: {0}")]
    SubscriptionRefused(String),
    /// The server does not let us read its log.
    #[error("the log is refused: {0}")]
    LogRefused(String),
    /// The peer does not speak as an event socket does.
    #[error("not understood: {0}")]
    Protocol(String),
    /// A frame is larger than allowed, or its length is no length.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The configuration holds what cannot be sent.
    #[error("cannot be sent: {0}")]
    Configuration(#[from] CommandError),
    /// Not a byte came for so long, although heartbeats are subscribed: the server hangs or the network is gone.
    #[error("silent for {0:?}")]
    Silent(Duration),
    /// The server is being stopped.
    #[error("FreeSWITCH is being shut down")]
    ServerShutdown,
    /// The server gave up because we read too slowly: events were lost.
    #[error("FreeSWITCH dropped us because we read too slowly; events were lost")]
    KilledListener,
    /// The server sent another disconnect notice.
    #[error("disconnected by the server: {0}")]
    Notice(String),
    /// The connection was closed without a notice.
    #[error("closed by the server without a notice")]
    Closed,
    /// The connection was closed in the middle of a frame.
    #[error("closed by the server within a frame, after {bytes} of its bytes")]
    Truncated {
        /// How much of it had come.
        bytes: usize,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(Arc<io::Error>),
    /// [`Handle::reconnect`](super::Handle::reconnect).
    #[error("asked to reconnect")]
    Requested,
}

impl Disconnect {
    /// Whether trying again helps only after somebody changed something: the password, the access list, or what we
    /// are configured to send.
    pub fn needs_mending(&self) -> bool {
        matches!(
            self,
            Self::WrongPassword
                | Self::AccessDenied(_)
                | Self::SubscriptionRefused(_)
                | Self::Configuration(_)
        )
    }

    pub(super) fn from_connect(address: String, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused(address),
            _ => Self::Unreachable { address, error: Arc::new(error) },
        }
    }

    pub(super) fn from_notice(text: &[u8]) -> Self {
        let text = quote(text);
        if text.starts_with("The system is being shut down") {
            Self::ServerShutdown
        } else if text.starts_with("killed listener") {
            Self::KilledListener
        } else {
            Self::Notice(text)
        }
    }
}

/// What a peer said, fit for a log line: no control characters and not endless.
pub(crate) fn quote(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(LONGEST_QUOTE)]);
    text.trim_end().replace(|c: char| c.is_control(), " ")
}

impl From<End> for Disconnect {
    fn from(end: End) -> Self {
        match end {
            End::Clean => Self::Closed,
            End::Truncated { bytes } => Self::Truncated { bytes },
            End::Notice(text) => Self::from_notice(&text),
        }
    }
}

impl From<io::Error> for Disconnect {
    fn from(error: io::Error) -> Self {
        Self::Broken(Arc::new(error))
    }
}

const LONGEST_QUOTE: usize = 500;
