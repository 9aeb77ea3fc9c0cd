//! A switch that is not there or does not want us, a port that is taken, a configuration with a mistake.

use crate::support::{Daemon, RUN, Stage, eventually, traffic};
use std::net::TcpListener;

/// What the status says about the first switch.
fn trouble(daemon: &Daemon) -> String {
    daemon.http.get("/security/overview")["switches"][0]["trouble"].as_str().unwrap_or_default().to_owned()
}

/// Breaks the connection and waits until there is a new one.
#[track_caller]
fn reconnected(daemon: &Daemon, break_it: impl FnOnce()) {
    let said = daemon.log.lines().len();
    break_it();
    daemon.log.wait_after(said, "connected, guarding");
}

#[test]
fn a_refused_password_is_told_with_the_mend_and_tried_again() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_password("changed");
    let daemon = stage.start("");
    let said = daemon.log.wait_for("the switch refused the password; set security.esl_password");
    assert!(said.contains("WARN"), "{said}");
    assert!(
        trouble(&daemon).contains("the switch refused the password; set security.esl_password"),
        "{}",
        trouble(&daemon)
    );
    let status = stage.run(&["status"]).with(0);
    assert!(status.contains("NOT CONNECTED") && status.contains("set security.esl_password"), "{status}");
    switch.set_password(crate::support::PASSWORD);
    daemon.wait_for_switch();
    assert_eq!(trouble(&daemon), "");
}

#[test]
fn a_refusal_by_the_access_list_is_told_with_the_mend_and_tried_again() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_refusing(true);
    let daemon = stage.start("");
    let expected = "the switch's event_socket ACL refuses us; allow this address in apply-inbound-acl";
    daemon.log.wait_for(expected);
    assert!(trouble(&daemon).contains(expected), "{}", trouble(&daemon));
    switch.set_refusing(false);
    daemon.wait_for_switch();
}

#[test]
fn the_same_trouble_is_not_told_at_every_attempt() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_password("changed");
    let daemon = stage.start("");
    eventually("several attempts", || {
        daemon.http.get("/security/esl")["connectionErrors"].as_u64() >= Some(4)
    });
    assert_eq!(daemon.log.text().matches("refused the password").count(), 1, "{}", daemon.log.text());
}

#[test]
fn a_switch_that_comes_later_and_goes_again_is_guarded_whenever_it_is_there() {
    let stage = Stage::new();
    let daemon = stage.start("");
    let said = daemon.log.wait_for("no events from the switch");
    assert!(said.contains("nobody listens at 127.0.0.1:8021: is FreeSWITCH running"), "{said}");
    assert!(trouble(&daemon).contains("nobody listens"), "{}", trouble(&daemon));
    let switch = stage.switch();
    daemon.wait_for_switch();
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");

    reconnected(&daemon, || stage.wait(switch.restart()).unwrap());
    traffic::attack(&switch, "198.51.100.8");
    daemon.http.wait_for_ban("198.51.100.8");

    reconnected(&daemon, || switch.kill_connections());
    traffic::attack(&switch, "198.51.100.9");
    daemon.http.wait_for_ban("198.51.100.9");
    stage.agreed(&daemon);
}

#[test]
fn strikes_count_across_a_lost_connection() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    for _ in 0..4 {
        traffic::send(&switch, &traffic::guess(&switch, "198.51.100.7"));
    }
    eventually("four strikes", || daemon.http.get("/security/failed")["198.51.100.7"]["count"] == 4);
    reconnected(&daemon, || stage.wait(switch.restart()).unwrap());
    traffic::send(&switch, &traffic::guess(&switch, "198.51.100.7"));
    assert_eq!(daemon.http.wait_for_ban("198.51.100.7")["failCount"], 5);
}

#[test]
fn a_cut_in_the_middle_of_an_event_harms_nothing() {
    let stage = Stage::new();
    let switch = stage.switch();
    let daemon = stage.start("");
    daemon.wait_for_switch();
    let guess = traffic::guess(&switch, "198.51.100.7");
    reconnected(&daemon, || switch.cut_in_frame(guess.last().unwrap()));
    assert!(
        daemon.http.get("/security/failed").as_object().unwrap().is_empty(),
        "half an event counts for nothing"
    );
    traffic::attack(&switch, "198.51.100.7");
    daemon.http.wait_for_ban("198.51.100.7");
}

#[test]
fn a_port_in_use_is_told_with_the_mend() {
    let stage = Stage::new();
    let _taken = TcpListener::bind("127.0.0.1:8088").unwrap();
    stage.configure("");
    let said = stage.run(&RUN).with(69);
    assert!(said.contains("cannot listen at 127.0.0.1:8088") && said.contains("server.port"), "{said}");
    assert!(
        !crate::support::witness::has_table(),
        "a daemon that did not start has left something in the kernel"
    );
}

#[test]
fn a_mistake_in_the_configuration_stops_the_start_with_file_line_and_key() {
    let stage = Stage::new();
    let path = stage.configure("security.trusted_networks = [\"10.0.0.0/40\"]");
    let line =
        std::fs::read_to_string(&path).unwrap().lines().position(|line| line.contains("trusted")).unwrap()
            + 1;
    let said = stage.run(&RUN).with(64);
    assert!(
        said.contains(&format!("switchward.toml:{line}:")) && said.contains("security.trusted_networks"),
        "{said}"
    );
}

#[test]
fn a_store_that_cannot_be_opened_stops_the_start() {
    let stage = Stage::new();
    stage.file("a-file", "");
    stage.configure("store.path = \"a-file/switchward.db\"");
    let said = stage.run(&RUN).with(69);
    assert!(said.contains("a-file/switchward.db") && said.contains("store.path"), "{said}");
}

#[test]
fn a_damaged_store_is_put_aside_and_the_guard_starts() {
    let stage = Stage::new();
    std::fs::write(stage.store(), "this is no database".repeat(100)).unwrap();
    let daemon = stage.start("");
    daemon.log.wait_for("the store was damaged");
    assert!(daemon.http.ban("198.51.100.7"));
    let aside = std::fs::read_dir(stage.folder()).unwrap().flatten();
    assert!(aside.into_iter().any(|file| file.file_name().to_string_lossy().contains("damaged")));
    stage.agreed(&daemon);
}

#[test]
fn a_second_daemon_on_the_same_store_is_refused() {
    let stage = Stage::new();
    let daemon = stage.start("");
    assert!(daemon.http.ban("198.51.100.7"));
    stage.configure("server.port = 8099");
    let said = stage.run(&RUN).with(69);
    assert!(said.contains("is in use by another switchward") && said.contains("store.path"), "{said}");
    assert!(daemon.http.ban("198.51.100.8"), "the first one goes on");
    stage.agreed(&daemon);
    daemon.kill();
    stage.configure("");
    assert_eq!(stage.agreed(&stage.start_again()).len(), 2, "a killed one holds nothing");
}
