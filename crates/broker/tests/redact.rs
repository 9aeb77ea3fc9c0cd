//! What a real switch printed and sent, without its secrets.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::{Line, Redactor, freeswitch, redact::MARK};
use esl::{Decoder, EventView, Format, FrameKind, Limits};
use std::io::Read as _;

/// Passwords of the accounts, of the event socket, and beginnings of keys in SDP.
const SECRETS: &[&str] = &["lab-only-4711", "esl-1000", "esl-1001", "inline:", "a=ice-pwd:"];

fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.zst", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn holds(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|part| part == secret.as_bytes())
}

#[test]
fn answers_of_a_real_switch_hold_no_password() {
    let redactor = Redactor::new(freeswitch::catalogue(), &[]);
    let text = capture("api.txt");
    let text = String::from_utf8_lossy(&text);
    let mut with_secrets = 0;
    // "api COMMAND", then the answer up to the next thing that the client said.
    for part in text.split("\napi ").skip(1) {
        let (command, rest) = part.split_once('\n').unwrap();
        let answer = rest.split(">>> client").next().unwrap();
        let Ok(line) = Line::new(command.trim_end()) else { continue };
        let shown = redactor.reply(line, answer.as_bytes().to_vec());
        with_secrets += usize::from(SECRETS.iter().any(|secret| holds(answer.as_bytes(), secret)));
        for secret in SECRETS {
            assert!(!holds(&shown, secret), "{command}: {}", String::from_utf8_lossy(&shown));
        }
    }
    assert!(with_secrets >= 3, "{with_secrets}");
}

#[test]
fn events_of_a_real_switch_keep_every_header_and_lose_the_secrets() {
    let redactor = Redactor::new(freeswitch::catalogue(), &[]);
    let (mut events, mut taken, mut copied) = (0, 0, 0);
    for (file, format) in [
        ("mixed.plain.esl", Format::Plain),
        ("mixed.json.esl", Format::Json),
        ("mixed.xml.esl", Format::Xml),
        ("hostile.plain.esl", Format::Plain),
        ("register_ok.plain.esl", Format::Plain),
    ] {
        let mut decoder = Decoder::new(Limits::default());
        decoder.push(&capture(file));
        while let Some(frame) = decoder.next().unwrap() {
            let FrameKind::Event(_) = frame.kind() else { continue };
            let event = frame.event().unwrap().unwrap();
            events += 1;
            let mut out = Vec::new();
            redactor.event(&event, Format::Plain, &mut out);
            let start = out.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
            let shown = EventView::parse(Format::Plain, &out[start..]).unwrap();
            copied += usize::from(format == Format::Plain && out[start..] == *frame.body());
            let without_length = |event: &EventView<'_>| {
                event
                    .headers()
                    .filter(|(name, _)| *name != b"Content-Length")
                    .map(|(name, value)| {
                        (String::from_utf8_lossy(name).into_owned(), value.decoded().into_owned())
                    })
                    .collect::<Vec<_>>()
            };
            let (before, after) = (without_length(&event), without_length(&shown));
            assert_eq!(before.len(), after.len(), "{event:?}");
            for ((name, value), (same, redacted)) in before.iter().zip(&after) {
                assert_eq!(name, same);
                if redactor.is_secret(name) {
                    assert_eq!(redacted, MARK.as_bytes(), "{name}");
                    taken += 1;
                } else if value != redacted && (format == Format::Plain || !value.contains(&b'%')) {
                    // FreeSWITCH does not encode a "%" that two digits follow: from another format it reads back as another text.
                    assert!(holds(redacted, MARK), "{name}: {}", String::from_utf8_lossy(redacted));
                }
            }
            for secret in SECRETS {
                assert!(!after.iter().any(|(_, value)| holds(value, secret)), "{event:?}");
            }
        }
    }
    assert!(
        events > 400 && taken > 100 && copied > 50,
        "{events} events, {taken} values taken out, {copied} as they came"
    );
}
