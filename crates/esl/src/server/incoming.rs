//! A client at the door: [`Incoming`], and where it comes from: [`Peer`].

use super::{
    ServerConfig, Session,
    admission::Place,
    session,
    stream::{Duplex, Stream},
};
use crate::reply;
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

/// Where a client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over a Unix socket: as whom the process ran when it connected (`SO_PEERCRED`).
    Unix {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// Process, where the system tells.
        pid: Option<i32>,
    },
}

impl Peer {
    /// The address, over TCP.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix { .. } => None,
        }
    }

    /// The address without port, over TCP; an IPv4 one in the dress of IPv6 is an IPv4 one.
    pub fn ip(self) -> Option<IpAddr> {
        self.address().map(|address| address.ip().to_canonical())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid, .. } => write!(f, "uid {uid}"),
        }
    }
}

/// A client that has connected and was sent nothing yet.
#[derive(Debug)]
pub struct Incoming {
    stream: Stream,
    peer: Peer,
    place: Place,
    config: Arc<ServerConfig>,
}

impl Incoming {
    pub(super) fn new(stream: Stream, peer: Peer, place: Place, config: Arc<ServerConfig>) -> Self {
        Self { stream, peer, place, config }
    }

    /// Where the client comes from.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Lets `handshake` make another stream of the connection, such as TLS, in this time. Meant for the client's own
    /// task, so that one who is slow holds up nobody.
    ///
    /// # Errors
    /// What `handshake` says, or that it took too long; the connection is then closed.
    pub async fn secure<S: Duplex, F: Future<Output = io::Result<S>>>(
        self,
        within: Duration,
        handshake: impl FnOnce(Box<dyn Duplex>) -> F,
    ) -> io::Result<Self> {
        let stream: Box<dyn Duplex> = match self.stream {
            Stream::Tcp(stream) => Box::new(stream),
            Stream::Unix(stream) => Box::new(stream),
            Stream::Other(stream) => stream,
        };
        let secured = timeout(within, handshake(stream)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(Self { stream: Stream::Other(Box::new(secured)), ..self })
    }

    /// Greets the client with `auth/request`. Must be called inside a tokio runtime: the writer is a task.
    pub fn welcome(self) -> Session {
        Session::start(self.stream, self.peer, self.place, self.config)
    }

    /// Sends the client away as FreeSWITCH's access list does, without asking for a password.
    pub async fn refuse(self) {
        let mut bytes = Vec::new();
        reply::rude_rejection(&mut bytes);
        let (mut reader, mut writer) = self.stream.split();
        // A client that is already gone needs no rejection.
        let _ = timeout(self.config.linger, async {
            writer.write_all(&bytes).await?;
            writer.shutdown().await?;
            session::drain(&mut reader).await;
            io::Result::Ok(())
        })
        .await;
    }
}
