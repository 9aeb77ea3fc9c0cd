//! One connection: [`Connection::open`] connects, logs in and subscribes.

use super::{Config, Disconnect, disconnect::quote};
use crate::{
    command::{Command, CommandError},
    frame::{Decoder, Frame, FrameKind},
};
use socket2::{SockRef, TcpKeepalive};
use std::{io::ErrorKind, mem::MaybeUninit, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// A connection that is logged in.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    decoder: Decoder,
    /// Encoded commands that are not written yet.
    waiting: Vec<u8>,
    version: Option<String>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `api/response`: what the command printed, be it a success or not.
    Response(Vec<u8>),
    /// `command/reply`: its text, such as `+OK` or `-ERR permission denied`.
    Text(String),
}

impl Reply {
    fn is_ok(&self) -> bool {
        matches!(self, Self::Text(text) if text.starts_with("+OK"))
    }

    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Response(body) => quote(&body),
        }
    }
}

impl Connection {
    /// Connects, logs in, asks for the version and subscribes to events and log lines.
    ///
    /// # Errors
    /// See [`Disconnect`].
    pub async fn open(config: &Config) -> Result<Self, Disconnect> {
        let mut connection = Self::open_without_events(config).await?;
        let rest = async {
            // A user may be forbidden to ask; then the version stays unknown.
            if let Reply::Response(text) = connection.ask(Command::Api("version")).await?
                && !text.starts_with(b"-")
            {
                connection.version = Some(quote(&text));
            }
            if let Some(subscription) = &config.subscription {
                let reply = connection.ask(Command::Event(subscription)).await?;
                if !reply.is_ok() {
                    return Err(Disconnect::SubscriptionRefused(reply.into_text()));
                }
            }
            if let Some(level) = config.log {
                let reply = connection.ask(Command::Log(level)).await?;
                if !reply.is_ok() {
                    return Err(Disconnect::LogRefused(reply.into_text()));
                }
            }
            Ok(())
        };
        timeout(config.auth_timeout, rest)
            .await
            .map_err(|_| Disconnect::AuthTimeout(config.auth_timeout))??;
        Ok(connection)
    }

    /// Connects and logs in, as for commands.
    ///
    /// # Errors
    /// See [`Disconnect`].
    pub async fn open_without_events(config: &Config) -> Result<Self, Disconnect> {
        let stream = timeout(config.connect_timeout, TcpStream::connect((config.host.as_str(), config.port)))
            .await
            .map_err(|_| Disconnect::ConnectTimeout(config.connect_timeout))?
            .map_err(|error| Disconnect::from_connect(format!("{}:{}", config.host, config.port), error))?;
        stream.set_nodelay(true)?;
        if let Some(idle) = config.keepalive {
            let probes = TcpKeepalive::new().with_time(idle).with_interval(KEEPALIVE_INTERVAL);
            SockRef::from(&stream).set_tcp_keepalive(&probes)?;
        }
        let mut connection =
            Self { stream, decoder: Decoder::new(config.limits), waiting: Vec::new(), version: None };
        timeout(config.auth_timeout, connection.log_in(config))
            .await
            .map_err(|_| Disconnect::AuthTimeout(config.auth_timeout))??;
        Ok(connection)
    }

    /// What `api version` answered, without its line end.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Sends a command, after those that wait. Dropping the future leaves what was not written yet to wait.
    ///
    /// # Errors
    /// [`Disconnect::Configuration`] when it holds what cannot be sent, or why the connection broke.
    pub async fn send(&mut self, command: Command<'_>) -> Result<(), Disconnect> {
        command.encode(&mut self.waiting)?;
        while !self.waiting.is_empty() {
            let written = self.stream.write(&self.waiting).await?;
            self.waiting.drain(..written);
        }
        Ok(())
    }

    /// Lets a command wait until [`Self::turn`] writes it, behind those that wait already.
    ///
    /// # Errors
    /// When it holds what cannot be sent; it does not wait then.
    pub fn queue(&mut self, command: Command<'_>) -> Result<(), CommandError> {
        command.encode(&mut self.waiting)
    }

    /// How many bytes of commands wait to be written.
    pub fn queued(&self) -> usize {
        self.waiting.len()
    }

