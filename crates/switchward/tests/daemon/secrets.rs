//! The event socket's password stays where it is.

use crate::support::{PASSWORD, Stage, eventually, traffic};
use serde_json::json;

/// Every path that is read.
const PATHS: [&str; 24] = [
    "/health",
    "/system/stats",
    "/security/status",
    "/security/stats",
    "/security/channels",
    "/security/overview",
    "/security/why/198.51.100.7",
    "/security/iptables",
    "/security/failed",
    "/security/wrong-call-states",
    "/security/rate-limit",
    "/security/rate-limit/calls",
    "/security/rate-limit/registrations",
    "/security/blacklist",
    "/security/blacklist/198.51.100.7",
    "/security/whitelist",
    "/security/whitelist/198.51.100.7",
    "/security/untrusted-networks",
    "/security/untrusted-networks/test/pbx.example",
    "/security/esl",
    "/security/esl/command",
    "/cache/stats",
    "/metrics",
    "/",
];

#[test]
fn the_password_is_in_no_log_line_no_answer_and_no_output() {
    for format in ["human", "json"] {
        let stage = Stage::new();
        let switch = stage.switch();
        let logging = format!(
            "log.level = \"trace\"\nlog.format = \"{format}\"\nserver.log_requests = true\nserver.log_responses = true"
        );
        let mut daemon = stage.start(&logging);
        daemon.wait_for_switch();
        traffic::attack(&switch, "198.51.100.7");
        daemon.http.wait_for_ban("198.51.100.7");
        let mut heard = String::new();
        for path in PATHS {
            heard += &daemon.http.ask("GET", path, "").unwrap().1;
        }
        for command in ["status", "auth s", "global_getvar"] {
            let order = json!({"command": command}).to_string();
            heard += &daemon.http.ask("POST", "/security/esl/command", &order).unwrap().1;
        }
        // A switch that no longer takes it, a configuration that is read anew, and one with a mistake.
        switch.set_password("changed");
        switch.kill_connections();
        daemon.log.wait_for("the switch refused the password");
        stage.configure(&format!("{logging}\nsecurity.esl_password = \"{PASSWORD}-two\""));
        daemon.signal("HUP");
        daemon.log.wait_for("need a restart");
        stage.configure(&format!("{logging}\nsecurity.esl_password = [\"{PASSWORD}\"]"));
        daemon.signal("HUP");
        daemon.log.wait_for("the configuration is as it was");
        let check = stage.run(&["check", "switchward.toml"]);
        heard += &(check.out + &check.err);
        heard += &stage.run(&["status"]).with(0);
        let process = format!("/proc/{}", daemon.id());
        heard += &std::fs::read_to_string(format!("{process}/cmdline")).unwrap();
        assert!(daemon.terminate().success());
        let log = daemon.log.whole();
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not at its most talkative");
        for (what, text) in [("the log", &log), ("an answer", &heard)] {
            assert!(!text.contains(PASSWORD), "{what} in {format}: {text}");
        }
    }
}

#[test]
fn a_password_file_works_and_is_as_secret() {
    let stage = Stage::new();
    let switch = stage.switch();
    switch.set_password("from-a-f1le");
    stage.file("password", "from-a-f1le\n");
    let daemon = stage.start("security.esl_password_file = \"password\"\nlog.level = \"trace\"");
    daemon.wait_for_switch();
    assert!(daemon.log.text().contains("a file that every user may read"), "{}", daemon.log.text());
    eventually("something was traced", || daemon.log.lines().len() > 5);
    assert!(!daemon.log.text().contains("from-a-f1le"));
}
