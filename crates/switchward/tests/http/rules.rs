//! `/security/rules` and `switchward rules`: what each rule is, and what became of it.

use crate::ask::said;
use crate::support::{Daemon, Kernel, fields, time};
use guard::rule::{Action, KeyKind, RuleChange};
use guard::signal::{Signal, Signals};
use serde_json::{Value, json};
use std::time::Duration;
use switchward::config::Config;

/// A daemon with these entries.
async fn with(entries: &[RuleChange]) -> Daemon {
    Daemon::with(Kernel::None, |config: &mut Config| config.rules = entries.to_vec()).await
}

async fn rule(daemon: &Daemon, name: &str) -> Value {
    let answer = daemon.get("/security/rules").await.ok();
    let rules = answer["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["name"] == name).cloned().unwrap_or_else(|| panic!("{name} in {answer:#}"))
}

fn shadowed(name: &str) -> RuleChange {
    RuleChange { name: name.into(), shadow: Some(true), ..RuleChange::default() }
}

#[tokio::test]
async fn every_rule_is_there_with_what_it_is_and_what_became_of_it() {
    let daemon = Daemon::start().await;
    let before = rule(&daemon, "failed-registrations").await;
    assert_eq!(before["hits"]["lastFired"], Value::Null);
    daemon.refuse("203.0.113.9", "1000", 5);
    let rule = rule(&daemon, "failed-registrations").await;
    let names = [
        "action",
        "applies",
        "ban",
        "counts",
        "distinct",
        "enabled",
        "evidence",
        "hits",
        "key",
        "name",
        "origin",
        "patience",
        "scope",
        "shadow",
        "threshold",
        "undoneBy",
        "what",
        "window",
    ];
    assert_eq!(fields(&rule), names);
    assert_eq!((&rule["counts"], &rule["key"]), (&json!(["auth-failed"]), &json!("source")));
    assert_eq!(
        (&rule["threshold"], &rule["window"], &rule["ban"]),
        (&json!(5), &json!("10m0s"), &json!("1h0m0s"))
    );
    assert_eq!(
        (&rule["origin"], &rule["applies"], &rule["scope"]),
        (&json!("built-in"), &json!("strangers"), &json!("all"))
    );
    let hits = &rule["hits"];
    assert_eq!((&hits["ban"], &hits["wouldBan"], &hits["spared"]), (&json!(1), &json!(0), &json!(0)));
    assert!(time(&hits["lastFired"]).secs() > 0);
}

#[tokio::test]
async fn a_rule_in_shadow_says_what_it_would_have_done_and_does_nothing() {
    let daemon = with(&[shadowed("failed-registrations")]).await;
    daemon.refuse("203.0.113.9", "1000", 5);
    let rule = rule(&daemon, "failed-registrations").await;
    assert_eq!((&rule["shadow"], &rule["origin"]), (&json!(true), &json!("changed")));
    assert_eq!((&rule["hits"]["ban"], &rule["hits"]["wouldBan"]), (&json!(0), &json!(1)));
    assert_eq!(daemon.get("/security/blacklist/203.0.113.9").await.ok()["blacklisted"], json!(false));
    let table = said(&daemon, "rules").await;
    assert!(table.contains("shadow: ban 1h, all"), "{table}");
}

#[tokio::test]
async fn a_rule_of_ones_own_bans_by_its_own_terms() {
    let own = RuleChange {
        name: "two-and-out".into(),
        counts: Some(Signals::one(Signal::AuthFailed)),
        key: Some(KeyKind::Port),
        threshold: Some(2),
        window: Some(Duration::from_secs(60)),
        ban: Some(Duration::from_secs(300)),
        ..RuleChange::default()
    };
    let daemon = with(&[own]).await;
    daemon.refuse("203.0.113.9", "1000", 2);
    let why = daemon.get("/security/why/203.0.113.9:5062").await.ok();
    assert_eq!((&why["ban"]["rule"], &why["ban"]["threshold"]), (&json!("two-and-out"), &json!(2)));
    assert_eq!(rule(&daemon, "two-and-out").await["origin"], json!("own"));
}

#[tokio::test]
async fn the_table_has_what_is_on_and_counts_what_is_off() {
    let off = RuleChange { enabled: Some(false), ..shadowed("call-rate") };
    let alert = RuleChange { action: Some(Action::Alert), ..shadowed("registration-rate") };
    let daemon = with(&[off, alert]).await;
    daemon.refuse("203.0.113.9", "1000", 5);
    let table = said(&daemon, "rules").await;
    for word in
        ["failed-registrations", "5 in 10m", "ban 1h, all", "source, strangers", "last fired", "s ago"]
    {
        assert!(table.contains(word), "{word} is not in:\n{table}");
    }
    assert!(!table.contains("call-rate") && table.contains("switched off; see all with --all"), "{table}");
    assert!(said(&daemon, "rules --all").await.contains("call-rate"));
    let plain: Value = serde_json::from_str(&said(&daemon, "rules --json").await).unwrap();
    assert_eq!(plain["rules"].as_array().unwrap().len(), daemon.app.guard.policy().rules().len());
}
