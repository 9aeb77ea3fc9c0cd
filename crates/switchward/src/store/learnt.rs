//! What accounts learnt of calls, countries and levels, and what they have spent of the day, so that a restart makes no country new again and
//! gives nobody a new day's money; and since when calls are watched.

use super::history::micros;
use guard::Time;
use guard::fraud::Learnt;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) const SCHEMA: &str = "
    CREATE TABLE fraud_accounts (account TEXT PRIMARY KEY, seen INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
";

pub(super) const BEGAN: &str = "
    CREATE TABLE fraud_began (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
";

/// Most rows; those that called longest ago go first.
const MOST: i64 = 50_000;

pub(super) fn put(transaction: &Transaction<'_>, learnt: &Learnt) -> rusqlite::Result<()> {
    let entry = serde_json::to_string(learnt)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT OR REPLACE INTO fraud_accounts (account, seen, entry) VALUES (?1, ?2, ?3)";
    let account = format!("{}@{}", learnt.user, learnt.domain);
    transaction.prepare_cached(sql)?.execute(params![account, micros(learnt.last), entry]).map(|_| ())
}

/// Since when calls are watched.
pub(super) fn put_began(transaction: &Transaction<'_>, began: Time) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO fraud_began (one, at) VALUES (1, ?1)";
    transaction.prepare_cached(sql)?.execute(params![micros(began)]).map(|_| ())
}

/// Forgets those that are too many.
pub(super) fn prune(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM fraud_accounts WHERE account IN
        (SELECT account FROM fraud_accounts ORDER BY seen DESC LIMIT -1 OFFSET ?1)";
    transaction.prepare_cached(sql)?.execute(params![MOST]).map(|_| ())
}

/// All of them; those that cannot be read are counted. An older database that can only be read has none.
pub(super) fn read(connection: &Connection, unreadable: &mut usize) -> rusqlite::Result<Vec<Learnt>> {
    if !is_there(connection, "fraud_accounts")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT entry FROM fraud_accounts")?;
    let mut all = Vec::new();
    for entry in statement.query_map([], |row| row.get::<_, String>(0))? {
        match serde_json::from_str(&entry?) {
            Ok(learnt) => all.push(learnt),
            Err(_) => *unreadable += 1,
        }
    }
    Ok(all)
}

/// Since when calls are watched, if that is known.
pub(super) fn read_began(connection: &Connection) -> rusqlite::Result<Option<Time>> {
    if !is_there(connection, "fraud_began")? {
        return Ok(None);
    }
    let at = connection.query_row("SELECT at FROM fraud_began", [], |row| row.get::<_, i64>(0)).optional()?;
    Ok(at.and_then(|at| u64::try_from(at).ok()).map(Time::from_micros))
}

fn is_there(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM sqlite_master WHERE name = ?1";
    Ok(connection.query_row(sql, [table], |_| Ok(())).optional()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use guard::fraud::Spent;
    use std::time::Duration;

    #[tokio::test]
    async fn a_file_of_version_6_keeps_its_accounts_and_gets_a_beginning_and_what_is_spent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&super::super::tables::schema_of(6)).unwrap();
        // As version 6 wrote it: nothing of what was spent.
        let row = r#"{"user":"1003","domain":"pbx.example","since":1000000,"last":2000000,
            "countries":[{"country":"GB","first":1000000,"last":1000000,"calls":1}],
            "peaks":{"rate":1,"concurrent":1,"seconds":60,"micros":600000}}"#;
        old.execute("INSERT INTO fraud_accounts VALUES ('1003@pbx.example', 2000000, ?1)", [row]).unwrap();
        old.pragma_update(None, "user_version", 6).unwrap();
        drop(old);
        let (store, kept) = Store::open(&path).unwrap();
        assert_eq!((kept.learnt.len(), kept.unreadable, kept.calls_watched_since), (1, 0, None));
        assert!(kept.learnt[0].spent.is_empty());
        let spent = Spent { five_minutes: vec![(7, 600_000)], hours: vec![(1, 600_000, [60, 1, 60, 1])] };
        let learnt = Learnt { spent, ..kept.learnt[0].clone() };
        store.learn(vec![learnt.clone()], Some(Time::from_secs(1))).await.unwrap();
        store.learn(Vec::new(), None).await.unwrap();
        store.learn(Vec::new(), Some(Time::from_secs(2))).await.unwrap();
        assert!(store.stop(Duration::from_secs(5)));
        let (_, kept) = Store::open(&path).unwrap();
        assert_eq!((kept.learnt, kept.calls_watched_since), (vec![learnt], Some(Time::from_secs(2))));
    }
}
