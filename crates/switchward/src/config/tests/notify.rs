//! Notifications: what follows, what is refused, with its mend.

use super::{config, refusal, toml, warnings};
use crate::config::keys::keys;
use crate::config::{MailTls, load};

#[test]
fn a_target_follows_the_common_events_unless_it_chooses() {
    let notify = config(toml(
        "[notify]\nevents = ['alarm', 'ban']\n[notify.slack]\nurl = 'https://hooks.example/a'\n\
         [notify.syslog]\naddress = 'udp://192.0.2.1:514'\nevents = ['would-ban']\n",
    ))
    .notify;
    assert_eq!(notify.slack.events, ["alarm", "ban"]);
    assert_eq!(notify.syslog.events, ["would-ban"]);
}

#[test]
fn the_mail_port_follows_the_encryption() {
    for (lines, port) in
        [("", 587), ("tls = 'tls'", 465), ("tls = 'none'", 25), ("tls = 'tls'\nport = 2465", 2465)]
    {
        let text = format!(
            "[notify.mail]\nhost = 'mail.example'\nfrom = 'a@example.net'\nto = ['b@example.net']\n{lines}"
        );
        assert_eq!(config(toml(&text)).notify.mail.port, port, "{lines}");
    }
    assert_eq!(config(toml("")).notify.mail.tls, MailTls::Starttls);
}

#[test]
fn mistakes_are_named_with_line_key_and_mend() {
    let lines = refusal(toml(
        "[notify]\nevents = ['alarm', 'would_ban']\n\
         [notify.templates]\nban = '{taget} is out'\nalarm = 'a } b'\n\
         [notify.webhook]\nurl = 'http://exa mple/'\ntemplate = '{target}'\n\
         [notify.slack]\nurl = 'hooks.example/SECRET'\n\
         [notify.telegram]\ntoken = '12345:ABC'\n\
         [notify.mail]\nhost = 'mail.example'\nto = ['nobody']\n\
         [notify.syslog]\naddress = 'tls://log.example:6514'\n",
    ));
    for (start, words) in [
        ("switchward.toml:2:10: notify.events: ", "write \"would-ban\""),
        ("switchward.toml:4:7: notify.templates.ban: ", "found the variable {taget}"),
        ("switchward.toml:4:7: notify.templates.ban: ", "write {target}"),
        ("switchward.toml:5:9: notify.templates.alarm: ", "write }} for the sign itself"),
        ("switchward.toml:7:7: notify.webhook.url: ", "expected an http://"),
        ("switchward.toml:8:12: notify.webhook.template: ", "one of text, event, title"),
        ("switchward.toml:10:7: notify.slack.url: ", "a text that is no address"),
        ("switchward.toml:12:9: notify.telegram.token: ", "set notify.telegram.chat_id"),
        ("switchward.toml:14:8: notify.mail.host: ", "set notify.mail.from"),
        ("switchward.toml:15:6: notify.mail.to: ", "\"nobody\""),
        ("switchward.toml:17:11: notify.syslog.address: ", "\"tcp://HOST:PORT\""),
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(start) && line.contains(words)),
            "{start} {words}: {lines:#?}"
        );
    }
    assert!(!lines.concat().contains("SECRET"));
}

#[test]
fn half_a_target_two_secrets_and_an_open_password_are_warned_of() {
    let lines = warnings(toml(
        "[notify.webhook]\nsecret = 'a'\n\
         [notify.slack]\nurl = 'https://hooks.example/a'\nurl_file = 'b'\n\
         [notify.mail]\nhost = 'mail.example'\ntls = 'none'\nuser = 'a'\npassword = 'b'\nfrom = 'a@example.net'\nto = ['b@example.net']\n",
    ));
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("a target without url"), "{lines:#?}");
    assert!(lines[1].contains("a secret beside a file"), "{lines:#?}");
    assert!(lines[2].contains("for all to read"), "{lines:#?}");
}

#[test]
fn secrets_and_certificates_come_from_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    write("hook", "https://hooks.example/a\nrest\n");
    write("bot", "no token at all\n");
    write("ca.pem", "nothing");
    let text = "[notify]\nca_file = 'ca.pem'\n[notify.slack]\nurl_file = 'hook'\n\
                [notify.telegram]\ntoken_file = 'bot'\nchat_id = '1'\n[notify.webhook]\nurl = 'http://a.example/'\nsecret_file = 'gone'\n";
    let path = write("switchward.toml", text);
    let refused = load(&path, |_| None).unwrap_err().to_string();
    for key in [
        "notify.webhook.secret_file: found no such file",
        "notify.telegram.token_file",
        "notify.ca_file: found a file without",
    ] {
        assert!(refused.contains(key), "{key}: {refused}");
    }
    assert!(!refused.contains("no token at all"), "{refused}");
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    write("ca.pem", &certificate);
    write("bot", "12345:ABC\n");
    write("gone", "key");
    let loaded = load(&path, |_| None).unwrap();
    assert_eq!(loaded.warnings, []);
    let notify = loaded.config.notify;
    assert_eq!(notify.slack.url.expose(), "https://hooks.example/a");
    assert_eq!(notify.telegram.token.expose(), "12345:ABC");
    assert_eq!(notify.webhook.secret.expose(), "key");
    assert_eq!(notify.ca, Some(certificate));
}

#[test]
fn every_key_sets_a_field_of_its_own_and_no_other() {
    let beside = [
        ("notify.webhook.events", "['switch']"),
        ("notify.slack.events", "['switch']"),
        ("notify.telegram.events", "['switch']"),
        ("notify.mail.events", "['switch']"),
        ("notify.syslog.events", "['switch']"),
        ("notify.telegram.chat_id", "'1'"),
        ("notify.mail.port", "2525"),
        ("notify.mail.from", "'a@example.net'"),
        ("notify.mail.to", "['b@example.net']"),
    ];
    let ours = || keys().filter(|key| key.path.starts_with("notify."));
    assert!(ours().count() > 40);
    for key in ours() {
        let value = match (key.path, key.name()) {
            ("notify.slack.url" | "notify.webhook.url" | "notify.telegram.url", _) => "'https://a.example/x'",
            (_, "per_minute" | "attempts" | "port") => "77",
            (_, "digest_interval" | "retry_wait" | "timeout") => "'77s'",
            (_, "events") => "['hang-up']",
            (_, "to") => "['z@example.net']",
            (_, "from") => "'z@example.net'",
            (_, "proxy") => "'http://proxy.example:3128'",
            (_, "token") => "'123:abc'",
            (_, "tls") => "'tls'",
            (_, "facility") => "'local7'",
            (_, "address") => "'unix:/dev/log'",
            _ => "'other'",
        };
        let others: String = beside
            .iter()
            .filter(|(path, _)| *path != key.path)
            .map(|(path, value)| format!("{path} = {value}\n"))
            .collect();
        let mut before = config(toml(&others));
        let mut after = config(toml(&format!("{others}{} = {value}\n", key.path)));
        for other in ours() {
            let changed = other.field.literal(&mut before) != other.field.literal(&mut after);
            assert_eq!(changed, other.path == key.path, "{} by {}", other.path, key.path);
        }
    }
}
