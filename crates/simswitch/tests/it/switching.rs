//! What tests and the demo ask of the switch: faults, restarts, answers, calls that are really there.

use crate::client::{RawClient, SOON, split};
use simswitch::{
    Action, ActorId, Client, Config, Credentials, Event, Part, RunOptions, Scenario, SimSwitch, Step,
};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpStream;

async fn switch() -> SimSwitch {
    SimSwitch::bind(Config { heartbeat: None, ..Config::default() }).await.unwrap()
}

fn step(user: &str, source: &str, action: impl FnOnce(Client) -> Action) -> Step {
    let client = Client { user: user.into(), call_id: "a@b".into(), agent: "Test".into() };
    Step { actor: ActorId(0), source: source.parse().unwrap(), action: action(client) }
}

fn register(user: &str, source: &str) -> Step {
    step(user, source, |client| Action::Register { client, credentials: Credentials::Fresh, expires: 60 })
}

#[tokio::test]
async fn commands_are_recorded_and_answers_can_be_set() {
    let switch = switch().await;
    let mut client = RawClient::logged_in(&switch).await;
    switch.set_api("status", "DOWN\n");
    switch.set_api("echo two", "three");
    assert_eq!(client.command("api status").await.body_text(), "DOWN\n");
    assert_eq!(client.command("api echo one").await.body_text(), "one");
    assert_eq!(client.command("api echo two").await.body_text(), "three");
    let found = switch.wait_for_command(SOON, |received| received.line() == "api echo two").await;
    assert_eq!(found.unwrap().client, 1);
    let lines: Vec<_> = switch.commands_received().iter().map(simswitch::Received::line).collect();
    assert_eq!(lines, ["auth ClueCon", "api status", "api echo one", "api echo two"]);
}

#[tokio::test]
async fn a_killed_call_is_gone_and_its_events_are_sent() {
    let switch = switch().await;
    switch.act(&register("1001", "192.0.2.11:5061"));
    let mut client = RawClient::subscribed(&switch, "plain CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE").await;
    switch.act(&step("1000", "192.0.2.10:5060", |client| Action::Call {
        client,
        number: "1001".into(),
        credentials: Credentials::Fresh,
        ring: Duration::ZERO,
        talk: Some(Duration::from_secs(600)),
    }));
    let called = client.frame().await;
    assert_eq!(called.event_header("Caller-Network-Addr").unwrap(), "192.0.2.11");
    let caller = client.frame().await;
    assert_eq!(caller.event_header("Caller-Network-Addr").unwrap(), "192.0.2.10");
    let uuid = caller.event_header("Unique-ID").unwrap();
    let channels = client.command("api show channels").await.body_text();
    assert!(channels.contains(&uuid) && channels.ends_with("\n2 total.\n"), "{channels}");
    let calls = client.command("api show calls").await.body_text();
    let lines: Vec<_> = calls.lines().collect();
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count(), "{calls}");
    // Replies overtake events, so the order of these two is free.
    let killed = client.command(&format!("api uuid_kill {uuid} CALL_REJECTED")).await;
    assert_eq!(killed.body_text(), "+OK\n");
    for direction in ["outbound", "inbound"] {
        let event = client.frame().await;
        assert_eq!(event.event_header("Call-Direction").unwrap(), direction);
        assert_eq!(event.event_header("Hangup-Cause").unwrap(), "CALL_REJECTED");
    }
    assert_eq!(client.command("api show channels count").await.body_text(), "\n0 total.\n");
    let again = client.command(&format!("api uuid_kill {uuid}")).await;
    assert_eq!(again.body_text(), "-ERR No such channel!\n");
}

#[tokio::test]
async fn registrations_are_those_of_the_scenario() {
    let switch = switch().await;
    let scenario = Scenario::new(1, &Part::named("phones", 1.0).unwrap());
    let options = RunOptions { speed: 1000.0, duration: Some(Duration::from_secs(20)), dropped: None };
    let stats = switch.run_scenario(scenario, options).wait().await;
    assert!(stats.steps >= 32 && stats.events > 60, "{stats:?}");
    let expected: Vec<String> = switch.world().registrations().map(|r| r.source.to_string()).collect();
    assert!(expected.len() > 20, "{expected:?}");
    let mut client = RawClient::logged_in(&switch).await;
    let shown = client.command("api show registrations").await.body_text();
    for source in &expected {
        let (address, port) = source.rsplit_once(':').unwrap();
        assert!(shown.contains(&format!(",{address},{port},udp,vm,\n")), "{source} is not in {shown}");
    }
    assert!(shown.ends_with(&format!("\n{} total.\n", expected.len())));
    let user = "api user_exists id 1030 pbx.example";
    assert_eq!(client.command(user).await.body_text(), "true", "an office phone");
}

