//! Every line of the table "Situation and events" of the captures' README: capture in, observations out.

use super::*;
use esl::{Decoder, Limits};
use std::collections::BTreeMap;
use std::io::Read;

/// An observation, as the tests compare it.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    what: String,
    evidence: Evidence,
    transport: Transport,
    port: u16,
    user: String,
    domain: String,
    agent: String,
}

fn capture(name: &str) -> Vec<u8> {
    captured(&format!("{name}.esl"))
}

/// A file of the captures.
pub(super) fn captured(name: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.zst", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut bytes = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn short(what: &What<'_>) -> String {
    match what {
        What::CallStarted { destination, authenticated, .. } => {
            format!(
                "CallStarted({}, {})",
                text(destination),
                if *authenticated { "authenticated" } else { "stranger" }
            )
        }
        What::CallAnswered { .. } => "CallAnswered".into(),
        What::CallEnded { cause, refused: true, .. } => format!("CallEnded({}, refused)", text(cause)),
        What::CallEnded { cause, .. } => format!("CallEnded({})", text(cause)),
        What::LegStarted { gateway, destination, .. } => {
            format!("LegStarted({}, {})", text(destination), text(gateway))
        }
        What::LegAnswered { .. } => "LegAnswered".into(),
        What::LegEnded { billed, .. } => format!("LegEnded({billed})"),
        other => format!("{other:?}"),
    }
}

/// What a capture holds, by source ("" for none), in order.
fn read(name: &str) -> (BTreeMap<String, Vec<Seen>>, Counts) {
    let (mut decoder, mut extractor) =
        (Decoder::new(Limits::default()), Extractor::new(0, "default.example"));
    decoder.push(&capture(name));
    let mut by_source: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    while let Some(frame) = decoder.next().unwrap() {
        let Some(Ok(event)) = frame.event() else { continue };
        let Some(o) = extractor.read(event) else { continue };
        assert_eq!(o.switch, 0);
        by_source.entry(o.ip.map_or(String::new(), |ip| ip.to_string())).or_default().push(Seen {
            what: short(&o.what),
            evidence: o.evidence,
            transport: o.transport,
            port: o.port,
            user: text(o.user),
            domain: text(o.domain),
            agent: text(o.agent),
        });
    }
    (by_source, extractor.counts())
}

struct Capture(BTreeMap<String, Vec<Seen>>);

impl Capture {
    fn of(name: &str) -> Capture {
        Capture(read(name).0)
    }

    fn seen(&self, source: &str) -> &[Seen] {
        self.0.get(source).map_or(&[], Vec::as_slice)
    }

    fn whats(&self, source: &str) -> Vec<&str> {
        self.seen(source).iter().map(|seen| seen.what.as_str()).collect()
    }

    #[track_caller]
    fn tells(&self, source: &str, expected: &[&str]) {
        assert_eq!(self.whats(source), expected, "{source}");
    }
}

const REGISTERED: &str = "Registered { expires: 3600 }";
const FAILED: &str = "AuthFailed(Register)";

