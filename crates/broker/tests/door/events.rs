//! Events and log lines: who gets which, in which format, and without which secrets.

use crate::support::*;
use simswitch::Event;

/// An event as the core writes it.
fn event(name: &str, headers: &[(&str, &str)]) -> Event {
    let mut text = String::new();
    if let Some((_, subclass)) = headers.iter().find(|(name, _)| *name == "Event-Subclass") {
        text += &format!("Event-Subclass: {subclass}\n");
    }
    text += &format!("Event-Name: {name}\nEvent-Calling-File: switch_core.c\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Event-Subclass") {
        text += &format!("{name}: {value}\n");
    }
    Event::from_plain((text + "\n").into_bytes()).unwrap()
}

const UUID: &str = "11111111-2222-4333-8444-555555555555";
const OTHER: &str = "aaaaaaaa-2222-4333-8444-555555555555";

fn call(uuid: &str, user: &str) -> [(&'static str, String); 6] {
    [
        ("Unique-ID", uuid.to_owned()),
        ("Call-Direction", "inbound".to_owned()),
        ("variable_sip_authorized", "true".to_owned()),
        ("variable_user_name", user.to_owned()),
        ("variable_domain_name", "pbx.example".to_owned()),
        ("variable_sip_auth_password", "s3cret".to_owned()),
    ]
}

fn created(uuid: &str, user: &str) -> Event {
    let headers = call(uuid, user);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    event("CHANNEL_CREATE", &headers)
}

#[tokio::test]
async fn each_client_gets_its_own_format() {
    let site = Site::open().await;
    let mut told = Vec::new();
    for format in ["plain", "json", "xml"] {
        let mut client = site.client("monitor").await;
        let reply = client.ask(&format!("event {format} TALK CUSTOM lab::one")).await;
        assert_eq!(reply.text, format!("+OK event listener enabled {format}"));
        told.push(client);
    }
    site.switch.emit(&event("CUSTOM", &[("Event-Subclass", "lab::two"), ("A", "b")]));
    site.switch.emit(&event("NOTALK", &[]));
    site.switch.emit(&event("CUSTOM", &[("Event-Subclass", "lab::one"), ("A", "b%20c")]));
    let (plain, json, xml) = (told[0].event().await, told[1].event().await, told[2].event().await);
    assert_eq!(
        (&*plain.kind, &*json.kind, &*xml.kind),
        ("text/event-plain", "text/event-json", "text/event-xml")
    );
    assert!(
        plain.body.contains("Event-Subclass: lab::one\n") && plain.body.contains("A: b%20c\n"),
        "{plain:?}"
    );
    assert!(json.body.contains(r#""A":"b c""#), "{json:?}");
    assert!(xml.body.contains("<A>b%20c</A>"), "{xml:?}");
}

#[tokio::test]
async fn all_brings_what_the_rules_show_and_a_refused_name_nothing() {
    let site = Site::open().await;
    let mut heart = site.client("heart").await;
    for refused in ["event plain CHANNEL_CREATE", "event plain HEARTBEAT TALK", "event plain CUSTOM lab::one"]
    {
        assert_eq!(heart.ask(refused).await.text, "-ERR permission denied", "{refused}");
    }
    assert_eq!(heart.ask("noevents").await.text, "-ERR not listening for events");
    // Programs subscribe to everything: they get what they may have.
    assert_eq!(heart.ask("EVENTS PLAIN ALL").await.text, "+OK event listener enabled plain");
    site.switch.emit(&event("TALK", &[]));
    site.switch.beat();
    assert!(heart.event().await.body.contains("Event-Name: HEARTBEAT"));
}

#[tokio::test]
async fn rows_of_others_are_not_shown_and_secrets_are_taken_out() {
    let site = Site::open().await;
    let mut agent = site.stranger().await;
    assert_eq!(agent.ask("userauth 1001@pbx.example:secret-1001").await.text, "+OK accepted");
    assert_eq!(
        agent.ask("event plain CHANNEL_ANSWER").await.text,
        "-ERR permission denied",
        "beyond the bound"
    );
    assert_eq!(agent.ask("event plain CHANNEL_CREATE").await.text, "+OK event listener enabled plain");
    let mut admin = site.client("admin").await;
    assert_eq!(admin.ask("event plain CHANNEL_CREATE").await.text, "+OK event listener enabled plain");
    site.switch.emit(&created(OTHER, "1002"));
    site.switch.emit(&created(UUID, "1001"));
    let theirs = agent.event().await.body;
    let seen = admin.event().await.body;
    assert!(seen.contains(OTHER) && seen.contains("s3cret"), "{seen}");
    // The role monitor of the user sees all rows; the secrets nobody told it about.
    assert!(!theirs.contains("s3cret") && theirs.contains("variable_sip_auth_password: ***\n"), "{theirs}");
}

#[tokio::test]
async fn a_filter_does_not_tell_what_was_taken_out() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.ask("event plain CHANNEL_CREATE TALK").await;
    client.ask("filter variable_sip_auth_password s3cret").await;
    client.ask("filter Event-Name TALK").await;
    site.switch.emit(&created(UUID, "1001"));
    site.switch.emit(&event("TALK", &[]));
    assert!(client.event().await.body.contains("Event-Name: TALK"), "the filter told the password");
}

#[tokio::test]
async fn filters_narrow_and_are_taken_away() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK NOTALK").await;
    assert_eq!(client.ask("filter A /^x[0-9]$/").await.text, "+OK filter added. [A]=[/^x[0-9]$/]");
    site.switch.emit(&event("TALK", &[("A", "y1")]));
    site.switch.emit(&event("NOTALK", &[("A", "x1")]));
    assert!(client.event().await.body.contains("A: x1\n"));
    assert_eq!(client.ask("filter delete A").await.text, "+OK filter deleted. [A][]");
    site.switch.emit(&event("TALK", &[("A", "y2")]));
    assert!(client.event().await.body.contains("A: y2\n"));
    assert_eq!(client.ask("filter A /(/").await.text, "-ERR invalid pattern");
}

#[tokio::test]
async fn noevents_and_nixevent_end_what_was_listened_to() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK NOTALK CUSTOM lab::one lab::two").await;
    assert_eq!(client.ask("nixevent TALK CUSTOM lab::one").await.text, "+OK events nixed");
    for (name, headers) in [
        ("TALK", vec![]),
        ("CUSTOM", vec![("Event-Subclass", "lab::one")]),
        ("CUSTOM", vec![("Event-Subclass", "lab::two")]),
    ] {
        site.switch.emit(&event(name, &headers));
    }
    assert!(client.event().await.body.contains("lab::two"));
    assert_eq!(client.ask("noevents").await.text, "+OK no longer listening for events");
    site.switch.emit(&event("NOTALK", &[]));
    assert!(client.ask("api status").await.body.starts_with("UP "));
    assert!(client.events.is_empty());
}

