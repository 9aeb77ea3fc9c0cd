//! Captures over real TCP: nothing is lost or altered, and a client that does not read hurts only itself.

use crate::{
    client::{RawClient, SOON},
    files,
};
use esl::{
    Decoder, End, FrameKind, Limits,
    server::{Overflow, QueueLimits, ServerConfig},
};
use simswitch::{Capture, Config, Event, Pace, SimSwitch, Stamps};
use std::time::Duration;

async fn switch(queue: QueueLimits) -> SimSwitch {
    let server = ServerConfig { queue, linger: SOON, ..ServerConfig::default() };
    SimSwitch::bind(Config { server, heartbeat: None, ..Config::default() }).await.unwrap()
}

/// What a client that has subscribed to everything must receive.
fn frames(events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| event.frame(esl::Format::Plain).to_vec()).collect()
}

async fn read_exactly(client: &mut RawClient, length: usize) -> Vec<u8> {
    while client.buffer.len() < length {
        assert!(client.read().await > 0, "the end after {} of {length} bytes", client.buffer.len());
    }
    client.buffer.drain(..length).collect()
}

/// The recording without replies and notices: the event frames as they were sent.
fn recorded_events(capture: &Capture) -> Vec<u8> {
    let mut rest = capture.bytes();
    let mut events = Vec::new();
    while let Some((frame, length)) = crate::client::split(rest) {
        if frame.head.contains("text/event-") {
            let blank = rest.iter().take_while(|&&b| b == b'\n').count();
            events.extend_from_slice(&rest[blank..length]);
        }
        rest = &rest[length..];
    }
    events
}

#[tokio::test]
async fn every_capture_arrives_byte_for_byte_as_fast_as_it_is_read() {
    let switch = switch(QueueLimits::default()).await;
    let mut client = RawClient::subscribed(&switch, "plain ALL").await;
    for name in ["register_ok", "register_fail", "calls", "hostile", "flood_mixed"] {
        let capture = files::capture(&format!("{name}.plain"));
        let expected = recorded_events(&capture);
        let (played, read) = tokio::join!(
            switch.play(capture.events(), Pace::Max, Stamps::Recorded),
            read_exactly(&mut client, expected.len())
        );
        assert_eq!(played.delivered, capture.events().len(), "{name}");
        assert!(read == expected, "{name} was altered");
    }
    client.assert_quiet().await;
}

#[tokio::test]
async fn raw_playing_writes_the_bytes_as_they_are() {
    let switch = switch(QueueLimits::default()).await;
    let mut client = RawClient::subscribed(&switch, "plain HEARTBEAT").await;
    let capture = files::capture("killed_listener_tail.plain");
    switch.play_raw(capture.bytes()).await;
    assert_eq!(read_exactly(&mut client, capture.bytes().len()).await, capture.bytes());
}

#[tokio::test]
async fn a_reader_that_pauses_below_the_limit_loses_nothing() {
    let limits = QueueLimits { events: 8000, ..QueueLimits::default() };
    let switch = switch(limits).await;
    let mut client = RawClient::subscribed(&switch, "plain ALL").await;
    let capture = files::capture("flood_mixed.plain");
    // Two times 8 MB: more than the kernel's buffers hold, so that most of it waits in the queue.
    for _ in 0..2 {
        switch.play(capture.events(), Pace::Flood, Stamps::Recorded).await;
    }
    let expected = frames(capture.events()).repeat(2);
    assert!(read_exactly(&mut client, expected.len()).await == expected);
    client.assert_quiet().await;
}

#[tokio::test]
async fn a_reader_above_the_limit_is_killed_with_the_notice_and_blocks_nobody() {
    let limits =
        QueueLimits { events: 1000, overflow: Overflow::Kill { misses: 100 }, ..QueueLimits::default() };
    let switch = switch(limits).await;
    let mut stuck = RawClient::subscribed(&switch, "plain ALL").await;
    let mut healthy = RawClient::subscribed(&switch, "plain ALL").await;
    let capture = files::capture("flood_mixed.plain");
    let mut rounds = 0;
    // Pieces below the limit, so that who reads keeps up whatever the scheduler does.
    while switch.subscribers() == 2 {
        rounds += 1;
        assert!(rounds < 100, "a client that does not read is never killed");
        let piece = &capture.events()[..500];
        switch.play(piece, Pace::Flood, Stamps::Recorded).await;
        let expected = frames(piece);
        assert!(read_exactly(&mut healthy, expected.len()).await == expected);
        // The stuck client's writer needs a turn to notice; it is counted out when its connection is closed.
        if rounds > 40 {
            break;
        }
    }
    let received = stuck.rest().await;
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(&received);
    let mut last = FrameKind::Other;
    while let Some(frame) = decoder.next().unwrap() {
        last = frame.kind();
    }
    let end = decoder.finish();
    let noticed = last == FrameKind::DisconnectNotice || matches!(end, End::Notice(_));
    assert!(noticed, "ended with {last:?} and {end:?} after {} bytes", received.len());
    assert!(String::from_utf8_lossy(&received).ends_with(esl::reply::KILLED_LISTENER));
    healthy.assert_quiet().await;
}

#[tokio::test]
async fn the_original_pace_keeps_the_distances() {
    let switch = switch(QueueLimits::default()).await;
    let mut client = RawClient::subscribed(&switch, "plain ALL").await;
    let capture = files::capture("register_fail.plain");
    let times: Vec<_> = capture.events().iter().map(|event| event.view().timestamp().unwrap()).collect();
    let span = Duration::from_micros(times.last().unwrap() - times[0]);
    let played = switch.play(capture.events(), Pace::Times(50.0), Stamps::Recorded).await;
    assert!(played.took >= span / 50, "{played:?} for {span:?}");
    let expected = frames(capture.events());
    assert_eq!(read_exactly(&mut client, expected.len()).await, expected);
}

#[tokio::test]
async fn rewritten_dates_are_now_and_nothing_else_changes() {
    let switch = switch(QueueLimits::default()).await;
    let mut client = RawClient::subscribed(&switch, "plain ALL").await;
    let capture = files::capture("mixed.plain");
    switch.play(capture.events(), Pace::Flood, Stamps::Now).await;
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let rewritten = ["Event-Date-Local", "Event-Date-GMT", "Event-Date-Timestamp", "Event-Sequence"];
    for event in capture.events() {
        let found = client.frame().await;
        let timestamp: u64 = found.event_header("Event-Date-Timestamp").unwrap().parse().unwrap();
        let age = since_1970.saturating_sub(Duration::from_micros(timestamp));
        assert!(age < Duration::from_secs(60), "{timestamp}");
        let kept = |text: &str| -> Vec<String> {
            let other = |line: &&str| !rewritten.iter().any(|name| line.starts_with(&format!("{name}: ")));
            text.lines().filter(other).map(str::to_owned).collect()
        };
        let recorded = String::from_utf8_lossy(event.plain()).into_owned();
        assert_eq!(kept(&found.body_text()), kept(&recorded));
    }
}
