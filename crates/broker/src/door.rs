//! The event socket protocol on a port of our own: [`Door`].
//!
//! To a client it is FreeSWITCH's event socket: `auth`, `userauth`, `api`, `bgapi`, `event` and the rest, with FreeSWITCH's own answers.
//! But who comes in is somebody (a [`Porter`] says who), and every order goes to the [`Desk`]: a packet is read into what it wants, that is
//! judged, and what is allowed is written anew. No byte of a client's packet is passed on as it is. Each client has a task and a bounded
//! queue of its own, so that one who is slow, stuck or hostile holds up nobody.

use crate::desk::{self, Desk, Visit};
use crate::directory::Claim;
use crate::identity::Identity;
use esl::reply;
use esl::server::{
    AuthTimeout, ClientLimits, Incoming, Outbox, Overflow, Peer, Pending, QueueLimits, Server, ServerConfig,
};
use listener::Listener;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

mod bound;
mod diverting;
mod filter;
mod listener;
mod order;
mod session;

/// Finds out who somebody is. What fails is for it to count, and to tell to whoever bans.
pub trait Porter: Send + Sync {
    /// Whether somebody may come to the door at all; others are sent away as by FreeSWITCH's access list.
    fn admits(&self, stranger: &Stranger) -> bool;

    /// Checks what somebody says of themselves.
    fn identify<'a>(&'a self, stranger: &'a Stranger, claim: Credential<'a>) -> Identifying<'a>;
}

/// An identification that is under way.
pub type Identifying<'a> = Pin<Box<dyn Future<Output = Admission> + Send + 'a>>;

/// Somebody of whom nothing is known but where they come from.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// From where.
    pub peer: Peer,
    /// The way in.
    pub door: desk::Door,
    /// The certificate that the client showed over TLS and whose chain was checked, in DER.
    pub certificate: Option<Vec<u8>>,
}

impl Stranger {
    /// The address, if there is one.
    pub fn source(&self) -> Option<IpAddr> {
        self.peer.ip()
    }
}

/// What somebody shows.
#[derive(Clone)]
pub enum Credential<'a> {
    /// `auth TOKEN`; FreeSWITCH has one password for all there.
    Token(&'a str),
    /// `userauth`, for a directory.
    User(Claim),
}

/// What a porter says.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Come in, and stay as long as that holds.
    Welcome(Identity, Stays),
    /// It is not so, for this reason, which does not hold what was typed; the client is sent away as FreeSWITCH does, and does not hear it.
    Wrong(String),
    /// It cannot be said just now: one line of text that tells why.
    Later(String),
}

/// Whether somebody who came in would still be let in: asked before each of their orders and every few seconds, so it is quick. False when a
/// token was taken back or has expired, a password or a role was changed, a user is gone.
#[derive(Clone)]
pub struct Stays(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stays {
    /// As long as this says so.
    pub fn while_true(holds: impl Fn() -> bool + Send + Sync + 'static) -> Stays {
        Stays(Arc::new(holds))
    }

    fn holds(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stays").finish_non_exhaustive()
    }
}

/// How a door treats its clients.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The switch to which clients speak; none for the first.
    pub switch: Option<Arc<str>>,
    /// Clients at most. Default 1000.
    pub clients: usize,
    /// Of one user. Default 100.
    pub clients_of_one: usize,
    /// Clients at most that have not logged in. Default 128.
    pub strangers: usize,
    /// Of one source (an IPv4 address, an IPv6 /64). Default 16.
    pub strangers_of_one: usize,
    /// For logging in. Default 10 s.
    pub login: Duration,
    /// Events that may wait for a client. Default 10,000.
    pub queue: usize,
    /// Bytes of them. Default 16 MiB.
    pub queue_bytes: usize,
    /// How long a client may read nothing while something waits for it. Default 60 s.
    pub stuck: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            switch: None,
            clients: 1000,
            clients_of_one: 100,
            strangers: 128,
            strangers_of_one: 16,
            login: Duration::from_secs(10),
            queue: 10_000,
            queue_bytes: 16 << 20,
            stuck: Duration::from_secs(60),
        }
    }
}

/// How connections are secured: asked for each, so that a new certificate counts at once. None: not at all.
pub type Tls = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// A client that has come in, for people to look at.
#[derive(Clone, Debug)]
pub struct ClientView {
    /// Counts up from 1.
    pub id: u64,
    /// Who.
    pub name: Arc<str>,
    /// From where.
    pub peer: Peer,
    /// The way in.
    pub door: desk::Door,
    /// Since when: micros since 1970.
    pub since: u64,
    /// Events that wait for it.
    pub queued: usize,
    /// Events that it missed by not reading.
    pub missed: u64,
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Clients that came in.
    pub welcomed: AtomicU64,
    /// Clients that showed a wrong credential.
    pub wrong: AtomicU64,
    /// Clients that were sent away before they could show any.
    pub refused: AtomicU64,
    /// Handshakes of TLS that failed or took too long.
    pub handshakes_failed: AtomicU64,
    /// Events that clients missed by not reading.
    pub missed: AtomicU64,
    /// Clients that were cut off because they did not read.
    pub cut_off: AtomicU64,
}

