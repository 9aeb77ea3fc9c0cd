//! The writer's thread: takes jobs, watches for tampering, repairs.

use std::collections::{HashMap, VecDeque};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::lookout::Lookout;
use super::queue::{Job, Question, Queue, Waiting};
use super::{Desired, Done, Started};
use crate::config::Config;
use crate::conntrack::Sweeper;
use crate::error::Error;
use crate::firewall::{Backend, Firewall, Reconciled};
use crate::target::{Change, Element, Scope, Target};
use crate::{thread, wake};

/// Runs until the queue is closed or a stop is asked for. Tells `started` how the start went.
pub(super) fn run(
    config: &Config,
    desired: Desired,
    queue: &Arc<Queue>,
    started: &SyncSender<Result<Started, Error>>,
) {
    // Whatever ends the thread: who waits is told, and who comes later.
    let _end = End(queue);
    thread::hurry();
    match Worker::start(config, desired, queue) {
        Ok((mut worker, how)) => {
            let _ = started.send(Ok(how));
            worker.work();
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

/// What the thread leaves behind when it ends, be it by a panic: a closed queue, and whether something is wrong.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let stats = &self.0.stats;
            tracing::error!(
                "the firewall's thread has panicked; the kernel keeps what it holds and gets nothing new"
            );
            stats.error(PANICKED.into());
            stats.degrade(Some(PANICKED.into()));
        }
        self.0.abandon();
    }
}

struct Worker {
    config: Config,
    firewall: Firewall,
    desired: Desired,
    queue: Arc<Queue>,
    sweeper: Option<Sweeper>,
    lookout: Option<Lookout>,
    /// When what has failed is tried again, and how long to wait after that.
    retry: Option<Instant>,
    pause: Duration,
    /// When to look for tampering next, and when a repair may be made at the earliest.
    look: Instant,
    repair_from: Instant,
    suspicion: Option<String>,
    renew: Instant,
}

/// A change on its way.
struct Pending {
    change: Change,
    at: Instant,
    done: Option<Done>,
}

impl Worker {
    fn start(config: &Config, desired: Desired, queue: &Arc<Queue>) -> Result<(Self, Started), Error> {
        let mut firewall = Firewall::open(config)?;
        let reconciled = firewall.reconcile(&desired())?;
        let sweeper = match config.conntrack && firewall.backend() != Backend::DryRun {
            true => Some(Sweeper::spawn(config.merged_ports(), Arc::clone(&queue.stats.conntrack))?),
            false => None,
        };
        let lookout = firewall.eye()?.map(|eye| Lookout::spawn(eye, queue)).transpose()?;
        let started = Started { backend: firewall.backend(), reconciled: reconciled.clone() };
        let now = Instant::now();
        queue.stats.closes(firewall.closed_ports());
        let mut worker = Self {
            config: config.clone(),
            firewall,
            desired,
            queue: Arc::clone(queue),
            sweeper,
            lookout,
            retry: None,
            pause: RETRY_FIRST,
            look: now,
            repair_from: now,
            suspicion: None,
            renew: now + RENEW,
        };
        worker.judge(&reconciled);
        Ok((worker, started))
    }

    fn work(&mut self) {
        loop {
            let Some(jobs) = self.queue.take(BATCH) else { return };
            let idle = jobs.is_empty();
            if self.process(jobs) {
                return;
            }
            let now = Instant::now();
            let hears = self.firewall.signal().is_some();
            if (idle && hears) || now >= self.look {
                self.look = now + LOOK;
                self.watch(now);
                self.queue.stats.holds(&self.firewall.shadow);
            }
            if idle {
                let signal = self.firewall.signal().filter(|_| self.suspicion.is_none());
                let descriptors: Vec<_> = [self.queue.bell.as_raw_fd()].into_iter().chain(signal).collect();
                let until = self.suspicion.as_ref().map_or(self.look, |_| self.repair_from);
                wake::wait(&descriptors, until.saturating_duration_since(Instant::now()));
                self.queue.bell.quiet();
            }
        }
    }

