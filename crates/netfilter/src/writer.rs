//! The thread that owns the firewall: [`Writer`] is a handle to it, to be cloned freely.
//!
//! [`Writer::submit`] never blocks and never drops. The thread carries out what is queued at once when it is idle,
//! and up to 1000 changes a transaction when it is not. It hears when somebody else destroys what is ours and repairs
//! it from the list that the `desired` callback gives, and it tries again what a full set or a failing kernel did not
//! take. `queue` is what handles and thread share, `worker` the thread, `stats` its figures.

mod lookout;
mod queue;
mod stats;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use ipnet::IpNet;

use crate::config::Config;
use crate::error::Error;
use crate::firewall::{Backend, Counter, Health, Reconciled};
use crate::target::{Change, Element};
use queue::{Job, Question, Queue};
pub use stats::{LATENCY_BOUNDS, WriterStats};

/// Gives the authoritative list of what shall be dropped. Called on the writer's thread: at the start, and when
/// something must be repaired. It must not wait for the writer.
pub type Desired = Box<dyn Fn() -> Vec<Element> + Send>;

/// Called on the writer's thread when the kernel has answered; must not block. When the thread panics, those whose change it was
/// working on are dropped unheard.
pub type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

/// A handle to the writer's thread, which ends when the last handle is dropped (the kernel keeps the bans).
#[derive(Debug, Clone)]
pub struct Writer {
    queue: Arc<Queue>,
    _last: Arc<Last>,
}

/// How the start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The mechanism in use.
    pub backend: Backend,
    /// What had to be done to make the kernel hold the desired list.
    pub reconciled: Reconciled,
}

impl Writer {
    /// Opens the firewall, makes the kernel hold the desired list, and leaves the thread running. The network
    /// namespace is that of the calling thread.
    ///
    /// # Errors
    /// As [`crate::Firewall::open`] and [`crate::Firewall::reconcile`].
    pub fn spawn(config: Config, desired: Desired) -> Result<(Self, Started), Error> {
        let queue = Arc::new(Queue::new()?);
        let (sender, receiver) = sync_channel(1);
        let shared = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("firewall".into())
            .spawn(move || worker::run(&config, desired, &shared, &sender))
            .map_err(|error| {
                Error::from_code("starting a thread", error.raw_os_error().unwrap_or(libc::EAGAIN))
            })?;
        let started = receiver.recv().map_err(|_| Error::Stopped)??;
        let last = Arc::new(Last(Arc::clone(&queue)));
        Ok((Self { queue, _last: last }, started))
    }

    /// Queues a change.
    pub fn submit(&self, change: Change) {
        self.push_change(change, None);
    }

    /// Queues a change; `done` hears what became of it.
    pub fn submit_with(&self, change: Change, done: Done) {
        self.push_change(change, Some(done));
    }

    /// Makes the kernel hold exactly the desired list, as it is when its turn comes: what is asked for meanwhile is in it,
    /// or comes after it.
    pub fn rebuild(&self) {
        self.queue.push(Job::Rebuild);
    }

    /// Replaces the protected networks. What is dropped in them at present is let through.
    pub fn protect(&self, networks: Vec<IpNet>) {
        self.queue.push(Job::Protect(networks));
    }

    /// Bans of the SIP ports close these, too, beside those of the configuration: the last call counts. They are written again
    /// whenever the table is.
    pub fn also_close(&self, ports: Vec<u16>) {
        self.queue.push(Job::Ports(ports));
    }

    /// Waits until all that was submitted so far has been answered by the kernel. False when that took longer, or
    /// when the writer is degraded: then something that was wished for is not in the kernel.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        let (sender, receiver) = sync_channel(1);
        self.queue.push(Job::Flush(sender)) && receiver.recv_timeout(timeout).unwrap_or(false)
    }

    /// What the kernel holds. A listing of all sets: not for a timer.
    ///
    /// # Errors
    /// When the kernel refuses, or the writer has stopped.
    pub fn snapshot(&self) -> Result<Vec<Element>, Error> {
        self.ask(Question::Elements)
    }

    /// Whether all that we set up is there.
    ///
    /// # Errors
    /// When the kernel refuses to say, or the writer has stopped.
    pub fn health(&self) -> Result<Health, Error> {
        self.ask(Question::Health)
    }

    /// Packets and bytes dropped, rule by rule.
    ///
    /// # Errors
    /// When the kernel refuses to say, or the writer has stopped.
    pub fn counters(&self) -> Result<Vec<Counter>, Error> {
        self.ask(Question::Counters)
    }

    /// The writer's figures; a few loads, no waiting for the thread.
    #[must_use]
    pub fn stats(&self) -> WriterStats {
        self.queue.stats.snapshot(self.queue.depth(), self.queue.oldest())
    }

    /// Whether the thread has ended, as after [`Self::shutdown`] or a panic. The kernel keeps what it holds; all that is asked or
    /// submitted from then on is answered with [`Error::Stopped`].
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }

    /// Carries out what is queued, then ends the thread; with `flush` all of ours is taken out of the kernel first.
    /// False when that took longer than `timeout`.
    pub fn shutdown(self, flush: bool, timeout: Duration) -> bool {
        let (sender, receiver) = sync_channel(1);
        self.queue.push(Job::Stop { flush, done: sender }) && receiver.recv_timeout(timeout).is_ok()
    }

    fn push_change(&self, change: Change, done: Option<Done>) {
        self.queue.stats.submitted();
        if let Err(job) = self.queue.try_push(Job::Change { change, done }) {
            job.abandon();
        }
    }

    fn ask<T>(&self, question: impl FnOnce(queue::Reply<T>) -> Question) -> Result<T, Error> {
        let (sender, receiver) = sync_channel(1);
        self.queue.push(Job::Ask(question(sender)));
        receiver.recv().map_err(|_| Error::Stopped)?
    }
}

/// Closes the queue when the last handle goes.
#[derive(Debug)]
struct Last(Arc<Queue>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close();
    }
}
