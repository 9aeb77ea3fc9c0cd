//! The reconnecting client: what it tells when things go well, and why when they do not.

use crate::{
    captures::capture,
    peer::{AUTH_REQUEST, LISTENING, Peer, VERSION, soon},
};
use esl::{
    DecodeError, Disconnect, Format, Limits, Subscription,
    client::{Client, Config, Handle, Incoming, State},
};
use std::{mem::discriminant, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
};

/// What the handler was told, copied.
#[derive(Debug)]
enum Told {
    Connecting(u32),
    Connected(Option<String>),
    Disconnected(Disconnect, Duration),
    Read(usize),
    Event(String, Option<u64>),
    Frame,
    Drained,
}

struct Running {
    told: UnboundedReceiver<Told>,
    handle: Handle,
    task: JoinHandle<()>,
}

impl Running {
    fn start(config: Config) -> Self {
        let (sender, told) = unbounded_channel();
        let mut client = Client::new(config);
        let handle = client.handle();
        let task = tokio::spawn(async move {
            let mut handler = |incoming: Incoming<'_>| {
                let copy = match incoming {
                    Incoming::State(State::Connecting { attempt }) => Told::Connecting(attempt),
                    Incoming::State(State::Connected { version }) => {
                        Told::Connected(version.map(str::to_owned))
                    }
                    Incoming::State(State::Disconnected { why, retry_in }) => {
                        Told::Disconnected(why.clone(), retry_in)
                    }
                    Incoming::Read { bytes } => Told::Read(bytes),
                    Incoming::Event(event) => {
                        Told::Event(String::from_utf8_lossy(event.name()).into_owned(), event.sequence())
                    }
                    Incoming::Frame(_) => Told::Frame,
                    Incoming::Drained => Told::Drained,
                };
                let _ = sender.send(copy);
            };
            client.run(&mut handler).await;
        });
        Self { told, handle, task }
    }

    async fn next(&mut self) -> Told {
        soon(self.told.recv()).await.expect("the client ended")
    }

    /// The next reason for a disconnection, passing over all else.
    async fn why(&mut self) -> Disconnect {
        self.disconnected().await.0
    }

    async fn disconnected(&mut self) -> (Disconnect, Duration) {
        loop {
            if let Told::Disconnected(why, retry_in) = self.next().await {
                return (why, retry_in);
            }
        }
    }

    async fn until_connected(&mut self) {
        while !matches!(self.next().await, Told::Connected(_)) {}
    }

    async fn stop(self) {
        self.handle.stop();
        soon(self.task).await.unwrap();
    }
}

/// A client that waits long between its tries, so that a test sees each by itself.
fn config(port: u16) -> Config {
    let subscription = Subscription::new(Format::Plain).event("CHANNEL_CREATE").custom("sofia::register");
    let mut config = Config::new("127.0.0.1", port, "ClueCon");
    config.subscription = Some(subscription);
    config.backoff_base = Duration::from_secs(30);
    config
}

const SUBSCRIBE: &str = "event plain CHANNEL_CREATE CUSTOM sofia::register\n\n";

