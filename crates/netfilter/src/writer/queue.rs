//! What the handles and the thread share: [`Queue`] of [`Job`]s, in order, without a bound but counted; each with the moment it came.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use parking_lot::Mutex;

use super::Done;
use super::stats::Figures;
use crate::error::Error;
use crate::firewall::{Counter, Health};
use crate::target::{Change, Element};
use crate::wake::Bell;

/// Where an answer is awaited.
pub(crate) type Reply<T> = SyncSender<Result<T, Error>>;

/// Something for the thread to do.
pub(crate) enum Job {
    Change {
        change: Change,
        done: Option<Done>,
    },
    Rebuild,
    Protect(Vec<IpNet>),
    /// The SIP ports beside those of the configuration.
    Ports(Vec<u16>),
    Flush(SyncSender<bool>),
    /// What the kernel holds when all before it is done.
    Ask(Question),
    /// The same, and the writer's own thread shall look.
    Insist(Question),
    Stop {
        flush: bool,
        done: SyncSender<()>,
    },
}

/// A question to the kernel.
pub(crate) enum Question {
    Elements(Reply<Vec<Element>>),
    Health(Reply<Health>),
    Counters(Reply<Vec<Counter>>),
}

impl Job {
    /// It will not be done: says so to whom it concerns. Who waits for a reply sees its channel close.
    pub(crate) fn abandon(self) {
        if let Self::Change { done: Some(done), .. } = self {
            done(Err(Error::Stopped.to_string()));
        }
    }
}

pub(crate) struct Queue {
    jobs: Mutex<Jobs>,
    pub(crate) bell: Bell,
    pub(crate) stats: Figures,
}

struct Jobs {
    waiting: VecDeque<Waiting>,
    /// Since when the oldest of those waits that the thread took last, until it comes for more.
    taken: Option<Instant>,
    open: bool,
}

/// A job, and since when it waits.
pub(crate) type Waiting = (Instant, Job);

impl Queue {
    pub(crate) fn new() -> Result<Self, Error> {
        let jobs = Mutex::new(Jobs { waiting: VecDeque::new(), taken: None, open: true });
        Ok(Self { jobs, bell: Bell::new()?, stats: Figures::default() })
    }

    /// Queues a job; false when the thread has ended.
    pub(crate) fn push(&self, job: Job) -> bool {
        self.try_push(job).is_ok()
    }

    /// As [`Self::push`], but gives a job back that will not be done.
    pub(crate) fn try_push(&self, job: Job) -> Result<(), Job> {
        let now = Instant::now();
        let depth = {
            let mut jobs = self.jobs.lock();
            if !jobs.open {
                return Err(job);
            }
            jobs.waiting.push_back((now, job));
            jobs.waiting.len()
        };
        self.stats.depth(depth);
        if depth == 1 {
            self.bell.ring();
        }
        Ok(())
    }

    /// Takes up to `most` jobs; those taken before are done. `None` when the queue is empty and closed.
    pub(crate) fn take(&self, most: usize) -> Option<VecDeque<Waiting>> {
        let mut jobs = self.jobs.lock();
        jobs.taken = jobs.waiting.front().map(|(since, _)| *since);
        if jobs.waiting.is_empty() && !jobs.open {
            return None;
        }
        if jobs.waiting.len() <= most {
            return Some(std::mem::take(&mut jobs.waiting));
        }
        Some(jobs.waiting.drain(..most).collect())
    }

    pub(crate) fn depth(&self) -> usize {
        self.jobs.lock().waiting.len()
    }

    /// How long the oldest job waits that is not done; nothing when there is none.
    pub(crate) fn oldest(&self) -> Duration {
        let jobs = self.jobs.lock();
        let since = jobs.taken.or_else(|| jobs.waiting.front().map(|(since, _)| *since));
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether it takes no more jobs.
    pub(crate) fn is_closed(&self) -> bool {
        !self.jobs.lock().open
    }

    /// No more jobs come in. What waits is still done, unless the thread has ended: then see [`Self::abandon`].
    pub(crate) fn close(&self) {
        self.jobs.lock().open = false;
        self.bell.ring();
    }

    /// Closes, and drops what waits, which tells those who await an answer.
    pub(crate) fn abandon(&self) {
        let rest = {
            let mut jobs = self.jobs.lock();
            (jobs.open, jobs.taken) = (false, None);
            std::mem::take(&mut jobs.waiting)
        };
        rest.into_iter().for_each(|(_, job)| job.abandon());
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("depth", &self.depth()).finish_non_exhaustive()
    }
}