    /// Writes some of what waits or reads once, whichever can be done first: for whoever sends while events come, so that
    /// neither side waits for the other to read. Gives how many bytes came. Dropping the future loses nothing.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn turn(&mut self) -> Result<usize, Disconnect> {
        if self.waiting.is_empty() {
            return self.read().await;
        }
        let (mut reader, mut writer) = self.stream.split();
        tokio::select! {
            biased;
            written = writer.write(&self.waiting) => {
                let written = written?;
                self.waiting.drain(..written);
                Ok(0)
            }
            read = reader.read(self.decoder.space()) => {
                let read = read?;
                if read == 0 {
                    return Err(self.decoder.finish().into());
                }
                self.decoder.filled(read);
                Ok(read)
            }
        }
    }

    /// Sends a command and waits for its answer. What else arrives meanwhile is passed over.
    ///
    /// # Errors
    /// See [`Self::send`] and [`Self::read`].
    pub async fn ask(&mut self, command: Command<'_>) -> Result<Reply, Disconnect> {
        self.send(command).await?;
        self.wait_for(|frame| match frame.kind() {
            FrameKind::ApiResponse => Some(Reply::Response(frame.body().to_vec())),
            FrameKind::CommandReply => Some(Reply::Text(reply_text(frame))),
            _ => None,
        })
        .await
    }

    /// Reads until `find` is content with a frame.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn wait_for<T>(
        &mut self,
        mut find: impl FnMut(&Frame<'_>) -> Option<T>,
    ) -> Result<T, Disconnect> {
        loop {
            while let Some(frame) = self.next()? {
                if let Some(found) = find(&frame) {
                    return Ok(found);
                }
            }
            self.read().await?;
        }
    }

    /// Reads once from the socket and tells how many bytes came. Dropping the future loses nothing.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn read(&mut self) -> Result<usize, Disconnect> {
        let read = self.stream.read(self.decoder.space()).await?;
        if read == 0 {
            return Err(self.decoder.finish().into());
        }
        self.decoder.filled(read);
        Ok(read)
    }

    /// [`Self::read`], or [`Disconnect::Silent`] when the limit passes first.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn read_within(&mut self, limit: Option<Duration>) -> Result<usize, Disconnect> {
        match limit {
            None => self.read().await,
            Some(limit) => timeout(limit, self.read()).await.unwrap_or(Err(Disconnect::Silent(limit))),
        }
    }

    /// The next frame in the buffer. A rejection or a disconnect notice is an error.
    ///
    /// # Errors
    /// What the server said, or that it was not understood.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows the connection: an iterator cannot")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, Disconnect> {
        let Some(frame) = self.decoder.next()? else {
            return Ok(None);
        };
        match frame.kind() {
            FrameKind::DisconnectNotice => Err(Disconnect::from_notice(frame.body())),
            FrameKind::RudeRejection => Err(Disconnect::AccessDenied(quote(frame.body()))),
            _ => Ok(Some(frame)),
        }
    }

    /// Whether the connection can take a command: nothing is unread and the server has not closed it.
    pub fn is_idle(&self) -> bool {
        // Asks the kernel: the runtime may not have noticed yet that the server closed.
        let peeked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        self.decoder.buffered() == 0 && matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Says `exit` and closes, without waiting for an answer.
    pub async fn exit(&mut self) {
        // The connection ends here, whether or not the server still listens.
        let _ = timeout(EXIT_LIMIT, self.send(Command::Exit)).await;
        let _ = self.stream.shutdown().await;
    }

    async fn log_in(&mut self, config: &Config) -> Result<(), Disconnect> {
        let greeting = self.wait_for(|frame| Some((frame.kind(), quote(frame.head())))).await?;
        if greeting.0 != FrameKind::AuthRequest {
            return Err(Disconnect::Protocol(format!("expected auth/request, got {:?}", greeting.1)));
        }
        let password = config.password.expose();
        let command = match &config.user {
            Some(user) => Command::UserAuth { user, password },
            None => Command::Auth { password },
        };
        match self.ask(command).await? {
            reply if reply.is_ok() => Ok(()),
            Reply::Text(text) if text == crate::reply::INVALID => Err(Disconnect::WrongPassword),
            other => {
                Err(Disconnect::Protocol(format!("the log-in was answered with {:?}", other.into_text())))
            }
        }
    }
}

fn reply_text(frame: &Frame<'_>) -> String {
    quote(frame.reply_text().unwrap_or_default())
}

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// For the last command of a connection.
const EXIT_LIMIT: Duration = Duration::from_secs(1);
