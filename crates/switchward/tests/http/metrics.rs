//! The metrics: both formats, what is counted of the interface itself, and the list in the documentation.

use crate::support::{Daemon, Kernel};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use switchward::metrics::gather;

const OPEN: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

/// The value of a sample, by its whole name with labels.
fn value(text: &str, sample: &str) -> Option<f64> {
    let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    found.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn each_format_has_its_name_and_its_end() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let older = daemon.get("/metrics").await;
    assert_eq!(
        (older.status, &older.headers[CONTENT_TYPE]),
        (200, &"text/plain; version=0.0.4; charset=utf-8".parse().unwrap())
    );
    let older = String::from_utf8(older.body.to_vec()).unwrap();
    assert!(older.ends_with('\n') && !older.contains("# EOF"));
    let open = daemon.ask("GET", "/metrics").header(ACCEPT.as_str(), OPEN).send().await;
    assert_eq!(open.headers[CONTENT_TYPE], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    openmetrics_is_well_formed(std::str::from_utf8(&open.body).unwrap());
}

/// What OpenMetrics 1.0 asks for beyond single lines: families that are whole and told once, samples with the endings of
/// their kind, no sample twice, buckets that only grow, the end mark.
#[track_caller]
fn openmetrics_is_well_formed(text: &str) {
    let lines: Vec<&str> = text.strip_suffix("# EOF\n").expect("no end mark").lines().collect();
    let (mut families, mut samples) = (HashSet::new(), HashSet::new());
    let (mut name, mut kind, mut bucket) = ("", "", (String::new(), 0.0));
    for line in lines {
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').unwrap();
            let (of, rest) = rest.split_once(' ').unwrap();
            match word {
                "HELP" => {
                    assert!(families.insert(of), "{of} is told twice");
                    name = of;
                }
                "TYPE" => kind = rest,
                "UNIT" => assert!(of.ends_with(&format!("_{rest}")), "{line}"),
                _ => panic!("{line}"),
            }
            assert_eq!(of, name, "{line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(samples.insert(sample), "{sample} is there twice");
        let ending = sample
            .split('{')
            .next()
            .unwrap()
            .strip_prefix(name)
            .unwrap_or_else(|| panic!("{line} is not of {name}"));
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("{other}"),
        };
        assert!(endings.contains(&ending), "{line}");
        if ending == "_bucket" {
            let (of, bound) = sample.split_once("le=\"").unwrap();
            assert!(bound == "+Inf\"}" || bound.contains(['.', 'e']), "{line}");
            let so_far = if bucket.0 == of { bucket.1 } else { 0.0 };
            assert!(value >= so_far, "{line}");
            bucket = (of.to_owned(), value);
        }
    }
    assert!(families.len() > 40 && samples.len() > 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let daemon = Daemon::start().await;
    daemon.get("/security/blacklist/203.0.113.77").await.ok();
    daemon.get("/security/blacklist/nonsense-4711").await.error(400);
    daemon.get("/nowhere-4711").await.error(404);
    daemon.ask("BREW-4711", "/health").send().await.error(405);
    daemon.post("/security/blacklist", &json!({"ip": "203.0.113.78"})).await.ok();
    let text = String::from_utf8(daemon.get("/metrics").await.body.to_vec()).unwrap();
    let one = "route=\"/security/blacklist/{*ip}\"";
    for (sample, expected) in [
        (format!("switchward_http_requests_total{{method=\"GET\",{one},status=\"2xx\"}}"), 1.0),
        (format!("switchward_http_requests_total{{method=\"GET\",{one},status=\"4xx\"}}"), 1.0),
        (format!("switchward_http_request_duration_seconds_count{{method=\"GET\",{one}}}"), 2.0),
        ("switchward_http_requests_total{method=\"GET\",route=\"other\",status=\"4xx\"}".into(), 1.0),
        ("switchward_http_requests_total{method=\"other\",route=\"/health\",status=\"4xx\"}".into(), 1.0),
    ] {
        assert_eq!(value(&text, &sample), Some(expected), "{sample}\n{text}");
    }
    assert!(
        !text.contains("4711") && !text.contains("203.0.113"),
        "what a peer chose is in a label:\n{text}"
    );
}

#[tokio::test]
async fn kernel_and_ledger_are_counted_by_kind() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    for (ip, scope) in [
        ("198.51.100.1", "all"),
        ("198.51.100.0/25", "all"),
        ("2001:db8::1", "sip"),
        ("192.0.2.1:5062", "sip"),
    ] {
        daemon.post("/security/blacklist", &json!({"ip": ip, "scope": scope})).await.ok();
    }
    daemon.delete("/security/blacklist/2001:db8::1").await.ok();
    let text = String::from_utf8(daemon.get("/metrics").await.body.to_vec()).unwrap();
    for name in ["switchward_ledger_bans", "switchward_kernel_bans"] {
        for (labels, count) in [
            ("scope=\"all\",target=\"host\"", 1.0),
            ("scope=\"all\",target=\"network\"", 1.0),
            ("scope=\"sip\",target=\"host\"", 0.0),
            ("scope=\"sip\",target=\"port\"", 1.0),
        ] {
            assert_eq!(value(&text, &format!("{name}{{{labels}}}")), Some(count), "{name} {labels}\n{text}");
        }
    }
    assert_eq!(value(&text, "switchward_kernel_bans_missing"), Some(0.0));
    daemon.restore_ban("198.51.100.99");
    let text = String::from_utf8(daemon.get("/metrics").await.body.to_vec()).unwrap();
    assert_eq!(value(&text, "switchward_kernel_bans_missing"), Some(1.0));
}

#[tokio::test]
async fn the_list_in_the_documentation_is_up_to_date() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    daemon.app.switches[0].counts.last_heard.store(1, Relaxed);
    daemon.get("/health").await.ok();
    let app = daemon.app.clone();
    let families = tokio::task::spawn_blocking(move || gather(&app)).await.unwrap();
    let mut text = String::from(HEAD);
    for family in families {
        let labels: Vec<String> = family.labels().iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (family.query_name(), family.kind(), family.help());
        text += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/metrics.md is outdated: run this test with UPDATE=1");
}

const HEAD: &str = "# Metrics\n\nWhat `GET /metrics` tells (made by a test; see [monitoring](monitoring.md)). Counters start at 0 with \
    the daemon.\n\n| name | kind | labels | what |\n|---|---|---|---|\n";
