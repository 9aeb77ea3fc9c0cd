//! The commands that clients sent: [`Received`].

use esl::server::Request;
use std::{net::SocketAddr, time::Instant};

/// One command as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which connection; the first of a switch is 1.
    pub client: u64,
    /// From where.
    pub peer: SocketAddr,
    /// When.
    pub at: Instant,
    /// The command, its headers and its body, passwords included.
    pub request: Request,
}

impl Received {
    /// The first line.
    pub fn line(&self) -> String {
        String::from_utf8_lossy(self.request.line()).into_owned()
    }
}
