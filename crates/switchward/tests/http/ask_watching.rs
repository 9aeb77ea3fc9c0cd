//! The command line's questions about alarms and notifications, put to a daemon's real interface.

use crate::ask_more::{asked, said};
use crate::receivers::{Receiver, until};
use crate::support::Daemon;
use serde_json::{Value, json};
use std::time::Duration;
use switchward::alarms::{BAN_STORM, DISCONNECTED, Kind};
use switchward::config::{Config, Secret};
use switchward::news::Event;
use switchward::notify::Notifier;

#[tokio::test]
async fn alarms_that_are_on_are_told_in_words_and_those_that_are_over_in_a_table() {
    let daemon = Daemon::start().await;
    assert_eq!(said(&daemon, "alarms").await, "no alarm is on\n");
    let alarms = &daemon.app.monitor.alarms;
    let see = |kind: &'static Kind, subject: &str, trouble: Option<&str>| {
        let news = daemon.app.mirror.news();
        alarms.see(news, kind, subject, trouble.map(str::to_owned), Duration::ZERO);
    };
    see(&DISCONNECTED, "pbx", Some("\u{1b}[31mnobody listens"));
    see(&BAN_STORM, "", Some("200 bans within a minute"));
    see(&BAN_STORM, "", None);
    let shown = said(&daemon, "alarms").await;
    assert!(shown.starts_with("CRITICAL disconnected of pbx, "), "{shown}");
    assert!(shown.contains("nobody listens") && !shown.contains('\u{1b}'), "{shown}");
    let (active, over) = shown.split_once('┌').unwrap();
    assert!(
        !active.contains("ban-storm") && over.contains("ban-storm") && over.contains("warning"),
        "{shown}"
    );
    let answer: Value = serde_json::from_str(&said(&daemon, "alarms --json").await).unwrap();
    assert_eq!(answer, daemon.get("/security/alarms").await.ok());

    for number in 0..11 {
        let subject = format!("switch-{number}");
        see(&DISCONNECTED, &subject, Some("gone"));
        see(&DISCONNECTED, &subject, None);
    }
    let shown = said(&daemon, "alarms").await;
    assert!(
        shown.contains("10 of 12") && shown.contains("switch-10") && !shown.contains("ban-storm"),
        "{shown}"
    );
    let shown = said(&daemon, "alarms --all").await;
    assert!(shown.contains("ban-storm") && !shown.contains("--all"), "{shown}");
}

#[tokio::test]
async fn notifications_are_listed_with_their_figures_and_tried() {
    let receiver = Receiver::start().await;
    let daemon = Daemon::with(crate::support::Kernel::None, |_| {}).await;
    assert!(said(&daemon, "notifications").await.starts_with("nobody is told"));
    assert_eq!(asked(&daemon, &["notifications", "test"]).await.unwrap_err().exit_code(), 64);

    let mut config = Config::clone(&daemon.app.config.load());
    config.notify.attempts = 1;
    config.notify.webhook.url = format!("{}/hook", receiver.url);
    config.notify.webhook.events = vec!["switch".into()];
    config.notify.slack.url = Secret::from(format!("{}/services/slack-s3cret", receiver.url));
    config.notify.slack.events = vec!["unban".into()];
    daemon.app.reload(config);
    let _notifying = Notifier::start(&daemon.app, None);
    let came = said(&daemon, "notifications test").await;
    assert!(came.contains("webhook  sent in ") && came.contains("slack    sent in "), "{came}");
    assert!(!said(&daemon, "notifications test slack").await.contains("webhook"));

    receiver.always((403, None, "\u{1b}[31mno"));
    let mut out = Vec::new();
    let test = crate::ask_more::typed(&["notifications", "test", "webhook"]);
    let failure = switchward::ask::answer(test, &daemon.url(), &mut out).await.unwrap_err();
    let came = String::from_utf8(out).unwrap();
    assert_eq!((failure.exit_code(), failure.to_string().contains("1 of 1")), (69, true));
    assert!(came.contains("webhook  NOT SENT: answered 403") && !came.contains('\u{1b}'), "{came}");
    let json = asked(&daemon, &["notifications", "test", "webhook", "--json"]).await.unwrap_err();
    assert_eq!(json.exit_code(), 69, "a script notices, too");

    let news = daemon.app.mirror.news();
    news.tell(Event::Switch { switch: "pbx\u{1b}".into(), connected: false, trouble: "gone".into() });
    until("it is given up and kept", || {
        let webhook = &daemon.app.notifier.stats()[0];
        webhook.dead == 1 && webhook.waiting == 0
    })
    .await;
    let shown = said(&daemon, "notifications").await;
    for words in [
        receiver.url.as_str(),
        "switch",
        "webhook failed",
        "answered 403",
        "not configured: telegram",
        "given up (UTC)",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}') && !shown.contains("s3cret"), "{shown}");
    let answer: Value = serde_json::from_str(&said(&daemon, "notifications --json").await).unwrap();
    assert_eq!(answer["deadLetters"][0]["target"], json!("webhook"));
}
