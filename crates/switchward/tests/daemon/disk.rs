//! A full disk under the store: the guard goes on, says so, and catches up.

use crate::support::{Stage, eventually, sh, traffic, witness};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::Path;

#[test]
fn with_a_full_disk_bans_reach_the_kernel_and_later_the_disk() {
    let stage = Stage::new();
    let switch = stage.switch();
    let disk = small_disk(&stage);
    let store = disk.join("switchward.db");
    let daemon = stage.start(&format!("store.path = {store:?}"));
    daemon.wait_for_switch();
    assert!(daemon.http.ban("198.51.100.1"), "while there is space");

    fill(&disk.join("filler"));
    for source in traffic::sources(0, 20) {
        traffic::attack(&switch, &source.to_string());
    }
    eventually("the kernel holds the bans", || witness::nft().len() == 21);
    let said = daemon.log.wait_for("the store cannot be written");
    assert!(said.contains("ERROR") && said.contains("full") && said.contains("free some space"), "{said}");
    let answer = daemon.http.post("/security/blacklist", &json!({"ip": "198.51.100.2"}));
    assert!(answer["warnings"].to_string().contains("not on the disk"), "{answer}");
    assert!(witness::nft().contains_key("198.51.100.2"));
    assert!(!daemon.http.get("/security/overview")["store"]["failing"].is_null());
    assert!(stage.run(&["status"]).with(0).contains("FAILING"));

    std::fs::remove_file(disk.join("filler")).unwrap();
    let said = daemon.log.wait_for("the store can be written again");
    assert!(said.contains("WARN"), "{said}");
    assert!(daemon.http.get("/security/overview")["store"]["failing"].is_null());
    let kernel = witness::targets(&witness::nft());
    assert_eq!(kernel.len(), 22);
    witness::assert_same(("the store", &witness::store(&store)), ("the kernel", &kernel));
    assert!(daemon.http.ban("198.51.100.3"), "without a warning again");

    daemon.kill();
    let daemon = stage.start_again();
    assert_eq!(daemon.http.bans(), 23);
}

#[test]
fn a_daemon_that_starts_on_a_full_disk_guards_with_what_it_remembers() {
    let stage = Stage::new();
    let switch = stage.switch();
    let disk = small_disk(&stage);
    let store = disk.join("switchward.db");
    for end in ["KILL", "TERM"] {
        let mut daemon = stage.start(&format!("store.path = {store:?}"));
        assert!(daemon.http.ban("198.51.100.1"));
        daemon.signal(end);
        daemon.ended();
        fill(&disk.join("filler"));
        let daemon = stage.start_again();
        assert!(daemon.http.ledger().contains("198.51.100.1"), "after SIG{end}");
        daemon.wait_for_switch();
        traffic::attack(&switch, &format!("198.51.100.{}", end.as_bytes()[0]));
        eventually("the kernel holds the ban", || witness::nft().len() == daemon.http.bans() as usize);
        std::fs::remove_file(disk.join("filler")).unwrap();
        eventually("the store catches up", || witness::store(&store) == daemon.http.ledger());
    }
}

#[test]
fn with_a_full_disk_at_the_start_the_mend_is_told() {
    let stage = Stage::new();
    let disk = small_disk(&stage);
    fill(&disk.join("filler"));
    stage.configure(&format!("store.path = {:?}", disk.join("switchward.db")));
    let said = stage.run(&crate::support::RUN).with(69);
    assert!(said.contains("full") && said.contains("store.path"), "{said}");
}

/// A file system of two megabytes that only this thread and its children see.
pub(super) fn small_disk(stage: &Stage) -> std::path::PathBuf {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let disk = stage.folder().join("disk");
    std::fs::create_dir(&disk).unwrap();
    sh("mount --make-rprivate /");
    sh(&format!("mount -t tmpfs -o size=2m tmpfs {}", disk.display()));
    disk
}

/// Takes all the space that is left.
pub(super) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
}
