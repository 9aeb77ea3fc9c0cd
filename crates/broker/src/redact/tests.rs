//! A secret never comes through, and what is no secret stays.

use super::*;
use crate::freeswitch;
use proptest::prelude::*;
use std::sync::LazyLock;

static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(freeswitch::catalogue(), &["crm_note".into(), "acme_*".into()]));

fn reply(command: &str, text: &str) -> String {
    String::from_utf8(REDACTOR.reply(Line::new(command).unwrap(), text.into())).unwrap()
}

fn command(text: &str) -> String {
    REDACTOR.command(Line::new(text).unwrap()).into_owned()
}

#[test]
fn names_are_known_in_any_case_and_with_the_mark_of_a_variable() {
    for name in [
        "sip_auth_password",
        "VARIABLE_sip_auth_realm",
        "a1-hash",
        "vm-password",
        "CRM_Note",
        "variable_acme_key",
        "variable_switch_r_sdp",
        "my_password[2]",
        "API-Command-Argument",
        "pin",
        "conference_pin",
        "odbc-dsn",
    ] {
        assert!(REDACTOR.is_secret(name), "{name}");
    }
    for name in
        ["Unique-ID", "variable_user_name", "message", "spinning", "crm_notes", "variable_sip_authorized", ""]
    {
        assert!(!REDACTOR.is_secret(name), "{name}");
    }
}

#[test]
fn answers_keep_everything_but_the_values() {
    for (line, given, expected) in [
        ("uuid_getvar u sip_auth_password", "s3cret", "***"),
        ("uuid_getvar u sip_auth_password", "-ERR No such channel!", "-ERR No such channel!"),
        ("uuid_setvar u password x", "+OK\n", "+OK\n"),
        (
            "originate user/1 &playback(ivr/pin/secret)",
            "+OK 11111111-2222-3333-4444-555555555555\n",
            "+OK 11111111-2222-3333-4444-555555555555\n",
        ),
        ("uuid_getvar u hostname", "s3cret", "s3cret"),
        ("eval ${default_password}", "1234", "***"),
        ("user_data 1000@pbx.example param password", "1234", "***"),
        ("db select/realm/password", "1234", "***"),
        ("originate {sip_auth_password=x}user/1 &park()", "+OK 1-2-3", "+OK 1-2-3"),
        (
            "find_user_xml id 1000 pbx.example",
            "<param name=\"password\" value=\"s3cret\"></param><variable name=\"accountcode\" value=\"1000\"/>",
            "<param name=\"password\" value=\"***\"></param><variable name=\"accountcode\" value=\"1000\"/>",
        ),
        (
            "x",
            "<param value='s3cret' name='vm-password'/>\n<a b='c'/>",
            "<param value='***' name='vm-password'/>\n<a b='c'/>",
        ),
        ("x", "<param name=\"password\">s3cret</param> rest", "<param name=\"password\">***</param> rest"),
        ("x", "<user id=\"1000\" a1-hash=\"s3cret\"/> x", "<user id=\"1000\" a1-hash=\"***\"/> x"),
        (
            "x",
            "<Gateway><password>s3cret</password><name>a</name>",
            "<Gateway><password>***</password><name>a</name>",
        ),
        (
            "x",
            "<X-PRE-PROCESS cmd=\"set\" data=\"default_password=12 34\"/>",
            "<X-PRE-PROCESS cmd=\"set\" data=\"default_password=***\"/>",
        ),
        ("x", "{\"a\":1,\"password\": \"s3\\\"cret\",\"b\":2}", "{\"a\":1,\"password\": \"***\",\"b\":2}"),
        ("x", "{\"password\":[\"s3\",\"cret\"],\"b\":2}", "{\"password\":\"***\",\"b\":2}"),
        ("x", "{\"password\":1234,\"b\":2}", "{\"password\":\"***\",\"b\":2}"),
        (
            "x",
            "{\"x\":\"{\\\"password\\\":\\\"s3\\\\\\\"cret\\\"}\",\"b\":2}",
            "{\"x\":\"{\\\"password\\\":\\\"***\\\"}\",\"b\":2}",
        ),
        ("x", "{sip_auth_password=s3cret,b=c}user/1", "{sip_auth_password=***,b=c}user/1"),
        ("x", "{^^:sip_auth_password=s3,cret:b=c}user/1", "{^^:sip_auth_password=***:b=c}user/1"),
        ("x", "[sip_auth_password='s3,cret',b=c]user/1", "[sip_auth_password='***',b=c]user/1"),
        ("x", "{sip_auth_password=s3\\,cret,b=c}user/1", "{sip_auth_password=***,b=c}user/1"),
        ("global_getvar", "a=b\ndefault_password=s3,cret x\nc=d", "a=b\ndefault_password=***\nc=d"),
        (
            "sofia status gateway x",
            "Username\tcarrier\nPassword        \tyes\nState\tREGED",
            "Username\tcarrier\nPassword        \t***\nState\tREGED",
        ),
        (
            "uuid_dump u",
            "variable_a: b\nvariable_switch_r_sdp: v=0\r\na=crypto:1 x\r\n\nvariable_c: d",
            "variable_a: b\nvariable_switch_r_sdp: ***\nvariable_c: d",
        ),
        ("x", "o=x\r\na=ice-pwd:s3cret\r\nm=audio", "o=x\r\na=ice-pwd:***\r\nm=audio"),
        ("x", "http://x/?a=b&token=s3cret&c=d", "http://x/?a=b&token=***&c=d"),
        ("hash_dump db", "D/realm/password/s3cret\nD/a/b/c", "D/realm/password/***\nD/a/b/c"),
        (
            "show registrations as json",
            "{\"rows\":[{\"token\":\"call-id\",\"url\":\"sip:1\"}]}",
            "{\"rows\":[{\"token\":\"call-id\",\"url\":\"sip:1\"}]}",
        ),
        ("x", "acme_id=1 2\nb", "acme_id=***\nb"),
    ] {
        assert_eq!(reply(line, given), expected, "{line}");
    }
}