#[tokio::test]
async fn myevents_brings_the_events_of_one_channel() {
    let site = Site::open().await;
    let mut client = site.client("admin").await;
    assert_eq!(client.ask(&format!("myevents {UUID} json")).await.text, "+OK Events Enabled");
    site.switch.emit(&created(OTHER, "1002"));
    site.switch.emit(&created(UUID, "1001"));
    let told = client.event().await;
    assert_eq!(told.kind, "text/event-json");
    assert!(told.body.contains(UUID), "{told:?}");
    // From now on a variable is that of the channel; the switch does not know this one.
    let told = client.ask("getvar read_codec").await;
    assert!(told.text.starts_with("-ERR"), "{told:?}");
    assert!(site.received().contains(&format!("api uuid_getvar {UUID} read_codec")));
    assert_eq!(client.ask("getvar a b").await.text, "-ERR invalid variable name");
}

#[tokio::test]
async fn a_bound_connection_ends_with_its_channel_unless_it_lingers() {
    let site = Site::open().await;
    let (mut ends, mut lingers) = (site.client("monitor").await, site.client("monitor").await);
    for client in [&mut ends, &mut lingers] {
        client.ask(&format!("myevents {UUID}")).await;
    }
    assert_eq!(lingers.ask("linger 500").await.text, "+OK will linger 500 seconds");
    for uuid in [OTHER, UUID] {
        site.switch.emit(&event("CHANNEL_DESTROY", &[("Unique-ID", uuid)]));
    }
    let last = ends.event().await.body;
    assert!(last.contains(UUID), "{last}");
    assert_eq!(ends.next().await.unwrap().kind, "text/disconnect-notice");
    assert!(ends.next().await.is_none());
    assert!(lingers.event().await.body.contains("CHANNEL_DESTROY"));
    let notice = lingers.next().await.unwrap().head;
    assert!(
        notice.contains("Content-Disposition: linger\n") && notice.contains("Linger-Time: 500\n"),
        "{notice}"
    );
    assert!(lingers.ask("api status").await.body.starts_with("UP "));
}

