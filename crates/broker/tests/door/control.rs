//! Clients that are bound to a channel: what it keeps for itself, and how long they stay after it.

use crate::support::*;
use simswitch::{Action, ActorId, Client, Credentials, Event, State, Step};
use std::time::Duration;

fn step(user: &str, action: impl FnOnce(Client) -> Action) -> Step {
    let client = Client { user: user.into(), call_id: "a@b".into(), agent: "Test".into() };
    Step { actor: ActorId(0), source: "192.0.2.10:5060".parse().unwrap(), action: action(client) }
}

impl Site {
    /// A call from 1010 to 1001: the channels of both.
    async fn calling(&self) -> (String, String) {
        let fresh = Credentials::Fresh;
        let register = |client| Action::Register { client, credentials: fresh, expires: 60 };
        self.switch.act(&step("1001", register));
        let call = |client| Action::Call {
            client,
            number: "1001".into(),
            credentials: fresh,
            ring: Duration::ZERO,
            talk: Some(Duration::from_secs(600)),
        };
        self.switch.act(&step("1010", call));
        let both = || self.switch.world().legs().filter(|leg| leg.state == State::Active).count() == 2;
        until(both).await;
        let leg = |outbound| {
            let world = self.switch.world();
            world.legs().find(|leg| leg.outbound == outbound).unwrap().uuid.clone()
        };
        (leg(false), leg(true))
    }

    /// What reached the switch over connections of clients' own.
    fn bound(&self) -> Vec<String> {
        let lines = self.switch.commands_received().into_iter().map(|received| received.line());
        let of_ours = |line: &String| {
            ["myevents", "nixevent", "divert", "linger"].iter().any(|verb| line.starts_with(verb))
        };
        lines.filter(of_ours).collect()
    }
}

/// Recognised speech, as the switch queues it: nothing in it says whose channel it is of.
fn speech(headers: &str, tag: &str) -> Event {
    let text = format!("Event-Name: DETECTED_SPEECH\nTag: {tag}\n{headers}Content-Length: 5\n\n1 2 3");
    Event::from_plain(text.into_bytes()).unwrap()
}

