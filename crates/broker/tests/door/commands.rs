//! Commands: what is allowed reaches the switch and nothing else does, and the answers are FreeSWITCH's.

use crate::support::*;
use std::time::Duration;

#[tokio::test]
async fn an_allowed_command_runs_and_a_refused_one_never_reaches_the_switch() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    let told = client.ask("api status").await;
    assert_eq!(told.kind, "api/response");
    assert!(told.body.starts_with("UP "), "{told:?}");
    for refused in ["api system id", "bgapi system id", "api uuid_kill x", "api bgapi system id"] {
        let told = client.ask(refused).await;
        assert_eq!((&*told.kind, &*told.text), ("command/reply", "-ERR permission denied"), "{refused}");
    }
    assert_eq!(site.received(), ["api status"]);
}

#[tokio::test]
async fn a_command_is_written_anew_whatever_came_with_it() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.send("API  status \r\nconsole_execute: true\r\nX: y\r\nContent-Length: 4\r\n\r\nbody").await;
    assert!(client.answer().await.unwrap().body.starts_with("UP "));
    let received =
        site.switch.commands_received().into_iter().find(|one| one.line() == "api status").unwrap();
    assert_eq!(received.request.headers().count(), 0);
    assert!(received.request.body().is_empty());
}

#[tokio::test]
async fn answers_are_those_of_the_captures() {
    let site = Site::open().await;
    let mut client = site.client("admin").await;
    for (order, answer) in [
        ("foobar", "-ERR command not found"),
        ("api", "-ERR command not found"),
        ("   api uptime", "-ERR command not found"),
        ("resume", "-ERR command not found"),
        ("getvar x", "-ERR command not found"),
        ("connect", "-ERR command not found"),
        ("filter", "-ERR command not found"),
        ("auth token-admin", "-ERR command not found"),
        ("event", "-ERR no keywords supplied"),
        ("event plain", "-ERR no keywords supplied"),
        ("event plain NO_SUCH_EVENT", "-ERR no keywords supplied"),
        ("nixevent", "-ERR no keywords supplied"),
        ("event yaml HEARTBEAT", "+OK event listener enabled plain"),
        ("event json heartbeat", "+OK event listener enabled json"),
        ("nixevent ALL", "+OK events nixed"),
        ("noevents", "+OK no longer listening for events"),
        ("noevents", "-ERR not listening for events"),
        ("linger", "-ERR not controlling a session"),
        ("nolinger", "-ERR not controlling a session"),
        ("divert_events on", "-ERR not controlling a session."),
        ("filter Event-Name", "-ERR invalid syntax"),
        ("filter Event-Name HEARTBEAT", "+OK filter added. [Event-Name]=[HEARTBEAT]"),
        ("filter delete all", "+OK filter deleted. [all][]"),
        ("log nonsense", "-ERR invalid log level"),
        ("nolog", "-ERR not loging"),
        ("log 7", "+OK log level 7 [7]"),
        ("nolog", "+OK no longer logging"),
    ] {
        let told = client.ask(order).await;
        assert_eq!((&*told.kind, &*told.text), ("command/reply", answer), "{order}");
    }
    assert_eq!(client.ask("API STATUS").await.kind, "api/response");
}

#[tokio::test]
async fn orders_in_one_segment_are_answered_in_order() {
    let site = Site::open().await;
    let mut client = site.client("admin").await;
    client.send("api echo one\n\napi system id\n\nbgapi\n\napi echo two\n\n").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        let answer = client.answer().await.unwrap();
        told.push(if answer.kind == "api/response" { answer.body } else { answer.text });
    }
    assert_eq!(told[0], "one");
    assert_eq!(told[2], "-ERR command not found");
    assert_eq!(told[3], "two");
}

#[tokio::test]
async fn a_slow_command_of_one_client_holds_up_no_other() {
    let site = Site::open().await;
    let mut slow = site.client("admin").await;
    slow.send("api msleep 5000\n\n").await;
    site.switch.wait_for_command(SOON, |one| one.line() == "api msleep 5000").await.unwrap();
    let mut quick = site.client("monitor").await;
    let answered = tokio::time::timeout(Duration::from_secs(4), quick.ask("api status"));
    assert!(answered.await.is_ok(), "it waited for the other");
}

#[tokio::test]
async fn a_job_ends_with_an_event_for_the_client_that_started_it_alone() {
    let site = Site::open().await;
    let (mut one, mut two) = (site.client("monitor").await, site.client("monitor").await);
    let mut admin = site.client("admin").await;
    for client in [&mut one, &mut two, &mut admin] {
        let told = client.ask("event plain BACKGROUND_JOB HEARTBEAT").await;
        assert_eq!(told.text, "+OK event listener enabled plain");
    }
    let told = one.ask("bgapi status\nJob-UUID: my-own-name").await;
    assert_eq!(told.text, "+OK Job-UUID: my-own-name");
    let event = one.event().await.body;
    for part in
        ["Event-Name: BACKGROUND_JOB\n", "Job-UUID: my-own-name\n", "Job-Command: status\n", "\n\nUP "]
    {
        assert!(event.contains(part), "{part}: {event}");
    }
    // What reached the switch has another name: nobody can take, or guess, the name of another's job.
    let seen = admin.event().await.body;
    assert!(seen.contains("Event-Name: BACKGROUND_JOB\n") && !seen.contains("my-own-name"), "{seen}");
    site.switch.beat();
    assert!(two.event().await.body.contains("Event-Name: HEARTBEAT"), "the other job's end was shown");
    assert!(one.event().await.body.contains("Event-Name: HEARTBEAT"), "the end came twice");
}

