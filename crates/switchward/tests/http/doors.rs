//! Where the daemon and its switches listen, and what is said to be weak about it.

use crate::ask_more::said;
use crate::support::{Daemon, Kernel};
use serde_json::{Value, json};
use simswitch::SimSwitch;
use switchward::config::{Authentication, Secret};
use switchward::doors::{Kind, Place};

const PATH: &str = "/security/doors";

/// A daemon, and a switch that listens at `listen`; the daemon knows it as 127.0.0.1 and shows it this password.
async fn with_switch(listen: &str, password: &str) -> (SimSwitch, Daemon) {
    let own = simswitch::Config {
        listen: listen.parse().unwrap(),
        password: password.into(),
        ..Default::default()
    };
    let switch = SimSwitch::bind(own).await.unwrap();
    if password != "ClueCon" {
        let file = format!(
            "<configuration name=\"event_socket.conf\"><settings><param name=\"password\" value=\"{password}\"/>\
             <param name=\"apply-inbound-acl\" value=\"loopback.auto\"/></settings></configuration>\n"
        );
        switch.set_api("xml_locate configuration configuration name event_socket.conf", &file);
    }
    let port = switch.addr().port();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.switches[0].port = port;
        config.switches[0].password = Secret::from(password);
    })
    .await;
    (switch, daemon)
}

fn of<'a>(report: &'a Value, whose: &str, kind: &str) -> &'a Value {
    let doors = report["doors"].as_array().unwrap();
    doors
        .iter()
        .find(|door| door["of"] == whose && door["kind"] == kind)
        .unwrap_or_else(|| panic!("{report:#}"))
}