#[tokio::test]
async fn a_banned_source_is_blocked_while_the_scenario_runs() {
    let switch = switch().await;
    let scenario = Scenario::new(1, &Part::named("cracker", 1.0).unwrap());
    let banned = "198.51.100.10".parse::<std::net::IpAddr>().unwrap();
    let options = RunOptions {
        speed: 1000.0,
        duration: Some(Duration::from_secs(20)),
        dropped: Some(Arc::new(move |address, _| address == banned)),
    };
    let stats = switch.run_scenario(scenario, options).wait().await;
    assert!(stats.blocked_attackers > 50, "{stats:?}");
    assert_eq!(stats.blocked_others, 0);
}

#[tokio::test]
async fn a_restart_keeps_the_port_and_forgets_the_rest() {
    let switch = switch().await;
    switch.act(&register("1000", "192.0.2.10:5060"));
    let before = switch.identity().core_uuid.clone();
    let mut client = RawClient::subscribed(&switch, "plain SHUTDOWN").await;
    switch.restart().await.unwrap();
    assert_eq!(client.frame().await.event_header("Event-Name").unwrap(), "SHUTDOWN");
    let notice = client.frame().await;
    assert!(notice.head.contains("text/disconnect-notice"), "{notice:?}");
    assert_eq!(notice.body_text(), "The system is being shut down.\n");
    assert_eq!(client.next().await, None);
    assert_ne!(switch.identity().core_uuid, before);
    let mut client = RawClient::logged_in(&switch).await;
    assert_eq!(client.command("api show registrations count").await.body_text(), "\n0 total.\n");
}

#[tokio::test]
async fn a_stopped_switch_takes_nobody() {
    let switch = switch().await;
    switch.stop().await;
    assert!(TcpStream::connect(switch.addr()).await.is_err());
}

#[tokio::test]
async fn connections_can_be_killed_refused_and_cut_in_the_middle_of_an_event() {
    let switch = switch().await;
    let mut killed = RawClient::logged_in(&switch).await;
    switch.kill_connections();
    assert_eq!(killed.rest().await, b"");

    let event = Event::from_plain(*b"Event-Name: TALK\nSome-Header: some value\n\n").unwrap();
    let mut cut = RawClient::subscribed(&switch, "plain ALL").await;
    switch.cut_in_frame(&event);
    let rest = cut.rest().await;
    let frame = event.frame(esl::Format::Plain);
    assert_eq!(rest, &frame[..frame.len() / 2]);
    assert_eq!(split(&rest), None);

    switch.set_refusing(true);
    let mut refused = RawClient::connect(&switch).await;
    assert_eq!(refused.frame().await.body_text(), "Access Denied, go away.\n");
    switch.set_refusing(false);
    switch.set_password("other");
    let mut wrong = RawClient::connect(&switch).await;
    wrong.frame().await;
    assert!(wrong.command("auth ClueCon").await.head.contains("-ERR invalid"));
}

#[tokio::test]
async fn a_slow_api_command_delays_neither_events_nor_others() {
    let switch = switch().await;
    let mut slow = RawClient::subscribed(&switch, "plain TALK").await;
    let mut other = RawClient::subscribed(&switch, "plain TALK").await;
    switch.set_api_delay(Duration::from_millis(300));
    slow.send(b"api status\n\n").await;
    let event = Event::from_plain(*b"Event-Name: TALK\n\n").unwrap();
    // Sent again until it is there: the command may be under way for a moment.
    switch.emit(&event);
    assert!(other.frame().await.head.contains("text/event-plain"));
    assert!(slow.frame().await.head.contains("text/event-plain"), "before the answer to the command");
    assert!(slow.frame().await.head.contains("api/response"));
}

#[tokio::test]
async fn the_heartbeat_comes_at_its_interval_until_it_is_silenced() {
    let config = Config { heartbeat: Some(Duration::from_millis(20)), ..Config::default() };
    let switch = SimSwitch::bind(config).await.unwrap();
    let mut client = RawClient::subscribed(&switch, "plain HEARTBEAT RE_SCHEDULE").await;
    for _ in 0..3 {
        let beat = client.frame().await;
        assert_eq!(beat.event_header("Event-Info").unwrap(), "System%20Ready");
        assert_eq!(client.frame().await.event_header("Task-Desc").unwrap(), "heartbeat");
    }
    switch.set_heartbeat(None);
    let silent = async {
        loop {
            client.frame().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(200), silent).await.is_err());
}
