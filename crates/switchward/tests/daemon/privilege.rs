//! Who may change the kernel's sets, and what the daemon does when it may not.

use crate::support::{Daemon, Ended, RUN, Stage, eventually, sh, traffic, witness};

/// Root without the one capability.
const POWERLESS: &str = "setpriv --bounding-set -net_admin --inh-caps -net_admin";
const PROGRAM: &str = env!("CARGO_BIN_EXE_switchward");

#[test]
fn without_the_capability_the_start_is_refused_and_the_mend_is_told() {
    let stage = Stage::new();
    for mode in ["auto", "nftables", "ipset"] {
        stage.configure(&format!("firewall.mode = \"{mode}\""));
        let said = Ended::of(&mut stage.command_by(POWERLESS, PROGRAM, &RUN)).with(77);
        for part in ["CAP_NET_ADMIN", "AmbientCapabilities", "--dry-run", "auto_block_enabled"] {
            assert!(said.contains(part), "{mode}: {part}: {said}");
        }
    }
}

#[test]
fn without_the_capability_a_dry_run_decides_and_says_so() {
    let stage = Stage::new();
    let switch = stage.switch();
    stage.configure("");
    let arguments = [&RUN[..], &["--dry-run"]].concat();
    let daemon = Daemon::spawn(stage.command_by(POWERLESS, PROGRAM, &arguments));
    daemon.log.wait_for("ready");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    assert!(daemon.log.wait_for("banned for 60 min").contains("(dry run)"));
    assert!(!witness::has_table());
    assert!(stage.run(&["status"]).with(0).contains("DRY RUN"));
    let answer = daemon.http.post("/security/blacklist", &serde_json::json!({"ip": "198.51.100.8"}));
    assert!(answer["warnings"].to_string().contains("dry run"), "{answer}");
}

#[test]
fn without_the_capability_a_daemon_that_bans_nobody_runs() {
    let stage = Stage::new();
    let switch = stage.switch();
    stage.configure("security.auto_block_enabled = false");
    let daemon = Daemon::spawn(stage.command_by(POWERLESS, PROGRAM, &RUN));
    daemon.log.wait_for("no firewall, and none is needed while banning is off");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    let said = daemon.log.wait_for("would be banned");
    assert!(said.contains("198.51.100.7"), "{said}");
    assert!(daemon.http.ledger().is_empty());
    let answer = daemon.http.post("/security/blacklist", &serde_json::json!({"ip": "198.51.100.8"}));
    assert!(
        answer["warnings"].to_string().contains("CAP_NET_ADMIN"),
        "an order that nobody enforces: {answer}"
    );
}

#[test]
fn a_dry_run_leaves_the_kernel_alone_even_when_it_may_change_it() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("security.dry_run = true");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    daemon.http.post("/security/blacklist", &serde_json::json!({"ip": "198.51.100.8"}));
    assert_eq!((sh("nft list ruleset"), sh("ipset save")), (String::new(), String::new()));
}

/// As a systemd unit with `User=` and `AmbientCapabilities=CAP_NET_ADMIN` runs it.
#[test]
fn an_ordinary_user_with_the_one_capability_is_enough() {
    let stage = Stage::new();
    let switch = stage.switch();
    stage.configure("");
    let program = stage.folder().join("switchward");
    std::fs::copy(PROGRAM, &program).unwrap();
    sh(&format!("chown -R 65534:65534 {}", stage.folder().display()));
    let user = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
        --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin";
    let daemon = Daemon::spawn(stage.command_by(user, program.to_str().unwrap(), &RUN));
    daemon.log.wait_for("ready");
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    eventually("the kernel holds the ban", || witness::nft().contains_key("198.51.100.7"));
    stage.agreed(&daemon);
    sh("nft flush ruleset");
    eventually("it repairs as well", || witness::has_table() && witness::nft().contains_key("198.51.100.7"));
}

/// nice(2): requests stand behind events and bans, however many there are.
#[test]
fn what_serves_requests_steps_back_behind_what_bans() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    daemon.http.get("/security/status");
    let (mut requests, mut bans) = (Vec::new(), Vec::new());
    for task in std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap();
        let name = stat.split(['(', ')']).nth(1).unwrap().to_owned();
        // The 19th field (proc_pid_stat(5)); the name is the second.
        let nice: i32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap();
        match name.as_str() {
            name if name.starts_with("tokio") => requests.push(nice),
            name if name.starts_with("watch") || name == "firewall" => bans.push(nice),
            _ => {}
        }
    }
    assert!(!requests.is_empty() && bans.len() >= 2, "{requests:?} {bans:?}");
    assert!(requests.iter().min() > bans.iter().max(), "{requests:?} {bans:?}");
}
