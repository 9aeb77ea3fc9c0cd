//! Toll fraud with the right password: what the switch is told to do about it, and what survives a restart.

use crate::support::{DEADLINE, Stage, eventually, traffic};
use serde_json::Value;
use simswitch::{Action, Credentials, Received, SimSwitch};
use std::time::Duration;

const BLOCK: &str = "lua block.lua victim pbx.example";

fn commands(switch: &SimSwitch) -> Vec<String> {
    switch.commands_received().iter().map(Received::line).collect()
}

/// A call with the right password that is answered at once and would go on for an hour.
fn call(stage: &Stage, switch: &SimSwitch, number: &str) {
    let action = match traffic::call(number, Credentials::Fresh) {
        Action::Call { client, number, credentials, .. } => {
            let (ring, talk) = (Duration::from_millis(10), Some(Duration::from_secs(3600)));
            Action::Call { client, number, credentials, ring, talk }
        }
        other => other,
    };
    stage.act(switch, &traffic::step("198.51.100.7", action));
}

/// How often a rule fired.
fn fired(view: &Value, rule: &str) -> u64 {
    let rules = view["rules"].as_array().unwrap();
    rules.iter().find(|entry| entry["name"] == rule).unwrap()["fired"].as_u64().unwrap()
}

#[test]
fn a_call_to_a_satellite_is_ended_and_the_account_blocked_at_the_switch() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_api(BLOCK, "+OK blocked\n");
    let daemon = stage.start(
        "fraud.home_country = \"DE\"\n\
         fraud.on_premium = [\"alert\", \"hang-up\", \"block\"]\n\
         fraud.block_command = \"api lua block.lua {user} {domain}\"",
    );
    daemon.wait_for_switch();
    call(&stage, &switch, "9196");
    call(&stage, &switch, "00882161234567");
    let killed = switch.wait_for_command(DEADLINE, |received| received.line().contains("uuid_kill"));
    let killed = stage.wait(killed).unwrap().line();
    assert!(killed.starts_with("api uuid_kill ") && killed.ends_with(" CALL_REJECTED"), "{killed}");
    let blocked = switch.wait_for_command(DEADLINE, |received| received.line().contains("block.lua"));
    assert_eq!(stage.wait(blocked).unwrap().line(), format!("api {BLOCK}"));
    daemon.log.wait_for("hung up");
    daemon.log.wait_for("an account is blocked because of fraud");
    assert_eq!(switch.world().legs().filter(|leg| !leg.outbound).count(), 1, "the call to the echo goes on");
    let view = daemon.http.get("/security/fraud");
    assert_eq!((fired(&view, "fraud-premium"), fired(&view, "fraud-cost")), (1, 0));
    let account = &view["accounts"][0];
    assert_eq!((&account["user"], &account["domain"]), (&"victim".into(), &"pbx.example".into()));
    assert_eq!(account["told"][0], "fraud-premium");
    assert_eq!(account["countries"][0]["country"], "XX");
    let audited = daemon.http.get("/security/audit?action=block");
    let text = audited.to_string();
    assert!(
        text.contains("victim@pbx.example") && text.contains("block account") && text.contains("done"),
        "{text}"
    );
}

#[test]
fn a_switch_that_does_not_block_is_told_of() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_api(BLOCK, "-ERR no reply\n");
    let daemon = stage
        .start("fraud.on_premium = [\"block\"]\nfraud.block_command = \"api lua block.lua {user} {domain}\"");
    daemon.wait_for_switch();
    call(&stage, &switch, "00882161234567");
    let line = daemon.log.wait_for("could not be blocked");
    assert!(line.contains("no reply") && line.contains("+OK"), "{line}");
}

#[test]
fn a_call_that_runs_past_a_cap_is_ended_while_nothing_else_happens() {
    let stage = Stage::new();
    let switch = stage.switch();
    let table = stage.file("prices.csv", "prefix,name,class,cost\n44,Britain,,60000\n");
    let daemon = stage.start(&format!(
        "fraud.home_country = \"DE\"\nfraud.table_file = {table:?}\nfraud.account_cost_hour = 500\nfraud.on_cost = [\"hang-up\"]"
    ));
    daemon.wait_for_switch();
    call(&stage, &switch, "00442079460123");
    let killed = switch.wait_for_command(DEADLINE, |received| received.line().contains("uuid_kill"));
    stage.wait(killed).unwrap();
    daemon.log.wait_for("hung up");
    let view = daemon.http.get("/security/fraud");
    assert_eq!(view["table"]["prefixes"], 1);
    assert!(
        fired(&view, "fraud-cost") >= 1 && view["accounts"][0]["costDay"].as_f64().unwrap() > 500.0,
        "{view}"
    );
    // A table that was broken is said to be, and changes nothing.
    std::fs::write(&table, "44,Britain,luxury,1\n").unwrap();
    daemon.signal("HUP");
    let line = daemon.log.wait_for("no class");
    assert!(line.contains("prices.csv") && line.contains("line 1"), "{line}");
    assert_eq!(daemon.http.get("/security/fraud")["table"]["prefixes"], 1);
}

#[test]
fn learning_and_a_dry_run_end_nothing() {
    for line in ["fraud.learning = true", "security.dry_run = true", "security.auto_block_enabled = false"] {
        let stage = Stage::new();
        let switch = stage.switch();
        let daemon = stage.start(&format!(
            "{line}\nfraud.on_premium = [\"alert\", \"hang-up\", \"block\", \"ban\"]\n\
             fraud.block_command = \"api lua block.lua {{user}} {{domain}}\""
        ));
        daemon.wait_for_switch();
        call(&stage, &switch, "00882161234567");
        eventually("the rule fires", || fired(&daemon.http.get("/security/fraud"), "fraud-premium") == 1);
        // Every command goes over the same pool; when this one is there, nothing went before it.
        daemon.http.post("/security/esl/command", &serde_json::json!({"command": "status"}));
        let lines = commands(&switch);
        assert!(lines.contains(&"api status".into()), "{lines:?}");
        assert!(
            !lines.iter().any(|line| line.contains("uuid_kill") || line.contains("lua")),
            "{line}: {lines:?}"
        );
    }
}

#[test]
fn what_an_account_learnt_survives_a_restart() {
    let stage = Stage::new();
    let switch = stage.switch();
    let lines = "fraud.home_country = \"DE\"\nfraud.history = \"0s\"";
    let mut daemon = stage.start(lines);
    daemon.wait_for_switch();
    call(&stage, &switch, "00442079460123");
    eventually("the country is new", || fired(&daemon.http.get("/security/fraud"), "fraud-new-country") == 1);
    daemon.terminate();
    let daemon = stage.start(lines);
    daemon.wait_for_switch();
    let countries = daemon.http.get("/security/fraud")["accounts"][0]["countries"].clone();
    assert_eq!((&countries[0]["country"], &countries[0]["calls"]), (&"GB".into(), &1.into()));
    call(&stage, &switch, "00442079460124");
    call(&stage, &switch, "0033123456789");
    eventually("France is new", || fired(&daemon.http.get("/security/fraud"), "fraud-new-country") == 1);
    assert_eq!(daemon.http.get("/security/fraud")["accounts"][0]["calls"], 2);
}
