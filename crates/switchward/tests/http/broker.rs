//! Commands and background jobs through the broker, over a real event socket: who may, what reaches the switch, what comes back.

use crate::access::{With, basic, token, users};
use crate::support::{Answer, Daemon, Kernel, fields};
use serde_json::{Value, json};
use simswitch::SimSwitch;
use std::time::Duration;
use switchward::access::Role;
use switchward::config::Config;

const COMMAND: &str = "/security/esl/command";
const JOBS: &str = "/security/esl/jobs";
const DEADLINE: Duration = Duration::from_secs(60);
/// A peer that may do nothing by its address.
const STRANGER: [u8; 4] = [127, 0, 0, 2];

pub(crate) async fn with_switch(change: impl FnOnce(&mut Config)) -> (SimSwitch, Daemon) {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    let port = switch.addr().port();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.switches[0].port = port;
        change(config);
    })
    .await;
    connected(&daemon).await;
    (switch, daemon)
}

/// Waits until the broker has its connections.
async fn connected(daemon: &Daemon) {
    let upstream = &daemon.app.desk.switches()[0].upstream;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let state = upstream.state();
        if state.commands.is_up() && state.jobs.is_up() && state.events.is_up() {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "the broker does not connect: {state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The commands that reached the switch, without those that the broker itself sends.
fn sent(switch: &SimSwitch) -> Vec<String> {
    let lines = switch.commands_received().into_iter().map(|received| received.line());
    let is_order = |line: &str| line.starts_with("api ") || line.starts_with("bgapi ");
    lines.filter(|line| is_order(line) && line != "api version").collect()
}

async fn run(daemon: &Daemon, token: &str, command: &str) -> Answer {
    daemon.ask("POST", COMMAND).bearer(token).body(json!({"command": command}).to_string()).send().await
}

#[tokio::test]
async fn a_stolen_token_of_a_viewer_changes_nothing_on_the_switch() {
    let (switch, daemon) = with_switch(|config| config.broker.rate = 0).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let answer = run(&daemon, &viewer, "status").await.ok();
    assert_eq!(fields(&answer), ["command", "response"]);
    assert!(answer["response"].as_str().unwrap().starts_with("UP "));
    let before = sent(&switch).len();
    let catalogue = broker::freeswitch::catalogue();
    let changing: Vec<_> = catalogue
        .commands()
        .into_iter()
        .filter(|entry| !entry.classes("").within([broker::Class::Read].into_iter().collect()))
        .map(|entry| entry.name.clone())
        .collect();
    assert!(changing.len() > 100, "{}", changing.len());
    for verb in changing {
        for command in [verb.clone(), format!("bgapi {verb} x"), format!("expand {verb} ${{x}}")] {
            let answer = run(&daemon, &viewer, &command).await;
            // Some of those do nothing when they stand alone.
            assert!(matches!(answer.status, 200 | 403), "{command}: {}", answer.status);
            if answer.status == 200 {
                continue;
            }
            assert!(answer.error(403).starts_with("permission denied: "), "{command}");
        }
    }
    for command in [
        "hupall",
        "system id",
        "uuid_kill 01234567-89ab-4cde-8f01-23456789abcd",
        "bgapi originate user/1000 &park",
        "reloadxml",
        "fsctl shutdown",
        "global_setvar a=b",
        "expand ${system(id)}",
        "eval ${system id}",
        "show channels ${hupall()}",
        "sched_api +1 none hupall",
        "lua x.lua",
    ] {
        let error = run(&daemon, &viewer, command).await.error(403);
        assert!(error.contains("permission denied"), "{command}: {error}");
    }
    let reached = sent(&switch).split_off(before);
    let mut verbs: Vec<&str> = reached.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    verbs.sort_unstable();
    verbs.dedup();
    for verb in verbs {
        let entry = catalogue.command(verb).unwrap();
        let harmless = [broker::Class::Read, broker::Class::RunsCommands].into_iter().collect();
        assert!(entry.classes("").within(harmless), "{verb} reached the switch: {reached:?}");
    }
}

#[tokio::test]
async fn the_rules_decide_whatever_the_address_may_do() {
    let (switch, daemon) = with_switch(|config| {
        config.security.esl_allowed_commands = vec!["hupall".into()];
    })
    .await;
    let operator = token(&daemon, "crm", Role::Operator);
    let kill = "uuid_kill 01234567-89ab-4cde-8f01-23456789abcd";
    assert_eq!(run(&daemon, &operator, kill).await.ok()["response"], "-ERR No such channel!\n");
    // What is allowed without a credential is not, therefore, allowed with one.
    for command in ["hupall", "system id"] {
        run(&daemon, &operator, command).await.error(403);
    }
    for command in ["", "  ", "status\nsystem id", "status;;system id", "st@tus"] {
        run(&daemon, &operator, command).await.error(400);
    }
    // From elsewhere a credential is as good, and without one nothing is.
    let ask = || daemon.ask("POST", COMMAND).from(STRANGER).body(json!({"command": "status"}).to_string());
    ask().bearer(&operator).send().await.ok();
    ask().send().await.error(403);
    ask().bearer("swt_wrong").send().await.error(401);
    assert_eq!(sent(&switch), [format!("api {kill}"), "api status".into()]);
}

#[tokio::test]
async fn a_password_brings_the_rules_of_its_role() {
    let (_switch, daemon) = with_switch(|config| users(config.users_file())).await;
    let ask = |name: &str, command: &str| {
        let body = json!({"command": command}).to_string();
        daemon.ask("POST", COMMAND).header("Authorization", &basic(name, "correct horse")).body(body).send()
    };
    ask("vera", "status").await.ok();
    ask("vera", "uuid_kill x").await.error(403);
    ask("olga", "uuid_kill x").await.ok();
}

#[tokio::test]
async fn several_commands_are_carried_out_in_order_each_with_its_result() {
    let (switch, daemon) = with_switch(|_| {}).await;
    switch.set_api("show calls count", "-ERR not now\n");
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let ask = |body: Value| daemon.ask("POST", COMMAND).bearer(&viewer).body(body.to_string()).send();
    let commands = ["version short", "hupall", "show calls count", "status\n", "hostname"];
    let answer = ask(json!({"commands": commands})).await.ok();
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 403, 200, 400, 200]);
    assert_eq!(
        results[0],
        json!({"command": "version short", "status": 200, "response": "1.11.2-release\n"})
    );
    assert_eq!(fields(&results[1]), ["command", "error", "status"]);
    assert_eq!(sent(&switch), ["api version short", "api show calls count", "api hostname"]);
    for (commands, expected) in [
        (vec!["hostname", "hupall", "hostname"], [200, 403, 0]),
        (vec!["hostname", "show calls count", "hostname"], [200, 200, 0]),
    ] {
        let answer = ask(json!({"commands": commands, "stopOnError": true})).await.ok();
        let statuses: Vec<_> =
            answer["results"].as_array().unwrap().iter().map(|result| result["status"].clone()).collect();
        assert_eq!(statuses, expected);
    }
    for body in [
        json!({"commands": []}),
        json!({"commands": vec!["status"; 101]}),
        json!({"commands": ["status"], "command": "status"}),
        json!({"commands": "status"}),
    ] {
        ask(body).await.error(400);
    }
}

