//! Asking the daemon over HTTP, with nothing of its own code: one connection for each question.

use super::eventually;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

/// A daemon's HTTP interface.
#[derive(Clone)]
pub(crate) struct Http {
    address: String,
}

impl Default for Http {
    fn default() -> Http {
        Http { address: "127.0.0.1:8088".into() }
    }
}

impl Http {
    /// A read that must succeed.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").unwrap();
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// An order that must succeed.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, &body.to_string()).unwrap();
        assert_eq!(status, 200, "POST {path} {body}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Orders a ban. True when it was answered with 200 and without a warning.
    pub(crate) fn ban(&self, target: &str) -> bool {
        let order = json!({"ip": target, "reason": "by the test"}).to_string();
        let answer = self.ask("POST", "/security/blacklist", &order);
        answer.is_ok_and(|(status, body)| status == 200 && !body.contains("warnings"))
    }

    /// The targets of the ledger.
    #[track_caller]
    pub(crate) fn ledger(&self) -> BTreeSet<String> {
        let bans = self.get("/security/blacklist");
        bans.as_object().unwrap().keys().cloned().collect()
    }

    /// How many bans the ledger holds.
    pub(crate) fn bans(&self) -> u64 {
        self.get("/security/status")["blacklistCount"].as_u64().unwrap()
    }

    /// Waits until the ledger holds the ban of a target; gives it.
    #[track_caller]
    pub(crate) fn wait_for_ban(&self, target: &str) -> Value {
        eventually(target, || self.get("/security/blacklist").get(target).is_some());
        self.get("/security/blacklist")[target].clone()
    }

    /// Any question: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(super::DEADLINE))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        understand(&answer).ok_or_else(|| std::io::Error::other("the answer was cut off"))
    }
}

/// Status and body of a whole answer; none when it was cut off (a daemon was killed while it spoke).
fn understand(answer: &[u8]) -> Option<(u16, String)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let mut rest = &answer[end + 4..];
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let line = rest.windows(2).position(|two| two == b"\r\n")?;
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
            let chunk = rest.get(line + 2..line + 2 + length)?;
            rest = rest.get(line + 4 + length..)?;
            if length == 0 {
                break;
            }
            body.extend_from_slice(chunk);
        }
    } else {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        body.extend_from_slice(rest.get(..length)?);
    }
    Some((status, String::from_utf8(body).expect("an answer that is not UTF-8")))
}
