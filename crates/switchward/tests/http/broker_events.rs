//! Events of a switch over HTTP: server-sent events and WebSockets, who sees what, and what a slow reader loses.

use crate::access::{edit, token};
use crate::broker::with_switch;
use crate::support::{Daemon, within};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use simswitch::{Event, SimSwitch};
use std::time::Duration;
use switchward::access::Role;
use switchward::clock;
use switchward::config::Config;
use switchward::config::broker::{Rows, Rules, User};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

const EVENTS: &str = "/security/esl/events";

/// An event as the core writes it.
fn event(name: &str, headers: &[(&str, &str)]) -> Event {
    let subclass = headers.iter().filter(|(name, _)| *name == "Event-Subclass");
    let others = headers.iter().filter(|(name, _)| *name != "Event-Subclass");
    let line = |(name, value): &(&str, &str)| format!("{name}: {value}\n");
    let first: String = subclass.map(line).collect();
    let rest: String = others.map(line).collect();
    Event::from_plain(
        format!("{first}Event-Name: {name}\nEvent-Calling-File: switch_core.c\n{rest}\n").into_bytes(),
    )
    .unwrap()
}

/// A reader of server-sent events.
pub(crate) struct Reader {
    body: Incoming,
    text: String,
}

impl Reader {
    pub(crate) async fn open(daemon: &Daemon, token: &str, query: &str) -> Result<Reader, (u16, String)> {
        let stream = TcpStream::connect(daemon.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("{EVENTS}{query}"))
            .header("Host", daemon.address.to_string())
            .header("Authorization", format!("Bearer {token}"));
        let response =
            within(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())).await.unwrap();
        if response.status() != 200 {
            let status = response.status().as_u16();
            let body = within(response.into_body().collect()).await.unwrap().to_bytes();
            return Err((status, String::from_utf8_lossy(&body).into_owned()));
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Ok(Reader { body: response.into_body(), text: String::new() })
    }

    /// The next event: its name and its data; `None` at the end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let lines: Vec<_> = block.lines().filter_map(|line| line.split_once(": ")).collect();
                let field = |wanted| {
                    let values = lines.iter().filter(move |(name, _)| *name == wanted);
                    values.map(|(_, value)| *value).collect::<Vec<_>>().join("\n")
                };
                let told = (field("event"), field("data"));
                self.text = rest.to_owned();
                if !told.0.is_empty() {
                    return Some(told);
                }
            }
            let frame = within(self.body.frame()).await?.ok()?;
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }

    /// The next event of the switch.
    async fn event(&mut self) -> Value {
        loop {
            let (name, data) = self.next().await.unwrap();
            if name == "event" {
                return serde_json::from_str(&data).unwrap();
            }
        }
    }
}

/// A moment later the switch sends what is wanted.
async fn subscribed(switch: &SimSwitch, name: &str) {
    let wanted = |received: &simswitch::Received| {
        received.line().starts_with("event plain") && received.line().split(' ').any(|word| word == name)
    };
    assert!(
        switch.wait_for_command(Duration::from_secs(60), wanted).await.is_some(),
        "{name} is not asked for"
    );
}

/// One who sees the events of their own channels and domain.
fn with_alice(config: &mut Config) {
    let rules =
        Rules { events: vec!["*".into(), "CUSTOM".into()], rows: Rows::OwnDomain, ..Rules::default() };
    config.broker.users = vec![User {
        name: "token:alice".into(),
        account: "alice@pbx.example".into(),
        rules,
        ..User::default()
    }];
    config.broker.viewer_roles = Vec::new();
}

#[tokio::test]
async fn events_come_as_they_happen_without_secrets_and_filtered() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let mut reader =
        Reader::open(&daemon, &viewer, "?names=TALK,CUSTOM%20lab::one&filter=A:1&filter=A:2").await.unwrap();
    let (name, data) = reader.next().await.unwrap();
    assert_eq!(
        (name.as_str(), serde_json::from_str::<Value>(&data).unwrap()["connected"].clone()),
        ("state", json!(true))
    );
    subscribed(&switch, "lab::one").await;
    switch.emit(&event("TALK", &[("A", "3")]));
    switch.emit(&event("NOTALK", &[("A", "1")]));
    switch.emit(&event("CUSTOM", &[("Event-Subclass", "lab::two"), ("A", "1")]));
    switch
        .emit(&event("TALK", &[("A", "1"), ("variable_sip_auth_password", "s3cret"), ("B", "two%0Alines")]));
    switch.emit(&event("CUSTOM", &[("Event-Subclass", "lab::one"), ("A", "2")]));
    let first = reader.event().await;
    assert_eq!((&first["Event-Name"], &first["B"]), (&json!("TALK"), &json!("two\nlines")));
    assert_eq!(first["variable_sip_auth_password"], "***");
    let second = reader.event().await;
    assert_eq!((&second["Event-Subclass"], &second["A"]), (&json!("lab::one"), &json!("2")));
}

