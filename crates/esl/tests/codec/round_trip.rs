//! What FreeSWITCH wrote is written again byte for byte.

use crate::support::{STREAMS, capture, event_bodies};
use esl::{EventView, EventWriter, Format, percent};

#[test]
fn every_plain_event_is_written_again_byte_for_byte() {
    let mut kept = 0;
    for name in STREAMS.iter().filter(|name| name.contains(".plain.")) {
        let stream = capture(name);
        let mut from = 0;
        for (format, body) in event_bodies(name) {
            let event = EventView::parse(format, &body).unwrap();
            let headers: Vec<_> =
                event.headers().map(|(name, value)| (name, original(value.raw(), &mut kept))).collect();
            let written = write(Format::Plain, &headers, event);
            let at = memchr::memmem::find(&stream[from..], &written);
            assert!(at.is_some(), "{name}: not in the capture:\n{}", String::from_utf8_lossy(&written));
            from += at.unwrap() + written.len();
        }
    }
    // User names and agents of hostile.plain.esl that hold escapes themselves.
    assert!((1..200).contains(&kept), "{kept} values were kept as they were");
}

/// What the switch encoded. An escape that the caller wrote was left alone by the switch and cannot be told from one
/// that the switch made; encoding leaves it alone too.
fn original(raw: &[u8], kept: &mut usize) -> Vec<u8> {
    let (mut value, mut again) = (Vec::new(), Vec::new());
    percent::decode_into(raw, &mut value);
    percent::encode(&value, &mut again);
    if again == raw {
        return value;
    }
    *kept += 1;
    raw.to_vec()
}

/// JSON tells the values as the switch had them, so all three formats can be made from it.
#[test]
fn all_three_formats_are_made_from_the_json_event() {
    for name in ["mixed", "hostile"] {
        let events = event_bodies(&format!("{name}.json.esl"));
        for (format, word) in [(Format::Plain, "plain"), (Format::Json, "json"), (Format::Xml, "xml")] {
            let stream = capture(&format!("{name}.{word}.esl"));
            let mut from = 0;
            for (json, body) in &events {
                let event = EventView::parse(*json, body).unwrap();
                let headers: Vec<_> =
                    event.headers().map(|(name, value)| (name, value.decoded().into_owned())).collect();
                let written = write(format, &headers, event);
                let at = memchr::memmem::find(&stream[from..], &written);
                assert!(
                    at.is_some(),
                    "{name} {word}: not in the capture:\n{}",
                    String::from_utf8_lossy(&written)
                );
                from += at.unwrap() + written.len();
            }
        }
    }
}

fn write(format: Format, headers: &[(&[u8], Vec<u8>)], event: EventView<'_>) -> Vec<u8> {
    let body = event.body().map(|body| body.decoded().into_owned());
    // The writer adds the last Content-Length, which tells the body's length.
    let headers = if body.is_some() { &headers[..headers.len() - 1] } else { headers };
    let mut writer = EventWriter::new(format);
    for (name, value) in headers {
        writer.header(std::str::from_utf8(name).unwrap(), value);
    }
    let mut out = Vec::new();
    writer.finish(body.as_deref(), &mut out);
    out
}
