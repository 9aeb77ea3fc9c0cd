//! Requests that no well-behaved client sends: every one is answered, in JSON, with the right 4xx.

use crate::support::{Answer, Daemon, within};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends bytes and reads the one answer, to the end of the connection.
async fn raw(to: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // It may be refused before it is read to the end.
    _ = within(stream.write_all(request)).await;
    let mut bytes = Vec::new();
    _ = within(stream.read_to_end(&mut bytes)).await;
    let at = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {bytes:?}"));
    let head = std::str::from_utf8(&bytes[..at]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    let answer = Answer {
        status,
        headers: lines.map(header).collect(),
        body: Bytes::copy_from_slice(&bytes[at + 4..]),
    };
    let length = answer.headers["content-length"].to_str().unwrap().parse::<usize>().unwrap();
    assert_eq!(length, answer.body.len());
    answer
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn what_is_no_http_is_told_so_in_json() {
    let daemon = Daemon::start().await;
    for request in [
        &b"nonsense\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /heal th HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nna me: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /security/blacklist HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let answer = raw(daemon.address, request).await;
        assert!(!answer.error(400).is_empty());
        assert_eq!(answer.headers["connection"], "close");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    daemon.get("/health").await.ok();
}

#[tokio::test]
async fn a_malformed_request_after_good_ones_is_told_so_too() {
    let daemon = Daemon::start().await;
    let mut stream = TcpStream::connect(daemon.address).await.unwrap();
    for _ in 0..3 {
        within(stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") {
            seen.push(within(stream.read_u8()).await.unwrap());
        }
    }
    within(stream.write_all(b"nonsense\r\n\r\n")).await.unwrap();
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 400 ") && rest.ends_with("\"}"), "{rest}");
    assert!(rest.contains("\r\n\r\n{\"error\":\""));
}

#[tokio::test]
async fn floods_of_headers_are_431_and_long_paths_are_404_or_414() {
    let daemon = Daemon::start().await;
    let many: String = (0..65).map(|number| format!("x-{number}: y\r\n")).collect();
    raw(daemon.address, &get("/health", &many)).await.error(431);
    let long = format!("x: {}\r\n", "y".repeat(200_000));
    raw(daemon.address, &get("/health", &long)).await.error(431);
    for length in [100, 5_000, 20_000] {
        raw(daemon.address, &get(&format!("/{}", "x".repeat(length)), "")).await.error(404);
        let place = format!("/security/blacklist/{}", "1".repeat(length));
        raw(daemon.address, &get(&place, "")).await.error(400);
        raw(daemon.address, &get(&format!("/health?{}", "x".repeat(length)), "")).await.ok();
    }
    let answer = raw(daemon.address, &get(&format!("/{}", "x".repeat(200_000)), "")).await;
    assert!([414, 431].contains(&answer.status));
    answer.error(answer.status);
    daemon.get("/health").await.ok();
}

#[tokio::test]
async fn tricks_with_percent_signs_lead_nowhere() {
    let daemon = Daemon::start().await;
    for (path, status) in [
        ("/security/../health", 404),
        ("/security/%2e%2e/health", 404),
        ("/security%2fblacklist", 404),
        ("/%2fhealth", 404),
        ("//health", 404),
        ("/health%00", 404),
        ("/health;x=1", 404),
        ("/./health", 404),
        ("/he%61lth", 404),
        ("/docs/../openapi.json", 404),
        ("/docs/%2e%2e%2fpage.css", 404),
        ("/docs//etc/passwd", 404),
        ("/security/blacklist/%2e%2e", 400),
        ("/security/blacklist/%2e%2e%2fstatus", 400),
        ("/security/blacklist/../status", 400),
        ("/security/blacklist/%00", 400),
        ("/security/blacklist/203.0.113.5%00", 400),
        ("/security/blacklist/203.0.113.0%252f24", 400),
        ("/security/blacklist/%ff", 400),
        ("/security/blacklist/%c3%28", 400),
        ("/security/blacklist/%", 400),
        ("/security/blacklist/%zz", 400),
        ("/security/blacklist/%u0041", 400),
        ("/security/whitelist/%2e%2e", 400),
        ("/security/why/%2e%2e", 400),
        ("/security/untrusted-networks/test/%ff", 400),
    ] {
        let answer = raw(daemon.address, &get(path, "")).await;
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.error(status);
    }
    // A blank around an address is none of it, and a slash may be written either way.
    for path in ["203.0.113.5%20", "203.0.113.0%2f24", "203.0.113.0%2F24", "203.0.113.0/24"] {
        raw(daemon.address, &get(&format!("/security/blacklist/{path}"), "")).await.ok();
    }
}

#[tokio::test]
async fn other_forms_of_a_request_line_are_answered() {
    let daemon = Daemon::start().await;
    let to = daemon.address;
    raw(to, b"GET http://x/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.ok();
    raw(to, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.error(404);
    raw(to, b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.error(404);
    raw(to, b"get /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.error(405);
    raw(to, b"GET /health HTTP/1.0\r\n\r\n").await.ok();
}