#[test]
fn commands_keep_what_they_do_and_to_whom() {
    for (given, expected) in [
        ("status", "status"),
        (
            "originate {sip_auth_password=s3cret,a=b}user/1000@pbx.example &park()",
            "originate {sip_auth_password=***,a=b}user/1000@pbx.example &park()",
        ),
        (
            "originate [^^;sip_auth_password=a,b;c=d]user/1 900",
            "originate [^^;sip_auth_password=***;c=d]user/1 900",
        ),
        ("uuid_setvar u password s3 cret", "uuid_setvar u password ***"),
        ("bgapi uuid_setvar u 'password' s3cret", "bgapi uuid_setvar u 'password' ***"),
        ("eval ${uuid_setvar(u password s3cret)}", "eval ${uuid_setvar(u password ***)}"),
        ("global_setvar default_password=s3 cret", "global_setvar default_password=***"),
        (
            "uuid_setvar_multi u a=b;sip_auth_password=s3 cret;c=d",
            "uuid_setvar_multi u a=b;sip_auth_password=***;c=d",
        ),
        ("db insert/users/password/s3cret", "db insert/users/password/***"),
        (
            "vm_fsdb_auth_login default pbx.example 1000 1234",
            "vm_fsdb_auth_login default pbx.example 1000 ***",
        ),
        ("uuid_send_dtmf u 1234", "uuid_send_dtmf u ***"),
        ("conference 3000 pin 1234", "conference 3000 pin ***"),
        ("uuid_getvar u password", "uuid_getvar u password"),
        ("eval ${password:0:3} x", "eval ${password:0:3} x"),
        ("uuid_broadcast u set::password=s3cret aleg", "uuid_broadcast u set::password=***"),
    ] {
        assert_eq!(command(given), expected);
    }
}

