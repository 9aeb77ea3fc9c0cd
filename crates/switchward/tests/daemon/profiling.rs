//! The profiling listener: real profiles of the real program, and who gets none.

use crate::support::{Stage, eventually, traffic};
use flate2::read::GzDecoder;
use pprof::protos::{Message, Profile};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const ON: &str = "server.pprof_enabled = true";

/// Status, headers and body of an answer of the listener.
fn ask(method: &str, path: &str, host: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect("127.0.0.1:6060").unwrap();
    stream.set_read_timeout(Some(crate::support::DEADLINE)).unwrap();
    let host = if host.is_empty() { String::new() } else { format!("Host: {host}\r\n") };
    write!(stream, "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}

/// A profile that must be one.
fn profile(path: &str) -> Profile {
    let (status, head, body) = ask("GET", path, "127.0.0.1:6060");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert!(head.contains("application/octet-stream"), "{head}");
    let mut plain = Vec::new();
    GzDecoder::new(body.as_slice()).read_to_end(&mut plain).unwrap();
    assert!(!String::from_utf8_lossy(&plain).contains(crate::support::PASSWORD));
    Profile::decode(plain.as_slice()).unwrap()
}

fn kind(profile: &Profile, number: usize) -> &str {
    let kind = &profile.sample_type[number];
    &profile.string_table[usize::try_from(kind.ty).unwrap()]
}

#[test]
fn a_cpu_profile_names_what_ran_and_is_taken_alone() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start(ON);
    daemon.wait_for_switch();
    let events = traffic::flood(&switch, traffic::sources(0, 200));
    let taken = std::thread::spawn(|| profile("/debug/pprof/profile?seconds=3"));
    daemon.log.wait_for("a CPU profile begins");
    for path in ["/debug/pprof/profile?seconds=1", "/debug/pprof/heap"] {
        let (status, _, body) = ask("GET", path, "localhost:6060");
        let body = String::from_utf8(body).unwrap();
        assert!(status == 429 && body.starts_with("{\"error\":"), "{path}: {status} {body}");
    }
    // Something to see.
    let start = Instant::now();
    while !taken.is_finished() && start.elapsed() < Duration::from_secs(20) {
        traffic::send(&switch, &events);
        daemon.http.get("/security/overview");
    }
    let profile = taken.join().unwrap();
    assert_eq!((kind(&profile, 0), kind(&profile, 1)), ("samples", "cpu"));
    assert!(!profile.sample.is_empty(), "nothing ran in three seconds");
    assert!(
        profile.string_table.iter().any(|name| name.contains("switchward")),
        "{:?}",
        profile.string_table
    );
    // Its turn is over.
    eventually("the next gets its profile", || ask("GET", "/debug/pprof/heap", "localhost").0 == 200);
}

#[test]
fn a_heap_profile_is_one() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start(ON);
    daemon.wait_for_switch();
    // More than jemalloc's sampling passes by.
    let flood = traffic::flood(&switch, traffic::sources(0, 3000));
    traffic::send(&switch, &flood);
    eventually("the flood is banned", || daemon.http.bans() == 3000);
    let profile = profile("/debug/pprof/heap");
    assert_eq!(kind(&profile, 0), "inuse_space");
    assert!(!profile.sample.is_empty());
    assert!(profile.sample.iter().any(|sample| sample.value[0] > 0));
}

#[test]
fn what_is_no_question_of_home_is_refused_as_json() {
    let stage = Stage::new();
    let mut daemon = stage.start(ON);
    for (method, path, host, status) in [
        ("GET", "/debug/pprof/", "127.0.0.1:6060", 200),
        ("GET", "/debug/pprof/", "[::1]:6060", 200),
        ("GET", "/debug/pprof/", "rebound.example:6060", 403),
        ("GET", "/debug/pprof/heap", "rebound.example", 403),
        ("GET", "/debug/pprof/", "", 403),
        ("POST", "/debug/pprof/heap", "127.0.0.1", 405),
        ("DELETE", "/debug/pprof/profile", "127.0.0.1", 405),
        ("GET", "/debug/pprof/profile?seconds=0", "127.0.0.1", 400),
        ("GET", "/debug/pprof/profile?seconds=121", "127.0.0.1", 400),
        ("GET", "/debug/pprof/profile?seconds=-1", "127.0.0.1", 400),
        ("GET", "/debug/pprof/profile?seconds=1&seconds=2", "127.0.0.1", 400),
        ("GET", "/debug/pprof/profile?second=1", "127.0.0.1", 400),
        ("GET", "/debug/pprof/cmdline", "127.0.0.1", 404),
        ("GET", "/security/status", "127.0.0.1", 404),
    ] {
        let (found, _, body) = ask(method, path, host);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(found, status, "{method} {path} {host}: {body}");
        assert!(status == 200 || body.starts_with("{\"error\":"), "{method} {path} {host}: {body}");
    }
    // A profile that runs holds no stop up.
    let asked = std::thread::spawn(|| {
        let mut stream = TcpStream::connect("127.0.0.1:6060").unwrap();
        write!(stream, "GET /debug/pprof/profile?seconds=120 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    daemon.log.wait_for("a CPU profile begins");
    assert!(daemon.terminate().success());
    _ = asked.join().unwrap();
}

#[test]
fn profiles_are_for_loopback_and_only_when_asked_for() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(TcpStream::connect("127.0.0.1:6060").is_err());
    assert_eq!(daemon.http.ask("GET", "/debug/pprof/", "").unwrap().0, 404);
    drop(daemon);
    let file = stage.configure("server.pprof_enabled = true\nserver.pprof_addr = \"0.0.0.0:6060\"");
    let said = stage.run(&["run", "--config", file.to_str().unwrap()]).with(64);
    assert!(said.contains("loopback"), "{said}");
    stage.configure("server.pprof_enabled = true\nserver.pprof_addr = \"127.0.0.1:8088\"");
    let said = stage.run(&["run", "--config", file.to_str().unwrap()]).with(69);
    assert!(said.contains("server.pprof_addr"), "{said}");
}
