//! What the tests share.

use broker::{
    Line, Upstream,
    upstream::{Answer, Ask, CallError, Settings},
};
use esl::client::Config;
use simswitch::{Action, ActorId, Client, Credentials, SimSwitch, Step};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Nothing may take longer.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn switch() -> SimSwitch {
    SimSwitch::bind(simswitch::Config { heartbeat: None, ..simswitch::Config::default() }).await.unwrap()
}

pub(crate) fn config(switch: &SimSwitch) -> Config {
    Config::new("127.0.0.1", switch.addr().port(), "ClueCon")
}

pub(crate) fn quick() -> Settings {
    Settings {
        backoff: (Duration::from_millis(10), Duration::from_millis(100)),
        owners_kept: Duration::from_secs(60),
        ..Settings::default()
    }
}

/// Connected everywhere.
pub(crate) async fn upstream(switch: &SimSwitch, settings: Settings) -> Arc<Upstream> {
    let upstream = Upstream::start(config(switch), settings);
    is_up(&upstream).await;
    upstream
}

pub(crate) async fn is_up(upstream: &Upstream) {
    until("everything is connected", || {
        let state = upstream.state();
        state.commands.is_up() && state.jobs.is_up() && state.events.is_up()
    })
    .await;
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn ask(limit: Duration) -> Ask {
    Ask { limit, most: 1024 * 1024, is_read: false }
}

pub(crate) async fn api(upstream: &Upstream, command: &str) -> Result<String, CallError> {
    upstream.api(Line::new(command).unwrap(), ask(SOON)).await.map(text)
}

pub(crate) fn text(answer: Answer) -> String {
    assert!(!answer.cut);
    String::from_utf8(answer.bytes).unwrap()
}

/// How often a command was received.
pub(crate) fn received(switch: &SimSwitch, line: &str) -> usize {
    switch.commands_received().iter().filter(|received| received.line() == line).count()
}

pub(crate) fn register(user: &str, source: &str) -> Step {
    step(user, source, |client| Action::Register { client, credentials: Credentials::Fresh, expires: 60 })
}

pub(crate) fn call(user: &str, number: &str, source: &str) -> Step {
    step(user, source, |client| Action::Call {
        client,
        number: number.into(),
        credentials: Credentials::Fresh,
        ring: Duration::ZERO,
        talk: Some(Duration::from_secs(600)),
    })
}

pub(crate) fn step(user: &str, source: &str, action: impl FnOnce(Client) -> Action) -> Step {
    let client = Client { user: user.into(), call_id: "a@b".into(), agent: "Test".into() };
    Step { actor: ActorId(0), source: source.parse().unwrap(), action: action(client) }
}
