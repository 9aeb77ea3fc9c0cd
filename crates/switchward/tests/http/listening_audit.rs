//! Who comes in and who listens to what, in the audit of commands: over the event socket and over HTTP.

use crate::access::token;
use crate::broker::with_switch;
use crate::broker_events::{Reader, hear, say, socket};
use crate::entrance::{Client, open};
use crate::support::Daemon;
use serde_json::{Value, json};
use switchward::access::Role;

/// Entries of one kind, the oldest first: user, source, door, command, decision, rule, result.
async fn entries(daemon: &Daemon, form: &str) -> Vec<[String; 7]> {
    let page = daemon.get(&format!("/security/broker/audit?verb={form}&limit=1000")).await.ok();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let keys = ["user", "source", "door", "command", "decision", "rule", "result"];
    let rows = page["commands"].as_array().unwrap().iter().rev();
    rows.inspect(|row| assert_eq!(row["form"], form)).map(|row| keys.map(|key| text(row, key))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_socket_writes_down_who_comes_in_and_listens_to_what() {
    let (_switch, daemon) = with_switch(|_| {}).await;
    let (address, _stop) = open(&daemon).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let mut client = Client::connect(address).await;
    client.ask(&format!("auth {viewer}")).await;
    assert!(client.ask("event plain TALK CUSTOM sofia::register").await.contains("+OK event listener"));
    assert!(client.ask("event json API").await.contains("-ERR permission denied"));
    assert!(client.ask("filter Event-Name TALK").await.contains("+OK filter added"));
    assert!(client.ask("filter Event-Name /(/").await.contains("-ERR invalid pattern"));
    assert!(client.ask("filter delete all").await.contains("+OK filter deleted"));
    assert!(client.ask("myevents 1-2-3 json").await.contains("+OK Events Enabled"));
    assert!(client.ask("divert_events on").await.contains("-ERR permission denied"));
    assert!(client.ask("log debug").await.contains("-ERR permission denied"));
    let mine = ["token:grafana", "127.0.0.1", "esl"];
    let entry =
        |rest: [&str; 4]| [mine[0], mine[1], mine[2], rest[0], rest[1], rest[2], rest[3]].map(str::to_owned);
    let by = "the events of the roles monitor";
    assert_eq!(
        entries(&daemon, "login").await,
        [entry(["auth", "allowed", "comes in as the roles monitor", "ok"])]
    );
    assert_eq!(
        entries(&daemon, "events").await,
        [
            entry(["plain TALK CUSTOM sofia::register", "allowed", by, "ok"]),
            entry(["json API", "refused", "no rule shows the event \"API\"", ""]),
            entry(["myevents 1-2-3", "allowed", by, "ok"]),
        ]
    );
    assert_eq!(
        entries(&daemon, "filter").await,
        [entry(["Event-Name TALK", "allowed", by, "ok"]), entry(["delete all", "allowed", by, "ok"]),]
    );
    let logs = entries(&daemon, "log").await;
    assert_eq!(logs, [entry(["debug", "refused", "no rule shows the log up to debug", ""])]);
    let diverted = entries(&daemon, "divert_events").await;
    assert_eq!(diverted[0][3..5], ["1-2-3 on", "refused"], "{diverted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_log_ins_are_written_down_without_what_was_typed_and_never_fill_the_audit() {
    let (_switch, daemon) = with_switch(|config| config.api.max_failed_logins = 1000).await;
    let (address, _stop) = open(&daemon).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    assert!(Client::connect(address).await.ask(&format!("auth {viewer}")).await.contains("+OK accepted"));
    for n in 0..20 {
        let mut client = Client::connect(address).await;
        let order = match n % 2 {
            0 => format!("auth swt_hunter{n}"),
            _ => format!("userauth hunter{n}@pbx.example:hunter"),
        };
        assert!(client.ask(&order).await.contains("-ERR"));
    }
    let told = entries(&daemon, "login").await.split_off(1);
    assert!((2..=5).contains(&told.len()), "{told:#?}");
    for entry in &told {
        assert_eq!((&*entry[0], &*entry[1], &*entry[4]), ("", "127.0.0.1", "refused"));
        assert!(["auth", "userauth"].contains(&&*entry[3]) && !entry[5].is_empty(), "{entry:?}");
        assert!(!entry.concat().contains("hunter"), "{entry:?}");
    }
    // Whoever comes in is written down all the same.
    assert!(Client::connect(address).await.ask(&format!("auth {viewer}")).await.contains("+OK accepted"));
    assert_eq!(entries(&daemon, "login").await.last().unwrap()[0], "token:grafana");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_http_are_written_down() {
    let (_switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let open = async |query: &str| {
        Reader::open(&daemon, &viewer, query).await.map(drop).map_err(|(status, _)| status)
    };
    assert_eq!(open("?names=TALK,NOTALK&filter=A:b").await, Ok(()));
    assert_eq!(open("?names=API&format=plain").await, Err(403));
    assert_eq!(open("?names=TALK&switch=none").await, Err(400));
    let told = entries(&daemon, "events").await;
    let told: Vec<_> = told.iter().map(|entry| (&*entry[0], &*entry[2], &*entry[3], &*entry[4])).collect();
    assert_eq!(
        told,
        [
            ("token:grafana", "http", "json TALK,NOTALK filter A:b", "allowed"),
            ("token:grafana", "http", "plain API", "refused"),
            ("token:grafana", "http", "json TALK", "refused"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_be_written_down_or_comes_too_fast_is_not_taken() {
    let (_switch, daemon) = with_switch(|config| {
        config.broker.users = vec![switchward::config::broker::User {
            name: "token:grafana".into(),
            roles: vec!["monitor".into()],
            rules: switchward::config::broker::Rules { rate: Some(3), ..Default::default() },
            ..Default::default()
        }];
    })
    .await;
    let (address, _stop) = open(&daemon).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let mut client = Client::connect(address).await;
    client.ask(&format!("auth {viewer}")).await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(client.ask("filter Event-Name TALK").await);
    }
    assert!(answers[0].contains("+OK filter added"), "{answers:?}");
    assert!(answers.iter().any(|answer| answer.contains("-ERR too fast")), "{answers:?}");
    let told = entries(&daemon, "filter").await;
    let taken = answers.iter().filter(|answer| answer.contains("+OK filter added")).count();
    assert_eq!(told.iter().filter(|entry| entry[4] == "allowed").count(), taken, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_over_a_web_socket_is_written_down() {
    let (_switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let mut socket = socket(&daemon, &viewer, "?names=TALK", None).await.unwrap();
    say(&mut socket, json!({"filter": ["A:1", "B:2"], "id": 1})).await;
    hear(&mut socket, "done").await;
    say(&mut socket, json!({"filter": ["no filter"], "id": 2})).await;
    hear(&mut socket, "error").await;
    let told = entries(&daemon, "filter").await;
    let told: Vec<_> = told.iter().map(|entry| (&*entry[0], &*entry[2], &*entry[3], &*entry[4])).collect();
    assert_eq!(told, [("token:grafana", "http", "A:1, B:2", "allowed")]);
}
