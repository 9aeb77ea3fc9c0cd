//! Coming in, and being kept out.

use crate::support::*;
use broker::door::Settings;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_token_lets_in_and_leaving_is_as_with_freeswitch() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    client.send("auth token-monitor\n\nexit\n\n").await;
    let expected = format!(
        "Content-Type: command/reply\nReply-Text: +OK accepted\n\nContent-Type: command/reply\nReply-Text: +OK bye\n\n{GOODBYE}"
    );
    assert_eq!(client.rest().await, expected);
    until(|| site.door.clients().is_empty()).await;
}

#[tokio::test]
async fn a_wrong_credential_is_answered_as_by_freeswitch_and_told() {
    let site = Site::open().await;
    for (claim, who) in [
        ("auth wrong", "token"),
        ("userauth 1000@pbx.example:guess", "1000"),
        ("userauth nobody", "nobody"),
        ("auth \u{fffd}", "token"),
    ] {
        let mut client = site.stranger().await;
        // What comes after a wrong password is not carried out.
        client.send(format!("{claim}\n\nauth token-admin\n\napi status\n\n")).await;
        let expected = format!("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n{GOODBYE}");
        assert_eq!(client.rest().await, expected, "{claim}");
        let failed = site.porter.failed.lock().unwrap().pop();
        assert_eq!(failed, Some((who.to_owned(), Some("127.0.0.1".parse().unwrap()))));
    }
    assert_eq!(site.door.counts.wrong.load(Relaxed), 4);
    assert!(site.received().is_empty());
}

#[tokio::test]
async fn nothing_but_leaving_is_known_before_the_login() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    for order in ["api status", "event plain ALL", "auth", "bgapi status", "sendevent CUSTOM", "log 7"] {
        assert_eq!(client.ask(order).await.text, "-ERR command not found", "{order}");
    }
    client.send("exit\n\n").await;
    assert!(client.rest().await.ends_with(GOODBYE));
    assert!(site.received().is_empty());
}

#[tokio::test]
async fn whoever_talks_on_without_logging_in_is_sent_away() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    client.send("api status\n\n".repeat(100)).await;
    let got = client.rest().await;
    assert_eq!(got.matches("command not found").count(), 16);
    assert!(got.ends_with(GOODBYE));
}

#[tokio::test]
async fn whoever_does_not_log_in_in_time_is_sent_away() {
    let site = Site::with(Settings { login: Duration::from_millis(50), ..Settings::default() }).await;
    let mut client = site.stranger().await;
    // As FreeSWITCH does not: another command does not switch the time-out off.
    assert_eq!(client.ask("api status").await.text, "-ERR command not found");
    assert_eq!(client.rest().await, GOODBYE);
}

#[tokio::test]
async fn userauth_tells_what_is_allowed() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    let told = client.ask("userauth 1001@pbx.example:secret-1001").await;
    assert_eq!(
        told.head,
        "Content-Type: command/reply\nReply-Text: +OK accepted\nAllowed-Events: CHANNEL_CREATE CUSTOM sofia::register\n\
         Allowed-API: status show bgapi\nAllowed-LOG: false\n"
    );
    let mut client = site.stranger().await;
    let told = client.ask("USERAUTH 1000@pbx.example:secret-1000").await;
    assert!(told.head.contains("\nAllowed-API: ") && told.head.contains("@read"), "{}", told.head);
    assert!(told.head.contains("\nAllowed-Events: *, CUSTOM *"), "{}", told.head);
}

#[tokio::test]
async fn the_directory_can_be_away_without_anybody_coming_in() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    client.send("auth token-later\n\n").await;
    let got = client.rest().await;
    assert!(got.contains("-ERR the directory cannot be asked\n") && got.ends_with(GOODBYE), "{got}");
}

#[tokio::test]
async fn somebody_whom_no_rule_knows_is_sent_away() {
    let site = Site::open().await;
    let mut client = site.stranger().await;
    client.send("auth token-unknown\n\napi status\n\n").await;
    let got = client.rest().await;
    assert!(got.contains("-ERR permission denied\n") && got.ends_with(GOODBYE), "{got}");
}

#[tokio::test]
async fn the_porter_can_turn_away_at_the_threshold() {
    let site = Site::open().await;
    site.porter.turns_away.store(true, Relaxed);
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let mut got = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut got).await.unwrap();
    assert!(got.starts_with("Content-Type: text/rude-rejection\n") && got.ends_with(GOODBYE), "{got}");
}

#[tokio::test]
async fn one_user_has_so_many_connections_and_others_still_come_in() {
    let site = Site::with(Settings { clients_of_one: 2, ..Settings::default() }).await;
    let _first = site.client("monitor").await;
    let second = site.client("monitor").await;
    let mut third = site.stranger().await;
    third.send("auth token-monitor\n\n").await;
    assert!(third.rest().await.contains("-ERR too many connections of this user"));
    site.client("admin").await;
    drop(second);
    until(|| site.door.clients().iter().filter(|client| &*client.name == "monitor").count() == 1).await;
    site.client("monitor").await;
}

#[tokio::test]
async fn a_credential_that_is_taken_back_ends_the_connection() {
    let site = Site::open().await;
    let client = site.client("monitor").await;
    let mut other = site.client("admin").await;
    site.porter.revoked.lock().unwrap().push("monitor".into());
    assert_eq!(client.rest().await, GOODBYE);
    assert!(other.ask("api status").await.body.starts_with("UP "));
}

#[tokio::test]
async fn what_was_sent_ahead_is_not_run_any_more_when_the_credential_is_taken_back() {
    let site = Site::open().await;
    let mut client = site.client("admin").await;
    client.send("api msleep 4000\n\napi echo ahead\n\n").await;
    until(|| site.received().iter().any(|line| line == "api msleep 4000")).await;
    site.porter.revoked.lock().unwrap().push("admin".into());
    assert_eq!(client.rest().await, GOODBYE);
    until(|| site.door.clients().is_empty()).await;
    assert_eq!(site.received(), ["api msleep 4000"]);
}

#[tokio::test]
async fn clients_can_be_listed_and_all_be_sent_away() {
    let site = Site::open().await;
    let client = site.client("monitor").await;
    let list = site.door.clients();
    assert_eq!((list.len(), &*list[0].name, list[0].missed), (1, "monitor", 0));
    site.door.close();
    assert!(client.rest().await.contains("The system is being shut down.\n"));
}
