//! The server against raw sockets: what is written when, and that no client can hurt another.

use super::*;
use crate::{End, reply};
use std::net::Ipv4Addr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::{io::AsyncReadExt as _, time::timeout};

const SOON: Duration = Duration::from_secs(20);
const NOTICE: &str = "Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

async fn server(config: ServerConfig) -> Server {
    Server::bind((Ipv4Addr::LOCALHOST, 0).into(), config).await.expect("a free port")
}

async fn pair(server: &Server) -> (TcpStream, Incoming) {
    let address = server.local_addr().expect("an address");
    let (client, incoming) = tokio::join!(TcpStream::connect(address), server.accept());
    (client.expect("a connection"), incoming.expect("a client"))
}

async fn greeted(config: ServerConfig) -> (TcpStream, Session) {
    let (mut client, incoming) = pair(&server(config).await).await;
    let session = incoming.welcome();
    assert_eq!(read(&mut client, 28).await, "Content-Type: auth/request\n\n");
    (client, session)
}

async fn read(client: &mut TcpStream, length: usize) -> String {
    let mut bytes = vec![0; length];
    timeout(SOON, client.read_exact(&mut bytes)).await.expect("bytes in time").expect("so many bytes");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(SOON, client.read_to_end(&mut bytes)).await.expect("the end in time").expect("no error");
    bytes
}

fn event(size: usize) -> Arc<[u8]> {
    let body = format!("Event-Name: TALK\nFill: {}\n\n", "x".repeat(size));
    format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{body}", body.len()).into_bytes().into()
}

fn queue(events: usize, overflow: Overflow) -> ServerConfig {
    let queue = QueueLimits { events, overflow, ..QueueLimits::default() };
    ServerConfig { queue, linger: SOON, ..ServerConfig::default() }
}

#[tokio::test]
async fn a_refused_client_is_told_so_and_never_greeted() {
    let (mut client, incoming) = pair(&server(ServerConfig::default()).await).await;
    let (got, ()) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        incoming.refuse()
    );
    let rejection = "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n";
    assert_eq!(String::from_utf8_lossy(&got), format!("{rejection}{NOTICE}"));
}

#[tokio::test]
async fn commands_come_one_by_one_however_they_are_sent() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    client.write_all(b"\nauth se").await.expect("a connection");
    client
        .write_all(b"cret\r\n\r\nsendevent X\nA: b\nContent-Length: 3\n\nabcexit\n\n")
        .await
        .expect("a connection");
    let auth = session.next().await.expect("a command");
    assert_eq!((auth.verb(), auth.argument()), (&b"auth"[..], Some(&b"secret"[..])));
    assert_eq!(format!("{auth:?}"), "\"auth\"", "no password in a log");
    let send = session.next().await.expect("a command");
    assert_eq!((send.header("a"), send.body()), (Some(&b"b"[..]), &b"abc"[..]));
    assert_eq!(session.next().await.expect("a command").line(), b"exit");
    client.write_all(b"half").await.expect("a connection");
    client.shutdown().await.expect("a connection");
    let ended = session.next().await;
    assert!(matches!(ended, Err(Ended::ByClient(End::Truncated { bytes: 4 }))), "{ended:?}");
}

#[tokio::test]
async fn who_says_nothing_is_sent_away_and_any_first_command_prevents_it() {
    let auth_timeout = AuthTimeout::FirstCommand(Duration::from_millis(30));
    let config = ServerConfig { auth_timeout, ..ServerConfig::default() };
    let (mut silent, mut session) = greeted(config.clone()).await;
    let (got, ended) = tokio::join!(
        async {
            let got = rest(&mut silent).await;
            drop(silent);
            got
        },
        session.next()
    );
    assert_eq!(String::from_utf8_lossy(&got), NOTICE);
    assert!(matches!(ended, Err(Ended::AuthTimeout)), "{ended:?}");

    let (mut talking, mut session) = greeted(config).await;
    talking.write_all(b"api status\n\n").await.expect("a connection");
    session.next().await.expect("a command");
    let later = timeout(Duration::from_millis(100), session.next()).await;
    assert!(later.is_err(), "still there long after the time-out: {later:?}");
}

