//! The metrics under real traffic, as Prometheus' own tools read them.

use crate::support::{Daemon, Ended, PASSWORD, Stage, eventually, traffic};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

fn dist(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist").join(file)
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

#[test]
fn the_alert_rules_and_the_dashboard_ask_for_what_there_is() {
    let rules = std::fs::read_to_string(dist("prometheus/switchward.rules.yml")).unwrap();
    let folder = dist("prometheus");
    let check = |arguments: &[&str]| Ended::of(promtool(arguments).current_dir(&folder)).with(0);
    check(&["check", "rules", "switchward.rules.yml"]);
    check(&["test", "rules", "switchward.test.yml"]);

    let dashboard = std::fs::read_to_string(dist("grafana/switchward.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables.iter().any(|variable| variable["type"] == "datasource" && variable["name"] == "datasource")
    );
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one number");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }

    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    traffic::send(&switch, &traffic::heartbeat(&switch));
    eventually("the switch was heard", || metrics(&daemon).contains("last_heard_timestamp"));
    let text = metrics(&daemon);
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let mut asked = 0;
    for source in [rules, dashboard.to_string()] {
        for word in source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let is_metric = word.starts_with("switchward_") || word.starts_with("process_");
            if is_metric {
                asked += 1;
                assert!(there.contains(word), "{word} is not in\n{text}");
            }
        }
    }
    assert!(asked > 50, "{asked}");
}