    /// Does the jobs in order. True when one of them was to stop.
    fn process(&mut self, jobs: VecDeque<Waiting>) -> bool {
        let mut run: Vec<Pending> = Vec::new();
        let mut jobs = jobs.into_iter();
        while let Some((at, job)) = jobs.next() {
            if let Job::Change { change, done } = job {
                run.push(Pending { change, at, done });
                continue;
            }
            self.apply(std::mem::take(&mut run));
            match job {
                Job::Change { .. } => {}
                Job::Rebuild => {
                    let result = self.firewall.reconcile(&(self.desired)());
                    self.queue.stats.rebuilds.fetch_add(1, Relaxed);
                    self.conclude(result);
                }
                Job::Protect(networks) => {
                    if let Err(error) = self.firewall.protect(networks) {
                        self.failed(&error);
                    }
                }
                Job::Ports(others) => self.close(&others),
                Job::Flush(done) => drop(done.try_send(!self.queue.stats.is_degraded())),
                Job::Ask(question) => {
                    if let Some(question) = self.pass_on(question) {
                        self.answer(question);
                    }
                }
                Job::Insist(question) => self.answer(question),
                Job::Stop { flush, done } => {
                    if flush && let Err(error) = self.firewall.remove_everything() {
                        tracing::error!(%error, "the firewall could not be removed");
                    }
                    let _ = done.try_send(());
                    jobs.for_each(|(_, job)| job.abandon());
                    return true;
                }
            }
        }
        self.apply(run);
        false
    }

    /// Bans of the SIP ports close those of the configuration and these.
    fn close(&mut self, others: &[u16]) {
        let ports = self.config.ports_with(others);
        if ports == self.firewall.closed_ports() || self.firewall.backend() == Backend::Ipset {
            return;
        }
        match self.firewall.close_ports(ports.clone()) {
            Ok(()) => self.queue.stats.closes(ports.clone()),
            // The set is not what it should be now, which the next try mends.
            Err(error) => self.failed(&error),
        }
        if let Some(sweeper) = &self.sweeper {
            sweeper.use_ports(ports);
        }
    }

