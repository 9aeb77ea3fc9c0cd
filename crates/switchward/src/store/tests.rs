//! The store on real files: what survives, what is moved aside, what happens when it cannot write.

use super::*;
use guard::{Origin, Reason, Scope, Time};
use std::net::Ipv4Addr;

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn ban(n: u32) -> Ban {
    Ban {
        target: guard::Target::host(Ipv4Addr::from(0xc612_0000 + n).into()),
        scope: Scope::Sip,
        since: at(100),
        until: Some(at(4_000_000_000)),
        origin: Origin::Guard,
        reason: Reason::operator("a \"reason\" with \u{1f4de}", at(100)),
        note: String::new(),
    }
}

fn banned(n: u32) -> Change {
    Change::Banned(Arc::new(ban(n)))
}

fn allowed(text: &str) -> Allowed {
    Allowed {
        target: text.parse().unwrap(),
        added: at(1),
        until: None,
        last_seen: at(2),
        user: "1000".into(),
        domain: String::new(),
        origin: Origin::Operator("me".into()),
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/switchward.db");
    (directory, path)
}

#[tokio::test]
async fn what_was_settled_is_there_after_a_kill() {
    let (_directory, path) = scratch();
    let (store, kept) = Store::open(&path).unwrap();
    let past = past::Kept { key: kept.past.key, ..past::Kept::default() };
    assert_eq!(kept, Kept { is_new: true, past, ..Kept::default() });
    for n in 0..2000 {
        store.record(&banned(n));
    }
    store.record(&Change::Lifted(Arc::new(ban(7)), Origin::Guard));
    store.record(&Change::Allowed(Arc::new(allowed("192.0.2.0/24"))));
    store.record(&Change::PatternAdded(DomainPattern::new("*.evil.example").unwrap()));
    store.settle().await.unwrap();
    // A second reader sees what a killed process leaves behind: the files as they are now.
    let copy = path.with_file_name("copy.db");
    for extra in ["", "-wal"] {
        std::fs::copy(format!("{}{extra}", path.display()), format!("{}{extra}", copy.display())).unwrap();
    }
    let (_, kept) = Store::open(&copy).unwrap();
    assert_eq!(kept.bans.len(), 1999);
    assert!(kept.bans.contains(&ban(8)) && !kept.bans.contains(&ban(7)));
    assert_eq!(kept.allows, [allowed("192.0.2.0/24")]);
    assert_eq!(kept.patterns.len(), 1);
    let health = store.health();
    let expected = Health { committed: 2003, most_waiting: health.most_waiting, ..Health::default() };
    assert_eq!(health, expected);
    assert!(health.most_waiting > 0);
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_on_the_disk_within_a_second() {
    let (_directory, path) = scratch();
    let (store, _) = Store::open(&path).unwrap();
    store.record(&banned(1));
    let deadline = Instant::now() + Duration::from_secs(10);
    while store.health().committed < 1 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_damaged_file_is_moved_aside_and_not_lost() {
    let (_directory, path) = scratch();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    let (_, kept) = Store::open(&path).unwrap();
    let aside = kept.damaged.unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), vec![b'x'; 10_000]);
}

#[test]
fn a_file_of_a_newer_program_is_refused() {
    let (_directory, path) = scratch();
    assert!(Store::open(&path).unwrap().0.stop(Duration::from_secs(5)));
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(&path).err().unwrap().to_string();
    assert!(error.contains("version 99"), "{error}");
}

#[test]
fn the_file_and_its_directory_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path) = scratch();
    drop(Store::open(&path).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so_and_recovers_with_the_whole_ledger() {
    let (_directory, path) = scratch();
    let (store, _) = Store::open(&path).unwrap();
    store.mirror(Box::new(|| Kept { bans: vec![ban(1), ban(2), ban(3)], ..Kept::default() }));
    store.record(&banned(1));
    store.settle().await.unwrap();
    // Somebody else holds the write lock for longer than we wait: the commit fails, as on a full disk.
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE; INSERT INTO patterns VALUES ('x');").unwrap();
    store.record(&banned(2));
    assert!(store.settle().await.is_err());
    assert!(store.health().failing.is_some());
    blocker.execute_batch("ROLLBACK").unwrap();
    // It is tried again after a second.
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.settle().await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.health().failing, None);
    assert!(store.stop(Duration::from_secs(5)));
    assert_eq!(Store::open(&path).unwrap().1.bans.len(), 3);
}

fn audited(n: u64) -> Audited {
    let text = String::new;
    Audited {
        at: clock::now(),
        who: "ann".into(),
        role: text(),
        source: text(),
        door: "http".into(),
        action: "POST /security/blacklist".into(),
        detail: text(),
        status: 200,
        result: "done".into(),
        micros: n,
    }
}

#[tokio::test]
async fn entries_of_the_audit_that_find_no_room_are_counted_and_only_while_it_fails() {
    let (_directory, path) = scratch();
    let (store, _) = Store::open(&path).unwrap();
    store.mirror(Box::new(Kept::default));
    (0..2 * AUDIT_WAITING as u64).for_each(|n| store.audit(audited(n)));
    store.settle().await.unwrap();
    assert_eq!(store.health().unaudited, 0);
    let blocker = rusqlite::Connection::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE; INSERT INTO patterns VALUES ('x');").unwrap();
    store.record(&banned(1));
    assert!(store.settle().await.is_err());
    (0..AUDIT_WAITING as u64 + 7).for_each(|n| store.audit(audited(n)));
    assert!(store.settle().await.is_err());
    assert_eq!(store.health().unaudited, 7);
    blocker.execute_batch("ROLLBACK").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.settle().await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rows: i64 =
        store.reader().unwrap().query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 3 * AUDIT_WAITING as i64);
}

#[test]
fn a_store_that_goes_on_failing_is_tried_less_and_less_often() {
    let (_directory, path) = scratch();
    let (tables, _) = Tables::open(&path).unwrap();
    let (_jobs, inbox) = channel();
    let mut writer = Writer {
        tables,
        inbox,
        shared: Arc::default(),
        whole: None,
        behind: None,
        named: Vec::new(),
        audited: Vec::new(),
        prune: Instant::now(),
    };
    let pauses = (0..8).map(|_| {
        writer.fall_behind("full".into());
        writer.behind.unwrap().pause.as_secs()
    });
    assert_eq!(pauses.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
    writer.behind = Some(Behind { since: Instant::now(), pause: Duration::ZERO });
    writer.whole = Some(Box::new(Kept::default));
    writer.commit(&mut Vec::new(), false).unwrap();
    assert!(writer.behind.is_none() && writer.shared.failing.lock().is_none());
}
