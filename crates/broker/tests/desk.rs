//! Orders through the desk, against a simulated switch that writes down what reaches it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use broker::desk::{Desk, Door, Order, Refused, Reply, Rules, Switch, Visit};
use broker::journal::{Journal, Settings as JournalSettings};
use broker::redact::Redactor;
use broker::rulebook::{Rulebook, Rules as Written, User};
use broker::upstream::{CallError, Settings};
use broker::{Account, Grant, Identity, Policy, Proof, Terms, Upstream, freeswitch};
use esl::client::Config;
use proptest::prelude::{Strategy, any};
use simswitch::SimSwitch;
use std::sync::Arc;
use std::time::Duration;

struct Bench {
    switch: SimSwitch,
    desk: Arc<Desk>,
    directory: tempfile::TempDir,
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn user(name: &str, roles: &[&str], rules: Written) -> User {
    User { name: name.into(), account: None, roles: texts(roles), rules }
}

fn rules(users: &[User]) -> Rules {
    let book = Rulebook::new(&[], users, Terms::default()).unwrap();
    let mut policy = Policy::default();
    policy.add("security.esl_allowed_commands", ["status", "version"], []).unwrap();
    let nobody = Arc::new(Grant { policy, ..Grant::default() });
    Rules { book, nobody, redactor: Redactor::new(freeswitch::catalogue(), &[]), allow_unaudited: false }
}

fn users() -> Vec<User> {
    let wide = Written { allow: texts(&["msleep *", "echo *"]), ..Written::default() };
    vec![
        user("monitor", &["monitor"], Written::default()),
        user("admin", &["admin"], wide.clone()),
        user("1000@*", &["agent"], Written::default()),
        user("slow", &["monitor"], Written { timeout: Some(Duration::from_millis(200)), ..wide.clone() }),
        user("short", &["monitor"], Written { output: Some(10), ..Written::default() }),
        user("few", &["monitor"], Written { rate: Some(3), ..Written::default() }),
        user("2000@*", &["agent"], Written { rate: Some(3), ..Written::default() }),
        user("many", &["monitor"], Written { concurrency: Some(32), ..wide.clone() }),
        user("one", &["monitor"], Written { concurrency: Some(1), ..wide }),
    ]
}

async fn bench() -> Bench {
    bench_with(64 << 20).await
}

async fn bench_with(file_size: u64) -> Bench {
    let config = simswitch::Config { heartbeat: None, ..simswitch::Config::default() };
    let switch = SimSwitch::bind(config).await.unwrap();
    let upstream =
        Upstream::start(Config::new("127.0.0.1", switch.addr().port(), "ClueCon"), Settings::default());
    while !upstream.state().commands.is_up() || !upstream.state().events.is_up() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) =
        Journal::open(JournalSettings { file_size, ..JournalSettings::new(directory.path()) }, None, 0)
            .unwrap();
    let switches = vec![Switch { name: "pbx".into(), upstream }];
    let desk = Desk::new(rules(&users()), switches, Some(Arc::new(journal)));
    Bench { switch, desk, directory }
}

fn visit(name: &str) -> Visit {
    let mut identity = match name {
        "" => Identity::nobody(),
        name => Identity::new(name, Proof::Token),
    };
    identity.account = name.parse::<Account>().ok();
    Visit { identity, source: Some("192.0.2.7".parse().unwrap()), door: Door::Esl }
}

impl Bench {
    async fn run(&self, name: &str, command: &str) -> Result<Reply, Refused> {
        self.desk.run(&visit(name), Order { command, switch: None }).await
    }

    async fn text(&self, name: &str, command: &str) -> String {
        String::from_utf8(self.run(name, command).await.unwrap().text).unwrap()
    }

    /// What reached the switch of clients' commands.
    fn received(&self) -> Vec<String> {
        let lines = self.switch.commands_received().into_iter().map(|received| received.line());
        lines.filter(|line| line.starts_with("api ") || line.starts_with("bgapi ")).collect()
    }

