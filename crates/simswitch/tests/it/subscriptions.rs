//! Who receives what: names, subclasses, formats, filters.

use crate::{client::RawClient, files};
use simswitch::{Config, Event, Pace, SimSwitch, Stamps};

async fn switch() -> SimSwitch {
    SimSwitch::bind(Config { heartbeat: None, ..Config::default() }).await.unwrap()
}

fn event(name: &str, subclass: Option<&str>, tag: &str) -> Event {
    let first = subclass.map(|subclass| format!("Event-Subclass: {subclass}\n")).unwrap_or_default();
    Event::from_plain(format!("{first}Event-Name: {name}\nTag: {tag}\n\n").into_bytes()).unwrap()
}

/// The tags of the events that come before one that is wanted for certain.
async fn tags(switch: &SimSwitch, client: &mut RawClient, events: &[Event]) -> Vec<String> {
    client.command("event plain TRAP").await;
    events.iter().for_each(|event| {
        switch.emit(event);
    });
    switch.emit(&event("TRAP", None, "end"));
    let mut tags = Vec::new();
    loop {
        let tag = client.frame().await.event_header("Tag").unwrap();
        if tag == "end" {
            return tags;
        }
        tags.push(tag);
    }
}

#[tokio::test]
async fn names_after_custom_deliver_nothing() {
    let switch = switch().await;
    let mut client = RawClient::subscribed(&switch, "plain CUSTOM sofia::register CHANNEL_CREATE").await;
    let events =
        [event("CHANNEL_CREATE", None, "call"), event("CUSTOM", Some("sofia%3A%3Aregister"), "register")];
    assert_eq!(tags(&switch, &mut client, &events).await, ["register"]);
}

#[tokio::test]
async fn event_names_ignore_case_and_subclasses_do_not() {
    let switch = switch().await;
    let mut client = RawClient::subscribed(&switch, "plain channel_create custom SOFIA::REGISTER").await;
    let events =
        [event("CHANNEL_CREATE", None, "call"), event("CUSTOM", Some("sofia%3A%3Aregister"), "register")];
    assert_eq!(tags(&switch, &mut client, &events).await, ["call"]);
}

#[tokio::test]
async fn two_clients_receive_what_each_has_asked_for() {
    let switch = switch().await;
    let mut calls = RawClient::subscribed(&switch, "plain CHANNEL_CREATE").await;
    let mut all = RawClient::subscribed(&switch, "json ALL").await;
    let events = [event("CHANNEL_CREATE", None, "1"), event("CUSTOM", Some("x%3A%3Ay"), "2")];
    assert_eq!(tags(&switch, &mut calls, &events).await, ["1"]);
    assert_eq!(all.frame().await.body_text(), r#"{"Event-Name":"CHANNEL_CREATE","Tag":"1"}"#);
    let second = all.frame().await.body_text();
    assert_eq!(second, r#"{"Event-Subclass":"x::y","Event-Name":"CUSTOM","Tag":"2"}"#);
}

#[tokio::test]
async fn nixevent_takes_one_name_off_and_all_of_them() {
    let switch = switch().await;
    let mut client = RawClient::subscribed(&switch, "plain CHANNEL_CREATE CHANNEL_ANSWER").await;
    client.command("nixevent CHANNEL_CREATE").await;
    let events = [event("CHANNEL_CREATE", None, "1"), event("CHANNEL_ANSWER", None, "2")];
    assert_eq!(tags(&switch, &mut client, &events).await, ["2"]);
    client.command("nixevent ALL").await;
    assert_eq!(tags(&switch, &mut client, &events).await, [""; 0]);
    client.command("event plain ALL").await;
    client.command("nixevent CHANNEL_ANSWER").await;
    assert_eq!(tags(&switch, &mut client, &events).await, ["1"]);
}

#[tokio::test]
async fn filters_let_through_what_any_of_them_matches_and_minus_excludes() {
    let switch = switch().await;
    let mut client = RawClient::subscribed(&switch, "plain ALL").await;
    for filter in ["Tag one", "Tag /^t.*o$/", "Tag end", "Tag -tattoo"] {
        assert!(client.command(&format!("filter {filter}")).await.head.contains("+OK"), "{filter}");
    }
    let events = ["one", "ONE", "two", "three", "tattoo"].map(|tag| event("TALK", None, tag));
    assert_eq!(tags(&switch, &mut client, &events).await, ["one", "ONE", "two"]);
}

#[tokio::test]
async fn other_formats_are_encoded_as_the_real_switch_did() {
    let switch = switch().await;
    let plain = files::capture("mixed.plain");
    for format in ["json", "xml"] {
        let recorded = simswitch::read(&files::path(&format!("mixed.{format}.esl.zst"))).unwrap();
        let mut client = RawClient::subscribed(&switch, &format!("{format} ALL")).await;
        switch.play(plain.events(), Pace::Flood, Stamps::Recorded).await;
        let mut rest = recorded.as_slice();
        let mut compared = 0;
        while let Some((expected, length)) = crate::client::split(rest) {
            rest = &rest[length..];
            if expected.head.contains("text/event-") {
                let found = client.frame().await;
                // One User-Agent held a literal `%41`, which the plain format writes like an encoded `A`.
                let wanted = expected.body_text().replace("%41", "A");
                assert_eq!(found.body_text(), wanted);
                if wanted == expected.body_text() {
                    assert_eq!(found.head, expected.head);
                }
                compared += 1;
            }
        }
        assert_eq!(compared, 69);
        client.assert_quiet().await;
    }
}
