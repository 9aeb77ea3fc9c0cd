//! Peers that dawdle, and the stop.

use crate::support::{Daemon, Kernel, within};
use simswitch::SimSwitch;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

async fn connect(daemon: &Daemon, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((std::net::IpAddr::from(from), 0).into()).unwrap();
    socket.connect(daemon.address).await.unwrap()
}

async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    _ = within(stream.read_to_end(&mut bytes)).await;
    bytes
}

#[tokio::test]
async fn a_peer_that_opens_many_connections_keeps_nobody_else_out() {
    let daemon = Daemon::start().await;
    let mut open = Vec::new();
    for _ in 0..100 {
        let mut stream = connect(&daemon, [127, 0, 0, 2]).await;
        _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        open.push(stream);
    }
    for from in [[127, 0, 0, 3], [127, 0, 0, 1]] {
        daemon.ask("GET", "/health").from(from).send().await.ok();
    }
    // Those that were one too many are closed at once, not at their time-out.
    let last = open.pop().unwrap();
    assert!(rest(last).await.is_empty());
    drop(open);
    let again = async {
        loop {
            let mut stream = connect(&daemon, [127, 0, 0, 2]).await;
            _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
            if rest(stream).await.starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    within(again).await;
}

#[tokio::test]
async fn a_header_that_never_ends_and_an_idle_connection_are_closed() {
    let daemon = Daemon::start().await;
    let mut slow = connect(&daemon, [127, 0, 0, 1]).await;
    slow.write_all(b"GET /health HTTP/1.1\r\nHost: ").await.unwrap();
    let silent = connect(&daemon, [127, 0, 0, 1]).await;
    let mut idle = connect(&daemon, [127, 0, 0, 1]).await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (slow, silent, idle) = tokio::join!(rest(slow), rest(silent), rest(idle));
    assert!(slow.is_empty() || slow.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&slow));
    assert!(silent.is_empty());
    assert!(idle.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let daemon = Daemon::start().await;
    let mut large = connect(&daemon, [127, 0, 0, 1]).await;
    let header = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(100_000));
    _ = large.write_all(header.as_bytes()).await;
    let answer = rest(large).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    let mut many = connect(&daemon, [127, 0, 0, 1]).await;
    let headers: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    _ = many.write_all(format!("GET /health HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
    let answer = rest(many).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    daemon.get("/health").await.ok();
}

#[tokio::test]
async fn a_body_that_never_comes_is_a_408() {
    let daemon = Daemon::start().await;
    let mut stream = connect(&daemon, [127, 0, 0, 1]).await;
    let head = "POST /security/blacklist HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"ip\":";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_stop_lets_the_answers_that_have_begun_finish() {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    switch.set_api_delay(Duration::from_millis(300));
    let port = switch.addr().port();
    let mut daemon = Daemon::with(Kernel::None, |config| config.switches[0].port = port).await;
    let mut idle = connect(&daemon, [127, 0, 0, 1]).await;
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let command = daemon.ask("POST", "/security/esl/command").body(r#"{"command": "status"}"#);
    let asked = tokio::spawn(command.send());
    let sent =
        switch.wait_for_command(Duration::from_secs(60), |received| received.line() == "api status").await;
    assert!(sent.is_some());
    daemon.stop.take().unwrap().send(()).unwrap();
    within(asked).await.unwrap().ok();
    assert!(rest(idle).await.starts_with(b"HTTP/1.1 200"));
    within(daemon.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(daemon.address).await.is_err());
}
