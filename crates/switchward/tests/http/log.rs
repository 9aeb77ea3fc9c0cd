//! The switch's log, read beside its events over a real event socket.

use crate::support::{Daemon, Kernel, within};
use guard::observation::WHATS;
use simswitch::{Action, ActorId, Client, Credentials, LogLine, SimSwitch, Step};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use switchward::watch::{self, Reader};

/// What was counted of one kind, over all grades of evidence.
fn seen(daemon: &Daemon, what: &str) -> u64 {
    let at = WHATS.iter().position(|word| *word == what).unwrap();
    daemon.app.guard.counts().seen[at].iter().map(guard::counts::Count::value).sum()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// A switch and a daemon that reads it.
async fn reading(log: bool, prepare: impl FnOnce(&SimSwitch)) -> (SimSwitch, Daemon, Reader) {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    prepare(&switch);
    let address = switch.addr();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.guard.log = log;
        config.security.reconnect_backoff = Duration::from_millis(20);
        let entry = &mut config.switches[0];
        (entry.host, entry.port) = (address.ip().to_string(), address.port());
        entry.password = "ClueCon".into();
    })
    .await;
    let config = daemon.app.config.load_full();
    let (entry, backoff) = (&config.switches[0], config.security.reconnect_backoff);
    let reader = watch::start(daemon.app.clone(), daemon.app.switches[0].clone(), entry, backoff).unwrap();
    // An event that overtakes the answer to the subscription is passed over: not before the client knows that it is subscribed.
    eventually("events are read", || daemon.app.switches[0].is_connected()).await;
    if log {
        let reads = &daemon.app.switches[0].counts.log.reading;
        let is_refused = switch.is_refusing_log();
        eventually("the log is read", || is_refused || reads.load(Relaxed)).await;
    }
    (switch, daemon, reader)
}

fn guess(user: &str) -> Step {
    let client = Client { user: user.into(), agent: "phone".into(), call_id: "guess@198.51.100.9".into() };
    let action = Action::Register { client, credentials: Credentials::Wrong, expires: 3600 };
    Step { actor: ActorId(1), source: "198.51.100.9:5060".parse().unwrap(), action }
}

async fn lines(daemon: &Daemon) -> impl Fn(&str) -> u64 + use<> {
    let text = String::from_utf8(daemon.get("/metrics").await.body.to_vec()).unwrap();
    move |state| {
        let label = format!("switchward_log_lines_total{{switch=\"freeswitch\",state=\"{state}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&label));
        line.unwrap_or_else(|| panic!("{state} is missing in {text}")).parse::<f64>().unwrap() as u64
    }
}

#[tokio::test]
async fn what_has_no_event_is_read_from_the_log_with_and_without_the_idle_cpu() {
    let (switch, daemon, reader) = reading(true, |_| {}).await;
    let ip = "198.51.100.9".parse().unwrap();
    for (round, idle) in [(1, true), (2, false)] {
        switch.set_idle_cpu(idle);
        switch.act(&guess("nobody"));
        switch.log(&LogLine::rejected_call(ip, "domains"));
        switch.log(&LogLine::rejected_registration(ip, "lan"));
        switch.log(&LogLine::rejected_client(ip, "lan"));
        switch.log(&LogLine::throttled(31));
        // A name that would like to be somebody else's address.
        switch.log(&LogLine::unknown_account("x@y] from 203.0.113.7", "pbx.example", ip));
        eventually("all is seen", || {
            seen(&daemon, "unknown-account") == round
                && seen(&daemon, "acl-rejected") == 2 * round
                && seen(&daemon, "client-refused") == round
                && seen(&daemon, "over-session-rate") == round
        })
        .await;
    }
    eventually("the events are seen", || seen(&daemon, "auth-failed") == 2).await;
    let log = &daemon.app.switches[0].counts.log;
    eventually("all is counted", || log.ambiguous.load(Relaxed) == 2).await;
    let lines = lines(&daemon).await;
    // A challenge and a failure a guess have events.
    assert_eq!((lines("read"), lines("matched"), lines("ambiguous")), (16, 10, 2));
    assert_eq!((lines("repeated"), lines("skipped")), (4, 0));
    within(reader.stop(Duration::from_secs(5))).await;
    eventually("the log is left alone", || switch.log_readers() == 0).await;
}

#[tokio::test]
async fn a_call_over_the_session_rate_leaves_a_trace_at_last() {
    let (switch, daemon, _reader) = reading(true, |switch| switch.world().set_sessions_per_second(0)).await;
    let client = Client { user: "1000".into(), agent: "phone".into(), call_id: "call@198.51.100.9".into() };
    let action = Action::PublicCall { client, number: "1000".into() };
    switch.act(&Step { actor: ActorId(1), source: "198.51.100.9:5060".parse().unwrap(), action });
    eventually("the refusal is seen", || seen(&daemon, "over-session-rate") == 1).await;
    assert_eq!(seen(&daemon, "call-started"), 0);
}

#[tokio::test]
async fn a_switch_that_refuses_its_log_is_guarded_all_the_same() {
    let (switch, daemon, _reader) = reading(true, |switch| switch.set_refusing_log(true)).await;
    let asked = |order: &simswitch::Received| order.line() == "log 4";
    assert!(switch.wait_for_command(Duration::from_secs(60), asked).await.is_some());
    switch.act(&guess("nobody"));
    eventually("the event is seen", || seen(&daemon, "auth-failed") == 1).await;
    assert_eq!(seen(&daemon, "unknown-account"), 0);
    assert!(!daemon.app.switches[0].counts.log.reading.load(Relaxed));
    assert!(daemon.app.switches[0].is_connected());
}

#[tokio::test]
async fn the_log_is_read_again_after_the_switch_was_started_anew() {
    let (switch, daemon, _reader) = reading(true, |_| {}).await;
    switch.restart().await.unwrap();
    assert!(switch.wait_for_log_readers(1, Duration::from_secs(60)).await);
    eventually("a line is seen", || {
        switch.log(&LogLine::throttled(31));
        seen(&daemon, "over-session-rate") > 0
    })
    .await;
}

#[tokio::test]
async fn without_guard_log_there_is_no_second_connection() {
    let (switch, daemon, _reader) = reading(false, |_| {}).await;
    switch.act(&guess("nobody"));
    eventually("the event is seen", || seen(&daemon, "auth-failed") == 1).await;
    assert_eq!(switch.log_readers(), 0);
    assert!(switch.commands_received().iter().all(|order| !order.line().starts_with("log")));
}

#[tokio::test]
async fn a_flood_of_lines_is_counted_and_loses_no_event() {
    let (switch, daemon, _reader) = reading(true, |_| {}).await;
    let line = LogLine::throttled(31);
    for sent in 1..=60_u64 {
        (0..1000).for_each(|_| switch.log(&line));
        let log = &daemon.app.switches[0].counts.log;
        eventually("the lines are read", || log.read.load(Relaxed) == sent * 1000).await;
    }
    switch.act(&guess("1000"));
    eventually("the event is seen", || seen(&daemon, "auth-failed") == 1).await;
    let lines = lines(&daemon).await;
    // The guess is in the log as well, and may have been read by now.
    let all = lines("matched") + lines("skipped");
    assert!((60_000..=60_004).contains(&all), "{all}");
    assert!(lines("matched") >= seen(&daemon, "over-session-rate"));
}