#[tokio::test]
async fn a_plain_event_keeps_its_lines() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let mut reader = Reader::open(&daemon, &viewer, "?names=TALK&format=plain").await.unwrap();
    subscribed(&switch, "TALK").await;
    switch.emit(&event("TALK", &[("A", "1")]));
    let (_, state) = reader.next().await.unwrap();
    assert!(state.contains("connected"));
    let (name, data) = reader.next().await.unwrap();
    assert_eq!(
        (name.as_str(), data.lines().collect::<Vec<_>>()),
        ("event", vec!["Event-Name: TALK", "Event-Calling-File: switch_core.c", "A: 1"])
    );
}

#[tokio::test]
async fn what_nobody_may_see_cannot_be_asked_for() {
    let (switch, daemon) = with_switch(with_alice).await;
    let (viewer, alice) = (token(&daemon, "wallboard", Role::Viewer), token(&daemon, "alice", Role::Viewer));
    let refused = async |token: &str, query: &str| Reader::open(&daemon, token, query).await.err().unwrap();
    let (status, why) = refused(&viewer, "?names=TALK").await;
    assert_eq!(status, 403, "{why}");
    for (query, status) in [
        ("?names=API", 403),
        ("?names=NOTHING", 400),
        ("?names=", 400),
        ("", 400),
        ("?names=TALK&filter=x", 400),
        ("?names=TALK&format=xml", 400),
        ("?names=TALK&switch=elsewhere", 400),
        ("?names=TALK&colour=blue", 400),
    ] {
        assert_eq!(refused(&alice, query).await.0, status, "{query}");
    }
    // Without a credential nothing is shown.
    let answer = daemon.get(&format!("{EVENTS}?names=TALK")).await;
    answer.error(403);
    let asked = switch.commands_received().into_iter().map(|received| received.line());
    assert!(!asked.into_iter().any(|line| line.starts_with("event plain") && line.contains("TALK")));
}

