//! Background jobs over one connection: [`Jobs`] takes orders, [`Worker`] has the connection.
//!
//! FreeSWITCH answers `bgapi` at once and tells the end with an event BACKGROUND_JOB, to everybody; each job is found by its id. An event
//! that somebody sent with `sendevent` ends no job. When the connection is lost, the ends of its jobs are not told to anybody: they fail,
//! though the switch may carry them out.

use super::{Answer, Ask, CallError, commands, link::Board};
use crate::{Line, upstream::Link};
use esl::{
    Command, Disconnect, EventView, FrameKind, Subscription,
    client::{Backoff, Config, Connection},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout_at},
};

mod id;

pub use id::{JobId, NoJobId};

/// A job that the switch has taken.
#[derive(Debug)]
pub struct Started {
    /// Its id.
    pub job: JobId,
    /// How it ends.
    pub result: JobResult,
}

/// How a job ends; dropping it ends nothing at the switch.
#[derive(Debug)]
pub struct JobResult(oneshot::Receiver<Result<Answer, CallError>>);

impl JobResult {
    /// Waits for the end.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn wait(self) -> Result<Answer, CallError> {
        self.0.await.unwrap_or_else(|_| Err(CallError::Lost("we are stopping".into())))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Jobs {
    orders: mpsc::Sender<Order>,
    board: Arc<Board>,
    running: Arc<AtomicUsize>,
}

/// A job that is to be started.
#[derive(Debug)]
struct Order {
    command: Box<str>,
    job: JobId,
    most: usize,
    limit: Duration,
    deadline: Instant,
    started: oneshot::Sender<Result<(), CallError>>,
    done: oneshot::Sender<Result<Answer, CallError>>,
}

pub(super) fn pair(config: Config, most: usize) -> (Jobs, Worker) {
    let (orders, incoming) = mpsc::channel(ORDERS);
    let board = Arc::new(Board::new("background jobs"));
    let running = Arc::new(AtomicUsize::new(0));
    let mut config = config;
    config.subscription = Some(Subscription::new(esl::Format::Plain).event("BACKGROUND_JOB"));
    let worker = Worker {
        config,
        most,
        orders: incoming,
        board: Arc::clone(&board),
        running: Arc::clone(&running),
        jobs: HashMap::new(),
        replies: VecDeque::new(),
    };
    (Jobs { orders, board, running }, worker)
}

impl Jobs {
    pub(super) fn link(&self) -> Link {
        self.board.link()
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Relaxed)
    }

