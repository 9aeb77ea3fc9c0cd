//! The files of the audit: lines of [`crate::audit`] appended one by one, each with one write(2), under one lock.
//!
//! Plain blocking files and no clock of its own: times come with the entries and with [`Journal::tick`], which is to be called each
//! second. A write that fails is told at once and tried anew with the next entry; once it succeeds a note tells how many entries
//! could not be written. One process alone writes a directory. It keeps no secrets out: who makes the entries does. Start with
//! [`Journal::open`]; [`Tail`] reads what was written, [`verify`] checks it.

mod files;
mod open;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use files::list as files;
pub use open::{OpenError, Opened};
pub use tail::Tail;

use crate::audit::{Anchor, Entry, Key, Report, Walk};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use writer::Writer;

/// Where and how a journal is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory; made when it is missing, with mode 0750.
    pub directory: PathBuf,
    /// Permissions of a file: 0o640, or 0o600.
    pub mode: u32,
    /// When lines are forced to the disk.
    pub sync: Sync,
    /// A new file is begun when one has so many bytes, and each day (UTC).
    pub file_size: u64,
    /// Files whose lines are all older are deleted.
    pub keep: Duration,
    /// The oldest files are deleted when all together have more bytes; the newest is never.
    pub keep_size: u64,
    /// What seals the lines.
    pub key: Option<Key>,
}

impl Settings {
    /// A journal in a directory: 64 MiB a file, 400 days, 4 GiB.
    pub fn new(directory: impl Into<PathBuf>) -> Settings {
        Settings {
            directory: directory.into(),
            mode: 0o640,
            sync: Sync::Second,
            file_size: 64 << 20,
            keep: Duration::from_secs(400 * 86_400),
            keep_size: 4 << 30,
            key: None,
        }
    }
}

/// When lines are forced to the disk. They survive the end of the process in any case; this is about a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Sync {
    /// When the system likes to.
    Never,
    /// With each [`Journal::tick`].
    #[default]
    Second,
    /// Before [`Journal::write`] returns: milliseconds on most disks.
    Each,
}

/// An entry could not be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot write the audit {path}: {reason}")]
pub struct Trouble {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

impl Trouble {
    fn new(path: &Path, reason: impl ToString) -> Trouble {
        Trouble { path: path.into(), reason: reason.to_string() }
    }
}

/// How a journal is doing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Entries written since it was opened.
    pub entries: u64,
    /// Attempts to write that failed since it was opened.
    pub failures: u64,
    /// Why the last write failed; `None` when it did not.
    pub failing: Option<String>,
    /// The file that is written.
    pub file: PathBuf,
    /// Its bytes.
    pub file_bytes: u64,
}

#[derive(Debug)]
enum State {
    Open(Box<Writer>),
    /// It could not be opened; it is tried again with each [`Journal::tick`].
    Closed(Box<Closed>),
}

#[derive(Debug)]
struct Closed {
    settings: Settings,
    anchor: Option<Anchor>,
    trouble: Trouble,
}

/// The audit that is written.
#[derive(Debug)]
pub struct Journal {
    writer: Mutex<State>,
    newest: watch::Sender<Anchor>,
    entries: AtomicU64,
    failures: AtomicU64,
    directory: PathBuf,
}

impl Journal {
    /// Opens a journal, or begins one, and writes a note that it was opened. What a crash left unfinished is set aside. `anchor` is
    /// the newest line that somebody else remembers: when the files end before it, their loss is written down. `at`: now, in
    /// microseconds since 1970 UTC. Blocks.
    ///
    /// # Errors
    /// When another process writes it, or it cannot be read and written.
    pub fn open(settings: Settings, anchor: Option<Anchor>, at: u64) -> Result<(Journal, Opened), OpenError> {
        let directory = settings.directory.clone();
        let (writer, opened) = open::open(settings, anchor, at)?;
        Ok((Journal::new(directory, writer.last(), State::Open(Box::new(writer))), opened))
    }

