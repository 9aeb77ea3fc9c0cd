//! The store: bans, allow-list and patterns in SQLite, so that they survive a restart and a kill; the history of bans and the audit.
//!
//! It mirrors the ledger and decides nothing. One thread owns the database; [`Store::record`] hands it a change without
//! waiting, changes are committed together every [`COMMIT_EVERY`] at the latest, and [`Store::settle`] waits until all that was
//! recorded before is on the disk. When the disk is full or fails, the guard goes on: the store says so, drops what it
//! could not write, tries again after a second, after two, four, and at last once a minute, and then writes the whole ledger
//! anew.

use crate::clock;
use guard::fraud::Learnt;
use guard::ledger::Change;
use guard::pattern::DomainPattern;
use guard::{Allowed, Ban, Time};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

pub mod audit;
pub mod commands;
pub mod history;
mod learnt;
pub mod names;
pub mod past;
mod tables;
#[cfg(test)]
mod tests;

pub use audit::Audited;
pub use history::Ending;
use tables::Tables;

/// What the store kept.
#[derive(Default, Debug, PartialEq)]
pub struct Kept {
    /// Bans; some may have run out.
    pub bans: Vec<Ban>,
    /// Allow entries; some may have run out.
    pub allows: Vec<Allowed>,
    /// Untrusted-domain patterns added at run time.
    pub patterns: Vec<DomainPattern>,
    /// Names of the allow-list.
    pub names: Vec<names::Kept>,
    /// What was known of the past.
    pub past: past::Kept,
    /// What accounts learnt of calls.
    pub learnt: Vec<Learnt>,
    /// Since when calls are watched.
    pub calls_watched_since: Option<Time>,
    /// Whether the database was made just now.
    pub is_new: bool,
    /// Where a damaged database was moved, when there was one.
    pub damaged: Option<PathBuf>,
    /// Rows that could not be read and were left out.
    pub unreadable: usize,
    /// Why it could be read but not written, when that is so.
    pub unwritable: Option<String>,
}

/// What a store remembers of weeks past, for who judges beside the daemon.
#[derive(Default, Debug, PartialEq)]
pub struct Remembered {
    /// Reputation, and earlier bans.
    pub past: past::Kept,
    /// What accounts learnt of calls.
    pub learnt: Vec<Learnt>,
    /// Since when calls are watched.
    pub calls_watched_since: Option<Time>,
}

impl Remembered {
    /// Reads it out of a database, which stays as it is and may be in use.
    ///
    /// # Errors
    /// When it cannot be read, or a newer program made it.
    pub fn read(path: &Path) -> Result<Remembered, OpenError> {
        tables::remembered(path).map_err(|error| OpenError::unreadable(path, error))
    }
}

/// Gives the whole ledger, for writing everything anew.
pub type Whole = Box<dyn Fn() -> Kept + Send>;

/// Why the store cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the store {0} is in use by another switchward; stop that one, or give this one a store.path and a \
         firewall.table of its own"
    )]
    InUse(PathBuf),
    /// It is only to be read, and cannot be.
    #[error("cannot read the store {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It cannot be made, opened or read.
    #[error(
        "cannot open the store {path}: {reason}; make its directory writable for this user or set store.path"
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl OpenError {
    fn unreadable(path: &Path, reason: impl ToString) -> OpenError {
        OpenError::Unreadable { path: path.into(), reason: reason.to_string() }
    }

    fn unusable(path: &Path, reason: impl ToString) -> OpenError {
        OpenError::Unusable { path: path.into(), reason: reason.to_string() }
    }
}

/// How the store is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Why the last write failed; `None` when it did not.
    pub failing: Option<String>,
    /// Changes committed.
    pub committed: u64,
    /// Failed commits.
    pub errors: u64,
    /// Changes waiting.
    pub waiting: u64,
    /// The most that ever waited.
    pub most_waiting: u64,
    /// Changes that were not written one by one because the store failed; the whole ledger is written instead, later.
    pub dropped: u64,
    /// Entries of the audit that were not kept because too many waited while the store failed; they are in the log alone.
    pub unaudited: u64,
}

