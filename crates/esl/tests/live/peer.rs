//! A hand-written peer: it sends bytes and reads bytes, and knows the protocol no further than the empty line.

use crate::{captures::capture, transcript::connections};
use std::{future::Future, io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

pub(crate) use crate::transcript::Step;

pub(crate) const AUTH_REQUEST: &str = "Content-Type: auth/request\n\n";
pub(crate) const ACCEPTED: &str = "Content-Type: command/reply\nReply-Text: +OK accepted\n\n";
pub(crate) const VERSION: &str =
    "Content-Type: api/response\nContent-Length: 49\n\nFreeSWITCH Version 1.11.2-release~64bit ( 64bit)\n";
pub(crate) const LISTENING: &str =
    "Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n";

/// Nothing in these tests takes nearly so long; a test that hangs fails with it.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("a step of the conversation did not happen")
}

/// A listening socket on loopback.
pub(crate) struct Peer {
    listener: TcpListener,
}

impl Peer {
    pub(crate) async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub(crate) async fn accept(&self) -> Talk {
        Talk { stream: soon(self.listener.accept()).await.unwrap().0 }
    }

    /// Whether somebody waits to be accepted.
    pub(crate) async fn is_called(&self, within: Duration) -> bool {
        timeout(within, self.listener.accept()).await.is_ok()
    }
}

impl From<TcpListener> for Peer {
    fn from(listener: TcpListener) -> Self {
        Self { listener }
    }
}

/// One accepted connection.
pub(crate) struct Talk {
    stream: TcpStream,
}

impl Talk {
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Like [`Self::say`], to a client that may have closed.
    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Reads exactly this.
    pub(crate) async fn hear(&mut self, expected: &str) {
        let mut bytes = vec![0; expected.len()];
        soon(self.stream.read_exact(&mut bytes))
            .await
            .unwrap_or_else(|error| panic!("expected {expected:?}: {error}"));
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    /// Reads one command without a body; `None` when the client closed.
    pub(crate) async fn command(&mut self) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\n\n") {
            match soon(self.stream.read_u8()).await {
                Ok(byte) => text.push(byte),
                Err(_) if text.is_empty() => return None,
                Err(error) => panic!("half a command: {error}"),
            }
        }
        Some(String::from_utf8(text).unwrap())
    }

    /// Waits until the client closes and gives back what it still said.
    pub(crate) async fn until_closed(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match soon(self.stream.read_to_end(&mut rest)).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        rest
    }

    pub(crate) async fn log_in(&mut self) {
        self.say(AUTH_REQUEST).await;
        self.hear("auth ClueCon\n\n").await;
        self.say(ACCEPTED).await;
    }

    /// The log-in of an event client, up to its subscription.
    pub(crate) async fn subscribe(&mut self, command: &str) {
        self.log_in().await;
        self.hear("api version\n\n").await;
        self.say(VERSION).await;
        self.hear(command).await;
        self.say(LISTENING).await;
    }

    /// Plays a conversation of `api.txt` from its beginning, until either side has nothing left to say.
    pub(crate) async fn play(&mut self, title: &str) {
        let file = capture("api.txt");
        let (_, steps) = connections(&file).into_iter().find(|(name, _)| name.starts_with(title)).unwrap();
        for step in steps {
            match step {
                Step::Server(bytes) => self.say(bytes).await,
                Step::Client(bytes) => self.hear(std::str::from_utf8(&bytes).unwrap()).await,
            }
        }
    }
}
