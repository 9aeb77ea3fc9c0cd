//! The index of the broker's audit: one row for each attempt, so that it can be searched.
//!
//! The files of the journal are the record; a lost index is made anew from them. `commands_end` is the newest line that was read: from
//! there the index goes on, and it tells when somebody cut the end of the files off. Rows go when their time is over, and
//! there are at most [`MOST`].

use super::history::micros;
use broker::audit::{Anchor, Kind, Record};
use guard::Time;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::str::FromStr;

pub(super) const SCHEMA: &str = "
    CREATE TABLE commands (sequence INTEGER PRIMARY KEY, at INTEGER NOT NULL, user TEXT NOT NULL, proof TEXT NOT NULL,
        account TEXT NOT NULL, source TEXT NOT NULL, door TEXT NOT NULL, switch TEXT NOT NULL, form TEXT NOT NULL,
        verb TEXT NOT NULL, command TEXT NOT NULL, decision TEXT NOT NULL, rule TEXT NOT NULL,
        result TEXT, bytes INTEGER, micros INTEGER);
    CREATE INDEX commands_at ON commands (at);
    CREATE INDEX commands_user ON commands (user, sequence);
    CREATE TABLE commands_end (id INTEGER PRIMARY KEY CHECK (id = 1), anchor TEXT NOT NULL);
";

/// Lines of the journal, in order, and from when on rows are kept.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// The lines.
    pub records: Vec<Record>,
    /// Older rows are forgotten.
    pub keep_from: Time,
}

/// Adds lines, and remembers the last one. Adding a line again changes nothing.
pub(super) fn insert(transaction: &Transaction<'_>, lines: &Lines) -> rusqlite::Result<()> {
    for record in &lines.records {
        match record.kind {
            Kind::Asked => insert_asked(transaction, record)?,
            Kind::Done => {
                let sql = "UPDATE commands SET result = ?2, bytes = ?3, micros = ?4 WHERE sequence = ?1";
                transaction.prepare_cached(sql)?.execute(params![
                    number(record.of),
                    record.result,
                    number(record.bytes),
                    number(record.micros)
                ])?;
            }
            Kind::Note | Kind::Head => {}
        }
    }
    if let Some(last) = lines.records.last() {
        let sql = "INSERT OR REPLACE INTO commands_end (id, anchor) VALUES (1, ?1)";
        transaction.prepare_cached(sql)?.execute(params![last.anchor().to_string()])?;
    }
    let sql = "DELETE FROM commands WHERE sequence IN (SELECT sequence FROM commands WHERE at < ?1
        OR sequence <= (SELECT max(sequence) FROM commands) - ?2 ORDER BY sequence LIMIT ?3)";
    transaction.prepare_cached(sql)?.execute(params![micros(lines.keep_from), MOST, PIECE])?;
    Ok(())
}

fn insert_asked(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO commands (sequence, at, user, proof, account, source, door, switch, form, verb, command,
        decision, rule) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    transaction
        .prepare_cached(sql)?
        .execute(params![
            number(record.sequence),
            number(record.at),
            record.user,
            record.proof,
            record.account,
            record.source,
            record.door,
            record.switch,
            record.form,
            record.verb(),
            record.command,
            record.verdict.map_or("", |verdict| verdict.word()),
            record.rule
        ])
        .map(|_| ())
}

/// The newest line that is in the index. Blocks.
///
/// # Errors
/// What SQLite says.
pub fn end(connection: &Connection) -> rusqlite::Result<Option<Anchor>> {
    let sql = "SELECT anchor FROM commands_end WHERE id = 1";
    let text: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    // One that cannot be read is as good as none: the index is made anew.
    Ok(text.and_then(|text| Anchor::from_str(&text).ok()))
}

/// Which rows are wanted: those that fit all that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Rows with a lesser number.
    pub before: Option<i64>,
    /// Most rows.
    pub limit: u32,
    /// The whole name.
    pub user: Option<String>,
    /// The whole address.
    pub source: Option<String>,
    /// The whole word.
    pub door: Option<String>,
    /// The whole word.
    pub decision: Option<String>,
    /// The whole word, in lower case.
    pub verb: Option<String>,
    /// A part of the command, whatever its case.
    pub text: Option<String>,
    /// Not before.
    pub since: Option<Time>,
    /// Before.
    pub until: Option<Time>,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the journal.
    pub sequence: i64,
    /// When.
    pub at: Time,
    /// Who.
    pub user: String,
    /// How that was proved.
    pub proof: String,
    /// The account.
    pub account: String,
    /// The peer's address.
    pub source: String,
    /// The way in.
    pub door: String,
    /// The switch.
    pub switch: String,
    /// The kind of thing.
    pub form: String,
    /// The command.
    pub command: String,
    /// What was decided.
    pub decision: String,
    /// The rule.
    pub rule: String,
    /// What came of it; `None` when it was refused, runs still, or the daemon ended before it did.
    pub result: Option<Ended>,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// In words.
    pub result: String,
    /// Bytes of the reply.
    pub bytes: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// The rows that fit, the newest first. Blocks.
///
/// # Errors
/// What SQLite says.
pub fn select(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT sequence, at, user, proof, account, source, door, switch, form, command, decision, rule, result, bytes, micros
        FROM commands
        WHERE (?1 IS NULL OR sequence < ?1) AND (?2 IS NULL OR user = ?2) AND (?3 IS NULL OR source = ?3)
        AND (?4 IS NULL OR door = ?4) AND (?5 IS NULL OR decision = ?5) AND (?6 IS NULL OR verb = ?6)
        AND (?7 IS NULL OR instr(lower(command), lower(?7)) > 0) AND (?8 IS NULL OR at >= ?8) AND (?9 IS NULL OR at < ?9)
        ORDER BY sequence DESC LIMIT ?10";
    let Query { before, limit, user, source, door, decision, verb, text, since, until } = query;
    let (since, until) = (since.map(micros), until.map(micros));
    let mut statement = connection.prepare(sql)?;
    let wanted = params![before, user, source, door, decision, verb, text, since, until, limit];
    let rows = statement.query_map(wanted, |row| {
        let count = |column| row.get::<_, Option<i64>>(column).map(|count| count.map_or(0, count_of));
        let ended = match row.get::<_, Option<String>>(12)? {
            Some(result) => Some(Ended { result, bytes: count(13)?, micros: count(14)? }),
            None => None,
        };
        Ok(Row {
            sequence: row.get(0)?,
            at: Time::from_micros(count(1)?),
            user: row.get(2)?,
            proof: row.get(3)?,
            account: row.get(4)?,
            source: row.get(5)?,
            door: row.get(6)?,
            switch: row.get(7)?,
            form: row.get(8)?,
            command: row.get(9)?,
            decision: row.get(10)?,
            rule: row.get(11)?,
            result: ended,
        })
    })?;
    rows.collect()
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count_of(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Most rows.
pub const MOST: i64 = 2_000_000;
/// Rows that are deleted at a time.
const PIECE: i64 = 2_000;
