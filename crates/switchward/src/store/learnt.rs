//! What accounts learnt of calls: countries and levels, so that a restart makes no country new again.

use super::history::micros;
use guard::fraud::Learnt;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) const SCHEMA: &str = "
    CREATE TABLE fraud_accounts (account TEXT PRIMARY KEY, seen INTEGER NOT NULL, entry TEXT NOT NULL) WITHOUT ROWID;
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

/// Forgets those that are too many.
pub(super) fn prune(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM fraud_accounts WHERE account IN
        (SELECT account FROM fraud_accounts ORDER BY seen DESC LIMIT -1 OFFSET ?1)";
    transaction.prepare_cached(sql)?.execute(params![MOST]).map(|_| ())
}

/// All of them; those that cannot be read are counted. An older database that can only be read has none.
pub(super) fn read(connection: &Connection, unreadable: &mut usize) -> rusqlite::Result<Vec<Learnt>> {
    let there = connection
        .query_row("SELECT 1 FROM sqlite_master WHERE name = 'fraud_accounts'", [], |_| Ok(()))
        .optional()?;
    if there.is_none() {
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