#[tokio::test]
async fn events_are_handed_on_inline_and_in_order() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut talk = peer.accept().await;
    talk.subscribe(SUBSCRIBE).await;
    assert!(matches!(client.next().await, Told::Connecting(1)));
    let Told::Connected(Some(version)) = client.next().await else { panic!() };
    assert_eq!(version, "FreeSWITCH Version 1.11.2-release~64bit ( 64bit)");
    let stream = capture("mixed.plain.esl");
    // Without the reply that the capture begins with.
    let body = &stream[memchr::memmem::find(&stream, b"\n\n").unwrap() + 2..];
    for piece in body.chunks(10_007) {
        talk.say(piece).await;
    }
    let (mut events, mut read, mut drained) = (Vec::new(), 0, 0);
    let why = loop {
        match client.next().await {
            Told::Read(bytes) => read += bytes,
            Told::Event(name, sequence) => {
                assert!(read > 0, "a read is told before its events");
                events.push((name, sequence.unwrap()));
            }
            Told::Drained => drained += 1,
            Told::Disconnected(why, _) => break why,
            // The reply to `exit` at the end of the capture.
            Told::Frame => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(why, Disconnect::Notice(text) if text.starts_with("Disconnected, goodbye.")));
    assert_eq!(events.len(), 69);
    assert_eq!(read, body.len());
    assert!(drained > 1);
    assert_eq!((events[0].0.as_str(), events[0].1), ("CUSTOM", 5873));
    client.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_from_the_servers_words() {
    let peer = Peer::new().await;
    let mut client = Running::start(Config { password: "wrong".into(), ..config(peer.port()) });
    peer.accept().await.play("auth failed").await;
    let why = client.why().await;
    assert!(matches!(why, Disconnect::WrongPassword), "{why:?}");
    assert!(why.needs_mending());
    client.stop().await;
}

#[tokio::test]
async fn a_wrong_user_password_is_told_too() {
    let peer = Peer::new().await;
    let user = Some("1000@pbx.example".to_owned());
    let mut client = Running::start(Config { password: "wrong".into(), user, ..config(peer.port()) });
    peer.accept().await.play("userauth, wrong password").await;
    assert!(matches!(client.why().await, Disconnect::WrongPassword));
    client.stop().await;
}

#[tokio::test]
async fn a_rejection_by_the_access_list_is_told() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    peer.accept().await.play("ACL denied").await;
    let why = client.why().await;
    assert!(matches!(&why, Disconnect::AccessDenied(text) if text == "Access Denied, go away."), "{why:?}");
    client.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_let_us_log_in_is_given_up() {
    let peer = Peer::new().await;
    let mut client =
        Running::start(Config { auth_timeout: Duration::from_millis(50), ..config(peer.port()) });
    let mut talk = peer.accept().await;
    talk.say(&AUTH_REQUEST[..10]).await;
    assert!(matches!(client.why().await, Disconnect::AuthTimeout(_)));
    assert_eq!(talk.until_closed().await, b"");
    client.stop().await;
}

#[tokio::test]
async fn a_server_that_gives_up_waiting_for_the_log_in_is_told() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut talk = peer.accept().await;
    talk.play("no auth for 25 seconds").await;
    assert!(matches!(client.why().await, Disconnect::Notice(text) if text.contains("goodbye")));
    client.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_found_when_it_comes() {
    let port = Peer::new().await.port();
    let short = Duration::from_millis(20);
    let mut client = Running::start(Config { backoff_base: short, backoff_cap: short, ..config(port) });
    let why = client.why().await;
    assert!(
        matches!(&why, Disconnect::Refused(address) if *address == format!("127.0.0.1:{port}")),
        "{why:?}"
    );
    assert!(!why.needs_mending());
    // Attempts are counted until one succeeds.
    let attempt = loop {
        if let Told::Connecting(attempt) = client.next().await {
            break attempt;
        }
    };
    assert_eq!(attempt, 2);
    let listener = loop {
        // The port was free a moment ago; a client's own socket may hold it for another.
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut talk = Peer::from(listener).accept().await;
    talk.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    client.stop().await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let peer = Peer::new().await;
    let short = Duration::from_millis(1);
    let mut client = Running::start(Config { backoff_base: short, ..config(peer.port()) });
    for _ in 0..3 {
        let mut talk = peer.accept().await;
        talk.subscribe(SUBSCRIBE).await;
        client.until_connected().await;
        drop(talk);
        assert!(matches!(client.why().await, Disconnect::Closed));
        assert!(matches!(client.next().await, Told::Connecting(1)));
    }
    client.stop().await;
}

#[tokio::test]
async fn the_way_a_connection_ends_is_told() {
    let cases: [(Vec<u8>, Disconnect); 5] = [
        (
            b"Content-Length: 500\nContent-Type: text/event-plain\n\nEvent-Na".into(),
            Disconnect::Truncated { bytes: 60 },
        ),
        (capture("killed_listener_tail.plain.esl"), Disconnect::KilledListener),
        (capture("shutdown.plain.esl"), Disconnect::ServerShutdown),
        (
            b"Content-Length: 99999999\n\n".into(),
            Disconnect::Decode(DecodeError::BodyTooLarge { length: 99_999_999, limit: 1000 }),
        ),
        (b"Content-Length: -1\n\n".into(), Disconnect::Decode(DecodeError::ContentLength("-1".into()))),
    ];
    for (bytes, expected) in cases {
        let peer = Peer::new().await;
        let limits = Limits { header: 1000, body: 1000 };
        let mut client = Running::start(Config { limits, ..config(peer.port()) });
        let mut talk = peer.accept().await;
        talk.subscribe(SUBSCRIBE).await;
        talk.say(bytes).await;
        drop(talk);
        let why = client.why().await;
        assert_eq!(discriminant(&why), discriminant(&expected), "{why:?} is not {expected:?}");
        assert_eq!(why.to_string(), expected.to_string());
        client.stop().await;
    }
}

#[tokio::test]
async fn silence_ends_a_connection_that_expects_heartbeats() {
    let peer = Peer::new().await;
    let subscription = Some(Subscription::new(Format::Plain).event("HEARTBEAT"));
    let silence_limit = Some(Duration::from_millis(50));
    let backoff_base = Duration::from_millis(1);
    let mut client =
        Running::start(Config { subscription, silence_limit, backoff_base, ..config(peer.port()) });
    let mut talk = peer.accept().await;
    talk.subscribe("event plain HEARTBEAT\n\n").await;
    assert!(matches!(client.why().await, Disconnect::Silent(limit) if Some(limit) == silence_limit));
    assert_eq!(talk.until_closed().await, b"");
    // The heart may beat more slowly than we thought: the next connection is given twice as long.
    let mut talk = peer.accept().await;
    talk.subscribe("event plain HEARTBEAT\n\n").await;
    assert!(matches!(client.why().await, Disconnect::Silent(limit) if limit == Duration::from_millis(100)));
    client.stop().await;
}

#[tokio::test]
async fn without_heartbeats_silence_means_nothing() {
    let peer = Peer::new().await;
    let silence_limit = Some(Duration::from_millis(10));
    let mut client = Running::start(Config { silence_limit, ..config(peer.port()) });
    let mut talk = peer.accept().await;
    talk.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    assert!(matches!(client.next().await, Told::Drained));
    assert!(!peer.is_called(Duration::from_millis(100)).await);
    talk.say("Content-Length: 15\nContent-Type: text/event-plain\n\nEvent-Name: A\n\n").await;
    assert!(matches!(client.next().await, Told::Read(_)));
    assert!(matches!(client.next().await, Told::Event(name, None) if name == "A"));
    client.stop().await;
}

#[tokio::test]
async fn a_refused_subscription_is_told() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut talk = peer.accept().await;
    talk.log_in().await;
    talk.hear("api version\n\n").await;
    // As to a user who may not ask.
    talk.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    talk.hear(SUBSCRIBE).await;
    talk.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    let why = client.why().await;
    assert!(
        matches!(&why, Disconnect::SubscriptionRefused(text) if text == "-ERR permission denied"),
        "{why:?}"
    );
    client.stop().await;
}

#[tokio::test]
async fn a_peer_that_is_no_event_socket_is_told() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    peer.accept().await.say("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
    assert!(matches!(client.why().await, Disconnect::Protocol(_)));
    client.stop().await;
}

#[tokio::test]
async fn a_version_that_may_not_be_asked_stays_unknown_and_events_may_follow_at_once() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut talk = peer.accept().await;
    talk.log_in().await;
    talk.hear("api version\n\n").await;
    talk.say("Content-Type: command/reply\nReply-Text: -ERR permission denied\n\n").await;
    talk.hear(SUBSCRIBE).await;
    talk.say(format!("{LISTENING}Content-Length: 15\nContent-Type: text/event-plain\n\nEvent-Name: A\n\n"))
        .await;
    assert!(matches!(client.next().await, Told::Connecting(1)));
    assert!(matches!(client.next().await, Told::Connected(None)));
    assert!(matches!(client.next().await, Told::Event(name, _) if name == "A"));
    client.stop().await;
}

