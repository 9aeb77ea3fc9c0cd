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
    fmt,
    str::FromStr,
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

/// The id of a job: a UUID, in lower case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct JobId(Arc<str>);

/// A text that is no job's id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a job's id is a UUID such as 01234567-89ab-4cde-8f01-23456789abcd")]
pub struct NoJobId;

impl JobId {
    /// One that nobody can guess: whoever knows the id of a job can send a false end of it.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<JobId, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let random = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{random:032x}");
        let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        Ok(JobId(id.into()))
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<JobId, NoJobId> {
        let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
        let fits = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        if fits { Ok(JobId(text.to_ascii_lowercase().into())) } else { Err(NoJobId) }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_a_version_4_uuid_and_another_each_time() {
        let one = JobId::random().unwrap();
        assert_eq!(one.as_str().parse(), Ok(one.clone()));
        assert_eq!(&one.as_str()[14..15], "4");
        assert!("89ab".contains(&one.as_str()[19..20]), "{one}");
        assert_ne!(one, JobId::random().unwrap());
    }

    #[test]
    fn what_is_no_uuid_is_no_id() {
        assert!("0123ABCD-89ab-4cde-8f01-23456789abcd".parse::<JobId>().is_ok());
        for text in [
            "",
            "0123abcd-89ab-4cde-8f01-23456789abc",
            "0123abcd-89ab-4cde-8f01-23456789abcde",
            "0123abcd-89ab-4cde-8f01-23456789abcg",
            "0123abcd089ab-4cde-8f01-23456789abcd",
            "0123abcd-89ab-4cde-8f01-23456789\nbcd",
        ] {
            assert_eq!(text.parse::<JobId>(), Err(NoJobId), "{text:?}");
        }
    }
}
