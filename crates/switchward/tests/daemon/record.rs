//! Recording: what the daemon, or the command, wrote down of a live switch replays to the same bans.

use crate::support::{Daemon, Stage, eventually, traffic};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The reasons of the bans that the daemon made, by target.
fn made(daemon: &Daemon) -> BTreeMap<String, String> {
    let bans = daemon.http.get("/security/blacklist");
    let reason = |ban: &Value| ban["reason"].as_str().unwrap().to_owned();
    bans.as_object().unwrap().iter().map(|(target, ban)| (target.clone(), reason(ban))).collect()
}

/// The same as a replay tells them.
fn replayed(stage: &Stage, directory: &str) -> BTreeMap<String, String> {
    let said = stage.run(&["replay", "--config", "switchward.toml", "--json", directory]).with(0);
    let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let bans = lines.filter(|line| line["action"] == "ban");
    bans.map(|line| (text(&line, "target"), text(&line, "reason"))).collect()
}

/// Without the times: those of the events are the switch's, in steps, and those of the daemon its own.
fn untimed(bans: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let what = |reason: &String| {
        let (count, rest) = reason.split_once(';').unwrap_or((reason, ""));
        let count = count.split(" within ").next().unwrap().trim_end_matches(" at once");
        format!("{count};{rest}")
    };
    bans.iter().map(|(target, reason)| (target.clone(), what(reason))).collect()
}

#[test]
fn what_the_daemon_recorded_replays_to_the_bans_that_it_made() {
    let stage = Stage::new();
    let switch = stage.switch();
    let mut daemon = stage.start("record.enabled = true\nrecord.directory = \"recorded\"");
    daemon.wait_for_switch();
    for source in ["198.51.100.7", "203.0.113.9", "2001:db8:7::1"] {
        traffic::attack(&switch, source);
    }
    traffic::send(
        &switch,
        &traffic::register(&switch, "198.51.100.20", "1001", simswitch::Credentials::Fresh),
    );
    for _ in 0..5 {
        traffic::send(&switch, &traffic::abandoned_call(&switch, "198.51.100.30"));
    }
    eventually("those of the events are banned", || made(&daemon).len() == 4);
    // And what has no event, by the log.
    assert!(stage.wait(switch.wait_for_log_readers(1, Duration::from_secs(20))));
    for user in 0..20 {
        let from = "203.0.113.40".parse().unwrap();
        switch.log(&simswitch::LogLine::unknown_account(&format!("{user}"), "pbx.example", from));
    }
    eventually("the one of the log is banned", || made(&daemon).len() == 5);
    let made = made(&daemon);
    // Blocks are written in the background; what is on the disk can be played while the daemon runs.
    let is_there =
        || stage.folder().join("recorded").read_dir().is_ok_and(|mut files| files.next().is_some());
    eventually("it replays to the same bans", || {
        is_there() && untimed(&replayed(&stage, "recorded")) == untimed(&made)
    });
    assert!(daemon.terminate().success());
}

#[test]
fn the_command_records_without_a_daemon_until_it_is_told_to_stop() {
    let stage = Stage::new();
    let switch = stage.switch();
    stage.configure("");
    let mut recording = Daemon::spawn(stage.command(&["record", "recorded", "--config", "switchward.toml"]));
    recording.log.wait_for("recording freeswitch");
    traffic::attack(&switch, "198.51.100.7");
    let file = || stage.folder().join("recorded").read_dir().is_ok_and(|mut files| files.next().is_some());
    eventually("a block is on the disk", file);
    recording.signal("INT");
    assert!(recording.ended().success());
    let bans = replayed(&stage, "recorded");
    assert_eq!(bans.keys().collect::<Vec<_>>(), ["198.51.100.7"]);
}

#[test]
fn a_directory_that_others_may_enter_is_told_before_anything_starts() {
    let stage = Stage::new();
    stage.configure("record.enabled = true\nrecord.directory = \"/\"");
    let said = stage.run(&["run", "--config", "switchward.toml"]).with(69);
    assert!(said.contains("cannot record into /") && said.contains("chmod 700"), "{said}");
}