#[test]
fn a_plain_event_without_secrets_is_as_it_came() {
    let nothing = Redactor::new(&Catalogue::default(), &[]);
    let mut writer = EventWriter::new(Format::Plain);
    writer
        .header("Event-Name", b"CUSTOM")
        .header("Event-Subclass", b"lab::x")
        .header("A", b"100% {\"a\": \r\n");
    let mut frame = Vec::new();
    writer.finish(Some(b"line\n"), &mut frame);
    let body = frame.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
    let view = EventView::parse(Format::Plain, &frame[body..]).unwrap();
    for redactor in [&nothing, &*REDACTOR] {
        let mut out = b"before".to_vec();
        redactor.event(&view, Format::Plain, &mut out);
        assert_eq!(&out[6..], &frame[..], "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn what_people_say_and_type_is_not_shown() {
    for (name, subclass) in [
        ("MESSAGE", ""),
        ("SEND_MESSAGE", ""),
        ("RECV_INFO", ""),
        ("DETECTED_SPEECH", ""),
        ("CUSTOM", "Event-Subclass: SMS%3A%3ASEND_MESSAGE\n"),
    ] {
        let text = format!("Event-Name: {name}\n{subclass}Content-Length: 4\n\n4711");
        let mut out = Vec::new();
        REDACTOR.event(&EventView::parse(Format::Plain, text.as_bytes()).unwrap(), Format::Plain, &mut out);
        let shown = String::from_utf8(out).unwrap();
        assert!(!shown.contains("4711") && shown.ends_with(MARK), "{shown}");
    }
    let text = "Event-Name: CUSTOM\nEvent-Subclass: crm%3A%3Anote\nContent-Length: 4\n\n4711";
    let mut out = Vec::new();
    REDACTOR.event(&EventView::parse(Format::Plain, text.as_bytes()).unwrap(), Format::Plain, &mut out);
    assert!(out.ends_with(b"4711"));
}

/// An event with a secret at each of its places, in each format; gives the frames.
fn frames(secret: &str) -> Vec<String> {
    let mut writer = EventWriter::new(Format::Plain);
    let text = secret.as_bytes();
    writer.header("Event-Name", b"BACKGROUND_JOB");
    for name in [
        "variable_sip_auth_password",
        "sip_auth_cnonce",
        "Job-Command-Arg",
        "Application-Data",
        "variable_acme_x",
    ] {
        writer.header(name, text);
    }
    writer.header("variable_dial", format!("{{sip_auth_password={secret}}}user/1").as_bytes());
    writer.header("variable_xml", format!("<param name=\"password\" value=\"{secret}\"/>").as_bytes());
    writer.header("variable_secrets", format!("ARRAY::{secret}|:{secret}").as_bytes());
    let mut frame = Vec::new();
    writer.finish(Some(text), &mut frame);
    let body = frame.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
    let mut out = Vec::new();
    for from in [Format::Plain, Format::Json, Format::Xml] {
        // What was written in another format is read back before.
        let mut again = Vec::new();
        let view = EventView::parse(Format::Plain, &frame[body..]).unwrap();
        let mut other = EventWriter::new(from);
        view.headers().filter(|(name, _)| *name != b"Content-Length").for_each(|(name, value)| {
            other.header(std::str::from_utf8(name).unwrap(), &value.decoded());
        });
        other.finish(Some(text), &mut again);
        let start = again.windows(2).position(|two| two == b"\n\n").unwrap() + 2;
        let view = EventView::parse(from, &again[start..]).unwrap();
        for format in [Format::Plain, Format::Json, Format::Xml] {
            let mut frame = Vec::new();
            REDACTOR.event(&view, format, &mut frame);
            let text = String::from_utf8(frame).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            assert!(head.starts_with(&format!("Content-Length: {}\n", body.len())), "{head}");
            let mut decoded = Vec::new();
            esl::percent::decode_into(text.as_bytes(), &mut decoded);
            out.push(String::from_utf8(decoded).unwrap());
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_secret_comes_through_in_no_place(
        secret in "Q[a-zA-Z0-9@#!.*+_-]{6,24}Q",
        before in "[a-z ={}\\[\\]<>,:;'\"\\\\\n]{0,12}",
        name in prop::sample::select(vec!["password", "sip_auth_password", "variable_sip_auth_password", "a1-hash", "PIN", "acme_7"]),
        form in 0usize..17,
    ) {
        let text = match form {
            0 => format!("<param name=\"{name}\" value=\"{secret}\"/>"),
            1 => format!("<param value=\"{secret}\" name=\"{name}\"/>"),
            2 => format!("<user {name}='{secret}'>"),
            3 => format!("<{name}>{secret}</{name}>"),
            4 => format!("{{\"{name}\":\"{secret}\"}}"),
            5 => format!("{{\"{name}\" : [ \"a\", \"{secret}\" ] }}"),
            6 => format!("{{{name}={secret},x=y}}user/1"),
            7 => format!("[{name}='a,{secret}',x=y]user/1"),
            8 => format!("{{^^:{name}=a,{secret}:x=y}}user/1"),
            9 => format!("\n{name}: {secret}\nx: y"),
            10 => format!("\n{name}={secret}\nx=y"),
            11 => format!("\n{name}\t{secret}\n"),
            12 => format!("{{\\\"{name}\\\":\\\"{secret}\\\"}}"),
            13 => format!("name=&quot;{name}&quot; value=&quot;{secret}&quot;"),
            14 => format!("{name}%3D{secret}"),
            15 => format!("{name}[1]={secret}"),
            _ => format!("\n{name} = \"{secret}\""),
        };
        // "xpin" is no name of a secret.
        let between = if before.ends_with(|last: char| last.is_ascii_alphanumeric()) { " " } else { "" };
        let text = format!("{before}{between}{text}");
        let shown = reply("x", &text);
        // An open quote or bracket before it may take it for something else, but must not hide it.
        prop_assert!(!shown.contains(&secret), "{text:?} gave {shown:?}");
        let shown = REDACTOR.bytes(text.as_bytes());
        prop_assert!(!String::from_utf8_lossy(&shown).contains(&secret), "{text:?}");
    }

    #[test]
    fn a_secret_in_a_command_comes_through_in_no_place(secret in "Q[a-zA-Z0-9@#!.*+-]{6,24}Q", wrap in 0usize..4, form in 0usize..10) {
        let text = match form {
            0 => format!("uuid_setvar u password {secret}"),
            1 => format!("global_setvar password={secret}"),
            2 => format!("originate {{sip_auth_password={secret}}}user/1 &park()"),
            3 => format!("originate <a=b,sip_auth_password={secret}>[c=d]user/1 &park()"),
            4 => format!("uuid_setvar_multi u a=b;sip_auth_password={secret};c=d"),
            5 => format!("uuid_broadcast u set::sip_auth_password={secret}"),
            6 => format!("originate user/1 &set(sip_auth_password={secret})"),
            7 => format!("db insert/x/password/{secret}"),
            8 => format!("uuid_setvar u execute_on_answer set sip_auth_password={secret}"),
            _ => format!("json {{\"password\":\"{secret}\"}}"),
        };
        let text = match wrap {
            0 => text,
            1 => format!("bgapi {text}"),
            2 => format!("sched_api +5 none {text}"),
            _ => format!("eval ${{expand({text})}}"),
        };
        let shown = command(&text);
        prop_assert!(!shown.contains(&secret), "{text:?} gave {shown:?}");
    }

    #[test]
    fn a_secret_in_an_event_comes_through_in_no_format(secret in "Q[a-zA-Z0-9@#!.*+ _-]{6,24}Q") {
        for frame in frames(&secret) {
            prop_assert!(!frame.contains(&secret), "{frame}");
        }
    }

    #[test]
    fn any_text_is_read_to_its_end(text in prop::collection::vec(any::<u8>(), 0..400), names in prop::collection::vec(0usize..400, 0..12)) {
        let mut text = text;
        for at in names {
            let at = at.min(text.len());
            text.splice(at..at, *b" name=\"password\" {password:\"");
        }
        REDACTOR.bytes(&text);
        REDACTOR.reply(Line::new("uuid_dump u").unwrap(), text.clone());
        if let Ok(text) = std::str::from_utf8(&text) {
            REDACTOR.text(text);
        }
    }
}
