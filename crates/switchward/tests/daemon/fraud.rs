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

/// Everybody hangs up.
fn end_all(switch: &SimSwitch) {
    let calls: Vec<String> =
        switch.world().legs().filter(|leg| !leg.outbound).map(|leg| leg.uuid.clone()).collect();
    let mut effects = simswitch::Effects::default();
    for uuid in calls {
        let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
        assert!(switch.world().hang_up(now, &uuid, "NORMAL_CLEARING", &mut effects));
    }
    effects.events.iter().for_each(|event| _ = switch.emit(event));
}

/// What the first account has spent.
fn spent(view: &Value) -> f64 {
    view["accounts"][0]["costDay"].as_f64().unwrap_or_default()
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
fn a_call_that_the_switch_does_not_end_is_told_of_and_asked_for_again() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_api("uuid_kill", "-ERR busy\n");
    let daemon = stage.start("fraud.on_premium = [\"hang-up\"]");
    daemon.wait_for_switch();
    call(&stage, &switch, "00882161234567");
    let line = daemon.log.wait_for("could not hang up");
    assert!(line.contains("busy") && line.contains("+OK"), "{line}");
    daemon.log.wait_for("call-not-ended");
    // Its end was missed, as far as the switch knows.
    switch.set_api("uuid_kill", "-ERR No such channel!\n");
    daemon.log.wait_for("has ended by itself");
    eventually("the call is forgotten", || daemon.http.get("/security/fraud")["accounts"][0]["running"] == 0);
    let asked = commands(&switch).iter().filter(|line| line.contains("uuid_kill")).count();
    assert!(asked >= 2, "{asked}");
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
    let table = stage.file("prices.csv", "prefix,name,class,cost\n44,Britain,,60000\n");
    let lines = &format!(
        "fraud.home_country = \"DE\"\nfraud.history = \"0s\"\nfraud.table_file = {table:?}\nfraud.account_cost_day = 0"
    );
    let mut daemon = stage.start(lines);
    daemon.wait_for_switch();
    call(&stage, &switch, "00442079460123");
    eventually("the country is new", || fired(&daemon.http.get("/security/fraud"), "fraud-new-country") == 1);
    eventually("it costs", || spent(&daemon.http.get("/security/fraud")) > 1000.0);
    end_all(&switch);
    eventually("the call is over", || live(&daemon.http.get("/security/fraud")) == Some(0));
    daemon.terminate();
    let daemon = stage.start(lines);
    daemon.wait_for_switch();
    let countries = daemon.http.get("/security/fraud")["accounts"][0]["countries"].clone();
    assert_eq!((&countries[0]["country"], &countries[0]["calls"]), (&"GB".into(), &1.into()));
    let view = daemon.http.get("/security/fraud");
    assert!(spent(&view) > 1000.0 && view["tenants"][0]["costDay"].as_f64().unwrap() > 1000.0, "{view}");
    call(&stage, &switch, "00442079460124");
    call(&stage, &switch, "0033123456789");
    eventually("France is new", || fired(&daemon.http.get("/security/fraud"), "fraud-new-country") == 1);
    assert_eq!(daemon.http.get("/security/fraud")["accounts"][0]["calls"], 3, "one of them before");
}

/// The first account's toll calls that run.
fn live(view: &Value) -> Option<u64> {
    view["accounts"][0]["running"].as_u64()
}

#[test]
fn a_call_that_ends_while_nobody_reads_is_over_when_the_switch_is_back() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("fraud.home_country = \"DE\"");
    daemon.wait_for_switch();
    call(&stage, &switch, "00442079460123");
    call(&stage, &switch, "00442079460124");
    eventually("both calls run", || live(&daemon.http.get("/security/fraud")) == Some(2));
    switch.set_refusing(true);
    switch.kill_connections();
    eventually("the daemon notices", || daemon.http.get("/security/esl")["connected"] == false);
    let gone = switch.world().legs().find(|leg| !leg.outbound).unwrap().uuid.clone();
    // Nobody hears of its end.
    switch.world().hang_up(1, &gone, "NORMAL_CLEARING", &mut simswitch::Effects::default());
    assert_eq!(live(&daemon.http.get("/security/fraud")), Some(2));
    switch.set_refusing(false);
    eventually("one call is over", || live(&daemon.http.get("/security/fraud")) == Some(1));
    daemon.log.wait_for("calls had begun or ended unseen");
    let lines = commands(&switch);
    assert!(lines.iter().any(|line| line.starts_with("api uuid_exists ")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("api uuid_kill ")), "{lines:?}");
}

#[test]
fn a_call_that_began_before_us_is_followed_to_its_end() {
    let stage = Stage::new();
    let switch = stage.switch();
    call(&stage, &switch, "00882161234567");
    call(&stage, &switch, "9196");
    eventually("both are answered", || {
        switch.world().legs().all(|leg| leg.state == simswitch::State::Active)
    });
    let daemon = stage.start("fraud.home_country = \"DE\"");
    daemon.log.wait_for("calls had begun or ended unseen");
    let view = daemon.http.get("/security/fraud");
    assert_eq!((live(&view), fired(&view, "fraud-premium")), (Some(1), 1), "{view}");
    assert!(daemon.log.wait_for("begun or ended unseen").contains("learnt=1"));
    assert_eq!(view["accounts"][0]["calls"], 1, "one call and its leg: {view}");
    end_all(&switch);
    eventually("its end is heard", || live(&daemon.http.get("/security/fraud")) == Some(0));
}

#[test]
fn lists_of_calls_that_make_no_sense_change_nothing() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("fraud.home_country = \"DE\"");
    daemon.wait_for_switch();
    call(&stage, &switch, "00442079460123");
    eventually("the call runs", || live(&daemon.http.get("/security/fraud")) == Some(1));
    for answer in ["-ERR SQL disabled, no data available!\n", "{\"row_count\": 5}", "[]", "\u{0}"] {
        switch.set_api("show channels as json", answer);
        let said = daemon.log.lines().len();
        switch.kill_connections();
        daemon.log.wait_after(said, "the switch did not list its calls");
        assert_eq!(live(&daemon.http.get("/security/fraud")), Some(1), "{answer}");
    }
    // A list that leaves it out, of a switch that says it is there.
    switch.set_api("show channels as json", "{\"row_count\": 0}");
    let asked = commands(&switch).len();
    switch.kill_connections();
    eventually("it is asked for", || {
        commands(&switch)[asked..].iter().any(|line| line.starts_with("api uuid_exists "))
    });
    assert_eq!(live(&daemon.http.get("/security/fraud")), Some(1));
}