#[tokio::test]
async fn a_stopped_client_says_exit_and_returns() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut talk = peer.accept().await;
    talk.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    client.handle.stop();
    assert_eq!(talk.until_closed().await, b"exit\n\n");
    soon(client.task).await.unwrap();
}

#[tokio::test]
async fn a_client_stops_while_it_waits_or_logs_in() {
    let port = Peer::new().await.port();
    let mut waiting = Running::start(config(port));
    waiting.why().await;
    waiting.stop().await;

    let peer = Peer::new().await;
    let logging_in = Running::start(config(peer.port()));
    let talk = peer.accept().await;
    logging_in.stop().await;
    talk.until_closed().await;
}

#[tokio::test]
async fn an_order_to_reconnect_does_not_wait() {
    let peer = Peer::new().await;
    let mut client = Running::start(config(peer.port()));
    let mut first = peer.accept().await;
    first.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    client.handle.reconnect();
    assert!(matches!(client.disconnected().await, (Disconnect::Requested, Duration::ZERO)));
    first.until_closed().await;
    let mut second = peer.accept().await;
    second.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    drop(second);
    let (why, retry_in) = client.disconnected().await;
    assert!(matches!(why, Disconnect::Closed));
    assert!((22..=30).contains(&retry_in.as_secs()), "half a minute, less up to a quarter: {retry_in:?}");
    client.handle.reconnect();
    peer.accept().await.subscribe(SUBSCRIBE).await;
    client.until_connected().await;
    client.stop().await;
}

#[tokio::test]
async fn a_password_that_could_be_a_command_is_never_sent() {
    let peer = Peer::new().await;
    let mut client = Running::start(Config { password: "x\n\napi system".into(), ..config(peer.port()) });
    let mut talk = peer.accept().await;
    talk.say(AUTH_REQUEST).await;
    assert!(matches!(client.why().await, Disconnect::Configuration(_)));
    assert_eq!(talk.until_closed().await, b"");
    client.stop().await;
}

#[test]
fn the_version_of_the_peer_is_as_long_as_it_says() {
    let (head, body) = VERSION.split_once("\n\n").unwrap();
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
}
