//! What the tasks of a switch share: [`Shared`].
//!
//! Every lock is held for a short time and never across an await.

use super::{
    Config, EslUser,
    client::Fanout,
    control::{self, Queues},
    gateway::Gateway,
    journal::Received,
};
use crate::{
    event::Event,
    identity::Identity,
    world::{Effects, LogLine, World, random_uuid},
};
use esl::{
    reply,
    server::{Pending, Request},
};
use fastrand::Rng;
use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Notify, time::timeout};

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) fanout: Fanout,
    /// The HEARTBEAT's interval was changed.
    pub(super) heartbeat_changed: Notify,
    life: Mutex<Life>,
    world: Mutex<World>,
    users: Mutex<BTreeSet<String>>,
    knobs: Mutex<Knobs>,
    journal: Mutex<Vec<Received>>,
    queues: Mutex<Queues>,
    rng: Mutex<Rng>,
    next_client: AtomicU64,
    /// Something changed that a waiting test may ask about.
    changed: Notify,
}

/// From one start of the switch to the next.
#[derive(Debug)]
struct Life {
    identity: Arc<Identity>,
    started: Instant,
}

/// What can be changed while the switch runs.
#[derive(Debug)]
pub(super) struct Knobs {
    pub(super) password: String,
    pub(super) refusing: bool,
    /// Whether log lines tell the idle CPU.
    pub(super) idle: bool,
    /// Whether `log` is refused to everybody.
    pub(super) no_log: bool,
    pub(super) gateways: Vec<Gateway>,
    pub(super) heartbeat: Option<Duration>,
    pub(super) api_delay: Duration,
    pub(super) answers: HashMap<String, String>,
}

impl Shared {
    pub(super) fn new(config: Config) -> Self {
        let mut rng = Rng::with_seed(config.seed);
        let (life, world) = begin(&mut rng, &config.users);
        Self {
            fanout: Fanout::default(),
            heartbeat_changed: Notify::new(),
            life: Mutex::new(life),
            world: Mutex::new(world),
            users: Mutex::new(config.users.clone()),
            knobs: Mutex::new(Knobs {
                password: config.password.clone(),
                refusing: false,
                idle: true,
                no_log: false,
                gateways: Gateway::of_the_captures(),
                heartbeat: config.heartbeat,
                api_delay: Duration::ZERO,
                answers: HashMap::new(),
            }),
            journal: Mutex::default(),
            queues: Mutex::default(),
            rng: Mutex::new(rng),
            next_client: AtomicU64::new(1),
            changed: Notify::new(),
            config,
        }
    }

    /// Begins a new life: another Core-UUID, nobody registered.
    pub(super) fn reset(&self) {
        let (life, world) = begin(&mut lock(&self.rng), &self.config.users);
        *lock(&self.life) = life;
        *lock(&self.world) = world;
    }

    pub(super) fn identity(&self) -> Arc<Identity> {
        Arc::clone(&lock(&self.life).identity)
    }

    pub(super) fn uptime(&self) -> Duration {
        lock(&self.life).started.elapsed()
    }