#[tokio::test]
async fn the_log_is_for_those_who_may_read_it() {
    let site = Site::open().await;
    let mut monitor = site.client("monitor").await;
    assert_eq!(monitor.ask("log 4").await.text, "-ERR permission denied");
    let mut admin = site.client("admin").await;
    assert_eq!(admin.ask("log warning").await.text, "+OK log level warning [4]");
    let line = |level: u8, text: &str| {
        format!(
            "Content-Type: log/data\nContent-Length: {}\nLog-Level: {level}\nLog-File: a.c\n\n{text}",
            text.len()
        )
    };
    site.switch.write_raw(line(7, "not for this level\n").as_bytes());
    site.switch.write_raw(line(4, "sip_auth_password=s3cret\n").as_bytes());
    let told = admin.event().await;
    assert_eq!((&*told.kind, &*told.body), ("log/data", "sip_auth_password=s3cret\n"));
    let mut operator = site.client("operator").await;
    assert_eq!(operator.ask("log 7").await.text, "-ERR permission denied", "more than the role may");
    assert_eq!(operator.ask("log 6").await.text, "+OK log level 6 [6]");
    site.switch.write_raw(line(4, "sip_auth_password=s3cret\n").as_bytes());
    let told = operator.event().await;
    assert!(told.head.contains("Log-Level: 4\n") && !told.body.contains("s3cret"), "{told:?}");
}

#[tokio::test]
async fn a_gap_in_the_events_is_told() {
    let site = Site::open().await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK").await;
    site.switch.kill_connections();
    let told = client.event().await.body;
    assert!(
        told.contains("Event-Subclass: switchward%3A%3Amissed\n") && told.contains("Missed: unknown\n"),
        "{told}"
    );
    site.switch.emit(&event("TALK", &[]));
    assert!(client.event().await.body.contains("Event-Name: TALK"));
}

#[tokio::test]
async fn however_much_is_listened_to_the_switch_can_read_it() {
    let site = Site::open().await;
    let mut clients = Vec::new();
    for at in 0..5 {
        let mut client = site.client("admin").await;
        assert_eq!(
            client.ask(&format!("event plain CUSTOM {}", "x".repeat(200))).await.text,
            "-ERR invalid subclass"
        );
        let many: Vec<_> = (0..250).map(|n| format!("lab::{at}-{n}-{}", "x".repeat(90))).collect();
        let told = client.ask(&format!("event plain TALK CUSTOM {}", many.join(" "))).await;
        assert_eq!(told.text, "+OK event listener enabled plain");
        clients.push(client);
    }
    // All of it again, at once.
    site.switch.stop().await;
    let upstream = &site.desk.switches()[0].upstream;
    until(|| upstream.state().events.is_down()).await;
    site.switch.restart().await.unwrap();
    until(|| upstream.state().events.is_up()).await;
    for (at, client) in clients.iter_mut().enumerate() {
        client.events.clear();
        let text =
            format!("Event-Name: CUSTOM\nEvent-Subclass: lab::{at}-249-{}\nNumber: {at}\n\n", "x".repeat(90));
        site.switch.emit(&simswitch::Event::from_plain(text.into_bytes()).unwrap());
        while !client.event().await.body.contains(&format!("Number: {at}\n")) {}
    }
}
