//! Two switches, one guard.

use crate::support::{DEADLINE, Daemon, PASSWORD, Stage, eventually, traffic};
use serde_json::Value;

const NORTH: &str = "127.0.0.1:8021";
const SOUTH: &str = "127.0.0.1:8022";

fn configuration() -> String {
    format!(
        "[[switch]]\nname = \"north\"\nhost = \"127.0.0.1\"\nport = 8021\npassword = \"{PASSWORD}\"\n\
         [[switch]]\nname = \"south\"\nhost = \"127.0.0.1\"\nport = 8022\npassword = \"{PASSWORD}\"\n"
    )
}

/// The state of a switch.
fn state(daemon: &Daemon, number: usize) -> Value {
    daemon.http.get("/security/overview")["switches"][number].clone()
}

#[test]
fn strikes_at_two_switches_count_together_for_one_source() {
    let stage = Stage::new();
    let (north, south) = (stage.switch_at(NORTH), stage.switch_at(SOUTH));
    let daemon = stage.start(&configuration());
    eventually("both are read", || (0..2).all(|number| state(&daemon, number)["connected"] == true));
    for _ in 0..3 {
        traffic::send(&north, &traffic::guess(&north, "198.51.100.7"));
    }
    eventually("three strikes", || daemon.http.get("/security/failed")["198.51.100.7"]["count"] == 3);
    assert!(daemon.http.ledger().is_empty());
    for _ in 0..2 {
        traffic::send(&south, &traffic::guess(&south, "198.51.100.7"));
    }
    assert_eq!(daemon.http.wait_for_ban("198.51.100.7")["failCount"], 5);
    assert!(
        daemon.log.wait_for("target=198.51.100.7").contains("switch=\"south\""),
        "the switch of the last strike"
    );
    stage.agreed(&daemon);
}

#[test]
fn one_switch_that_is_down_does_not_disturb_the_other() {
    let stage = Stage::new();
    let south = stage.switch_at(SOUTH);
    let daemon = stage.start(&configuration());
    eventually("south is read", || state(&daemon, 1)["connected"] == true);
    assert_eq!(state(&daemon, 0)["connected"], false);
    let said = daemon.log.wait_for("no events from the switch");
    assert!(said.contains("switch=\"north\""), "{said}");
    traffic::attack(&south, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");

    let north = stage.switch_at(NORTH);
    assert!(stage.wait(north.wait_for_subscribers(3, DEADLINE)), "north is not read when it comes");
    stage.wait(south.stop());
    eventually("south is gone", || state(&daemon, 1)["connected"] == false);
    traffic::attack(&north, "198.51.100.8");
    daemon.http.wait_for_ban("198.51.100.8");
    let status = stage.run(&["status"]).with(0);
    assert!(status.contains("south") && status.contains("NOT CONNECTED"), "{status}");
}

#[test]
fn a_switch_that_sends_nothing_raises_an_alarm_once_for_each_silence() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("guard.silence_alarm = \"1s\"");
    daemon.wait_for_switch();
    let said = daemon.log.wait_for("no event for");
    assert!(said.contains("ERROR") && said.contains("it is connected"), "{said}");
    // A new connection is no event.
    let before = daemon.log.lines().len();
    switch.kill_connections();
    daemon.log.wait_after(before, "connected, guarding");
    assert!(!daemon.log.text().contains("sends events again"));
    traffic::send(&switch, &traffic::heartbeat(&switch));
    daemon.log.wait_for("the switch sends events again");
    let before = daemon.log.lines().len();
    stage.wait(switch.stop());
    let said = daemon.log.wait_after(before, "no event for");
    assert!(said.contains("nobody listens"), "{said}");
    assert_eq!(daemon.log.text().matches("no event for").count(), 2, "{}", daemon.log.text());
}
