//! Notifications over real sockets: what each kind of target gets, and what becomes of it when it does not take it.

use crate::receivers::{MailServer, Receiver, until};
use crate::support::{Daemon, Kernel, within};
use guard::{Alert, AlertKind, Ban, Origin, Reason, Scope, Source};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use switchward::clock;
use switchward::config::{Config, MailTls, Secret};
use switchward::news::Event;
use switchward::notify::{Notifier, Notifying};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UdpSocket, UnixDatagram};

/// A daemon that tells others.
struct Told {
    daemon: Daemon,
    notifying: Notifying,
    folder: TempDir,
}

impl Told {
    /// With quick retries; `change` configures the targets.
    async fn start(change: impl FnOnce(&mut Config)) -> Told {
        let daemon = Daemon::with(Kernel::None, |config| {
            config.notify.retry_wait = Duration::from_millis(10);
            config.notify.attempts = 4;
            change(config);
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        daemon.app.notifier.apply(&daemon.app.config.load());
        let notifying = Notifier::start(&daemon.app, Some(folder.path().join("dead-letters.jsonl")));
        Told { daemon, notifying, folder }
    }

    fn tell(&self, event: Event) {
        self.daemon.app.mirror.news().tell(event);
    }

    fn ban(&self, ip: &str, name: &str) {
        self.tell(Event::Banned(ban(ip, name)));
    }

    /// The figures of a target.
    async fn of(&self, target: &str) -> Value {
        let all = self.daemon.get("/security/notifications").await.ok();
        all["targets"].as_array().unwrap().iter().find(|one| one["target"] == target).unwrap().clone()
    }

    async fn until_dead(&self, target: &str, count: u64) -> Vec<Value> {
        until("dead letters", || {
            let stats = self.daemon.app.notifier.stats();
            let found = stats.iter().find(|stats| stats.channel.word() == target).unwrap();
            found.dead == count && found.waiting == 0
        })
        .await;
        self.daemon.get("/security/notifications").await.ok()["deadLetters"].as_array().unwrap().clone()
    }
}

fn ban(ip: &str, name: &str) -> Arc<Ban> {
    let now = clock::now();
    Arc::new(Ban {
        target: ip.parse().unwrap(),
        scope: Scope::All,
        since: now,
        until: Some(now + Duration::from_secs(3600)),
        origin: Origin::Guard,
        reason: Reason {
            rule: "failed-registrations".into(),
            users: vec![name.into()],
            switch: "pbx".into(),
            ..Reason::operator(&format!("5 failed registrations; accounts {name}"), now)
        },
        note: String::new(),
    })
}

fn webhook(url: &str) -> impl FnOnce(&mut Config) {
    let url = url.to_owned();
    move |config| {
        config.notify.webhook.url = format!("{url}/hook");
        config.notify.webhook.secret = Secret::from("webhook-s3cret");
        config.notify.webhook.events = vec!["ban".into(), "alert".into()];
    }
}

/// RFC 2104 by hand.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What no name may do to a message.
const HOSTILE: &str = "\"]\r\nBcc: evil@evil.example\n<!channel> @here {host}";

#[tokio::test]
async fn a_webhook_that_fails_twice_gets_the_same_message_again_with_a_true_signature() {
    let receiver = Receiver::start().await;
    receiver.answer(&[(503, None, ""), (500, None, "")]);
    let told = Told::start(webhook(&receiver.url)).await;
    told.daemon.refuse("203.0.113.5", "1000", 5);
    let got = receiver.wait_for(3).await;
    for request in &got {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook"));
        assert_eq!(request.body, got[0].body);
        assert_eq!(request.header("content-type"), "application/json");
        let time = request.header("x-switchward-timestamp");
        let signed = [time.as_bytes(), b".", &request.body].concat();
        let expected = format!("sha256={}", hmac(b"webhook-s3cret", &signed));
        assert_eq!(request.header("x-switchward-signature"), expected);
    }
    let body = got[0].json();
    assert_eq!((&body["version"], &body["event"]), (&json!(1), &json!("ban")));
    assert_eq!(body["severity"], "warning");
    assert_eq!(body["title"], "Banned 203.0.113.5");
    assert_eq!(body["data"]["target"], "203.0.113.5");
    assert_eq!((&body["data"]["count"], &body["data"]["users"]), (&json!(5), &json!(["1000"])));
    assert_eq!(got[0].header("x-switchward-id"), body["id"].as_str().unwrap());
    until("it was counted", || told.daemon.app.notifier.stats()[0].sent == 1).await;
    let figures = told.of("webhook").await;
    assert_eq!(
        (&figures["failed"], &figures["retried"], &figures["dead"]),
        (&json!(2), &json!(2), &json!(0))
    );
    assert!(figures["lastFailure"].as_str().unwrap().contains("500"), "{figures}");
}

#[tokio::test]
async fn a_receiver_that_wants_us_to_wait_is_waited_for() {
    let receiver = Receiver::start().await;
    receiver.answer(&[(429, Some(("retry-after", "1")), "slow down")]);
    let told = Told::start(webhook(&receiver.url)).await;
    told.ban("203.0.113.5", "1000");
    let got = receiver.wait_for(2).await;
    assert!(got[1].at - got[0].at >= Duration::from_secs(1), "{:?}", got[1].at - got[0].at);
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again_but_kept() {
    let receiver = Receiver::start().await;
    receiver.answer(&[(400, None, "no such\n\u{1b}[31mfield")]);
    let told = Told::start(webhook(&receiver.url)).await;
    told.ban("203.0.113.5", "1000");
    let dead = told.until_dead("webhook", 1).await;
    assert_eq!(receiver.got().len(), 1);
    assert_eq!((&dead[0]["attempts"], &dead[0]["title"]), (&json!(1), &json!("Banned 203.0.113.5")));
    assert_eq!(dead[0]["reason"], "answered 400 Bad Request: no such [31mfield");
}

#[tokio::test]
async fn after_the_last_try_a_message_is_a_dead_letter_in_the_file_and_a_restart_shows_it() {
    let receiver = Receiver::start().await;
    receiver.always((502, None, ""));
    let told = Told::start(webhook(&receiver.url)).await;
    told.ban("203.0.113.5", "1000");
    let dead = told.until_dead("webhook", 1).await;
    assert_eq!((receiver.got().len(), &dead[0]["attempts"]), (4, &json!(4)));
    let file = told.folder.path().join("dead-letters.jsonl");
    assert!(std::fs::read_to_string(&file).unwrap().contains("Banned 203.0.113.5"));
    let again = Daemon::start().await;
    let _notifying = Notifier::start(&again.app, Some(file));
    let shown = again.get("/security/notifications").await.ok();
    assert_eq!(shown["deadLetters"], json!(dead));
}

#[tokio::test]
async fn a_dead_receiver_holds_nobody_up_and_keeps_what_it_did_not_get_at_the_end() {
    // Connections are made, but never answered.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (url, address) = (format!("http://{}", deaf.local_addr().unwrap()), socket.local_addr().unwrap());
    let told = Told::start(|config| {
        webhook(&url)(config);
        config.notify.syslog.address = format!("udp://{address}");
        config.notify.syslog.events = vec!["ban".into()];
    })
    .await;
    for number in 1..=5 {
        told.ban(&format!("203.0.113.{number}"), "1000");
    }
    let mut buffer = [0; 4096];
    for number in 1..=5 {
        let length = within(socket.recv(&mut buffer)).await.unwrap();
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(message.contains(&format!("target=\"203.0.113.{number}\"")), "{message}");
    }
    assert_eq!(told.of("webhook").await["waiting"], 5);
    let Told { daemon, notifying, .. } = told;
    within(notifying.stop(Duration::from_millis(100))).await;
    assert_eq!(daemon.app.notifier.dead_letters().len(), 5);
    assert_eq!(daemon.app.notifier.stats()[0].dead, 5);
}

#[tokio::test]
async fn a_storm_of_bans_is_a_handful_of_messages_and_none_is_forgotten() {
    let receiver = Receiver::start().await;
    let told = Told::start(|config| {
        webhook(&receiver.url)(config);
        config.notify.per_minute = 8;
        config.notify.digest_interval = Duration::from_secs(1);
    })
    .await;
    for number in 0..10_000_u32 {
        let ip = std::net::Ipv4Addr::from(0xc612_0000 + number);
        told.ban(&ip.to_string(), "1000");
        if number % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // An alarm or alert still has room.
    let source = Source::of("203.0.113.9".parse().unwrap());
    let alert = Alert { kind: AlertKind::Compromise, source, text: "a password was probably found".into() };
    told.tell(Event::Alert { switch: "pbx".into(), alert });
    let mut told_of = 0;
    until("all are told", || {
        told_of = receiver
            .got()
            .iter()
            .map(|request| match request.json() {
                body if body["event"] == "digest" => {
                    let counts = body["data"]["counts"].as_object().unwrap();
                    counts
                        .values()
                        .chain([&body["data"]["missed"]])
                        .map(|count| count.as_u64().unwrap())
                        .sum()
                }
                _ => 1,
            })
            .sum::<u64>();
        told_of == 10_001
    })
    .await;
    let got = receiver.got();
    assert!(got.len() <= 20, "{} messages", got.len());
    assert!(got.iter().any(|request| request.json()["event"] == "alert"));
    let digest = got.iter().map(super::receivers::Got::json).find(|body| body["event"] == "digest").unwrap();
    assert!(digest["text"].as_str().unwrap().contains("more bans"), "{digest}");
    assert!(digest["data"]["rules"][0]["name"] == "failed-registrations", "{digest}");
}

#[tokio::test]
async fn chats_get_text_in_which_no_name_is_more_than_a_name() {
    let receiver = Receiver::start().await;
    let told = Told::start(|config| {
        config.notify.slack.url = Secret::from(format!("{}/services/T0/slack-s3cret", receiver.url));
        config.notify.slack.events = vec!["ban".into()];
        config.notify.telegram.url = receiver.url.clone();
        config.notify.telegram.token = Secret::from("12345:telegram-s3cret");
        config.notify.telegram.chat_id = "-100".into();
        config.notify.telegram.events = vec!["ban".into()];
    })
    .await;
    told.ban("203.0.113.5", HOSTILE);
    let got = receiver.wait_for(2).await;
    let slack = got.iter().find(|request| request.path.starts_with("/services")).unwrap().json();
    let text = slack["text"].as_str().unwrap();
    assert!(text.starts_with("*Banned 203.0.113.5* ("), "{text}");
    assert!(text.contains("&lt;!channel&gt;") && !text.contains('<') && !text.contains("@here"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("{host}"), "a name is no template: {text}");
    let telegram = got.iter().find(|request| request.path.starts_with("/bot")).unwrap();
    assert_eq!(telegram.path, "/bot12345:telegram-s3cret/sendMessage");
    let body = telegram.json();
    assert_eq!(body["chat_id"], "-100");
    assert!(body.get("parse_mode").is_none());
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("<!channel>") && !text.contains("@here"), "{text}");
}

#[tokio::test]
async fn a_mail_is_encrypted_and_no_name_makes_a_header() {
    let server = MailServer::start().await;
    let told = Told::start(|config| {
        config.notify.ca = Some(server.certificate.clone());
        let mail = &mut config.notify.mail;
        mail.host = "localhost".into();
        mail.port = server.port;
        mail.user = "pbx".into();
        mail.password = Secret::from("mail-s3cret");
        mail.from = "Wächter <pbx@example.net>".into();
        mail.to = vec!["ops@example.net".into(), "night@example.org".into()];
        mail.events = vec!["ban".into(), "switch".into()];
    })
    .await;
    // Not now: the server says so with a 4xx, and gets it again.
    server.refusals.lock().push_back("451 try later");
    told.tell(Event::Switch { switch: HOSTILE.into(), connected: false, trouble: HOSTILE.into() });
    told.ban("203.0.113.5", HOSTILE);
    let letters = server.wait_for(2).await;
    for letter in &letters {
        assert!(letter.was_encrypted);
        assert_eq!(letter.login, Some(("pbx".into(), "mail-s3cret".into())));
        assert_eq!(letter.from.split(' ').next(), Some("MAIL"));
        assert!(letter.from.contains("<pbx@example.net>"), "{}", letter.from);
        assert_eq!(letter.to.len(), 2, "{:?}", letter.to);
        let (headers, _) = letter.text.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{headers}");
        assert!(
            headers.contains("Subject: ") && headers.contains("Date: ") && headers.contains("Message-ID: "),
            "{headers}"
        );
    }
    let figures = told.of("mail").await;
    assert_eq!((&figures["retried"], &figures["dead"]), (&json!(1), &json!(0)), "{figures}");
    assert_eq!(figures["place"], format!("ops@example.net, night@example.org by localhost:{}", server.port));
}

#[tokio::test]
async fn mail_without_encryption_goes_only_where_it_was_asked_for() {
    let server = MailServer::start().await;
    let told = Told::start(|config| {
        let mail = &mut config.notify.mail;
        mail.host = "localhost".into();
        mail.port = server.port;
        mail.from = "pbx@example.net".into();
        mail.to = vec!["ops@example.net".into()];
        mail.events = vec!["ban".into()];
    })
    .await;
    // Nobody vouches for the server's certificate here.
    told.ban("203.0.113.5", "1000");
    assert_eq!(told.until_dead("mail", 1).await.len(), 1);
    let mut config = Config::clone(&told.daemon.app.config.load());
    config.notify.mail.tls = MailTls::None;
    told.daemon.app.reload(config);
    server.refusals.lock().push_back("550 nobody here");
    told.ban("203.0.113.6", "1000");
    assert_eq!(told.until_dead("mail", 2).await[0]["attempts"], 1, "a 5xx is final");
    told.ban("203.0.113.7", "1000");
    let letters = server.wait_for(1).await;
    assert!(!letters[0].was_encrypted && letters[0].text.contains("203.0.113.7"), "{letters:?}");
}

#[tokio::test]
async fn syslog_gets_one_framed_message_for_each_event_over_tcp_and_the_local_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = Told::start(|config| {
        config.notify.syslog.address = format!("tcp://{address}");
        config.notify.syslog.events = vec!["ban".into()];
    })
    .await;
    told.ban("203.0.113.5", &format!("{HOSTILE}ä"));
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut frame = String::new();
    within(stream.read_to_string(&mut frame)).await.unwrap();
    let (length, message) = frame.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len());
    assert!(message.starts_with("<28>1 ") && !message.contains('\n'), "{message}");
    assert!(
        message.contains(r#"users="\"\]"#) && message.contains("] \u{feff}Banned 203.0.113.5"),
        "{message}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut config = Config::clone(&told.daemon.app.config.load());
    config.notify.syslog.address = format!("unix:{}", path.display());
    told.daemon.app.reload(config);
    told.ban("203.0.113.6", "1000");
    let mut buffer = [0; 4096];
    let length = within(socket.recv(&mut buffer)).await.unwrap();
    let message = std::str::from_utf8(&buffer[..length]).unwrap();
    assert!(
        message.starts_with("<28>1 ") && message.contains("203.0.113.6") && !message.contains('\u{feff}'),
        "{message}"
    );
}

#[tokio::test]
async fn a_test_message_tells_what_became_of_it_and_no_secret_is_shown() {
    let receiver = Receiver::start().await;
    let told = Told::start(|config| {
        webhook(&receiver.url)(config);
        config.notify.slack.url = Secret::from(format!("{}/services/T0/slack-s3cret", receiver.url));
    })
    .await;
    let none = Daemon::start().await.post("/security/notifications/test", &json!({})).await.error(409);
    assert!(none.contains("no target is configured"), "{none}");
    let off = told.daemon.post("/security/notifications/test", &json!({"target": "mail"})).await.error(409);
    assert!(off.contains("mail is not configured"), "{off}");
    told.daemon.post("/security/notifications/test", &json!({"target": "pigeon"})).await.error(400);
    let all = told.daemon.post("/security/notifications/test", &json!({})).await.ok();
    let results = all["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result["sent"] == true && result["error"] == ""), "{all}");
    // A receiver that repeats its address.
    receiver.always((403, None, "no access to /services/T0/slack-s3cret"));
    let one = told.daemon.post("/security/notifications/test", &json!({"target": "slack"})).await.ok();
    assert_eq!(one["results"][0]["sent"], false);
    assert_eq!(one["results"][0]["error"], "answered 403 Forbidden: no access to ***");
    let shown = told.daemon.get("/security/notifications").await;
    let text = String::from_utf8_lossy(&shown.body);
    assert!(!text.contains("s3cret") && text.contains(&receiver.url), "{text}");
    let debug = format!("{:?}", told.daemon.app.config.load());
    assert!(!debug.contains("s3cret"));
}

#[tokio::test]
async fn a_reload_changes_targets_and_what_waits_goes_to_the_new_one() {
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    old.always((503, Some(("retry-after", "3600")), ""));
    let told = Told::start(webhook(&old.url)).await;
    told.ban("203.0.113.5", "1000");
    old.wait_for(1).await;
    let mut config = Config::clone(&told.daemon.app.config.load());
    webhook(&new.url)(&mut config);
    config.notify.templates.ban = "{target} is out, {title}".into();
    told.daemon.app.reload(config.clone());
    let got = new.wait_for(1).await;
    assert_eq!(got[0].json()["text"], "203.0.113.5 is out, Banned 203.0.113.5");
    config.notify.webhook.url.clear();
    told.daemon.app.reload(config);
    told.ban("203.0.113.6", "1000");
    assert_eq!(told.of("webhook").await["enabled"], false);
    assert_eq!(old.got().len(), 1);
}
