//! A desk before a simulated switch.

use broker::desk::{Desk, Door, Order, Refused, Rules, Started, Switch, Visit};
use broker::redact::Redactor;
use broker::rulebook::{Rulebook, User};
use broker::{Grant, Identity, Proof, Terms, Upstream, freeswitch, upstream};
use simswitch::SimSwitch;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) struct Bench {
    pub(crate) switch: SimSwitch,
    pub(crate) desk: Arc<Desk>,
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

impl Bench {
    /// These users, with these terms where nothing is said.
    pub(crate) async fn open(users: &[User], terms: Terms) -> Bench {
        let config = simswitch::Config { heartbeat: None, ..simswitch::Config::default() };
        let switch = SimSwitch::bind(config).await.unwrap();
        let way = esl::client::Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
        let upstream = Upstream::start(way, upstream::Settings::default());
        let up = upstream.clone();
        until("everything is connected", || {
            let state = up.state();
            state.commands.is_up() && state.jobs.is_up() && state.events.is_up()
        })
        .await;
        let rules = Rules {
            book: Rulebook::new(&[], users, terms).unwrap(),
            nobody: Arc::new(Grant::default()),
            redactor: Redactor::new(freeswitch::catalogue(), &[]),
            allow_unaudited: false,
        };
        let desk = Desk::new(rules, vec![Switch { name: "pbx".into(), upstream }], None);
        Bench { switch, desk }
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.desk.switches()[0].upstream
    }

    pub(crate) async fn run(&self, name: &str, command: &str) -> Result<String, Refused> {
        let reply = self.desk.run(&self.visit(name), Order { command, switch: None }).await?;
        Ok(String::from_utf8(reply.text).unwrap())
    }

    pub(crate) async fn start(&self, name: &str, command: &str) -> Result<Started, Refused> {
        self.desk.start(&self.visit(name), Order { command, switch: None }, None).await
    }

    /// Somebody, with the account that the rules give them.
    pub(crate) fn visit(&self, name: &str) -> Visit {
        let mut identity = Identity::new(name, Proof::Token);
        identity.account = self.desk.rules().book.account(name).cloned();
        Visit { identity, source: Some("192.0.2.7".parse().unwrap()), door: Door::Esl }
    }

    /// How often the switch was asked.
    pub(crate) fn received(&self, begin: &str) -> usize {
        self.switch.commands_received().iter().filter(|sent| sent.line().starts_with(begin)).count()
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
