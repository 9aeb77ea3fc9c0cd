//! The history on real files: what keeps its row, what ends it, what a restart, an outage and an old file leave.

use super::super::tables::Tables;
use super::*;
use crate::clock;
use crate::store::Kept;
use guard::ledger::Change;
use guard::{Reason, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("switchward.db");
    (directory, path)
}

fn ban(target: &str, ttl: Option<u64>) -> Ban {
    let now = clock::now();
    Ban {
        target: target.parse().unwrap(),
        scope: Scope::All,
        since: now,
        until: ttl.map(|ttl| now + Duration::from_secs(ttl)),
        origin: Origin::Guard,
        reason: Reason { rule: "failed-registrations".into(), ..Reason::operator("test", now) },
        note: String::new(),
    }
}

fn banned(ban: &Ban) -> (Change, Time) {
    (Change::Banned(Arc::new(ban.clone())), ban.since)
}

fn rows(path: &Path, asked: &Asked) -> Vec<Row> {
    let connection = Connection::open(path).unwrap();
    find(&connection, &Asked { limit: 1000, ..asked.clone() }, |_| true).unwrap().0
}

fn all(path: &Path) -> Vec<Row> {
    rows(path, &Asked::default())
}

#[test]
fn a_ban_keeps_its_row_until_it_ends_and_the_next_one_has_its_own() {
    let (_directory, path) = scratch();
    let (mut tables, _) = Tables::open(&path).unwrap();
    let first = ban("192.0.2.1", Some(60));
    let longer = Ban { until: None, note: "longer".into(), ..first.clone() };
    let at = clock::now();
    let lifted = Change::Lifted(Arc::new(longer.clone()), Origin::Operator("ann".into()));
    tables.write(&[banned(&first), banned(&longer), (lifted, at)], &[], &[]).unwrap();
    let again = ban("192.0.2.1", Some(60));
    tables.write(&[banned(&again)], &[], &[]).unwrap();
    let rows = all(&path);
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0].ban, &rows[0].ended), (&again, &None));
    assert_eq!((&rows[1].ban, rows[1].since), (&longer, first.since));
    assert_eq!(rows[1].ended, Some((at, Ending::Lifted, Some("operator ann".into()))));
    tables.write(&[(Change::Expired(Arc::new(again)), at)], &[], &[]).unwrap();
    assert_eq!(all(&path)[0].ended, Some((at, Ending::Expired, None)));
}

#[test]
fn what_ran_out_while_nothing_ran_ended_when_it_ran_out() {
    let (_directory, path) = scratch();
    let (mut tables, _) = Tables::open(&path).unwrap();
    let short = Ban { until: Some(clock::now() - Duration::from_secs(5)), ..ban("192.0.2.1", None) };
    let long = ban("192.0.2.2", None);
    tables.write(&[banned(&short), banned(&long)], &[], &[]).unwrap();
    drop(tables);
    let (_, kept) = Tables::open(&path).unwrap();
    assert_eq!(kept.bans, [long]);
    let rows = all(&path);
    assert_eq!(rows[0].ended, None);
    assert_eq!(rows[1].ended, Some((short.until.unwrap(), Ending::Expired, None)));
}

#[test]
fn after_an_outage_the_history_is_in_line_with_the_ledger() {
    let (_directory, path) = scratch();
    let (mut tables, _) = Tables::open(&path).unwrap();
    let stays = ban("192.0.2.1", None);
    let goes = ban("192.0.2.2", None);
    let over =
        Ban { since: Time::from_secs(1000), until: Some(Time::from_secs(1060)), ..ban("192.0.2.3", None) };
    let ran_out = Ban { until: Some(clock::now()), ..ban("192.0.2.5", None) };
    tables.write(&[banned(&stays), banned(&goes), banned(&over), banned(&ran_out)], &[], &[]).unwrap();
    let anew = ban("192.0.2.3", None);
    let comes = ban("192.0.2.4", None);
    let bans = vec![stays.clone(), anew.clone(), comes.clone()];
    tables.write_whole(&Kept { bans, ..Kept::default() }, &[]).unwrap();
    let rows = all(&path);
    let of = |ban: &Ban| rows.iter().find(|row| row.ban == *ban).unwrap();
    assert_eq!(rows.len(), 6);
    for standing in [&stays, &anew, &comes] {
        assert_eq!(of(standing).ended, None);
    }
    assert_eq!(of(&goes).ended.as_ref().unwrap().1, Ending::Lost);
    assert_eq!(of(&ran_out).ended, Some((ran_out.until.unwrap(), Ending::Expired, None)));
    assert_eq!(of(&over).ended, Some((Time::from_secs(1060), Ending::Expired, None)));
}