#[derive(Default)]
struct Shared {
    failing: Mutex<Option<String>>,
    committed: AtomicU64,
    errors: AtomicU64,
    recorded: AtomicU64,
    taken: AtomicU64,
    most_waiting: AtomicU64,
    dropped: AtomicU64,
    unaudited: AtomicU64,
    ended: AtomicBool,
}

/// Says that the thread has ended, be it by a panic.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.failing.lock() = Some("its thread has panicked".into());
        }
        self.0.ended.store(true, Relaxed);
    }
}

impl Shared {
    /// One more was handed over.
    fn recorded(&self) {
        let recorded = self.recorded.fetch_add(1, Relaxed) + 1;
        self.most_waiting.fetch_max(recorded.saturating_sub(self.taken.load(Relaxed)), Relaxed);
    }
}

type Answer = tokio::sync::oneshot::Sender<Result<(), String>>;

enum Job {
    Change(Change, Time),
    Name(Box<names::Change>),
    Audit(Box<Audited>),
    Index(Box<commands::Lines>, Answer),
    Past(Box<guard::past::Rows>, Answer),
    Learn(Vec<Learnt>, Option<Time>, Answer),
    Settle(Answer),
    Whole(Whole),
    Stop(Sender<()>),
}

/// A handle to the thread that owns the database.
#[derive(Clone)]
pub struct Store {
    path: Arc<Path>,
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

/// The longest that a change waits for its commit.
pub const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// How long a store that fails is left alone at first; each failure after it doubles that.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest that it is left alone.
const LAST_RETRY: Duration = Duration::from_secs(60);
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Most entries of the audit that wait while the store fails; each is in the daemon's log as well.
const AUDIT_WAITING: usize = 5_000;
/// Most changes in one commit.
const BATCH: usize = 10_000;

impl Store {
    /// Opens (or makes) the database and reads what it kept. A damaged one is moved aside, not overwritten. It is
    /// ours alone until it is closed: two daemons that put different ledgers into one kernel would undo each other.
    ///
    /// # Errors
    /// When the file cannot be made or opened, or another process has it.
    pub fn open(path: &Path) -> Result<(Store, Kept), OpenError> {
        let (tables, kept) = Tables::open(path)?;
        let (jobs, inbox) = channel();
        let shared = Arc::new(Shared::default());
        let mut writer = Writer {
            tables,
            inbox,
            shared: shared.clone(),
            whole: None,
            behind: None,
            named: Vec::new(),
            audited: Vec::new(),
            prune: Instant::now(),
        };
        if let Some(reason) = &kept.unwritable {
            writer.fall_behind(reason.clone());
        }
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                let _end = End(writer.shared.clone());
                netfilter::thread::stand_back();
                writer.run();
            })
            .map_err(|error| OpenError::unusable(path, error))?;
        Ok((Store { path: path.into(), jobs, shared }, kept))
    }

    /// Where the store gets the whole ledger from, after a failure.
    pub fn mirror(&self, whole: Whole) {
        _ = self.jobs.send(Job::Whole(whole));
    }

    /// Hands a change over; never waits.
    pub fn record(&self, change: &Change) {
        self.shared.recorded();
        _ = self.jobs.send(Job::Change(change.clone(), clock::now()));
    }

    /// Hands a change of a name of the allow-list over; never waits.
    pub fn name(&self, change: names::Change) {
        self.shared.recorded();
        _ = self.jobs.send(Job::Name(Box::new(change)));
    }

    /// Hands an entry of the audit over; never waits.
    pub fn audit(&self, entry: Audited) {
        self.shared.recorded();
        _ = self.jobs.send(Job::Audit(Box::new(entry)));
    }

    /// Adds lines of the broker's audit to their index, and waits until they are on the disk. Whoever asks keeps the lines until then.
    ///
    /// # Errors
    /// What keeps the store from writing.
    pub async fn index(&self, lines: commands::Lines) -> Result<(), String> {
        let (done, answer) = tokio::sync::oneshot::channel();
        _ = self.jobs.send(Job::Index(Box::new(lines), done));
        answer.await.unwrap_or_else(|_| Err("the store has stopped".into()))
    }

    /// Writes down what accounts learnt, and since when calls are watched, and waits until it is on the disk. Whoever asks keeps it until
    /// then.
    ///
    /// # Errors
    /// What keeps the store from writing.
    pub async fn learn(&self, learnt: Vec<Learnt>, began: Option<Time>) -> Result<(), String> {
        let (done, answer) = tokio::sync::oneshot::channel();
        _ = self.jobs.send(Job::Learn(learnt, began, done));
        answer.await.unwrap_or_else(|_| Err("the store has stopped".into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the database once more, to read from: the history, the audit. Blocks; not for the threads of a runtime.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn reader(&self) -> rusqlite::Result<rusqlite::Connection> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        Ok(connection)
    }

    /// Waits until all that was recorded before is on the disk.
    ///
    /// # Errors
    /// What keeps the store from writing.
    pub async fn settle(&self) -> Result<(), String> {
        let (done, answer) = tokio::sync::oneshot::channel();
        _ = self.jobs.send(Job::Settle(done));
        answer.await.unwrap_or_else(|_| Err("the store has stopped".into()))
    }

    /// How it is doing.
    pub fn health(&self) -> Health {
        let waiting = self.shared.recorded.load(Relaxed).saturating_sub(self.shared.taken.load(Relaxed));
        Health {
            failing: self.shared.failing.lock().clone(),
            committed: self.shared.committed.load(Relaxed),
            errors: self.shared.errors.load(Relaxed),
            waiting,
            most_waiting: self.shared.most_waiting.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
            unaudited: self.shared.unaudited.load(Relaxed),
        }
    }

    /// Whether its thread has ended, as after [`Store::stop`] or a panic: nothing is written any more.
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Relaxed)
    }

    /// Writes what is waiting and closes the database; false when that took longer than `timeout`.
    pub fn stop(&self, timeout: Duration) -> bool {
        let (done, answer) = channel();
        self.jobs.send(Job::Stop(done)).is_ok() && answer.recv_timeout(timeout).is_ok()
    }
}

