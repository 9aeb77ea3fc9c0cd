//! The server side of the event socket, over tokio: [`Server`] accepts, [`Session`] yields commands, [`Outbox`] takes
//! replies and events.
//!
//! It owns framing, writing, time-outs and queues. What a command means, who may log in and which client wants which
//! event is for its user to say: take an [`Incoming`], [`Incoming::welcome`] or [`Incoming::refuse`] it, then loop
//! over [`Session::next`] and answer through [`Session::reply`]. Clones of a session's [`Outbox`] push events from
//! anywhere; pushing never waits, so a client that does not read blocks nobody.

use crate::{Limits, reply};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

mod outbox;
mod session;
#[cfg(test)]
mod tests;
mod writer;

pub use outbox::{Outbox, Overflow, Pending, Pushed, QueueLimits, QueueStats};
pub use session::{Ended, Request, Session};

/// How a server treats its connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// How long a client may stay without logging in.
    pub auth_timeout: AuthTimeout,
    /// What may wait for a client that reads slowly.
    pub queue: QueueLimits,
    /// How large a command may be.
    pub limits: Limits,
    /// How long the last bytes to a client, and its own last bytes, are waited for when a connection is closed.
    pub linger: Duration,
}

impl Default for ServerConfig {
    /// As FreeSWITCH, but for commands of at most 64 KiB of headers and 1 MiB of body.
    fn default() -> Self {
        Self {
            auth_timeout: AuthTimeout::FirstCommand(Duration::from_secs(25)),
            queue: QueueLimits::default(),
            limits: Limits { header: 64 * 1024, body: 1024 * 1024 },
            linger: Duration::from_secs(5),
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
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// What the system says about the address.
    pub async fn bind(address: SocketAddr, config: ServerConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, config: Arc::new(config) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next client. Nothing is sent to it yet. Cancelling loses no client.
    ///
    /// # Errors
    /// When no more sockets can be had; the failure of one client's connection is none.
    pub async fn accept(&self) -> io::Result<Incoming> {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it small replies wait for the client's delayed acknowledgements.
                    stream.set_nodelay(true)?;
                    return Ok(Incoming { stream, peer, config: Arc::clone(&self.config) });
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A client that has connected and was sent nothing yet.
#[derive(Debug)]
pub struct Incoming {
    stream: TcpStream,
    peer: SocketAddr,
    config: Arc<ServerConfig>,
}

impl Incoming {
    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Greets the client with `auth/request`. Must be called inside a tokio runtime: the writer is a task.
    pub fn welcome(self) -> Session {
        Session::start(self.stream, self.peer, self.config)
    }

    /// Sends the client away as FreeSWITCH's access list does, without asking for a password.
    pub async fn refuse(mut self) {
        let mut bytes = Vec::new();
        reply::rude_rejection(&mut bytes);
        let linger = self.config.linger;
        // A client that is already gone needs no rejection.
        let _ = tokio::time::timeout(linger, async {
            self.stream.write_all(&bytes).await?;
            self.stream.shutdown().await?;
            let (mut reader, _writer) = self.stream.into_split();
            session::drain(&mut reader).await;
            io::Result::Ok(())
        })
        .await;
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
