//! What the guard knows of the past: reputation of sources and accounts, and earlier bans.
//!
//! Written in commits of its own, about once a minute and at the stop ([`Store::write_past`]), so that a change of the ledger never waits or
//! fails because of it. The key of the hashes that accounts are kept by is made with the tables. Start with [`Kept`].

use super::history::micros;
use super::{Job, Store};
use guard::Time;
use guard::past::{DAYS_KEPT, Rows, day};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::time::Duration;

pub(super) const SCHEMA: &str = "
    CREATE TABLE past_sources (key TEXT PRIMARY KEY, day INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX past_sources_day ON past_sources (day);
    CREATE TABLE past_accounts (key TEXT PRIMARY KEY, day INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX past_accounts_day ON past_accounts (day);
    CREATE TABLE past_bans (key TEXT PRIMARY KEY, ended INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX past_bans_ended ON past_bans (ended);
    CREATE TABLE past_key (key BLOB NOT NULL);
    INSERT INTO past_key VALUES (randomblob(16));
";

/// What the store kept of the past.
#[derive(Default, Debug, PartialEq)]
pub struct Kept {
    /// Keys the hashes of accounts.
    pub key: [u64; 2],
    /// What was known; some of it may have faded.
    pub rows: Rows,
}

impl Store {
    /// Writes rows down, a few at a time; what could not be written comes back.
    ///
    /// # Errors
    /// The rows that are not on the disk, and what keeps the store from writing.
    pub async fn write_past(&self, mut rows: Rows) -> Result<(), (Rows, String)> {
        while !rows.is_empty() {
            let some = rows.take(AT_ONCE);
            let (done, answer) = tokio::sync::oneshot::channel();
            _ = self.jobs.send(Job::Past(Box::new(some.clone()), done));
            if let Err(reason) = answer.await.unwrap_or_else(|_| Err("the store has stopped".into())) {
                rows.sources.extend(some.sources);
                rows.accounts.extend(some.accounts);
                rows.priors.extend(some.priors);
                return Err((rows, reason));
            }
        }
        Ok(())
    }
}

pub(super) fn write(transaction: &Transaction<'_>, rows: &Rows) -> rusqlite::Result<()> {
    let put = |table: &str, age: &str, key: String, at: i64, text: serde_json::Result<String>| {
        let text = text.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = format!("INSERT OR REPLACE INTO {table} (key, {age}, entry) VALUES (?1, ?2, ?3)");
        transaction.prepare_cached(&sql)?.execute(params![key, at, text]).map(|_| ())
    };
    for row in &rows.sources {
        put("past_sources", "day", row.key(), row.day().into(), serde_json::to_string(row))?;
    }
    for row in &rows.accounts {
        put("past_accounts", "day", row.key(), row.day().into(), serde_json::to_string(row))?;
    }
    for row in &rows.priors {
        let key = row.target.to_string();
        if row.is_empty() {
            transaction.prepare_cached("DELETE FROM past_bans WHERE key = ?1")?.execute(params![key])?;
        } else {
            put("past_bans", "ended", key, micros(row.ended()), serde_json::to_string(row))?;
        }
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, unreadable: &mut usize) -> rusqlite::Result<Kept> {
    // A file of an older program that there is no room to change is read as it is.
    let is_there = "SELECT 1 FROM sqlite_master WHERE name = 'past_key'";
    if connection.query_row(is_there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Kept::default());
    }
    let key = "SELECT key FROM past_key";
    let Some(key) = connection.query_row(key, [], |row| row.get::<_, Vec<u8>>(0)).optional()? else {
        return Ok(Kept::default());
    };
    let half = |from: usize| {
        let bytes = key.iter().skip(from).take(8).copied();
        bytes.fold(0, |number: u64, byte| number << 8 | u64::from(byte))
    };
    let rows = Rows {
        sources: super::tables::read(connection, "past_sources", unreadable)?,
        accounts: super::tables::read(connection, "past_accounts", unreadable)?,
        priors: super::tables::read(connection, "past_bans", unreadable)?,
    };
    Ok(Kept { key: [half(0), half(8)], rows })
}

/// Forgets a piece of what has faded, and the oldest of what is too much; tells whether there may be more.
pub(super) fn prune(connection: &Connection, now: Time, most: i64) -> rusqlite::Result<bool> {
    let first_day = i64::from(day(now)) - i64::from(DAYS_KEPT);
    let first_ban = micros(now).saturating_sub(i64::try_from(BANS_KEPT.as_micros()).unwrap_or(i64::MAX));
    let mut more = false;
    for (table, age, before) in [
        ("past_sources", "day", first_day),
        ("past_accounts", "day", first_day),
        ("past_bans", "ended", first_ban),
    ] {
        let oldest = |rest: &str| {
            format!(
                "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} {rest} ORDER BY {age} LIMIT ?2)"
            )
        };
        let aged = connection.execute(&oldest(&format!("WHERE {age} <= ?1")), params![before, PIECE])?;
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = connection.query_row(&count, [], |row| row.get(0))?;
        let surplus = (count - most).clamp(0, PIECE);
        if surplus > 0 {
            connection.execute(&oldest("WHERE ?1 IS NOT NULL"), params![before, surplus])?;
        }
        more |= aged as i64 == PIECE || surplus == PIECE;
    }
    Ok(more)
}

/// Rows in one commit.
const AT_ONCE: usize = 2_000;
/// Most rows in each table.
pub(super) const MOST: i64 = 400_000;
/// Rows that are deleted at a time.
const PIECE: i64 = 1_000;
/// The longest that an earlier ban can count (`guard.priors_kept`).
const BANS_KEPT: Duration = Duration::from_secs(366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use guard::past::Past;
    use guard::reputation::Success;
    use guard::{Evidence, Source};
    use std::path::Path;

    fn at(days: u64) -> Time {
        Time::from_secs((20_000 + days) * 86_400)
    }

    fn past() -> Past {
        Past::new(10_000, [1, 2, 3, 4])
    }

    fn source(n: u32) -> Source {
        Source::V4(std::net::Ipv4Addr::from(0xc612_0000 + n))
    }

    fn succeed(past: &Past, n: u32, day: u64) {
        let user = n.to_string();
        let (user, domain, agent) = (user.as_bytes(), &b"pbx.example"[..], &b"Phone 1.0"[..]);
        let seen = Success { source: source(n), user, domain, agent, country: &|| Some(*b"DE") };
        past.succeeded(&seen, Evidence::Proven, at(day));
    }

    fn ban(n: u32) -> guard::Ban {
        guard::Ban {
            target: guard::Target::Host(source(n)),
            scope: guard::Scope::All,
            since: at(6),
            until: Some(at(7)),
            origin: guard::Origin::Guard,
            reason: guard::Reason { evidence: Evidence::Likely, ..guard::Reason::operator("", at(6)) },
            note: String::new(),
        }
    }

    /// What a start from this file finds.
    fn restored(path: &Path, now: Time) -> Past {
        let (store, kept) = Store::open(path).unwrap();
        assert_eq!(kept.unreadable, 0);
        let past = Past::new(10_000, [9, 9, 9, 9]);
        past.restore(kept.past.key, &kept.past.rows, Default::default(), now);
        assert!(store.stop(Duration::from_secs(5)));
        past
    }

    #[tokio::test]
    async fn standing_and_earlier_bans_survive_a_kill_once_they_are_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("past.db");
        let (store, kept) = Store::open(&path).unwrap();
        assert_ne!(kept.past.key, [0, 0]);
        let past = past();
        past.restore(kept.past.key, &kept.past.rows, Default::default(), at(0));
        for day in 0..6 {
            (0..900).for_each(|n| succeed(&past, n, day));
        }
        let growth = guard::priors::Growth::default();
        (2000..5000).for_each(|n| past.banned(&ban(n), growth, at(6)));
        store.write_past(past.take_changed()).await.unwrap();
        past.lifted(&ban(2000), growth, at(6));
        store.write_past(past.take_changed()).await.unwrap();
        // A copy is what a killed process leaves behind.
        let copy = directory.path().join("copy.db");
        for extra in ["", "-wal"] {
            std::fs::copy(format!("{}{extra}", path.display()), format!("{}{extra}", copy.display()))
                .unwrap();
        }
        let again = restored(&copy, at(6));
        for n in (0..900).chain(2000..5000) {
            let [before, after] = [&past, &again].map(|past| past.repute(source(n), 0, false, at(6)));
            assert_eq!(before, after, "{n}");
            let target = guard::Target::Host(source(n));
            let [before, after] = [&past, &again].map(|past| past.priors().count(target, growth, at(7)));
            assert_eq!((before, after), (u32::from(n > 2000), before), "{n}");
        }
        assert!(again.reputation().is_trusted(source(1), at(6)));
        let of_account = |past: &Past| past.reputation().of_account(b"7", b"pbx.example", at(6));
        assert!(of_account(&past).is_some() && of_account(&past) == of_account(&again));
    }

    #[test]
    fn files_of_every_older_version_get_the_tables_and_keep_the_rest() {
        for version in 1..=6 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("old.db");
            let old = Connection::open(&path).unwrap();
            old.execute_batch(&super::super::tables::schema_of(version)).unwrap();
            old.execute_batch("INSERT INTO patterns VALUES ('*.evil.example');").unwrap();
            old.pragma_update(None, "user_version", version).unwrap();
            drop(old);
            let (store, kept) = Store::open(&path).unwrap();
            assert_eq!((kept.patterns.len(), kept.is_new, kept.past.rows.len()), (1, false, 0), "{version}");
            assert_ne!(kept.past.key, [0, 0], "{version}");
            assert!(store.stop(Duration::from_secs(5)));
            let (_, again) = Store::open(&path).unwrap();
            assert_eq!(again.past.key, kept.past.key, "{version}: or every account would be a stranger");
        }
    }

    #[tokio::test]
    async fn what_has_faded_and_what_is_too_much_goes_and_the_newest_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("past.db");
        let (store, _) = Store::open(&path).unwrap();
        let past = past();
        (0..1500).for_each(|n| succeed(&past, n, 0));
        (1500..3000).for_each(|n| succeed(&past, n, 1 + u64::from(n > 1600)));
        store.write_past(past.take_changed()).await.unwrap();
        assert!(store.stop(Duration::from_secs(5)));
        let connection = Connection::open(&path).unwrap();
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        while prune(&connection, at(32), 10_000).unwrap() {}
        assert_eq!((count("past_sources"), count("past_accounts")), (1500, 1500));
        while prune(&connection, at(32), 100).unwrap() {}
        assert_eq!((count("past_sources"), count("past_accounts")), (100, 100));
        let sql = "SELECT min(day) FROM past_sources";
        assert_eq!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 20_002);
    }

    #[tokio::test]
    async fn what_could_not_be_written_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("past.db");
        let (store, _) = Store::open(&path).unwrap();
        Connection::open(&path).unwrap().execute_batch("DROP TABLE past_sources").unwrap();
        let past = past();
        (0..10).for_each(|n| succeed(&past, n, 0));
        let (rows, reason) = store.write_past(past.take_changed()).await.unwrap_err();
        assert!((rows.sources.len(), rows.accounts.len()) == (10, 10), "{reason}");
        past.unwritten(&rows);
        assert_eq!(past.take_changed().len(), 20);
    }
}