#[tokio::test]
async fn a_login_time_out_is_ended_by_the_login_alone() {
    let auth_timeout = AuthTimeout::Login(Duration::from_millis(50));
    let config = ServerConfig { auth_timeout, linger: Duration::from_millis(10), ..ServerConfig::default() };
    let (mut client, mut session) = greeted(config.clone()).await;
    client.write_all(b"api status\n\n").await.expect("a connection");
    session.next().await.expect("a command");
    let ended = session.next().await;
    assert!(matches!(ended, Err(Ended::AuthTimeout)), "{ended:?}");

    let (_client, mut session) = greeted(config).await;
    session.authenticated();
    assert!(timeout(Duration::from_millis(150), session.next()).await.is_err(), "logged in");
}

#[tokio::test]
async fn what_is_no_command_ends_with_the_notice() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    client.write_all(b"sendevent X\nContent-Length: -1\n\n").await.expect("a connection");
    let (got, ended) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        session.next()
    );
    assert_eq!(String::from_utf8_lossy(&got), NOTICE);
    assert!(matches!(ended, Err(Ended::Malformed(_))), "{ended:?}");
}

#[tokio::test]
async fn a_goodbye_reaches_a_client_that_has_sent_more_than_was_read() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    client.write_all(b"auth a\n\nauth b\n\n").await.expect("a connection");
    session.next().await.expect("a command");
    let mut invalid = Vec::new();
    reply::command_reply(&mut invalid, reply::INVALID);
    session.reply(&invalid);
    // Events that wait are not delivered to somebody who is sent away.
    assert_eq!(session.outbox().push(event(1)), Pushed::Queued);
    let (got, ()) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        session.finish()
    );
    let got = String::from_utf8_lossy(&got);
    assert!(got.starts_with("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"), "{got}");
    assert!(got.ends_with(NOTICE), "{got}");
}

#[tokio::test]
async fn replies_overtake_events_that_wait() {
    let (mut client, session) = greeted(queue(100_000, Overflow::Drop)).await;
    let outbox = session.outbox();
    // More than the kernel takes without a reader, so that most of it waits here.
    let big = event(64 * 1024);
    let events = 512;
    for _ in 0..events {
        assert_eq!(outbox.push(Arc::clone(&big)), Pushed::Queued);
    }
    while outbox.stats().queued == events {
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    reply::api_response(&mut answer, b"here I am");
    session.reply(&answer);
    let mut seen = Vec::new();
    let before = loop {
        let from = seen.len().saturating_sub(answer.len());
        timeout(SOON, client.read_buf(&mut seen)).await.expect("bytes in time").expect("a connection");
        if let Some(at) = memchr::memmem::find(&seen[from..], &answer) {
            break memchr::memmem::find_iter(&seen[..from + at], b"Event-Name: TALK\n").count();
        }
    };
    assert!(before < events, "the reply came after {before} of {events} events");
}

#[tokio::test]
async fn a_full_queue_drops_counts_and_keeps_the_client() {
    let (mut client, session) = greeted(queue(10, Overflow::Drop)).await;
    let outbox = session.outbox();
    // Nothing is written before this task waits, so exactly ten fit.
    let results: Vec<_> = (0..25).map(|_| outbox.push(event(10))).collect();
    assert_eq!(results.iter().filter(|&&pushed| pushed == Pushed::Queued).count(), 10);
    let stats = outbox.stats();
    assert_eq!((stats.queued, stats.dropped, stats.high_water), (10, 15, 10));
    let length = event(10).len();
    read(&mut client, 10 * length).await;
    assert_eq!(outbox.push(event(10)), Pushed::Queued);
    assert_eq!(read(&mut client, length).await.as_bytes(), &*event(10));
    assert_eq!(outbox.stats().bytes, 0);
}

#[tokio::test]
async fn the_byte_limit_counts_and_lets_one_large_event_through() {
    let mut config = queue(1000, Overflow::Drop);
    config.queue.bytes = 1000;
    let (_client, session) = greeted(config).await;
    let outbox = session.outbox();
    assert_eq!(outbox.push(event(5000)), Pushed::Queued);
    assert_eq!(outbox.push(event(1)), Pushed::Dropped);
}

#[tokio::test]
async fn misses_in_a_row_kill_the_client_and_one_success_forgives_them() {
    let (mut client, mut session) = greeted(queue(10, Overflow::Kill { misses: 5 })).await;
    let outbox = session.outbox();
    let length = event(1).len();
    for _ in 0..15 {
        outbox.push(event(1));
    }
    read(&mut client, 10 * length).await;
    for _ in 0..15 {
        outbox.push(event(1));
    }
    assert!(!outbox.is_closed(), "five misses twice are forgiven");
    assert_eq!(outbox.push(event(1)), Pushed::Dropped, "the sixth in a row");
    assert_eq!(outbox.push(event(1)), Pushed::Gone);
    let (got, ended) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        session.next()
    );
    assert!(got.ends_with(reply::KILLED_LISTENER.as_bytes()), "{:?}", String::from_utf8_lossy(&got));
    assert!(matches!(ended, Err(Ended::Killed)), "{ended:?}");
}

