//! Every client of `api.txt` talks to the simulated switch, which must answer what the real one answered.
//!
//! Times, UUIDs and counters differ and are made equal first; everything else is compared byte for byte. What made
//! the real switch send an event (another client, a call) is done here before the event is read.

use crate::{
    client::{RawClient, RawFrame, split},
    files,
};
use esl::server::{AuthTimeout, ServerConfig};
use regex_lite::Regex;
use simswitch::{Action, ActorId, Client, Config, Credentials, SimSwitch, Step};
use std::time::Duration;

#[tokio::test]
async fn every_transcript_of_the_real_switch_is_answered_alike() {
    let text = simswitch::read(&files::path("api.txt.zst")).unwrap();
    let sections = parse(&text);
    assert_eq!(sections.len(), 28, "api.txt has changed");
    let replay = Replay::new();
    let mut compared = 0;
    for section in &sections {
        compared += replay.section(section).await;
    }
    assert_eq!(compared, 255, "so many frames of api.txt were compared");
}

struct Section {
    title: String,
    steps: Vec<Turn>,
}

enum Turn {
    Comment(String),
    Client(Vec<u8>),
    Server(Vec<RawFrame>),
}

fn parse(mut text: &[u8]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    while let Some(end) = text.iter().position(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(&text[..end]).into_owned();
        text = &text[end + 1..];
        if let Some(title) = line.strip_prefix("=== ") {
            sections.push(Section { title: title.into(), steps: Vec::new() });
            continue;
        }
        let mut sized = || {
            let length: usize = line.split(' ').nth(2).unwrap().parse().unwrap();
            let (bytes, rest) = text.split_at(length);
            text = &rest[1..];
            bytes.to_vec()
        };
        let turn = if let Some(comment) = line.strip_prefix("--- ") {
            Turn::Comment(comment.into())
        } else if line.starts_with(">>> client") {
            Turn::Client(sized())
        } else if line.starts_with("<<< server") {
            Turn::Server(frames(&sized()))
        } else {
            continue;
        };
        sections.last_mut().unwrap().steps.push(turn);
    }
    sections
}

fn frames(mut bytes: &[u8]) -> Vec<RawFrame> {
    let mut frames = Vec::new();
    while let Some((frame, length)) = split(bytes) {
        frames.push(frame);
        bytes = &bytes[length..];
    }
    assert!(bytes.iter().all(|&b| b == b'\n'), "a whole number of frames");
    frames
}

