//! Commands to one server over connections of their own: [`Pool`].
//!
//! A connection carries one command at a time and goes back only after its whole answer: an answer that comes too
//! late dies with its connection and can never be taken for the next one's. Connections are opened when needed and
//! kept; background jobs have as many of their own, so that a slow job holds up no other command.

use crate::{
    client::{Config, Connection, Disconnect, Reply, quote},
    command::{Command, CommandError, Subscription},
    event::Format,
    frame::FrameKind,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// Sends commands to one server. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    /// How many `api` commands may run at once.
    commands: Semaphore,
    /// How many background jobs may be waited for at once.
    jobs: Semaphore,
    size: usize,
    idle: Mutex<Vec<Connection>>,
}

/// Why a command has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No connection: the command was not sent.
    #[error("not connected to FreeSWITCH: {0}")]
    NotConnected(Disconnect),
    /// The connection broke before the answer: the command may have been carried out.
    #[error("the connection was lost before the answer: {0}")]
    Lost(Disconnect),
    /// No answer in time: the command may still be carried out.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server did not take the command.
    #[error("refused: {0}")]
    Refused(String),
    /// The user may not use the command.
    #[error("permission denied")]
    Denied,
    /// The command holds what could add another command, or nothing.
    #[error(transparent)]
    Invalid(#[from] CommandError),
    /// The answer is larger than allowed.
    #[error("the answer is too large: {0}")]
    TooLarge(crate::frame::DecodeError),
}

impl Pool {
    /// A pool of up to `size` connections for `api` and as many for `bgapi`; opens none yet. `size` 0 counts as 1.
    pub fn new(config: Config, size: usize) -> Self {
        let size = size.max(1);
        let shared = Shared {
            config,
            commands: Semaphore::new(size),
            jobs: Semaphore::new(size),
            size,
            idle: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Sends `api COMMAND` and gives back what it printed, which begins with `-ERR` when the command failed.
    /// `limit` counts from now and includes waiting for a connection.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn api(&self, command: &str, limit: Duration) -> Result<Vec<u8>, CallError> {
        Command::Api(command).to_bytes()?;
        within(limit, self.run_api(command)).await
    }

    /// Sends `bgapi COMMAND` and waits for what the job printed. `limit` counts from now.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn bgapi(&self, command: &str, limit: Duration) -> Result<Vec<u8>, CallError> {
        Command::BgApi { command, job: None }.to_bytes()?;
        within(limit, self.run_job(command)).await
    }

    /// Closes the connections that are not in use, as after a change of the server.
    pub fn close_idle(&self) {
        self.idle().clear();
    }

    /// How many connections are open and not in use.
    pub fn idle_connections(&self) -> usize {
        self.idle().len()
    }

    async fn run_api(&self, command: &str) -> Result<Vec<u8>, CallError> {
        // The semaphores are never closed; with an error the command would only run unbounded.
        let _permit = self.shared.commands.acquire().await.ok();
        let mut connection = self.connection().await?;
        let reply = connection.ask(Command::Api(command)).await.map_err(CallError::lost)?;
        self.put_back(connection);
        match reply {
            Reply::Response(body) => Ok(body),
            Reply::Text(text) => Err(CallError::refused(text)),
        }
    }

    async fn run_job(&self, command: &str) -> Result<Vec<u8>, CallError> {
        let _permit = self.shared.jobs.acquire().await.ok();
        let mut connection = self.connection().await?;
        let events = Subscription::new(Format::Plain).event("BACKGROUND_JOB");
        accepted(connection.ask(Command::Event(&events)).await)?;
        let job = job_uuid();
        connection.send(Command::BgApi { command, job: Some(&job) }).await.map_err(CallError::lost)?;
        // The job may end before the reply to `bgapi` comes.
        let mut output = None;
        let mut started = false;
        let result = connection
            .wait_for(|frame| {
                match frame.kind() {
                    FrameKind::CommandReply if !started => match frame.reply_text() {
                        Some(text) if text.starts_with(b"+OK") => started = true,
                        text => return Some(Err(CallError::refused(quote(text.unwrap_or_default())))),
                    },
                    FrameKind::Event(_) => {
                        if let Some(Ok(event)) = frame.event()
                            && event.name() == b"BACKGROUND_JOB"
                            && event.header("Job-UUID").is_some_and(|value| value.eq_decoded(job.as_bytes()))
                        {
                            output = Some(
                                event.body().map(|body| body.decoded().into_owned()).unwrap_or_default(),
                            );
                        }
                    }
                    _ => {}
                }
                if started { output.take().map(Ok) } else { None }
            })
            .await
            .map_err(CallError::lost)?;
        // Without this the connection would collect the jobs of others unread.
        if matches!(connection.ask(Command::NoEvents).await, Ok(Reply::Text(_))) {
            self.put_back(connection);
        }
        result
    }

    /// One that is idle and alive, or a new one.
    async fn connection(&self) -> Result<Connection, CallError> {
        loop {
            let Some(connection) = self.idle().pop() else { break };
            if connection.is_idle() {
                return Ok(connection);
            }
        }
        Connection::open_without_events(&self.shared.config).await.map_err(CallError::NotConnected)
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < self.shared.size {
            idle.push(connection);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallError {
    fn lost(why: Disconnect) -> Self {
        match why {
            Disconnect::Decode(error @ crate::frame::DecodeError::BodyTooLarge { .. }) => {
                Self::TooLarge(error)
            }
            Disconnect::Configuration(error) => Self::Invalid(error),
            why => Self::Lost(why),
        }
    }

    fn refused(text: String) -> Self {
        if text == crate::reply::PERMISSION_DENIED { Self::Denied } else { Self::Refused(text) }
    }
}

fn accepted(reply: Result<Reply, Disconnect>) -> Result<(), CallError> {
    match reply.map_err(CallError::lost)? {
        Reply::Text(text) if text.starts_with("+OK") => Ok(()),
        Reply::Text(text) => Err(CallError::refused(text)),
        Reply::Response(_) => {
            Err(CallError::Lost(Disconnect::Protocol("an api/response to a command".into())))
        }
    }
}

/// Drops the call, and with it its connection, when the limit passes.
async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout(limit, call).await.unwrap_or(Err(CallError::Timeout(limit)))
}

/// A random UUID, version 4.
fn job_uuid() -> String {
    let random = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{random:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_job_uuid_is_a_random_version_4_uuid() {
        let uuid = super::job_uuid();
        let lengths: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        assert_ne!(uuid, super::job_uuid());
    }
}
