//! The audit: who asked for a change, from where, through which door, what, and what came of it.
//!
//! One row for each request that changes something or was refused to; refused log-ins too. Rows are kept for [`KEPT_FOR`], and there
//! are at most [`MOST`].

use guard::Time;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::history::micros;

pub(super) const SCHEMA: &str = "
    CREATE TABLE audit (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL,
        source TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL, status INTEGER NOT NULL,
        result TEXT NOT NULL, micros INTEGER NOT NULL);
    CREATE INDEX audit_at ON audit (at);
";

/// One attempt to change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// When it was asked.
    pub at: Time,
    /// The name of the token, user or certificate; empty when there was no credential.
    pub who: String,
    /// With which role; empty when none was given.
    pub role: String,
    /// The peer's address.
    pub source: String,
    /// Which way in: "http", "https", "socket".
    pub door: String,
    /// What was asked for: "POST /security/blacklist".
    pub action: String,
    /// About what, as far as it is short and no secret.
    pub detail: String,
    /// The status of the answer.
    pub status: u16,
    /// What came of it, in a few words: "done", or why not.
    pub result: String,
    /// How long it took, in microseconds.
    pub micros: u64,
}

pub(super) fn insert(transaction: &Transaction<'_>, entry: &Audited) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit (at, who, role, source, door, action, detail, status, result, micros)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let micros_taken = i64::try_from(entry.micros).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(sql)?
        .execute(params![
            micros(entry.at),
            entry.who,
            entry.role,
            entry.source,
            entry.door,
            entry.action,
            entry.detail,
            entry.status,
            entry.result,
            micros_taken
        ])
        .map(|_| ())
}

/// Which rows are wanted: those that fit all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Rows with a lesser number.
    pub before: Option<i64>,
    /// Most rows.
    pub limit: u32,
    /// The whole name.
    pub who: Option<String>,
    /// The whole address.
    pub source: Option<String>,
    /// A part of the action.
    pub action: Option<String>,
    /// Not before.
    pub since: Option<Time>,
    /// Before.
    pub until: Option<Time>,
}

/// A row with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The number.
    pub id: i64,
    /// What was asked.
    pub entry: Audited,
}

/// The rows that fit, the newest first. Blocks.
///
/// # Errors
/// What SQLite says.
pub fn select(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT id, at, who, role, source, door, action, detail, status, result, micros FROM audit
        WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR who = ?2) AND (?3 IS NULL OR source = ?3)
        AND (?4 IS NULL OR instr(lower(action), lower(?4)) > 0) AND (?5 IS NULL OR at >= ?5) AND (?6 IS NULL OR at < ?6)
        ORDER BY id DESC LIMIT ?7";
    let Query { before, limit, who, source, action, since, until } = query;
    let (since, until) = (since.map(micros), until.map(micros));
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params![before, who, source, action, since, until, limit], |row| {
        let number = |column| row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0));
        let entry = Audited {
            at: Time::from_micros(number(1)?),
            who: row.get(2)?,
            role: row.get(3)?,
            source: row.get(4)?,
            door: row.get(5)?,
            action: row.get(6)?,
            detail: row.get(7)?,
            status: row.get(8)?,
            result: row.get(9)?,
            micros: number(10)?,
        };
        Ok(Row { id: row.get(0)?, entry })
    })?;
    rows.collect()
}

/// Forgets the oldest rows, a piece at a time; tells whether there may be more.
pub(super) fn prune(connection: &Connection, now: Time) -> rusqlite::Result<bool> {
    let before = micros(now).saturating_sub(i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX));
    let aged = connection.execute(FORGET_AGED, params![before, PIECE])?;
    let surplus = connection.execute(FORGET_SURPLUS, params![MOST, PIECE])?;
    Ok(aged as i64 == PIECE || surplus as i64 == PIECE)
}

/// Each finds its rows by an index: the table may have a million.
const FORGET_AGED: &str =
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)";
const FORGET_SURPLUS: &str = "DELETE FROM audit WHERE id IN
    (SELECT id FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1 ORDER BY id LIMIT ?2)";

/// How long a row is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(365 * 86_400);
/// Most rows.
pub const MOST: i64 = 1_000_000;
/// Rows that are deleted at a time.
const PIECE: i64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT id FROM audit ORDER BY id").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_too_old_and_what_is_too_much_goes_a_piece_at_a_time_and_without_a_scan() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let (now, kept) = (Time::from_secs(4_000_000_000), KEPT_FOR.as_secs());
        let put = |id: i64, secs: u64| {
            let sql = "INSERT INTO audit VALUES (?1, ?2, '', '', '', '', '', '', 200, '', 0)";
            connection.execute(sql, params![id, micros(Time::from_secs(secs))]).unwrap();
        };
        (1..=PIECE + 1).for_each(|id| put(id, 4_000_000_000 - kept - 1));
        put(2_000, 4_000_000_000 - kept);
        assert!(prune(&connection, now).unwrap());
        assert_eq!(numbers(&connection), [PIECE + 1, 2_000]);
        assert!(!prune(&connection, now).unwrap());
        assert_eq!(numbers(&connection), [2_000]);
        put(2_000 + MOST, 4_000_000_000);
        put(2_001 + MOST, 4_000_000_000);
        assert!(!prune(&connection, now).unwrap());
        assert_eq!(numbers(&connection), [2_000 + MOST, 2_001 + MOST]);
        for sql in [FORGET_AGED, FORGET_SURPLUS] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map(params![1, 1], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(!steps.iter().any(|step| step.contains("SCAN audit")), "{steps:?}");
        }
    }
}