struct Writer {
    tables: Tables,
    inbox: Receiver<Job>,
    shared: Arc<Shared>,
    whole: Option<Whole>,
    /// Since the last failed attempt changes are dropped, so that the whole ledger must be written.
    behind: Option<Behind>,
    /// Changes of names that wait.
    named: Vec<names::Change>,
    /// Entries of the audit that wait; kept while the store fails.
    audited: Vec<Audited>,
    /// When to forget what is too old.
    prune: Instant,
}

/// The last attempt to write failed.
#[derive(Clone, Copy)]
struct Behind {
    /// When.
    since: Instant,
    /// How long after it the next is made.
    pause: Duration,
}

impl Behind {
    /// How long it is until the next attempt.
    fn left(&self) -> Duration {
        self.pause.saturating_sub(self.since.elapsed())
    }
}

impl Writer {
    fn run(mut self) {
        let mut changes: Vec<(Change, Time)> = Vec::new();
        loop {
            let wait = match self.behind {
                Some(behind) => behind.left(),
                None => self.prune.saturating_duration_since(Instant::now()),
            };
            let first = match self.inbox.recv_timeout(wait) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut end = None;
            let mut asked = Vec::new();
            self.gather(first, &mut changes, &mut asked, &mut end);
            let result = self.commit(&mut changes, end.is_some());
            for done in asked {
                _ = done.send(result.clone());
            }
            if let Some(done) = end {
                self.tables.close();
                _ = done.send(());
                return;
            }
            if Instant::now() >= self.prune {
                let more = self.behind.is_none() && self.tables.prune(clock::now());
                self.prune = Instant::now() + if more { COMMIT_EVERY } else { PRUNE_EVERY };
            }
        }
    }

