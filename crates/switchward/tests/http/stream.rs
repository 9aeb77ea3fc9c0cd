//! The live stream, over real connections.

use crate::support::{Answer, Daemon, Kernel, within};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::IpAddr;
use switchward::http::stream::{NAMES, StreamItem};
use switchward::monitor::streams::{MOST, MOST_OF_ONE};
use switchward::news::{Event, KEPT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// An event as it came.
#[derive(Clone, Debug)]
struct Told {
    name: String,
    id: u64,
    data: Value,
}

/// A reader of the stream.
struct Reader {
    headers: HeaderMap,
    body: Incoming,
    text: String,
    last: u64,
}

impl Reader {
    async fn open(daemon: &Daemon, query: &str, last: Option<u64>) -> Reader {
        Reader::from(daemon, [127, 0, 0, 1], query, last).await.unwrap()
    }

    async fn from(daemon: &Daemon, ip: [u8; 4], query: &str, last: Option<u64>) -> Result<Reader, u16> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(ip), 0).into()).unwrap();
        let stream = socket.connect(daemon.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get(format!("/stream{query}")).header("Host", daemon.address.to_string());
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response =
            within(sender.send_request(request.body(Empty::<Bytes>::new()).unwrap())).await.unwrap();
        if response.status() != 200 {
            return Err(response.status().as_u16());
        }
        let (parts, body) = response.into_parts();
        let mut reader = Reader { headers: parts.headers, body, text: String::new(), last: 0 };
        // The first block tells where the reader stands.
        reader.block().await.unwrap();
        Ok(reader)
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<Vec<(String, String)>> {
        while !self.text.contains("\n\n") {
            let frame = within(self.body.frame()).await?.ok()?;
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        let (block, rest) = self.text.split_once("\n\n").unwrap();
        let lines: Vec<_> = block.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let lines: Vec<_> =
            lines.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.text = rest.to_owned();
        if let Some((_, id)) = lines.iter().find(|(name, _)| name == "id") {
            self.last = id.parse().unwrap();
        }
        Some(lines)
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            let lines = self.block().await?;
            let field =
                |wanted: &str| lines.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let Some(name) = field("event") else { continue };
            let data = field("data").unwrap();
            let item = StreamItem::parse(&name, &data).unwrap();
            assert_eq!(serde_json::to_value(&item).unwrap(), serde_json::from_str::<Value>(&data).unwrap());
            return Some(Told { name, id: self.last, data: serde_json::from_str(&data).unwrap() });
        }
    }
}

fn told(daemon: &Daemon, switch: impl Into<String>) {
    let event = Event::Switch { switch: switch.into(), connected: true, trouble: String::new() };
    daemon.app.mirror.news().tell(event);
}

async fn order(daemon: &Daemon, ip: &str) -> Answer {
    daemon.post("/security/blacklist", &json!({"ip": ip, "reason": "by \"hand\"\nand foot"})).await
}

const NO_COUNTERS: &str =
    "?events=ban,unban,expired,allow,disallow,would-ban,hang-up,alert,switch,alarm,missed";

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let daemon = Daemon::start().await;
    let mut reader = Reader::open(&daemon, NO_COUNTERS, None).await;
    assert_eq!(reader.headers["content-type"], "text/event-stream");
    assert_eq!(reader.headers["cache-control"], "no-store");
    assert_eq!(reader.headers["x-accel-buffering"], "no");
    order(&daemon, "198.51.100.7").await.ok();
    let ban = reader.next().await.unwrap();
    assert_eq!((ban.name.as_str(), &ban.data["target"]), ("ban", &json!("198.51.100.7")));
    assert_eq!(
        (&ban.data["reason"], &ban.data["rule"]),
        (&json!("by \"hand\"\\u{a}and foot"), &json!("operator"))
    );
    assert_eq!(ban.data["madeBy"], "operator 127.0.0.1");
    daemon.delete("/security/blacklist/198.51.100.7").await.ok();
    let unban = reader.next().await.unwrap();
    assert_eq!((unban.name.as_str(), unban.id), ("unban", ban.id + 1));
    assert_eq!(unban.data["liftedBy"], "operator 127.0.0.1");
    daemon.post("/security/whitelist", &json!({"ip": "2001:db8::1"})).await.ok();
    let allow = reader.next().await.unwrap();
    assert_eq!((allow.name.as_str(), &allow.data["target"]), ("allow", &json!("2001:db8::/64")));
    daemon.refuse("203.0.113.9", "1000\u{2028}data: forged", 5);
    let ban = reader.next().await.unwrap();
    assert_eq!((ban.name.as_str(), &ban.data["evidence"]), ("ban", &json!("likely")));
    assert_eq!((&ban.data["madeBy"], &ban.data["count"]), (&json!("guard"), &json!(5)));
}

#[tokio::test]
async fn a_ban_of_a_dry_run_says_that_nothing_is_dropped() {
    for (kernel, is_dry) in [(Kernel::None, false), (Kernel::Dry, true)] {
        let daemon = Daemon::with(kernel, |_| {}).await;
        let mut reader = Reader::open(&daemon, NO_COUNTERS, None).await;
        order(&daemon, "203.0.113.5").await.ok();
        assert_eq!(reader.next().await.unwrap().data["dryRun"], is_dry);
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let daemon = Daemon::start().await;
    let mut reader = Reader::open(&daemon, "?events=unban,switch", None).await;
    order(&daemon, "198.51.100.7").await.ok();
    told(&daemon, "north");
    let first = reader.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["switch"]), ("switch", &json!("north")));
    for query in [
        "?events=bans",
        "?interval=5",
        "?interval=1ms",
        "?events=ban&interval=2h",
        "?last_event_id=x",
        "?every=1s",
    ] {
        daemon.get(&format!("/stream{query}")).await.error(400);
    }
    daemon.ask("GET", "/stream").header("Last-Event-ID", "-1").send().await.error(400);
    let names = daemon.get("/stream?events=x").await.error(400);
    assert!(NAMES.iter().all(|name| names.contains(name)), "{names}");
}

