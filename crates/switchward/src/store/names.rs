//! The names of the allow-list with their last known addresses, so that a restart without DNS keeps them.

use crate::names::HostName;
use guard::Time;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

pub(super) const SCHEMA: &str = "
    CREATE TABLE names (name TEXT PRIMARY KEY, entry TEXT NOT NULL) WITHOUT ROWID;
";

/// A name of the allow-list, as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The name.
    pub name: HostName,
    /// Whether the configuration named it.
    pub configured: bool,
    /// On what terms it was ordered, when it was.
    pub terms: Option<Terms>,
    /// Since when.
    pub added: Time,
    /// What it last meant.
    pub addresses: Vec<IpAddr>,
    /// When DNS last said so.
    pub answered: Option<Time>,
    /// Since when DNS has not.
    pub failing_since: Option<Time>,
}

/// The terms of a name by order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Terms {
    /// Who ordered it.
    pub who: String,
    /// Until when; `None` is until it is removed.
    pub until: Option<Time>,
    /// The account that it is for; may be empty.
    pub user: String,
    /// Its domain; may be empty.
    pub domain: String,
}

/// A change of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is so now.
    Put(Kept),
    /// It is gone.
    Removed(HostName),
}

pub(super) fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Put(kept) => put(transaction, kept),
        Change::Removed(name) => transaction
            .prepare_cached("DELETE FROM names WHERE name = ?1")?
            .execute(params![name.as_str()])
            .map(|_| ()),
    }
}

pub(super) fn put(transaction: &Transaction<'_>, kept: &Kept) -> rusqlite::Result<()> {
    let text =
        serde_json::to_string(kept).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT OR REPLACE INTO names (name, entry) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute(params![kept.name.as_str(), text]).map(|_| ())
}

pub(super) fn read(connection: &Connection, unreadable: &mut usize) -> rusqlite::Result<Vec<Kept>> {
    super::tables::read(connection, "names", unreadable)
}

#[cfg(test)]
mod tests {
    use super::super::{Kept as Whole, Store};
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn kept(name: &str) -> Kept {
        Kept {
            name: name.parse().unwrap(),
            configured: false,
            terms: Some(Terms {
                who: "alice".into(),
                until: None,
                user: "trunk".into(),
                domain: String::new(),
            }),
            added: Time::from_secs(100),
            addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
            answered: Some(Time::from_secs(101)),
            failing_since: None,
        }
    }

    fn reopened(path: &Path) -> Whole {
        Store::open(path).unwrap().1
    }

    #[tokio::test]
    async fn names_survive_and_what_is_removed_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("names.db");
        let (store, kept_before) = Store::open(&path).unwrap();
        assert!(kept_before.names.is_empty());
        for name in ["a.example", "b.example", "c.example"] {
            store.name(Change::Put(kept(name)));
        }
        store.name(Change::Put(Kept { configured: true, ..kept("a.example") }));
        store.name(Change::Removed("b.example".parse().unwrap()));
        store.settle().await.unwrap();
        assert!(store.stop(Duration::from_secs(5)));
        assert_eq!(
            reopened(&path).names,
            [Kept { configured: true, ..kept("a.example") }, kept("c.example")]
        );
    }

    #[test]
    fn files_of_older_versions_get_what_is_new_and_keep_the_rest() {
        for version in [1, 2, 3] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("old.db");
            let old = Connection::open(&path).unwrap();
            old.execute_batch(
                "CREATE TABLE bans (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE allows (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE patterns (pattern TEXT PRIMARY KEY) WITHOUT ROWID;
                 INSERT INTO patterns VALUES ('*.evil.example');",
            )
            .unwrap();
            if version >= 2 {
                old.execute_batch(super::super::history::SCHEMA).unwrap();
                old.execute_batch(super::super::audit::SCHEMA).unwrap();
            }
            if version == 3 {
                old.execute_batch(SCHEMA).unwrap();
            }
            old.pragma_update(None, "user_version", version).unwrap();
            drop(old);
            let (store, whole) = Store::open(&path).unwrap();
            assert_eq!((whole.patterns.len(), whole.is_new, whole.names.len()), (1, false, 0), "{version}");
            store.name(Change::Put(kept("a.example")));
            assert!(store.stop(Duration::from_secs(5)));
            assert_eq!(reopened(&path).names, [kept("a.example")], "{version}");
            let connection = Connection::open(&path).unwrap();
            let now: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(now, super::super::tables::VERSION);
            assert_eq!(super::super::commands::end(&connection).unwrap(), None, "{version}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_counted_and_the_others_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("odd.db");
        let (store, _) = Store::open(&path).unwrap();
        store.name(Change::Put(kept("a.example")));
        assert!(store.stop(Duration::from_secs(5)));
        let odd = serde_json::to_string(&kept("b.example")).unwrap().replace("b.example", "192.0.2.1");
        Connection::open(&path).unwrap().execute("INSERT INTO names VALUES ('x', ?1)", params![odd]).unwrap();
        let whole = reopened(&path);
        assert_eq!((whole.names, whole.unreadable), (vec![kept("a.example")], 1));
    }
}
