//! The command line's further questions, put to a daemon's real interface.

use crate::support::{Daemon, Kernel};
use clap::Parser;
use serde_json::{Value, json};
use switchward::ask::{Ask, Failure, answer};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    ask: Ask,
}

#[track_caller]
pub(crate) fn typed(words: &[&str]) -> Ask {
    let words = ["switchward"].iter().chain(words);
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).ask
}

pub(crate) async fn asked(daemon: &Daemon, words: &[&str]) -> Result<String, Failure> {
    let mut out = Vec::new();
    answer(typed(words), &daemon.url(), &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

pub(crate) async fn said(daemon: &Daemon, line: &str) -> String {
    asked(daemon, &line.split(' ').collect::<Vec<_>>()).await.unwrap()
}

#[tokio::test]
async fn a_ban_that_stands_is_changed() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    said(&daemon, "ban 203.0.113.5 --ttl 1h --note ticket-17").await;
    assert!(said(&daemon, "list bans").await.contains("ticket-17"));
    let changed = said(&daemon, "extend 203.0.113.5 --ttl 48h --scope sip").await;
    assert!(changed.starts_with("203.0.113.5 is banned for ") && changed.contains("scope sip"), "{changed}");
    let changed = said(&daemon, "extend 203.0.113.5 --permanent --note ticket-18").await;
    assert!(changed.contains("for good"), "{changed}");
    let list = said(&daemon, "list bans --search ticket-18").await;
    assert!(list.contains("203.0.113.5 (sip)") && list.contains("1 in all"), "{list}");
    let refused = asked(&daemon, &["extend", "203.0.113.6", "--ttl", "1h"]).await.unwrap_err();
    assert_eq!(refused.exit_code(), 64, "{refused}");
    assert!(Cli::try_parse_from(["switchward", "extend", "203.0.113.5"]).is_err(), "nothing to change");
}

#[tokio::test]
async fn bans_are_searched_sorted_and_limited() {
    let daemon = Daemon::start().await;
    for number in 0..30 {
        said(&daemon, &format!("ban 198.51.100.{number} --reason number-{number} --ttl {}m", 60 - number))
            .await;
    }
    let list = said(&daemon, "list bans --sort until --limit 3").await;
    assert!(list.contains("3 of 30"), "{list}");
    assert!(list.contains("number-0") && list.contains("number-2") && !list.contains("number-3"), "{list}");
    assert!(said(&daemon, "list bans --search 198.51.100.7").await.contains("1 in all"));
    assert!(said(&daemon, "list bans --rule nothing").await.contains("no such ban"));
    let page: Value = serde_json::from_str(&said(&daemon, "list bans --limit 2 --json").await).unwrap();
    assert_eq!((page["bans"].as_array().unwrap().len(), &page["matched"]), (2, &json!(30)));
    let refused = asked(&daemon, &["list", "allows", "--limit", "2"]).await.unwrap_err();
    assert_eq!(refused.exit_code(), 64);
}

#[tokio::test]
async fn patterns_are_added_tested_and_removed() {
    let daemon = Daemon::start().await;
    said(&daemon, "untrusted add *.evil.example").await;
    assert!(said(&daemon, "untrusted list").await.contains("*.evil.example"));
    assert_eq!(said(&daemon, "untrusted test sip.evil.example").await, "sip.evil.example is untrusted\n");
    assert_eq!(said(&daemon, "untrusted test pbx.example").await, "pbx.example is not untrusted\n");
    let refused = asked(&daemon, &["untrusted", "add", "*.evil.example"]).await.unwrap_err();
    assert_eq!(refused.exit_code(), 64);
    said(&daemon, "untrusted remove *.evil.example").await;
    assert!(!said(&daemon, "untrusted list").await.contains("evil"));
    let list: Value = serde_json::from_str(&said(&daemon, "untrusted list --json").await).unwrap();
    assert!(list.is_array());
}

#[tokio::test]
async fn the_daemon_tells_its_rates_and_its_cache() {
    let daemon = Daemon::start().await;
    let rates = said(&daemon, "rates").await;
    assert!(rates.contains("a source may make") && rates.contains("no calls"), "{rates}");
    assert!(said(&daemon, "cache stats").await.starts_with("cache "));
    assert_eq!(said(&daemon, "cache clear").await, "security cache cleared\n");
    assert!(said(&daemon, "log-level debug").await.contains("debug"));
    let refused = asked(&daemon, &["command", "system reboot"]).await.unwrap_err();
    assert!(refused.to_string().contains("not allowed"), "{refused}");
}

#[tokio::test]
async fn what_happens_is_a_line_each() {
    let daemon = Daemon::start().await;
    let follows = asked(&daemon, &["stream", "--events", "ban,unban", "--count", "2"]);
    let acts = async {
        // The first is told only to who listens already.
        while daemon.app.monitor.streams.count() == 0 {
            tokio::task::yield_now().await;
        }
        said(&daemon, "ban 203.0.113.5 --reason \u{1b}[31mred").await;
        said(&daemon, "unban 203.0.113.5").await;
    };
    let (lines, ()) = tokio::join!(follows, acts);
    let lines = lines.unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("ban ") && lines[0].contains("203.0.113.5 for "), "{lines:?}");
    assert!(lines[1].contains("unban ") && lines[1].contains("lifted by operator"), "{lines:?}");
    assert!(!lines.concat().contains('\u{1b}'), "{lines:?}");
    let follows = asked(&daemon, &["stream", "--json", "--events", "counters", "--count", "1"]);
    let item: Value = serde_json::from_str(&follows.await.unwrap()).unwrap();
    assert_eq!(item["event"], "counters");
    assert!(item["data"]["observations"].is_u64());
}

#[tokio::test]
async fn bans_have_a_country_where_a_file_tells_it() {
    let daemon = Daemon::start().await;
    for ip in ["192.0.2.7", "203.0.113.8:5062", "198.18.0.7"] {
        said(&daemon, &format!("ban {ip}")).await;
    }
    let shown = said(&daemon, "list bans").await;
    assert!(!shown.contains("country"), "{shown}");
    let mut config = daemon.app.config.load().geo.clone();
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/geo");
    config.country_file = Some(testdata.join("country.mmdb"));
    config.as_file = Some(testdata.join("as.mmdb"));
    daemon.app.geo.look(&config);
    let shown = said(&daemon, "list bans").await;
    assert!(shown.contains("country") && shown.contains("DE AS") && shown.contains("3 in all"), "{shown}");
    for line in ["list bans --country de", "history --country DE"] {
        let shown = said(&daemon, line).await;
        assert!(shown.contains("192.0.2.7") && !shown.contains("203.0.113.8"), "{line}\n{shown}");
    }
    let sorted = said(&daemon, "list bans --sort country").await;
    assert!(sorted.find("192.0.2.7") < sorted.find("203.0.113.8:5062"), "DE, US:\n{sorted}");
    let refused = asked(&daemon, &["list", "bans", "--country", "Germany"]).await.unwrap_err();
    assert_eq!(refused.exit_code(), 64, "{refused}");
}