    /// As [`Journal::open`], but what cannot be opened is tried again with each [`Journal::tick`], and until then every
    /// [`Journal::write`] fails.
    pub fn start(
        settings: Settings,
        anchor: Option<Anchor>,
        at: u64,
    ) -> (Journal, Result<Opened, OpenError>) {
        match Journal::open(settings.clone(), anchor, at) {
            Ok((journal, opened)) => (journal, Ok(opened)),
            Err(error) => {
                let directory = settings.directory.clone();
                let trouble = Trouble::new(&directory, &error);
                let closed = Closed { settings, anchor, trouble };
                let state = State::Closed(Box::new(closed));
                (Journal::new(directory, anchor.unwrap_or_default(), state), Err(error))
            }
        }
    }

    fn new(directory: PathBuf, last: Anchor, state: State) -> Journal {
        let (entries, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Journal { writer: Mutex::new(state), newest: watch::Sender::new(last), entries, failures, directory }
    }

    /// Writes an entry; gives its number, which `done` entries name, and its hash. Some microseconds, longer with [`Sync::Each`].
    ///
    /// # Errors
    /// When it is not written, or not certainly on the disk though it has to be.
    pub fn write(&self, entry: &Entry<'_>) -> Result<Anchor, Trouble> {
        let mut state = self.writer.lock();
        let result = match &mut *state {
            State::Open(writer) => {
                let result = writer.write(entry);
                // Under the lock, so that it never goes back.
                self.newest.send_replace(writer.last());
                result
            }
            State::Closed(closed) => Err(closed.trouble.clone()),
        };
        drop(state);
        let counter = if result.is_ok() { &self.entries } else { &self.failures };
        counter.fetch_add(1, Relaxed);
        result
    }

    /// Once a second: forces lines to the disk, deletes old files, and tries again what failed. Tells what was found when it is
    /// opened only now. Blocks.
    ///
    /// # Errors
    /// What keeps it from writing.
    pub fn tick(&self, at: u64) -> Result<Option<Opened>, Trouble> {
        let result = self.work(at);
        if result.is_err() {
            self.failures.fetch_add(1, Relaxed);
        }
        result
    }

    fn work(&self, at: u64) -> Result<Option<Opened>, Trouble> {
        let mut state = self.writer.lock();
        match &mut *state {
            State::Closed(closed) => {
                let opened = open::open(closed.settings.clone(), closed.anchor, at);
                let (writer, opened) = opened.map_err(|error| {
                    closed.trouble = Trouble::new(&self.directory, error);
                    closed.trouble.clone()
                })?;
                self.newest.send_replace(writer.last());
                *state = State::Open(Box::new(writer));
                Ok(Some(opened))
            }
            State::Open(writer) => {
                let unsynced = writer.unsynced();
                // A slow disk must not hold up who writes.
                drop(state);
                let synced = unsynced.map_or(Ok(()), |(path, file)| {
                    file.sync_data().map_err(|error| Trouble::new(&path, error))
                });
                let mut state = self.writer.lock();
                let State::Open(writer) = &mut *state else { return Ok(None) };
                let result =
                    synced.map_err(|trouble| writer.unsafe_on_disk(trouble)).and_then(|()| writer.tick(at));
                self.newest.send_replace(writer.last());
                result.map(|()| None)
            }
        }
    }

    /// The newest line, as it changes: to be kept in a second place, and to wake who reads along.
    pub fn newest(&self) -> watch::Receiver<Anchor> {
        self.newest.subscribe()
    }

    /// How it is doing.
    pub fn health(&self) -> Health {
        let (entries, failures) = (self.entries.load(Relaxed), self.failures.load(Relaxed));
        match &*self.writer.lock() {
            State::Open(writer) => Health {
                entries,
                failures,
                failing: writer.failing(),
                file: writer.path().to_owned(),
                file_bytes: writer.bytes(),
            },
            State::Closed(closed) => {
                let failing = Some(closed.trouble.reason.clone());
                Health { entries, failures, failing, file: self.directory.clone(), file_bytes: 0 }
            }
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Checks files in the order given; all of a journal in order is what [`files()`] gives. Blocks.
///
/// # Errors
/// When one cannot be read.
pub fn verify(files: &[PathBuf], keys: &[Key], anchor: Option<Anchor>) -> io::Result<Report> {
    let mut walk = Walk::new(keys, anchor);
    for path in files {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(named)?;
        walk.file(&path.display().to_string(), BufReader::with_capacity(1 << 16, file)).map_err(named)?;
    }
    Ok(walk.finish())
}
