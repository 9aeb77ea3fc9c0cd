//! The audit of commands, as it is searched: by filters, by pages, by the command line, after the store was lost.

use crate::ask_more::said;
use crate::support::Daemon;
use broker::audit::{Asked, Done, Entry, Verdict};
use broker::journal::{Journal, Settings};
use serde_json::{Value, json};
use switchward::clock;

fn write(journal: &Journal, asked: Asked<'_>) {
    let at = clock::now().micros();
    let of = journal.write(&Entry::Asked(Asked { at, ..asked })).unwrap().sequence;
    if asked.verdict != Verdict::Refused {
        journal.write(&Entry::Done(Done { at, of, result: "ok", bytes: 12, micros: 1_500 })).unwrap();
    }
}

fn attempts(journal: &Journal) {
    let alice = Asked {
        user: "alice",
        proof: "users",
        source: "192.0.2.7",
        door: "esl",
        switch: "pbx1",
        form: "api",
        verdict: Verdict::Allowed,
        rule: "allow show *",
        ..Asked::default()
    };
    let bob = Asked { user: "bob", proof: "token", source: "198.51.100.4", door: "http", ..alice };
    write(journal, Asked { command: "show calls", ..alice });
    write(
        journal,
        Asked { command: "Uuid_Kill 1 \u{1b}[2J", form: "bgapi", verdict: Verdict::Shadow, ..alice },
    );
    write(
        journal,
        Asked { command: "system id", verdict: Verdict::Refused, rule: "nothing allows it", ..bob },
    );
    write(journal, Asked { command: "1 execute park", form: "sendmsg", ..bob });
}

async fn found(daemon: &Daemon, query: &str) -> Vec<Value> {
    let page = daemon.get(&format!("/security/broker/audit{query}")).await.ok();
    assert_eq!(page["behind"], 0);
    page["commands"].as_array().unwrap().iter().map(|row| row["command"].clone()).collect()
}

#[tokio::test]
async fn attempts_are_found_by_all_that_is_known_of_them() {
    let daemon = Daemon::start().await;
    attempts(&daemon.app.trail.journal);
    let all =
        [json!("1 execute park"), json!("system id"), json!("Uuid_Kill 1 \u{1b}[2J"), json!("show calls")];
    for (query, wanted) in [
        ("", &all[..]),
        ("?user=alice", &all[2..]),
        ("?source=198.51.100.4", &all[..2]),
        ("?door=esl&decision=allowed", &all[3..]),
        ("?decision=refused", &all[1..2]),
        ("?decision=shadow", &all[2..3]),
        ("?verb=UUID_KILL", &all[2..3]),
        ("?verb=sendmsg", &all[..1]),
        ("?text=CALLS", &all[3..]),
        ("?since=2026-01-01T00:00:00Z&user=bob", &all[..2]),
        ("?until=2020-01-01T00:00:00Z", &[]),
        ("?user=mallory", &[]),
    ] {
        assert_eq!(found(&daemon, query).await, wanted, "{query}");
    }
    let first = daemon.get("/security/broker/audit?limit=3").await.ok();
    let rest = daemon.get(&format!("/security/broker/audit?limit=3&before={}", first["next"])).await.ok();
    assert_eq!((rest["commands"].as_array().unwrap().len(), rest.get("next")), (1, None));
    let refused = &first["commands"][1];
    assert_eq!((&refused["rule"], &refused["result"]), (&json!("nothing allows it"), &Value::Null));
    let shadow = &first["commands"][2];
    assert_eq!(
        (&shadow["result"], &shadow["micros"], &shadow["proof"]),
        (&json!("ok"), &json!(1_500), &json!("users"))
    );
}

#[tokio::test]
async fn a_question_that_is_none_is_refused() {
    let daemon = Daemon::start().await;
    for wrong in [
        "?limit=0",
        "?limit=1001",
        "?before=0",
        "?user=",
        "?verb=",
        "?decision=maybe",
        "?since=yesterday",
        "?colour=red",
    ] {
        daemon.get(&format!("/security/broker/audit{wrong}")).await.error(400);
    }
}

#[tokio::test]
async fn an_index_that_was_lost_is_made_anew_from_the_files() {
    let daemon = Daemon::with(crate::support::Kernel::None, |config| {
        let settings = Settings::new(config.store.path.with_file_name("audit"));
        let (journal, _) = Journal::open(settings, None, clock::now().micros()).unwrap();
        attempts(&journal);
    })
    .await;
    assert_eq!(found(&daemon, "?user=bob").await.len(), 2);
    // And it goes on from there.
    attempts(&daemon.app.trail.journal);
    assert_eq!(found(&daemon, "").await.len(), 8);
}

#[tokio::test]
async fn the_command_line_prints_attempts_the_newest_last() {
    let daemon = Daemon::start().await;
    assert_eq!(said(&daemon, "audit commands").await, "no command in the audit fits\n");
    attempts(&daemon.app.trail.journal);
    let shown = said(&daemon, "audit commands --user alice").await;
    let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words} is not in\n{shown}"));
    assert!(place("show calls") < place("Uuid_Kill"), "{shown}");
    assert!(
        shown.contains("alice (users)") && !shown.contains("system id") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    assert!(said(&daemon, "audit search --decision refused").await.contains("nothing allows it"));
    assert!(said(&daemon, "audit list --limit 1 --json").await.contains("\"next\""));
}

#[tokio::test]
async fn what_is_written_is_counted() {
    let daemon = Daemon::start().await;
    attempts(&daemon.app.trail.journal);
    found(&daemon, "").await;
    let metrics = daemon.get("/metrics").await;
    let text = String::from_utf8_lossy(&metrics.body);
    assert!(text.contains("switchward_audit_entries_total 7\n"), "{text}");
    assert!(text.contains("switchward_audit_failing 0\n") && text.contains("switchward_audit_unindexed 0\n"));
}