    /// The lines of the audit.
    fn audit(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<_> = broker::journal::files(self.directory.path()).unwrap();
        files.sort();
        let text: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn what_is_allowed_runs_and_what_is_not_never_reaches_the_switch() {
    let bench = bench().await;
    let before = bench.received().len();
    assert!(bench.text("monitor", "status").await.starts_with("UP "));
    assert!(bench.text("", "status").await.starts_with("UP "));
    for (name, command) in [
        ("monitor", "uuid_kill x"),
        ("monitor", "system id"),
        ("monitor", "show calls ${system(id)}"),
        ("", "show calls"),
        ("", "status ${system id}"),
        ("stranger", "status"),
        ("monitor", "status\n\napi system id"),
        ("monitor", "status;;system id"),
    ] {
        let refused = bench.run(name, command).await.unwrap_err();
        assert!(refused.is_denial() || matches!(refused, Refused::Bad(_)), "{name} {command}: {refused}");
        assert!(refused.as_reply().starts_with("-ERR ") && !refused.as_reply().contains('\n'));
    }
    assert_eq!(bench.received().split_off(before), ["api status", "api status"]);
}

#[tokio::test]
async fn each_attempt_and_its_end_are_written_down() {
    let bench = bench().await;
    bench.run("monitor", "status").await.unwrap();
    bench.run("monitor", "system id").await.unwrap_err();
    bench.run("monitor", "status\n").await.unwrap_err();
    let lines = bench.audit();
    let find = |key: &str, value: &str| lines.iter().filter(|line| line[key] == value).count();
    assert_eq!((find("command", "status"), find("command", "system id")), (1, 1), "{lines:#?}");
    assert_eq!((find("decision", "allowed"), find("decision", "refused")), (1, 2), "{lines:#?}");
    assert_eq!(
        lines.iter().filter(|line| line["kind"] == "done" && line["result"] == "ok").count(),
        1,
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_command_that_cannot_be_written_down_is_not_carried_out() {
    // Each line begins a new file.
    let bench = bench_with(1).await;
    bench.run("monitor", "status").await.unwrap();
    let before = bench.received().len();
    let elsewhere = bench.directory.path().with_extension("away");
    std::fs::rename(bench.directory.path(), &elsewhere).unwrap();
    let refused = bench.run("monitor", "status").await.unwrap_err();
    assert!(matches!(refused, Refused::Unaudited(_)), "{refused}");
    assert_eq!(bench.received().len(), before);
    let mut lenient = rules(&users());
    lenient.allow_unaudited = true;
    bench.desk.apply(lenient);
    bench.run("monitor", "status").await.unwrap();
    std::fs::rename(&elsewhere, bench.directory.path()).unwrap();
    bench.desk.apply(rules(&users()));
    bench.run("monitor", "status").await.unwrap();
}

#[tokio::test]
async fn limits_hold_for_each_caller() {
    let bench = bench().await;
    let mut ended = Vec::new();
    for _ in 0..5 {
        ended.push(bench.run("few", "status").await.map(|_| ()));
    }
    assert!(ended[..3].iter().all(Result::is_ok));
    assert!(
        matches!(ended[3], Err(Refused::TooFast { wait }) if wait <= Duration::from_millis(334)),
        "{ended:?}"
    );
    let reply = bench.run("short", "status").await.unwrap();
    assert!(reply.cut && reply.text.len() == 10, "{reply:?}");
    let refused = bench.run("slow", "msleep 9000").await.unwrap_err();
    assert!(matches!(refused, Refused::Failed { error: CallError::Timeout(_), .. }), "{refused}");
    let slow = tokio::spawn({
        let desk = bench.desk.clone();
        async move { desk.run(&visit("one"), Order { command: "msleep 700", switch: None }).await.map(|_| ()) }
    });
    let begun = tokio::time::Instant::now();
    while !bench.received().iter().any(|line| line == "api msleep 700") {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(bench.run("one", "status").await, Err(Refused::TooMany)));
    slow.await.unwrap().unwrap();
    bench.run("one", "status").await.unwrap();
}

#[tokio::test]
async fn a_job_is_carried_to_its_end_and_written_down_when_nobody_waits() {
    let bench = bench().await;
    let order = Order { command: "status", switch: None };
    let started = bench.desk.start(&visit("monitor"), order, None).await.unwrap();
    assert!(started.result.await.unwrap().unwrap().text.starts_with(b"UP "));
    let order = Order { command: "msleep 50", switch: None };
    drop(bench.desk.start(&visit("admin"), order, None).await.unwrap());
    let begun = tokio::time::Instant::now();
    while bench.audit().iter().filter(|line| line["kind"] == "done").count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:#?}", bench.audit());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_goes_away_leaves_the_command_under_way_until_it_has_ended() {
    let bench = bench().await;
    let desk = bench.desk.clone();
    let waiting = tokio::spawn(async move {
        desk.run(&visit("one"), Order { command: "msleep 1500", switch: None }).await.map(|_| ())
    });
    until(|| bench.received().iter().any(|line| line == "api msleep 1500")).await;
    waiting.abort();
    assert!(waiting.await.is_err_and(|error| error.is_cancelled()));
    // It counts while the switch is at it, and what came of it is known.
    assert!(matches!(bench.run("one", "status").await, Err(Refused::TooMany)));
    until(|| bench.audit().iter().any(|line| line["kind"] == "done")).await;
    assert!(bench.audit().iter().any(|line| line["result"] == "ok"), "{:#?}", bench.audit());
    until(|| bench.audit().iter().filter(|line| line["kind"] == "done").count() == 1).await;
    bench.run("one", "status").await.unwrap();
}

#[tokio::test]
async fn one_caller_does_not_hold_up_the_others() {
    let bench = bench().await;
    for _ in 0..32 {
        let desk = bench.desk.clone();
        tokio::spawn(async move {
            desk.run(&visit("many"), Order { command: "msleep 9000", switch: None }).await.map(|_| ())
        });
    }
    until(|| bench.received().iter().filter(|line| *line == "api msleep 9000").count() >= 16).await;
    bench.run("monitor", "status").await.unwrap();
    let done = bench.audit().iter().filter(|line| line["kind"] == "done").count();
    assert_eq!(done, 1, "before any of theirs");
}

#[tokio::test]
async fn asking_whose_a_channel_is_counts_whatever_is_decided() {
    let bench = bench().await;
    let mut too_fast = 0;
    for n in 0..20 {
        let command = format!("uuid_kill 9e8f3f0a-0000-4000-8000-{n:012}");
        match bench.run("2000@pbx.example", &command).await.unwrap_err() {
            Refused::TooFast { .. } => too_fast += 1,
            refused => assert!(refused.is_denial(), "{refused}"),
        }
    }
    let asked = bench.received().iter().filter(|line| line.starts_with("api uuid_dump")).count();
    assert_eq!((asked + too_fast, too_fast > 0), (20, true));
}

#[tokio::test]
async fn nobody_fills_the_audit_with_what_is_refused() {
    let bench = bench().await;
    let command = format!("status\n{}", "\u{1}".repeat(16_000));
    const ATTEMPTS: u64 = 500;
    for _ in 0..ATTEMPTS {
        bench.run("stranger", &command).await.unwrap_err();
    }
    bench.run("monitor", "system id").await.unwrap_err();
    // Every one is there, by itself or in a number.
    let told = || {
        let audit = bench.audit();
        let refused = audit.iter().filter(|line| line["user"] == "stranger" && line["decision"] == "refused");
        refused
            .map(|line| {
                let rule = line["rule"].as_str().unwrap();
                rule.split_once(" more attempts").map_or(1, |(many, _)| many.parse::<u64>().unwrap())
            })
            .sum::<u64>()
    };
    until(|| told() >= ATTEMPTS).await;
    assert_eq!(told(), ATTEMPTS);
    assert!(bench.audit().iter().any(|line| line["command"] == "system id"));
    let bytes: u64 = std::fs::read_dir(bench.directory.path())
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 4 << 20, "{bytes}");
}

/// Waits for a condition.
async fn until(condition: impl Fn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_switch_that_is_gone_is_told_and_comes_back() {
    let bench = bench().await;
    bench.run("monitor", "status").await.unwrap();
    bench.switch.stop().await;
    let begun = tokio::time::Instant::now();
    loop {
        match bench.run("monitor", "status").await {
            Err(Refused::Failed { switch, error: CallError::Down { .. } }) if switch == "pbx" => break,
            other => assert!(begun.elapsed() < Duration::from_secs(10), "{other:?}"),
        }
    }
    bench.switch.restart().await.unwrap();
    while bench.run("monitor", "status").await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whatever a monitor sends, what reaches the switch is what the policy allows, in one line, as it was given.
#[test]
fn nothing_outside_the_policy_is_ever_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(bench());
    let words = || {
        proptest::sample::select(vec![
            "status",
            "show",
            "calls",
            "system",
            "id",
            "bgapi",
            "api",
            "expand",
            "eval",
            "${",
            "}",
            "$${",
            "(",
            ")",
            ";;",
            "\n",
            "\r\n",
            "\0",
            "'",
            "\"",
            "\\",
            "%0a",
            "uuid_kill",
            "all",
            "originate",
            "&",
            "unload",
            "mod_event_socket",
            "lua",
            "version",
            " ",
            "  ",
            "\t",
            "sched_api",
            "+1",
            "none",
            "json",
            "{\"command\":\"fsapi\",\"data\":{\"cmd\":\"system\"}}",
            "xml_wrap",
            "cond",
            "?",
            ":",
            "\u{2028}",
            "é",
            "console_execute: true",
        ])
    };
    let line = proptest::collection::vec(words(), 1..8).prop_map(|words| words.join(" "));
    let text = proptest::prop_oneof![line, any::<String>()];
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config::with_cases(600));
    runner
        .run(&text, |text| {
            let before = bench.received().len();
            let result = runtime.block_on(bench.run("monitor", &text));
            let sent: Vec<String> = bench.received().split_off(before);
            let trimmed = text.trim_matches(' ');
            match result {
                Ok(_) | Err(Refused::Failed { .. }) => {
                    proptest::prop_assert!(
                        sent.iter().all(|line| *line == format!("api {trimmed}")),
                        "{text:?}: {sent:?}"
                    );
                    let verb = trimmed.split(' ').next().unwrap_or_default();
                    proptest::prop_assert!(
                        !["system", "lua", "uuid_kill", "originate", "sched_api", "unload"].contains(&verb),
                        "{text:?}"
                    );
                }
                Err(_) => proptest::prop_assert!(sent.is_empty(), "{text:?}: {sent:?}"),
            }
            Ok(())
        })
        .unwrap();
}

/// Collects what a view lets through.
struct Eye {
    view: broker::desk::View,
    seen: std::sync::Mutex<Vec<String>>,
}

impl broker::upstream::Sink for Eye {
    fn event(&self, event: &Arc<broker::upstream::Happening>) {
        if let Some(shown) = self.view.event(event) {
            let frame = String::from_utf8_lossy(shown.frame(esl::Format::Json)).into_owned();
            assert!(shown.view().header("Event-Name").is_some());
            self.seen.lock().unwrap().push(frame);
        }
    }

    fn log(&self, _: &broker::upstream::LogLine) {}

    fn state(&self, _: &broker::upstream::Link) {}
}

#[tokio::test]
async fn each_caller_sees_events_of_their_rows_and_no_secrets() {
    let bench = bench().await;
    let look = |name: &str| {
        let view = bench.desk.view(&visit(name), None).unwrap();
        let eye = Arc::new(Eye { view, seen: std::sync::Mutex::default() });
        let mut wants = broker::upstream::Wants::nothing();
        wants.add("ALL");
        let following = bench.desk.switches()[0].upstream.hub().follow(wants, eye.clone());
        (eye, following)
    };
    let (monitor, first) = look("monitor");
    let (agent, second) = look("1000@pbx.example");
    let (admin, third) = look("admin");
    assert!(first.settled().await && second.settled().await && third.settled().await);
    assert!(bench.desk.view(&visit("stranger"), None).is_err());
    assert!(!agent.view.may_ask("API", None) && admin.view.may_ask("API", None));
    bench.switch.emit(&event(&[
        ("Event-Name", "CHANNEL_STATE"),
        ("Unique-ID", "x"),
        ("variable_sip_auth_password", "s3cret"),
    ]));
    bench.switch.emit(&event(&[("Event-Name", "HEARTBEAT")]));
    let begun = tokio::time::Instant::now();
    while [&monitor, &agent, &admin]
        .iter()
        .any(|eye| !eye.seen.lock().unwrap().iter().any(|event| event.contains("HEARTBEAT")))
    {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let state =
        |eye: &Eye| eye.seen.lock().unwrap().iter().find(|event| event.contains("CHANNEL_STATE")).cloned();
    assert_eq!(state(&agent), None);
    let (censored, whole) = (state(&monitor).unwrap(), state(&admin).unwrap());
    assert!(!censored.contains("s3cret") && censored.contains("variable_sip_auth_password"), "{censored}");
    assert!(whole.contains("s3cret"), "{whole}");
    bench.desk.apply(rules(&[]));
    assert!(!monitor.view.is_open());
}

fn event(headers: &[(&str, &str)]) -> simswitch::Event {
    let text: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    simswitch::Event::from_plain(format!("{text}\n").into_bytes()).unwrap()
}

#[tokio::test]
async fn messages_and_events_are_judged_and_written_anew() {
    let bench = bench().await;
    let channel = "11111111-2222-3333-4444-555555555555";
    let message = |headers: &[(&'static str, &'static str)]| {
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        broker::message::Message::new(Some(channel.as_bytes()), headers, b"").unwrap()
    };
    let hangup = message(&[("call-command", "hangup"), ("x-note", "dropped")]);
    let refused = bench.desk.message(&visit("1000@pbx.example"), &hangup, None).await.unwrap_err();
    assert!(refused.is_denial(), "{refused}");
    let reply = bench.desk.message(&visit("admin"), &hangup, None).await.unwrap();
    assert!(reply.starts_with("+OK") || reply.starts_with("-ERR"), "{reply}");
    let system =
        message(&[("call-command", "execute"), ("execute-app-name", "system"), ("execute-app-arg", "id")]);
    assert!(bench.desk.message(&visit("monitor"), &system, None).await.unwrap_err().is_denial());
    let event = broker::announcement::Announcement::new(
        b"CUSTOM",
        [(&b"Event-Subclass"[..], &b"crm::note"[..])],
        b"",
    )
    .unwrap();
    assert!(bench.desk.announce(&visit("monitor"), &event, None).await.unwrap_err().is_denial());
    let sent: Vec<_> =
        bench.switch.commands_received().into_iter().filter(|sent| sent.line().starts_with("send")).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].line(), format!("sendmsg {channel}"));
    assert!(sent[0].request.header("x-note").is_none());
    assert_eq!(sent[0].request.header("call-command"), Some(&b"hangup"[..]));
    let audit = bench.audit();
    assert!(
        audit.iter().any(|line| line["form"] == "sendmsg" && line["decision"] == "allowed"),
        "{audit:#?}"
    );
    assert_eq!(audit.iter().filter(|line| line["decision"] == "refused").count(), 3, "{audit:#?}");
}
