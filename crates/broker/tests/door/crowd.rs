//! Many clients, some of them stuck, under more events than they can take: everybody else gets everything.

use crate::support::*;
use broker::door::Settings;
use simswitch::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

fn numbered(number: usize, fill: usize) -> Event {
    event("TALK", number, fill)
}

fn event(name: &str, number: usize, fill: usize) -> Event {
    let text = format!("Event-Name: {name}\nNumber: {number}\nFill: {}\n\n", "x".repeat(fill));
    Event::from_plain(text.into_bytes()).unwrap()
}

fn number(text: &str, name: &str) -> Option<usize> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
}

#[tokio::test]
async fn whoever_does_not_read_loses_events_and_is_told_exactly_how_many() {
    let site = Site::with(Settings { queue: 50, ..Settings::default() }).await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK").await;
    // More than the kernel holds between two sockets.
    const EVENTS: usize = 2000;
    for at in 0..EVENTS {
        site.switch.emit(&numbered(at, 20_000));
    }
    until(|| site.door.clients()[0].missed > 0).await;
    // What came, and what was missed, is together all; the gap is where it is said to be.
    let (mut expected, mut missed) = (0, 0);
    while expected < EVENTS {
        let told = client.event().await.body;
        if let Some(many) = number(&told, "Missed") {
            assert!(told.contains("switchward%3A%3Amissed"));
            (expected, missed) = (expected + many, missed + many);
        } else {
            assert_eq!(number(&told, "Number"), Some(expected), "after {missed} missed");
            expected += 1;
        }
    }
    assert!(missed > 0);
    assert_eq!(site.door.clients()[0].missed, missed as u64);
}

#[tokio::test]
async fn whoever_reads_the_log_alone_is_told_by_a_line_of_it() {
    let site = Site::with(Settings { queue: 20, ..Settings::default() }).await;
    let mut client = site.client("admin").await;
    client.ask("log 7").await;
    let text = "x".repeat(20_000) + "\n";
    let line = format!("Content-Type: log/data\nContent-Length: {}\nLog-Level: 5\n\n{text}", text.len());
    const LINES: usize = 1500;
    for _ in 0..LINES {
        site.switch.write_raw(line.as_bytes());
    }
    until(|| site.door.clients()[0].missed > 0).await;
    let (mut read, mut missed) = (0, 0);
    while read + missed < LINES {
        let told = client.event().await.body;
        match told.split_once(" lines of the log were missed") {
            Some((many, _)) => missed += many.parse::<usize>().unwrap(),
            None => read += 1,
        }
    }
    assert!(read > 0 && missed > 0);
}

#[tokio::test]
async fn a_queue_that_is_full_of_bytes_is_told_of_exactly_too() {
    // Four events, and what is left is too little for anything else.
    let site = Site::with(Settings { queue_bytes: 80_600, ..Settings::default() }).await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK").await;
    const EVENTS: usize = 2000;
    for at in 0..EVENTS {
        site.switch.emit(&numbered(at, 20_000));
        // Bit by bit, so that there is time to tell too early.
        if at % 20 == 0 {
            until(|| site.desk.switches()[0].upstream.counts().events > at as u64).await;
        }
    }
    let (mut expected, mut missed) = (0, 0);
    while expected < EVENTS {
        let told = client.event().await.body;
        if let Some(many) = number(&told, "Missed") {
            (expected, missed) = (expected + many, missed + many);
        } else {
            assert_eq!(number(&told, "Number"), Some(expected), "after {missed} missed");
            expected += 1;
        }
    }
    assert!(missed > 0);
    assert_eq!(site.door.clients()[0].missed, missed as u64);
}

#[tokio::test]
async fn whoever_does_not_read_for_too_long_is_cut_off() {
    let stuck = Duration::from_millis(100);
    let site = Site::with(Settings { queue: 50, stuck, ..Settings::default() }).await;
    let mut client = site.client("monitor").await;
    client.ask("event plain TALK").await;
    for at in 0..2000 {
        site.switch.emit(&numbered(at, 20_000));
    }
    until(|| site.door.clients().is_empty()).await;
    assert_eq!(site.door.counts.cut_off.load(Relaxed), 1);
}

#[tokio::test]
async fn two_hundred_clients_of_which_twenty_are_stuck() {
    const CLIENTS: usize = 200;
    const STUCK: usize = 20;
    const EVENTS: usize = 60;
    let site = Site::with(Settings { queue: 1000, queue_bytes: 256 << 10, ..Settings::default() }).await;
    let (mut readers, mut stuck) = (Vec::new(), Vec::new());
    for at in 0..CLIENTS {
        let mut client = site.client(if at % 2 == 0 { "monitor" } else { "admin" }).await;
        let format = ["plain", "json", "xml"][at % 3];
        // The stuck ones also want what is large, so that what the kernel holds for them is soon full.
        let names = if at < STUCK { "TALK DTMF" } else { "TALK" };
        client.ask(&format!("event {format} {names}")).await;
        if at < STUCK { stuck.push(client) } else { readers.push(client) }
    }
    let seen: Arc<Vec<AtomicUsize>> = Arc::new(readers.iter().map(|_| AtomicUsize::new(0)).collect());
    let reading: Vec<_> = readers
        .into_iter()
        .enumerate()
        .map(|(at, mut client)| {
            let seen = seen.clone();
            tokio::spawn(async move {
                for _ in 0..EVENTS {
                    let told = client.event().await;
                    assert!(!told.body.contains("missed"), "a reader missed something: {}", told.body);
                    seen[at].fetch_add(1, Relaxed);
                }
                // And its commands are answered, whatever the others do.
                assert!(client.ask("api status").await.body.starts_with("UP "));
                client
            })
        })
        .collect();
    for at in 0..EVENTS {
        site.switch.emit(&event("DTMF", at, 200_000));
        site.switch.emit(&numbered(at, 500));
        // As fast as those who read can take it: what is asked is whom the stuck ones hold up, not how fast this machine is.
        until(|| seen.iter().all(|seen| seen.load(Relaxed) + 4 > at)).await;
    }
    let mut readers = Vec::new();
    for reader in reading {
        readers.push(reader.await.unwrap());
    }
    let clients = site.door.clients();
    assert_eq!(clients.len(), CLIENTS);
    let missed: Vec<u64> = clients.iter().map(|client| client.missed).collect();
    assert!(missed[..STUCK].iter().all(|missed| *missed > 0), "the stuck ones: {:?}", &missed[..STUCK]);
    assert!(missed[STUCK..].iter().all(|missed| *missed == 0));
    // The switch never saw anybody lag.
    assert_eq!(site.desk.switches()[0].upstream.counts().gaps, 0);
}
