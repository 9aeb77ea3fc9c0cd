//! The tables, and how ledger entries become rows. Only the store's thread comes in here.

use super::commands::{self, Lines};
use super::{Audited, Ending, Kept, OpenError, Remembered, audit, history, learnt, names, past};
use guard::ledger::Change;
use guard::pattern::DomainPattern;
use guard::{Allowed, Ban, Time};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Version of the tables, kept in SQLite's `user_version`.
pub(super) const VERSION: i64 = 7;

/// Version 1: what mirrors the ledger. Version 2 added the history and the audit, version 3 the names of the allow-list,
/// version 4 the index of the broker's audit, version 5 what is known of the past,
/// version 6 what accounts learnt of calls, version 7 since when calls are watched.
const MIRROR: &str = "
    CREATE TABLE bans (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE allows (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE patterns (pattern TEXT PRIMARY KEY) WITHOUT ROWID;
";

/// What each version added.
const SCHEMAS: [(i64, &str); 8] = [
    (1, MIRROR),
    (2, history::SCHEMA),
    (2, audit::SCHEMA),
    (3, names::SCHEMA),
    (4, commands::SCHEMA),
    (5, past::SCHEMA),
    (6, learnt::SCHEMA),
    (7, learnt::BEGAN),
];

pub(super) struct Tables {
    path: PathBuf,
    /// None for as long as the disk has no room for the files that SQLite needs beside the database.
    connection: Option<Connection>,
    /// Holds the lock that makes the store ours. Closed after the connection: closing a file that SQLite has open
    /// takes SQLite's own locks away (<https://sqlite.org/howtocorrupt.html>, 2.2).
    _lock: File,
}

impl Tables {
    /// Opens or makes the database.
    pub(super) fn open(path: &Path) -> Result<(Tables, Kept), OpenError> {
        let unusable = |reason: String| OpenError::unusable(path, reason);
        let lock = prepare(path)?;
        let (connection, kept, lock) = match Self::open_existing(path) {
            Ok((connection, kept)) => (Some(connection), kept, lock),
            Err(error) if is_damage(&error) => {
                let aside = move_aside(path).map_err(unusable)?;
                let lock = prepare(path)?;
                let (connection, kept) =
                    Self::open_existing(path).map_err(|error| unusable(error.to_string()))?;
                (Some(connection), Kept { damaged: Some(aside), ..kept }, lock)
            }
            Err(error) if is_no_room(&error) => {
                let kept = Self::read_alone(path).map_err(|_| unusable(error.to_string()))?;
                (None, Kept { unwritable: Some(error.to_string()), ..kept }, lock)
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        Ok((Tables { path: path.into(), connection, _lock: lock }, kept))
    }

    fn open_existing(path: &Path) -> rusqlite::Result<(Connection, Kept)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Every commit reaches the disk: a ban that was answered survives a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            return Err(newer_version(version));
        }
        let missing: String =
            SCHEMAS.iter().filter(|(since, _)| *since > version).map(|(_, schema)| *schema).collect();
        if !missing.is_empty() {
            connection
                .execute_batch(&format!("BEGIN; {missing} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        // On a full disk what ran out stays until the next start.
        _ = catch_up(&connection);
        let kept = Kept { is_new: version == 0, ..read_all(&connection)? };
        Ok((connection, kept))
    }

    /// Reads a database that was closed in order, and nothing beside it.
    fn read_alone(path: &Path) -> rusqlite::Result<Kept> {
        if has_log(path) {
            // The newest changes are in there.
            return Err(rusqlite::Error::InvalidPath(path.into()));
        }
        read_all(&open_alone(path)?)
    }

    /// Writes changes in one commit.
    pub(super) fn write(
        &mut self,
        changes: &[(Change, Time)],
        named: &[names::Change],
        audited: &[Audited],
    ) -> Result<(), String> {
        self.commit(|transaction| {
            changes.iter().try_for_each(|(change, at)| apply(transaction, change, *at))?;
            named.iter().try_for_each(|change| names::apply(transaction, change))?;
            audited.iter().try_for_each(|entry| audit::insert(transaction, entry))
        })
    }

    /// Adds lines of the broker's audit to their index, in one commit.
    pub(super) fn index(&mut self, lines: &Lines) -> Result<(), String> {
        self.commit(|transaction| commands::insert(transaction, lines))
    }

    /// Writes what is known of the past, in one commit.
    pub(super) fn write_past(&mut self, rows: &guard::past::Rows) -> Result<(), String> {
        self.commit(|transaction| past::write(transaction, rows))
    }

    /// Writes down what accounts learnt, and since when calls are watched, in one commit.
    pub(super) fn learn(
        &mut self,
        learnt: &[guard::fraud::Learnt],
        began: Option<Time>,
    ) -> Result<(), String> {
        self.commit(|transaction| {
            if let Some(began) = began {
                learnt::put_began(transaction, began)?;
            }
            learnt.iter().try_for_each(|learnt| learnt::put(transaction, learnt))?;
            learnt::prune(transaction)
        })
    }

    /// Replaces the mirror of the ledger in one commit, and brings the history in line with it.
    pub(super) fn write_whole(&mut self, whole: &Kept, audited: &[Audited]) -> Result<(), String> {
        self.commit(|transaction| {
            // While the times of what ran out are still there.
            history::align(transaction, &whole.bans, crate::clock::now())?;
            transaction.execute_batch(
                "DELETE FROM bans; DELETE FROM allows; DELETE FROM patterns; DELETE FROM names;",
            )?;
            whole.bans.iter().try_for_each(|ban| put_ban(transaction, ban))?;
            whole.allows.iter().try_for_each(|entry| put_allow(transaction, entry))?;
            whole.patterns.iter().try_for_each(|pattern| put_pattern(transaction, pattern))?;
            whole.names.iter().try_for_each(|kept| names::put(transaction, kept))?;
            audited.iter().try_for_each(|entry| audit::insert(transaction, entry))
        })
    }

    /// Forgets a piece of what is too old; tells whether there may be more. What fails now is tried again later.
    pub(super) fn prune(&mut self, now: Time) -> bool {
        let Some(connection) = &self.connection else { return false };
        let more = [
            history::prune(connection, now, history::MOST),
            audit::prune(connection, now),
            past::prune(connection, now, past::MOST),
        ];
        more.into_iter().any(|more| more.unwrap_or(false))
    }

    fn commit(&mut self, write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), String> {
        let write_all = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            write(&transaction)?;
            transaction.commit()
        };
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Self::open_existing(&self.path).map_err(|error| error.to_string())?.0),
        };
        write_all(connection).map_err(|error| error.to_string())
    }

    /// Moves what is in the write-ahead log into the database, and lets others have it.
    pub(super) fn close(self) {
        if let Some(connection) = self.connection {
            _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        }
    }
}

/// Whether there are changes that are not in the database's file yet.
fn has_log(path: &Path) -> bool {
    Path::new(&format!("{}-wal", path.display())).metadata().is_ok_and(|wal| wal.len() > 0)
}

/// Opens a database that was closed in order, to read it and nothing beside it.
fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

/// What is remembered of weeks past. Nothing is written.
pub(super) fn remembered(path: &Path) -> rusqlite::Result<Remembered> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // One that was closed in order is read without the files that SQLite would make beside it.
    let connection =
        if has_log(path) { Connection::open_with_flags(path, flags)? } else { open_alone(path)? };
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        return Err(newer_version(version));
    }
    let mut unreadable = 0;
    let past = past::read(&connection, &mut unreadable)?;
    let learnt = learnt::read(&connection, &mut unreadable)?;
    Ok(Remembered { past, learnt, calls_watched_since: learnt::read_began(&connection)? })
}