#[tokio::test]
async fn what_a_channel_keeps_for_itself_comes_to_who_diverts_it() {
    let site = Site::open().await;
    let (channel, _) = site.calling().await;
    let mut client = site.client("operator").await;
    client.ask(&format!("myevents {channel} json")).await;
    assert_eq!(client.ask("divert_events").await.text, "-ERR missing value.");
    site.switch.queue_event(&channel, &speech("", "one"));
    assert_eq!(client.ask("divert_events on").await.text, "+OK events diverted");
    let bound = [&*format!("myevents {channel} plain"), "nixevent ALL", "divert_events on"];
    assert_eq!(site.bound(), bound);
    let told = client.event().await;
    assert!(told.kind == "text/event-json" && told.body.contains(r#""Tag":"one""#), "{told:?}");
    // What somebody says to a machine may be their PIN.
    assert!(!told.body.contains("1 2 3"), "{told:?}");
    // Twice is once, and filters are for the other events.
    assert_eq!(client.ask("divert_events On").await.text, "+OK events diverted");
    client.ask("filter Event-Name TALK").await;
    site.switch.queue_event(&channel, &speech("sip_auth_password: s3cret\nSpeech-Type: x\n", "two"));
    let told = client.event().await.body;
    assert!(told.contains(r#""Tag":"two""#) && !told.contains("s3cret"), "{told}");
    assert_eq!(client.ask("divert_events off").await.text, "+OK events not diverted");
    assert_eq!(site.bound()[3..], ["divert_events off"]);
    // It can be had again at once, and is given back when the client goes.
    assert_eq!(client.ask("divert_events on").await.text, "+OK events diverted");
    site.switch.queue_event(&channel, &speech("", "three"));
    assert!(client.event().await.body.contains(r#""Tag":"three""#));
    drop(client);
    until(|| site.bound().last().is_some_and(|line| line == "divert_events off")).await;
    until(|| site.desk.switches()[0].upstream.counts().dedicated == 0).await;
}

#[tokio::test]
async fn only_who_may_diverts_and_only_a_channel_that_is_there() {
    let site = Site::open().await;
    let (channel, other) = site.calling().await;
    let mut monitor = site.client("monitor").await;
    assert_eq!(monitor.ask("divert_events on").await.text, "-ERR not controlling a session.");
    monitor.ask(&format!("myevents {channel}")).await;
    assert_eq!(monitor.ask("divert_events on").await.text, "-ERR permission denied");
    let agent = async |channel: &str| {
        let mut agent = site.stranger().await;
        agent.ask("userauth 1010@pbx.example:secret-1010").await;
        agent.ask(&format!("myevents {channel}")).await;
        agent
    };
    assert_eq!(agent(&other).await.ask("divert_events on").await.text, "-ERR permission denied");
    assert_eq!(site.bound(), Vec::<String>::new(), "the switch was told");
    let mut operator = site.client("operator").await;
    operator.ask("myevents no-such").await;
    assert_eq!(operator.ask("divert_events on").await.text, "-ERR not controlling a session.");
    assert_eq!(operator.ask(&format!("myevents {channel}")).await.text, "-ERR aready enabled.");
}

#[tokio::test]
async fn an_agent_diverts_an_own_channel_until_that_is_taken_back() {
    let site = Site::open().await;
    let (channel, _) = site.calling().await;
    let mut agent = site.stranger().await;
    agent.ask("userauth 1010@pbx.example:secret-1010").await;
    agent.ask(&format!("myevents {channel}")).await;
    assert_eq!(agent.ask("divert_events on").await.text, "+OK events diverted");
    site.switch.queue_event(&channel, &speech("Unique-ID: somebody-elses\n", "mine"));
    assert!(agent.event().await.body.contains("Tag: mine\n"));
    site.only("1010@*", "monitor");
    until(|| site.bound().last().is_some_and(|line| line == "divert_events off")).await;
}

#[tokio::test]
async fn a_connection_ends_with_its_channel_or_lingers_for_so_long() {
    let site = Site::open().await;
    let (channel, _) = site.calling().await;
    let (mut leaves, mut lingers, mut stays) =
        (site.client("operator").await, site.client("operator").await, site.client("operator").await);
    assert_eq!(leaves.ask("linger 5").await.text, "-ERR not controlling a session");
    for client in [&mut leaves, &mut lingers, &mut stays] {
        client.ask(&format!("myevents {channel}")).await;
    }
    assert_eq!(lingers.ask("linger 1").await.text, "+OK will linger 1 seconds");
    assert_eq!(stays.ask("linger").await.text, "+OK will linger");
    assert_eq!(leaves.ask("linger -1").await.text, "+OK will linger");
    assert_eq!(leaves.ask("nolinger").await.text, "+OK will not linger");
    // Whoever wants no events is told of the end all the same.
    assert_eq!(lingers.ask("divert_events on").await.text, "+OK events diverted");
    assert_eq!(lingers.ask("nixevent ALL").await.text, "+OK events nixed");
    stays.ask(&format!("api uuid_kill {channel}")).await;
    let left = leaves.rest().await;
    assert!(left.contains("CHANNEL_HANGUP_COMPLETE") && left.ends_with(GOODBYE), "{left}");
    let told = lingers.rest().await;
    let notice = format!(
        "Content-Type: text/disconnect-notice\nControlled-Session-UUID: {channel}\nContent-Disposition: linger\nChannel-Name: sofia/"
    );
    assert!(told.starts_with(&notice) && told.contains("\nLinger-Time: 1\nContent-Length: 0\n\n"), "{told}");
    assert!(told.ends_with(GOODBYE) && !told.contains("CHANNEL_"), "{told}");
    while !stays.next().await.unwrap().head.contains("Linger-Time: -1\n") {}
    assert!(stays.ask("api status").await.body.starts_with("UP "));
    // Nothing was diverted any more, and the connection for it is closed.
    assert_eq!(stays.ask("divert_events on").await.text, "-ERR not controlling a session.");
    until(|| site.desk.switches()[0].upstream.counts().dedicated == 0).await;
}
