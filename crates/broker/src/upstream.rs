//! The broker's own connections to one switch: [`Upstream`].
//!
//! Commands go over a pool that is nobody else's ([`Upstream::api`], [`Upstream::message`], [`Upstream::announce`]), background jobs over one
//! connection ([`Upstream::bgapi`]), and one more brings all events and log lines, whoever follows them ([`Hub`]). [`Owners`] knows whose
//! channel is which. A client that binds a connection to a channel gets one of its own ([`Upstream::dedicate`]). What arrives here was
//! judged before: nothing here decides who may do what, and nothing is sent that the codec takes for more than one command.
//!
//! When the switch is gone, a call fails at once and says since when and why; everything comes back by itself.

use crate::line::Line;
use commands::Commands;
use esl::{
    Command,
    client::{Config, Reply},
};
use jobs::Jobs;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinHandle;

mod commands;
mod dedicated;
mod diverted;
mod error;
pub mod hub;
mod jobs;
mod link;
pub mod owners;

pub use dedicated::Dedicated;
pub use diverted::Diverted;
pub use error::CallError;
pub use hub::{Following, Happening, Hub, LogLine, Sink, Wants};
pub use jobs::{JobId, JobResult, NoJobId, Started};
pub use link::Link;
pub use owners::Owners;

/// How much may happen at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Connections for commands at most. Default 64: more than one caller may have under way, so that nobody takes all of them.
    pub connections: usize,
    /// How many of them are kept open while nobody needs them. Default 2.
    pub warm: usize,
    /// Commands that may wait for a connection. Default 1024.
    pub waiting: usize,
    /// Background jobs that may run. Default 1024: they may take long, and cost a place in a table.
    pub jobs: usize,
    /// Dedicated connections at most. Default 64.
    pub dedicated: usize,
    /// The first wait before connecting again, and the longest. Default 200 ms and 5 s.
    pub backoff: (Duration, Duration),
    /// How long what is known about a channel by asking for it is believed. Default 2 s.
    pub owners_kept: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connections: 64,
            warm: 2,
            waiting: 1024,
            jobs: 1024,
            dedicated: 64,
            backoff: (Duration::from_millis(200), Duration::from_secs(5)),
            owners_kept: Duration::from_secs(2),
        }
    }
}

/// What is asked for besides the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// From now to the answer, waiting for a connection included.
    pub limit: Duration,
    /// Bytes of the answer; the rest is cut off.
    pub most: usize,
    /// Whether the command changes nothing: it is tried once more when the connection was lost before the answer.
    pub is_read: bool,
}

/// What a command printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// It begins with `-ERR` when the command failed.
    pub bytes: Vec<u8>,
    /// Whether there was more than [`Ask::most`].
    pub cut: bool,
}

impl Answer {
    pub(crate) fn new(bytes: &[u8], most: usize) -> Answer {
        Answer { bytes: bytes[..bytes.len().min(most)].to_vec(), cut: bytes.len() > most }
    }
}

/// How the connections are.
#[derive(Debug, Clone)]
pub struct State {
    /// Those for commands.
    pub commands: Link,
    /// The one for background jobs.
    pub jobs: Link,
    /// The one for events and log lines.
    pub events: Link,
}

/// What was done since the start, and what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Commands that were sent, a second try included; jobs not.
    pub commands: u64,
    /// Of these: sent once more because the connection was lost.
    pub retried: u64,
    /// Without an answer in time.
    pub timed_out: u64,
    /// Without an answer because the connection was lost.
    pub lost: u64,
    /// Not sent because too many waited.
    pub refused: u64,
    /// Connections opened for commands.
    pub opened: u64,
    /// Commands that wait for a connection now.
    pub waiting: usize,
    /// Connections for commands that are in use now.
    pub busy: usize,
    /// Connections for commands that are open and idle now.
    pub idle: usize,
    /// Jobs that run now.
    pub jobs: usize,
    /// Dedicated connections that are open now.
    pub dedicated: usize,
    /// Events that came.
    pub events: u64,
    /// Log lines that came.
    pub log_lines: u64,
    /// Who follows now.
    pub followers: usize,
    /// How often the connection for events was lost: each time an unknown number of events is missing.
    pub gaps: u64,
}

