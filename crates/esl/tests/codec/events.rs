//! The same events told in three formats, and what a caller of the switch can write into them.

use crate::support::{decode, event_bodies};
use esl::{EventView, EventWriter, Format, percent};

#[test]
fn plain_json_and_xml_tell_the_same_headers() {
    for (name, expected) in [("mixed", 69), ("hostile", 156)] {
        let [plain, json, xml] =
            ["plain", "json", "xml"].map(|format| event_bodies(&format!("{name}.{format}.esl")));
        assert_eq!((plain.len(), json.len(), xml.len()), (expected, expected, expected));
        for ((plain, json), xml) in plain.iter().zip(&json).zip(&xml) {
            let [plain, json, xml] =
                [plain, json, xml].map(|(format, body)| EventView::parse(*format, body).unwrap());
            same_headers(plain, json, xml);
            let bodies = [plain, json, xml].map(|event| event.body().map(|body| body.decoded().into_owned()));
            assert_eq!(bodies[0], bodies[1]);
            assert_eq!(bodies[0], bodies[2]);
            assert_eq!(plain.sequence(), json.sequence());
            assert_eq!(plain.timestamp(), xml.timestamp());
            assert!(plain.sequence().is_some() && plain.timestamp().is_some());
        }
    }
}

/// What the plain format writes is the encoding of what the JSON format writes. A `%0A` that the caller wrote stays as
/// it is in both, so that only the plain one decodes to a line feed.
fn same_headers(plain: EventView<'_>, json: EventView<'_>, xml: EventView<'_>) {
    let from_json = json.headers().map(|(name, value)| {
        let mut raw = Vec::new();
        percent::encode(&value.decoded(), &mut raw);
        (name.to_vec(), raw)
    });
    let from_plain: Vec<_> =
        plain.headers().map(|(name, value)| (name.to_vec(), value.raw().to_vec())).collect();
    assert_eq!(from_plain, from_json.collect::<Vec<_>>());
    // XML has one element for each element of an array.
    let flat = plain.headers().flat_map(|(name, value)| {
        let elements: Vec<_> =
            value.array().map_or_else(|| vec![value.raw()], |all| all.map(|v| v.raw()).collect());
        elements.into_iter().map(move |raw| (name, raw))
    });
    assert!(flat.eq(xml.headers().map(|(name, value)| (name, value.raw()))), "{plain:?}\n{xml:?}");
}

#[test]
fn duplicate_headers_are_all_there_and_the_first_is_found() {
    let bodies = event_bodies("mixed.plain.esl");
    let failure = bodies
        .iter()
        .map(|(format, body)| EventView::parse(*format, body).unwrap())
        .find(|event| event.subclass().is_some_and(|s| s.eq_decoded(b"sofia::register_failure")))
        .unwrap();
    assert_eq!(failure.header_all("profile-name").count(), 2);
    let text = b"Event-Name: X\nHangup-Cause: ONE\nHangup-Cause: TWO\n\n";
    let event = EventView::parse(Format::Plain, text).unwrap();
    assert_eq!(event.header("Hangup-Cause").unwrap().raw(), b"ONE");
    let all: Vec<_> = event.header_all("Hangup-Cause").map(|value| value.raw()).collect();
    assert_eq!(all, [b"ONE", b"TWO"]);
}

#[test]
fn a_user_agent_cannot_become_a_header() {
    for format in ["plain", "json", "xml"] {
        let bodies = event_bodies(&format!("hostile.{format}.esl"));
        let mut odd = 0;
        for (format, body) in &bodies {
            let event = EventView::parse(*format, body).unwrap();
            let Some(address) = event.header("network-ip") else { continue };
            assert!(address.raw().starts_with(b"127.0.69."), "{address:?}");
            assert_eq!(event.header_all("network-ip").count(), 1);
            let agent =
                event.header("user-agent").map(|value| value.decoded().into_owned()).unwrap_or_default();
            odd += usize::from(agent.contains(&b'\n') || std::str::from_utf8(&agent).is_err());
        }
        assert!(odd >= 6, "{format:?}: the captures hold line feeds and invalid UTF-8, found {odd}");
    }
}

