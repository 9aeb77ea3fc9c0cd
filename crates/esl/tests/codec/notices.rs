//! A disconnect notice in the middle of a frame.

use crate::support::{Owned, capture, decode};
use esl::{End, EventView, FrameKind};

const NOTICE: &str =
    "Content-Type: text/disconnect-notice\nContent-Length: 39\n\nkilled listener because of lost events\n";
const TEXT: &[u8] = b"killed listener because of lost events\n";

/// Every place where the captured event can be cut, whole notices and all cuts of the stream behind it.
#[test]
fn a_cut_event_is_never_given_out_wherever_it_is_cut() {
    let bytes = capture("killed_listener_tail.plain.esl");
    let cut = memchr::memmem::find(&bytes, NOTICE.as_bytes()).unwrap();
    let frame = memchr::memmem::rfind(&bytes[..cut], b"Content-Length: 693").unwrap();
    let event = event_of_693_bytes(&bytes);
    let (before, _) = decode(&bytes[..frame], &[usize::MAX]);
    assert_eq!(before.len(), 7);
    let body = memchr::memmem::find(&event, b"\n\n").unwrap() + 2;
    for at in body + 1..event.len() {
        let stream = [&bytes[..frame], &event[..at], NOTICE.as_bytes()].concat();
        for sizes in [&[usize::MAX][..], &[1], &[7]] {
            let (frames, end) = decode(&stream, sizes);
            assert_eq!(frames[..7], before[..], "cut at {at}");
            let told = match (&frames[7..], end.unwrap()) {
                ([], End::Notice(text)) => text,
                ([Owned { kind: FrameKind::DisconnectNotice, spliced: true, body, .. }], End::Clean) => {
                    body.clone()
                }
                other => panic!("cut at {at} in pieces of {sizes:?}: {other:?}"),
            };
            assert_eq!(told, TEXT, "cut at {at}");
        }
    }
}

#[test]
fn a_cut_json_or_xml_event_is_never_given_out() {
    for name in ["mixed.json.esl", "mixed.xml.esl"] {
        let bytes = capture(name);
        let (frames, _) = decode(&bytes, &[usize::MAX]);
        let event = frames.iter().find(|frame| matches!(frame.kind, FrameKind::Event(_))).unwrap();
        let from = memchr::memmem::find(&bytes, &event.body).unwrap();
        for at in from + 1..from + event.body.len() {
            let stream = [&bytes[..at], NOTICE.as_bytes()].concat();
            let (frames, end) = decode(&stream, &[usize::MAX]);
            let told = match (&frames[1..], end.unwrap()) {
                ([], End::Notice(text)) => text,
                ([Owned { kind: FrameKind::DisconnectNotice, spliced: true, body, .. }], End::Clean) => {
                    body.clone()
                }
                other => panic!("{name} cut at {at}: {other:?}"),
            };
            assert_eq!(told, TEXT, "{name} cut at {at}");
        }
    }
}

#[test]
fn a_body_that_quotes_a_notice_stays_a_body() {
    let inner = format!("Event-Name: MESSAGE\nContent-Length: {}\n\n{NOTICE}", NOTICE.len());
    let stream = format!("Content-Length: {}\nContent-Type: text/event-plain\n\n{inner}", inner.len());
    for sizes in [&[usize::MAX][..], &[1]] {
        let (frames, end) = decode(stream.as_bytes(), sizes);
        assert_eq!(end, Ok(End::Clean));
        let [Owned { kind: FrameKind::Event(format), body, .. }] = &frames[..] else { panic!("{frames:?}") };
        let event = EventView::parse(*format, body).unwrap();
        assert_eq!(&*event.body().unwrap().decoded(), NOTICE.as_bytes());
    }
}

#[test]
fn a_whole_event_before_a_notice_is_given_out() {
    let bytes = capture("killed_listener_tail.plain.esl");
    let stream = [&event_of_693_bytes(&bytes)[..], NOTICE.as_bytes()].concat();
    let (frames, end) = decode(&stream, &[5]);
    assert_eq!(end, Ok(End::Clean));
    assert_eq!(frames.len(), 2);
    assert!(matches!(frames[0].kind, FrameKind::Event(_)));
    assert_eq!((frames[1].kind, frames[1].spliced), (FrameKind::DisconnectNotice, false));
}

#[test]
fn an_event_with_an_odd_end_is_given_out_when_no_notice_is_there() {
    let stream =
        b"Content-Length: 15\nContent-Type: text/event-plain\n\nEvent-Name: A\nCContent-Type: x/y\n\n";
    let (frames, end) = decode(stream, &[1]);
    assert_eq!(end, Ok(End::Clean));
    assert_eq!(frames[0].body, b"Event-Name: A\nC");
    assert_eq!(frames[1].kind, FrameKind::Other);
}

#[test]
fn the_end_of_a_stream_tells_what_is_missing() {
    assert_eq!(decode(b"", &[1]).1, Ok(End::Clean));
    assert_eq!(decode(b"\n\r\n", &[1]).1, Ok(End::Clean));
    assert_eq!(decode(b"\nContent-Type: x", &[1]).1, Ok(End::Truncated { bytes: 15 }));
    assert_eq!(decode(b"Content-Length: 5\n\nabc", &[1]).1, Ok(End::Truncated { bytes: 22 }));
}

/// The first event of the tail that has the length of the one that was cut.
fn event_of_693_bytes(bytes: &[u8]) -> Vec<u8> {
    let from = memchr::memmem::find(bytes, b"Content-Length: 693").unwrap();
    let body = from + memchr::memmem::find(&bytes[from..], b"\n\n").unwrap() + 2;
    bytes[from..body + 693].to_vec()
}