#[test]
fn registrations_that_succeed() {
    let capture = Capture::of("register_ok.plain");
    // First registration, re-registration with a valid nonce (no challenge), with an expired one (stale, challenged again).
    capture.tells(
        "127.0.10.1",
        &[
            "Challenged",
            "AuthSucceeded",
            REGISTERED,
            "AuthSucceeded",
            REGISTERED,
            "StaleNonce",
            "Challenged",
            "AuthSucceeded",
            REGISTERED,
        ],
    );
    let first = &capture.seen("127.0.10.1")[2];
    assert_eq!(
        (first.user.as_str(), first.domain.as_str(), first.agent.as_str()),
        ("1000", "pbx.example", "Yealink SIP-T46S 66.84.0.15")
    );
    assert_eq!((first.evidence, first.transport, first.port), (Evidence::Proven, Transport::Udp, 5060));
    let stale = &capture.seen("127.0.10.1")[5];
    assert_eq!(
        (stale.user.as_str(), stale.evidence),
        ("1000", Evidence::Forgeable),
        "username is \"unknown\": the To user"
    );
    // A reboot; a second device that replaces it gives no event for the first.
    capture.tells(
        "127.0.10.3",
        &["Challenged", "AuthSucceeded", REGISTERED, "Challenged", "AuthSucceeded", REGISTERED],
    );
    capture.tells("127.0.10.12", &["Challenged", "AuthSucceeded", REGISTERED]);
    // A query of bindings has neither contact nor expires.
    capture.tells("127.0.10.13", &["Challenged", "AuthSucceeded"]);
    // Over TCP; closing the connection tells nothing.
    capture.tells("127.0.10.20", &["Challenged", "AuthSucceeded", REGISTERED]);
    assert!(capture.seen("127.0.10.20").iter().all(|seen| seen.transport == Transport::Tcp));
    // Digest without qop is SUCCESS instead of RENEWED; the phone without a User-Agent has none.
    capture.tells("127.0.10.24", &["Challenged", "AuthSucceeded", REGISTERED]);
    assert!(capture.seen("127.0.10.23").iter().all(|seen| seen.agent.is_empty()));
    // Unregistering, with Expires 0, with Contact *, and without ever having registered.
    for source in ["127.0.10.4", "127.0.10.5"] {
        capture.tells(source, &["Challenged", "AuthSucceeded", REGISTERED, "AuthSucceeded", "Unregistered"]);
    }
    capture.tells("127.0.10.14", &["Challenged", "AuthSucceeded", "Unregistered"]);
    // Run out, and flushed from the console.
    for (source, expires) in [("127.0.10.30", 5), ("127.0.10.31", 4)] {
        let registered = format!("Registered {{ expires: {expires} }}");
        capture.tells(source, &["Challenged", "AuthSucceeded", &registered, "Expired"]);
    }
    capture.tells(
        "127.0.10.2",
        &["Challenged", "AuthSucceeded", REGISTERED, "AuthSucceeded", REGISTERED, "Expired"],
    );
}

#[test]
fn a_binding_has_the_same_account_when_it_is_made_removed_and_run_out() {
    let capture = Capture::of("register_ok.plain");
    for source in ["127.0.10.30", "127.0.10.31", "127.0.10.2", "127.0.10.4", "127.0.10.5"] {
        let accounts = |what: &str| -> Vec<(String, String)> {
            capture
                .seen(source)
                .iter()
                .filter(|seen| seen.what.starts_with(what))
                .map(|seen| (seen.user.clone(), seen.domain.clone()))
                .collect()
        };
        let ended = [accounts("Unregistered"), accounts("Expired")].concat();
        assert_eq!(accounts("Registered").last(), ended.last(), "{source}");
    }
}

#[test]
fn failures_count_once_and_name_the_account() {
    let capture = Capture::of("register_fail.plain");
    let failed = ["Challenged", "Refused", FAILED];
    // A challenge alone, a made-up nonce, an incomplete Authorization: no failure.
    capture.tells("127.0.66.1", &["Challenged"]);
    capture.tells("127.0.66.7", &["StaleNonce", "Challenged"]);
    capture.tells("127.0.66.8", &["StaleNonce", "Challenged"]);
    // Wrong password, unknown user, other user name, forbidden by the directory, another profile, TCP, foreign domain, lies
    // in headers, a retransmission: all the same.
    for last in [2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20] {
        capture.tells(&format!("127.0.66.{last}"), &failed);
    }
    // One challenge, five guesses.
    for source in ["127.0.66.5", "127.0.66.6"] {
        let five: Vec<&str> = ["Challenged"].into_iter().chain(["Refused", FAILED].repeat(5)).collect();
        capture.tells(source, &five);
    }
    // Mistyped once.
    capture.tells(
        "127.0.10.1",
        &["Challenged", "Refused", FAILED, "Challenged", "AuthSucceeded", "Registered { expires: 60 }"],
    );
    for source in ["127.0.67.1", "127.0.67.2", "127.0.67.3", "127.0.67.4", "127.0.67.5"] {
        capture.tells(source, &failed);
    }
    // Guessing by SUBSCRIBE leaves its challenge alone.
    capture.tells("127.0.66.30", &["Challenged"]);
    // INVITE: the failure's own field names the number dialled; the account comes from the attempt.
    capture.tells("127.0.66.31", &["Challenged", "Refused", "AuthFailed(Invite)"]);
    assert_eq!(capture.seen("127.0.66.31")[2].user, "1003");
    // The user without a password.
    capture.tells(
        "127.0.66.32",
        &["Challenged", "AuthSucceeded", "Registered { expires: 60 }", "AuthSucceeded", "Unregistered"],
    );
    let wrong = &capture.seen("127.0.66.2")[2];
    assert_eq!(
        (wrong.user.as_str(), wrong.domain.as_str(), wrong.evidence),
        ("1001", "pbx.example", Evidence::Likely)
    );
    assert_eq!(capture.seen("127.0.66.9")[2].user, "1001", "credentials of nobody: the To user");
    assert_eq!(capture.seen("127.0.66.17")[2].domain, "evil.example");
    assert_eq!(capture.seen("127.0.66.16")[1].transport, Transport::Tcp);
    assert_eq!(capture.seen("127.0.66.19")[2].what, FAILED, "neither Via nor X-Real-IP moves the source");
    assert!(capture.seen("198.51.100.7").is_empty());
    assert_eq!(capture.whats(""), ["CallEnded(CALL_REJECTED)"], "without any address");
}

