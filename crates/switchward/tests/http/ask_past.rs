//! The command line's questions about the past, and lists out and in, put to a daemon's real interface.

use crate::ask_more::{asked, said, typed};
use crate::support::Daemon;
use clap::Parser;
use guard::What;
use serde_json::{Value, json};
use std::path::Path;
use switchward::ask::{Ask, answer};

/// Does it, and gives back what was printed and the exit code.
async fn done(daemon: &Daemon, words: &[&str]) -> (String, u8) {
    let mut out = Vec::new();
    let code = match answer(typed(words), &daemon.url(), &mut out).await {
        Ok(()) => 0,
        Err(failure) => failure.exit_code(),
    };
    (String::from_utf8(out).unwrap(), code)
}

#[tokio::test]
async fn the_history_tells_how_bans_ended_the_newest_last() {
    let daemon = Daemon::start().await;
    assert_eq!(said(&daemon, "history").await, "the history has no such ban\n");
    daemon.refuse("203.0.113.9", "bob\u{202e}", 6);
    said(&daemon, "ban 198.51.100.7 --reason by-hand --note ticket-17 --permanent").await;
    said(&daemon, "ban 198.51.100.0/24 --ttl 1h --scope sip").await;
    said(&daemon, "unban 198.51.100.7").await;
    let shown = said(&daemon, "history").await;
    let place = |words: &str| shown.find(words).unwrap_or_else(|| panic!("{words} is not in\n{shown}"));
    assert!(
        place("203.0.113.9") < place("198.51.100.7")
            && place("198.51.100.7") < place("198.51.100.0/24 (sip)")
    );
    for words in ["lifted by operator", "[ticket-17]", "failed-registrations", "stands, 59 min"] {
        place(words);
    }
    assert!(!shown.contains('\u{202e}'), "{shown}");
    for (line, has, lacks) in [
        ("history 198.51.100.7", "by-hand", "203.0.113.9"),
        ("history --rule failed-registrations", "203.0.113.9", "198.51.100"),
        ("history --how lifted", "by-hand", "198.51.100.0/24"),
        ("history --search ticket-17", "by-hand", "203.0.113.9"),
        ("history --who guard", "203.0.113.9", "by-hand"),
        ("history --to 2001-01-01T00:00:00Z", "no such ban", "by-hand"),
        ("history --limit 1", "the newest 1; there are more", "by-hand"),
    ] {
        let shown = said(&daemon, line).await;
        assert!(shown.contains(has) && !shown.contains(lacks), "{line}\n{shown}");
    }
    let refused = asked(&daemon, &["history", "--from", "yesterday"]).await.unwrap_err();
    assert_eq!(refused.exit_code(), 64, "{refused}");
    let page: Value = serde_json::from_str(&said(&daemon, "history --limit 2 --json").await).unwrap();
    assert_eq!(page, daemon.get("/security/history?limit=2").await.ok());
}

#[tokio::test]
async fn more_of_the_history_than_a_page_is_asked_for_page_by_page() {
    let daemon = Daemon::start().await;
    let table: String = (0..1200).map(|n| format!("198.18.{}.{}\n", n / 250, n % 250)).collect();
    let query = "/security/import?format=csv";
    daemon.ask("POST", query).body(format!("ip\n{table}")).send().await.ok();
    let shown = said(&daemon, "history --limit 1100").await;
    assert!(shown.contains("the newest 1100;"), "{}", shown.len());
    let shown = said(&daemon, "history --limit 1200").await;
    assert!(
        shown.contains("198.18.0.0 ") && shown.contains("198.18.4.199 ") && !shown.contains("there are more")
    );
}

