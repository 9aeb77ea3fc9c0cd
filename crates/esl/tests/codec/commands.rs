//! What a client may say and what a server reads.

use esl::{Command, CommandDecoder, CommandError, End, Format, Limits, Subscription};

fn line(command: Command<'_>) -> String {
    String::from_utf8(command.to_bytes().unwrap()).unwrap()
}

#[test]
fn event_names_come_before_custom_whatever_the_order_they_were_added_in() {
    let mixed = Subscription::new(Format::Json)
        .custom("a::b")
        .event("HEARTBEAT")
        .custom("c::d")
        .event("custom")
        .event("X");
    assert_eq!(line(Command::Event(&mixed)), "event json HEARTBEAT X CUSTOM a::b c::d\n\n");
    let bare = Subscription::new(Format::Plain).event("CUSTOM");
    assert_eq!(line(Command::Event(&bare)), "event plain CUSTOM\n\n");
    assert_eq!(
        Command::Event(&Subscription::new(Format::Plain)).to_bytes(),
        Err(CommandError::Empty("list of events"))
    );
    assert!(
        mixed.includes("heartbeat") && !mixed.includes("Y") && Subscription::all(Format::Plain).includes("Y")
    );
}

#[test]
fn a_blank_cannot_add_an_argument_and_a_colon_cannot_end_a_name() {
    let two = Subscription::new(Format::Plain).custom("a::b CHANNEL_CREATE");
    for (command, error) in [
        (Command::Event(&two), CommandError::Separator("event subclass")),
        (Command::Filter { header: "a b", value: "c" }, CommandError::Separator("header name")),
        (Command::UserAuth { user: "a:b", password: "c" }, CommandError::Separator("user name")),
        (Command::BgApi { command: "x", job: Some("a b") }, CommandError::Separator("Job-UUID")),
        (
            Command::SendMsg { uuid: None, headers: &[("a:b", "c")], body: None },
            CommandError::Separator("header name"),
        ),
        (Command::Api(""), CommandError::Empty("command")),
        (
            Command::SendEvent { name: "X", headers: &[("content-length", "3")], body: None },
            CommandError::ContentLength,
        ),
    ] {
        assert_eq!(command.to_bytes(), Err(error), "{command:?}");
    }
}

#[test]
fn an_injected_command_cannot_be_encoded() {
    let injected = "status \n\napi system reboot";
    assert_eq!(Command::Api(injected).to_bytes(), Err(CommandError::ControlCharacter("command")));
}

#[test]
fn a_password_is_never_shown() {
    for command in [
        Command::Auth { password: "s3cret" },
        Command::UserAuth { user: "1000@pbx.example", password: "s3cret" },
    ] {
        assert!(!format!("{command:?}").contains("s3cret"));
        let mut decoder = CommandDecoder::new(Limits::default());
        decoder.push(&command.to_bytes().unwrap());
        assert!(!format!("{:?}", decoder.next().unwrap().unwrap()).contains("s3cret"));
    }
}

#[test]
fn lines_may_end_in_lf_or_crlf_and_empty_lines_before_a_command_are_skipped() {
    let stream = b"\r\n\nsendevent CUSTOM\r\nEvent-Subclass: a::b\nContent-Length: 4\r\n\r\n\r\nab\n\nAPI status \r\n\r\nauth\n\n";
    for size in 1..stream.len() {
        let mut decoder = CommandDecoder::new(Limits::default());
        let mut seen = Vec::new();
        for piece in stream.chunks(size) {
            decoder.push(piece);
            while let Some(frame) = decoder.next().unwrap() {
                seen.push((
                    frame.verb().to_vec(),
                    frame.argument().map(<[u8]>::to_vec),
                    frame.header("event-SUBCLASS").map(<[u8]>::to_vec),
                    frame.body().to_vec(),
                ));
            }
        }
        let expected = [
            (&b"sendevent"[..], Some(&b"CUSTOM"[..]), Some(&b"a::b"[..]), &b"\r\nab"[..]),
            (b"API", Some(b"status "), None, b""),
            (b"auth", None, None, b""),
        ]
        .map(|(verb, argument, header, body)| {
            (verb.to_vec(), argument.map(<[u8]>::to_vec), header.map(<[u8]>::to_vec), body.to_vec())
        });
        assert_eq!(seen, expected, "in pieces of {size} bytes");
        assert_eq!(decoder.finish(), End::Clean);
    }
}
