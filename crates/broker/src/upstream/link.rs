//! Whether there is a connection, since when, and why not: [`Link`].

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;

/// The state of connections of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// The first try is under way.
    Connecting,
    /// Logged in, and subscribed where there is something to subscribe.
    Up {
        /// Since when.
        since: SystemTime,
    },
    /// There is none; it is tried again and again.
    Down {
        /// Since when.
        since: SystemTime,
        /// Why the last try failed, or the connection ended.
        why: Arc<str>,
        /// Whether trying again helps only after somebody changed something, such as the password.
        needs_mending: bool,
    },
}

impl Link {
    /// Whether there is a connection.
    pub fn is_up(&self) -> bool {
        matches!(self, Link::Up { .. })
    }

    /// Whether there is none, and it was tried.
    pub fn is_down(&self) -> bool {
        matches!(self, Link::Down { .. })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Connecting => f.write_str("connecting"),
            Link::Up { since } => write!(f, "connected for {} s", age(*since).as_secs()),
            Link::Down { since, why, .. } => {
                write!(f, "not connected for {} s: {why}", age(*since).as_secs())
            }
        }
    }
}

/// Tells changes of a [`Link`] to the log and to who asks.
#[derive(Debug)]
pub(super) struct Board {
    /// What the connections are for.
    purpose: &'static str,
    link: watch::Sender<Link>,
}

impl Board {
    pub(super) fn new(purpose: &'static str) -> Board {
        Board { purpose, link: watch::Sender::new(Link::Connecting) }
    }

    pub(super) fn link(&self) -> Link {
        self.link.borrow().clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Gives whether it was not up before.
    pub(super) fn up(&self) -> bool {
        if self.link.borrow().is_up() {
            return false;
        }
        let changed = self.link.send_if_modified(|link| {
            let changed = !link.is_up();
            if changed {
                *link = Link::Up { since: now() };
            }
            changed
        });
        if changed {
            tracing::info!(purpose = self.purpose, "connected to the switch");
        }
        changed
    }

    /// Keeps the time when it was down already.
    pub(super) fn down(&self, reason: &esl::Disconnect) {
        let why: Arc<str> = reason.to_string().into();
        let mut news = false;
        self.link.send_modify(|link| {
            let since = match link {
                Link::Down { since, why: before, .. } => {
                    news = *before != why;
                    *since
                }
                _ => {
                    news = true;
                    now()
                }
            };
            *link = Link::Down { since, why: Arc::clone(&why), needs_mending: reason.needs_mending() };
        });
        if news {
            tracing::warn!(purpose = self.purpose, %why, "not connected to the switch; trying again");
        }
    }
}

pub(super) fn age(since: SystemTime) -> Duration {
    now().duration_since(since).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "for people: since when there is a connection")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
