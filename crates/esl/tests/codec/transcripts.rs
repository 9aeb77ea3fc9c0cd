//! `api.txt`: real conversations, replayed through both decoders, and written again by our own encoders.

use crate::{
    support::{capture, decode},
    transcript::{Step, connections},
};
use esl::{Command, CommandDecoder, End, Format, FrameKind, Limits, Subscription, reply};

#[test]
fn the_server_side_decodes_to_known_frames_however_it_is_cut() {
    let all = connections(&capture("api.txt"));
    assert!(all.len() > 20);
    for (title, steps) in &all {
        let bytes = sent(steps, false);
        let whole = decode(&bytes, &[usize::MAX]);
        assert_eq!(whole.1, Ok(End::Clean), "{title}");
        assert!(whole.0.iter().all(|frame| frame.kind != FrameKind::Other), "{title}");
        for size in [1, 2, 3, 7, 64, 1000] {
            assert!(decode(&bytes, &[size]) == whole, "{title} in pieces of {size} bytes");
        }
    }
}

#[test]
fn the_client_side_decodes_to_one_command_for_each_answer() {
    for (title, steps) in connections(&capture("api.txt")) {
        let bytes = sent(&steps, true);
        for size in [1, 2, 3, 7, 64, 1000, usize::MAX] {
            let mut decoder = CommandDecoder::new(Limits::default());
            let mut commands = 0;
            for piece in bytes.chunks(size) {
                decoder.push(piece);
                loop {
                    match decoder.next() {
                        Ok(None) => break,
                        Ok(Some(command)) => {
                            assert!(
                                !command.line().is_empty() && !command.line().ends_with(b"\r"),
                                "{title}"
                            );
                            commands += 1;
                        }
                        Err(error) => {
                            assert_eq!(error.to_string(), "out of range Content-Length \"-1\"");
                            assert_eq!(title, "out of range Content-Length");
                            break;
                        }
                    }
                }
            }
            if title.starts_with("half a command") {
                assert_eq!(decoder.finish(), End::Truncated { bytes: 7 });
            }
            let answers = answers(&sent(&steps, false));
            // Two passwords in one segment: the server closed after the first.
            let unanswered = usize::from(title.starts_with("two wrong passwords"));
            assert_eq!(commands, answers + unanswered, "{title} in pieces of {size} bytes");
        }
    }
}

fn answers(server: &[u8]) -> usize {
    let (frames, _) = decode(server, &[usize::MAX]);
    frames.iter().filter(|f| matches!(f.kind, FrameKind::CommandReply | FrameKind::ApiResponse)).count()
}

/// Every kind of command that the transcripts hold is what our encoder writes.
#[test]
fn our_commands_are_what_the_captured_client_sent() {
    let client: Vec<u8> =
        connections(&capture("api.txt")).iter().flat_map(|(_, steps)| sent(steps, true)).collect();
    let plain = |s: Subscription| s;
    let custom = plain(
        Subscription::new(Format::Plain)
            .custom("lab::test")
            .custom("sofia::register")
            .event("BACKGROUND_JOB"),
    );
    let json = Subscription::new(Format::Json).custom("lab::test");
    let right_order = Subscription::new(Format::Plain).custom("sofia::register").event("CHANNEL_CREATE");
    let all = Subscription::all(Format::Plain);
    let lab = Subscription::new(Format::Plain).custom("lab::test");
    let zero = "00000000-0000-0000-0000-000000000000";
    for command in [
        Command::Auth { password: "ClueCon" },
        Command::UserAuth { user: "1000@pbx.example", password: "esl-1000" },
        Command::Api("status"),
        Command::Api("show registrations as json"),
        Command::BgApi { command: "status", job: None },
        Command::BgApi { command: "uptime", job: Some("my-own-job-1") },
        Command::Event(&custom),
        Command::Event(&json),
        Command::Event(&right_order),
        Command::Event(&all),
        Command::NixEvent(&lab),
        Command::NixEvent(&all),
        Command::NoEvents,
        Command::Filter { header: "Tag", value: "/^re.*x$/" },
        Command::FilterDelete { header: "network-ip", value: Some("127.0.66.1") },
        Command::FilterDelete { header: "all", value: None },
        Command::MyEvents { uuid: zero, format: None },
        Command::SendMsg { uuid: Some(zero), headers: &[], body: None },
        Command::SendEvent {
            name: "CUSTOM",
            headers: &[("Event-Subclass", "lab::test")],
            body: Some(b"hello"),
        },
        Command::SendEvent { name: "NOTIFY_IN", headers: &[], body: None },
        Command::Log(4),
        Command::NoLog,
        Command::Linger(None),
        Command::NoLinger,
        Command::DivertEvents(true),
        Command::Exit,
    ] {
        let bytes = command.to_bytes().unwrap();
        assert!(memchr::memmem::find(&client, &bytes).is_some(), "{command:?} is not in the transcripts");
    }
}

/// Every answer of our server is what the captured server sent.
#[test]
fn our_replies_are_what_the_captured_server_sent() {
    let server: Vec<u8> =
        connections(&capture("api.txt")).iter().flat_map(|(_, steps)| sent(steps, false)).collect();
    let mut replies: Vec<Vec<u8>> = Vec::new();
    let mut add = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        replies.push(out);
    };
    add(&reply::auth_request);
    for text in [
        reply::ACCEPTED,
        reply::INVALID,
        reply::COMMAND_NOT_FOUND,
        reply::PERMISSION_DENIED,
        reply::NO_KEYWORDS,
        reply::EVENTS_NIXED,
        reply::NO_EVENTS,
        reply::NOT_LISTENING,
        reply::NO_LOG,
        reply::BYE,
    ] {
        add(&|out| reply::command_reply(out, text));
    }
    for format in [Format::Plain, Format::Json, Format::Xml] {
        add(&|out| reply::event_listener_enabled(out, format));
    }
    add(&|out| reply::job_started(out, "my-own-job-1"));
    add(&|out| reply::user_accepted(out, "all", "all", true));
    add(&|out| reply::api_response(out, b"-ERR nosuchapi Command not found!\n"));
    add(&reply::rude_rejection);
    add(&|out| reply::disconnect_notice(out, reply::GOODBYE));
    for reply in replies {
        assert!(memchr::memmem::find(&server, &reply).is_some(), "{:?}", String::from_utf8_lossy(&reply));
    }
    let shutdown = capture("shutdown.plain.esl");
    let killed = capture("killed_listener_tail.plain.esl");
    for (stream, text) in [(shutdown, reply::SHUTDOWN), (killed, reply::KILLED_LISTENER)] {
        let mut out = Vec::new();
        reply::disconnect_notice(&mut out, text);
        assert!(stream.ends_with(&out));
    }
}

#[test]
fn a_reply_text_cannot_add_a_header_or_a_frame() {
    let mut out = Vec::new();
    reply::command_reply_with(&mut out, "+OK a\n\nContent-Type: api/response\n\n", &[("X\r\nY", "1\n2")]);
    let (frames, end) = decode(&out, &[usize::MAX]);
    assert_eq!(end, Ok(End::Clean));
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].headers.len(), 3);
}

/// All that one side sent.
fn sent(steps: &[Step], by_client: bool) -> Vec<u8> {
    let bytes = steps.iter().filter_map(|step| match step {
        Step::Client(bytes) if by_client => Some(&bytes[..]),
        Step::Server(bytes) if !by_client => Some(&bytes[..]),
        _ => None,
    });
    bytes.flatten().copied().collect()
}
