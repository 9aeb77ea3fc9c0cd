//! The metrics under real traffic, as Prometheus' own tools read them.

use crate::support::{Daemon, Ended, PASSWORD, Stage, eventually, traffic};
use std::process::{Command, Stdio};

fn metrics(daemon: &Daemon) -> String {
    let (status, text) = daemon.http.ask("GET", "/metrics", "").unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

/// The value of a sample, by its whole name with labels.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
}

fn promtool(arguments: &[&str]) -> Command {
    let mut command = Command::new("promtool");
    command.args(arguments);
    command
}

#[test]
fn what_happened_is_counted_and_promtool_finds_no_fault() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    traffic::send(&switch, &traffic::heartbeat(&switch));
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    stage.agreed(&daemon);
    let counted = "switchward_events_total{switch=\"freeswitch\",kind=\"sofia::register_failure\"}";
    // Counters are brought up to date when a read is done with.
    eventually("all is counted", || value(&metrics(&daemon), counted) == 5.0);
    let text = metrics(&daemon);
    for (sample, expected) in [
        ("switchward_switch_connected{switch=\"freeswitch\"}", 1.0),
        ("switchward_switch_connections_total{switch=\"freeswitch\"}", 1.0),
        ("switchward_events_total{switch=\"freeswitch\",kind=\"HEARTBEAT\"}", 1.0),
        ("switchward_events_ignored_total{switch=\"freeswitch\",reason=\"malformed\"}", 0.0),
        ("switchward_verdict_duration_seconds_count{switch=\"freeswitch\"}", 1.0),
        ("switchward_observations_total{what=\"auth-failed\",evidence=\"likely\"}", 5.0),
        (
            "switchward_decisions_total{rule=\"failed-registrations\",outcome=\"ban\",evidence=\"likely\"}",
            1.0,
        ),
        ("switchward_decisions_total{rule=\"call-rate\",outcome=\"ban\",evidence=\"proven\"}", 0.0),
        ("switchward_ledger_bans{scope=\"all\",target=\"host\"}", 1.0),
        ("switchward_kernel_bans{scope=\"all\",target=\"host\"}", 1.0),
        ("switchward_kernel_bans_missing", 0.0),
        ("switchward_kernel_duration_seconds_count", 1.0),
        ("switchward_enforcing", 1.0),
        ("switchward_store_failing", 0.0),
    ] {
        assert_eq!(value(&text, sample), expected, "{sample}");
    }
    for sample in [
        "switchward_batch_duration_seconds_count{switch=\"freeswitch\"}",
        "switchward_kernel_duration_seconds_sum",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "switchward_heap_allocated_bytes",
    ] {
        assert!(value(&text, sample) > 0.0, "{sample}");
    }
    assert!(!text.contains("198.51.100") && !text.contains(traffic::VICTIM) && !text.contains(PASSWORD));

    let file = stage.file("metrics.txt", &text);
    let mut check = promtool(&["check", "metrics"]);
    check.stdin(Stdio::from(std::fs::File::open(file).unwrap()));
    let said = Ended::of(&mut check).with(0);
    assert_eq!(said, "", "promtool has something to say");
}