fn read_all(connection: &Connection) -> rusqlite::Result<Kept> {
    let mut kept = Kept::default();
    kept.bans = read(connection, "bans", &mut kept.unreadable)?;
    kept.allows = read(connection, "allows", &mut kept.unreadable)?;
    kept.names = names::read(connection, &mut kept.unreadable)?;
    kept.past = past::read(connection, &mut kept.unreadable)?;
    kept.learnt = learnt::read(connection, &mut kept.unreadable)?;
    kept.calls_watched_since = learnt::read_began(connection)?;
    let mut statement = connection.prepare("SELECT pattern FROM patterns")?;
    for pattern in statement.query_map([], |row| row.get::<_, String>(0))? {
        match DomainPattern::new(&pattern?) {
            Ok(pattern) => kept.patterns.push(pattern),
            Err(_) => kept.unreadable += 1,
        }
    }
    Ok(kept)
}

/// What ran out while nobody was there to say so would stay for ever; and the history knows every ban that stands, although an
/// older program or a broken row kept it from being told.
fn catch_up(connection: &Connection) -> rusqlite::Result<()> {
    let now = crate::clock::now();
    let transaction = connection.unchecked_transaction()?;
    history::end_what_ran_out(&transaction, now)?;
    for table in ["bans", "allows"] {
        let sql = format!("DELETE FROM {table} WHERE until <= ?1");
        transaction.execute(&sql, params![history::micros(now)])?;
    }
    history::catch_up(&transaction, now)?;
    transaction.commit()
}

