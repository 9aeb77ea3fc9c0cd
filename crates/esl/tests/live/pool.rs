//! The command pool: every answer belongs to its command, whatever the peer does.

use crate::peer::{Peer, Talk, soon};
use esl::{CallError, CommandError, Disconnect, Limits, Pool, client::Config};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(50);

fn pool(peer: &Peer, size: usize) -> Pool {
    Pool::new(Config::new("127.0.0.1", peer.port(), "ClueCon"), size)
}

/// A command that runs beside the test.
fn call(pool: &Pool, command: &str, limit: Duration) -> JoinHandle<Result<Vec<u8>, CallError>> {
    let (pool, command) = (pool.clone(), command.to_owned());
    tokio::spawn(async move { pool.api(&command, limit).await })
}

fn response(body: &str) -> String {
    format!("Content-Type: api/response\nContent-Length: {}\n\n{body}", body.len())
}

async fn answer(talk: &mut Talk, command: &str, body: &str) {
    talk.hear(&format!("api {command}\n\n")).await;
    talk.say(response(body)).await;
}

#[tokio::test]
async fn one_connection_serves_one_command_after_the_other() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 4);
    let first = call(&pool, "status", LONG);
    let mut talk = peer.accept().await;
    talk.log_in().await;
    answer(&mut talk, "status", "UP 0 years\n").await;
    assert_eq!(soon(first).await.unwrap().unwrap(), b"UP 0 years\n");
    for n in 0..5 {
        let next = call(&pool, &format!("echo {n}"), LONG);
        answer(&mut talk, &format!("echo {n}"), &format!("{n}")).await;
        assert_eq!(soon(next).await.unwrap().unwrap(), format!("{n}").into_bytes());
        assert_eq!(pool.idle_connections(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_the_next_commands() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let late = call(&pool, "slow", SHORT);
    let mut first = peer.accept().await;
    first.log_in().await;
    first.hear("api slow\n\n").await;
    let error = soon(late).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Timeout(SHORT)), "{error:?}");
    assert_eq!(pool.idle_connections(), 0);
    let next = call(&pool, "fast", LONG);
    let mut second = peer.accept().await;
    // The client has closed, so that this may fail.
    let _ = tokio::time::timeout(LONG, first.try_say(response("the answer to slow"))).await;
    second.log_in().await;
    answer(&mut second, "fast", "the answer to fast").await;
    assert_eq!(soon(next).await.unwrap().unwrap(), b"the answer to fast");
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_connection_with_it() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let given_up = call(&pool, "slow", LONG);
    let mut first = peer.accept().await;
    first.log_in().await;
    first.hear("api slow\n\n").await;
    given_up.abort();
    assert_eq!(first.until_closed().await, b"");
    let next = call(&pool, "fast", LONG);
    let mut second = peer.accept().await;
    second.log_in().await;
    answer(&mut second, "fast", "yes").await;
    assert_eq!(soon(next).await.unwrap().unwrap(), b"yes");
}

#[tokio::test]
async fn a_slow_command_holds_up_nobody_else() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 2);
    let slow = call(&pool, "slow", LONG);
    let mut first = peer.accept().await;
    first.log_in().await;
    first.hear("api slow\n\n").await;
    for n in 0..3 {
        let fast = call(&pool, "fast", LONG);
        if n == 0 {
            let mut second = peer.accept().await;
            second.log_in().await;
            answer(&mut second, "fast", "yes").await;
            assert_eq!(soon(fast).await.unwrap().unwrap(), b"yes");
            tokio::spawn(async move {
                while let Some(command) = second.command().await {
                    assert_eq!(command, "api fast\n\n");
                    second.say(response("yes")).await;
                }
            });
        } else {
            assert_eq!(soon(fast).await.unwrap().unwrap(), b"yes");
        }
    }
    first.say(response("at last")).await;
    assert_eq!(soon(slow).await.unwrap().unwrap(), b"at last");
}

#[tokio::test]
async fn a_connection_that_broke_while_idle_is_replaced() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    for _ in 0..3 {
        let asked = call(&pool, "status", LONG);
        let mut talk = peer.accept().await;
        talk.log_in().await;
        answer(&mut talk, "status", "UP").await;
        assert_eq!(soon(asked).await.unwrap().unwrap(), b"UP");
        assert_eq!(pool.idle_connections(), 1);
        // As FreeSWITCH does when it stops. On loopback the pool's socket has it when the write returns.
        talk.say(
            "Content-Type: text/disconnect-notice\nContent-Length: 31\n\nThe system is being shut down.\n",
        )
        .await;
        drop(talk);
    }
}

#[tokio::test]
async fn every_one_of_many_callers_gets_his_own_answer() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 3);
    let calls: Vec<_> = (0..200).map(|n| call(&pool, &format!("echo {n}"), LONG)).collect();
    let connections = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn({
        let connections = connections.clone();
        async move {
            loop {
                let mut talk = peer.accept().await;
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    talk.log_in().await;
                    while let Some(command) = talk.command().await {
                        let echo = command.strip_prefix("api echo ").unwrap().trim_end().to_owned();
                        talk.say(response(&echo)).await;
                    }
                });
            }
        }
    });
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(soon(call).await.unwrap().unwrap(), n.to_string().into_bytes());
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3, "as many connections as the pool's size");
    server.abort();
    assert_eq!(pool.idle_connections(), 3);
    pool.close_idle();
    assert_eq!(pool.idle_connections(), 0);
}

