//! The pool for commands.

use crate::support::{SOON, api, ask, config, is_up, quick, received, switch, text, until, upstream};
use broker::{
    Line, Upstream,
    upstream::{Ask, CallError, Settings},
};
use esl::{
    client::Config,
    reply,
    server::{Server, ServerConfig},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_that_of_another_command_whatever_times_out() {
    let switch = switch().await;
    let upstream = upstream(&switch, Settings { connections: 6, ..quick() }).await;
    let tasks: Vec<_> = (0..40)
        .map(|task| {
            let upstream = Arc::clone(&upstream);
            tokio::spawn(async move {
                let mut expired = 0;
                for turn in 0..25 {
                    if (task + turn) % 5 == 0 {
                        let line = format!("msleep {}", 2 + (task * 7 + turn) % 40);
                        let slow = upstream.api(Line::new(&line).unwrap(), ask(Duration::from_millis(15)));
                        match slow.await {
                            Ok(answer) => assert_eq!(text(answer), "+OK\n"),
                            Err(CallError::Timeout(_) | CallError::Busy | CallError::NoConnection(_)) => {
                                expired += 1;
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                    let mine = format!("{task}-{turn}");
                    assert_eq!(api(&upstream, &format!("echo {mine}")).await.unwrap(), mine);
                }
                expired
            })
        })
        .collect();
    let mut expired = 0;
    for task in tasks {
        expired += task.await.unwrap();
    }
    assert!(expired > 0, "nothing timed out");
    assert!(upstream.counts().idle <= 6, "{:?}", upstream.counts());
}

#[tokio::test]
async fn a_slow_command_holds_up_no_other() {
    let switch = switch().await;
    let upstream = upstream(&switch, Settings { connections: 2, ..quick() }).await;
    let slow = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move { api(&upstream, "msleep 60000").await }
    });
    until("it is under way", || received(&switch, "api msleep 60000") == 1).await;
    for n in 0..50 {
        assert_eq!(api(&upstream, &format!("echo {n}")).await.unwrap(), n.to_string());
    }
    assert!(!slow.is_finished());
    assert_eq!(upstream.counts().busy, 1);
    slow.abort();
}

#[tokio::test]
async fn what_finds_no_connection_in_time_is_not_sent() {
    let switch = switch().await;
    let upstream = upstream(&switch, Settings { connections: 1, waiting: 1, ..quick() }).await;
    let run = |command: &'static str| {
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move { api(&upstream, command).await })
    };
    let slow = run("msleep 60000");
    until("it is under way", || received(&switch, "api msleep 60000") == 1).await;
    let waiting = run("echo later");
    until("one waits", || upstream.counts().waiting == 1).await;
    let error = api(&upstream, "echo too many").await.unwrap_err();
    assert!(matches!(error, CallError::Busy) && !error.was_sent(), "{error}");
    waiting.abort();
    until("none waits", || upstream.counts().waiting == 0).await;
    let limit = ask(Duration::from_millis(30));
    let error = upstream.api(Line::new("echo in vain").unwrap(), limit).await.unwrap_err();
    assert!(matches!(error, CallError::Busy), "{error}");
    slow.abort();
    assert_eq!(api(&upstream, "echo after").await.unwrap(), "after");
    for never in ["api echo later", "api echo too many", "api echo in vain"] {
        assert_eq!(received(&switch, never), 0, "{never}");
    }
}

#[tokio::test]
async fn an_answer_is_cut_and_one_beyond_the_hard_cap_ends_its_connection() {
    let switch = switch().await;
    switch.set_api("show", &"x".repeat(5000));
    switch.set_api("list_users", &"x".repeat(20_000));
    let mut config = config(&switch);
    config.limits.body = 10_000;
    let upstream = Upstream::start(config, quick());
    is_up(&upstream).await;
    let ask = Ask { limit: SOON, most: 100, is_read: true };
    let answer = upstream.api(Line::new("show").unwrap(), ask).await.unwrap();
    assert_eq!((answer.bytes.len(), answer.cut), (100, true));
    let opened = upstream.counts().opened;
    let answer = upstream.api(Line::new("echo 1").unwrap(), ask).await.unwrap();
    assert_eq!((answer.bytes.as_slice(), answer.cut), (&b"1"[..], false));
    assert_eq!(upstream.counts().opened, opened, "the cut answer was framed rightly");
    let error = upstream.api(Line::new("list_users").unwrap(), ask).await.unwrap_err();
    assert!(matches!(error, CallError::TooLarge(_)), "{error}");
    assert_eq!(received(&switch, "api list_users"), 1, "not tried again");
    assert_eq!(api(&upstream, "echo 2").await.unwrap(), "2");
}

