//! Background jobs that were started over HTTP: who started them, how they stand, what came of them.
//!
//! The number of jobs, how long an ended one is kept and the bytes of all results are bounded; what is running is never forgotten. Start
//! with [`Jobs::add`]. A job cannot be stopped: FreeSWITCH has no means for it. Who does not want its result any more can say so.

use crate::clock;
use broker::desk::{Refused, Reply, Started};
use guard::Time;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The jobs.
#[derive(Debug)]
pub struct Jobs {
    jobs: Mutex<VecDeque<Arc<Job>>>,
    /// Most that are kept, and most that run.
    most: usize,
}

/// One job.
#[derive(Debug)]
pub struct Job {
    /// Its id at the switch.
    pub id: String,
    /// Who started it, and nobody else may see it.
    pub owner: Arc<str>,
    /// What it runs, without secrets.
    pub command: String,
    /// At which switch.
    pub switch: String,
    /// The call that it makes, where the command says which.
    pub call: Option<String>,
    /// When it was started.
    pub started: Time,
    state: watch::Sender<State>,
}

/// How a job stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Nothing has come back yet.
    Running,
    /// What came back, and when.
    Ended(Time, Arc<Result<Reply, Refused>>),
    /// Nobody wants to know any more; since when.
    Cancelled(Time),
}

/// Why no more jobs may be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} jobs are running, as many as may; wait for one of them")]
pub struct TooMany(usize);

/// What is known of a job before it is started.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// See [`Job::owner`].
    pub owner: Arc<str>,
    /// See [`Job::command`].
    pub command: String,
    /// See [`Job::switch`].
    pub switch: String,
    /// See [`Job::call`].
    pub call: Option<String>,
}

impl Jobs {
    /// None yet; so many may run, and so many are kept.
    pub fn new(most: u32) -> Arc<Jobs> {
        Arc::new(Jobs { jobs: Mutex::default(), most: usize::try_from(most).unwrap_or(usize::MAX) })
    }

    /// Most of one caller that may run.
    fn share(&self) -> usize {
        self.most.div_ceil(2)
    }

    /// Whether somebody may start one more.
    ///
    /// # Errors
    /// When as many of theirs, or of all, are running as may.
    pub fn check(&self, owner: &str) -> Result<(), TooMany> {
        let jobs = self.jobs.lock();
        let running = |job: &&Arc<Job>| job.is_running();
        if jobs.iter().filter(|job| *job.owner == *owner).filter(running).count() >= self.share() {
            return Err(TooMany(self.share()));
        }
        match jobs.iter().filter(running).count() >= self.most {
            true => Err(TooMany(self.most)),
            false => Ok(()),
        }
    }

    /// Keeps a job that was started; it is followed to its end.
    pub fn add(self: &Arc<Self>, wanted: Wanted, started: Started) -> Arc<Job> {
        let Wanted { owner, command, switch, call } = wanted;
        let id = started.job.to_string();
        let state = watch::Sender::new(State::Running);
        let job = Arc::new(Job { id, owner, command, switch, call, started: clock::now(), state });
        self.jobs.lock().push_back(job.clone());
        self.tidy(clock::now());
        let (jobs, followed) = (self.clone(), job.clone());
        tokio::spawn(async move {
            let Ok(result) = started.result.await else {
                followed.end(State::Cancelled(clock::now()));
                return;
            };
            followed.end(State::Ended(clock::now(), Arc::new(result)));
            jobs.tidy(clock::now());
        });
        job
    }

    /// A job by its id.
    pub fn find(&self, id: &str) -> Option<Arc<Job>> {
        self.jobs.lock().iter().find(|job| job.id.eq_ignore_ascii_case(id)).cloned()
    }

    /// Those that `is_seen` lets through, the oldest first.
    pub fn list(&self, is_seen: impl Fn(&Job) -> bool) -> Vec<Arc<Job>> {
        self.jobs.lock().iter().filter(|job| is_seen(job)).cloned().collect()
    }

    /// How many are running, and how many are kept.
    pub fn count(&self) -> (usize, usize) {
        let jobs = self.jobs.lock();
        (jobs.iter().filter(|job| job.is_running()).count(), jobs.len())
    }

    /// Forgets an ended job.
    pub fn forget(&self, id: &str) {
        self.jobs.lock().retain(|job| job.id != id || job.is_running());
    }

    /// Forgets what ended long ago, and the oldest ended ones while there are too many, or their results are too large together.
    pub fn tidy(&self, now: Time) {
        let mut jobs = self.jobs.lock();
        jobs.retain(|job| job.ended().is_none_or(|ended| now.since(ended) < KEPT));
        let (mut count, mut bytes) = (jobs.len(), jobs.iter().map(|job| job.bytes()).sum::<usize>());
        jobs.retain(|job| {
            let goes = (count > self.most || bytes > MOST_BYTES) && !job.is_running();
            if goes {
                (count, bytes) = (count - 1, bytes - job.bytes());
            }
            !goes
        });
    }
}

impl Job {
    /// How it stands.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until it is no longer running, for so long at most.
    pub async fn wait(&self, longest: Duration) {
        let mut state = self.state.subscribe();
        // Whether it ended or the time did is seen by who asks.
        _ = tokio::time::timeout(longest, state.wait_for(|state| !matches!(state, State::Running))).await;
    }

