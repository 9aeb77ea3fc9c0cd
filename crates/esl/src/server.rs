//! The server side of the event socket, over tokio: [`Server`] accepts, [`Session`] yields commands, [`Outbox`] takes
//! replies and events.
//!
//! It owns framing, writing, time-outs, queues, and how many may come in. What a command means, who may log in and which
//! client wants which event is for its user to say: take an [`Incoming`], [`Incoming::welcome`] or [`Incoming::refuse`]
//! it, then loop over [`Session::next`] and answer through [`Session::reply`]. Clones of a session's [`Outbox`] push
//! events from anywhere; pushing never waits, so a client that does not read blocks nobody.

use crate::Limits;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, UnixListener},
    time::sleep,
};

mod admission;
mod incoming;
mod outbox;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub use admission::{Admitted, ClientLimits};
pub use incoming::{Incoming, Peer};
pub use outbox::{Outbox, Overflow, Pending, Pushed, QueueLimits, QueueStats};
pub use session::{Ended, Request, Session};
pub use stream::Duplex;

use admission::Gate;
use stream::Stream;

/// How a server treats its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// How long a client may stay without logging in.
    pub auth_timeout: AuthTimeout,
    /// How many clients there may be.
    pub clients: ClientLimits,
    /// What may wait for a client that reads slowly.
    pub queue: QueueLimits,
    /// How large a command may be.
    pub limits: Limits,
    /// How long the last bytes to a client, and its own last bytes, are waited for when a connection is closed.
    pub linger: Duration,
    /// How long a client may take nothing at all while something is being written to it, before it is cut off as one
    /// that does not read. `None`: for ever.
    pub stall: Option<Duration>,
}

impl Default for ServerConfig {
    /// As FreeSWITCH, but for commands of at most 64 KiB of headers and 1 MiB of body.
    fn default() -> Self {
        Self {
            auth_timeout: AuthTimeout::FirstCommand(Duration::from_secs(25)),
            clients: ClientLimits::default(),
            queue: QueueLimits::default(),
            limits: Limits { header: 64 * 1024, body: 1024 * 1024 },
            linger: Duration::from_secs(5),
            stall: None,
        }
    }
}

/// When a client that does not log in is sent away with the disconnect notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthTimeout {
    /// As FreeSWITCH: any first command, whatever it is, switches the time-out off.
    FirstCommand(Duration),
    /// Until [`Session::authenticated`] is called.
    Login(Duration),
    /// Never.
    Off,
}

/// A listening event socket.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    gate: Arc<Gate>,
    config: Arc<ServerConfig>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says about the address.
    pub async fn bind(address: SocketAddr, config: ServerConfig) -> io::Result<Self> {
        Ok(Self::new(Listener::Tcp(TcpListener::bind(address).await?), config))
    }

    /// Takes clients from a TCP listener.
    pub fn over_tcp(listener: TcpListener, config: ServerConfig) -> Self {
        Self::new(Listener::Tcp(listener), config)
    }

    /// Takes clients from a Unix socket. Who may open its file is for its maker to say.
    pub fn over_unix(listener: UnixListener, config: ServerConfig) -> Self {
        Self::new(Listener::Unix(listener), config)
    }

    fn new(listener: Listener, config: ServerConfig) -> Self {
        Self { listener, gate: Arc::new(Gate::new(config.clients)), config: Arc::new(config) }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says; a Unix socket has no such address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.listener {
            Listener::Tcp(listener) => listener.local_addr(),
            Listener::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// Who is in, and how many were sent away.
    pub fn admitted(&self) -> Admitted {
        self.gate.admitted()
    }

    /// The next client. Nothing is sent to it yet. Clients beyond [`ServerConfig::clients`] are closed without a word.
    /// While no more sockets can be had, it waits until they can. Cancelling loses no client.
    ///
    /// # Errors
    /// When the listener itself is of no more use; the failure of one client's connection is none.
    pub async fn accept(&self) -> io::Result<Incoming> {
        loop {
            let (stream, peer) = match self.next().await {
                Ok(client) => client,
                Err(error) if is_of_one_client(&error) => continue,
                Err(error) if is_for_want_of_sockets(&error) => {
                    self.gate.starved();
                    sleep(UNTIL_SOCKETS).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(place) = Gate::enter(&self.gate, peer.ip()) {
                return Ok(Incoming::new(stream, peer, place, Arc::clone(&self.config)));
            }
        }
    }

    async fn next(&self) -> io::Result<(Stream, Peer)> {
        match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Without it small replies wait for the client's delayed acknowledgements; a client that is gone
                // already is noticed later.
                let _ = stream.set_nodelay(true);
                let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&stream::keepalive());
                Ok((Stream::Tcp(stream), Peer::Tcp(address)))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let cred = stream.peer_cred()?;
                let peer = Peer::Unix { uid: cred.uid(), gid: cred.gid(), pid: cred.pid() };
                Ok((Stream::Unix(stream), peer))
            }
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    // accept(2): "treat them like EAGAIN by retrying".
    const NETWORK: [i32; 8] = [
        /* EPERM */ 1, /* EPROTO */ 71, /* ENOPROTOOPT */ 92, /* EOPNOTSUPP */ 95,
        /* ENETDOWN */ 100, /* ENETUNREACH */ 101, /* EHOSTDOWN */ 112,
        /* EHOSTUNREACH */ 113,
    ];
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
    ) || error.raw_os_error().is_some_and(|code| NETWORK.contains(&code))
}

/// ENOMEM, ENFILE, EMFILE, ENOBUFS.
fn is_for_want_of_sockets(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}

/// Before another try to accept when the process or the system has no socket left.
const UNTIL_SOCKETS: Duration = Duration::from_millis(50);