    pub(super) async fn start(
        &self,
        line: Line<'_>,
        job: Option<JobId>,
        ask: Ask,
    ) -> Result<Started, CallError> {
        if let Some(error) = CallError::down(&self.link()) {
            return Err(error);
        }
        let job = match job {
            Some(job) => job,
            None => JobId::random().map_err(|error| CallError::Refused(error.to_string()))?,
        };
        Command::BgApi { command: line.as_str(), job: Some(job.as_str()) }.to_bytes()?;
        let (started, taken) = oneshot::channel();
        let (done, result) = oneshot::channel();
        let deadline = Instant::now() + ask.limit;
        let order = Order {
            command: line.as_str().into(),
            job: job.clone(),
            most: ask.most,
            limit: ask.limit,
            deadline,
            started,
            done,
        };
        self.orders.try_send(order).map_err(|_| CallError::Busy)?;
        match timeout_at(deadline.min(Instant::now() + START_LIMIT * 2), taken).await {
            Ok(Ok(Ok(()))) => Ok(Started { job, result: JobResult(result) }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(CallError::Lost("we are stopping".into())),
            Err(_) => Err(CallError::Timeout(ask.limit.min(START_LIMIT * 2))),
        }
    }
}

/// Has the connection. See the module.
#[derive(Debug)]
pub(super) struct Worker {
    config: Config,
    most: usize,
    orders: mpsc::Receiver<Order>,
    board: Arc<Board>,
    running: Arc<AtomicUsize>,
    jobs: HashMap<JobId, Running>,
    /// The jobs whose reply has not come, in the order in which they were sent, and when.
    replies: VecDeque<(JobId, Instant)>,
}

#[derive(Debug)]
struct Running {
    /// Until the reply came.
    started: Option<oneshot::Sender<Result<(), CallError>>>,
    done: oneshot::Sender<Result<Answer, CallError>>,
    most: usize,
    limit: Duration,
    deadline: Instant,
}

impl Running {
    fn fail(self, error: CallError) {
        // Who does not wait any more needs no answer; so everywhere here.
        match self.started {
            Some(started) => _ = started.send(Err(error)),
            None => _ = self.done.send(Err(error)),
        }
    }
}

impl Worker {
    /// Connects, works, connects again, until all who may order are gone.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.backoff_base, self.config.backoff_cap);
        loop {
            let why = match Connection::open(&self.config).await {
                Ok(mut connection) => {
                    backoff.connected(Instant::now().into_std());
                    self.board.up();
                    match self.work(&mut connection).await {
                        Ok(()) => return,
                        Err(why) => why,
                    }
                }
                Err(why) => why,
            };
            self.board.down(&why);
            let lost = CallError::lost(why);
            self.replies.clear();
            self.jobs.drain().for_each(|(_, job)| job.fail(lost.clone()));
            self.running.store(0, Relaxed);
            let wait = sleep(backoff.lost(Instant::now().into_std(), commands::fraction()));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    order = self.orders.recv() => match (order, CallError::down(&self.board.link())) {
                        (Some(order), Some(down)) => _ = order.started.send(Err(down)),
                        _ => return,
                    },
                }
            }
        }
    }

    /// Until the connection is lost, or nobody orders any more.
    async fn work(&mut self, connection: &mut Connection) -> Result<(), Disconnect> {
        loop {
            while let Some(frame) = connection.next()? {
                match frame.kind() {
                    FrameKind::CommandReply => {
                        self.reply(commands::text(frame.reply_text()), frame.header("Job-UUID"))?;
                    }
                    FrameKind::Event(_) => {
                        if let Some(Ok(event)) = frame.event() {
                            self.event(&event);
                        }
                    }
                    _ => {}
                }
            }
            self.running.store(self.jobs.len(), Relaxed);
            let (next, silent) = self.next_deadline();
            tokio::select! {
                biased;
                read = connection.turn() => { read?; }
                order = self.orders.recv(), if connection.queued() < MOST_QUEUED => match order {
                    Some(order) => self.take(order, connection),
                    None => return Ok(()),
                },
                () = at(next) => {
                    if silent {
                        return Err(Disconnect::Silent(START_LIMIT));
                    }
                    self.expire();
                }
            }
        }
    }

    fn take(&mut self, order: Order, connection: &mut Connection) {
        if order.started.is_closed() {
            return;
        }
        let refusal = if self.jobs.contains_key(&order.job) {
            Some(CallError::JobInUse)
        } else if self.jobs.len() >= self.most {
            Some(CallError::TooManyJobs(self.most))
        } else {
            let command = Command::BgApi { command: &order.command, job: Some(order.job.as_str()) };
            connection.queue(command).err().map(CallError::Invalid)
        };
        if let Some(refusal) = refusal {
            let _ = order.started.send(Err(refusal));
            return;
        }
        let Order { job, most, limit, deadline, started, done, .. } = order;
        self.replies.push_back((job.clone(), Instant::now()));
        self.jobs.insert(job, Running { started: Some(started), done, most, limit, deadline });
    }

    /// Replies come in the order of the commands.
    fn reply(&mut self, text: String, named: Option<&[u8]>) -> Result<(), Disconnect> {
        let Some((job, _)) = self.replies.pop_front() else {
            return Err(Disconnect::Protocol(format!("a reply to nothing: {text}")));
        };
        if text.starts_with("+OK") {
            if !named.is_some_and(|named| named.eq_ignore_ascii_case(job.as_str().as_bytes())) {
                return Err(Disconnect::Protocol("the reply to bgapi is that of another job".into()));
            }
            if let Some(started) = self.jobs.get_mut(&job).and_then(|running| running.started.take()) {
                let _ = started.send(Ok(()));
            }
        } else if let Some(running) = self.jobs.remove(&job) {
            running.fail(CallError::refused(text));
        }
        Ok(())
    }

    fn event(&mut self, event: &EventView<'_>) {
        // `sendevent` always adds a header Command, and FreeSWITCH never puts one into the end of a job.
        if event.name() != b"BACKGROUND_JOB" || event.headers().any(|(name, _)| name == b"Command") {
            return;
        }
        let Some(job) = event.header("Job-UUID").map(|value| value.decoded()) else { return };
        let Some(job) = str::from_utf8(&job).ok().and_then(|text| text.parse::<JobId>().ok()) else { return };
        let Some(mut running) = self.jobs.remove(&job) else { return };
        // The end may come before the reply.
        if let Some(started) = running.started.take() {
            let _ = started.send(Ok(()));
        }
        let body = event.body().map(|body| body.decoded()).unwrap_or_default();
        let _ = running.done.send(Ok(Answer::new(&body, running.most)));
    }

    /// When something has to be done without being asked, and whether that is to give the connection up: FreeSWITCH replies to `bgapi`
    /// at once or not at all.
    fn next_deadline(&self) -> (Option<Instant>, bool) {
        let reply = self.replies.front().map(|(_, sent)| *sent + START_LIMIT);
        let job = self.jobs.values().map(|running| running.deadline).min();
        match (reply, job) {
            (Some(reply), Some(job)) if job < reply => (Some(job), false),
            (Some(reply), _) => (Some(reply), true),
            (None, job) => (job, false),
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        for (_, running) in self.jobs.extract_if(|_, running| running.deadline <= now) {
            let limit = running.limit;
            running.fail(CallError::Timeout(limit));
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Orders that wait for the worker.
const ORDERS: usize = 256;
/// Bytes of commands that may wait to be written.
const MOST_QUEUED: usize = 256 * 1024;
/// For the reply to `bgapi`.
const START_LIMIT: Duration = Duration::from_secs(10);
