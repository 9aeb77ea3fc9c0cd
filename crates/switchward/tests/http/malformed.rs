//! Whatever is asked, the answer is JSON, and never the daemon's fault.

use crate::support::{Answer, Daemon, Kernel, within};
use hyper::body::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BAN: &str = "/security/blacklist";

#[tokio::test]
async fn bad_bodies_are_400() {
    let daemon = Daemon::start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: Vec<&[u8]> = vec![
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b"\"203.0.113.5\"",
        b"{}",
        b"{\"ip\": 5}",
        b"{\"ip\": [\"203.0.113.5\"]}",
        b"{\"ip\": \"203.0.113.5\", \"permanent\": \"yes\"}",
        b"{\"ip\": \"203.0.113.5\"} trailing",
        b"{\"ip\": \"203.0.113.5\", \"ip\": \"203.0.113.6\"}",
        b"{\"ip\": \"203.0.113.5\", \"ttl\": 60}",
        b"{\"ip\": \"\xff\xfe\"}",
        b"ip=203.0.113.5",
        b"<xml/>",
        b"\0\0\0",
        deep.as_bytes(),
    ];
    for body in bodies {
        for path in [BAN, "/security/whitelist"] {
            let body = Bytes::copy_from_slice(body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let text = daemon.ask("POST", path).json().body(body).send().await.error(400);
            assert!(!text.is_empty(), "{path} {shown}");
        }
    }
    for body in ["{}", "[5]", "[[]]", "[{\"ip\": 5}]", "", "null"] {
        daemon.ask("POST", "/security/blacklist/batch").body(body).send().await.error(400);
    }
    assert_eq!(daemon.get(BAN).await.ok(), serde_json::json!({}));
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_413_and_one_of_a_mebibyte_is_read() {
    let daemon = Daemon::start().await;
    let body = |bytes: usize| {
        let frame = r#"{"ip": "203.0.113.5", "reason": ""}"#.len();
        format!(r#"{{"ip": "203.0.113.5", "reason": "{}"}}"#, "x".repeat(bytes - frame))
    };
    daemon.ask("POST", BAN).body(body((1 << 20) + 1)).send().await.error(413);
    assert_eq!(daemon.get(BAN).await.ok(), serde_json::json!({}));
    daemon.ask("POST", BAN).body(body(1 << 20)).send().await.ok();
    // What is kept of a reason is short.
    assert!(daemon.get(BAN).await.body.len() < 2000);
}

#[tokio::test]
async fn a_long_body_of_unknown_length_is_413() {
    let daemon = Daemon::start().await;
    let mut stream = TcpStream::connect(daemon.address).await.unwrap();
    let head = "POST /security/blacklist HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..20 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = vec![0; 12];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn unknown_paths_are_404() {
    let daemon = Daemon::start().await;
    for path in [
        "/",
        "/security",
        "/security/",
        "/security/nothing",
        "/security/blacklist/",
        "/api/v1/ips",
        "/%ff",
        "/health/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            daemon.ask(method, path).send().await.error(404);
        }
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_say_which_are_right() {
    let daemon = Daemon::start().await;
    for (method, path, allow) in [
        ("POST", "/health", "GET,HEAD"),
        ("PUT", "/security/blacklist", "GET,HEAD,POST"),
        ("PATCH", "/security/whitelist", "GET,HEAD,POST"),
        ("GET", "/security/whitelist/batch", "POST"),
        ("POST", "/security/blacklist/203.0.113.5", "GET,HEAD,DELETE,PATCH"),
        ("OPTIONS", "/security/blacklist/203.0.113.5/why", "GET,HEAD"),
        ("DELETE", "/security/blacklist/203.0.113.5/why", "GET,HEAD"),
        ("PUT", "/security/blacklist/198.51.100.0%2F24%2Fwhy", "GET,HEAD"),
        ("GET", "/security/esl/command", "POST"),
        ("GET", "/api/v1/ips/203.0.113.5/block", "DELETE"),
        ("OPTIONS", "/security/stats", "GET,HEAD"),
        ("TRACE", "/security/stats", "GET,HEAD"),
    ] {
        let answer = daemon.ask(method, path).send().await;
        answer.error(405);
        assert_eq!(answer.headers["allow"], allow, "{method} {path}");
    }
}

#[tokio::test]
async fn bad_addresses_in_a_path_are_400() {
    let daemon = Daemon::start().await;
    let bad = [
        "nonsense",
        "1.2.3",
        "256.1.1.1",
        "192.0.2.0%2F33",
        "%20",
        "%00",
        "%ff%fe",
        "..",
        "2001:db8::1:",
        "a%2Fb%2Fc",
    ];
    for ip in bad {
        for list in ["blacklist", "whitelist"] {
            for method in ["GET", "DELETE"] {
                let answer = daemon.ask(method, &format!("/security/{list}/{ip}")).send().await;
                assert_eq!(answer.status, 400, "{method} {list} {ip}");
                answer.error(400);
            }
        }
        daemon.delete(&format!("/api/v1/ips/{ip}/block")).await.error(400);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let daemon = Daemon::start().await;
    let answer = daemon.ask("HEAD", "/security/status").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

/// Requests that are HTTP and otherwise anything.
#[test]
fn no_request_is_answered_with_a_500_or_without_json() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let daemon = runtime.block_on(Daemon::with(Kernel::Dry, |config| config.switches[0].port = 1));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let parts = (method(), path(), kind(), body());
    let result = runner.run(&parts, |(method, path, kind, body)| {
        let answer = runtime.block_on(raw(daemon.address, &method, &path, &kind, &body));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let json: Result<Value, _> = serde_json::from_slice(&answer.body);
        prop_assert!(json.is_ok(), "{} {} {:?}: {} {}", method, path, body, answer.status, text);
        // The contract has a 500 for a command that is not allowed, or with no switch there.
        let by_contract = path.starts_with("/security/esl/command")
            && (text.contains("not allowed") || text.contains("not connected"));
        prop_assert!(
            answer.status < 500 || by_contract,
            "{} {} {:?}: {} {}",
            method,
            path,
            body,
            answer.status,
            text
        );
        prop_assert!(answer.status < 300 || json.is_ok_and(|json| json["error"].is_string()));
        Ok(())
    });
    result.unwrap();
    runtime.block_on(async { daemon.get("/health").await.ok() });
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("GET".to_owned()), 6 => Just("POST".to_owned()), 3 => Just("DELETE".to_owned()),
        1 => Just("PUT".to_owned()), 1 => "[A-Z]{1,8}".prop_filter("of other kinds", |word| word != "HEAD" && word != "CONNECT"),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let known = proptest::sample::select(vec![
        "/health",
        "/system/stats",
        "/security/status",
        "/security/stats",
        "/security/esl",
        "/security/channels",
        "/security/overview",
        "/security/failed",
        "/security/blacklist",
        "/security/blacklist/batch",
        "/security/whitelist",
        "/security/whitelist/batch",
        "/security/untrusted-networks",
        "/security/untrusted-networks/test",
        "/security/esl/command",
        "/security/esl/log-level",
        "/security/why",
        "/api/v1/ips",
        "/security/rate-limit",
        "",
    ]);
    let odd = "(/|[a-z0-9.:-]|%[0-9A-F]{2}|198\\.18\\.0\\.[0-9]|2001:db8::[0-9]|%2F[0-9]{1,3}|\\?|=|&|\\*|[{}\\[\\]~]){0,12}";
    (known, odd)
        .prop_map(|(known, odd)| if odd.is_empty() { known.to_owned() } else { format!("{known}/{odd}") })
        .prop_map(|path| if path.is_empty() { "/".into() } else { path })
}

fn kind() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "\u{e9}",
        "",
    ])
    .prop_map(str::to_owned)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        "198\\.18\\.1\\.[0-9]{1,3}(/[0-9]{1,2})?".prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Array(Vec::new())),
    ];
    let name = proptest::sample::select(vec![
        "ip",
        "reason",
        "permanent",
        "ttl",
        "scope",
        "userId",
        "user_id",
        "domain",
        "pattern",
        "command",
        "level",
        "x",
    ]);
    let object =
        proptest::collection::hash_map(name, value, 0..5).prop_map(|map| serde_json::to_value(map).unwrap());
    prop_oneof![
        4 => object.clone().prop_map(|object| object.to_string().into_bytes()),
        2 => proptest::collection::vec(object, 0..4).prop_map(|list| Value::Array(list).to_string().into_bytes()),
        2 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => "[\\[\\]{},:\"0-9a-z\\\\]{0,60}".prop_map(String::into_bytes),
    ]
}

/// Sends a request byte by byte as it is given, and reads the answer to the end.
async fn raw(to: SocketAddr, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    within(stream.write_all(&request)).await.unwrap();
    let mut bytes = Vec::new();
    within(stream.read_to_end(&mut bytes)).await.unwrap();
    let at = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("{method} {path}: {bytes:?}"));
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, headers: hyper::HeaderMap::new(), body: Bytes::copy_from_slice(&bytes[at + 4..]) }
}
