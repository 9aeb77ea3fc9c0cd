//! A door before a simulated switch, and clients that speak the protocol byte by byte.

use broker::desk::{self, Desk, Rules, Switch};
use broker::door::{Admission, Credential, Door, Identifying, Porter, Settings, Stays, Stranger};
use broker::redact::Redactor;
use broker::rulebook::{Rulebook, Rules as Written, User};
use broker::{Account, Bound, Grant, Identity, Proof, Terms, Upstream, freeswitch, upstream};
use esl::server::Server;
use esl::{Decoder, Limits};
use simswitch::SimSwitch;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const GOODBYE: &str = "Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n";

/// A door, and all that belongs to it.
pub(crate) struct Site {
    pub(crate) switch: SimSwitch,
    pub(crate) desk: Arc<Desk>,
    pub(crate) door: Arc<Door>,
    pub(crate) porter: Arc<Names>,
    pub(crate) address: SocketAddr,
    _serving: JoinHandle<()>,
}

/// Tokens are `token-NAME`; the password of NAME@pbx.example is `secret-NAME`.
#[derive(Default)]
pub(crate) struct Names {
    /// Who failed, and from where.
    pub(crate) failed: Mutex<Vec<(String, Option<std::net::IpAddr>)>>,
    /// Whose credentials were taken back.
    pub(crate) revoked: Arc<Mutex<Vec<String>>>,
    pub(crate) turns_away: std::sync::atomic::AtomicBool,
}

impl Names {
    fn check(&self, stranger: &Stranger, claim: Credential<'_>) -> Admission {
        let (name, identity) = match claim {
            Credential::Token(token) => match token.strip_prefix("token-") {
                Some("later") => return Admission::Later("the directory cannot be asked".into()),
                Some(name) if !name.is_empty() => (name.to_owned(), Some(Identity::new(name, Proof::Token))),
                _ => ("token".to_owned(), None),
            },
            Credential::User(claim) => {
                let user = claim.user.as_str();
                let right = claim.domain.as_deref() == Some("pbx.example")
                    && claim.password.expose() == format!("secret-{user}");
                let account: Option<Account> = format!("{user}@pbx.example").parse().ok();
                let directory = "test".into();
                let mut identity =
                    Identity::new(&format!("{user}@pbx.example"), Proof::Password { directory });
                identity.account = account;
                if user == "1001" {
                    let list = |text: &str| Some(text.split(' ').map(String::from).collect());
                    let (api, events) =
                        (list("status show bgapi"), list("CHANNEL_CREATE CUSTOM sofia::register"));
                    identity.bound = Some(Arc::new(Bound { api, events, log: Some(false) }));
                }
                (user.to_owned(), right.then_some(identity))
            }
        };
        match identity {
            Some(identity) if !self.revoked.lock().unwrap().contains(&name) => {
                let (revoked, name) = (self.revoked.clone(), identity.name.clone());
                let stays = move || !revoked.lock().unwrap().iter().any(|revoked| **revoked == *name);
                Admission::Welcome(identity, Stays::while_true(stays))
            }
            _ => {
                self.failed.lock().unwrap().push((name, stranger.source()));
                Admission::Wrong("an unknown name".into())
            }
        }
    }
}

impl Porter for Names {
    fn admits(&self, _: &Stranger) -> bool {
        !self.turns_away.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn identify<'a>(&'a self, stranger: &'a Stranger, claim: Credential<'a>) -> Identifying<'a> {
        Box::pin(async move { self.check(stranger, claim) })
    }
}