#[tokio::test]
async fn a_job_without_a_name_gets_one_and_its_end_is_not_for_whoever_does_not_listen() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    let told = client.ask("bgapi status").await;
    let job = told.text.strip_prefix("+OK Job-UUID: ").unwrap().to_owned();
    assert_eq!(job.len(), 36);
    assert!(told.head.contains(&format!("\nJob-UUID: {job}\n")));
    assert_eq!(client.ask("event plain HEARTBEAT").await.text, "+OK event listener enabled plain");
    assert!(client.ask("api status").await.body.starts_with("UP "));
    assert!(client.events.is_empty(), "{:?}", client.events);
}

#[tokio::test]
async fn the_switch_away_is_told_and_back_again_it_works() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    site.switch.stop().await;
    let told = loop {
        let told = client.ask("api status").await;
        if told.kind == "command/reply" {
            break told;
        }
    };
    assert!(told.text.starts_with("-ERR "), "{told:?}");
}

#[tokio::test]
async fn filters_count_for_the_ends_of_jobs_too() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.ask("event json BACKGROUND_JOB HEARTBEAT").await;
    client.ask("filter Job-UUID two").await;
    client.ask("filter Event-Name HEARTBEAT").await;
    client.ask("filter delete Event-Name").await;
    for job in ["one", "two"] {
        let told = client.ask(&format!("bgapi status\nJob-UUID: {job}")).await;
        assert_eq!(told.text, format!("+OK Job-UUID: {job}"));
    }
    let told = client.event().await.body;
    assert!(told.contains(r#""Job-UUID":"two""#), "{told}");
}

#[tokio::test]
async fn messages_and_events_are_judged_and_written_anew() {
    let site = Site::open().await;
    let mut monitor = site.client("monitor").await;
    let mut admin = site.client("admin").await;
    let uuid = "11111111-2222-4333-8444-555555555555";
    let hangup = format!("sendmsg {uuid}\ncall-command: hangup\nhangup-cause: NORMAL_CLEARING\nX-Other: y");
    let run =
        format!("sendmsg {uuid}\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: a.wav");
    let event = "sendevent CUSTOM\nEvent-Subclass: lab::one\nA: b";
    for order in [&hangup, &run, event] {
        assert_eq!(monitor.ask(order).await.text, "-ERR permission denied", "{order}");
    }
    // The switch knows no such channel, and says so itself.
    let gone = format!("-ERR invalid session id [{uuid}]");
    assert_eq!(admin.ask(&hangup).await.text, gone);
    // After myevents a message needs no channel.
    admin.ask(&format!("myevents {uuid}")).await;
    assert_eq!(admin.ask("sendmsg\ncall-command: hangup").await.text, gone);
    assert!(admin.ask("sendmsg\ncall-command: Hangup").await.text.starts_with("-ERR call-command must be"));
    let sent: Vec<_> =
        site.switch.commands_received().into_iter().filter(|one| one.line().starts_with("send")).collect();
    assert_eq!(
        sent.iter().map(simswitch::Received::line).collect::<Vec<_>>(),
        [format!("sendmsg {uuid}"), format!("sendmsg {uuid}")]
    );
    assert_eq!(sent[0].request.header("hangup-cause"), Some(&b"NORMAL_CLEARING"[..]));
    assert_eq!(sent[0].request.header("X-Other"), None);
}

#[tokio::test]
async fn an_event_that_may_be_sent_reaches_the_switch() {
    let site = Site::open().await;
    let mut client = site.client("teller").await;
    let told = client.ask("sendevent custom\nEvent-Subclass: lab::one\nA: b\nContent-Length: 2\n\nhi").await;
    assert!(told.text.starts_with("+OK "), "{told:?}");
    assert_eq!(
        client.ask("sendevent CUSTOM\nEvent-Subclass: sofia::register").await.text,
        "-ERR permission denied"
    );
    assert_eq!(client.ask("sendevent SEND_MESSAGE\ndest_proto: api").await.text, "-ERR permission denied");
    let sent: Vec<_> =
        site.switch.commands_received().into_iter().filter(|one| one.line().starts_with("send")).collect();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].line().as_str(), sent[0].request.body()), ("sendevent CUSTOM", &b"hi"[..]));
}

#[tokio::test]
async fn an_answer_that_is_cut_says_so() {
    let site = Site::open().await;
    let mut client = site.client("short").await;
    let told = client.ask("api status").await;
    assert!(told.head.contains("\nResponse-Cut: true\n") && told.body.len() == 10, "{told:?}");
    // The next answer stands where it belongs.
    assert_eq!(client.ask("api status").await.body.len(), 10);
    let mut client = site.client("monitor").await;
    assert!(!client.ask("api status").await.head.contains("Response-Cut"));
}
