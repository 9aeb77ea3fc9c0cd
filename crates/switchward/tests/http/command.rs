//! Commands for the switch, over a real event socket.

use crate::support::{Daemon, Kernel, fields};
use serde_json::json;
use simswitch::SimSwitch;
use std::time::Duration;

const PATH: &str = "/security/esl/command";

async fn with_switch() -> (SimSwitch, Daemon) {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    let port = switch.addr().port();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.switches[0].port = port;
        config.security.esl_allowed_commands = vec!["status".into(), "show channels".into()];
    })
    .await;
    (switch, daemon)
}

#[tokio::test]
async fn an_entry_allows_itself_and_itself_with_arguments() {
    let (switch, daemon) = with_switch().await;
    switch.set_api("status", "UP 0 years\n");
    switch.set_api("show channels count", "0 total.\n");
    let answer = daemon.post(PATH, &json!({"command": "status"})).await.ok();
    assert_eq!(answer, json!({"command": "status", "response": "UP 0 years\n"}));
    let answer = daemon.post(PATH, &json!({"command": " show channels count "})).await.ok();
    assert_eq!(answer, json!({"command": "show channels count", "response": "0 total.\n"}));
    for command in ["show", "show calls", "statusx", "showchannels", "version", "show channelsx"] {
        let error = daemon.post(PATH, &json!({"command": command})).await.error(500);
        assert_eq!(error, format!("command not allowed: {command}"));
    }
    let sent: Vec<String> = switch.commands_received().iter().map(simswitch::Received::line).collect();
    let sent: Vec<&str> = sent
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("api ") && *line != "api version")
        .collect();
    assert_eq!(sent, ["api status", "api show channels count"]);
}

#[tokio::test]
async fn control_characters_are_refused_before_the_policy_is_read() {
    let (switch, daemon) = with_switch().await;
    for command in [
        "status\n\napi system id",
        "status\r\n",
        "\u{0}status",
        "version\t",
        "status \u{7f}",
        "forbidden\n",
        "status \u{85}",
    ] {
        let error = daemon.post(PATH, &json!({"command": command})).await.error(400);
        assert!(error.contains("control"), "{error}");
    }
    for body in [json!({"command": ""}), json!({"command": "   "}), json!({"command": null}), json!({})] {
        daemon.post(PATH, &body).await.error(400);
    }
    let mut sent = switch.commands_received().into_iter().map(|received| received.line());
    assert!(!sent.any(|line| line.starts_with("api ") && line != "api version"));
}

#[tokio::test]
async fn an_error_of_the_switch_is_its_answer() {
    let (switch, daemon) = with_switch().await;
    switch.set_api("status", "-ERR not now\n");
    let answer = daemon.post(PATH, &json!({"command": "status"})).await.ok();
    assert_eq!(answer["response"], "-ERR not now\n");
}

#[tokio::test]
async fn without_a_switch_the_contract_has_its_words() {
    let daemon = Daemon::with(Kernel::None, |config| config.switches[0].port = 1).await;
    let error = daemon.post(PATH, &json!({"command": "status"})).await.error(500);
    assert_eq!(error, "not connected to FreeSWITCH ESL");
}

#[tokio::test]
async fn a_switch_that_does_not_answer_is_a_504_and_the_interface_goes_on() {
    let (switch, daemon) = with_switch().await;
    switch.set_api_delay(Duration::from_secs(600));
    let order = json!({"command": "status"});
    let slow = daemon.post(PATH, &order);
    let meanwhile = async {
        let sent = switch
            .wait_for_command(Duration::from_secs(60), |received| received.line() == "api status")
            .await;
        assert!(sent.is_some());
        daemon.get("/health").await.ok();
    };
    let (slow, ()) = tokio::join!(slow, meanwhile);
    slow.error(504);
}

#[tokio::test]
async fn the_log_level_is_set_by_either_path() {
    let daemon = Daemon::start().await;
    for (path, level) in
        [("log-level", "debug"), ("log_level", "ERROR"), ("log-level", "trace"), ("log-level", "info")]
    {
        let answer = daemon.post(&format!("/security/esl/{path}"), &json!({"level": level})).await.ok();
        assert_eq!(fields(&answer), ["message", "status"]);
        assert_eq!(daemon.get("/security/esl").await.ok()["logLevel"], level.to_lowercase());
    }
    for level in [json!("loud"), json!(""), json!(null), json!(5)] {
        daemon.post("/security/esl/log-level", &json!({"level": level})).await.error(400);
    }
    assert_eq!(daemon.get("/security/esl").await.ok()["logLevel"], "info");
}

#[tokio::test]
async fn a_reconnection_reaches_the_reader() {
    let daemon = Daemon::start().await;
    let asked = daemon.app.switches[0].reconnect.notified();
    let answer = daemon.ask("POST", "/security/esl/reconnect").send().await.ok();
    assert_eq!(fields(&answer), ["message", "status"]);
    crate::support::within(asked).await;
}
