//! Calls from untrusted domains are ended, in the one way that the switch takes.

use crate::support::{DEADLINE, Stage, eventually, traffic, witness};
use serde_json::json;
use simswitch::{Credentials, Received, SimSwitch};

/// A call that is let in and rings for long; its name on the switch.
fn call(switch: &SimSwitch, source: &str) -> String {
    let events = traffic::act(switch, source, traffic::call("9196", Credentials::Fresh));
    let call = switch.world().legs().next().map(|leg| leg.uuid.clone());
    // The daemon may hang up before we look again.
    traffic::send(switch, &events);
    call.expect("the switch let nobody in")
}

/// The commands that a switch was given.
fn commands(switch: &SimSwitch) -> Vec<String> {
    switch.commands_received().iter().map(Received::line).collect()
}

#[test]
fn a_call_from_an_untrusted_domain_is_killed_by_an_api_command() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("security.untrusted_networks = [\"pbx.example\"]");
    daemon.wait_for_switch();
    let call = call(&switch, "198.51.100.7");
    let killed = switch.wait_for_command(DEADLINE, |received| received.line().contains("uuid_kill"));
    assert_eq!(stage.wait(killed).unwrap().line(), format!("api uuid_kill {call} CALL_REJECTED"));
    daemon.log.wait_for("hung up");
    assert_eq!(switch.world().legs().count(), 0, "the call is still there");
    daemon.http.wait_for_ban("198.51.100.7");
    eventually("the kernel holds the ban", || witness::nft().contains_key("198.51.100.7"));
    let lines = commands(&switch);
    assert_eq!(lines.iter().filter(|line| line.contains("uuid_kill")).count(), 1, "{lines:?}");
}

#[test]
fn a_dry_run_and_a_guard_that_does_not_ban_hang_nothing_up() {
    for line in ["security.dry_run = true", "security.auto_block_enabled = false"] {
        let stage = Stage::new();
        let switch = stage.switch();
        let daemon = stage.start(&format!("security.untrusted_networks = [\"pbx.example\"]\n{line}"));
        daemon.wait_for_switch();
        call(&switch, "198.51.100.7");
        daemon.log.wait_for("198.51.100.7");
        // Every command goes over the same pool; when this one is there, nothing went before it.
        daemon.http.post("/security/esl/command", &json!({"command": "status"}));
        let lines = commands(&switch);
        assert!(lines.contains(&"api status".into()), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("uuid_kill")), "{line}: {lines:?}");
        assert_eq!(switch.world().legs().count(), 1, "{line}");
    }
}

#[test]
fn a_call_whose_name_is_a_command_is_not_passed_on() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("security.untrusted_networks = [\"pbx.example\"]");
    daemon.wait_for_switch();
    for name in ["x%0A%0Aapi%20system%20id", "x%20y", "x%3Bsystem", &"x".repeat(300)] {
        let source = format!("198.51.100.{}", name.len().min(200));
        traffic::send(&switch, &[traffic::call_named(&switch, &source, name)]);
        daemon.http.wait_for_ban(&source);
    }
    eventually("four refusals", || daemon.log.text().matches("cannot be a command's argument").count() == 4);
    let lines = commands(&switch);
    assert!(!lines.iter().any(|line| line.contains("uuid_kill") || line.contains("system")), "{lines:?}");
}

#[test]
fn a_call_is_named_to_the_switch_as_the_switch_names_it() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("security.untrusted_networks = [\"pbx.example\"]");
    daemon.wait_for_switch();
    // Of a switch with inbound-use-callid-as-uuid.
    traffic::send(&switch, &[traffic::call_named(&switch, "198.51.100.7", "a84b4c76e66710%40192.0.2.9")]);
    let killed = switch.wait_for_command(DEADLINE, |received| received.line().contains("uuid_kill"));
    assert_eq!(stage.wait(killed).unwrap().line(), "api uuid_kill a84b4c76e66710@192.0.2.9 CALL_REJECTED");
}
