//! Registrations: which events a REGISTER makes, and what the switch remembers of it.

use super::{Due, Effects, Later, LogLine, World, contact, emit};
use crate::{
    identity::Identity,
    step::{Client, Credentials, Method},
    template::{Field, Kind, Times, Values},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A live registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The user, without domain.
    pub user: Arc<str>,
    /// Where the phone is.
    pub source: SocketAddr,
    /// The Call-ID of its REGISTERs.
    pub call_id: Arc<str>,
    /// Its User-Agent.
    pub agent: Arc<str>,
    /// When it runs out, in seconds since 1970; the switch adds a minute before it acts.
    pub expires_at: u64,
    number: u64,
}

impl Registration {
    /// `sip:user@host:port`.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}:{}", self.user, super::host(self.source.ip()), self.source.port())
    }
}

/// One request and the answers to its challenge: what its events have in common.
pub(super) struct Exchange<'a> {
    identity: &'a Identity,
    source: SocketAddr,
    method: &'static str,
    to: &'a str,
    from: &'a str,
    texts: [String; 4],
    values: Values<'a>,
}

impl<'a> Exchange<'a> {
    /// The texts live apart from the values that borrow them; see [`Exchange::emit`].
    pub(super) fn new(
        identity: &'a Identity,
        now: u64,
        source: SocketAddr,
        client: &'a Client,
        (method, to, expires): (&'static str, &'a str, u32),
    ) -> Self {
        let mut values = identity.values(Times { now, ..Times::default() });
        values
            .set(Field::Profile, "internal")
            .set(Field::Transport, "UDP")
            .set(Field::To, to)
            .set(Field::From, &client.user)
            .set(Field::CallId, &client.call_id)
            .set(Field::Agent, &client.agent)
            .set(Field::Method, method);
        let texts = [
            contact(&client.user, source),
            expires.to_string(),
            source.ip().to_string(),
            source.port().to_string(),
        ];
        Self { identity, source, method, to, from: &client.user, texts, values }
    }

    pub(super) fn challenge(&self, effects: &mut Effects) {
        self.emit(Kind::PreRegister, "unknown", "", effects);
        self.log(1842, "challenge", effects);
    }

    /// Answers the challenge; gives whether that was right. Emits the events of every outcome.
    ///
    /// `known` is whether the directory has the account.
    pub(super) fn authenticate(&self, credentials: Credentials, known: bool, effects: &mut Effects) -> bool {
        if matches!(credentials, Credentials::Stale | Credentials::MadeUp) {
            self.emit(Kind::RegisterAttempt, "unknown", "STALE", effects);
        }
        if !matches!(credentials, Credentials::Cached | Credentials::WrongAgain) {
            self.challenge(effects);
        }
        match credentials {
            Credentials::None | Credentials::MadeUp => false,
            Credentials::Wrong | Credentials::WrongAgain => {
                if !known {
                    let line = LogLine::unknown_account(self.from, &self.identity.domain, self.source.ip());
                    effects.logs.push(line);
                }
                self.emit(Kind::RegisterAttempt, self.from, "FORBIDDEN", effects);
                self.emit(Kind::RegisterFailure, self.from, "", effects);
                self.log(1787, "failure", effects);
                false
            }
            Credentials::Fresh | Credentials::Cached | Credentials::Stale => {
                self.emit(Kind::RegisterAttempt, self.from, "RENEWED", effects);
                true
            }
        }
    }

    fn emit(&self, kind: Kind, user: &str, result: &str, effects: &mut Effects) {
        let mut values = self.values.clone();
        values
            .set(Field::Contact, &self.texts[0])
            .set(Field::Expires, &self.texts[1])
            .set(Field::Ip, &self.texts[2])
            .set(Field::Port, &self.texts[3])
            .set(Field::User, user)
            .set(Field::Result, result);
        emit(self.identity, kind, &values, effects);
    }

    fn log(&self, line: u32, what: &str, effects: &mut Effects) {
        let text = format!(
            "SIP auth {what} ({}) on sofia profile 'internal' for [{}@{}] from ip {}",
            self.method,
            self.to,
            self.identity.domain,
            self.source.ip()
        );
        effects.logs.push(LogLine::registrar(line, text));
    }
}

impl World {
    pub(super) fn register(
        &mut self,
        now: u64,
        source: SocketAddr,
        client: &Client,
        credentials: Credentials,
        expires: u32,
        effects: &mut Effects,
    ) {
        let identity = Arc::clone(&self.identity);
        let exchange = Exchange::new(&identity, now, source, client, ("REGISTER", &client.user, expires));
        if !exchange.authenticate(credentials, self.knows(&client.user), effects) {
            return;
        }
        if expires == 0 {
            self.registrations.remove(&client.user);
            exchange.emit(Kind::Unregister, &client.user, "", effects);
            return;
        }
        let number = self.next_number();
        let registration = Registration {
            user: Arc::clone(&client.user),
            source,
            call_id: Arc::clone(&client.call_id),
            agent: Arc::clone(&client.agent),
            expires_at: now / 1_000_000 + u64::from(expires) + GRACE.as_secs(),
            number,
        };
        self.registrations.insert(Arc::clone(&client.user), registration);
        exchange.emit(Kind::Register, &client.user, "", effects);
        exchange.emit(Kind::MessageQuery, &client.user, "", effects);
        let due = Due::Expire { user: Arc::clone(&client.user), number };
        effects.later.push((Duration::from_secs(u64::from(expires)) + GRACE, Later(due)));
    }

    /// A SUBSCRIBE or MESSAGE: the challenge is all that an event tells of it (testdata, other_methods.plain.esl).
    #[expect(clippy::too_many_arguments, reason = "as many as the request has parts")]
    pub(super) fn ask(
        &mut self,
        now: u64,
        source: SocketAddr,
        client: &Client,
        method: Method,
        number: &str,
        credentials: Credentials,
        effects: &mut Effects,
    ) {
        let identity = Arc::clone(&self.identity);
        let method = match method {
            Method::Subscribe => "SUBSCRIBE",
            Method::Message => "MESSAGE",
        };
        let exchange = Exchange::new(&identity, now, source, client, (method, number, ASK_EXPIRES));
        if !matches!(credentials, Credentials::Cached | Credentials::WrongAgain) {
            exchange.challenge(effects);
        }
    }

    pub(super) fn expire(&mut self, now: u64, user: &str, number: u64, effects: &mut Effects) {
        // A phone that has registered again since has another number.
        if self.registrations.get(user).is_none_or(|registration| registration.number != number) {
            return;
        }
        let Some(registration) = self.registrations.remove(user) else {
            return;
        };
        let texts = [
            contact(user, registration.source),
            registration.expires_at.to_string(),
            registration.source.ip().to_string(),
            registration.source.port().to_string(),
        ];
        let mut values = self.identity.values(Times { now, ..Times::default() });
        values
            .set(Field::Profile, "internal")
            .set(Field::CallId, &registration.call_id)
            .set(Field::User, user)
            .set(Field::Agent, &registration.agent)
            .set(Field::Contact, &texts[0])
            .set(Field::Expires, &texts[1])
            .set(Field::Ip, &texts[2])
            .set(Field::Port, &texts[3]);
        emit(&self.identity, Kind::Expire, &values, effects);
    }
}

/// What the switch says of a subscription's expiry in `sofia::pre_register`.
const ASK_EXPIRES: u32 = 300;
/// The switch waits a minute longer than a registration lasts.
const GRACE: Duration = Duration::from_secs(60);
