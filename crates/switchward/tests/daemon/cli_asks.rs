//! The command line's questions and orders for a running daemon.

use crate::support::{Stage, eventually, traffic, witness};
use serde_json::Value;
use std::process::Stdio;

#[test]
fn an_address_is_banned_explained_and_freed_by_hand() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let ban = ["ban", "198.51.100.7", "--ttl", "90s", "--reason", "a test by hand"];
    assert!(stage.run(&ban).with(0).contains("198.51.100.7 added to blacklist"));
    assert!(witness::nft()["198.51.100.7"].is_some_and(|seconds| (89..=90).contains(&seconds)));
    let listed = stage.run(&["list", "bans"]).with(0);
    assert!(listed.contains("198.51.100.7") && listed.contains("a test by hand"), "{listed}");
    assert!(stage.run(&["list", "kernel"]).with(0).contains("198.51.100.7"));
    let why = stage.run(&["why", "198.51.100.7"]).with(0);
    assert!(why.contains("a test by hand"), "{why}");
    let status = stage.run(&["status"]).with(0);
    assert!(
        status.contains("1 in the ledger, 1 in the kernel (nftables)") && status.contains("connected"),
        "{status}"
    );

    stage.run(&["unban", "198.51.100.7"]).with(0);
    assert!(witness::nft().is_empty());
    assert!(stage.run(&["list", "bans"]).with(0).contains("no bans"));
    assert!(stage.run(&["unban", "198.51.100.7"]).with(0).contains("was not in blacklist"));
}

#[test]
fn every_kind_of_target_can_be_banned_and_freed() {
    let stage = Stage::new();
    let daemon = stage.start("");
    for (typed, held) in [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.0/24", "198.51.100.0/24"),
        ("203.0.113.7:5062", "203.0.113.7:5062"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:7::/48", "2001:db8:7::/48"),
        ("[2001:db8:9::5]:5062", "[2001:db8:9::5]:5062"),
        ("::ffff:198.18.0.9", "198.18.0.9"),
    ] {
        stage.run(&["ban", typed]).with(0);
        assert!(witness::nft().contains_key(held), "{typed}: {:?}", witness::nft());
        assert!(daemon.http.ledger().contains(held), "{typed}");
        stage.run(&["unban", typed]).with(0);
        assert!(
            witness::nft().is_empty() && daemon.http.ledger().is_empty(),
            "{typed}: {:?}",
            witness::nft()
        );
    }
    stage.run(&["ban", "198.51.100.7", "--permanent", "--scope", "sip"]).with(0);
    assert_eq!(witness::nft()["198.51.100.7"], None);
    assert!(crate::support::sh("nft list set inet switchward sip_v4").contains("198.51.100.7"));
}

#[test]
fn whoever_is_allowed_is_freed_and_not_banned_again() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    assert!(daemon.http.ban("198.51.100.7"));
    stage.run(&["allow", "198.51.100.7", "--user", "1001", "--permanent"]).with(0);
    assert!(witness::nft().is_empty(), "still in the kernel");
    assert!(stage.run(&["list", "allows"]).with(0).contains("198.51.100.7"));
    for source in ["198.51.100.7", "198.51.100.8"] {
        traffic::attack(&switch, source);
    }
    daemon.http.wait_for_ban("198.51.100.8");
    assert!(!daemon.http.ledger().contains("198.51.100.7"));
    assert!(stage.run(&["ban", "198.51.100.7"]).with(64).contains("refused"));

    stage.run(&["disallow", "198.51.100.7"]).with(0);
    assert!(stage.run(&["list", "allows"]).with(0).contains("the allow-list is empty"));
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
}

#[test]
fn why_tells_the_rule_the_count_and_the_accounts() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    traffic::send(&switch, &traffic::guess(&switch, "198.51.100.8"));
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    let why = stage.run(&["why", "198.51.100.7"]).with(0);
    for part in ["failed-registrations", "5 failed", traffic::VICTIM, "likely"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let why = stage.run(&["why", "198.51.100.8"]).with(0);
    assert!(why.contains("not banned"), "{why}");
    assert!(stage.run(&["list", "failed"]).with(0).contains("198.51.100.8"));
    let json: Value = serde_json::from_str(&stage.run(&["why", "198.51.100.7", "--json"]).with(0)).unwrap();
    assert!(json.is_object());
}

#[test]
fn what_must_not_be_banned_is_refused_with_a_reason() {
    let stage = Stage::new();
    let _daemon = stage.start("");
    for target in ["127.0.0.1", "192.168.1.1", "0.0.0.0/0", "127.0.0.0/4", "::1"] {
        let said = stage.run(&["ban", target]).with(64);
        assert!(said.contains("refused: "), "{target}: {said}");
    }
    assert!(witness::nft().is_empty());
}

#[test]
fn without_a_daemon_it_is_said_what_to_do() {
    let stage = Stage::new();
    for arguments in [&["status"][..], &["list", "bans"], &["ban", "198.51.100.7"], &["why", "198.51.100.7"]]
    {
        let said = stage.run(arguments).with(69);
        assert!(
            said.contains("no daemon answers at http://127.0.0.1:8088") && said.contains("switchward run"),
            "{said}"
        );
    }
}

#[test]
fn the_daemon_is_found_by_its_configuration_by_url_and_by_variable() {
    let stage = Stage::new();
    let path = stage.configure("server.port = 8099");
    let daemon = stage.launch();
    daemon.log.wait_for("ready");
    let path = path.to_str().unwrap();
    stage.run(&["status", "--config", path]).with(0);
    stage.run(&["status", "--url", "http://127.0.0.1:8099"]).with(0);
    crate::support::Ended::of(stage.command(&["status"]).env("SWITCHWARD_URL", "http://127.0.0.1:8099"))
        .with(0);
    crate::support::Ended::of(stage.command(&["status"]).env("SWITCHWARD_CONFIG", path)).with(0);
    let mut nowhere = stage.command(&["status"]);
    crate::support::Ended::of(nowhere.env("SERVER_SOCKET", "/nonexistent/switchward.sock")).with(69);
    assert!(stage.run(&["status", "--url", "127.0.0.1:8099"]).with(64).contains("http://"));
}

#[test]
fn the_answer_comes_as_json_for_scripts() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    for arguments in [
        &["status", "--json"][..],
        &["list", "bans", "--json"],
        &["list", "kernel", "--json"],
        &["ban", "198.51.100.8", "--json"],
    ] {
        let ended = stage.run(arguments);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(serde_json::from_str::<Value>(&ended.out).unwrap().is_object(), "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_mistake_for_questions_either() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    for arguments in [&["status"][..], &["list", "bans"], &["list", "bans", "--json"]] {
        let mut child =
            stage.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_ban_ends_by_itself_everywhere() {
    let stage = Stage::new();
    let daemon = stage.start("");
    stage.run(&["ban", "198.51.100.7", "--ttl", "1s"]).with(0);
    eventually("the ledger forgets", || daemon.http.ledger().is_empty());
    eventually("the kernel forgets", || witness::nft().is_empty());
    eventually("the store forgets", || witness::store(&stage.store()).is_empty());
}
