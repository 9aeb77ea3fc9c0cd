//! The command line without a daemon: configuration files, captures, versions, mistakes, closed pipes.

use crate::support::{Ended, PASSWORD, Stage};
use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

fn capture(name: &str) -> String {
    format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn check_tells_a_good_file_from_one_with_warnings_and_one_with_mistakes() {
    let stage = Stage::new();
    stage.file(
        "good.toml",
        &format!("security.esl_password = \"{PASSWORD}\"\nsecurity.max_failed_attempts = 3\n"),
    );
    let said = stage.run(&["check", "good.toml"]).with(0);
    assert!(said.contains("good.toml is good: 1 switch, 0 warning(s)"), "{said}");

    stage.file(
        "odd.toml",
        &format!("security.esl_password = \"{PASSWORD}\"\nsecurity.max_failed_attemps = 3\n"),
    );
    let said = stage.run(&["check", "--config", "odd.toml"]).with(0);
    assert!(
        said.contains("odd.toml:2:") && said.contains("max_failed_attempts") && said.contains("1 warning(s)"),
        "{said}"
    );

    stage.file(
        "bad.json",
        "{\n  \"security\": {\n    \"block_duration\": \"soon\",\n    \"esl_port\": 99999\n  }\n}\n",
    );
    let said = stage.run(&["check", "bad.json"]).with(64);
    assert!(said.contains("bad.json:3:") && said.contains("security.block_duration"), "{said}");
    assert!(said.contains("bad.json:4:") && said.contains("security.esl_port"), "both at once: {said}");

    assert!(stage.run(&["check", "none.toml"]).with(64).contains("none.toml: no such file"));
    assert!(stage.run(&["check"]).with(64).contains("switchward init"));
}

#[test]
fn the_rules_of_a_file_are_told_without_a_daemon() {
    let stage = Stage::new();
    stage.file(
        "new.toml",
        &format!(
            "security.esl_password = \"{PASSWORD}\"\nsecurity.max_failed_attempts = 9\n[[rules]]\nname = \"call-rate\"\n\
             shadow = true\n"
        ),
    );
    let said = stage.run(&["rules", "--config", "new.toml"]).with(0);
    for word in ["failed-registrations", "9 in 10m", "shadow: ban 15m, all", "changed", "built-in"] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
    assert!(!said.contains("last fired"), "nobody was asked: {said}");
    let said = stage.run(&["--config", "new.toml", "rules", "--json"]).with(0);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert!(answer["rules"].as_array().unwrap().iter().any(|rule| rule["shadow"] == true), "{said}");

    stage.file("never.toml", "[[rules]]\nname = \"call-rate\"\ncounts = []\n");
    let said = stage.run(&["check", "never.toml"]).with(64);
    assert!(
        said.contains("never.toml:3:10: rules[0].counts: found no signal, expected one at least"),
        "{said}"
    );
    stage.run(&["rules", "--config", "never.toml"]).with(64);
}

#[test]
fn a_variable_of_the_environment_is_checked_as_well() {
    let stage = Stage::new();
    stage.configure("");
    let with = |value: &str| {
        crate::support::Ended::of(
            stage.command(&["check", "switchward.toml"]).env("SECURITY_BLOCK_DURATION", value),
        )
    };
    with("2h").with(0);
    assert!(with("two").with(64).contains("SECURITY_BLOCK_DURATION"));
}

#[test]
fn init_writes_a_file_that_is_good_and_never_overwrites_one() {
    let stage = Stage::new();
    assert!(stage.run(&["init"]).with(0).contains("wrote switchward.toml"));
    let path = stage.folder().join("switchward.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, switchward::config::EXAMPLE_TOML);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600,
        "it will hold a password"
    );
    assert!(stage.run(&["check", "switchward.toml"]).with(0).contains("is good"));

    std::fs::write(&path, "mine").unwrap();
    assert!(stage.run(&["init"]).with(64).contains("cannot write switchward.toml"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");

    stage.run(&["init", "other.json"]).with(0);
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(stage.folder().join("other.json")).unwrap()).unwrap();
    assert_eq!(json["security"]["esl_port"], "8021", "in the predecessor's types");
}

#[test]
fn a_bare_start_writes_the_predecessors_file_and_guards() {
    for (arguments, file) in [
        (&[][..], "config.json"),
        (&["-config", "mine.json"], "mine.json"),
        (&["-config=my.json"], "my.json"),
    ] {
        let stage = Stage::new();
        let switch = stage.switch();
        switch.set_password("ClueCon");
        let mut command = stage.command(arguments);
        // The default is in /var/lib.
        command.env("STORE_PATH", stage.store());
        let mut daemon = crate::support::Daemon::spawn(command);
        let said = daemon.log.wait_for("wrote a default configuration");
        assert!(said.contains(file), "{said}");
        daemon.log.wait_for("ready");
        daemon.wait_for_switch();
        assert!(daemon.http.ban("198.51.100.7"));
        stage.agreed(&daemon);
        assert!(daemon.terminate().success());
        assert!(stage.run(&["check", file]).with(0).contains("is good"), "{file}");
    }
}

#[test]
fn replay_prints_one_object_for_each_verdict() {
    let stage = Stage::new();
    // The captures' phones call themselves a scanner.
    stage.file("signatures", "!friendly-scanner\n");
    // With the rules as they are built in.
    stage.configure("guard.signatures_file = \"signatures\"\n[[rules]]\nname = \"failed-registrations\"");
    let ended = stage.run(&[
        "replay",
        "--config",
        "switchward.toml",
        "--json",
        "--map",
        "127.0.0.0/16=198.18.0.0/16",
        &capture("register_fail.plain"),
    ]);
    assert_eq!(ended.code, Some(0));
    // The capture is of a switch alone.
    assert!(ended.err.contains("1 of 1 captures do not say which gateways"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bans: Vec<&Value> = lines.iter().filter(|line| line["action"] == "ban").collect();
    assert_eq!(
        bans.iter().map(|ban| ban["target"].as_str().unwrap()).collect::<Vec<_>>(),
        ["198.18.66.5", "198.18.66.6", "198.18.66.20"]
    );
    for line in &lines {
        for key in ["time", "action", "target", "rule", "evidence", "reason"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        assert!(line.get("ttl").is_some(), "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert_eq!(
        (&bans[0]["ttl"], &bans[0]["rule"], &bans[0]["evidence"]),
        (&3600.into(), &"failed-registrations".into(), &"likely".into())
    );
}

#[test]
fn replay_judges_by_the_configuration_and_prints_a_table_for_people() {
    let stage = Stage::new();
    stage.configure("security.max_failed_attempts = 1");
    let map = "127.0.0.0/16=198.18.0.0/16";
    let said = stage
        .run(&["replay", "--config", "switchward.toml", "--map", map, &capture("register_fail.plain")])
        .with(0);
    assert!(said.contains("198.18.66.2") && said.contains("failed-registrations"), "{said}");
    let summary = said.lines().rev().nth(1).unwrap();
    assert!(summary.starts_with("115 events") && !summary.contains("; 2 banned"), "{summary}");
    assert!(!stage.store().exists(), "a replay remembers nothing");
}

#[test]
fn replay_against_another_configuration_tells_the_differences_and_exits_as_diff_does() {
    let stage = Stage::new();
    stage.file("signatures", "!friendly-scanner\n");
    stage.configure("security.trusted_networks = []\nguard.signatures_file = \"signatures\"");
    let base = std::fs::read_to_string(stage.folder().join("switchward.toml")).unwrap();
    stage.file("strict.toml", &format!("security.block_duration = \"7s\"\n{base}"));
    let capture = capture("register_fail.plain");
    let against = |other: &str, more: &[&str]| {
        let args = ["replay", "--config", "switchward.toml", "--against", other, &capture];
        stage.run(&[&args[..], more].concat())
    };
    let same = against("switchward.toml", &[]).with(0);
    assert!(same.contains("All verdicts are the same") && same.contains("settings are the same"), "{same}");

    let said = against("strict.toml", &[]).with(1);
    assert!(said.contains("~ ban 127.0.66.5: another length\n"), "{said}");
    assert!(said.contains("for 60 min") && said.contains("for 7 s"), "{said}");
    assert!(said.contains("Settings that differ: ") && said.contains("security.block_duration"), "{said}");

    let ended = against("strict.toml", &["--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let objects: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, differences) = objects.split_last().unwrap();
    assert_eq!(differences.len(), 2);
    assert_eq!(differences[0]["kind"], "different");
    assert_eq!(differences[0]["differs"], serde_json::json!(["length"]));
    assert_eq!((&differences[0]["a"]["ttl"], &differences[0]["b"]["ttl"]), (&3600.into(), &7.into()));
    assert_eq!(summary["summary"]["verdicts"]["bans"]["different"], 2);
    assert_eq!(summary["summary"]["same"], false);

    assert!(against("none.toml", &[]).with(64).contains("none.toml: no such file"));
}

#[test]
fn replay_tells_what_is_no_capture() {
    let stage = Stage::new();
    stage.file("text", "this is no capture\n\nat all\n\n");
    stage.file("empty", "");
    for (file, words) in [("text", "text "), ("empty", "holds no event"), ("none", "cannot read none")] {
        let said = stage.run(&["replay", file]).with(64);
        assert!(said.contains(words) && !said.contains("panicked"), "{said}");
    }
    assert!(stage.run(&["replay", "--map", "127.0.0.0/8", "text"]).with(64).contains("FROM=TO"));
}

#[test]
fn version_and_help_are_no_mistakes_and_nonsense_is_one() {
    let stage = Stage::new();
    for arguments in [["version"], ["--version"], ["-V"]] {
        assert_eq!(
            stage.run(&arguments).with(0),
            format!("switchward {}\n", env!("CARGO_PKG_VERSION")),
            "{arguments:?}"
        );
    }
    for command in [
        "run", "check", "init", "replay", "demo", "ban", "unban", "allow", "disallow", "list", "why",
        "status",
    ] {
        assert!(stage.run(&[command, "--help"]).with(0).contains("Usage: switchward "), "{command}");
    }
    for arguments in
        [&["guard"][..], &["ban"], &["ban", "nonsense"], &["status", "--loud"], &["list", "everything"]]
    {
        let said = stage.run(arguments).with(64);
        assert!(said.contains("Usage") || said.contains("help"), "{said}");
    }
    let said = crate::support::Ended::of(stage.command(&[]).arg(OsStr::from_bytes(b"\xff\xfe"))).with(64);
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_closed_pipe_is_no_mistake() {
    let stage = Stage::new();
    stage.configure("");
    let capture = capture("scanner.plain");
    for arguments in [
        &["replay", "--json", &capture][..],
        &["replay", &capture],
        &["check", "switchward.toml"],
        &["version"],
    ] {
        let mut child =
            stage.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_demo_ends_by_itself_and_leaves_nothing() {
    let stage = Stage::new();
    let temporary = stage.folder().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = stage.command(&["demo", "--netns", "--seconds", "5", "--port", "0"]);
    let said = crate::support::Ended::of(command.env("TMPDIR", &temporary)).with(0);
    assert!(said.contains("Bans are real, in a network namespace of their own"), "{said}");
    assert!(said.contains("bans: "), "{said}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "the demo left files");
    assert_eq!(crate::support::sh("nft list ruleset"), "", "the demo touched the network it was started in");
}

#[test]
fn a_configuration_that_others_could_have_laid_there_is_not_taken_for_ours() {
    let stage = Stage::new();
    let file = stage.file("config.json", r#"{"server": {"port": "9"}, "security": {}}"#);
    let ask = |more: &[(&str, &str)]| {
        let mut command = stage.command(&["status"]);
        command.current_dir(stage.folder()).env_remove("SWITCHWARD_CONFIG").env("SWITCHWARD_TOKEN", "swt_x");
        command.envs(more.iter().copied());
        Ended::of(&mut command).with(69)
    };
    let set = |mode: u32| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o644);
    assert!(!ask(&[]).contains("is not taken"));
    set(0o666);
    assert!(ask(&[]).contains("config.json is not taken for the daemon's configuration"));
    set(0o644);
    std::fs::write(&file, r#"{"name": "a program of somebody else's"}"#).unwrap();
    assert!(ask(&[]).contains("is not taken"));
}

#[test]
fn a_token_goes_in_plain_text_only_where_somebody_said_so() {
    let stage = Stage::new();
    let file = stage.file("other.toml", "server.host = \"192.0.2.1\"\nserver.socket = \"\"\n");
    let ask = |arguments: &[&str]| {
        Ended::of(stage.command(arguments).env("SWITCHWARD_TOKEN", "swt_x").env_remove("SERVER_SOCKET"))
    };
    let said = ask(&["status", "--config", file.to_str().unwrap()]).with(64);
    assert!(
        said.contains("not sent in plain text") && said.contains("--url") && !said.contains("swt_x"),
        "{said}"
    );
}