#[tokio::test]
async fn a_switch_that_is_gone_is_told_at_once_and_found_again() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    switch.stop().await;
    until("it is noticed", || upstream.state().commands.is_down()).await;
    let error = timeout(SOON, api(&upstream, "status")).await.unwrap().unwrap_err();
    let CallError::Down { why, since, .. } = &error else { panic!("{error}") };
    assert!(why.contains("nobody listens at") && !error.was_sent(), "{error}");
    let CallError::Down { since: later, .. } = api(&upstream, "status").await.unwrap_err() else { panic!() };
    assert_eq!(*since, later, "the time does not move with each try");
    switch.restart().await.unwrap();
    is_up(&upstream).await;
    assert_eq!(api(&upstream, "echo back").await.unwrap(), "back");
    assert_eq!(received(&switch, "api status"), 0);
}

#[tokio::test]
async fn only_a_read_is_sent_again_when_its_connection_is_lost() {
    for (is_read, times) in [(true, 2), (false, 1)] {
        let switch = switch().await;
        let upstream = upstream(&switch, quick()).await;
        switch.set_api("status", "fine");
        switch.set_api_delay(Duration::from_secs(600));
        let call = tokio::spawn({
            let upstream = Arc::clone(&upstream);
            let ask = Ask { limit: SOON, most: 100, is_read };
            async move { upstream.api(Line::new("status").unwrap(), ask).await }
        });
        until("it is under way", || received(&switch, "api status") == 1).await;
        switch.set_api_delay(Duration::ZERO);
        switch.kill_connections();
        match call.await.unwrap() {
            Ok(answer) => assert!(is_read && answer.bytes == b"fine"),
            Err(error) => assert!(!is_read && matches!(error, CallError::Lost(_)), "{error}"),
        }
        is_up(&upstream).await;
        assert_eq!(received(&switch, "api status"), times);
    }
}

#[tokio::test]
async fn a_read_is_not_sent_a_third_time() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    switch.set_api_delay(Duration::from_secs(600));
    let call = tokio::spawn({
        let upstream = Arc::clone(&upstream);
        async move {
            upstream.api(Line::new("status").unwrap(), Ask { limit: SOON, most: 100, is_read: true }).await
        }
    });
    for times in 1..=2 {
        until("it is under way", || received(&switch, "api status") == times).await;
        switch.kill_connections();
    }
    assert!(matches!(call.await.unwrap(), Err(CallError::Lost(_))));
    assert_eq!(received(&switch, "api status"), 2);
}

#[tokio::test]
async fn messages_and_events_are_sent_with_their_headers_and_nothing_else_gets_in() {
    let switch = switch().await;
    let upstream = upstream(&switch, quick()).await;
    let headers = [("call-command", "execute"), ("execute-app-name", "playback")];
    let reply = upstream.message("no-such-uuid", &headers, None, SOON).await.unwrap();
    assert_eq!(reply, "-ERR invalid session id [no-such-uuid]");
    let reply =
        upstream.announce("CUSTOM", &[("Event-Subclass", "a::b")], Some(b"body"), SOON).await.unwrap();
    assert!(reply.starts_with("+OK "), "{reply}");
    let sent = switch.wait_for_command(SOON, |sent| sent.line() == "sendevent CUSTOM").await.unwrap();
    assert_eq!(sent.request.body(), b"body");
    let before = switch.commands_received().len();
    for (uuid, header) in [("a b", "x"), ("a\nb", "x"), ("a", "x\n\napi system id"), ("a", "x\ry")] {
        let error = upstream.message(uuid, &[("call-command", header)], None, SOON).await.unwrap_err();
        assert!(matches!(error, CallError::Invalid(_)) && !error.was_sent(), "{error}");
    }
    assert_eq!(switch.commands_received().len(), before);
}