#[test]
fn calls_that_never_come_back() {
    let capture = Capture::of("wrong_call_state.plain");
    for last in [1, 2, 3, 4, 6, 8, 9] {
        capture.tells(&format!("127.0.68.{last}"), &["Challenged", "CallAbandoned"]);
    }
    capture.tells("127.0.68.5", &["StaleNonce", "Challenged", "CallAbandoned"]);
    let ten: Vec<&str> = ["Challenged"].repeat(10).into_iter().chain(["CallAbandoned"].repeat(10)).collect();
    capture.tells("127.0.68.7", &ten);
    let abandoned = &capture.seen("127.0.68.1")[1];
    assert_eq!((abandoned.user.as_str(), abandoned.evidence), ("1000", Evidence::Forgeable));
    assert_ne!(abandoned.port, 0);
    capture.tells(
        "127.0.10.4",
        &[
            "Challenged",
            "Challenged",
            "AuthSucceeded",
            "CallStarted(9196, authenticated)",
            "CallAnswered",
            "CallEnded(NORMAL_CLEARING)",
            "CallAbandoned",
        ],
    );
    capture.tells("127.0.68.10", &["Challenged", "Refused", "AuthFailed(Invite)"]);
    capture.tells("127.0.68.11", &["CallStarted(9196, stranger)", "CallEnded(NORMAL_CLEARING, refused)"]);
    // BYE, UPDATE, INFO, PRACK, NOTIFY out of a dialog.
    capture.tells("127.0.68.12", &[]);
}