#[tokio::test]
async fn a_graceful_close_sends_what_waits_and_then_the_notice() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    let outbox = session.outbox();
    outbox.push(event(3));
    let mut notice = Vec::new();
    reply::disconnect_notice(&mut notice, reply::SHUTDOWN);
    outbox.close(Pending::Send, &notice);
    assert_eq!(outbox.push(event(3)), Pushed::Gone);
    let (got, ended) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        session.next()
    );
    assert_eq!(got, [&event(3)[..], &notice].concat());
    assert!(matches!(ended, Err(Ended::ByServer)), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_never_reads_its_replies_is_not_read_either() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    let answer = vec![b'x'; 8 * 1024 * 1024];
    client.write_all(b"one\n\ntwo\n\nthree\n\n").await.expect("a connection");
    session.next().await.expect("the first command");
    session.reply(&answer);
    session.reply(&answer);
    let second = timeout(Duration::from_millis(100), session.next()).await;
    // The command was decoded but is held back; this session is at its end for the test.
    assert!(second.is_err(), "{second:?}");
    read(&mut client, 2 * answer.len()).await;
    assert_eq!(session.next().await.expect("the next command").line(), b"three");
}

#[tokio::test]
async fn commands_that_wait_are_dropped_when_the_server_closes() {
    let (mut client, mut session) = greeted(ServerConfig::default()).await;
    client.write_all(b"one\n\ntwo\n\nthree\n\n").await.expect("a connection");
    assert_eq!(session.next().await.expect("a command").line(), b"one");
    session.outbox().close(Pending::Discard, b"");
    drop(client);
    assert!(matches!(session.next().await, Err(Ended::ByServer)));
}

#[tokio::test]
async fn half_of_a_queue_is_free_when_half_of_its_bytes_are() {
    let length = event(1000).len();
    let queue = QueueLimits { events: 1000, bytes: 8 * length, overflow: Overflow::Drop };
    let outbox = Outbox::new(queue);
    for _ in 0..8 {
        assert_eq!(outbox.push(event(1000)), Pushed::Queued);
    }
    assert_eq!(outbox.push(event(1000)), Pushed::Dropped);
    assert!(timeout(Duration::from_millis(20), outbox.half_free()).await.is_err(), "it is full of bytes");
    outbox.discard_events();
    timeout(SOON, outbox.half_free()).await.expect("half of it is free");
}

#[tokio::test]
async fn a_source_that_can_wait_waits_for_room() {
    let (mut client, session) = greeted(queue(4, Overflow::Drop)).await;
    let outbox = session.outbox();
    let length = event(1000).len();
    let total = 500;
    let (got, ()) = tokio::join!(read(&mut client, total * length), async {
        for _ in 0..total {
            outbox.room(4).await;
            assert_eq!(outbox.push(event(1000)), Pushed::Queued);
        }
    });
    assert_eq!(got.len(), total * length);
    outbox.abort();
    timeout(SOON, outbox.room(0)).await.expect("nobody waits for a closed connection");
}

fn limited(clients: ClientLimits) -> ServerConfig {
    ServerConfig { clients, linger: SOON, ..ServerConfig::default() }
}