    /// Throws its result away, when there is none yet; gives whether that was so.
    pub fn cancel(&self) -> bool {
        self.end(State::Cancelled(clock::now()))
    }

    fn end(&self, end: State) -> bool {
        self.state.send_if_modified(|state| {
            let is_running = matches!(state, State::Running);
            if is_running {
                *state = end;
            }
            is_running
        })
    }

    fn is_running(&self) -> bool {
        matches!(*self.state.borrow(), State::Running)
    }

    fn ended(&self) -> Option<Time> {
        match *self.state.borrow() {
            State::Running => None,
            State::Ended(at, _) | State::Cancelled(at) => Some(at),
        }
    }

    fn bytes(&self) -> usize {
        match &*self.state.borrow() {
            State::Ended(_, result) => result.as_ref().as_ref().map_or(0, |reply| reply.text.len()),
            _ => 0,
        }
    }
}

/// The call that a command makes, where it says which: `originate {origination_uuid=...}`.
pub fn call_of(command: &str) -> Option<String> {
    let (_, rest) = command.split_once("origination_uuid=")?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let uuid: String = rest.bytes().take_while(is_part).map(char::from).take(64).collect();
    (!uuid.is_empty()).then_some(uuid)
}

/// How long an ended job is kept.
pub const KEPT: Duration = Duration::from_secs(600);
/// Most bytes of all results that are kept.
pub const MOST_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use broker::upstream::JobId;
    use tokio::sync::oneshot;

    const MOST: u32 = 64;
    const SHARE: usize = 32;

    type End = oneshot::Sender<Result<Reply, Refused>>;

    fn started(jobs: &Arc<Jobs>, owner: &str) -> (Arc<Job>, End) {
        let (end, result) = oneshot::channel();
        let started = Started { job: JobId::random().unwrap(), result };
        let wanted =
            Wanted { owner: owner.into(), command: "status".into(), switch: "main".into(), call: None };
        (jobs.add(wanted, started), end)
    }

    fn reply(bytes: usize) -> Result<Reply, Refused> {
        Ok(Reply { text: vec![b'x'; bytes], cut: false })
    }

    async fn ended(jobs: &Arc<Jobs>, bytes: usize) -> Arc<Job> {
        let (job, end) = started(jobs, "alice");
        end.send(reply(bytes)).unwrap();
        job.wait(Duration::from_secs(60)).await;
        assert!(matches!(job.state(), State::Ended(..)));
        job
    }

    #[tokio::test]
    async fn nobody_has_more_running_than_may_and_others_are_not_held_up() {
        let jobs = Jobs::new(MOST);
        let mut running: Vec<_> = (0..SHARE).map(|_| started(&jobs, "alice")).collect();
        assert_eq!(jobs.check("alice"), Err(TooMany(SHARE)));
        assert_eq!(jobs.check("bob"), Ok(()));
        let (job, end) = running.remove(0);
        end.send(reply(1)).unwrap();
        job.wait(Duration::from_secs(60)).await;
        assert_eq!(jobs.check("alice"), Ok(()));
        for n in 0..MOST {
            running.push(started(&jobs, &format!("user {}", n / 8)));
        }
        assert!(jobs.check("somebody").is_err());
    }

    #[tokio::test]
    async fn ended_jobs_go_by_age_number_and_bytes_and_running_ones_stay() {
        let jobs = Jobs::new(MOST);
        let (kept, _end) = started(&jobs, "alice");
        let old = ended(&jobs, 1).await;
        jobs.tidy(clock::now() + KEPT + Duration::from_secs(1));
        assert!(jobs.find(&old.id).is_none() && jobs.find(&kept.id).is_some());
        let first = ended(&jobs, MOST_BYTES / 2).await;
        let second = ended(&jobs, MOST_BYTES / 2).await;
        let third = ended(&jobs, 10).await;
        jobs.tidy(clock::now());
        assert!(jobs.find(&first.id).is_none());
        assert!(jobs.find(&second.id).is_some() && jobs.find(&third.id).is_some());
        for _ in 0..MOST + 10 {
            ended(&jobs, 0).await;
        }
        jobs.tidy(clock::now());
        assert_eq!(jobs.count(), (1, MOST as usize));
    }

    #[tokio::test]
    async fn a_cancelled_job_has_no_result_whatever_comes_back() {
        let jobs = Jobs::new(MOST);
        let (job, end) = started(&jobs, "alice");
        assert!(job.cancel());
        assert!(!job.cancel());
        _ = end.send(reply(5));
        job.wait(Duration::from_secs(60)).await;
        assert!(matches!(job.state(), State::Cancelled(_)));
    }

    #[test]
    fn the_call_of_an_originate_is_known_where_it_is_named() {
        let command = "originate {origination_uuid=01234567-89ab-4cde-8f01-23456789abcd,x=y}user/1000 &park";
        assert_eq!(call_of(command).as_deref(), Some("01234567-89ab-4cde-8f01-23456789abcd"));
        assert_eq!(call_of("originate user/1000 &park()"), None);
        assert_eq!(call_of("originate {origination_uuid=}user/1000"), None);
    }
}