fn apply(transaction: &Transaction<'_>, change: &Change, at: Time) -> rusqlite::Result<()> {
    let remove = |table: &str, key: &str, value: String| {
        let sql = format!("DELETE FROM {table} WHERE {key} = ?1");
        transaction.prepare_cached(&sql)?.execute(params![value]).map(|_| ())
    };
    match change {
        Change::Banned(ban) | Change::Noted(ban) => {
            put_ban(transaction, ban)?;
            history::banned(transaction, ban)
        }
        Change::Lifted(ban, by) => {
            remove("bans", "target", ban.target.to_string())?;
            history::ended(transaction, ban, Ending::Lifted, Some(by), at)
        }
        Change::Expired(ban) => {
            remove("bans", "target", ban.target.to_string())?;
            history::ended(transaction, ban, Ending::Expired, None, at)
        }
        Change::Allowed(entry) | Change::Refreshed(entry) => put_allow(transaction, entry),
        Change::Disallowed(entry, _) => remove("allows", "target", entry.target.to_string()),
        Change::PatternAdded(pattern) => put_pattern(transaction, pattern),
        Change::PatternRemoved(pattern) => remove("patterns", "pattern", pattern.to_string()),
    }
}

fn put_ban(transaction: &Transaction<'_>, ban: &Ban) -> rusqlite::Result<()> {
    put(transaction, "bans", &ban.target.to_string(), ban.until, ban)
}

fn put_allow(transaction: &Transaction<'_>, entry: &Allowed) -> rusqlite::Result<()> {
    put(transaction, "allows", &entry.target.to_string(), entry.until, entry)
}

fn put_pattern(transaction: &Transaction<'_>, pattern: &DomainPattern) -> rusqlite::Result<()> {
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO patterns (pattern) VALUES (?1)")?;
    statement.execute(params![pattern.as_str()]).map(|_| ())
}

fn put(
    transaction: &Transaction<'_>,
    table: &str,
    target: &str,
    until: Option<Time>,
    entry: &impl serde::Serialize,
) -> rusqlite::Result<()> {
    let text = serde_json::to_string(entry)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let until = until.map(history::micros);
    let sql = format!("INSERT OR REPLACE INTO {table} (target, until, entry) VALUES (?1, ?2, ?3)");
    transaction.prepare_cached(&sql)?.execute(params![target, until, text]).map(|_| ())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    table: &str,
    unreadable: &mut usize,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(&format!("SELECT entry FROM {table}"))?;
    let mut entries = Vec::new();
    for text in statement.query_map([], |row| row.get::<_, String>(0))? {
        match serde_json::from_str(&text?) {
            Ok(entry) => entries.push(entry),
            Err(_) => *unreadable += 1,
        }
    }
    Ok(entries)
}

/// Makes the directory and the file, for this user alone, and takes the file's lock.
fn prepare(path: &Path) -> Result<File, OpenError> {
    if let Some(directory) =
        path.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists())
    {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| OpenError::unusable(path, format!("making {}: {error}", directory.display())))?;
    }
    let opened = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(|error| OpenError::unusable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.into())),
        Err(TryLockError::Error(error)) => Err(OpenError::unusable(path, format!("locking it: {error}"))),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

fn is_no_room(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
}

fn newer_version(version: i64) -> rusqlite::Error {
    let text = format!(
        "its tables have version {version}, this program knows {VERSION}; use the newer program or another file"
    );
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR), Some(text))
}

fn move_aside(path: &Path) -> Result<PathBuf, String> {
    let aside = PathBuf::from(format!("{}.damaged-{}", path.display(), crate::clock::now().secs()));
    fs::rename(path, &aside)
        .map_err(|error| format!("moving the damaged file to {}: {error}", aside.display()))?;
    for extra in ["-wal", "-shm"] {
        _ = fs::remove_file(format!("{}{extra}", path.display()));
    }
    Ok(aside)
}

/// The tables of an older version.
#[cfg(test)]
pub(super) fn schema_of(version: i64) -> String {
    SCHEMAS.iter().filter(|(since, _)| *since <= version).map(|(_, schema)| *schema).collect()
}
