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
    assert_eq!(kept, Kept { is_new: true, ..Kept::default() });
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
    drop(Store::open(&path).unwrap());
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
    // It is tried again once a second.
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.settle().await.is_err() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.health().failing, None);
    assert!(store.stop(Duration::from_secs(5)));
    assert_eq!(Store::open(&path).unwrap().1.bans.len(), 3);
}