#[tokio::test]
async fn strangers_from_one_source_cannot_take_all_places() {
    let clients = ClientLimits { all: 4, strangers: 3, strangers_per_source: 2 };
    let server = server(limited(clients)).await;
    let (_first, one) = pair(&server).await;
    let (_second, two) = pair(&server).await;
    let address = server.local_addr().expect("an address");
    // The third is closed without a word while the server waits for the next.
    let mut third = TcpStream::connect(address).await.expect("a connection");
    tokio::select! {
        closed = rest(&mut third) => assert_eq!(closed, b""),
        _ = server.accept() => panic!("a third stranger came in"),
    }
    assert_eq!((server.admitted().clients, server.admitted().turned_away), (2, 1));
    let mut one = one.welcome();
    one.authenticated();
    assert_eq!(server.admitted().strangers, 1);
    let (_fourth, three) = pair(&server).await;
    drop((two, three));
    assert_eq!((server.admitted().clients, server.admitted().strangers), (1, 0));
}

#[tokio::test]
async fn all_clients_together_are_bounded_too() {
    let server = server(limited(ClientLimits { all: 1, ..ClientLimits::default() })).await;
    let (_first, one) = pair(&server).await;
    let mut one = one.welcome();
    one.authenticated();
    let mut second =
        TcpStream::connect(server.local_addr().expect("an address")).await.expect("a connection");
    tokio::select! {
        closed = rest(&mut second) => assert_eq!(closed, b""),
        _ = server.accept() => panic!("a second client came in"),
    }
    drop(one);
    pair(&server).await;
}

#[tokio::test]
async fn a_client_over_a_unix_socket_is_known_by_its_user() {
    let path = std::env::temp_dir().join(format!("esl-{}-{:x}.sock", std::process::id(), fastrand::u64(..)));
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let server = Server::over_unix(listener, ServerConfig::default());
    let (client, incoming) = tokio::join!(tokio::net::UnixStream::connect(&path), server.accept());
    std::fs::remove_file(&path).expect("the socket's file");
    let (mut client, incoming) = (client.expect("a connection"), incoming.expect("a client"));
    let own = client.peer_cred().expect("credentials").uid();
    assert!(matches!(incoming.peer(), Peer::Unix { uid, .. } if uid == own), "{:?}", incoming.peer());
    let mut session = incoming.welcome();
    // Read before the session is dropped: that ends the writer, whatever it has not written.
    let mut greeting = [0; 28];
    timeout(SOON, client.read_exact(&mut greeting)).await.expect("the greeting in time").expect("no error");
    assert_eq!(&greeting, b"Content-Type: auth/request\n\n");
    client.write_all(b"auth x\n\n").await.expect("a connection");
    assert_eq!(session.next().await.expect("a command").line(), b"auth x");
    drop(session);
    let mut rest = Vec::new();
    timeout(SOON, client.read_to_end(&mut rest)).await.expect("the end in time").expect("no error");
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up_and_holds_up_nobody() {
    let server = server(ServerConfig::default()).await;
    let (mut slow, incoming) = pair(&server).await;
    let never = incoming.secure(Duration::from_millis(20), |stream| async move {
        std::future::pending::<()>().await;
        Ok(stream)
    });
    let error = never.await.expect_err("no handshake");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(rest(&mut slow).await, b"");
    assert_eq!(server.admitted().clients, 0);
}

#[tokio::test]
async fn any_stream_can_carry_a_session() {
    let (mut client, incoming) = pair(&server(ServerConfig::default()).await).await;
    // A stand-in for TLS: what comes out at the other end was buffered and must be flushed.
    let buffered = incoming.secure(SOON, |stream| async { Ok(tokio::io::BufStream::new(stream)) }).await;
    let mut session = buffered.expect("a handshake").welcome();
    assert_eq!(read(&mut client, 28).await, "Content-Type: auth/request\n\n");
    client.write_all(b"exit\n\n").await.expect("a connection");
    assert_eq!(session.next().await.expect("a command").line(), b"exit");
    let (got, ()) = tokio::join!(
        async {
            let got = rest(&mut client).await;
            drop(client);
            got
        },
        session.finish()
    );
    assert_eq!(String::from_utf8_lossy(&got), NOTICE);
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_too_long_is_cut_off() {
    let stall = Some(Duration::from_millis(50));
    let config = ServerConfig { stall, linger: Duration::from_millis(50), ..queue(10, Overflow::Drop) };
    let (_client, mut session) = greeted(config).await;
    // More than the kernel buffers between two sockets.
    session.reply(&vec![b'x'; 32 * 1024 * 1024]);
    let ended = timeout(SOON, session.next()).await.expect("the end in time");
    assert!(matches!(ended, Err(Ended::Killed)), "{ended:?}");
}