fn user(name: &str, roles: &[&str], rules: Written) -> User {
    User { name: name.into(), account: None, roles: texts(roles), rules }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// The users of the tests.
fn users() -> Vec<User> {
    let some =
        Written { events: texts(&["HEARTBEAT"]), rows: broker::events::Rows::All, ..Written::default() };
    let echo = Written { allow: texts(&["echo *", "msleep *"]), ..Written::default() };
    vec![
        user("monitor", &["monitor"], Written::default()),
        user("admin", &["admin"], echo),
        user("teller", &[], Written { allow: texts(&["!CUSTOM lab::*"]), ..Written::default() }),
        user("short", &["monitor"], Written { output: Some(10), ..Written::default() }),
        user("operator", &["operator"], Written::default()),
        user("heart", &[], some),
        user("100*@*", &["agent", "monitor"], Written::default()),
        user("1010@*", &["agent"], Written::default()),
    ]
}

fn rules(users: &[User]) -> Rules {
    Rules {
        book: Rulebook::new(&[], users, Terms::default()).unwrap(),
        nobody: Arc::new(Grant::default()),
        redactor: Redactor::new(freeswitch::catalogue(), &[]),
        allow_unaudited: false,
    }
}

impl Site {
    pub(crate) async fn open() -> Site {
        Site::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Site {
        let config = simswitch::Config { heartbeat: None, ..simswitch::Config::default() };
        let switch = SimSwitch::bind(config).await.unwrap();
        let config = esl::client::Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
        let upstream = Upstream::start(config, upstream::Settings::default());
        until(|| upstream.state().commands.is_up() && upstream.state().events.is_up()).await;
        let rules = rules(&users());
        let desk = Desk::new(rules, vec![Switch { name: "pbx".into(), upstream }], None);
        let porter = Arc::new(Names::default());
        let door = Door::new(desk.clone(), porter.clone(), settings);
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), door.server_config()).await.unwrap();
        let address = server.local_addr().unwrap();
        let serving = door.clone();
        let serving = tokio::spawn(async move {
            serving.serve(&server, desk::Door::Esl, None).await.unwrap();
        });
        Site { switch, desk, door, porter, address, _serving: serving }
    }

    /// From now on this is all that anybody may do.
    pub(crate) fn only(&self, name: &str, role: &str) {
        self.desk.apply(rules(&[user(name, &[role], Written::default())]));
    }

    /// Somebody at the door who was greeted.
    pub(crate) async fn stranger(&self) -> Talker<TcpStream> {
        Talker::greeted(TcpStream::connect(self.address).await.unwrap()).await
    }

    /// Somebody who has come in with a token.
    pub(crate) async fn client(&self, name: &str) -> Talker<TcpStream> {
        let mut client = self.stranger().await;
        assert_eq!(client.ask(&format!("auth token-{name}")).await.text, "+OK accepted");
        client
    }

    /// The commands of clients that reached the switch; with `version` the upstream looks whether a connection lives.
    pub(crate) fn received(&self) -> Vec<String> {
        let lines = self.switch.commands_received().into_iter().map(|received| received.line());
        lines
            .filter(|line| line.starts_with("api ") || line.starts_with("bgapi "))
            .filter(|line| line != "api version")
            .collect()
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let at = std::panic::Location::caller();
    async move {
        let waited = timeout(SOON, async {
            while !condition() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "in vain: {at}");
    }
}

/// A frame from the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: String,
    /// Reply-Text.
    pub(crate) text: String,
    /// All header lines.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn is_event(&self) -> bool {
        self.kind.starts_with("text/event-")
    }
}

/// A client that speaks the protocol byte by byte.
pub(crate) struct Talker<S> {
    pub(crate) stream: S,
    decoder: Decoder,
    /// Events that came while something else was awaited.
    pub(crate) events: Vec<Told>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talker<S> {
    pub(crate) async fn greeted(stream: S) -> Talker<S> {
        let mut talker = Talker { stream, decoder: Decoder::new(Limits::default()), events: Vec::new() };
        assert_eq!(talker.next().await.unwrap().kind, "auth/request");
        talker
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends one order and gives its answer.
    #[track_caller]
    pub(crate) fn ask<'t>(&'t mut self, order: &'t str) -> impl Future<Output = Told> + 't {
        let at = std::panic::Location::caller();
        async move {
            self.send(format!("{order}\n\n")).await;
            match self.answer().await {
                Some(told) => told,
                None => panic!("closed after {order:?} of {at}"),
            }
        }
    }

    /// The next frame that is no event.
    pub(crate) async fn answer(&mut self) -> Option<Told> {
        loop {
            let told = self.next().await?;
            if !told.is_event() && told.kind != "log/data" {
                return Some(told);
            }
            self.events.push(told);
        }
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Told {
        if !self.events.is_empty() {
            return self.events.remove(0);
        }
        let told = self.next().await.unwrap();
        assert!(told.is_event() || told.kind == "log/data", "{told:?}");
        told
    }

    /// The next frame; `None` when the door has closed.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(frame) = self.decoder.next().unwrap() {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                return Some(Told {
                    kind: text(frame.header("Content-Type").unwrap_or_default()),
                    text: text(frame.header("Reply-Text").unwrap_or_default()),
                    head: text(frame.head()),
                    body: text(frame.body()),
                });
            }
            let read = timeout(SOON, self.stream.read(self.decoder.space())).await.unwrap();
            match read {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.decoder.filled(n),
            }
        }
    }

    /// All bytes up to the end.
    pub(crate) async fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        timeout(SOON, self.stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
