//! The command line's questions, put to a daemon's real interface.

use crate::support::{Daemon, Kernel};
use clap::Parser;
use serde_json::{Value, json};
use switchward::ask::{Ask, Failure, answer, run};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    ask: Ask,
}

fn typed(line: &str) -> Ask {
    let words = ["switchward"].into_iter().chain(line.split(' '));
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).ask
}

async fn asked(url: &str, line: &str) -> Result<String, Failure> {
    let mut out = Vec::new();
    answer(typed(line), url, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

pub(crate) async fn said(daemon: &Daemon, line: &str) -> String {
    asked(&daemon.url(), line).await.unwrap()
}

#[tokio::test]
async fn a_ban_is_made_listed_explained_and_lifted() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    let made = said(&daemon, "ban 203.0.113.5 --ttl 1h30m --scope sip --reason spam").await;
    assert_eq!(made, "203.0.113.5 added to blacklist for 1h30m\n");
    said(&daemon, "ban 198.51.100.0/24 --permanent").await;
    said(&daemon, "ban [2001:db8::1]:5062").await;
    let ban = &daemon.get("/security/why/203.0.113.5").await.ok()["ban"];
    assert_eq!((&ban["scope"], &ban["reason"]), (&json!("sip"), &json!("spam")));

    let list = said(&daemon, "list bans").await;
    for word in ["203.0.113.5", "spam", "198.51.100.0/24", "for good", "[2001:db8::1]:5062", "3 in all", "│"]
    {
        assert!(list.contains(word), "{word} is not in:\n{list}");
    }
    assert!(
        list.find("198.51.100.0/24").unwrap() > list.find("203.0.113.5").unwrap(),
        "hosts, then networks:\n{list}"
    );
    assert!(said(&daemon, "list kernel").await.contains("3 in the kernel"));

    let why = said(&daemon, "why 203.0.113.5").await;
    assert!(why.starts_with("203.0.113.5: banned\n") && why.contains("SIP ports"), "{why}");
    assert!(said(&daemon, "why [2001:db8::1]:5062").await.contains(": banned"));

    assert_eq!(said(&daemon, "unban 203.0.113.5").await, "203.0.113.5 removed from blacklist\n");
    said(&daemon, "unban 198.51.100.0/24").await;
    said(&daemon, "unban [2001:db8::1]:5062").await;
    assert_eq!(said(&daemon, "list bans").await, "no bans\n");
    assert_eq!(said(&daemon, "unban 203.0.113.5").await, "203.0.113.5 was not in blacklist\n");
}

#[tokio::test]
async fn an_allow_entry_is_made_listed_and_removed() {
    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    said(&daemon, "allow 203.0.113.5 --user 1000 --domain pbx.example --permanent").await;
    let list = said(&daemon, "list allows").await;
    assert!(list.contains("1000@pbx.example") && list.contains("for good"), "{list}");
    said(&daemon, "disallow 203.0.113.5").await;
    assert_eq!(said(&daemon, "list allows").await, "the allow-list is empty\n");
}

#[tokio::test]
async fn json_is_the_daemons_answer_as_it_came() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 2);
    for (line, path) in [
        ("list failed --json", "/security/failed"),
        ("list bans --json", "/security/blacklist"),
        ("why 203.0.113.9 --json", "/security/why/203.0.113.9"),
    ] {
        let said: Value = serde_json::from_str(&said(&daemon, line).await).unwrap();
        let mut wanted = daemon.get(path).await.ok();
        // Times move on.
        if let Some(text) = wanted.get_mut("text") {
            *text = said["text"].clone();
        }
        assert_eq!(said, wanted, "{line}");
    }
    assert!(said(&daemon, "list failed").await.contains("1000"));
}

#[tokio::test]
async fn warnings_are_printed() {
    let daemon = Daemon::with(Kernel::Dry, |_| {}).await;
    let made = said(&daemon, "ban 203.0.113.5").await;
    assert!(made.contains("warning: dry run"), "{made}");
}