#[tokio::test]
async fn what_the_switch_does_not_permit_is_said_so() {
    let switch = switch().await;
    let mut config = config(&switch);
    config.user = Some(format!("1001@{}", switch.identity().domain));
    config.password = "esl-1001".into();
    let upstream = Upstream::start(config, quick());
    assert!(api(&upstream, "status").await.unwrap().starts_with("UP"));
    assert!(matches!(api(&upstream, "echo 1").await, Err(CallError::Denied)));
    assert!(api(&upstream, "status").await.is_ok(), "the connection goes on");
}

#[tokio::test]
async fn dedicated_connections_are_bounded_and_free_again_when_dropped() {
    let switch = switch().await;
    let upstream = upstream(&switch, Settings { dedicated: 1, ..quick() }).await;
    let mut one = upstream.dedicate().await.unwrap();
    assert!(matches!(upstream.dedicate().await, Err(CallError::TooManyDedicated(1))));
    one.queue(esl::Command::MyEvents { uuid: "u-1", format: None }).unwrap();
    while one.queued() > 0 {
        one.turn().await.unwrap();
    }
    let reply = one.wait_for(|frame| frame.reply_text().map(<[u8]>::to_vec)).await.unwrap();
    assert_eq!(reply, b"+OK Events Enabled");
    assert_eq!(upstream.counts().dedicated, 1);
    drop(one);
    assert!(upstream.dedicate().await.is_ok());
}

#[tokio::test]
async fn a_switch_that_hangs_is_found_out_after_a_time_out() {
    let switch = Hanging::start().await;
    let mut config = Config::new("127.0.0.1", switch.port, "ClueCon");
    config.auth_timeout = Duration::from_millis(200);
    let upstream = Upstream::start(config, Settings { warm: 1, ..quick() });
    until("it is connected", || upstream.state().commands.is_up()).await;
    let (one, two) = tokio::join!(api(&upstream, "echo 1"), api(&upstream, "echo 2"));
    assert_eq!((one.unwrap(), two.unwrap()), ("api echo 1".into(), "api echo 2".into()));
    assert_eq!(upstream.counts().idle, 2, "one stays when the other has timed out");
    switch.hangs.store(true, Relaxed);
    let error = upstream.api(Line::new("status").unwrap(), ask(Duration::from_millis(50))).await;
    assert!(matches!(error, Err(CallError::Timeout(_))), "{error:?}");
    until("it is found out", || upstream.state().commands.is_down()).await;
    assert!(matches!(api(&upstream, "status").await, Err(CallError::Down { .. })));
    switch.hangs.store(false, Relaxed);
    until("it is found again", || upstream.state().commands.is_up()).await;
    assert_eq!(api(&upstream, "echo 3").await.unwrap(), "api echo 3");
}

/// Answers each command with itself, or takes connections and says nothing more.
struct Hanging {
    port: u16,
    hangs: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Hanging {
    async fn start() -> Hanging {
        let server = Server::bind(([127, 0, 0, 1], 0).into(), ServerConfig::default()).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let hangs = Arc::new(AtomicBool::new(false));
        let quiet = Arc::clone(&hangs);
        let task = tokio::spawn(async move {
            loop {
                let mut session = server.accept().await.unwrap().welcome();
                let quiet = Arc::clone(&quiet);
                tokio::spawn(async move {
                    while let Ok(request) = session.next().await {
                        let mut out = Vec::new();
                        match request.verb() {
                            b"api" => reply::api_response(&mut out, request.line()),
                            _ => reply::command_reply(&mut out, "+OK"),
                        }
                        if !quiet.load(Relaxed) {
                            session.reply(&out);
                        }
                    }
                });
            }
        });
        Hanging { port, hangs, task }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.task.abort();
    }
}