#[tokio::test]
async fn what_could_add_a_command_is_refused_before_anything_is_sent() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    for command in ["status \n\napi system reboot", "status\r", "a\0b", "a\x7f", "a\tb"] {
        for error in
            [pool.api(command, LONG).await.unwrap_err(), pool.bgapi(command, LONG).await.unwrap_err()]
        {
            assert!(matches!(error, CallError::Invalid(CommandError::ControlCharacter(_))), "{error:?}");
        }
    }
    assert!(!peer.is_called(SHORT).await);
}

#[tokio::test]
async fn why_there_is_no_connection_is_told() {
    let port = Peer::new().await.port();
    let pool_without_server = Pool::new(Config::new("127.0.0.1", port, "ClueCon"), 1);
    let error = pool_without_server.api("status", LONG).await.unwrap_err();
    assert!(matches!(error, CallError::NotConnected(Disconnect::Refused(_))), "{error:?}");

    let peer = Peer::new().await;
    let pool = Pool::new(Config::new("127.0.0.1", peer.port(), "wrong"), 1);
    let asked = call(&pool, "status", LONG);
    peer.accept().await.play("auth failed").await;
    let error = soon(asked).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::NotConnected(Disconnect::WrongPassword)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_a_timeout() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let error = pool.api("status", SHORT).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout(SHORT)), "{error:?}");
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let asked = call(&pool, "uptime", LONG);
    let mut talk = peer.accept().await;
    talk.log_in().await;
    talk.hear("api uptime\n\n").await;
    talk.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    assert!(matches!(soon(asked).await.unwrap(), Err(CallError::Denied)));

    let asked = call(&pool, "x", LONG);
    talk.hear("api x\n\n").await;
    talk.say("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n").await;
    assert!(
        matches!(soon(asked).await.unwrap(), Err(CallError::Refused(text)) if text == "-ERR command not found")
    );

    let asked = call(&pool, "uuid_kill x", LONG);
    answer(&mut talk, "uuid_kill x", "-ERR No such channel!\n").await;
    assert_eq!(soon(asked).await.unwrap().unwrap(), b"-ERR No such channel!\n");
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_lost() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let asked = call(&pool, "status", LONG);
    let mut talk = peer.accept().await;
    talk.log_in().await;
    talk.hear("api status\n\n").await;
    talk.say("Content-Type: api/response\nContent-Length: 300\n\nhalf").await;
    drop(talk);
    let error = soon(asked).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Lost(Disconnect::Truncated { .. })), "{error:?}");
    assert_eq!(pool.idle_connections(), 0);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_an_error() {
    let peer = Peer::new().await;
    let mut config = Config::new("127.0.0.1", peer.port(), "ClueCon");
    config.limits = Limits { header: 1000, body: 1000 };
    let pool = Pool::new(config, 1);
    let asked = call(&pool, "status", LONG);
    let mut talk = peer.accept().await;
    talk.log_in().await;
    talk.hear("api status\n\n").await;
    talk.say("Content-Type: api/response\nContent-Length: 1001\n\n").await;
    assert!(matches!(soon(asked).await.unwrap(), Err(CallError::TooLarge(_))));
    assert_eq!(pool.idle_connections(), 0);
}

/// The background job of `api.txt`, under our own Job-UUID; another client's job ends in between.
#[tokio::test]
async fn a_background_job_is_known_by_its_uuid() {
    for event_first in [false, true] {
        let peer = Peer::new().await;
        let pool = pool(&peer, 1);
        let job = tokio::spawn({
            let pool = pool.clone();
            async move { pool.bgapi("status", LONG).await }
        });
        let mut talk = peer.accept().await;
        talk.log_in().await;
        talk.hear("event plain BACKGROUND_JOB\n\n").await;
        talk.say("Content-Type: command/reply\nReply-Text: +OK event listener enabled plain\n\n").await;
        let command = talk.command().await.unwrap();
        let uuid = command.strip_prefix("bgapi status\nJob-UUID: ").unwrap().trim_end().to_owned();
        let started =
            format!("Content-Type: command/reply\nReply-Text: +OK Job-UUID: {uuid}\nJob-UUID: {uuid}\n\n");
        let others = job_event("my-own-job-1", "1086\n");
        let ours = job_event(&uuid, "UP 0 years\n\nJob-UUID: x\n");
        let parts = if event_first { [others, ours, started] } else { [started, others, ours] };
        talk.say(parts.concat()).await;
        talk.hear("noevents\n\n").await;
        talk.say("Content-Type: command/reply\nReply-Text: +OK no longer listening for events\n\n").await;
        assert_eq!(soon(job).await.unwrap().unwrap(), b"UP 0 years\n\nJob-UUID: x\n");
        // The connection serves again.
        let asked = call(&pool, "version", LONG);
        answer(&mut talk, "version", "1").await;
        assert_eq!(soon(asked).await.unwrap().unwrap(), b"1");
    }
}

#[tokio::test]
async fn waiting_for_jobs_holds_up_no_command() {
    let peer = Peer::new().await;
    let pool = pool(&peer, 1);
    let job = tokio::spawn({
        let pool = pool.clone();
        async move { pool.bgapi("sleep", LONG).await }
    });
    let mut first = peer.accept().await;
    first.log_in().await;
    let asked = call(&pool, "status", LONG);
    let mut second = peer.accept().await;
    second.log_in().await;
    answer(&mut second, "status", "UP").await;
    assert_eq!(soon(asked).await.unwrap().unwrap(), b"UP");
    first.hear("event plain BACKGROUND_JOB\n\n").await;
    first.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    assert!(matches!(soon(job).await.unwrap(), Err(CallError::Denied)));
}

fn job_event(uuid: &str, body: &str) -> String {
    let event = format!(
        "Event-Name: BACKGROUND_JOB\nJob-UUID: {uuid}\nJob-Command: status\nContent-Length: {}\n\n{body}",
        body.len()
    );
    format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{event}", event.len())
}
