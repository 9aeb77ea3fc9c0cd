//! Allow entries by name, when the program is killed, started without DNS, or stopped while it asks.

use crate::name_server::{NameServer, Say, for_secs};
use crate::support::{Daemon, Stage, comes_true};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::Duration;

const LIST: &str = "/security/whitelist";
const SIP: &str = "sip.carrier.example";

fn allowed(daemon: &Daemon) -> Vec<String> {
    daemon.http.get(LIST).as_object().unwrap().keys().cloned().collect()
}

fn name(daemon: &Daemon) -> Value {
    daemon.http.get(&format!("/security/allowed-names/{SIP}"))
}

#[test]
fn a_kill_and_a_start_without_dns_keep_what_a_name_meant() {
    let stage = Stage::new();
    let server = NameServer::start();
    let _switch = stage.switch();
    let daemon = stage.start(&format!("security.name_servers = [\"{}\"]", server.address));
    server.say(SIP, for_secs(3600, &["192.0.2.1", "192.0.2.2"]));
    let answer = daemon.http.post(LIST, &json!({"ip": SIP}));
    assert_eq!(answer.get("warnings"), None, "{answer}");
    daemon.kill();
    server.say(SIP, Say::Failure);
    let daemon = stage.start_again();
    assert!(comes_true(Duration::from_secs(30), || name(&daemon)["failures"] == 1), "{}", name(&daemon));
    assert_eq!(allowed(&daemon), ["192.0.2.1", "192.0.2.2"]);
    assert!(!daemon.http.ban("192.0.2.1"), "it is on the allow-list");
    daemon.log.wait_for("is not answered");
}

#[test]
fn addresses_whose_name_is_gone_are_not_left_behind() {
    let stage = Stage::new();
    let server = NameServer::start();
    let _switch = stage.switch();
    let mut daemon = stage.start(&format!("security.name_servers = [\"{}\"]", server.address));
    server.say(SIP, Say::Alias(60, "pool.carrier.example", 3600, "192.0.2.1".parse().unwrap()));
    daemon.http.post(LIST, &json!({"ip": SIP}));
    daemon.http.post(LIST, &json!({"ip": "203.0.113.1"}));
    assert_eq!(allowed(&daemon), ["192.0.2.1", "203.0.113.1"]);
    assert!(daemon.terminate().success());
    // As after a crash between the two.
    assert_eq!(Connection::open(stage.store()).unwrap().execute("DELETE FROM names", []).unwrap(), 1);
    let mut daemon = stage.start_again();
    assert_eq!(allowed(&daemon), ["203.0.113.1"]);
    assert!(daemon.terminate().success());
    let left: i64 = Connection::open(stage.store())
        .unwrap()
        .query_row("SELECT count(*) FROM allows", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
}

#[test]
fn the_names_of_the_file_come_and_go_with_a_reload_and_a_stop_waits_for_no_answer() {
    let stage = Stage::new();
    let server = NameServer::start();
    let _switch = stage.switch();
    server.now(SIP, &["192.0.2.1"]);
    server.say("slow.example", Say::Silence);
    let servers = format!("security.name_servers = [\"{}\"]", server.address);
    let mut daemon = stage.start(&servers);
    stage.configure(&format!("{servers}\nsecurity.allowed_names = [\"{SIP}\", \"slow.example\"]"));
    daemon.signal("HUP");
    assert!(comes_true(Duration::from_secs(30), || allowed(&daemon) == ["192.0.2.1"]));
    stage.configure(&format!("{servers}\nsecurity.allowed_names = [\"slow.example\"]"));
    daemon.signal("HUP");
    assert!(comes_true(Duration::from_secs(30), || allowed(&daemon).is_empty()));
    assert!(daemon.terminate().success());
    daemon.log.wait_for("stopped");
}