    /// Microseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(super) fn users(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.users)
    }

    pub(super) fn esl_users(&self) -> &[EslUser] {
        &self.config.esl_users
    }

    pub(super) fn knobs(&self) -> MutexGuard<'_, Knobs> {
        lock(&self.knobs)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Vec<Received>> {
        lock(&self.journal)
    }

    pub(super) fn uuid(&self) -> String {
        random_uuid(&mut lock(&self.rng))
    }

    pub(super) fn next_client(&self) -> u64 {
        self.next_client.fetch_add(1, Relaxed)
    }

    pub(super) fn accepts(&self, password: &str) -> bool {
        self.knobs().password == password
    }

    /// The user of `user@domain:password` or `user:password@domain`, if that is right.
    pub(super) fn user(&self, credentials: &str) -> Option<&EslUser> {
        let (before, after) = credentials.split_once('@')?;
        let (name, password, domain) = match (before.split_once(':'), after.split_once(':')) {
            (Some((name, password)), None) => (name, password, after),
            (None, Some((domain, password))) => (before, password, domain),
            _ => return None,
        };
        let user = self.config.esl_users.iter().find(|user| user.name == name)?;
        let right = !password.is_empty() && user.password == password && domain == self.identity().domain;
        right.then_some(user)
    }

    /// The delay of api commands, and the answer that was set for this one.
    pub(super) fn api_override(&self, command: &str) -> (Duration, Option<String>) {
        let knobs = self.knobs();
        let verb = command.split(' ').next().unwrap_or_default();
        let answer = knobs.answers.get(command).or_else(|| knobs.answers.get(verb));
        (knobs.api_delay, answer.cloned())
    }

    /// Hangs up the call of a channel and sends its events.
    pub(super) fn hang_up(&self, uuid: &str, cause: &str) -> bool {
        let now = self.now();
        let mut effects = Effects::default();
        let found = self.world().hang_up(now, uuid, cause, &mut effects);
        self.publish(now, &effects);
        found
    }

    /// Sends events and log lines to whoever wants them. Gives how many events there were.
    pub(super) fn publish(&self, now: u64, effects: &Effects) -> usize {
        let idle = self.knobs().idle;
        effects.logs.iter().for_each(|log| self.fanout.log(now, log, idle));
        effects.events.iter().for_each(|event| {
            self.send(event);
        });
        effects.events.len()
    }

    /// Sends an event to whoever wants it; a hang-up ends connections that control the channel. Gives how many queues took it.
    pub(super) fn send(&self, event: &Event) -> usize {
        let taken = self.fanout.send(event);
        let view = event.view();
        if view.name() == b"CHANNEL_HANGUP" {
            let text = |name| view.header(name).map(|value| value.decoded()).unwrap_or_default();
            let (uuid, name) = (text("Unique-ID"), text("Channel-Name"));
            control::ended(self, &String::from_utf8_lossy(&uuid), &String::from_utf8_lossy(&name));
        }
        taken
    }

    pub(super) fn is_channel(&self, uuid: &str) -> bool {
        self.world().legs().any(|leg| leg.uuid == uuid)
    }

    pub(super) fn queues(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }

    /// Tells all that a gateway came or went.
    pub(super) fn gateway_changed(&self, subclass: &str, gateway: &Gateway) {
        let caller = ("sofia_reg.c", "sofia_reg_check_gateway", 343);
        let first = [("Event-Subclass", subclass)];
        let mut event = self.identity().compose(self.now(), &first, "CUSTOM", caller);
        event.header("profile-name", &gateway.profile).header("Gateway", &gateway.name);
        self.fanout.send(&event.finish(None));
    }

    /// Sends a log line to whoever wants it.
    pub(super) fn log(&self, line: &LogLine) {
        let (now, idle) = (self.now(), self.knobs().idle);
        self.fanout.log(now, line, idle);
    }

    pub(super) fn record(&self, client: u64, peer: SocketAddr, request: &Request) {
        let mut journal = self.journal();
        if journal.len() >= MOST_COMMANDS {
            journal.drain(..MOST_COMMANDS / 2);
        }
        journal.push(Received { client, peer, at: Instant::now(), request: request.clone() });
        drop(journal);
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until `condition` holds; gives whether it did in time.
    pub(super) async fn changed_until(&self, within: Duration, mut condition: impl FnMut() -> bool) -> bool {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if condition() {
                    return;
                }
                changed.await;
            }
        };
        timeout(within, wait).await.is_ok()
    }

    /// A HEARTBEAT to all.
    pub(super) fn beat(&self) {
        let now = self.now();
        let every = self.knobs().heartbeat.unwrap_or_default();
        let mut effects = Effects::default();
        self.world().heartbeat(now, self.uptime(), every, &mut effects);
        self.publish(now, &effects);
    }

    /// SHUTDOWN to all, then the notice, then the end.
    pub(super) fn say_shutdown(&self) {
        let mut effects = Effects::default();
        let now = self.now();
        self.world().shut_down(now, &mut effects);
        self.publish(now, &effects);
        let mut notice = Vec::new();
        reply::disconnect_notice(&mut notice, reply::SHUTDOWN);
        self.fanout.all().iter().for_each(|client| client.outbox.close(Pending::Send, &notice));
    }
}

fn begin(rng: &mut Rng, users: &BTreeSet<String>) -> (Life, World) {
    let identity = Arc::new(Identity::new(random_uuid(rng)));
    let mut world = World::new(Arc::clone(&identity), rng.u64(..));
    world.set_users(users.clone());
    (Life { identity, started: Instant::now() }, world)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panicked while it held a guard must not hide its own message behind another panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many commands are remembered; then the older half is forgotten.
const MOST_COMMANDS: usize = 65_536;