#[tokio::test]
async fn a_switch_is_chosen_by_its_name() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let name = daemon.app.switches[0].name.clone();
    let ask = |switch: &str| {
        let body = json!({"command": "hostname", "switch": switch}).to_string();
        daemon.ask("POST", COMMAND).bearer(&viewer).body(body).send()
    };
    ask(&name).await.ok();
    assert!(ask("elsewhere").await.error(400).contains("elsewhere"));
    assert_eq!(sent(&switch), ["api hostname"]);
}

#[tokio::test]
async fn while_the_first_connection_is_tried_it_is_as_if_there_were_none() {
    // It takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let daemon = Daemon::with(Kernel::None, |config| {
        config.switches[0].port = port;
        config.broker.timeout = Duration::from_millis(200);
        config.security.esl_allowed_commands = vec!["status".into()];
    })
    .await;
    let body = json!({"command": "status"}).to_string();
    let error = daemon.ask("POST", COMMAND).body(body).send().await.error(500);
    assert_eq!(error, "not connected to FreeSWITCH ESL");
    let viewer = token(&daemon, "grafana", Role::Viewer);
    assert!(run(&daemon, &viewer, "status").await.error(503).contains("was not sent"));
}

#[tokio::test]
async fn more_phones_ring_over_http_than_requests_may_be_under_way() {
    let (_switch, daemon) = with_switch(|config| {
        config.broker.concurrency = 2;
        config.broker.timeout = Duration::from_millis(200);
        config.broker.users = vec![switchward::config::broker::User {
            name: "token:crm".into(),
            account: "crm@pbx.example".into(),
            roles: Vec::new(),
            rules: switchward::config::broker::Rules { allow: vec!["msleep".into()], ..Default::default() },
        }];
    })
    .await;
    let crm = token(&daemon, "crm", Role::Viewer);
    let start = |command: &str| {
        daemon.ask("POST", JOBS).bearer(&crm).body(json!({"command": command}).to_string()).send()
    };
    for _ in 0..40 {
        assert_eq!(start("msleep 600000").await.status, 202);
    }
    let job = start("msleep 500").await.json();
    let place = format!("{JOBS}/{}?wait=30s", job["id"].as_str().unwrap());
    let job = daemon.ask("GET", &place).bearer(&crm).send().await.ok();
    assert_eq!((&job["state"], &job["response"]), (&json!("done"), &json!("+OK\n")), "{job}");
}

