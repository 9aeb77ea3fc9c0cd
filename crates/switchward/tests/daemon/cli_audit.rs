//! `switchward audit verify` on the files that a daemon left behind.

use crate::support::Stage;
use broker::audit::{Asked, Entry, Verdict};
use broker::journal::{Journal, Settings, files};
use std::path::PathBuf;

/// As a daemon writes it, without one: an attempt that nobody refused.
fn write(stage: &Stage, key: Option<&[u8]>, commands: &[&str]) -> PathBuf {
    let at = switchward::clock::now().micros();
    let settings = Settings::new(stage.folder().join("audit"));
    let settings = Settings { key: key.and_then(broker::audit::Key::new), ..settings };
    let (journal, _) = Journal::open(settings, None, at).unwrap();
    for command in commands {
        let asked =
            Asked { at, user: "alice", form: "api", command, verdict: Verdict::Allowed, ..Asked::default() };
        journal.write(&Entry::Asked(asked)).unwrap();
    }
    journal.health().file
}

#[test]
fn the_files_of_a_daemon_verify_and_a_changed_one_does_not() {
    let stage = Stage::new();
    let switch = stage.switch();
    let mut daemon = stage.start("");
    assert!(daemon.terminate().success());
    drop(switch);
    let said = stage.run(&["audit", "verify", "-c", "switchward.toml"]).with(0);
    assert!(said.contains("are as they were written") && said.contains("was cut off"), "{said}");
    let path = write(&stage, None, &["status", "uuid_kill 1", "show calls"]);
    let good = std::fs::read_to_string(&path).unwrap();
    stage.run(&["audit", "verify", "-c", "switchward.toml"]).with(0);
    std::fs::write(&path, good.replace("uuid_kill 1", "uuid_kill 2")).unwrap();
    let said = stage.run(&["audit", "verify", "-c", "switchward.toml"]).with(65);
    assert!(
        said.contains(".jsonl:5: this line was changed") && said.contains("NOT as it was written"),
        "{said}"
    );
    let said = stage.run(&["audit", "verify", "-c", "switchward.toml", "--json"]).with(65);
    assert!(said.contains("\"what\": \"this line was changed\""), "{said}");
    // The store remembers lines that are cut off.
    std::fs::write(&path, good.lines().next().unwrap().to_owned() + "\n").unwrap();
    let said = stage.run(&["audit", "verify", "-c", "switchward.toml"]).with(65);
    assert!(said.contains("was cut off"), "{said}");
}

#[test]
fn files_from_elsewhere_are_checked_with_their_key_and_anchor() {
    let stage = Stage::new();
    stage.configure("");
    let path = write(&stage, Some(b"a key that is long enough"), &["status"]);
    let path = path.to_str().unwrap();
    stage.file("audit.key", "a key that is long enough\n");
    stage.file("other.key", "another key of that length\n");
    let verify = |more: &[&str]| {
        let words = ["audit", "verify", "-c", "switchward.toml", path];
        stage.run(&[&words[..], more].concat())
    };
    let said = verify(&["--key", "audit.key"]).with(0);
    let anchor = said.lines().find_map(|line| line.strip_prefix("the newest line: ")).unwrap().to_owned();
    assert!(said.contains("nothing tells whether newer lines were cut off"), "{said}");
    assert!(verify(&[]).with(0).contains("there is no key"));
    assert!(verify(&["--key", "other.key"]).with(65).contains("sealed with another key"));
    verify(&["--key", "audit.key", "--anchor", &anchor]).with(0);
    let (_, hash) = anchor.split_once(':').unwrap();
    assert!(verify(&["--anchor", &format!("9:{hash}")]).with(65).contains("the newest 6 lines"));
    assert!(verify(&["--anchor", "nonsense"]).with(64).contains("an anchor is"));
    assert_eq!(files(&stage.folder().join("audit")).unwrap().len(), 1);
    stage.run(&["audit", "verify", "-c", "switchward.toml", "none.jsonl"]).with(69);
}
