//! The trail of commands in the daemon: the broker's journal, kept going, and its index in the store.
//!
//! [`open`] finds the journal's end and compares it with what the store remembers. [`follow`] ticks the journal each second
//! and reads along what is written into the index; nothing waits in memory, the files are the queue. The index is held to a pace, so
//! that a flood of commands does not pay for being searched. Who may do what, and what is written, is the broker's desk's.

#[cfg(test)]
mod tests;

use crate::app::App;
use crate::clock;
use crate::config::Config;
use crate::config::broker::AuditSync;
use crate::store::Store;
use crate::store::commands::{self, Lines};
use broker::audit::{Anchor, Key, Record};
use broker::journal::{Journal, Opened, Settings, Sync, Tail};
use guard::Time;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch as signal;

/// The journal, and what is known of it.
#[derive(Debug)]
pub struct Trail {
    /// What is written.
    pub journal: Arc<Journal>,
    /// What was found wrong when it was opened.
    damage: Mutex<Option<String>>,
    /// The newest line that is in the index, and those that could not be read.
    indexed: AtomicU64,
    unreadable: AtomicU64,
    keep: Duration,
    pace: Pace,
}

/// How fast lines go into the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Between two batches.
    pub every: Duration,
    /// Lines of a batch.
    pub lines: usize,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { every: Duration::from_millis(200), lines: 2_000 }
    }
}

/// Where the journal is: as configured, else beside the store.
pub fn directory(config: &Config, store: Option<&Path>) -> PathBuf {
    match (&config.broker.audit_dir, store) {
        (None, Some(store)) => store.with_file_name("audit"),
        _ => config.audit_dir(),
    }
}

/// Reads the key that seals lines.
///
/// # Errors
/// When the file cannot be read, or is too short for a key.
pub fn key(config: &Config) -> Result<Option<Key>, String> {
    config.broker.audit_key_file.as_deref().map(read_key).transpose()
}

/// Reads a file with a key.
///
/// # Errors
/// When it cannot be read, or is too short for a key.
pub fn read_key(path: &Path) -> Result<Key, String> {
    let said = |reason: String| format!("the key of the audit, {}: {reason}", path.display());
    let secret = std::fs::read(path).map_err(|error| said(error.to_string()))?;
    // The line feed that editors add is no part of it.
    Key::new(secret.trim_ascii_end())
        .ok_or_else(|| said(format!("a key has at least {} bytes; set broker.audit_key_file", Key::SHORTEST)))
}

/// Opens the journal. One that cannot be opened is tried again each second, and every command is refused until then (or not:
/// `broker.allow_unaudited`). Blocks.
///
/// # Errors
/// When the key cannot be used: without it the lines would not be sealed.
pub fn open(config: &Config, store: Option<&Store>) -> Result<Trail, String> {
    let broker = &config.broker;
    let settings = Settings {
        sync: match broker.audit_sync {
            AuditSync::Never => Sync::Never,
            AuditSync::Second => Sync::Second,
            AuditSync::Each => Sync::Each,
        },
        file_size: broker.audit_file_size,
        keep: broker.audit_retention,
        keep_size: broker.audit_max_size,
        key: key(config)?,
        ..Settings::new(directory(config, store.map(Store::path)))
    };
    let anchor = store.and_then(|store| match store.reader().and_then(|reader| commands::end(&reader)) {
        Ok(anchor) => anchor,
        Err(error) => {
            tracing::error!(%error, "the index of the audit cannot be read; it is made anew");
            None
        }
    });
    let (journal, opened) = Journal::start(settings, anchor, clock::now().micros());
    let trail = Trail {
        journal: Arc::new(journal),
        damage: Mutex::default(),
        indexed: AtomicU64::new(anchor.map_or(0, |anchor| anchor.sequence)),
        unreadable: AtomicU64::new(0),
        keep: broker.audit_retention,
        pace: Pace::default(),
    };
    match opened {
        Ok(opened) => trail.opened(&opened),
        Err(error) => tracing::error!("{error}; commands cannot be written down (trying again every second)"),
    }
    Ok(trail)
}

