//! The pool for commands: [`Commands`].
//!
//! A connection carries one command at a time and goes back only after its whole answer: a slow command holds up no other, and an answer
//! that comes too late dies with its connection. The caller's own task writes and reads, so that a command costs no change of tasks. Who
//! takes a connection takes the one that was used last; [`Commands::keep`] keeps a few open and looks for the switch when it is gone.

use super::{Ask, CallError, Counts, Settings, link::Board};
use crate::upstream::Link;
use esl::{
    Command, Disconnect, FrameKind,
    client::{Backoff, Config, Connection, Reply},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    time::{Instant, sleep, sleep_until, timeout},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Commands {
    config: Config,
    size: usize,
    warm: usize,
    permits: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// The last one was used last.
    idle: Mutex<Vec<Connection>>,
    board: Board,
    /// Something went wrong, or the switch was seen elsewhere: [`Commands::keep`] should look.
    look: Notify,
    /// It should not believe that the switch is there.
    doubted: AtomicBool,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    commands: AtomicU64,
    retried: AtomicU64,
    timed_out: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    opened: AtomicU64,
}

impl Commands {
    pub(super) fn new(config: Config, settings: &Settings) -> Commands {
        let size = settings.connections.clamp(1, MOST_CONNECTIONS);
        Commands {
            config,
            size,
            warm: settings.warm.clamp(1, size),
            permits: Semaphore::new(size),
            waiting: AtomicUsize::new(0),
            most_waiting: settings.waiting,
            idle: Mutex::default(),
            board: Board::new("commands"),
            look: Notify::new(),
            doubted: AtomicBool::new(false),
            tally: Tally::default(),
        }
    }

    pub(super) fn link(&self) -> Link {
        self.board.link()
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Relaxed);
        Counts {
            commands: read(&self.tally.commands),
            retried: read(&self.tally.retried),
            timed_out: read(&self.tally.timed_out),
            lost: read(&self.tally.lost),
            refused: read(&self.tally.refused),
            opened: read(&self.tally.opened),
            waiting: self.waiting.load(Relaxed),
            busy: self.size - self.permits.available_permits().min(self.size),
            idle: self.idle().len(),
            ..Counts::default()
        }
    }

    /// Sends a command and gives the answer, and whether it was cut.
    pub(super) async fn ask(&self, command: Command<'_>, ask: Ask) -> Result<(Reply, bool), CallError> {
        command.to_bytes()?;
        self.fail_when_down()?;
        let stage = Stage::new();
        let run = async {
            let _permit = self.permit().await?;
            match self.once(command, ask.most, &stage, Use::Any).await {
                Err(CallError::Lost(_)) if ask.is_read => {
                    self.tally.retried.fetch_add(1, Relaxed);
                    self.once(command, ask.most, &stage, Use::New).await
                }
                other => other,
            }
        };
        let result = match timeout(ask.limit, run).await {
            Ok(result) => result,
            Err(_) => Err(stage.expired(ask.limit)),
        };
        match &result {
            Ok(_) => {}
            Err(CallError::Timeout(_)) => _ = self.tally.timed_out.fetch_add(1, Relaxed),
            Err(CallError::Lost(_)) => _ = self.tally.lost.fetch_add(1, Relaxed),
            Err(CallError::Busy | CallError::NoConnection(_)) => _ = self.tally.refused.fetch_add(1, Relaxed),
            Err(_) => {}
        }
        match &result {
            Err(CallError::Timeout(_) | CallError::NoConnection(_)) => self.doubt(),
            Err(CallError::Lost(_)) => self.look(),
            _ => {}
        }
        result
    }

    /// Opens a connection that is not of the pool, and learns from it whether the switch is there.
    pub(super) async fn open(&self) -> Result<Connection, CallError> {
        self.fail_when_down()?;
        match Connection::open_without_events(&self.config).await {
            Ok(connection) => {
                self.board.up();
                Ok(connection)
            }
            Err(why) => Err(self.down(&why)),
        }
    }

    /// Says that connections may have ended, or that the switch may be there again.
    pub(super) fn look(&self) {
        self.look.notify_one();
    }

    /// Says that the switch may be gone though no connection has ended.
    pub(super) fn doubt(&self) {
        self.doubted.store(true, Relaxed);
        self.look();
    }

    /// Keeps a few connections open, and tries until the switch is there when it is not. Never returns.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut backoff = Backoff::new(self.config.backoff_base, self.config.backoff_cap);
        let mut proven = Instant::now();
        loop {
            self.drop_dead();
            let open = self.idle().len() + self.size - self.permits.available_permits().min(self.size);
            let doubted = self.doubted.swap(false, Relaxed);
            if open >= self.warm && self.link().is_up() {
                if !doubted {
                    self.look.notified().await;
                    continue;
                }
                // A time-out may be that of a slow command; a switch that takes a new connection is there.
                sleep_until(proven + BELIEVED).await;
            }
            match Connection::open_without_events(&self.config).await {
                Ok(connection) => {
                    backoff.reset();
                    proven = Instant::now();
                    self.tally.opened.fetch_add(1, Relaxed);
                    self.put_back(connection);
                    self.board.up();
                }
                Err(why) => {
                    self.board.down(&why);
                    // They would be used first when the switch is there again, and may never answer.
                    self.idle().clear();
                    let wait = backoff.lost(Instant::now().into_std(), fraction());
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.look.notified() => sleep(LOOK_PAUSE).await,
                    }
                }
            }
        }
    }

    async fn once(
        &self,
        command: Command<'_>,
        most: usize,
        stage: &Stage,
        which: Use,
    ) -> Result<(Reply, bool), CallError> {
        stage.set(Stage::CONNECTING);
        let mut connection = self.connection(which).await?;
        stage.set(Stage::SENT);
        self.tally.commands.fetch_add(1, Relaxed);
        let answer = async {
            connection.send(command).await?;
            connection
                .wait_for(|frame| match frame.kind() {
                    FrameKind::ApiResponse => {
                        let body = frame.body();
                        let cut = body.len() > most;
                        Some((Reply::Response(body[..body.len().min(most)].to_vec()), cut))
                    }
                    FrameKind::CommandReply => Some((Reply::Text(text(frame.reply_text())), false)),
                    _ => None,
                })
                .await
        };
        let answer = answer.await.map_err(CallError::lost)?;
        self.put_back(connection);
        Ok(answer)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        if self.waiting.fetch_add(1, Relaxed) >= self.most_waiting {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(CallError::Busy);
        }
        let _waiting = Waiting(&self.waiting);
        let permit = self.permits.acquire().await.map_err(|_| CallError::Busy)?;
        self.fail_when_down()?;
        Ok(permit)
    }

    async fn connection(&self, which: Use) -> Result<Connection, CallError> {
        if which == Use::Any {
            loop {
                let Some(connection) = self.idle().pop() else { break };
                if connection.is_idle() {
                    return Ok(connection);
                }
                self.look();
            }
        }
        let connection = self.open().await?;
        self.tally.opened.fetch_add(1, Relaxed);
        Ok(connection)
    }

    fn fail_when_down(&self) -> Result<(), CallError> {
        CallError::down(&self.link()).map_or(Ok(()), Err)
    }

    fn down(&self, why: &Disconnect) -> CallError {
        self.board.down(why);
        self.look();
        CallError::down(&self.link()).unwrap_or_else(|| CallError::Lost(why.to_string().into()))
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < self.size {
            idle.push(connection);
        }
    }

    fn drop_dead(&self) {
        let dead: Vec<Connection> = self.idle().extract_if(.., |connection| !connection.is_idle()).collect();
        drop(dead);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a command is.
struct Stage(AtomicU8);

impl Stage {
    const WAITING: u8 = 0;
    const CONNECTING: u8 = 1;
    /// At least once.
    const SENT: u8 = 2;

    fn new() -> Stage {
        Stage(AtomicU8::new(Stage::WAITING))
    }

    fn set(&self, stage: u8) {
        self.0.fetch_max(stage, Relaxed);
    }

    fn expired(&self, limit: Duration) -> CallError {
        match self.0.load(Relaxed) {
            Stage::WAITING => CallError::Busy,
            Stage::CONNECTING => CallError::NoConnection(limit),
            _ => CallError::Timeout(limit),
        }
    }
}

/// Which connection a command may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// An idle one if there is one.
    Any,
    /// A new one.
    New,
}

/// Counts one that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The text of a reply, fit for a log line and not endless.
pub(super) fn text(reply: Option<&[u8]>) -> String {
    let reply = reply.unwrap_or_default();
    let text = String::from_utf8_lossy(&reply[..reply.len().min(LONGEST_REPLY)]);
    text.trim_end().replace(|c: char| c.is_control(), " ")
}

/// From 0 to 1, for the jitter of waits.
pub(super) fn fraction() -> f64 {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(random) / f64::from(u32::MAX)
}

const MOST_CONNECTIONS: usize = 1024;
/// A new connection proves for so long that the switch is there.
const BELIEVED: Duration = Duration::from_secs(1);
const LONGEST_REPLY: usize = 2000;
/// Between two tries when somebody says that it is worth a try.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