#[tokio::test]
async fn while_the_switch_is_away_it_is_said_since_when_and_it_goes_on_when_it_is_back() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    run(&daemon, &viewer, "status").await.ok();
    switch.stop().await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let away = loop {
        let answer = run(&daemon, &viewer, "status").await;
        if answer.status == 503 && answer.json()["error"].as_str().unwrap().contains("not connected") {
            break answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer:?}");
    };
    assert!(away.headers.contains_key("retry-after"));
    switch.restart().await.unwrap();
    connected(&daemon).await;
    run(&daemon, &viewer, "status").await.ok();
}

async fn start(daemon: &Daemon, token: &str, command: &str) -> Answer {
    daemon.ask("POST", JOBS).bearer(token).body(json!({"command": command}).to_string()).send().await
}

#[tokio::test]
async fn a_job_is_started_waited_for_and_seen_by_its_owner() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let (crm, other) = (token(&daemon, "crm", Role::Operator), token(&daemon, "other", Role::Operator));
    let admin = token(&daemon, "boss", Role::Admin);
    let started = start(&daemon, &crm, "hostname").await;
    assert_eq!(started.status, 202, "{started:?}");
    let job = started.json();
    let place = started.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(place, format!("{JOBS}/{}", job["id"].as_str().unwrap()));
    let ended = daemon.ask("GET", &format!("{place}?wait=60s")).bearer(&crm).send().await.ok();
    assert_eq!((&ended["state"], &ended["command"]), (&json!("done"), &json!("hostname")));
    assert_eq!(ended["response"].as_str().unwrap(), switch.identity().hostname);
    let seen = |token: String| {
        let asked = daemon.ask("GET", JOBS).bearer(&token);
        async { asked.send().await.ok()["jobs"].as_array().unwrap().len() }
    };
    assert_eq!(seen(crm.clone()).await, 1);
    assert_eq!(seen(other.clone()).await, 0);
    assert_eq!(seen(admin.clone()).await, 1);
    daemon.ask("GET", &place).bearer(&other).send().await.error(404);
    daemon.ask("DELETE", &place).bearer(&other).send().await.error(404);
    daemon.ask("GET", &place).bearer(&admin).send().await.ok();
    daemon.ask("GET", &place).send().await.error(404);
    daemon.ask("GET", &format!("{place}?wait=soon")).bearer(&crm).send().await.error(400);
    daemon.ask("DELETE", &place).bearer(&crm).send().await.ok();
    daemon.ask("GET", &place).bearer(&crm).send().await.error(404);
    start(&daemon, &crm, "system id").await.error(403);
    start(&daemon, &crm, "hostname\n").await.error(400);
    assert_eq!(sent(&switch), ["bgapi hostname"]);
}

#[tokio::test]
async fn a_cancelled_job_is_not_said_to_be_stopped() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let crm = token(&daemon, "crm", Role::Operator);
    let uuid = "01234567-89ab-4cde-8f01-23456789abcd";
    let started = start(&daemon, &crm, "bgapi msleep 600000").await;
    assert!(matches!(started.status, 202 | 403), "{started:?}");
    switch.set_api_delay(Duration::from_secs(600));
    let command = format!("originate {{origination_uuid={uuid}}}user/1000 &park");
    let started = start(&daemon, &crm, &command).await;
    assert_eq!(started.status, 202, "{started:?}");
    let place = started.headers["location"].to_str().unwrap().to_owned();
    let cancelled = daemon.ask("DELETE", &place).bearer(&crm).send().await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    let note = cancelled["note"].as_str().unwrap();
    assert!(note.contains("cannot stop") && note.contains(&format!("uuid_kill {uuid}")), "{note}");
    assert_eq!(daemon.ask("GET", &place).bearer(&crm).send().await.ok()["state"], "cancelled");
}