#[tokio::test]
async fn only_rows_of_the_own_domain_are_shown() {
    let (switch, daemon) = with_switch(with_alice).await;
    let alice = token(&daemon, "alice", Role::Viewer);
    let mut reader = Reader::open(&daemon, &alice, "?names=CHANNEL_CREATE,CHANNEL_ANSWER").await.unwrap();
    subscribed(&switch, "CHANNEL_ANSWER").await;
    let create = |uuid: &str, domain: &str| {
        event(
            "CHANNEL_CREATE",
            &[
                ("Unique-ID", uuid),
                ("Call-Direction", "inbound"),
                ("variable_sip_authorized", "true"),
                ("variable_user_name", "1000"),
                ("variable_domain_name", domain),
            ],
        )
    };
    let (theirs, ours) = ("aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555");
    switch.emit(&create(theirs, "other.example"));
    // Made up by a caller: it makes nothing theirs.
    switch.emit(&event(
        "CHANNEL_ANSWER",
        &[("Unique-ID", theirs), ("Caller-Username", "alice"), ("presence_id", "alice@pbx.example")],
    ));
    switch.emit(&create(ours, "pbx.example"));
    switch.emit(&event("CHANNEL_ANSWER", &[("Unique-ID", ours)]));
    for name in ["CHANNEL_CREATE", "CHANNEL_ANSWER"] {
        let seen = reader.event().await;
        assert_eq!((&seen["Event-Name"], &seen["Unique-ID"]), (&json!(name), &json!(ours)));
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_with_its_rules() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let mut reader = Reader::open(&daemon, &viewer, "?names=TALK").await.unwrap();
    subscribed(&switch, "TALK").await;
    edit(&daemon, |tokens| assert!(tokens.revoke("wallboard", clock::now())));
    daemon.app.access.tick();
    while reader.next().await.is_some() {}
    let viewer = token(&daemon, "another", Role::Viewer);
    daemon.app.access.tick();
    let mut reader = Reader::open(&daemon, &viewer, "?names=TALK").await.unwrap();
    let mut config = Config::clone(&daemon.app.config.load());
    config.broker.viewer_roles = Vec::new();
    daemon.app.reload(config);
    while reader.next().await.is_some() {}
}

#[tokio::test]
async fn whoever_does_not_read_loses_their_own_events_and_is_told_how_many() {
    let (switch, daemon) = with_switch(|config| config.broker.door.queue = 50).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let mut slow = Reader::open(&daemon, &viewer, "?names=TALK").await.unwrap();
    subscribed(&switch, "TALK").await;
    let fill = "x".repeat(32 * 1024);
    let missed = || daemon.app.monitor.events_missed.value();
    // More than the kernel holds between two sockets.
    let mut sent = 0;
    while missed() == 0 {
        for _ in 0..50 {
            switch.emit(&event("TALK", &[("Number", &sent.to_string()), ("Fill", &fill)]));
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(sent < 100_000);
    }
    let mut quick = Reader::open(&daemon, &viewer, "?names=NOTALK").await.unwrap();
    subscribed(&switch, "NOTALK").await;
    switch.emit(&event("NOTALK", &[]));
    assert_eq!(quick.event().await["Event-Name"], "NOTALK");
    let (mut seen, mut told) = (0, 0);
    while seen + told < sent {
        let (name, data) = slow.next().await.unwrap();
        let data: Value = serde_json::from_str(&data).unwrap();
        match name.as_str() {
            "event" => seen += 1,
            "missed" => told += data["count"].as_u64().unwrap(),
            _ => {}
        }
    }
    assert_eq!((seen + told, told), (sent, missed()));
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn socket(
    daemon: &Daemon,
    token: &str,
    query: &str,
    origin: Option<&str>,
) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{EVENTS}{query}", daemon.address).into_client_request().unwrap();
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().unwrap());
    }
    let stream = TcpStream::connect(daemon.address).await.unwrap();
    match within(tokio_tungstenite::client_async(request, stream)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn say(socket: &mut Socket, said: Value) {
    use futures_util::SinkExt;
    within(socket.send(Message::text(said.to_string()))).await.unwrap();
}

/// The next message with this member.
pub(crate) async fn hear(socket: &mut Socket, member: &str) -> Value {
    use futures_util::StreamExt;
    loop {
        if let Message::Text(text) = within(socket.next()).await.unwrap().unwrap() {
            let said: Value = serde_json::from_str(&text).unwrap();
            if said.get(member).is_some() {
                return said;
            }
        }
    }
}

#[tokio::test]
async fn a_web_socket_takes_subscriptions_filters_and_commands() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let mut socket = socket(&daemon, &viewer, "", None).await.unwrap();
    assert_eq!(hear(&mut socket, "state").await["state"]["connected"], true);
    say(&mut socket, json!({"subscribe": ["TALK"], "id": "a"})).await;
    assert_eq!(hear(&mut socket, "done").await, json!({"done": true, "id": "a"}));
    subscribed(&switch, "TALK").await;
    switch.emit(&event("TALK", &[("A", "1"), ("variable_password", "s3cret")]));
    let told = hear(&mut socket, "event").await;
    assert_eq!((&told["event"]["A"], &told["event"]["variable_password"]), (&json!("1"), &json!("***")));
    say(&mut socket, json!({"filter": ["A:2"]})).await;
    hear(&mut socket, "done").await;
    switch.emit(&event("TALK", &[("A", "1")]));
    switch.emit(&event("TALK", &[("A", "2")]));
    assert_eq!(hear(&mut socket, "event").await["event"]["A"], "2");
    say(&mut socket, json!({"command": "hostname", "id": 7})).await;
    let answer = hear(&mut socket, "response").await;
    assert_eq!(answer, json!({"id": 7, "response": switch.identity().hostname}));
    for (said, status) in [
        (json!({"command": "hupall", "id": 8}), 403),
        (json!({"command": "status\nhupall"}), 400),
        (json!({"subscribe": ["API"]}), 403),
        (json!({"subscribe": ["NOTHING"]}), 400),
        (json!({"filter": ["x"]}), 400),
        (json!({"colour": "blue"}), 400),
        (json!({}), 400),
        (json!([]), 400),
    ] {
        say(&mut socket, said.clone()).await;
        assert_eq!(hear(&mut socket, "error").await["status"], status, "{said}");
    }
    let sent = switch.commands_received().into_iter().map(|received| received.line());
    assert!(!sent.into_iter().any(|line| line.contains("hupall")));
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_web_socket_and_a_lost_token_ends_one() {
    use futures_util::StreamExt;
    let (_switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "wallboard", Role::Viewer);
    let own = format!("http://{}", daemon.address);
    for (origin, refused) in [("http://evil.example", true), ("null", true), (own.as_str(), false)] {
        let opened = socket(&daemon, &viewer, "?names=TALK", Some(origin)).await;
        assert_eq!(opened.err(), refused.then_some(403), "{origin}");
    }
    assert_eq!(socket(&daemon, "swt_wrong", "", None).await.err(), Some(401));
    let mut open = socket(&daemon, &viewer, "?names=TALK", None).await.unwrap();
    hear(&mut open, "state").await;
    edit(&daemon, |tokens| assert!(tokens.revoke("wallboard", clock::now())));
    daemon.app.access.tick();
    loop {
        match within(open.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => break assert_eq!(u16::from(frame.code), 1008),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}
