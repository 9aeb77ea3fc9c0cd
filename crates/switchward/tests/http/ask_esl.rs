//! `switchward esl`: commands, jobs and events of a switch from the command line, with a token.

use crate::access::token;
use crate::ask_more::asked;
use crate::broker::with_switch;
use crate::support::Daemon;
use serde_json::Value;
use simswitch::Event;
use std::time::Duration;
use switchward::access::Role;
use switchward::ask::Failure;
use tempfile::NamedTempFile;

/// A file with a token, as `--token-file` wants it.
fn token_file(daemon: &Daemon, role: Role) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token(daemon, "cli", role)).unwrap();
    file
}

async fn esl(daemon: &Daemon, token: &NamedTempFile, words: &[&str]) -> Result<String, Failure> {
    let file = token.path().to_str().unwrap();
    asked(daemon, &[&["esl", "--token-file", file], words].concat()).await
}

#[tokio::test]
async fn the_answer_is_printed_and_the_exit_code_says_whether_the_switch_did_it() {
    let (switch, daemon) = with_switch(|_| {}).await;
    switch.set_api("show calls", "a\tb\nc\u{1b}[2J\n");
    let token = token_file(&daemon, Role::Operator);
    assert_eq!(esl(&daemon, &token, &["show", "calls"]).await.unwrap(), "a\tb\nc\\u{1b}[2J\n");
    let host = switch.identity().hostname.clone();
    assert_eq!(esl(&daemon, &token, &["--job", "hostname"]).await.unwrap().trim(), host);
    let json: Value =
        serde_json::from_str(&esl(&daemon, &token, &["--json", "hostname"]).await.unwrap()).unwrap();
    assert_eq!(json["response"], host);
    for words in [&["uuid_kill", "x"][..], &["--job", "uuid_kill", "x"]] {
        let failure = esl(&daemon, &token, words).await.unwrap_err();
        assert_eq!(failure.exit_code(), 1, "{failure}");
        assert!(failure.to_string().contains("-ERR No such channel!"), "{failure}");
    }
    let refused = esl(&daemon, &token, &["hupall"]).await.unwrap_err();
    assert!(refused.exit_code() > 1 && refused.to_string().contains("permission denied"), "{refused}");
}

#[tokio::test]
async fn events_are_printed_a_line_each() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let token = token_file(&daemon, Role::Viewer);
    let following = esl(&daemon, &token, &["events", "TALK", "--filter", "A:2", "--count", "1"]);
    let telling = async {
        let asked = |received: &simswitch::Received| {
            received.line().starts_with("event plain") && received.line().contains(" TALK")
        };
        assert!(switch.wait_for_command(Duration::from_secs(60), asked).await.is_some());
        for number in 1..=3 {
            let text = format!("Event-Name: TALK\nA: {number}\nB: x%0Ay\n\n");
            switch.emit(&Event::from_plain(text.into_bytes()).unwrap());
        }
    };
    let (printed, ()) = tokio::join!(following, telling);
    let printed = printed.unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let event: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&event["A"], &event["B"]), (&Value::from("2"), &Value::from("x\ny")));
}
