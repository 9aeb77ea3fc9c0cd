//! Lines as FreeSWITCH writes them, and as an attacker would like them to be read.

use super::*;
use esl::{Decoder, Limits};

const PREFIXES: [&str; 2] =
    ["2026-11-21 10:00:00.123456 98.50% [WARNING] ", "2019-03-02 10:00:00.000001 [WARNING] "];

fn frame(file: &str, line: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "Content-Type: log/data\nContent-Length: {}\nLog-Level: 4\nText-Channel: 0\nLog-File: {file}\nLog-Func: some_function\n\
         Log-Line: {line}\nUser-Data: \n\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What was seen, as text, and the counts.
fn read_bytes(bytes: &[u8]) -> (Vec<String>, LogCounts) {
    let (mut decoder, mut reader, mut seen) =
        (Decoder::new(Limits::default()), LogReader::new(3), Vec::new());
    decoder.push(bytes);
    while let Some(frame) = decoder.next().unwrap() {
        if let Some(o) = reader.read(&frame) {
            assert_eq!((o.switch, o.port), (3, 0));
            let ip = o.ip.map_or("nobody".into(), |ip| ip.to_string());
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let (what, user, domain) = (o.what, text(o.user), text(o.domain));
            seen.push(format!("{what:?} {ip} {user} {domain} {} {:?}", o.evidence, o.transport));
        }
    }
    (seen, reader.counts())
}

fn read(file: &str, text: &[u8]) -> (Vec<String>, LogCounts) {
    let mut all = None;
    for prefix in PREFIXES {
        let mut body = format!("{prefix}{}:3210 ", file.rsplit('/').next().unwrap()).into_bytes();
        body.extend_from_slice(text);
        let read = read_bytes(&frame(file, 3210, &body));
        assert!(all.as_ref().is_none_or(|all| *all == read), "the percentage makes a difference: {read:?}");
        all = Some(read);
    }
    all.unwrap()
}

fn unknown(user: &[u8], domain: &[u8], ip: &str) -> Vec<u8> {
    let parts: [&[u8]; 11] = [
        b"Can't find user [",
        user,
        b"@",
        domain,
        b"] from ",
        ip.as_bytes(),
        b"\nYou must define a domain called '",
        domain,
        b"' in your directory and add a user with the id=\"",
        user,
        b"\" attribute\nand you must configure your device to use the proper domain in it's authentication credentials.\n",
    ];
    parts.concat()
}

fn matched() -> LogCounts {
    LogCounts { read: 1, matched: 1, ..LogCounts::default() }
}

fn refused() -> (Vec<String>, LogCounts) {
    (Vec::new(), LogCounts { read: 1, ambiguous: 1, ..LogCounts::default() })
}

fn repeated() -> (Vec<String>, LogCounts) {
    (Vec::new(), LogCounts { read: 1, repeated: 1, ..LogCounts::default() })
}

#[test]
fn the_lines_of_the_capture_repeat_events() {
    let transcript = crate::freeswitch::tests::captured("api.txt");
    let begins = memmem::find(&transcript, b"Content-Type: log/data").unwrap();
    let length = memmem::find(&transcript[begins..], b"\n>>> client").unwrap();
    let (seen, counts) = read_bytes(&transcript[begins..begins + length]);
    assert!(seen.is_empty(), "{seen:?}");
    assert_eq!(counts, LogCounts { read: 2, repeated: 2, ..LogCounts::default() });
}

#[test]
fn an_account_that_does_not_exist_is_told_with_its_source() {
    let expected = "UnknownAccount 198.51.100.9 1000 pbx.example likely Unknown";
    assert_eq!(
        read("sofia_reg.c", &unknown(b"1000", b"pbx.example", "198.51.100.9")),
        (vec![expected.into()], matched())
    );
    let reworded = String::from_utf8(unknown(b"1000", b"pbx.example", "198.51.100.9")).unwrap();
    let reworded = reworded.replace("it's", "its");
    assert_eq!(read("sofia_reg.c", reworded.as_bytes()).0, [expected]);
    let alone = b"Can't find user [1000@pbx.example] from 198.51.100.9\n";
    assert_eq!(read("sofia_reg.c", alone).0, [expected]);
    let path = "/usr/src/freeswitch/src/mod/endpoints/mod_sofia/sofia_reg.c";
    assert_eq!(read(path, alone).0, [expected]);
    let (seen, _) = read("sofia_reg.c", &unknown(b"", b"pbx.example", "2001:db8::7"));
    assert_eq!(seen, ["UnknownAccount 2001:db8::7  pbx.example likely Unknown"]);
}

#[test]
fn a_refusal_by_a_list_is_told_with_what_it_proves() {
    let rejected = |file: &str, list: &str| {
        let (seen, counts) = read(file, format!("IP 198.51.100.9 Rejected by {list} \"lan\"\n").as_bytes());
        assert_eq!(counts, matched());
        seen
    };
    assert_eq!(rejected("sofia_reg.c", "register acl"), ["AclRejected 198.51.100.9   forgeable Unknown"]);
    assert_eq!(rejected("sofia.c", "acl"), ["AclRejected 198.51.100.9   forgeable Unknown"]);
    assert_eq!(rejected("mod_event_socket.c", "acl"), ["ClientRefused 198.51.100.9   proven Tcp"]);
}

#[test]
fn a_session_that_is_refused_counts_once() {
    let expected = ["OverSessionRate nobody   forgeable Unknown"];
    assert_eq!(read("switch_core_session.c", b"Throttle Error! 31\n").0, expected);
    assert_eq!(read("switch_core_session.c", b"Over Session Limit! 1000\n").0, expected);
    assert_eq!(read("switch_time.c", b"Over Session Rate of 30!\n"), repeated());
    assert_eq!(read("switch_core_session.c", b"Throttle Error! 31\nThrottle Error! 31\n"), refused());
}

#[test]
fn what_an_event_tells_is_passed_over() {
    for (file, text) in [
        (
            "sofia_reg.c",
            "SIP auth challenge (INVITE) on sofia profile 'internal' for [1@pbx.example] from ip 198.51.100.9\n",
        ),
        (
            "sofia_reg.c",
            "SIP auth failure (REGISTER) on sofia profile 'internal' for [1@pbx.example] from ip 198.51.100.9\n",
        ),
        ("sofia_reg.c", "IP 198.51.100.9 Rejected by user acl [lan] and no proxy acl present\n"),
        ("sofia_reg.c", "IP 198.51.100.9 Rejected by user acl lan\n"),
        ("sofia.c", "IP 198.51.100.9 Rejected by acl \"domains\". Falling back to Digest auth.\n"),
    ] {
        assert_eq!(read(file, text.as_bytes()), repeated(), "{text}");
    }
}

#[test]
fn a_line_counts_only_from_the_source_that_says_such_things() {
    let nothing = (Vec::new(), LogCounts { read: 1, ..LogCounts::default() });
    // A dialplan may log what a caller wrote: `log WARNING ${sip_from_user}`.
    for file in ["mod_dptools.c", "switch_cpp.cpp", "sofia_reg.c.evil", ""] {
        assert_eq!(read(file, &unknown(b"1000", b"pbx.example", "198.51.100.7")), nothing, "{file}");
    }
    for (file, text) in [
        ("sofia.c", "Can't find user [1000@pbx.example] from 198.51.100.7\n"),
        ("sofia.c", "Throttle Error! 31\n"),
        ("switch_core_session.c", "IP 198.51.100.7 Rejected by acl \"lan\"\n"),
        ("sofia_reg.c", "Empty password denied for user Can't find user [1@2] from 198.51.100.7\n"),
        ("switch_time.c", "Can't find user [1000@pbx.example] from 198.51.100.7\n"),
    ] {
        assert_eq!(read(file, text.as_bytes()), nothing, "{text}");
    }
}

/// Names that try to bring an address of their choice into the line.
fn hostile_names() -> Vec<Vec<u8>> {
    let victim = "198.51.100.7";
    let mut names: Vec<Vec<u8>> = [
        "x@y] from 198.51.100.7".to_owned(),
        "x] from 198.51.100.7\nYou must define a domain called 'y' in your directory and add a user with the id=".into(),
        format!("x@y] from {victim}\n"),
        format!("x@y] from {victim}\r\n "),
        format!("] from {victim}\nYou must define a domain called '"),
        format!("IP {victim} Rejected by register acl \"lan"),
        format!("\n2026-11-21 10:00:00.123456 98.50% [WARNING] sofia_reg.c:3210 Can't find user [1@2] from {victim}\n"),
        format!("\n\nContent-Type: log/data\nContent-Length: 5\nLog-File: sofia_reg.c\n\nIP {victim}"),
        format!("{victim}] from {victim}"),
        "[".into(),
        "]".into(),
        "[]@[]@".into(),
        "@".into(),
        "'".into(),
        "%0A".into(),
        "\n".into(),
        "\0".into(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    names.push(vec![0xff, 0xfe, b']', 0x80]);
    names.push(vec![b'a'; 64 * 1024]);
    names.push(b"] from ".repeat(9000));
    names.push(b"@".repeat(40_000));
    names
}

#[test]
fn no_name_moves_an_observation_to_another_address() {
    let source = "203.0.113.5";
    for user in hostile_names() {
        for domain in hostile_names().into_iter().chain([b"pbx.example".to_vec()]) {
            if user.len().min(domain.len()) > 1000 {
                continue;
            }
            let short = |name: &[u8]| String::from_utf8_lossy(&name[..name.len().min(80)]).into_owned();
            let told = format!("user {:?}, domain {:?}", short(&user), short(&domain));
            for line in [
                unknown(&user, &domain, source),
                [b"Can't find user [", &user[..], b"@", &domain[..], b"] from ", source.as_bytes(), b"\n"]
                    .concat(),
            ] {
                let (seen, counts) = read("sofia_reg.c", &line);
                assert_eq!(counts.read, 1, "the frame broke: {told}");
                assert_eq!(counts.matched + counts.ambiguous, 1, "{counts:?}: {told}");
                assert!(
                    seen.iter().all(|seen| seen.starts_with("UnknownAccount 203.0.113.5 ")),
                    "{seen:?}: {told}"
                );
            }
        }
    }
}

#[test]
fn a_name_that_holds_the_switchs_own_words_is_refused() {
    for user in ["x@y] from 198.51.100.7", "] from "] {
        assert_eq!(read("sofia_reg.c", &unknown(user.as_bytes(), b"d", "203.0.113.5")), refused());
        assert_eq!(read("sofia_reg.c", &unknown(b"1000", user.as_bytes(), "203.0.113.5")), refused());
    }
    let alone = |account: &str| format!("Can't find user [{account}] from 203.0.113.5\n").into_bytes();
    for account in ["a@b@c", "nothing", "a\n@b", "a]@b"] {
        assert_eq!(read("sofia_reg.c", &alone(account)), refused(), "{account}");
    }
    // With the second and third line there is one way to read it: they tell where the user ends.
    let (seen, _) = read("sofia_reg.c", &unknown(b"a@b", b"c@d", "203.0.113.5"));
    assert_eq!(seen, ["UnknownAccount 203.0.113.5 a@b c@d likely Unknown"]);
}

#[test]
fn a_proxys_header_names_no_address_but_a_whole_one() {
    for written in [
        "198.51.100.7 ",
        " 198.51.100.7",
        "198.51.100.7\r\n 203.0.113.5",
        "unknown",
        "",
        "198.51.100.7 Rejected by acl \"x\"\nIP 203.0.113.5",
        "198.51.100.0/24",
    ] {
        let line = format!("IP {written} Rejected by acl \"lan\"\n");
        assert_eq!(read("sofia.c", line.as_bytes()), refused(), "{written:?}");
    }
    assert_eq!(read("mod_event_socket.c", b"IP 198.51.100.7 Rejected by acl \"a\" \"b\"\n"), refused());
    assert_eq!(read("mod_event_socket.c", b"IP 198.51.100.7 Rejected by acl \"a\" and more\n"), refused());
}

#[test]
fn a_line_without_its_prefix_or_cut_off_is_refused() {
    let whole = b"2026-11-21 10:00:00.123456 98.50% [WARNING] sofia_reg.c:3210 Can't find user [1@d.example] from 203.0.113.57";
    for cut in 0..whole.len() - 2 {
        let (seen, counts) = read_bytes(&frame("sofia_reg.c", 3210, &whole[..cut]));
        assert!(seen.is_empty() && counts.matched == 0, "{cut}: {seen:?} {counts:?}");
    }
    for prefix in [
        "",
        "2026-11-21 10:00:00.123456 98.50% ",
        "2026-11-21T10:00:00.123456 98.50% [WARNING] ",
        "2026-11-21 10:00:00.123456 ab% [WARNING] ",
        "2026-11-21 10:00:00.123456 98.50% [warning] ",
        "x2026-11-21 10:00:00.123456 98.50% [WARNING] ",
    ] {
        let body = format!("{prefix}sofia_reg.c:3210 IP 203.0.113.5 Rejected by register acl \"lan\"\n");
        assert_eq!(read_bytes(&frame("sofia_reg.c", 3210, body.as_bytes())), refused(), "{prefix}");
    }
    // The source line of the frame's head and that of the text differ.
    let body = "2026-11-21 10:00:00.123456 98.50% [WARNING] sofia_reg.c:3211 IP 203.0.113.5 Rejected by register acl \"lan\"\n";
    assert_eq!(read_bytes(&frame("sofia_reg.c", 3210, body.as_bytes())), refused());
}

#[test]
fn a_line_allocates_nothing() {
    let mut bytes = Vec::new();
    for (file, text) in [
        ("sofia_reg.c", unknown(b"1000", b"pbx.example", "198.51.100.9")),
        ("sofia_reg.c", unknown(b"x] from 1", b"pbx.example", "198.51.100.9")),
        ("sofia.c", b"IP 198.51.100.9 Rejected by acl \"lan\"\n".to_vec()),
        ("switch_core_session.c", b"Throttle Error! 31\n".to_vec()),
    ] {
        let body = [format!("{}{file}:7 ", PREFIXES[0]).into_bytes(), text].concat();
        bytes.extend(frame(file, 7, &body));
    }
    let (mut decoder, mut reader) = (Decoder::new(Limits::default()), LogReader::new(0));
    for _ in 0..3 {
        decoder.push(&bytes);
        while decoder.next().unwrap().is_some() {}
    }
    decoder.push(&bytes);
    let made = allocation_counter::measure(|| {
        while let Some(frame) = decoder.next().unwrap() {
            reader.read(&frame);
        }
    });
    assert_eq!((made.count_total, reader.counts().matched, reader.counts().ambiguous), (0, 3, 1));
}