#[tokio::test]
async fn it_is_explained_which_rule_decides() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let (viewer, admin) = (token(&daemon, "grafana", Role::Viewer), token(&daemon, "boss", Role::Admin));
    let ask = |token: &str, body: Value| {
        daemon.ask("POST", "/security/broker/explain").bearer(token).body(body.to_string()).send()
    };
    let own = ask(&viewer, json!({"command": "bgapi hupall"})).await.ok();
    assert_eq!((&own["user"], &own["allowed"]), (&json!("token:grafana"), &json!(false)));
    assert_eq!(own["roles"], json!(["monitor"]));
    assert!(
        own["steps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|step| step["deed"] == "hupall" && step["allowed"] == false)
    );
    let own = ask(&viewer, json!({"command": "status"})).await.ok();
    assert_eq!((&own["allowed"], &own["why"]), (&json!(true), &json!("@read")));
    ask(&viewer, json!({"command": "status", "user": "token:boss"})).await.error(403);
    let other = ask(&admin, json!({"command": "hupall", "user": "token:grafana"})).await.ok();
    assert_eq!((&other["allowed"], &other["roles"]), (&json!(false), &json!(["monitor"])));
    let unknown = ask(&admin, json!({"command": "hupall", "user": "somebody"})).await.ok();
    assert!(unknown["why"].as_str().unwrap().contains("no rule is written for somebody"));
    let nobody = ask(&admin, json!({"command": "status now", "user": "nobody"})).await.ok();
    assert_eq!((&nobody["allowed"], &nobody["user"]), (&json!(true), &json!("nobody")));
    ask(&admin, json!({"command": "status\n"})).await.error(400);
    ask(&admin, json!({"command": "status", "source": "somewhere"})).await.error(400);
    assert!(sent(&switch).is_empty());
}

#[tokio::test]
async fn operators_see_how_the_broker_stands_and_everybody_may_scrape_it() {
    let (switch, daemon) = with_switch(|_| {}).await;
    let operator = token(&daemon, "crm", Role::Operator);
    let viewer = token(&daemon, "grafana", Role::Viewer);
    run(&daemon, &operator, "status").await.ok();
    run(&daemon, &operator, "hupall").await.error(403);
    daemon.ask("GET", "/security/broker").bearer(&viewer).send().await.error(403);
    let stands = daemon.ask("GET", "/security/broker").bearer(&operator).send().await.ok();
    assert_eq!(stands["doors"][0], json!({"door": "http", "allowed": 1, "refused": 1}));
    assert_eq!(stands["audited"], true);
    assert!(stands["roles"].as_array().unwrap().contains(&json!("monitor")));
    let one = &stands["switches"][0];
    assert_eq!((&one["commands"]["connected"], &one["followers"]), (&json!(true), &json!(0)));
    let text = String::from_utf8(daemon.get("/metrics").await.body.to_vec()).unwrap();
    for line in [
        "switchward_broker_commands_total{door=\"http\",decision=\"allowed\"} 1",
        "switchward_broker_commands_total{door=\"http\",decision=\"refused\"} 1",
        "switchward_broker_duration_seconds_count 1",
        "switchward_broker_connected{switch=\"freeswitch\",for=\"events\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    switch.stop().await;
}

#[tokio::test]
async fn too_fast_is_a_429_that_says_when_to_come_again() {
    let (switch, daemon) = with_switch(|config| config.broker.rate = 2).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    let mut refused = None;
    for _ in 0..100 {
        let answer = run(&daemon, &viewer, "hostname").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.error(429).contains("too fast"));
    assert!(sent(&switch).len() < 100);
}

#[tokio::test]
async fn every_command_is_in_the_audit_of_commands_with_its_decision() {
    let (_switch, daemon) = with_switch(|_| {}).await;
    let viewer = token(&daemon, "grafana", Role::Viewer);
    run(&daemon, &viewer, "status").await.ok();
    run(&daemon, &viewer, "uuid_setvar x sip_auth_password s3cret").await.error(403);
    daemon.post(COMMAND, &json!({"command": "hupall"})).await.error(500);
    let folder = daemon.app.trail.journal.directory().to_owned();
    let mut text = String::new();
    for file in broker::journal::files(&folder).unwrap() {
        text += &std::fs::read_to_string(file).unwrap();
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let asked: Vec<_> = lines
        .iter()
        .filter(|line| line.get("command").is_some())
        .map(|line| {
            (line["user"].clone(), line["command"].clone(), line["decision"].clone(), line["door"].clone())
        })
        .collect();
    assert_eq!(asked.len(), 3, "{text}");
    assert_eq!(asked[0], (json!("token:grafana"), json!("status"), json!("allowed"), json!("http")));
    assert_eq!(asked[1].2, json!("refused"));
    assert_eq!((&asked[2].0, &asked[2].1), (&json!(""), &json!("hupall")));
    assert!(!text.contains("s3cret"), "{text}");
}