#[test]
fn values_decode_to_any_bytes_and_compare_without_copying() {
    let text = b"Event-Name: X\na: %00%0A%FF\nb: 100%25%zz%4\nc: _undef_\nd:no blank\ne:\nf: x%2dy\n\n";
    let event = EventView::parse(Format::Plain, text).unwrap();
    let value = |name| event.header(name).unwrap();
    assert_eq!(&*value("a").decoded(), b"\x00\n\xff");
    assert!(value("a").eq_decoded(b"\x00\n\xff") && !value("a").eq_decoded(b"\x00\n"));
    assert_eq!(&*value("b").decoded(), b"100%%zz%4");
    assert!(value("c").is_undef() && value("c").is_plain());
    assert_eq!(value("d").raw(), b"no blank");
    assert_eq!(value("e").raw(), b"");
    assert_eq!(&*value("f").decoded(), b"x-y");
    let mut scratch = b"old".to_vec();
    assert_eq!(value("f").decode_into(&mut scratch), b"x-y");
    assert!(event.header("g").is_none() && event.header("A").is_none());
    assert!(event.body().is_none());
}

#[test]
fn json_escapes_arrays_and_odd_values_are_understood() {
    let text = br#"{ "Event-Name" : "X" , "a":"\u00fc\ud83d\ude00\ud800\n\/\"\\\q\u12", "n":17, "l":["a","","c\"d"],"z":[],
        "_body":"line\r\n", "a":"again"}"#;
    let event = EventView::parse(Format::Json, text).unwrap();
    let value = |name| event.header(name).unwrap();
    assert_eq!(event.name(), b"X");
    assert_eq!(&*value("a").decoded(), "ü😀\u{fffd}\n/\"\\\\q\\u12".as_bytes());
    assert_eq!(value("n").number(), Some(17));
    assert_eq!(&*value("l").decoded(), b"ARRAY::a|:|:c\"d");
    assert_eq!(
        value("l").array().unwrap().map(|v| v.decoded().into_owned()).collect::<Vec<_>>(),
        [&b"a"[..], b"", b"c\"d"]
    );
    assert_eq!(&*value("z").decoded(), b"ARRAY::");
    assert_eq!(value("z").array().unwrap().count(), 0);
    assert_eq!(&*event.body().unwrap().decoded(), b"line\r\n");
    assert_eq!(event.header_all("a").count(), 2);
    assert!(event.header("_body").is_none());
    assert_eq!(event.headers().count(), 6);
}

#[test]
fn arrays_are_split_however_their_marks_are_written() {
    for raw in ["ARRAY%3A%3Aa%7C%3Ab%20c%7C%3A", "ARRAY::a|:b%20c|:", "ARRAY%3A%3Aa|:b%20c%7C%3A"] {
        let text = format!("Event-Name: X\nv: {raw}\n\n");
        let event = EventView::parse(Format::Plain, text.as_bytes()).unwrap();
        let elements: Vec<_> =
            event.header("v").unwrap().array().unwrap().map(|v| v.decoded().into_owned()).collect();
        assert_eq!(elements, [&b"a"[..], b"b c", b""]);
    }
    let event = EventView::parse(Format::Plain, b"Event-Name: X\n\n").unwrap();
    assert!(event.header("Event-Name").unwrap().array().is_none());
}

#[test]
fn a_header_name_cannot_add_a_header() {
    for format in [Format::Plain, Format::Json, Format::Xml] {
        let mut writer = EventWriter::new(format);
        writer
            .header("Event-Name", b"X")
            .header("a\nnetwork-ip: 192.0.2.1\n\n</a><b>", b"v\nw: x")
            .header("c\"\\", b"");
        let mut out = Vec::new();
        writer.finish(None, &mut out);
        let (frames, _) = decode(&out, &[usize::MAX]);
        let event = EventView::parse(format, &frames[0].body).unwrap();
        assert_eq!((frames.len(), event.headers().count()), (1, 3), "{event:?}");
        assert!(event.header("network-ip").is_none());
    }
}

#[test]
fn a_body_that_does_not_begin_like_an_event_is_refused() {
    for (format, text) in [
        (Format::Plain, &b""[..]),
        (Format::Plain, b"\nEvent-Name: X\n\n"),
        (Format::Plain, b"no colon\nEvent-Name: X\n\n"),
        (Format::Json, b"[]"),
        (Format::Json, b""),
        (Format::Xml, b"<document/>"),
        (Format::Xml, b"<event>"),
    ] {
        assert!(EventView::parse(format, text).is_err(), "{format:?} {:?}", String::from_utf8_lossy(text));
    }
}
