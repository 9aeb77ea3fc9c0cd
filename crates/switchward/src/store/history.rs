//! The history: one row for each ban that was ever made, with its end once it has one.
//!
//! Written in the same commits as the ledger's mirror, read over a connection of its own. A ban that is extended or widened keeps
//! its row. Rows are kept for [`KEPT_FOR`] after the ban's end, and there are at most [`MOST`] that have ended. Start with [`find()`].

use guard::{Ban, Origin, Time};

mod find;
#[cfg(test)]
mod tests;

pub use find::{Asked, End, Row, find};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::time::Duration;

pub(super) const SCHEMA: &str = "
    CREATE TABLE history (id INTEGER PRIMARY KEY, target TEXT NOT NULL, since INTEGER NOT NULL, ended INTEGER,
        how TEXT, by TEXT, rule TEXT NOT NULL, entry TEXT NOT NULL);
    CREATE INDEX history_target ON history (target, id);
    CREATE INDEX history_ended ON history (ended) WHERE ended IS NOT NULL;
    CREATE UNIQUE INDEX history_standing ON history (target) WHERE ended IS NULL;
";

/// How a ban ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ran out.
    Expired,
    /// Somebody lifted it, or allowed its target.
    Lifted,
    /// It was gone when the ledger was written anew; nobody knows how.
    Lost,
}

impl Ending {
    /// The word in the table and in answers.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Expired => "expired",
            Ending::Lifted => "lifted",
            Ending::Lost => "lost",
        }
    }

    /// The ending that a word names.
    pub fn of(word: &str) -> Option<Ending> {
        [Ending::Expired, Ending::Lifted, Ending::Lost].into_iter().find(|ending| ending.word() == word)
    }
}

/// A ban was made, extended or widened.
pub(super) fn banned(transaction: &Transaction<'_>, ban: &Ban) -> rusqlite::Result<()> {
    let (target, entry) = (ban.target.to_string(), text(ban)?);
    let updated = transaction
        .prepare_cached("UPDATE history SET rule = ?2, entry = ?3 WHERE target = ?1 AND ended IS NULL")?
        .execute(params![target, ban.reason.rule, entry])?;
    if updated == 0 {
        transaction
            .prepare_cached("INSERT INTO history (target, since, rule, entry) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![target, micros(ban.since), ban.reason.rule, entry])?;
    }
    Ok(())
}

/// A ban ended at `now`.
pub(super) fn ended(
    transaction: &Transaction<'_>,
    ban: &Ban,
    how: Ending,
    by: Option<&Origin>,
    now: Time,
) -> rusqlite::Result<()> {
    let sql = "UPDATE history SET ended = ?2, how = ?3, by = ?4 WHERE target = ?1 AND ended IS NULL";
    let by = by.map(ToString::to_string);
    transaction.prepare_cached(sql)?.execute(params![ban.target.to_string(), micros(now), how.word(), by])?;
    Ok(())
}

/// Brings the standing rows in line with all bans that stand, after changes were lost. The mirror must still have the old ones.
pub(super) fn align(transaction: &Transaction<'_>, bans: &[Ban], now: Time) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS standing (target TEXT PRIMARY KEY); DELETE FROM standing;",
    )?;
    for ban in bans {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO standing (target) VALUES (?1)")?
            .execute(params![ban.target.to_string()])?;
        end_an_earlier_one(transaction, ban)?;
        banned(transaction, ban)?;
    }
    transaction.execute(
        "UPDATE history SET how = 'expired', ended = (SELECT until FROM bans WHERE bans.target = history.target)
            WHERE ended IS NULL AND target NOT IN (SELECT target FROM standing)
            AND target IN (SELECT target FROM bans WHERE until IS NOT NULL AND until <= ?1)",
        params![micros(now)],
    )?;
    transaction.execute(
        "UPDATE history SET ended = ?1, how = 'lost' WHERE ended IS NULL AND target NOT IN (SELECT target FROM standing)",
        params![micros(now)],
    )?;
    transaction.execute_batch("DELETE FROM standing")
}

/// Ends the standing row of another ban of the same target that had run out before `ban` was made.
fn end_an_earlier_one(transaction: &Transaction<'_>, ban: &Ban) -> rusqlite::Result<()> {
    let target = ban.target.to_string();
    let row: Option<String> = transaction
        .prepare_cached("SELECT entry FROM history WHERE target = ?1 AND ended IS NULL")?
        .query_row(params![target], |row| row.get(0))
        .optional()?;
    let earlier = row.and_then(|entry| serde_json::from_str::<Ban>(&entry).ok());
    match earlier.and_then(|earlier| earlier.until).filter(|until| *until <= ban.since) {
        Some(until) => ended(transaction, ban, Ending::Expired, None, until),
        None => Ok(()),
    }
}

/// Brings the standing rows in line with the mirror, at the start.
pub(super) fn catch_up(transaction: &Transaction<'_>, now: Time) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE history SET ended = ?1, how = 'lost' WHERE ended IS NULL AND target NOT IN (SELECT target FROM bans)",
        params![micros(now)],
    )?;
    let mut missing = transaction.prepare(
        "SELECT entry FROM bans WHERE target NOT IN (SELECT target FROM history WHERE ended IS NULL)",
    )?;
    for entry in missing.query_map([], |row| row.get::<_, String>(0))? {
        if let Ok(ban) = serde_json::from_str::<Ban>(&entry?) {
            banned(transaction, &ban)?;
        }
    }
    Ok(())
}

/// Ends what ran out while nobody looked. `until` is a column of the mirror, which still has those rows.
pub(super) fn end_what_ran_out(connection: &Connection, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE history SET how = 'expired', ended = (SELECT until FROM bans WHERE bans.target = history.target)
        WHERE ended IS NULL AND target IN (SELECT target FROM bans WHERE until IS NOT NULL AND until <= ?1)";
    connection.execute(sql, params![micros(now)]).map(|_| ())
}

/// Forgets the oldest rows, a piece at a time, so that about `most` are left; tells whether there may be more.
pub(super) fn prune(connection: &Connection, now: Time, most: i64) -> rusqlite::Result<bool> {
    let before = micros(now).saturating_sub(i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX));
    let sql = "DELETE FROM history WHERE id IN
        (SELECT id FROM history WHERE ended IS NOT NULL AND ended < ?1 ORDER BY ended LIMIT ?2)";
    let aged = connection.execute(sql, params![before, PIECE])?;
    let sql = "DELETE FROM history WHERE id IN
        (SELECT id FROM history WHERE id <= (SELECT max(id) FROM history) - ?1 AND ended IS NOT NULL
            ORDER BY id LIMIT ?2)";
    let surplus = connection.execute(sql, params![most, PIECE])?;
    Ok(aged as i64 == PIECE || surplus as i64 == PIECE)
}

/// Time as the tables have it.
pub(super) fn micros(time: Time) -> i64 {
    i64::try_from(time.micros()).unwrap_or(i64::MAX)
}

fn text(ban: &Ban) -> rusqlite::Result<String> {
    serde_json::to_string(ban).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// How long a ban that has ended is remembered.
pub const KEPT_FOR: Duration = Duration::from_secs(180 * 86_400);
/// Most rows.
pub const MOST: i64 = 1_000_000;
/// Rows that are deleted at a time.
const PIECE: i64 = 1_000;
