//! A table of messages to channels, events that are sent, and callers with the expected decision: `messages.txt`.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::{Announcement, Deeds, Message, Pattern, Policy, decide, freeswitch, roles};
use proptest::prelude::*;

const OWN: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-8888-7777-6666-555555555555";

fn policy(caller: &str) -> Policy {
    let mut policy = Policy::default();
    match caller {
        "nobody" => {}
        "custom" => policy
            .add(
                "custom",
                [
                    "sendmsg {own}",
                    "&playback ivr/*",
                    "uuid_kill {own}",
                    "!NOTIFY profile=internal user={user} host={domain}",
                    "!CUSTOM crm::*",
                    "!MESSAGE_WAITING mwi-message-account={user}@{domain} $",
                ],
                ["!CUSTOM crm::secret*"],
            )
            .unwrap(),
        role => {
            policy = roles::role(role).unwrap().policy().unwrap();
            policy.record_below(Some("/var/lib/freeswitch/recordings".into()));
        }
    }
    policy
}

/// What the text of a row would do.
fn deeds(text: &str) -> Result<Deeds, String> {
    let text = text.replace("\\n", "\n").replace("\\r", "\r");
    let (text, body) = text.split_once(" << ").unwrap_or((&text, ""));
    let mut parts = text.split(" ; ");
    let (verb, word) = parts.next().map(|first| first.split_once(' ').unwrap_or((first, ""))).unwrap();
    let headers: Vec<(&[u8], &[u8])> = parts
        .map(|header| header.split_once(": ").unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    match verb {
        "sendmsg" => Message::new(Some(word.as_bytes()), headers, body.as_bytes())
            .map(|message| message.deeds(freeswitch::catalogue()))
            .map_err(|error| error.to_string()),
        "sendevent" => Announcement::new(word.as_bytes(), headers, body.as_bytes())
            .map(|event| event.deeds(freeswitch::catalogue()))
            .map_err(|error| error.to_string()),
        _ => panic!("{verb}"),
    }
}

#[test]
fn each_caller_may_what_the_table_says() {
    let owns = |channel: &str| channel == OWN;
    let who = broker::Caller { user: "1000", domain: "pbx.example", owns: &owns };
    let mut wrong = Vec::new();
    let mut lines = 0;
    for line in include_str!("messages.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        lines += 1;
        let mut parts = line.splitn(3, " | ");
        let (caller, expected, text) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let decision = deeds(&text.replace("OWN", OWN).replace("OTHER", OTHER)).and_then(|deeds| {
            let decision = decide(&policy(caller), freeswitch::catalogue(), &who, &deeds);
            if decision.allowed { Ok(decision.why) } else { Err(format!("{:?}", decision.steps)) }
        });
        if decision.is_ok() != (expected == "yes") {
            wrong.push(format!("{line}\n    {decision:?}"));
        }
    }
    assert!(lines >= 60, "{lines}");
    assert!(wrong.is_empty(), "{} of {lines}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn only_what_is_known_is_passed_on() {
    let headers: [(&[u8], &[u8]); 8] = [
        (b"Execute-App-Name", b"playback"),
        (b"Call-Command", b" execute "),
        (b"console_execute", b"true"),
        (b"content-type", b"text/plain"),
        (b"ASYNC", b"Yes"),
        (b"Content-Length", b"9"),
        (b"_body", b"x"),
        (b"loops", b"007"),
    ];
    let message = Message::new(None, headers, b"ivr/a.wav\n").unwrap().bound_to(OWN);
    assert_eq!(message.channel(), Some(OWN));
    assert!(message.is_queued());
    assert_eq!(
        message.headers(),
        [
            ("call-command", "execute"),
            ("execute-app-name", "playback"),
            ("execute-app-arg", "ivr/a.wav"),
            ("async", "true"),
            ("loops", "7"),
        ]
    );
    assert_eq!(message.to_string(), format!("sendmsg {OWN} execute playback ivr/a.wav"));

    let headers: [(&[u8], &[u8]); 4] = [
        (b"Event-Subclass", b"crm::note"),
        (b"Content-Length", b"4"),
        (b"Event-UUID", b"x"),
        (b"A-b", b"c d"),
    ];
    let event = Announcement::new(b"custom", headers, b"text").unwrap();
    assert_eq!(
        (event.name(), event.subclass(), event.body()),
        ("CUSTOM", Some("crm::note"), Some(&b"text"[..]))
    );
    assert_eq!(event.headers(), [("Event-Subclass", "crm::note"), ("A-b", "c d")]);
    assert_eq!(event.to_string(), "sendevent CUSTOM crm::note {A-b=c d}");
}

#[test]
fn what_is_too_long_is_refused() {
    let long = vec![b'x'; 70_000];
    let many: Vec<(&[u8], &[u8])> = vec![(b"x-y", b"z"); 200];
    assert!(Message::new(None, [(&b"call-command"[..], &b"hangup"[..]), (b"x", &long)], b"").is_err());
    assert!(Message::new(None, many.clone(), b"").is_err());
    assert!(Announcement::new(b"NOTIFY", [(&b"a"[..], &long[..])], b"").is_err());
    assert!(Announcement::new(b"NOTIFY", [], &long).is_err());
    assert!(Announcement::new(b"NOTIFY", [], b"a\0b").is_err());
    assert!(Announcement::new(b"NOTIFY", many, b"").is_err());
}

#[test]
fn patterns_of_events_that_make_no_sense_are_named() {
    for text in ["!", "!NO;TIFY", "!CUSTOM a b", "!NOTIFY us er=x", "!NOTIFY user={who}", "!NOTIFY =x"] {
        assert!(Pattern::new(text).is_err(), "{text}");
    }
    assert!(Pattern::new("!NOTIFY uuid={own}").unwrap().asks_for_owners());
}

proptest! {
    /// Whatever bytes a client sends: what is passed on is what a packet can carry, and reads back as the same.
    #[test]
    fn what_is_passed_on_is_one_packet(
        word in prop::collection::vec(any::<u8>(), 0..40),
        headers in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "call-command", "execute-app-name", "execute-app-arg", "application", "hangup-cause", "loops", "async",
                    "Event-Subclass", "profile", "content-type", "user", "x y", "a:b", "a\nb", "unique-id",
                ]),
                prop_oneof![
                    prop::sample::select(vec!["execute", "hangup", "xferext", "playback", "a b", "1", "true", "crm::x", "x\ny", "a\r", "\0"])
                        .prop_map(|text| text.as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..12),
                ],
            ),
            0..6,
        ),
        body in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let pairs: Vec<(&[u8], &[u8])> = headers.iter().map(|(name, value)| (name.as_bytes(), &value[..])).collect();
        if let Ok(message) = Message::new(Some(&word), pairs.clone(), &body) {
            let headers = message.headers();
            let packet = esl::Command::SendMsg { uuid: message.channel(), headers: &headers, body: None }.to_bytes().unwrap();
            prop_assert_eq!(packet.iter().filter(|byte| **byte == b'\n').count(), headers.len() + 2);
            let again: Vec<(&[u8], &[u8])> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let again = Message::new(message.channel().map(str::as_bytes), again, b"").unwrap();
            prop_assert_eq!(&again, &message);
            message.deeds(freeswitch::catalogue());
        }
        for name in [&word[..], b"CUSTOM", b"NOTIFY"] {
            if let Ok(event) = Announcement::new(name, pairs.clone(), &body) {
                let headers = event.headers();
                let packet =
                    esl::Command::SendEvent { name: event.name(), headers: &headers, body: event.body() }.to_bytes().unwrap();
                prop_assert!(packet.starts_with(b"sendevent "));
                event.deeds(freeswitch::catalogue());
            }
        }
    }
}
