//! The doors of the real program: the Unix socket, the files of tokens and users, and where it refuses to start.

use crate::support::{Ended, Stage, eventually, sh};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::Stdio;

#[test]
fn the_command_line_uses_the_socket_which_goes_with_the_daemon() {
    let stage = Stage::new();
    let _switch = stage.switch();
    // Nobody may do anything by an address: what works goes over the socket.
    let mut daemon = stage.start("api.authentication = \"required\"");
    let made = std::fs::metadata(stage.socket()).unwrap();
    assert!(made.file_type().is_socket() && made.permissions().mode() & 0o777 == 0o660);
    stage.run(&["ban", "198.51.100.7"]).with(0);
    let audit = stage.run(&["audit"]).with(0);
    assert!(audit.contains("uid 0 (admin)") && audit.contains("198.51.100.7"), "{audit}");
    let refused = stage.run(&["ban", "198.51.100.8", "--url", "http://127.0.0.1:8088"]).with(77);
    assert!(refused.contains("credential"), "{refused}");
    assert!(daemon.terminate().success());
    assert!(!stage.socket().exists());
    // One that was killed leaves it behind, and the next one takes its place.
    let daemon = stage.start_again();
    daemon.kill();
    assert!(stage.socket().exists());
    let _daemon = stage.start_again();
    stage.run(&["unban", "198.51.100.7"]).with(0);
}

#[test]
fn tokens_and_users_are_made_with_and_without_a_daemon() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let with = ["--config", "switchward.toml"];
    stage.configure("api.authentication = \"required\"");
    let token =
        Ended::of(&mut stage.command(&[&with[..], &["token", "add", "early", "--role", "viewer"]].concat()));
    assert_eq!(token.code, Some(0), "{token:?}");
    let early = token.out.trim().to_owned();
    let daemon = stage.start_again();
    let late =
        Ended::of(&mut stage.command(
            &[&with[..], &["token", "add", "late", "--role", "operator", "--expires", "1h"]].concat(),
        ));
    let late = late.out.trim().to_owned();
    let ask = |token: &str, order: &[&str]| {
        let mut command = stage.command(&[order, &["--url", "http://127.0.0.1:8088"]].concat());
        command.env("SWITCHWARD_TOKEN", token);
        Ended::of(&mut command)
    };
    ask(&early, &["status"]).with(0);
    assert!(ask(&early, &["ban", "198.51.100.7"]).with(77).contains("viewer"));
    ask(&late, &["ban", "198.51.100.7"]).with(0);
    let listed = stage.run(&[&with[..], &["token", "list"]].concat()).with(0);
    assert!(listed.contains("early") && listed.contains("late") && !listed.contains(&early), "{listed}");
    stage.run(&[&with[..], &["token", "revoke", "late"]].concat()).with(0);
    stage.run(&[&with[..], &["token", "revoke", "late"]].concat()).with(64);
    eventually("the revoked token is refused", || ask(&late, &["status"]).code == Some(77));

    let mut command = stage
        .command(&[&with[..], &["user", "add", "alice", "--role", "admin", "--password-stdin"]].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(child.wait().unwrap().success());
    // Nobody types at a test, and a password is never an argument.
    stage.run(&[&with[..], &["user", "passwd", "alice"]].concat()).with(70);
    let users = stage.run(&[&with[..], &["user", "list", "--json"]].concat()).with(0);
    assert!(users.contains("alice") && !users.contains("argon2"), "{users}");
    let file = std::fs::metadata(stage.folder().join("users.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    eventually("alice may come in", || {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", "alice:correct horse"]);
        curl.arg("http://127.0.0.1:8088/security/status");
        Ended::of(&mut curl).out == "200"
    });
    for secret in [early.as_str(), late.as_str(), "correct horse"] {
        assert!(!daemon.log.text().contains(secret), "{secret}");
    }
}

#[test]
fn reachable_from_elsewhere_it_warns_and_where_nobody_could_come_in_it_does_not_start() {
    let stage = Stage::new();
    let _switch = stage.switch();
    let nobody = "server.host = \"0.0.0.0\"\nsecurity.chandaemon.allowed_api_ips = []";
    stage.configure(nobody);
    let said = stage.run(&crate::support::RUN).with(64);
    for part in ["nobody may use it", "switchward token add", "api.allowed_ips", "server.host"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!stage.socket().exists());
    let daemon = stage.start("server.host = \"0.0.0.0\"");
    daemon.log.wait_for("there is no credential");
    let status = stage.run(&["status"]).with(0);
    assert!(status.contains("WARNING") && status.contains("switchward token add"), "{status}");
    sh("ip address add 198.51.100.1/32 dev lo");
    // From an address of its own that is on no list: the name of a peer is where it comes from.
    let read =
        sh("curl -s -w %{http_code} --interface 198.51.100.1 http://198.51.100.1:8088/security/blacklist");
    assert!(read.ends_with("403") && read.contains("token add"), "{read}");
    assert!(sh("curl -s --interface 198.51.100.1 http://198.51.100.1:8088/health").contains("ok"));
}