    /// To the lookout; gives the question back when there is none.
    fn pass_on(&mut self, question: Question) -> Option<Question> {
        let (Some(lookout), Some(in_use)) = (&self.lookout, self.firewall.in_use()) else {
            return Some(question);
        };
        let back = lookout.ask(in_use, question);
        if back.is_some() {
            tracing::error!(
                "the thread that reads the kernel's sets has ended; the one that writes them reads from now on"
            );
            self.queue.stats.error("the thread that reads the kernel's sets has ended".into());
            self.lookout = None;
        }
        back
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Elements(reply) => drop(reply.try_send(self.firewall.elements())),
            Question::Health(reply) => drop(reply.try_send(self.firewall.health())),
            Question::Counters(reply) => drop(reply.try_send(self.firewall.counters())),
        }
    }

    /// Carries changes out, tells everybody, and repairs when the ground has gone from under them.
    fn apply(&mut self, run: Vec<Pending>) {
        if run.is_empty() {
            return;
        }
        let changes: Vec<Change> = run.iter().map(|pending| pending.change).collect();
        let mut result = self.firewall.apply(&changes);
        if let Err(Error::Gone { what }) = &result {
            self.repair(&what.clone());
            result = self.firewall.apply(&changes);
        }
        let stats = &self.queue.stats;
        stats.holds(&self.firewall.shadow);
        stats.batches.fetch_add(1, Relaxed);
        let (refused, broken): (HashMap<Target, Error>, Option<Error>) = match result {
            Ok(applied) => (applied.refused.into_iter().collect(), None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        let mut banned: Vec<(Target, Scope)> = Vec::new();
        let mut freed = false;
        for Pending { change, at, done } in run {
            let fault = match &change {
                Change::Add(_) => refused.get(&change.target()).or(broken.as_ref()),
                Change::Remove(_) => broken.as_ref(),
            };
            match (fault, &change) {
                (None, Change::Add(element)) => {
                    stats.applied.fetch_add(1, Relaxed);
                    stats.took(at.elapsed());
                    banned.push((change.target(), element.scope));
                }
                (None, Change::Remove(_)) => {
                    stats.applied.fetch_add(1, Relaxed);
                    freed = true;
                }
                (Some(Error::Protected { .. } | Error::Everyone { .. }), _) => {
                    stats.refused.fetch_add(1, Relaxed);
                }
                (Some(_), _) => {
                    stats.failed.fetch_add(1, Relaxed);
                }
            }
            if let Some(done) = done {
                done(fault.map_or(Ok(()), |fault| Err(fault.to_string())));
            }
        }
        if let Some(sweeper) = &self.sweeper {
            sweeper.sweep(banned);
        }
        for (target, error) in &refused {
            tracing::warn!(%target, %error, "not dropped");
        }
        if let Some(error) = broken.or_else(|| refused.into_values().find(|error| !is_refusal(error))) {
            self.failed(&error);
        } else if freed && let Some(retry) = &mut self.retry {
            // There may be room again.
            *retry = (*retry).min(Instant::now() + RETRY_FIRST);
        }
    }

    /// Looks for tampering, and does what is due.
    fn watch(&mut self, now: Instant) {
        match self.firewall.tampered() {
            Ok(None) => {}
            Ok(Some(what)) => drop(self.suspicion.get_or_insert(what)),
            Err(error) => self.failed(&error),
        }
        if self.suspicion.is_some() && now >= self.repair_from {
            let what = self.suspicion.take().unwrap_or_default();
            self.repair(&what);
        } else if self.retry.is_some_and(|at| now >= at) {
            self.retry = None;
            self.queue.stats.retried.fetch_add(1, Relaxed);
            let result = self.restore().map(|(reconciled, _)| reconciled);
            self.conclude(result);
        } else if now >= self.renew {
            self.renew = now + RENEW;
            if self.firewall.backend() == Backend::Ipset {
                let result = self.firewall.reconcile(&(self.desired)());
                self.conclude(result);
            }
        }
    }

    /// Somebody else changed what is ours: puts it right and says so.
    fn repair(&mut self, what: &str) {
        self.repair_from = Instant::now() + BETWEEN_REPAIRS;
        let result = self.restore();
        if let Ok((reconciled, problems)) = &result
            && (!problems.is_empty() || reconciled.added + reconciled.removed > 0)
        {
            self.queue.stats.foreign.fetch_add(1, Relaxed);
            let Reconciled { added, removed, kept, .. } = reconciled;
            tracing::warn!(
                what,
                ?problems,
                added,
                removed,
                kept,
                "somebody else changed our firewall: repaired"
            );
        }
        // Our own repair is not heard; what others did before it is dealt with.
        let _ = self.firewall.tampered();
        self.conclude(result.map(|(reconciled, _)| reconciled));
    }

    /// Puts the desired list in, rebuilding what is missing. Also says what was missing.
    fn restore(&mut self) -> Result<(Reconciled, Vec<String>), Error> {
        let problems = self.firewall.health()?.problems;
        let list: Vec<Element> = (self.desired)();
        let reconciled = if problems.is_empty() {
            self.firewall.reconcile(&list)?
        } else {
            self.queue.stats.rebuilds.fetch_add(1, Relaxed);
            self.firewall.rebuild(&list)?
        };
        self.queue.stats.closes(self.firewall.closed_ports());
        Ok((reconciled, problems))
    }

    fn conclude(&mut self, result: Result<Reconciled, Error>) {
        match result {
            Ok(reconciled) => self.judge(&reconciled),
            Err(error) => self.failed(&error),
        }
    }

    /// All is well unless something of the list could not be put in.
    fn judge(&mut self, reconciled: &Reconciled) {
        self.queue.stats.holds(&self.firewall.shadow);
        match reconciled.refused.iter().find(|(_, error)| !is_refusal(error)) {
            Some((_, error)) => self.failed(error),
            None => {
                if self.queue.stats.is_degraded() {
                    tracing::info!("the firewall holds everything again");
                }
                self.queue.stats.degrade(None);
                self.retry = None;
                self.pause = RETRY_FIRST;
            }
        }
    }

    /// Something that was wished for is not in the kernel: degraded until it is.
    fn failed(&mut self, error: &Error) {
        let text = error.to_string();
        if !self.queue.stats.is_degraded() {
            tracing::error!(
                error = text,
                "the firewall is degraded: some bans are not in force; trying again"
            );
        }
        self.queue.stats.error(text.clone());
        self.queue.stats.degrade(Some(text));
        if self.retry.is_none() {
            self.retry = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(RETRY_LAST);
        }
    }
}

/// Refused on purpose, not failed.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Protected { .. } | Error::Everyone { .. })
}

const PANICKED: &str = "the firewall's thread has panicked";
/// Jobs taken at once.
const BATCH: usize = 1000;
/// How often to look for tampering. nftables also wakes us up.
const LOOK: Duration = Duration::from_millis(500);
/// Somebody who keeps destroying our table is answered at most this often.
const BETWEEN_REPAIRS: Duration = Duration::from_millis(200);
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// An ipset cannot count further than 24 days: longer bans are renewed well before.
const RENEW: Duration = Duration::from_secs(7 * 86_400);
