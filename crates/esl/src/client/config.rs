//! Where the server is and how to behave towards it: [`Config`].

use crate::{command::Subscription, frame::Limits};
use std::{fmt, hint::black_box, time::Duration};

/// How to reach a server. Build it with [`Config::new`] and set what should differ.
#[derive(Debug, Clone)]
pub struct Config {
    /// A name or an address.
    pub host: String,
    /// FreeSWITCH's default is 8021.
    pub port: u16,
    /// Of the event socket, or of the user when there is one.
    pub password: Password,
    /// `user@domain` for `userauth`; without it `auth` is used.
    pub user: Option<String>,
    /// What to receive. A command pool ignores it.
    pub subscription: Option<Subscription>,
    /// The least important level of log lines to receive, 0 (console) to 7 (debug); they come as
    /// [`Incoming::Frame`](super::Incoming). A command pool ignores it.
    pub log: Option<u8>,
    /// For looking the name up and connecting. Default 5 s.
    pub connect_timeout: Duration,
    /// For the log-in and the subscription together. Default 10 s.
    pub auth_timeout: Duration,
    /// The first wait before connecting again. Default 5 s.
    pub backoff_base: Duration,
    /// The longest wait. Default 60 s.
    pub backoff_cap: Duration,
    /// How long a connection that HEARTBEAT is subscribed on may be silent: FreeSWITCH sends one every 20 s. Default
    /// 60 s, doubled after each silence up to 10 min, because the server's interval can be set; `None` waits for ever.
    pub silence_limit: Option<Duration>,
    /// How long a connection is idle before TCP asks whether the peer lives. Default 30 s; `None` never asks.
    pub keepalive: Option<Duration>,
    /// How large a frame may be.
    pub limits: Limits,
}

impl Config {
    /// With the defaults of every field.
    pub fn new(host: impl Into<String>, port: u16, password: impl Into<Password>) -> Self {
        Self {
            host: host.into(),
            port,
            password: password.into(),
            user: None,
            subscription: None,
            log: None,
            connect_timeout: Duration::from_secs(5),
            auth_timeout: Duration::from_secs(10),
            backoff_base: Duration::from_secs(5),
            backoff_cap: Duration::from_secs(60),
            silence_limit: Some(Duration::from_secs(60)),
            keepalive: Some(Duration::from_secs(30)),
            limits: Limits::default(),
        }
    }

    pub(crate) fn expects_heartbeats(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| subscription.includes("HEARTBEAT"))
    }
}

/// A password: never shown, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password itself, for sending it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        black_box(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", Config::new("localhost", 8021, "s3cret"));
        assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
    }
}
