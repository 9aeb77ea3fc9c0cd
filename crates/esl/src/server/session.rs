//! One client of the server: [`Session`] yields its commands as [`Request`]s.
//!
//! The session's owner answers each with [`Session::reply`]; when [`Session::next`] says how it [`Ended`], the
//! connection is closed. Dropping a session closes its connection.

use super::{
    AuthTimeout, Peer, ServerConfig,
    admission::Place,
    outbox::{Fate, Outbox, Pending, Phase},
    stream::{Reader, Stream},
    writer,
};
use crate::{CommandDecoder, CommandFrame, DecodeError, End, reply};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt as _,
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

/// How a session ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The client closed; [`End::Truncated`] when in the middle of a command.
    ByClient(End),
    /// The server closed it through its outbox.
    ByServer,
    /// The client did not read its events and was cut off.
    Killed,
    /// The client did not log in in time; the notice was sent.
    AuthTimeout,
    /// The client sent what is no command; the notice was sent.
    Malformed(DecodeError),
    /// The connection failed.
    Failed(io::Error),
}

/// A command as the client sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    line: Box<[u8]>,
    headers: Vec<Header>,
    body: Box<[u8]>,
}

/// A name and a value.
type Header = (Box<[u8]>, Box<[u8]>);

impl Request {
    /// The first line, without its line end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The first word as it was written; see [`CommandFrame::verb`].
    pub fn verb(&self) -> &[u8] {
        self.line.split(|&b| b == b' ').next().unwrap_or_default()
    }

    /// What follows the first word and one blank; see [`CommandFrame::argument`].
    pub fn argument(&self) -> Option<&[u8]> {
        self.line.iter().position(|&b| b == b' ').map(|at| &self.line[at + 1..])
    }

    /// The value of the first header of this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All headers in order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The bytes after the headers; empty when there are none.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether the line holds a password.
    pub fn is_secret(&self) -> bool {
        let verb = self.verb();
        verb.eq_ignore_ascii_case(b"auth") || verb.eq_ignore_ascii_case(b"userauth")
    }
}

impl From<CommandFrame<'_>> for Request {
    fn from(frame: CommandFrame<'_>) -> Self {
        Self {
            line: frame.line().into(),
            headers: frame.headers().map(|(name, value)| (name.into(), value.into())).collect(),
            body: frame.body().into(),
        }
    }
}

impl std::fmt::Debug for Request {
    /// Never shows a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = if self.is_secret() { self.verb() } else { self.line() };
        write!(f, "{:?}", String::from_utf8_lossy(shown))
    }
}

/// One client. See the module.
#[derive(Debug)]
pub struct Session {
    reader: Reader,
    decoder: CommandDecoder,
    outbox: Outbox,
    phase: watch::Receiver<Phase>,
    peer: Peer,
    place: Place,
    awaited: Awaited,
    linger: Duration,
}

/// What the time-out before the login waits for.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Command(Instant),
    Login(Instant),
    Nothing,
}

impl Session {
    pub(super) fn start(stream: Stream, peer: Peer, place: Place, config: Arc<ServerConfig>) -> Self {
        let (reader, socket) = stream.split();
        let outbox = Outbox::new(config.queue);
        let awaited = match config.auth_timeout {
            AuthTimeout::FirstCommand(within) => Awaited::Command(Instant::now() + within),
            AuthTimeout::Login(within) => Awaited::Login(Instant::now() + within),
            AuthTimeout::Off => Awaited::Nothing,
        };
        let mut greeting = Vec::new();
        reply::auth_request(&mut greeting);
        outbox.reply(&greeting);
        tokio::spawn(writer::run(socket, outbox.clone(), config.linger, config.stall));
        Self {
            reader,
            decoder: CommandDecoder::new(config.limits),
            phase: outbox.watch(),
            outbox,
            peer,
            place,
            awaited,
            linger: config.linger,
        }
    }

    /// Where the client comes from.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The way to the client, for whoever has events for it.
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Queues whole frames, made by [`reply`], that go out before any event that waits.
    pub fn reply(&self, frames: &[u8]) {
        self.outbox.reply(frames);
    }

    /// Says that the client has logged in, which ends [`AuthTimeout::Login`] and frees its place among the strangers.
    pub fn authenticated(&mut self) {
        self.place.known();
        self.awaited = Awaited::Nothing;
    }

    /// The next command. A client that does not read its replies is not read either; once the connection is closed from
    /// this side, commands that had come before are dropped. Not to be cancelled but to end the session.
    ///
    /// # Errors
    /// How the session ended. By then the client was sent what belongs to it, and the connection is closed.
    pub async fn next(&mut self) -> Result<Request, Ended> {
        let ended = loop {
            if let Some(ended) = self.ended_here() {
                break ended;
            }
            match self.decoder.next() {
                Ok(Some(frame)) => {
                    let request = frame.into();
                    if matches!(self.awaited, Awaited::Command(_)) {
                        self.awaited = Awaited::Nothing;
                    }
                    self.room_for_replies().await;
                    match self.ended_here() {
                        Some(ended) => break ended,
                        None => return Ok(request),
                    }
                }
                Ok(None) => {}
                Err(error) => break Ended::Malformed(error),
            }
            if let Err(ended) = self.read().await {
                break ended;
            }
        };
        if matches!(ended, Ended::AuthTimeout | Ended::Malformed(_)) {
            self.say_goodbye();
        }
        self.wind_up().await;
        Err(ended)
    }

    /// Closes the connection with the goodbye notice, as after `exit` or a wrong password: events that wait are
    /// dropped, replies are not.
    pub async fn finish(mut self) {
        self.say_goodbye();
        self.wind_up().await;
    }

    fn say_goodbye(&self) {
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::GOODBYE);
        self.outbox.close(Pending::Discard, &notice);
    }

    async fn room_for_replies(&mut self) {
        tokio::select! {
            () = self.outbox.room_for_replies() => {}
            _ = self.phase.wait_for(|phase| *phase != Phase::Open) => {}
        }
    }

    async fn read(&mut self) -> Result<(), Ended> {
        let deadline = match self.awaited {
            Awaited::Command(at) | Awaited::Login(at) => Some(at),
            Awaited::Nothing => None,
        };
        let expired = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.phase.wait_for(|phase| *phase != Phase::Open) => Ok(()),
            () = expired => Err(Ended::AuthTimeout),
            read = self.reader.read(self.decoder.space()) => match read {
                Ok(0) => Err(Ended::ByClient(self.decoder.finish())),
                Ok(n) => {
                    self.decoder.filled(n);
                    Ok(())
                }
                Err(error) => Err(Ended::Failed(error)),
            },
        }
    }

    /// How the session ended, when it was not by the client.
    fn ended_here(&self) -> Option<Ended> {
        self.outbox.is_closed().then(|| match self.outbox.fate() {
            Fate::Closed => Ended::ByServer,
            Fate::Killed => Ended::Killed,
            Fate::Failed(error) => Ended::Failed(error),
        })
    }

    /// Lets the writer finish and reads what the client still sends: closing with unread bytes would make the kernel
    /// throw the last reply away.
    async fn wind_up(&mut self) {
        self.outbox.close(Pending::Discard, b"");
        // The writer bounds itself by the same time.
        let _ = self.phase.wait_for(|phase| *phase == Phase::Done).await;
        let _ = timeout(self.linger, drain(&mut self.reader)).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outbox.abort();
    }
}

/// Reads and forgets until the client closes.
pub(super) async fn drain(reader: &mut Reader) {
    let mut nowhere = [0; 4096];
    while matches!(reader.read(&mut nowhere).await, Ok(n) if n > 0) {}
}