#[test]
fn a_file_of_version_1_gets_a_history_of_what_stands() {
    let (_directory, path) = scratch();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE bans (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE allows (target TEXT PRIMARY KEY, until INTEGER, entry TEXT NOT NULL) WITHOUT ROWID;
         CREATE TABLE patterns (pattern TEXT PRIMARY KEY) WITHOUT ROWID;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    // As version 1 wrote it: no note.
    let entry = r#"{"target":"192.0.2.1","scope":"all","since":1795234698000000,"until":null,"origin":"guard","reason":{
        "rule":"call-rate","text":"t","evidence":"likely","count":3,"first":1,"last":2,"users":[],"domains":[],"agents":[],
        "switch":"pbx"}}"#;
    old.execute("INSERT INTO bans VALUES ('192.0.2.1', NULL, ?1)", params![entry]).unwrap();
    old.execute("INSERT INTO bans VALUES ('192.0.2.2', 5, ?1)", params![entry]).unwrap();
    old.execute("INSERT INTO bans VALUES ('192.0.2.3', NULL, 'nonsense')", []).unwrap();
    drop(old);
    let (_, kept) = Tables::open(&path).unwrap();
    assert_eq!((kept.bans.len(), kept.unreadable, kept.is_new), (1, 1, false));
    let rows = all(&path);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].ban.reason.rule.as_str(), &rows[0].ended), ("call-rate", &None));
    assert_eq!(rows[0].since, kept.bans[0].since);
    drop(Tables::open(&path).unwrap());
    assert_eq!(all(&path), rows);
}

#[test]
fn the_oldest_rows_that_have_ended_are_forgotten() {
    let (_directory, path) = scratch();
    let (mut tables, _) = Tables::open(&path).unwrap();
    let now = clock::now();
    let mut changes = vec![banned(&ban("192.0.2.1", None))];
    for n in 0..50 {
        let one = ban(&format!("198.51.100.{n}"), None);
        let old = now - KEPT_FOR - Duration::from_secs(5);
        let at = if n < 10 { old } else { now };
        changes.extend([banned(&one), (Change::Lifted(Arc::new(one), Origin::Guard), at)]);
    }
    tables.write(&changes, &[], &[]).unwrap();
    let connection = Connection::open(&path).unwrap();
    assert!(!prune(&connection, now, MOST).unwrap());
    assert_eq!(all(&path).len(), 41);
    assert!(!prune(&connection, now, 20).unwrap());
    let left = all(&path);
    assert_eq!(left.len(), 21);
    assert_eq!(left.last().unwrap().ban.target.to_string(), "192.0.2.1", "what stands is kept");
}

#[test]
fn rows_are_found_by_address_rule_end_and_time_newest_first_page_by_page() {
    let (_directory, path) = scratch();
    let (mut tables, _) = Tables::open(&path).unwrap();
    let targets = [
        "192.0.2.1",
        "192.0.2.0/24",
        "192.0.2.1:5060",
        "192.0.2.2",
        "2001:db8::/64",
        "[2001:db8::7]:5060",
        "2001:db8::/32",
    ];
    let changes: Vec<_> = targets.iter().map(|target| banned(&ban(target, None))).collect();
    tables.write(&changes, &[], &[]).unwrap();
    let now = clock::now();
    let gone = Change::Lifted(Arc::new(ban("192.0.2.2", None)), Origin::Guard);
    tables.write(&[(gone, now)], &[], &[]).unwrap();
    let find = |asked: Asked| -> Vec<String> {
        rows(&path, &asked).iter().map(|row| row.ban.target.to_string()).collect()
    };
    let at = |target: &str| find(Asked { target: Some(target.parse().unwrap()), ..Asked::default() });
    assert_eq!(at("192.0.2.1"), ["192.0.2.1:5060", "192.0.2.0/24", "192.0.2.1"]);
    assert_eq!(at("192.0.2.9"), ["192.0.2.0/24"]);
    assert_eq!(at("192.0.2.1:5060"), ["192.0.2.1:5060", "192.0.2.0/24", "192.0.2.1"]);
    assert_eq!(at("192.0.0.0/16").len(), 4);
    assert_eq!(at("2001:db8::9"), ["2001:db8::/32", "[2001:db8::7]:5060", "2001:db8::/64"]);
    assert_eq!(at("2001:db8:1::9"), ["2001:db8::/32"]);
    assert_eq!(find(Asked { end: Some(End::Standing), ..Asked::default() }).len(), 6);
    assert_eq!(find(Asked { end: Some(End::Ended(Ending::Lifted)), ..Asked::default() }), ["192.0.2.2"]);
    assert_eq!(find(Asked { rule: Some("other".into()), ..Asked::default() }), [""; 0]);
    let later = now + Duration::from_secs(60);
    assert_eq!(find(Asked { from: Some(later), ..Asked::default() }).len(), 6);
    assert_eq!(find(Asked { to: Some(now - Duration::from_secs(3600)), ..Asked::default() }), [""; 0]);
    let connection = Connection::open(&path).unwrap();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let asked = Asked { before, limit: 3, ..Asked::default() };
        let (rows, next) = super::find(&connection, &asked, |_| true).unwrap();
        seen.extend(rows.into_iter().map(|row| row.id));
        before = next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}