#[test]
fn calls_by_their_inbound_legs_and_what_leaves_by_a_gateway() {
    let (by_source, counts) = read("calls.plain");
    let capture = Capture(by_source);
    let starts = |source: &str| {
        capture
            .whats(source)
            .into_iter()
            .filter(|what| what.starts_with("CallStarted"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(starts("127.0.10.1").len(), 5);
    assert!(starts("127.0.10.1").iter().all(|start| start.ends_with(", authenticated)")));
    // The called phone and the carrier are named by outbound legs alone.
    capture.tells("127.0.10.2", &["Challenged", "AuthSucceeded", REGISTERED]);
    capture.tells("127.0.9.9", &[]);
    assert_eq!(counts.outbound, 2 + 3, "answer and hang-up of legs to phones");
    let legs: Vec<&str> = capture.whats("").into_iter().filter(|what| what.starts_with("Leg")).collect();
    let count = |what: &str| legs.iter().filter(|leg| leg.starts_with(what)).count();
    assert_eq!((count("LegStarted"), count("LegAnswered"), count("LegEnded")), (12, 9, 9), "{legs:?}");
    let by_gateway = legs.iter().filter(|leg| leg.ends_with(", carrier)")).count();
    assert_eq!((by_gateway, count("LegStarted(1001, )"), count("LegStarted(1000, )")), (9, 2, 1));
    assert!(legs.contains(&"LegStarted(+441632960777, carrier)"), "{legs:?}");
    // The account is that of the credentials, not the From that the caller wrote.
    let spoofed =
        capture.seen("127.0.10.5").iter().find(|seen| seen.what.starts_with("CallStarted")).unwrap();
    assert_eq!(
        (spoofed.user.as_str(), spoofed.evidence, spoofed.transport),
        ("1004", Evidence::Likely, Transport::Udp)
    );
    let stranger = &capture.seen("127.0.66.23")[0];
    assert_eq!(
        (stranger.what.as_str(), stranger.evidence),
        ("CallStarted(00441632960123, stranger)", Evidence::Forgeable)
    );
    assert_eq!(starts("127.0.66.23").len(), 4);
    assert_eq!(starts("127.0.66.30").len(), 11);
    assert!(starts("127.0.66.30").contains(&"CallStarted(+441632960777, authenticated)".to_owned()));
    assert_eq!(capture.whats("127.0.66.30").iter().filter(|what| **what == "CallAnswered").count(), 9);
    capture.tells("127.0.66.20", &["Challenged", "CallAbandoned"]);
    capture.tells("127.0.66.21", &["Challenged", "Refused", "AuthFailed(Invite)"]);
}

#[test]
fn other_methods_tell_nothing_but_their_challenge() {
    let capture = Capture::of("other_methods.plain");
    for last in 1..=21 {
        let challenged = matches!(last, 2..=7 | 20);
        capture.tells(&format!("127.0.72.{last}"), if challenged { &["Challenged"] } else { &[] });
    }
    assert_eq!(capture.whats(""), ["Heartbeat"]);
}

#[test]
fn above_the_session_rate_nothing_is_told() {
    let capture = Capture::of("session_rate.plain");
    let whats = capture.whats("127.0.45.1");
    assert_eq!(whats.iter().filter(|what| **what == "Challenged").count(), 41);
    assert_eq!(whats.iter().filter(|what| **what == "CallAbandoned").count(), 41);
}

#[test]
fn scanners_are_counted_by_what_they_leave() {
    let capture = Capture::of("scanner.plain");
    for (source, challenged, failed) in [
        ("127.0.70.1", 0, 0),
        ("127.0.70.3", 1, 0),
        ("127.0.70.4", 1, 0),
        ("127.0.70.11", 2, 0),
        ("127.0.70.5", 0, 0),
        ("127.0.70.7", 13, 12),
        ("127.0.70.8", 13, 12),
        ("127.0.70.9", 70, 69),
        ("127.0.70.10", 13, 12),
        ("127.0.70.12", 50, 0),
        ("127.0.70.13", 20, 20),
    ] {
        let count =
            |what: &str| capture.whats(source).into_iter().filter(|other| other.starts_with(what)).count();
        assert_eq!((count("Challenged"), count("AuthFailed")), (challenged, failed), "{source}");
        assert_eq!(count("Refused"), failed, "{source}: each failure has its attempt");
    }
}

#[test]
fn plain_json_and_xml_say_the_same() {
    for capture in ["mixed", "hostile"] {
        // Agents and odd users are left out: FreeSWITCH leaves a percent sign before two hex digits alone, so that plain and XML cannot
        // be told from what was encoded, and a User-Agent that looks like an array becomes one.
        let read = |format: &str| {
            let mut by_source = read(&format!("{capture}.{format}")).0;
            for seen in by_source.values_mut().flatten() {
                seen.agent.clear();
                if !seen.user.bytes().all(|byte| byte.is_ascii_digit()) {
                    seen.user.clear();
                }
            }
            by_source
        };
        let plain = read("plain");
        assert!(plain.len() > 5);
        for format in ["json", "xml"] {
            assert_eq!(read(format), plain, "{capture}.{format}");
        }
    }
}

#[test]
fn hostile_values_move_nothing_to_another_source() {
    let (by_source, counts) = read("hostile.plain");
    assert_eq!(counts.bad_address, 0);
    assert!(by_source.keys().all(|source| source.starts_with("127.0.69.")), "{:?}", by_source.keys());
    let capture = Capture(by_source);
    for last in 1..=10 {
        assert_eq!(capture.whats(&format!("127.0.69.{last}")), ["Challenged", "Refused", FAILED]);
    }
    assert!(capture.seen("127.0.69.4").iter().all(|seen| seen.agent.len() == LONGEST), "3000 bytes are cut");
    assert!(capture.seen("127.0.69.7").iter().all(|seen| seen.agent.is_empty()));
}

#[test]
fn forged_events_are_ignored_and_counted() {
    for format in ["plain", "json", "xml"] {
        let (by_source, counts) = read(&format!("mixed.{format}"));
        assert_eq!(counts.forged, 1, "{format}");
        let failures: usize = by_source.values().flatten().filter(|seen| seen.what == FAILED).count();
        assert_eq!(failures, 2, "{format}");
    }
}

/// What an event made of these lines says.
fn one(lines: &str) -> Option<(String, Option<IpAddr>, String)> {
    let text = format!("{lines}\n\n");
    let mut extractor = Extractor::new(0, "default.example");
    let event = EventView::parse(esl::Format::Plain, text.as_bytes()).unwrap();
    extractor.read(event).map(|o| (short(&o.what), o.ip, String::from_utf8_lossy(o.domain).into_owned()))
}

#[test]
fn ipv6_and_mapped_addresses_are_read_and_what_is_no_address_is_ignored() {
    let failure = |ip: &str| {
        one(&format!(
            "Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Name: CUSTOM\nto-user: 1\nnetwork-ip: {ip}\nregistration-type: REGISTER"
        ))
    };
    assert_eq!(failure("2001%3Adb8%3A%3A7").unwrap().1, "2001:db8::7".parse().ok());
    assert_eq!(failure("%3A%3Affff%3A192.0.2.7").unwrap().1, "192.0.2.7".parse().ok());
    assert_eq!(failure("192.0.2.7").unwrap().2, "default.example", "no domain in the event");
    for nonsense in ["unknown", "", "pbx.example", "192.0.2.7%0A", "%00", &"%41".repeat(5000)] {
        assert_eq!(failure(nonsense), None, "{nonsense:.20}");
    }
}

#[test]
fn a_forgers_own_calling_file_does_not_hide_the_switchs() {
    let forged = "Event-Subclass: sofia%3A%3Aregister_failure\nEvent-Name: CUSTOM\nEvent-Calling-File: sofia_reg.c\nto-user: 1\nnetwork-ip: 192.0.2.7\nEvent-Calling-File: mod_event_socket.c";
    assert_eq!(one(forged), None);
}

#[test]
fn a_forgers_own_sequence_does_not_hide_where_the_event_comes_from() {
    let head =
        "Event-Subclass: sofia%3A%3Aregister_failure\nCommand: sendevent%20CUSTOM\nEvent-Name: CUSTOM\n";
    let theirs = "Event-Sequence: 1\nto-user: 1\nnetwork-ip: 192.0.2.7\n";
    let ours = "Event-Calling-File: mod_event_socket.c\nEvent-Sequence: 2";
    assert_eq!(one(&format!("{head}{theirs}{ours}")), None);
    assert_eq!(one(&format!("{head}{ours}\n{theirs}")), None);
}

#[test]
fn start_and_stop_of_the_switch_are_told() {
    assert_eq!(Capture::of("shutdown.plain").whats(""), ["SwitchStopping"]);
    assert_eq!(one("Event-Name: STARTUP").unwrap().0, "SwitchStarted { up: 0 }");
    let mut extractor = Extractor::new(0, "d");
    for (core, expected) in [
        ("one", What::Heartbeat),
        ("one", What::Heartbeat),
        ("two", What::SwitchStarted { up: 21 }),
        ("two", What::Heartbeat),
        ("one", What::Heartbeat),
        ("two", What::Heartbeat),
        ("three", What::SwitchStarted { up: 21 }),
    ] {
        let text = format!("Event-Name: HEARTBEAT\nCore-UUID: {core}\nUptime-msec: 20001\n\n");
        let event = EventView::parse(esl::Format::Plain, text.as_bytes()).unwrap();
        assert_eq!(extractor.read(event).map(|o| o.what), Some(expected));
    }
}

/// An outbound leg as FreeSWITCH writes one, with these lines besides.
fn outbound(name: &str, lines: &str) -> String {
    format!(
        "Event-Name: {name}\nEvent-Calling-File: switch_channel.c\nEvent-Sequence: 7\nUnique-ID: b\nCall-Direction: outbound\n\
         Caller-Network-Addr: 203.0.113.7\nCaller-Destination-Number: 0025290112345\n{lines}\nvariable_billsec: 3"
    )
}

#[test]
fn a_leg_names_whom_it_was_made_for_and_nobodys_address() {
    let told = |name: &str, lines: &str| {
        let event = format!("{}\n\n", outbound(name, lines));
        let mut extractor = Extractor::new(0, "default.example");
        let event = EventView::parse(esl::Format::Plain, event.as_bytes()).unwrap();
        let origin = extractor.read(event).map(|o| {
            assert_eq!((o.ip, o.port, o.user), (None, 0, &b""[..]));
            let origin = match o.what {
                What::LegStarted { origin, .. } => text(origin),
                other => short(&other),
            };
            (origin, text(o.domain))
        });
        (origin, extractor.counts().outbound)
    };
    let leg = |origin: &str, domain: &str| (Some((origin.to_owned(), domain.to_owned())), 0);
    let gateway = "variable_sip_gateway_name: carrier";
    // An `originate` of the switch's own accord, and one for a tenant.
    assert_eq!(
        told("CHANNEL_CREATE", &format!("Channel-Call-UUID: b\n{gateway}")),
        leg("", "default.example")
    );
    let tenant = format!("{gateway}\nvariable_domain_name: one.example");
    assert_eq!(told("CHANNEL_CREATE", &tenant), leg("", "one.example"));
    // What FreeSWITCH says of the other leg, the best last.
    let call = format!("Channel-Call-UUID: c\n{gateway}");
    assert_eq!(told("CHANNEL_CREATE", &call), leg("c", "default.example"));
    let other = format!("Other-Type: originator\nOther-Leg-Unique-ID: o\n{call}");
    assert_eq!(told("CHANNEL_CREATE", &other), leg("o", "default.example"));
    let variable = format!("{other}\nvariable_originating_leg_uuid: a");
    assert_eq!(told("CHANNEL_CREATE", &variable), leg("a", "default.example"));
    assert_eq!(told("CHANNEL_ANSWER", gateway), leg("LegAnswered", "default.example"));
    assert_eq!(told("CHANNEL_HANGUP_COMPLETE", gateway), leg("LegEnded(3)", "default.example"));
    // A phone: whose leg it is at first, and nothing more.
    assert_eq!(told("CHANNEL_CREATE", "Channel-Call-UUID: a"), leg("a", "default.example"));
    assert_eq!(told("CHANNEL_CREATE", "Channel-Call-UUID: b"), (None, 1));
    assert_eq!(told("CHANNEL_ANSWER", "Channel-Call-UUID: a"), (None, 1));
    assert_eq!(told("CHANNEL_HANGUP_COMPLETE", "Channel-Call-UUID: a"), (None, 1));
    // Who writes the header into a value does not write a header.
    let forged = "variable_sip_h_X-A: %0Avariable_sip_gateway_name:%20carrier";
    assert_eq!(told("CHANNEL_ANSWER", forged), (None, 1));
    let by_a_client = format!("{gateway}\nEvent-Calling-File: mod_event_socket.c");
    assert_eq!(told("CHANNEL_CREATE", &by_a_client), (None, 0));
}

/// The events of this name in a capture, as `uuid_dump` would tell of their calls after so many seconds.
fn dumps(name: &str, seconds: u64) -> Vec<String> {
    let mut decoder = Decoder::new(Limits::default());
    decoder.push(&capture("calls.plain"));
    let mut dumps = Vec::new();
    while let Some(frame) = decoder.next().unwrap() {
        let Some(Ok(event)) = frame.event() else { continue };
        if event.name() == name.as_bytes() {
            let now = event.timestamp().unwrap();
            let (was, is) = (
                format!("Event-Date-Timestamp: {now}"),
                format!("Event-Date-Timestamp: {}", now + seconds * 1_000_000),
            );
            dumps.push(text(event.raw()).replacen(name, "CHANNEL_DATA", 1).replacen(&was, &is, 1));
        }
    }
    dumps
}

#[test]
fn a_call_that_runs_is_told_of_with_its_age() {
    let mut extractor = Extractor::new(0, "default.example");
    let mut told = Vec::new();
    for dump in dumps("CHANNEL_ANSWER", 90) {
        let event = EventView::parse(esl::Format::Plain, dump.as_bytes()).unwrap();
        let Some(Running { seen, age, answered }) = extractor.running(event) else { continue };
        let answered = answered.unwrap();
        assert!(answered.as_secs() == 90 && age >= answered && age.as_secs() < 100, "{age:?} {answered:?}");
        told.push((short(&seen.what), seen.ip.is_some(), text(seen.user)));
    }
    let starts = |what: &str| told.iter().filter(|(told, ..)| told.starts_with(what)).count();
    assert_eq!((starts("CallStarted"), starts("LegStarted")), (14, 11));
    assert!(
        told.contains(&("CallStarted(00441632960123, authenticated)".into(), true, "1003".into())),
        "{told:?}"
    );
    assert!(told.contains(&("LegStarted(00441632960123, carrier)".into(), false, String::new())), "{told:?}");
    for dump in dumps("CHANNEL_CREATE", 0) {
        let event = EventView::parse(esl::Format::Plain, dump.as_bytes()).unwrap();
        assert!(extractor.running(event).is_none_or(|running| running.answered.is_none()));
    }
    // What has ended, and what is another event, is no call that runs.
    for dump in dumps("CHANNEL_HANGUP_COMPLETE", 0) {
        let event = EventView::parse(esl::Format::Plain, dump.as_bytes()).unwrap();
        assert!(extractor.running(event).is_none());
        let other = dump.replacen("CHANNEL_DATA", "CHANNEL_CREATE", 1);
        assert!(extractor.running(EventView::parse(esl::Format::Plain, other.as_bytes()).unwrap()).is_none());
    }
}