/// See the module.
pub struct Door {
    desk: Arc<Desk>,
    porter: Arc<dyn Porter>,
    settings: Settings,
    clients: Mutex<BTreeMap<u64, Client>>,
    next_id: AtomicU64,
    /// What was counted.
    pub counts: Counts,
}

/// Somebody who has come in.
struct Client {
    visit: Visit,
    stays: Stays,
    peer: Peer,
    since: u64,
    outbox: Outbox,
    listener: Listener,
}

impl Door {
    /// A door before this desk.
    pub fn new(desk: Arc<Desk>, porter: Arc<dyn Porter>, settings: Settings) -> Arc<Door> {
        Arc::new(Door {
            desk,
            porter,
            settings,
            clients: Mutex::default(),
            next_id: AtomicU64::new(1),
            counts: Counts::default(),
        })
    }

    /// How a [`Server`] for this door is to treat its connections.
    pub fn server_config(&self) -> ServerConfig {
        let settings = &self.settings;
        ServerConfig {
            auth_timeout: AuthTimeout::Login(settings.login),
            clients: ClientLimits {
                all: settings.clients,
                strangers: settings.strangers,
                strangers_per_source: settings.strangers_of_one,
            },
            queue: QueueLimits {
                events: settings.queue,
                bytes: settings.queue_bytes,
                overflow: Overflow::Drop,
            },
            stall: Some(settings.stuck),
            ..ServerConfig::default()
        }
    }

    /// Takes clients until it is dropped; those who are in stay.
    ///
    /// # Errors
    /// When the listener is of no more use.
    pub async fn serve(
        self: Arc<Door>,
        server: &Server,
        way: desk::Door,
        tls: Option<Tls>,
    ) -> io::Result<()> {
        let mut every = interval(ROUNDS);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                incoming = server.accept() => {
                    tokio::spawn(self.clone().meet(incoming?, way, tls.clone()));
                }
                _ = every.tick() => self.look_round(),
            }
        }
    }

    /// Who is in.
    pub fn clients(&self) -> Vec<ClientView> {
        let clients = self.clients.lock();
        let view = |(id, client): (&u64, &Client)| ClientView {
            id: *id,
            name: client.visit.identity.name.clone(),
            peer: client.peer,
            door: client.visit.door,
            since: client.since,
            queued: client.outbox.stats().queued,
            missed: client.listener.missed(),
        };
        clients.iter().map(view).collect()
    }

    /// Sends everybody away, as FreeSWITCH does when it stops.
    pub fn close(&self) {
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::SHUTDOWN);
        self.clients.lock().values().for_each(|client| client.outbox.close(Pending::Discard, &notice));
    }

    async fn meet(self: Arc<Door>, incoming: Incoming, door: desk::Door, tls: Option<Tls>) {
        let mut stranger = Stranger { peer: incoming.peer(), door, certificate: None };
        let incoming = match tls {
            None => incoming,
            Some(tls) => match shake_hands(incoming, tls(), &mut stranger).await {
                Ok(incoming) => incoming,
                Err(error) => {
                    self.counts.handshakes_failed.fetch_add(1, Relaxed);
                    tracing::debug!(peer = %stranger.peer, %error, "no TLS with a client of the event socket door");
                    return;
                }
            },
        };
        if !self.porter.admits(&stranger) {
            self.counts.refused.fetch_add(1, Relaxed);
            incoming.refuse().await;
            return;
        }
        session::talk(&self, incoming.welcome(), stranger).await;
    }

    /// Sends those away who may not stay.
    fn look_round(&self) {
        let gone = |client: &&Client| !client.stays.holds() || self.desk.grant(&client.visit).is_err();
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::GOODBYE);
        self.clients.lock().values().filter(gone).for_each(|client| {
            tracing::info!(user = %client.visit.identity, peer = %client.peer, "sent away from the event socket door: not permitted any more");
            client.outbox.close(Pending::Discard, &notice);
        });
    }

    /// Enters somebody into the list; `None` when there are too many of them.
    fn enter(self: &Arc<Door>, client: Client) -> Option<Entered> {
        let mut clients = self.clients.lock();
        let name = &client.visit.identity.name;
        if clients.values().filter(|other| other.visit.identity.name == *name).count()
            >= self.settings.clients_of_one
        {
            return None;
        }
        let id = self.next_id.fetch_add(1, Relaxed);
        clients.insert(id, client);
        self.counts.welcomed.fetch_add(1, Relaxed);
        Some(Entered { door: self.clone(), id })
    }
}

/// Somebody is in the list until this is dropped.
struct Entered {
    door: Arc<Door>,
    id: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(client) = self.door.clients.lock().remove(&self.id) {
            self.door.counts.missed.fetch_add(client.listener.missed(), Relaxed);
        }
    }
}

async fn shake_hands(
    incoming: Incoming,
    config: Arc<rustls::ServerConfig>,
    stranger: &mut Stranger,
) -> io::Result<Incoming> {
    let certificate = &mut stranger.certificate;
    let handshake = |stream| async move {
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        *certificate = shown.map(|leaf| leaf.as_ref().to_vec());
        Ok(stream)
    };
    incoming.secure(HANDSHAKE, handshake).await
}

/// For TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between two looks at who may stay.
const ROUNDS: Duration = Duration::from_secs(2);
