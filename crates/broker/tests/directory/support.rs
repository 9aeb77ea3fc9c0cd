//! What the tests share.

use broker::directory::{Claim, Directories, Directory, FreeSwitch, Outcome, Settings, SwitchSettings};
use broker::{Identity, Upstream, upstream};
use esl::client::Config;
use simswitch::{EslUser, SimSwitch};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const DOMAIN: &str = "pbx.example";

/// A switch with more users than those of the captures: alice has an a1-hash of "secret" and the alias 5000.
pub(crate) async fn switch() -> SimSwitch {
    let mut users = EslUser::of_the_captures();
    let mut alice = EslUser::new("alice", "");
    alice.number_alias = Some("5000".into());
    // printf alice:pbx.example:secret | md5sum
    alice.params = vec![("a1-hash".into(), "8ec9a0b74e56ec8e27ade518a0dd76a1".into())];
    users.push(alice);
    let mut out = EslUser::new("1010", "esl-1010");
    out.params = vec![("kept-out".into(), "true".into())];
    users.push(out);
    users.push(EslUser::new("odd", "a\"b<c>&amp;d' e"));
    let config = simswitch::Config { esl_users: users, heartbeat: None, ..simswitch::Config::default() };
    SimSwitch::bind(config).await.unwrap()
}

pub(crate) async fn upstream(switch: &SimSwitch) -> Arc<Upstream> {
    let config = Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
    let settings = upstream::Settings {
        backoff: (Duration::from_millis(10), Duration::from_millis(100)),
        ..Default::default()
    };
    let upstream = Upstream::start(config, settings);
    until("the switch is connected", || upstream.state().commands.is_up()).await;
    upstream
}

pub(crate) async fn of_switch(switch: &SimSwitch, settings: SwitchSettings) -> Arc<FreeSwitch> {
    Arc::new(FreeSwitch::new("switch", settings, upstream(switch).await))
}

/// Refusals take no time, and nothing is kept in mind.
pub(crate) fn plain() -> Settings {
    Settings {
        right_kept: Duration::ZERO,
        refused_kept: Duration::ZERO,
        refusal_takes: Duration::ZERO,
        ..Settings::default()
    }
}

pub(crate) fn chain(directories: Vec<Arc<dyn Directory>>, settings: Settings) -> Arc<Directories> {
    Arc::new(Directories::new(directories, settings).unwrap())
}

pub(crate) fn claim(user: &str, password: &str) -> Claim {
    Claim::new(user, Some(DOMAIN), password)
}

pub(crate) fn from(n: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, n]))
}

pub(crate) fn identity(outcome: Outcome) -> Identity {
    match outcome {
        Outcome::Right(identity) => identity,
        other => panic!("not let in: {other:?}"),
    }
}

/// How often the switch was asked for a user.
pub(crate) fn asked(switch: &SimSwitch) -> Vec<String> {
    let lines = switch.commands_received().into_iter().map(|received| received.line());
    lines.filter(|line| line.starts_with("api find_user_xml ")).collect()
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
