//! The daemon's trail: what reaches the audit of commands, and what happens when it cannot be written.

use super::*;
use broker::audit::{Asked, Done, Entry, Verdict};
use tempfile::TempDir;

fn configured(directory: &TempDir) -> Config {
    let mut config = Config::default();
    config.store.path = directory.path().join("switchward.db");
    config
}

fn attempt(trail: &Trail, command: &str) {
    let at = clock::now().micros();
    let asked =
        Asked { at, user: "alice", form: "api", command, verdict: Verdict::Allowed, ..Asked::default() };
    let of = trail.journal.write(&Entry::Asked(asked)).unwrap().sequence;
    trail.journal.write(&Entry::Done(Done { at, of, result: "ok", bytes: 3, micros: 40 })).unwrap();
}

async fn index_all(trail: &Trail, store: &Store) {
    let records = Tail::new(trail.journal.directory(), trail.ends().1).next(usize::MAX).unwrap();
    store.index(Lines { records, keep_from: Time::from_micros(0) }).await.unwrap();
}

fn rows(store: &Store) -> Vec<commands::Row> {
    commands::select(&store.reader().unwrap(), &commands::Query { limit: 100, ..Default::default() }).unwrap()
}

#[tokio::test]
async fn what_the_store_remembers_tells_that_the_end_was_cut_off() {
    let directory = TempDir::new().unwrap();
    let config = configured(&directory);
    let (store, _) = Store::open(&config.store.path).unwrap();
    let trail = open(&config, Some(&store)).unwrap();
    assert_eq!(trail.damage(), None);
    attempt(&trail, "status");
    let path = trail.journal.health().file;
    let before = std::fs::read(&path).unwrap();
    attempt(&trail, "uuid_kill 1");
    index_all(&trail, &store).await;
    drop(trail);
    let whole = open(&config, Some(&store)).unwrap();
    assert_eq!(whole.damage(), None);
    drop(whole);
    std::fs::write(&path, before).unwrap();
    let cut = open(&config, Some(&store)).unwrap();
    assert!(cut.damage().unwrap().contains("newest 2 lines"), "{:?}", cut.damage());
    // What was done is still known, and its number is not used again.
    assert_eq!(rows(&store)[0].command, "uuid_kill 1");
    attempt(&cut, "status");
    index_all(&cut, &store).await;
    assert_eq!(rows(&store).len(), 3);
}

#[tokio::test]
async fn indexing_a_line_again_changes_nothing_and_old_rows_go() {
    let directory = TempDir::new().unwrap();
    let config = configured(&directory);
    let (store, _) = Store::open(&config.store.path).unwrap();
    let trail = open(&config, Some(&store)).unwrap();
    attempt(&trail, "status");
    index_all(&trail, &store).await;
    let once = rows(&store);
    index_all(&trail, &store).await;
    assert_eq!(rows(&store), once);
    assert_eq!(once[0].result.as_ref().unwrap().micros, 40);
    let keep_from = clock::now() + Duration::from_secs(1);
    store.index(Lines { records: Vec::new(), keep_from }).await.unwrap();
    assert_eq!(rows(&store), []);
    assert!(commands::end(&store.reader().unwrap()).unwrap().is_some(), "the end is remembered all the same");
}

#[test]
fn a_key_that_is_none_is_told() {
    let directory = TempDir::new().unwrap();
    let mut config = configured(&directory);
    let path = directory.path().join("audit.key");
    config.broker.audit_key_file = Some(path.clone());
    assert!(open(&config, None).unwrap_err().contains("audit.key"));
    std::fs::write(&path, "short\n").unwrap();
    assert!(open(&config, None).unwrap_err().contains("at least 16 bytes"));
    std::fs::write(&path, "a key that is long enough\n").unwrap();
    assert!(open(&config, None).is_ok());
}