#[tokio::test]
async fn status_tells_at_a_glance_what_is_wrong() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "1000", 5);
    let page = said(&daemon, "status").await;
    for words in [
        "NOT CONNECTED",
        "1 in the ledger, NOT ENFORCED",
        "no firewall in this test",
        "on the disk",
        "5 failed",
    ] {
        assert!(page.contains(words), "{words} is not in:\n{page}");
    }
    let page = said(&Daemon::with(Kernel::Dry, |_| {}).await, "status").await;
    assert!(page.contains("DRY RUN"), "{page}");

    let daemon = Daemon::with(Kernel::Real, |_| {}).await;
    said(&daemon, "ban 203.0.113.5").await;
    let page = said(&daemon, "status").await;
    assert!(page.contains("1 in the ledger, 1 in the kernel (nftables)"), "{page}");
    for word in ["MISSING", "DEGRADED", "PROBLEM", "ENFORCED"] {
        assert!(!page.contains(word), "{page}");
    }
    daemon.restore_ban("203.0.113.77");
    let page = said(&daemon, "status").await;
    assert!(page.contains("2 in the ledger, 1 in the kernel (nftables); 1 MISSING"), "{page}");
}

#[tokio::test]
async fn status_tells_which_table_was_too_small() {
    let daemon = Daemon::with(Kernel::None, |config| {
        config.guard.max_sources = 1;
        config.firewall.max_elements = 1;
    })
    .await;
    daemon.refuse("203.0.113.1", "1000", 5);
    daemon.refuse("203.0.113.2", "1000", 5);
    // Each of the engine's shards keeps 64 windows at least.
    for n in 0..2500 {
        daemon.refuse(&format!("198.{}.{}.{}", 18 + n % 512 / 256, n % 256, n / 512), &format!("u{n}"), 1);
    }
    let page = said(&daemon, &format!("status --url {}", daemon.url())).await;
    for words in [
        "live windows had to go; raise guard.max_sources",
        "1 bans were not made; raise firewall.max_elements",
    ] {
        assert!(page.contains(words), "{words} is not in:\n{page}");
    }
}

#[tokio::test]
async fn failures_have_their_exit_codes() {
    let daemon = Daemon::with(Kernel::None, |config| {
        config.security.chandaemon.allowed_api_ips = vec!["127.0.0.9/32".parse().unwrap()];
        config.api.allowed_ips = Vec::new();
    })
    .await;
    let failure = asked(&daemon.url(), "ban 203.0.113.5").await.unwrap_err();
    assert_eq!(failure.exit_code(), 77);
    assert!(failure.to_string().contains("api.allowed_ips"), "{failure}");
    let failure = asked(&daemon.url(), "list kernel").await.unwrap_err();
    assert_eq!(failure.exit_code(), 69);

    let daemon = Daemon::start().await;
    let failure = asked(&daemon.url(), "ban 10.1.2.3").await.unwrap_err();
    assert_eq!(failure.exit_code(), 64);
    assert!(failure.to_string().contains("trusted"), "{failure}");

    let failure = asked("http://127.0.0.1:1", "status").await.unwrap_err();
    assert_eq!(failure.exit_code(), 69);
    assert!(failure.to_string().contains("switchward run"), "{failure}");
    let mut out = Vec::new();
    assert_eq!(run(typed("status"), "http://127.0.0.1:1", &mut out).await.unwrap(), 69);
    assert_eq!(run(typed("status"), &daemon.url(), &mut out).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_no_daemon_is_called_that() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stranger = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            _ = stream.read(&mut [0; 4096]).await;
            _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
                .await;
        }
    };
    let failure = tokio::select! {
        answer = asked(&url, "status") => answer.unwrap_err(),
        () = stranger => unreachable!("it serves for ever"),
    };
    assert!(failure.to_string().contains("no switchward daemon"), "{failure}");
    assert_eq!(failure.exit_code(), 69);
}
