//! After warm-up the hot path allocates nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

use captures::capture;
use esl::{Decoder, Format, Limits};

#[path = "material/captures.rs"]
mod captures;

#[test]
fn decoding_a_flood_and_reading_its_headers_allocates_nothing() {
    let flood = capture("flood.plain.esl");
    let mut decoder = Decoder::new(Limits::default());
    let mut scratch = Vec::with_capacity(4096);
    // The first round lets the buffer grow.
    read(&mut decoder, &flood, &mut scratch);
    let mut seen = (0, 0);
    let counted = allocation_counter::measure(|| seen = read(&mut decoder, &flood, &mut scratch));
    assert_eq!(seen.0, 3565);
    assert!(seen.1 > 80_000, "{} headers", seen.1);
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(vec![0u8; 100])).count_total, 1);
}

#[test]
fn looking_up_and_comparing_allocates_nothing_in_any_format() {
    for name in ["hostile.plain.esl", "hostile.json.esl", "hostile.xml.esl"] {
        let bytes = capture(name);
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&bytes);
        let mut found = 0;
        let counted = allocation_counter::measure(|| {
            while let Some(frame) = decoder.next().unwrap() {
                let Some(Ok(event)) = frame.event() else { continue };
                found += usize::from(
                    event.header("network-ip").is_some_and(|value| !value.eq_decoded(b"192.0.2.1")),
                );
                found += usize::from(
                    event.subclass().is_some_and(|value| value.eq_decoded(b"sofia::register_failure")),
                );
            }
        });
        assert_eq!(found, 30 + 10, "{name}");
        assert_eq!(counted.count_total, 0, "{name}");
    }
}

/// Decodes read by read; gives the number of events and of headers.
fn read(decoder: &mut Decoder, flood: &[u8], scratch: &mut Vec<u8>) -> (usize, usize) {
    let (mut events, mut headers) = (0, 0);
    for piece in flood.chunks(64 * 1024 - 1) {
        decoder.space()[..piece.len()].copy_from_slice(piece);
        decoder.filled(piece.len());
        while let Some(frame) = decoder.next().unwrap() {
            let Some(Ok(event)) = frame.event() else { continue };
            assert_eq!(event.format(), Format::Plain);
            events += 1;
            for (_, value) in event.headers() {
                headers += 1;
                if !value.is_plain() {
                    value.decode_into(scratch);
                }
            }
            assert!(event.header("network-ip").or_else(|| event.header("network_ip")).is_some());
        }
    }
    (events, headers)
}
