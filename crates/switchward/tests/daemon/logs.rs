//! The log, when attackers choose what is in it.

use crate::support::{Daemon, Stage, eventually};
use serde_json::Value;

/// Plays the recording of hostile user agents, names and numbers, all of whose sources may be banned.
fn play_hostility(stage: &Stage, format: &str) -> Daemon {
    let switch = stage.switch();
    let daemon = stage.start(&format!(
        "log.level = \"trace\"\nlog.format = \"{format}\"\nserver.log_requests = true\nserver.log_responses = true\n\
         security.trusted_networks = []\nsecurity.max_failed_attempts = 1\nsecurity.max_wrong_call_states = 1\n\
         security.untrusted_networks = [\"pbx.example\"]"
    ));
    daemon.wait_for_switch();
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/captures/freeswitch/hostile.plain.esl.zst");
    let capture = simswitch::Capture::load(path).unwrap();
    let played = stage.wait(switch.play(capture.events(), simswitch::Pace::Max, simswitch::Stamps::Now));
    assert!(played.delivered > 40, "{played:?}");
    eventually("all of it is read", || {
        daemon.http.get("/security/esl")["eventsProcessed"] == played.delivered
    });
    assert!(!daemon.http.ledger().is_empty(), "nobody was banned");
    for path in ["/security/blacklist", "/security/failed", "/security/x%0A%0Dy", "/%22%7D%1b[2J"] {
        _ = daemon.http.ask("GET", path, "").unwrap();
    }
    daemon
}

#[test]
fn every_line_is_one_json_object_whatever_attackers_write() {
    let stage = Stage::new();
    let mut daemon = play_hostility(&stage, "json");
    assert!(daemon.terminate().success());
    let log = daemon.log.whole();
    for line in log.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            value["timestamp"].is_string() && value["level"].is_string() && value["message"].is_string(),
            "{line}"
        );
        let keys = value.as_object().unwrap().keys();
        for key in keys {
            assert_eq!(line.matches(&format!("\"{key}\":")).count(), 1, "{key} stands twice: {line}");
        }
    }
    let banned: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("banned for"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(banned.iter().any(|line| line["target"] == "127.0.69.1"), "{banned:?}");
    assert!(log.lines().any(|line| line.contains("reason: ")), "no reason was told");
}

#[test]
fn no_attacker_writes_a_line_of_his_own_or_moves_the_cursor() {
    let stage = Stage::new();
    let mut daemon = play_hostility(&stage, "human");
    assert!(daemon.terminate().success());
    let log = daemon.log.whole();
    for line in log.lines() {
        let begins_with_a_time = line.len() > 20 && line.as_bytes()[4] == b'-' && line.as_bytes()[10] == b'T';
        assert!(begins_with_a_time, "{line:?}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    assert!(log.contains("reason: "), "no reason was told");
}
