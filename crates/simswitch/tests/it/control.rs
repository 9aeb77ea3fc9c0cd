//! Connections that control a channel: what they get, when they end, and what FreeSWITCH refuses.

use crate::client::RawClient;
use simswitch::{Action, ActorId, Client, Config, Credentials, Event, SimSwitch, State, Step};
use std::time::Duration;

fn step(user: &str, action: impl FnOnce(Client) -> Action) -> Step {
    let client = Client { user: user.into(), call_id: "a@b".into(), agent: "Test".into() };
    let source = "192.0.2.10:5060".parse().unwrap();
    Step { actor: ActorId(0), source, action: action(client) }
}

/// A switch with a call, and its caller's channel.
async fn calling() -> (SimSwitch, String) {
    let switch = SimSwitch::bind(Config { heartbeat: None, ..Config::default() }).await.unwrap();
    switch.act(&step("1001", |client| Action::Register {
        client,
        credentials: Credentials::Fresh,
        expires: 60,
    }));
    let mut client = RawClient::subscribed(&switch, "plain CHANNEL_ANSWER").await;
    switch.act(&step("1000", |client| Action::Call {
        client,
        number: "1001".into(),
        credentials: Credentials::Fresh,
        ring: Duration::ZERO,
        talk: Some(Duration::from_secs(600)),
    }));
    // Both legs.
    client.frame().await;
    client.frame().await;
    let uuid = switch.world().legs().find(|leg| leg.state == State::Active).unwrap().uuid.clone();
    (switch, uuid)
}

fn speech(text: &str) -> Event {
    let head = "Event-Name: DETECTED_SPEECH\nSpeech-Type: detected-speech\n";
    Event::from_plain(format!("{head}Content-Length: {}\n\n{text}", text.len()).into_bytes()).unwrap()
}

#[tokio::test]
async fn without_a_channel_nothing_is_diverted_and_nobody_lingers() {
    let (switch, uuid) = calling().await;
    let mut client = RawClient::logged_in(&switch).await;
    let text = async |client: &mut RawClient, line: &str| client.command(line).await.head;
    for line in ["divert_events on", "divert_events"] {
        assert!(text(&mut client, line).await.contains("-ERR not controlling a session.\n"));
    }
    assert!(text(&mut client, "linger 5").await.contains("-ERR not controlling a session\n"));
    // Without a format FreeSWITCH takes any name; then there is no session.
    assert!(text(&mut client, "myevents no-such plain").await.contains("-ERR invalid uuid\n"));
    assert!(text(&mut client, "myevents no-such").await.contains("+OK Events Enabled\n"));
    assert!(text(&mut client, &format!("myevents {uuid}")).await.contains("-ERR aready enabled.\n"));
    assert!(text(&mut client, "divert_events on").await.contains("-ERR not controlling a session.\n"));
}

#[tokio::test]
async fn a_channels_own_events_wait_until_they_are_diverted() {
    let (switch, uuid) = calling().await;
    assert!(!switch.queue_event("no-such", &speech("lost")));
    assert!(switch.queue_event(&uuid, &speech("one")));
    let mut client = RawClient::logged_in(&switch).await;
    client.command(&format!("myevents {uuid} plain")).await;
    assert!(client.command("divert_events").await.head.contains("-ERR missing value.\n"));
    client.assert_quiet().await;
    // What it subscribed to and filters does not matter.
    client.command("filter Event-Name TALK").await;
    client.command("nixevent ALL").await;
    assert!(client.command("divert_events ON").await.head.contains("+OK events diverted\n"));
    assert_eq!(client.frame().await.body_text().rsplit_once("\n\n").unwrap().1, "one");
    let mut other = RawClient::subscribed(&switch, "plain ALL").await;
    let sent = other.command(&format!("sendevent CUSTOM\nunique-id: {uuid}\nTag: two")).await;
    assert!(sent.head.contains("+OK "), "{sent:?}");
    assert_eq!(client.frame().await.event_header("Tag").unwrap(), "two");
    assert!(client.command("divert_events off").await.head.contains("+OK events not diverted\n"));
    switch.queue_event(&uuid, &speech("three"));
    client.assert_quiet().await;
}

#[tokio::test]
async fn it_ends_with_its_channel_or_lingers_for_so_long() {
    let (switch, uuid) = calling().await;
    let mut leaves = RawClient::logged_in(&switch).await;
    let mut lingers = RawClient::logged_in(&switch).await;
    let mut stays = RawClient::logged_in(&switch).await;
    for client in [&mut leaves, &mut lingers, &mut stays] {
        client.command(&format!("myevents {uuid}")).await;
    }
    assert!(lingers.command("linger 1").await.head.contains("+OK will linger 1 seconds\n"));
    assert!(stays.command("linger").await.head.contains("+OK will linger\n"));
    assert!(leaves.command("linger 9").await.head.contains("+OK will linger 9 seconds\n"));
    assert!(leaves.command("nolinger").await.head.contains("+OK will not linger\n"));
    stays.command(&format!("api uuid_kill {uuid}")).await;
    assert!(String::from_utf8(leaves.rest().await).unwrap().contains("Disconnected, goodbye."));
    let told = String::from_utf8(lingers.rest().await).unwrap();
    let notice = format!("Controlled-Session-UUID: {uuid}\nContent-Disposition: linger\nChannel-Name: sofia");
    assert!(told.contains(&notice) && told.contains("Linger-Time: 1\nContent-Length: 0\n\n"), "{told}");
    let (linger, goodbye) = (told.find("linger\n"), told.find("Disconnected, goodbye."));
    assert!(linger < goodbye && told.contains("Event-Name: CHANNEL_HANGUP_COMPLETE"), "{told}");
    while !stays.frame().await.head.contains("Linger-Time: -1\n") {}
}