#[tokio::test]
async fn a_timeline_is_of_an_address_or_of_an_account() {
    let daemon = Daemon::start().await;
    daemon.refuse("203.0.113.9", "bob", 5);
    daemon.observe("203.0.113.7", What::Registered { expires: 3600 });
    // An order waits until what was before it is in the store.
    said(&daemon, "ban 198.51.100.2").await;
    let shown = said(&daemon, "timeline 203.0.113.9").await;
    for words in
        ["refused", "bob@pbx.example", "Yealink SIP-T46U", "203.0.113.9 port 5062", "by rule failed-"]
    {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    assert!(shown.find("refused").unwrap() < shown.find("by rule").unwrap(), "the newest last:\n{shown}");
    let shown = said(&daemon, "timeline 1000@pbx.example").await;
    assert!(
        shown.contains("it registered a phone") && shown.contains("1000@pbx.example: 1 entries"),
        "{shown}"
    );
    assert!(said(&daemon, "timeline 198.51.100.1").await.starts_with("nothing is known of 198.51.100.1"));
    assert!(said(&daemon, "timeline 203.0.113.9 --limit 2").await.contains(": 2 entries"));
    let json: Value = serde_json::from_str(&said(&daemon, "timeline 203.0.113.9 --json").await).unwrap();
    assert_eq!(json, daemon.get("/security/sources/203.0.113.9/timeline").await.ok());

    #[derive(Parser)]
    struct Cli {
        #[command(subcommand)]
        _ask: Ask,
    }
    for wrong in ["198.51.100.0/24", "nobody", "@pbx.example", "1000@"] {
        assert!(Cli::try_parse_from(["switchward", "timeline", wrong]).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_list_goes_out_into_a_file_and_in_elsewhere() {
    let (from, to, folder) = (Daemon::start().await, Daemon::start().await, tempfile::tempdir().unwrap());
    said(&from, "ban 203.0.113.5 --ttl 2h --reason spam --note n").await;
    said(&from, "ban 198.51.100.0/24 --ttl 2h").await;
    said(&from, "allow 192.0.2.5 --user bob").await;
    for (what, ending, many) in
        [("bans", "csv", 2), ("bans", "json", 2), ("bans", "ipset", 2), ("allows", "json", 1)]
    {
        let file = folder.path().join(format!("{what}.{ending}"));
        let name = file.to_str().unwrap();
        let wrote = asked(&from, &["export", what, "--out", name]).await.unwrap();
        let length = std::fs::metadata(&file).unwrap().len();
        assert_eq!(wrote, format!("wrote {name} ({length} bytes)\n"));
        let path = format!("/security/export?what={what}&format={ending}");
        let direct = asked(&from, &["export", what, "--format", ending]).await.unwrap();
        if ending != "ipset" {
            // Its times count down.
            assert_eq!(direct.as_bytes(), from.get(&path).await.body);
            assert_eq!(direct, std::fs::read_to_string(&file).unwrap());
        }
        let (told, code) = done(&to, &["import", what, name, "--dry-run"]).await;
        let unless_there = if ending == "csv" || what == "allows" { many } else { 0 };
        assert_eq!(code, 0, "{told}");
        assert!(told.contains(&format!("{unless_there} would be added")), "{told}");
        assert!(told.contains("dry run: nothing was changed"), "{told}");
        let (told, code) = done(&to, &["import", what, name]).await;
        assert!(code == 0 && told.contains(&format!("{unless_there} added")), "{told}");
    }
    assert!(said(&to, "list bans").await.contains("spam"));
    assert!(said(&to, "list allows").await.contains("bob"));
    let mut left: Vec<_> = names(folder.path());
    left.sort();
    assert_eq!(left, ["allows.json", "bans.csv", "bans.ipset", "bans.json"], "nothing half-written");
    let file = folder.path().join("bans.json");
    let words = ["export", "bans", "--json", "--out", file.to_str().unwrap()];
    let json: Value = serde_json::from_str(&asked(&from, &words).await.unwrap()).unwrap();
    assert_eq!(json["bytes"], json!(std::fs::metadata(&file).unwrap().len()));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn lines_that_are_not_carried_out_are_told_and_set_the_exit_code() {
    let (daemon, folder) = (Daemon::start().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("some.csv");
    std::fs::write(&file, "ip,reason\n203.0.113.3,new\n10.0.0.1,trusted\nno\u{202e}where,bad\n").unwrap();
    let name = file.to_str().unwrap();
    for dry in [true, false] {
        let mut words = vec!["import", "bans", name];
        words.extend(dry.then_some("--dry-run"));
        let (told, code) = done(&daemon, &words).await;
        assert_eq!(code, 65, "{told}");
        assert!(told.contains("line 3: 10.0.0.1: ") && told.contains("line 4: no"), "{told}");
        assert!(told.contains("3 lines: 1 ") && told.contains(" 1 refused, 1 bad"), "{told}");
        assert!(!told.contains('\u{202e}'), "{told}");
        assert_eq!(daemon.get("/security/bans").await.ok()["total"], u64::from(!dry));
    }
    let (told, code) = done(&daemon, &["import", "bans", name, "--json"]).await;
    let json: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &json["unchanged"], &json["bad"]), (65, &json!(1), &json!(1)));
    let unnamed = folder.path().join("list");
    std::fs::write(&unnamed, "").unwrap();
    for words in [
        ["import", "bans", unnamed.to_str().unwrap()],
        ["import", "bans", "/nonexistent/bans.csv"],
        ["export", "bans", "--out=/nonexistent/bans.csv"],
    ] {
        assert_eq!(done(&daemon, &words).await, (String::new(), 64), "{words:?}");
    }
    let large = folder.path().join("large.csv");
    std::fs::File::create(&large).unwrap().set_len((32 << 20) + 1).unwrap();
    let refused = asked(&daemon, &["import", "bans", large.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.exit_code() == 64 && refused.to_string().contains("32 MiB"), "{refused}");
}

#[tokio::test]
async fn an_export_that_is_cut_off_leaves_the_old_file_alone() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bans.json");
    std::fs::write(&file, "old").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dies = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        _ = stream.read(&mut [0; 4096]).await;
        let half = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[{\"i\r\n";
        stream.write_all(half).await.unwrap();
    };
    let ask = typed(&["export", "bans", "--out", file.to_str().unwrap()]);
    let mut out = Vec::new();
    let (failure, ()) = tokio::join!(answer(ask, &url, &mut out), dies);
    assert!(failure.unwrap_err().to_string().contains("cut off"));
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), names(folder.path()).len()), ("old", 1));
}
