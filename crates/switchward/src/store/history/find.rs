//! Reading the history: newest first, a page at a time, over a connection of the reader's own.

use super::{Ending, micros};
use guard::source::Source;
use guard::{Ban, Target, Time};
use ipnet::IpNet;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Which rows are asked for; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Rows with a lower id than this.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
    /// Bans that have an address in common with this target.
    pub target: Option<Target>,
    /// Bans by this rule.
    pub rule: Option<String>,
    /// Bans that ended so, or stand.
    pub end: Option<End>,
    /// Bans that stood at this time or later.
    pub from: Option<Time>,
    /// Bans that stood before this time.
    pub to: Option<Time>,
}

/// How a ban ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It stands.
    Standing,
    /// It ended so.
    Ended(Ending),
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Grows from ban to ban.
    pub id: i64,
    /// When it was made first.
    pub since: Time,
    /// When and how it ended, and who lifted it.
    pub ended: Option<(Time, Ending, Option<String>)>,
    /// The ban as it was last.
    pub ban: Ban,
}

/// The rows that are asked for and that `keep` keeps, and from which id to go on when there may be more.
///
/// # Errors
/// What SQLite says.
pub fn find(
    connection: &Connection,
    asked: &Asked,
    keep: impl Fn(&Row) -> bool,
) -> rusqlite::Result<(Vec<Row>, Option<i64>)> {
    let (sql, values) = query(asked);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut found, mut last, mut looked) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        if found.len() == asked.limit || looked == MOST_LOOKED_AT {
            return Ok((found, Some(last)));
        }
        looked += 1;
        last = row.get("id")?;
        let entry: String = row.get("entry")?;
        // A row that nobody can read is left out.
        let Ok(ban) = serde_json::from_str::<Ban>(&entry) else { continue };
        let since = time(row.get("since")?);
        let (at, how, by): (Option<i64>, Option<String>, Option<String>) =
            (row.get("ended")?, row.get("how")?, row.get("by")?);
        let how = how.and_then(|how| Ending::of(&how)).unwrap_or(Ending::Lost);
        let row = Row { id: last, since, ended: at.map(|at| (time(at), how, by)), ban };
        if asked.target.is_none_or(|target| meets(target, row.ban.target)) && keep(&row) {
            found.push(row);
        }
    }
    Ok((found, None))
}

fn query(asked: &Asked) -> (String, Vec<Value>) {
    let mut sql = "SELECT id, since, ended, how, by, entry FROM history WHERE true".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut also = |condition: &str, value: Value| {
        sql += condition;
        values.push(value);
    };
    if let Some(before) = asked.before {
        also(" AND id < ?", before.into());
    }
    if let Some(rule) = &asked.rule {
        also(" AND rule = ?", rule.clone().into());
    }
    if let Some(to) = asked.to {
        also(" AND since < ?", micros(to).into());
    }
    if let Some(from) = asked.from {
        also(" AND (ended IS NULL OR ended >= ?)", micros(from).into());
    }
    match asked.end {
        Some(End::Ended(how)) => also(" AND how = ?", how.word().to_owned().into()),
        Some(End::Standing) => sql += " AND ended IS NULL",
        None => {}
    }
    // A network's parts cannot be told from the text; those are looked at one by one.
    if let Some(target @ (Target::Host(_) | Target::Port(..))) = asked.target {
        let names = names_of_what_covers(target);
        let places = vec!["?"; names.len()].join(", ");
        let (first, last) = ports_of(target);
        sql += &format!(
            " AND id IN (SELECT id FROM history WHERE target IN ({places})
                UNION SELECT id FROM history WHERE target >= ? AND target < ?)"
        );
        values.extend(names.into_iter().chain([first, last]).map(Value::from));
    }
    sql += " ORDER BY id DESC";
    (sql, values)
}

/// The names of everything that covers a target: itself, its host and the networks around it.
fn names_of_what_covers(target: Target) -> Vec<String> {
    let net = target.covers();
    let around = (0..=net.prefix_len()).filter_map(|length| IpNet::new(net.addr(), length).ok());
    let mut names: Vec<String> = around.map(|net| Target::net(net).to_string()).collect();
    names.push(target.to_string());
    names.dedup();
    names
}

/// Between which texts the names of a host's ports are; for IPv6 those of all hosts.
fn ports_of(target: Target) -> (String, String) {
    match target.covers() {
        IpNet::V4(net) => (format!("{}:", net.addr()), format!("{};", net.addr())),
        IpNet::V6(_) => ("[".into(), "\\".into()),
    }
}

/// Whether a ban has to do with what is asked about.
fn meets(asked: Target, banned: Target) -> bool {
    match (asked, banned) {
        (Target::Port(..), Target::Port(..)) => asked == banned,
        // Ports of one IPv6 /64 belong to its host.
        (_, Target::Port(ip, _)) => {
            Source::of(ip).net().contains(&asked.covers()) || banned.overlaps(&asked.covers())
        }
        _ => banned.overlaps(&asked.covers()),
    }
}

fn time(micros: i64) -> Time {
    Time::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Rows that one question looks at, kept or not.
const MOST_LOOKED_AT: usize = 50_000;