#[tokio::test]
async fn counters_come_again_and_again() {
    let daemon = Daemon::start().await;
    let mut reader = Reader::open(&daemon, "?interval=100ms", None).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["bans"]), ("counters", &json!(0)));
    assert_eq!(first.data["streams"], 1);
    daemon.refuse("203.0.113.9", "1000", 5);
    let mut next = reader.next().await.unwrap();
    while next.data["bans"] != 1 {
        next = reader.next().await.unwrap();
    }
    assert!(next.name == "ban" || next.data["failed"] == 5, "{next:?}");
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let daemon = Daemon::start().await;
    let mut reader = Reader::open(&daemon, NO_COUNTERS, None).await;
    let start = reader.last;
    (0..10).for_each(|number| told(&daemon, number.to_string()));
    for _ in 0..5 {
        reader.next().await.unwrap();
    }
    let last = reader.last;
    drop(reader);
    for again in [
        Reader::open(&daemon, NO_COUNTERS, Some(last)).await,
        Reader::open(&daemon, &format!("{NO_COUNTERS}&last_event_id={last}"), None).await,
        // The header wins: a browser comes back with it to the same address.
        Reader::open(&daemon, &format!("{NO_COUNTERS}&last_event_id={start}"), Some(last)).await,
    ] {
        let mut again = again;
        let next = again.next().await.unwrap();
        assert_eq!((next.id, &next.data["switch"]), (last + 1, &json!("5")));
    }
    // One that had heard nothing yet has missed nothing either.
    let mut again = Reader::open(&daemon, NO_COUNTERS, Some(start)).await;
    assert_eq!(again.next().await.unwrap().data["switch"], "0");
}

#[tokio::test]
async fn a_gap_is_told() {
    let daemon = Daemon::start().await;
    let start = Reader::open(&daemon, NO_COUNTERS, None).await.last;
    (0..KEPT + 7).for_each(|number| told(&daemon, number.to_string()));
    let mut reader = Reader::open(&daemon, NO_COUNTERS, Some(start)).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["items"]), ("missed", &json!(7)));
    assert_eq!(reader.next().await.unwrap().data["switch"], "7");
    // A number of an earlier run: nobody knows how many there were.
    let mut reader = Reader::open(&daemon, NO_COUNTERS, Some(start - 1_000_000)).await;
    let first = reader.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["items"]), ("missed", &Value::Null));
    assert_eq!(reader.next().await.unwrap().data["switch"], "7");
}

#[tokio::test]
async fn there_are_only_so_many_streams_and_a_peer_has_a_share() {
    let daemon = Daemon::start().await;
    let mut open = Vec::new();
    for _ in 0..MOST_OF_ONE {
        open.push(Reader::from(&daemon, [127, 0, 0, 2], "", None).await.unwrap());
    }
    assert_eq!(Reader::from(&daemon, [127, 0, 0, 2], "", None).await.err(), Some(503));
    for peer in 3.. {
        let more = Reader::from(&daemon, [127, 0, 0, peer], "", None).await;
        let Ok(more) = more else { break };
        open.push(more);
    }
    assert_eq!(open.len(), MOST);
    daemon.get("/stream").await.error(503);
    drop(open);
    // Those that have gone are noticed.
    let again = async {
        while Reader::from(&daemon, [127, 0, 0, 2], "", None).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    within(again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_cut_off_and_the_others_go_on() {
    let daemon = Daemon::start().await;
    let mut slow = TcpStream::connect(daemon.address).await.unwrap();
    slow.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut good = Reader::open(&daemon, NO_COUNTERS, None).await;
    // More than the system's buffers take; the good reader keeps up.
    let fat = "x".repeat(10_000);
    let streams = &daemon.app.monitor.streams;
    let mut number = 0;
    while streams.cut_off.value() == 0 {
        told(&daemon, format!("{number} {fat}"));
        let next = within(good.next()).await.expect("the good reader was cut off");
        assert!(next.data["switch"].as_str().unwrap().starts_with(&format!("{number} ")));
        number += 1;
        if number > 3_000 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    let mut rest = Vec::new();
    // A reset is an end, too.
    _ = within(slow.read_to_end(&mut rest)).await;
    assert_eq!((streams.cut_off.value(), streams.count()), (1, 1));
}

#[tokio::test]
async fn a_stop_ends_the_streams_at_once() {
    let mut daemon = Daemon::start().await;
    let mut reader = Reader::open(&daemon, NO_COUNTERS, None).await;
    let mut idle = TcpStream::connect(daemon.address).await.unwrap();
    idle.write_all(b"GET /stream?interval=1h HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let both = async {
        while daemon.app.monitor.streams.count() < 2 {
            tokio::task::yield_now().await;
        }
    };
    within(both).await;
    let begun = std::time::Instant::now();
    daemon.stop.take().unwrap().send(()).unwrap();
    while reader.next().await.is_some() {}
    let mut rest = Vec::new();
    within(idle.read_to_end(&mut rest)).await.unwrap();
    within(daemon.served).await.unwrap().unwrap();
    println!("the stop took {:?}", begun.elapsed());
    assert!(rest.ends_with(b"0\r\n\r\n"), "an answer that is whole: {}", String::from_utf8_lossy(&rest));
}