/// The connections to one switch. See the module. Dropping it closes them.
#[derive(Debug)]
pub struct Upstream {
    commands: Arc<Commands>,
    jobs: Jobs,
    hub: Arc<Hub>,
    owners: Arc<Owners>,
    dedicated: dedicated::Dedicating,
    diverted: diverted::All,
    tasks: Vec<JoinHandle<()>>,
}

impl Upstream {
    /// Begins to connect. Must be called inside a tokio runtime. The subscription in `config` is not used.
    pub fn start(config: Config, settings: Settings) -> Arc<Upstream> {
        let mut config = config;
        config.subscription = None;
        (config.backoff_base, config.backoff_cap) = settings.backoff;
        let commands = Arc::new(Commands::new(config.clone(), &settings));
        let owners = Arc::new(Owners::new(Arc::clone(&commands), settings.owners_kept));
        let hub = Arc::new(Hub::new());
        let (jobs, worker) = jobs::pair(config.clone(), settings.jobs);
        let tasks = vec![
            tokio::spawn(Arc::clone(&commands).keep()),
            tokio::spawn(worker.run()),
            tokio::spawn(hub::run(
                Arc::clone(&hub),
                config.clone(),
                Arc::clone(&owners),
                Arc::clone(&commands),
            )),
        ];
        let dedicated = dedicated::Dedicating::new(config, settings.dedicated);
        Arc::new(Upstream { commands, jobs, hub, owners, dedicated, diverted: Default::default(), tasks })
    }

    /// Runs a command and gives what it printed.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn api(&self, line: Line<'_>, ask: Ask) -> Result<Answer, CallError> {
        let (reply, cut) = self.commands.ask(Command::Api(line.as_str()), ask).await?;
        match reply {
            Reply::Response(bytes) => Ok(Answer { bytes, cut }),
            Reply::Text(text) => Err(CallError::refused(text)),
        }
    }

    /// Starts a command as a background job, with an id of its caller's or a random one. The limit holds for the whole job:
    /// after it nobody waits for the job, but FreeSWITCH cannot stop it. [`Ask::is_read`] does not matter.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn bgapi(&self, line: Line<'_>, job: Option<JobId>, ask: Ask) -> Result<Started, CallError> {
        self.jobs.start(line, job, ask).await
    }

    /// Sends a message to a channel (`sendmsg`) and gives the text of the reply.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn message(
        &self,
        uuid: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        limit: Duration,
    ) -> Result<String, CallError> {
        self.text(Command::SendMsg { uuid: Some(uuid), headers, body }, limit).await
    }

    /// Sends an event to all who listen (`sendevent`) and gives the text of the reply.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn announce(
        &self,
        name: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        limit: Duration,
    ) -> Result<String, CallError> {
        self.text(Command::SendEvent { name, headers, body }, limit).await
    }

    /// Opens a connection for one client alone, for what binds a connection to a channel (`myevents`, `linger`).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn dedicate(&self) -> Result<Dedicated, CallError> {
        self.dedicated.open(&self.commands).await
    }

    /// Events and log lines.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Whose channel is which.
    pub fn owners(&self) -> &Arc<Owners> {
        &self.owners
    }

    /// How the connections are.
    pub fn state(&self) -> State {
        State { commands: self.commands.link(), jobs: self.jobs.link(), events: self.hub.link() }
    }

    /// What was done, and what is there.
    pub fn counts(&self) -> Counts {
        let mut counts = self.commands.counts();
        counts.jobs = self.jobs.running();
        counts.dedicated = self.dedicated.open_now();
        self.hub.count(&mut counts);
        counts
    }

    async fn text(&self, command: Command<'_>, limit: Duration) -> Result<String, CallError> {
        let ask = Ask { limit, most: usize::MAX, is_read: false };
        match self.commands.ask(command, ask).await?.0 {
            Reply::Text(text) => Ok(text),
            Reply::Response(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