struct Replay {
    patterns: Vec<(Regex, &'static str)>,
}

impl Replay {
    fn new() -> Self {
        let patterns = [
            ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
            (r"Content-Length: \d+", "Content-Length: N"),
            (r"UP 0 years[^\n]*", "UP"),
            (r"\d+ session\(s\) since", "N session(s) since"),
            (r"peak \d+, last 5min \d+", "peak N, last 5min N"),
            (r"\d+ session\(s\) per Sec out of", "N session(s) per Sec out of"),
            (r"min idle cpu [0-9./]+", "min idle cpu"),
            (r"\d+\.\d+% \[WARNING\]", "[WARNING]"),
            (r"(Event-Sequence|Up-Time|Uptime-msec|Session-[A-Za-z-]+|Idle-CPU): [^\n]*", "$1: N"),
            (r#""Event-Sequence":"\d+""#, "Sequence"),
            (r"<Event-Sequence>\d+", "Sequence"),
            (r"EXPSECS\(\d+\)|expsecs\(\d+\)", "EXPSECS"),
            (r"\d{4}-\d\d-\d\d( |%20)\d\d(:|%3A)\d\d(:|%3A)\d\d(\.\d+)?", "STAMP"),
            (
                r"[A-Z][a-z]{2},( |%20)\d\d( |%20)[A-Z][a-z]{2}( |%20)\d{4}( |%20)\d\d(:|%3A)\d\d(:|%3A)\d\d",
                "DATE",
            ),
            (r"\b1[78]\d{8}(\d{6})?\b", "TIME"),
            // The answer to `uptime` is nothing but a number.
            (r"(^|\n\n)\d+\n$", "${1}NUMBER\n"),
        ];
        let patterns = patterns.map(|(pattern, with)| (Regex::new(pattern).unwrap(), with));
        Self { patterns: patterns.into() }
    }

    fn normal(&self, text: &str) -> String {
        let start = text.to_owned();
        self.patterns
            .iter()
            .fold(start, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
    }

    /// Gives how many frames were compared.
    async fn section(&self, section: &Section) -> usize {
        let auth_timeout = if section.title.contains("no auth for 25") {
            AuthTimeout::FirstCommand(Duration::from_millis(50))
        } else {
            ServerConfig::default().auth_timeout
        };
        let server = ServerConfig { auth_timeout, linger: Duration::from_secs(1), ..ServerConfig::default() };
        let switch = SimSwitch::bind(Config { server, heartbeat: None, ..Config::default() }).await.unwrap();
        switch.set_refusing(section.title.starts_with("ACL denied"));
        switch.act(&phone("1000", Credentials::Fresh));
        let mut other = RawClient::connect(&switch).await;
        if !section.title.starts_with("ACL denied") {
            other = RawClient::logged_in(&switch).await;
        }
        let mut client = RawClient::connect(&switch).await;
        let mut compared = 0;
        for turn in &section.steps {
            match turn {
                Turn::Client(bytes) => client.send(bytes).await,
                Turn::Server(frames) => {
                    for (n, expected) in frames.iter().enumerate() {
                        provoke(&switch, &mut other, expected, n == 0).await;
                        self.compare(&section.title, expected, &client.frame().await);
                        compared += 1;
                    }
                }
                Turn::Comment(comment) => self.comment(comment, &switch, &mut other, &mut client).await,
            }
        }
        compared
    }

    async fn comment(
        &self,
        comment: &str,
        switch: &SimSwitch,
        other: &mut RawClient,
        client: &mut RawClient,
    ) {
        match comment {
            "one call to 9196 is up" => {
                switch.act(&call(Some(Duration::from_secs(600))));
                // It is answered by a task of its own.
                while !other.command("api show channels").await.body_text().contains("ACTIVE") {}
            }
            comment if comment.contains("filtered out") || comment.contains("not delivered") => {
                send_test_event(other, "three-and-a-half").await;
            }
            comment if comment.contains("a call was made: nothing") => switch.act(&call(None)),
            comment if comment.contains("a registration was made: nothing") => {
                switch.act(&phone("1005", Credentials::Fresh));
            }
            "server closed the connection" => assert_eq!(client.next().await, None),
            "client closed the connection" => {
                // The other side notices; it must survive that.
                client.stream.set_nodelay(true).unwrap();
            }
            _ => {}
        }
    }

    fn compare(&self, title: &str, expected: &RawFrame, found: &RawFrame) {
        assert_eq!(self.normal(&found.head), self.normal(&expected.head), "in {title:?}: {expected:?}");
        if expected.event_header("Event-Name").is_some_and(|name| name.starts_with("CHANNEL_")) {
            // Another call: the same headers with other values.
            assert_eq!(names(found), names(expected), "in {title:?}");
            return;
        }
        let (found, expected) = (self.normal(&found.body_text()), self.normal(&expected.body_text()));
        assert_eq!(found, expected, "in {title:?}");
    }
}

fn names(frame: &RawFrame) -> Vec<String> {
    frame.body_text().lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.into()).collect()
}

/// Does what makes the switch send this frame, if it does not come by itself.
async fn provoke(switch: &SimSwitch, other: &mut RawClient, expected: &RawFrame, first: bool) {
    let text = expected.body_text();
    if text.contains("Event-Name: HEARTBEAT") {
        switch.beat();
    } else if text.contains("Event-Name: CHANNEL_CREATE") {
        switch.act(&call(None));
    } else if expected.head.contains("log/data") && first {
        let mut step = phone("1001", Credentials::Wrong);
        step.source = "127.0.66.2:5060".parse().unwrap();
        switch.act(&step);
    } else if text.contains("lab%3A%3Atest") || text.contains("lab::test") {
        let tags = ["one", "two", "three", "four", "five", "regex"];
        let tag = tags.iter().find(|tag| {
            let forms = [format!("Tag: {tag}\n"), format!("\"Tag\":\"{tag}\""), format!("<Tag>{tag}</Tag>")];
            forms.iter().any(|form| text.contains(form))
        });
        send_test_event(other, tag.expect("a known tag")).await;
    }
}

async fn send_test_event(client: &mut RawClient, tag: &str) {
    let event = format!("sendevent CUSTOM\nEvent-Subclass: lab::test\nTag: {tag}\nnetwork-ip: 127.0.66.1");
    let reply = client.command(&event).await;
    assert!(reply.head.contains("+OK "), "{reply:?}");
}

/// 1000 calls the echo extension.
fn call(talk: Option<Duration>) -> Step {
    let action = Action::Call {
        client: caller("1000"),
        number: "9196".into(),
        credentials: Credentials::Fresh,
        ring: Duration::ZERO,
        talk,
    };
    Step { action, ..phone("1000", Credentials::Fresh) }
}

fn phone(user: &str, credentials: Credentials) -> Step {
    Step {
        actor: ActorId(0),
        source: "127.0.10.1:5060".parse().unwrap(),
        action: Action::Register { client: caller(user), credentials, expires: 3600 },
    }
}

fn caller(user: &str) -> Client {
    Client {
        user: user.into(),
        call_id: "751cb575cfc5a064@127.0.10.1".into(),
        agent: "Yealink SIP-T46S 66.84.0.15".into(),
    }
}