/// What is weak about a door, by severity.
fn found(door: &Value, severity: &str) -> Vec<String> {
    let findings = door["findings"].as_array().unwrap().iter().filter(|one| one["severity"] == severity);
    let told: Vec<&Value> = findings.collect();
    assert!(told.iter().all(|one| !one["mend"].as_str().unwrap().is_empty()), "{door:#}");
    told.iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_switchs_event_socket_is_looked_at_and_its_password_is_not_told() {
    let (switch, daemon) = with_switch("127.0.0.1:0", "ClueCon").await;
    let report = daemon.get(PATH).await.ok();
    let door = of(&report, "freeswitch", "event socket");
    assert_eq!(door["listens"], json!([switch.addr().to_string()]));
    assert_eq!(door["reach"], "this machine");
    assert_eq!(door["acl"], "loopback.auto, esl_clients");
    assert_eq!(door["transport"], "plain");
    let weak = found(door, "warning");
    assert!(weak.len() == 1 && weak[0].contains("FreeSWITCH ships with"), "{weak:?}");
    assert_eq!(report["warnings"], 1);
    assert!(!report.to_string().contains("ClueCon"));
}

#[tokio::test]
async fn a_switch_that_listens_on_every_address_is_reachable_from_elsewhere() {
    let (switch, daemon) = with_switch("0.0.0.0:0", "a long and random password").await;
    let report = daemon.get(PATH).await.ok();
    let door = of(&report, "freeswitch", "event socket");
    assert_eq!(door["listens"], json!([format!("0.0.0.0:{}", switch.addr().port())]));
    assert_eq!(door["reach"], "other machines");
    let weak = found(door, "warning");
    assert!(weak.iter().any(|what| what.contains("reached from elsewhere")), "{weak:?}");
    assert!(!report.to_string().contains("a long and random"));
}

#[tokio::test]
async fn a_short_password_and_a_switch_of_which_nothing_is_known_are_told() {
    let daemon = Daemon::with(Kernel::None, |config| {
        let mut far = config.switches[0].clone();
        (far.name, far.host, far.port) = ("far".into(), "localhost".into(), 1);
        config.switches[0].port = 1;
        config.switches[0].password = Secret::from("short");
        config.switches.push(far);
    })
    .await;
    let report = daemon.get(PATH).await.ok();
    let door = of(&report, "freeswitch", "event socket");
    assert_eq!((&door["since"], &door["reach"]), (&Value::Null, &json!("unknown")));
    assert_eq!(door["acl"], "unknown: the switch did not tell");
    assert!(found(door, "warning").iter().any(|what| what.contains("shorter than")), "{door:#}");
    let notes = found(door, "note");
    assert!(notes.iter().any(|what| what.contains("no connection")), "{notes:?}");
    assert!(notes.iter().any(|what| what.contains("not known")), "{notes:?}");
    assert_eq!(of(&report, "far", "event socket")["listens"], json!(["localhost:1"]));
}

#[tokio::test]
async fn the_interface_itself_is_told_with_what_it_asks_for() {
    let (_switch, daemon) = with_switch("127.0.0.1:0", "a long and random password").await;
    let report = daemon.get(PATH).await.ok();
    let door = of(&report, "switchward", "http");
    assert_eq!(door["listens"], json!([daemon.address.to_string()]));
    assert_eq!((&door["reach"], &door["transport"]), (&json!("this machine"), &json!("plain")));
    assert!(door["since"].as_str().unwrap().ends_with('Z'), "{door}");
    assert!(found(door, "note")[0].contains("without a credential"), "{door}");
    assert_eq!(report["warnings"], 0, "{report:#}");

    let mut config = switchward::config::Config::clone(&daemon.app.config.load());
    config.api.allowed_ips = vec!["0.0.0.0/0".parse().unwrap()];
    daemon.app.config.store(config.clone().into());
    let report = daemon.get(PATH).await.ok();
    let weak = found(of(&report, "switchward", "http"), "warning");
    assert!(weak.len() == 1 && weak[0].contains("anybody may change state"), "{weak:?}");

    config.api.authentication = Authentication::Required;
    daemon.app.config.store(config.into());
    assert_eq!(daemon.get(PATH).await.status, 401);
}

#[tokio::test]
async fn an_exposed_interface_without_tls_is_a_weakness() {
    let daemon = Daemon::at("0.0.0.0:0", Kernel::None, |config| {
        config.switches.clear();
        config.api.allowed_ips = vec!["127.0.0.0/8".parse().unwrap(), "192.0.2.0/24".parse().unwrap()];
    })
    .await;
    let report = daemon.get(PATH).await.ok();
    let door = of(&report, "switchward", "http");
    assert_eq!(door["reach"], "other machines");
    assert!(found(door, "warning").iter().any(|what| what.contains("there is no credential")), "{door:#}");
    assert!(found(door, "note").iter().any(|what| what.contains("192.0.2.0/24")), "{door:#}");
}

#[tokio::test]
async fn doors_that_open_later_are_told_too_and_a_file_for_everybody_is_weak() {
    use std::os::unix::fs::PermissionsExt;
    let (_switch, daemon) = with_switch("127.0.0.1:0", "a long and random password").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esl.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let listening = &daemon.app.monitor.listening;
    listening.opened(Kind::EslSocket, Place::Unix(path.clone()));
    listening.opened(Kind::Esl, Place::Tcp("0.0.0.0:8022".parse().unwrap(), false));
    mode(0o660);
    let report = daemon.get(PATH).await.ok();
    let weak = found(of(&report, "switchward", "event socket"), "warning");
    assert!(weak.len() == 1 && weak[0].contains("without TLS"), "{weak:?}");
    let door = of(&report, "switchward", "event socket on a Unix socket");
    assert!(door["acl"].as_str().unwrap().starts_with("mode 0660, "), "{door}");
    assert_eq!(found(door, "warning"), [] as [&str; 0]);
    mode(0o666);
    let report = daemon.get(PATH).await.ok();
    let weak = found(of(&report, "switchward", "event socket on a Unix socket"), "warning");
    assert!(weak.len() == 1 && weak[0].contains("mode 0666"), "{weak:?}");
    std::fs::remove_file(&path).unwrap();
    let report = daemon.get(PATH).await.ok();
    let weak = found(of(&report, "switchward", "event socket on a Unix socket"), "warning");
    assert!(weak.len() == 1 && weak[0].contains("nobody can open it"), "{weak:?}");
}

#[tokio::test]
async fn the_command_line_prints_them_with_every_mend() {
    let (switch, daemon) = with_switch("127.0.0.1:0", "ClueCon").await;
    let shown = said(&daemon, "doors").await;
    for text in [
        "http of switchward",
        "event socket of freeswitch",
        &switch.addr().to_string(),
        "WARNING event socket of freeswitch: its password",
        "mend: set a password of your own",
        "\n1 weakness\n",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let answer: Value = serde_json::from_str(&said(&daemon, "doors --json").await).unwrap();
    assert_eq!(answer, daemon.get(PATH).await.ok());
}