    /// Takes jobs until the commit is due: at once when somebody waits for it.
    fn gather(
        &mut self,
        first: Option<Job>,
        changes: &mut Vec<(Change, Time)>,
        asked: &mut Vec<Answer>,
        end: &mut Option<Sender<()>>,
    ) {
        let due = Instant::now() + COMMIT_EVERY;
        let mut next = first;
        while let Some(job) = next {
            match job {
                Job::Change(change, at) => {
                    self.shared.taken.fetch_add(1, Relaxed);
                    changes.push((change, at));
                }
                Job::Name(change) => {
                    self.shared.taken.fetch_add(1, Relaxed);
                    self.named.push(*change);
                }
                Job::Audit(entry) => {
                    self.shared.taken.fetch_add(1, Relaxed);
                    if self.audited.len() < AUDIT_WAITING {
                        self.audited.push(*entry);
                    } else {
                        self.shared.unaudited.fetch_add(1, Relaxed);
                    }
                }
                // A commit of its own, so that changes of the ledger never fail because of it.
                Job::Index(lines, done) => _ = done.send(self.tables.index(&lines)),
                Job::Past(rows, done) => _ = done.send(self.tables.write_past(&rows)),
                Job::Learn(learnt, began, done) => _ = done.send(self.tables.learn(&learnt, began)),
                Job::Settle(done) => asked.push(done),
                Job::Whole(whole) => self.whole = Some(whole),
                Job::Stop(done) => {
                    *end = Some(done);
                    return;
                }
            }
            let is_full = self.behind.is_none() && self.audited.len() >= AUDIT_WAITING;
            if is_full || changes.len() + self.named.len() + self.audited.len() >= BATCH {
                return;
            }
            let wait =
                if asked.is_empty() { due.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            next = self.inbox.recv_timeout(wait).ok();
        }
    }

    fn commit(&mut self, changes: &mut Vec<(Change, Time)>, is_last: bool) -> Result<(), String> {
        let named = std::mem::take(&mut self.named);
        let count = changes.len() + named.len();
        let result = if let Some(behind) = self.behind {
            if !behind.left().is_zero() && !is_last {
                self.shared.dropped.fetch_add(count as u64, Relaxed);
                changes.clear();
                return Err(self.shared.failing.lock().clone().unwrap_or_default());
            }
            match &self.whole {
                Some(whole) => self.tables.write_whole(&whole(), &self.audited),
                None => Err("changes were lost and nothing tells the whole ledger".into()),
            }
        } else if count == 0 && self.audited.is_empty() {
            Ok(())
        } else {
            self.tables.write(changes, &named, &self.audited)
        };
        match &result {
            Ok(()) => {
                self.shared.committed.fetch_add((count + self.audited.len()) as u64, Relaxed);
                self.audited.clear();
                if self.shared.failing.lock().take().is_some() {
                    tracing::warn!("the store can be written again; the whole ledger is on the disk");
                }
                self.behind = None;
            }
            Err(reason) => {
                self.shared.errors.fetch_add(1, Relaxed);
                self.shared.dropped.fetch_add(count as u64, Relaxed);
                self.fall_behind(reason.clone());
            }
        }
        changes.clear();
        result
    }

    /// What is recorded from now on is not written; the whole ledger is, once that is possible.
    fn fall_behind(&mut self, reason: String) {
        let pause = self.behind.map_or(FIRST_RETRY, |behind| (behind.pause * 2).min(LAST_RETRY));
        self.behind = Some(Behind { since: Instant::now(), pause });
        let before = self.shared.failing.lock().replace(reason.clone());
        if before.is_none() {
            tracing::error!(
                %reason,
                "the store cannot be written: bans hold in memory and in the kernel but would not survive a restart; \
                 free some space or mend the disk (trying again after a second, then less and less often, once a minute at last)"
            );
        }
    }
}
