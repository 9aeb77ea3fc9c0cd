//! Every capture gives the same frames however it is cut, and the events that the captures' own README counts.

use crate::support::{STREAMS, capture, decode, directory};
use esl::{End, EventView, FrameKind};
use std::collections::BTreeMap;

#[test]
fn frames_do_not_depend_on_how_the_bytes_arrive() {
    for name in STREAMS {
        let bytes = capture(name);
        let whole = decode(&bytes, &[usize::MAX]);
        assert!(whole.1.is_ok(), "{name}: {:?}", whole.1);
        for size in [1, 2, 3, 7, 64, 1000, 65_536] {
            assert!(decode(&bytes, &[size]) == whole, "{name} in pieces of {size} bytes");
        }
    }
}

#[test]
fn events_are_as_many_as_the_readme_says() {
    let readme = std::fs::read_to_string(directory().join("README.md")).unwrap();
    let section = readme.split("## Event counts by type").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut compared = 0;
    for line in section.lines().filter_map(|line| line.strip_prefix("* ")) {
        let (name, counts) = line.split_once(": ").unwrap();
        let (events, others) = counts.split_once("; other frames: ").unwrap();
        let (found_events, found_others, end) = count(name);
        assert_eq!(found_events, parse(events), "{name}");
        if others == "1 cut off frame" {
            assert_eq!(found_others, BTreeMap::new(), "{name}");
            assert_eq!(end, End::Notice(b"killed listener because of lost events\n".to_vec()), "{name}");
        } else {
            assert_eq!(found_others, parse(others), "{name}");
            assert_eq!(end, End::Clean, "{name}");
        }
        compared += 1;
    }
    assert_eq!(compared, STREAMS.len());
}

#[test]
fn shutdown_ends_with_its_notice() {
    let (frames, end) = decode(&capture("shutdown.plain.esl"), &[usize::MAX]);
    let last = frames.last().unwrap();
    assert_eq!(last.kind, FrameKind::DisconnectNotice);
    assert_eq!(last.body, b"The system is being shut down.\n");
    assert!(!last.spliced);
    assert_eq!(end, Ok(End::Clean));
}

type Counts = BTreeMap<String, usize>;

fn parse(counts: &str) -> Counts {
    let pair = |item: &str| {
        let (count, name) = item.split_once(' ').unwrap();
        (name.to_owned(), count.parse().unwrap())
    };
    counts.split(", ").map(pair).collect()
}

fn count(name: &str) -> (Counts, Counts, End) {
    let (mut events, mut others) = (Counts::new(), Counts::new());
    let (frames, end) = decode(&capture(name), &[4096]);
    for frame in &frames {
        match frame.kind {
            FrameKind::Event(format) => {
                let event = EventView::parse(format, &frame.body).unwrap();
                let mut key = String::from_utf8(event.name().to_vec()).unwrap();
                if let Some(subclass) = event.subclass() {
                    key = format!("{key} {}", String::from_utf8_lossy(&subclass.decoded()));
                }
                *events.entry(key).or_default() += 1;
            }
            FrameKind::CommandReply => *others.entry("command/reply".into()).or_default() += 1,
            FrameKind::DisconnectNotice => *others.entry("text/disconnect-notice".into()).or_default() += 1,
            other => panic!("{name}: unexpected {other:?}"),
        }
    }
    (events, others, end.unwrap())
}