impl Trail {
    /// The newest line of the journal, and the newest one in the index.
    pub fn ends(&self) -> (u64, u64) {
        (self.journal.newest().borrow().sequence, self.indexed.load(Relaxed))
    }

    /// Lines that the index could not read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Relaxed)
    }

    /// What was wrong with the journal when it was opened: lines that are missing or were changed.
    pub fn damage(&self) -> Option<String> {
        self.damage.lock().clone()
    }

    /// Waits until the index has what the journal has now, but not longer than `limit`; tells how many lines it lacks.
    pub async fn caught_up(&self, limit: Duration) -> u64 {
        let wanted = self.ends().0;
        let missing = || wanted.saturating_sub(self.indexed.load(Relaxed));
        let wait = async {
            while missing() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        _ = tokio::time::timeout(limit, wait).await;
        missing()
    }

    fn opened(&self, opened: &Opened) {
        let Opened { found, torn, lost, damaged } = opened;
        tracing::info!(directory = %self.journal.directory().display(), lines = found.sequence, "the audit of commands is open");
        if let Some((aside, bytes)) = torn {
            tracing::warn!(aside = %aside.display(), bytes, "an unfinished line of the audit, as a crash leaves it, was set aside");
        }
        let mut damage = damaged.clone();
        if *lost > 0 {
            damage =
                Some(format!("the newest {lost} lines that the store remembers are missing from its files"));
        }
        if let Some(damage) = &damage {
            tracing::error!("the audit of commands was changed or lost lines: {damage}");
        }
        *self.damage.lock() = damage;
    }

    /// Once a second.
    fn tick(&self) {
        // What fails is told by the alarm; the log says when it begins and ends.
        let was_failing = self.journal.health().failing.is_some();
        match self.journal.tick(clock::now().micros()) {
            Ok(Some(opened)) => self.opened(&opened),
            Ok(None) if was_failing => tracing::warn!("the audit of commands can be written again"),
            Err(trouble) if !was_failing => tracing::error!("{trouble}"),
            Ok(None) | Err(_) => {}
        }
    }
}

/// Keeps the journal going and its index up to date, until `stopped`.
pub async fn follow(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let ticking = tokio::spawn(tick(app.clone(), stopped.clone()));
    if app.mirror.store().is_some() {
        tokio::select! {
            () = index(&app) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }
    _ = ticking.await;
}

async fn tick(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            _ = every.tick() => false,
            _ = stopped.wait_for(|stopped| *stopped) => true,
        };
        let ticking = app.clone();
        _ = tokio::task::spawn_blocking(move || ticking.trail.tick()).await;
        if is_last {
            return;
        }
    }
}

/// Reads along, from where the index ends.
async fn index(app: &Arc<App>) {
    let trail = &app.trail;
    let mut newest = trail.journal.newest();
    let mut tail = Tail::new(trail.journal.directory(), trail.indexed.load(Relaxed));
    loop {
        let lines = trail.pace.lines;
        let read = tokio::task::spawn_blocking(move || (tail.next(lines), tail)).await;
        // The runtime ends.
        let Ok((records, back)) = read else { return };
        tail = back;
        match records {
            Ok(records) if records.is_empty() => {
                if newest.changed().await.is_err() {
                    return;
                }
            }
            Ok(records) => put(app, records).await,
            // The journal's own trouble; its alarm tells it.
            Err(error) => tracing::debug!(%error, "the audit cannot be read along"),
        }
        trail.unreadable.store(tail.unreadable(), Relaxed);
        tokio::time::sleep(trail.pace.every).await;
    }
}

/// Puts lines into the index; again and again, while the store fails.
async fn put(app: &Arc<App>, records: Vec<Record>) {
    let Some(store) = app.mirror.store() else { return };
    let last = records.last().map_or_else(Anchor::default, Record::anchor);
    let keep_from =
        clock::now().micros().saturating_sub(u64::try_from(app.trail.keep.as_micros()).unwrap_or(u64::MAX));
    let lines = Lines { records, keep_from: Time::from_micros(keep_from) };
    while let Err(error) = store.index(lines.clone()).await {
        tracing::debug!(%error, "the audit cannot be indexed");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    app.trail.indexed.fetch_max(last.sequence, Relaxed);
}
