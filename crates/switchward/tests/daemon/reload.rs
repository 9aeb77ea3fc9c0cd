//! SIGHUP: what takes effect, what needs a restart, and what a mistake does.

use crate::support::{Stage, eventually, traffic};

#[test]
fn a_changed_threshold_takes_effect_at_once() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("security.max_failed_attempts = 5");
    daemon.wait_for_switch();
    stage.configure("security.max_failed_attempts = 2\nlog.level = \"debug\"");
    daemon.signal("HUP");
    let said = daemon.log.wait_for("the configuration is read anew");
    assert!(said.contains("security.max_failed_attempts") && said.contains("log.level"), "{said}");
    for _ in 0..2 {
        traffic::send(&switch, &traffic::guess(&switch, "198.51.100.7"));
    }
    let ban = daemon.http.wait_for_ban("198.51.100.7");
    assert_eq!(ban["failCount"], 2, "{ban}");
    daemon.log.wait_for("DEBUG");
}

#[test]
fn new_trusted_and_protected_networks_take_effect_at_once() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    stage.configure(
        "security.trusted_networks = [\"198.51.100.0/24\"]\nfirewall.never_ban = [\"203.0.113.0/24\"]",
    );
    daemon.signal("HUP");
    daemon.log.wait_for("the configuration is read anew");
    for source in ["198.51.100.7", "203.0.113.7", "198.18.0.7"] {
        traffic::attack(&switch, source);
    }
    daemon.http.wait_for_ban("198.18.0.7");
    assert_eq!(stage.agreed(&daemon).len(), 1);
    assert!(!daemon.http.ban("203.0.113.7"), "never_ban holds for operators too");
}

#[test]
fn what_needs_a_restart_is_named_and_left_as_it_is() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    stage
        .configure("server.port = 8099\nfirewall.table = \"other\"\nsecurity.esl_password = \"an0ther-one\"");
    daemon.signal("HUP");
    let said = daemon.log.wait_for("need a restart");
    for key in ["server.port", "firewall.table", "esl_password"] {
        assert!(said.contains(key), "{key}: {said}");
    }
    assert!(said.contains("WARN") && !said.contains("an0ther-one"), "{said}");
    assert!(daemon.http.ban("198.51.100.7"), "the old port and the old table");
    stage.agreed(&daemon);
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let stage = Stage::new();
    let switch = stage.switch();
    let mut daemon = stage.start("security.max_failed_attempts = 3");
    daemon.wait_for_switch();
    stage.configure("security.max_failed_attempts = \"two\"");
    daemon.signal("HUP");
    let said = daemon.log.wait_for("the configuration is as it was");
    assert!(said.contains("ERROR") && said.contains("switchward.toml:"), "{said}");
    assert!(daemon.log.text().contains("security.max_failed_attempts: found"), "{}", daemon.log.text());
    std::fs::remove_file(stage.folder().join("switchward.toml")).unwrap();
    daemon.signal("HUP");
    daemon.log.wait_for("no such file");
    assert!(daemon.runs());
    for _ in 0..3 {
        traffic::send(&switch, &traffic::guess(&switch, "198.51.100.7"));
    }
    assert_eq!(daemon.http.wait_for_ban("198.51.100.7")["failCount"], 3);
}

#[test]
fn many_reloads_in_a_row_disturb_no_connection() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    for _ in 0..20 {
        daemon.signal("HUP");
    }
    daemon.log.wait_for("nothing has changed");
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
    eventually("the kernel follows", || crate::support::witness::nft().contains_key("198.51.100.7"));
    assert_eq!(daemon.http.get("/security/esl")["connectionAttempts"], 1);
}
