//! All events and log lines over one connection, for many followers: [`Hub`].
//!
//! The connection is subscribed to what its followers want together, to HEARTBEAT and, while anybody follows or wants to know whose channel is
//! which ([`Hub::know_owners`]), to what [`Owners`] needs. While nobody does, a flood of calls costs the switch and us nothing here. Each follower gives a [`Sink`] that is called in the reading task and never waits, so the switch, which ends listeners that
//! lag, always finds a reader. When the connection is lost it comes back by itself; what happened in between is lost, nobody can say how
//! much, and followers are told.

use super::{
    Counts, Owners,
    commands::{self, Commands},
    link::{Board, Link},
};
use esl::{
    Command, Disconnect, Format, Frame, FrameKind, Subscription,
    client::{Backoff, Config, Connection},
};
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

mod happening;
mod wants;

pub use happening::{Happening, LogLine};
pub use wants::{NAMES, Wants};

/// Takes what a follower wants. It is called in the task that reads from the switch: it must not wait, and be quick.
pub trait Sink: Send + Sync {
    /// An event.
    fn event(&self, event: &Arc<Happening>);
    /// A line of the log.
    fn log(&self, line: &LogLine);
    /// The connection is there (again), subscribed, or is lost. Between the two events are missing, nobody knows how many.
    fn state(&self, link: &Link);
}

/// See the module.
pub struct Hub {
    followers: RwLock<Arc<[Follower]>>,
    wanted: Mutex<Wanted>,
    changed: Notify,
    /// The version of what is wanted that the connection is subscribed to; 0 without a connection.
    settled: watch::Sender<u64>,
    board: Board,
    events: AtomicU64,
    log_lines: AtomicU64,
    gaps: AtomicU64,
}

#[derive(Clone)]
struct Follower {
    id: u64,
    wants: Arc<Wants>,
    sink: Arc<dyn Sink>,
}

/// What all followers want together.
#[derive(Debug)]
struct Wanted {
    wants: Wants,
    /// Whose channel is which is to be known without a follower, too.
    owners: bool,
    version: u64,
    next_id: u64,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("board", &self.board).finish_non_exhaustive()
    }
}

/// Somebody follows, until this is dropped.
#[derive(Debug)]
pub struct Following {
    hub: Arc<Hub>,
    id: u64,
}

impl Hub {
    pub(super) fn new() -> Hub {
        Hub {
            followers: RwLock::new(Arc::from([])),
            wanted: Mutex::new(Wanted { wants: base(false), owners: false, version: 1, next_id: 1 }),
            changed: Notify::new(),
            settled: watch::Sender::new(0),
            board: Board::new("events"),
            events: AtomicU64::new(0),
            log_lines: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
        }
    }

    /// Begins to follow. See [`Following::settled`] for when it takes effect.
    pub fn follow(self: &Arc<Hub>, wants: Wants, sink: Arc<dyn Sink>) -> Following {
        let mut wanted = self.wanted();
        let id = wanted.next_id;
        wanted.next_id += 1;
        self.replace(&mut wanted, |followers| followers.push(Follower { id, wants: Arc::new(wants), sink }));
        Following { hub: Arc::clone(self), id }
    }

    /// Whose channel is which is to be known from now on even while nobody follows, or no longer.
    pub fn know_owners(&self, wanted: bool) {
        let mut all = self.wanted();
        if all.owners != wanted {
            all.owners = wanted;
            self.replace(&mut all, |_| {});
        }
    }

    /// Whether the connection is there.
    pub fn link(&self) -> Link {
        self.board.link()
    }

    pub(super) fn count(&self, counts: &mut Counts) {
        counts.events = self.events.load(Relaxed);
        counts.log_lines = self.log_lines.load(Relaxed);
        counts.gaps = self.gaps.load(Relaxed);
        counts.followers = self.followers().len();
    }

    /// Changes who follows, and what they want together.
    fn replace(&self, wanted: &mut Wanted, change: impl FnOnce(&mut Vec<Follower>)) {
        let mut followers = self.followers().to_vec();
        change(&mut followers);
        let mut union = base(!followers.is_empty() || wanted.owners);
        followers.iter().for_each(|follower| union.unite(&follower.wants));
        *self.followers.write().unwrap_or_else(PoisonError::into_inner) = followers.into();
        if union != wanted.wants {
            wanted.wants = union;
            wanted.version += 1;
            self.changed.notify_one();
        }
    }

    fn followers(&self) -> Arc<[Follower]> {
        Arc::clone(&self.followers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, frame: &Frame<'_>, owners: &Owners) {
        let Some(Ok(event)) = frame.event() else { return };
        self.events.fetch_add(1, Relaxed);
        let bit = wants::bit_of(event.name());
        let followers = self.followers();
        // When not all that owners need comes, nothing of it counts.
        let is_for_owners = bit & owners_need() != 0 && (!followers.is_empty() || self.wanted().owners);
        let is_last = is_for_owners && event.name() == b"CHANNEL_DESTROY";
        if is_for_owners && !is_last {
            owners.observe(&event);
        }
        let subclass = if bit == wants::CUSTOM { event.subclass() } else { None };
        let subclass = subclass.as_ref().map(esl::Value::decoded);
        let mut happening = None;
        for follower in followers.iter() {
            if follower.wants.takes_bit(bit, subclass.as_deref()) {
                if happening.is_none() {
                    happening = Happening::from_plain(frame.body()).map(Arc::new);
                }
                if let Some(happening) = &happening {
                    follower.sink.event(happening);
                }
            }
        }
        // Until here the channel is still somebody's.
        if is_last {
            owners.observe(&event);
        }
    }

    fn log(&self, frame: &Frame<'_>) {
        self.log_lines.fetch_add(1, Relaxed);
        let line = LogLine::new(frame);
        for follower in self.followers().iter() {
            if follower.wants.log().is_some_and(|level| line.level() <= level) {
                follower.sink.log(&line);
            }
        }
    }

    fn tell_state(&self) {
        let link = self.link();
        self.followers().iter().for_each(|follower| follower.sink.state(&link));
    }
}

impl Following {
    /// Changes what is wanted.
    pub fn change(&self, wants: Wants) {
        let mut wanted = self.hub.wanted();
        let id = self.id;
        self.hub.replace(&mut wanted, |followers| {
            if let Some(follower) = followers.iter_mut().find(|follower| follower.id == id) {
                follower.wants = Arc::new(wants);
            }
        });
    }

    /// Waits until the switch has taken what is wanted now, and gives true; false when there is no connection: then it will be wanted as soon as
    /// there is one.
    pub async fn settled(&self) -> bool {
        let version = self.hub.wanted().version;
        let mut settled = self.hub.settled.subscribe();
        let mut link = self.hub.board.watch();
        tokio::select! {
            biased;
            done = settled.wait_for(|settled| *settled >= version) => done.is_ok(),
            _ = link.wait_for(Link::is_down) => false,
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut wanted = self.hub.wanted();
        let id = self.id;
        self.hub.replace(&mut wanted, |followers| followers.retain(|follower| follower.id != id));
    }
}

/// Connects, reads, connects again. Never returns.
pub(super) async fn run(hub: Arc<Hub>, config: Config, owners: Arc<Owners>, commands: Arc<Commands>) {
    let mut backoff = Backoff::new(config.backoff_base, config.backoff_cap);
    let mut silence = config.silence_limit;
    loop {
        let why = match Connection::open_without_events(&config).await {
            Ok(mut connection) => {
                backoff.connected(Instant::now().into_std());
                commands.look();
                let why = match receive(&hub, &mut connection, &owners, silence).await {
                    Ok(never) => match never {},
                    Err(why) => why,
                };
                hub.gaps.fetch_add(1, Relaxed);
                why
            }
            Err(why) => why,
        };
        if let Disconnect::Silent(limit) = why {
            silence = Some((limit * 2).min(LONGEST_SILENCE.max(limit)));
        }
        owners.forget_all();
        hub.settled.send_replace(0);
        hub.board.down(&why);
        hub.tell_state();
        commands.doubt();
        sleep(backoff.lost(Instant::now().into_std(), commands::fraction())).await;
    }
}

enum Never {}

/// Reads until the connection ends, and keeps its subscription what is wanted.
async fn receive(
    hub: &Hub,
    connection: &mut Connection,
    owners: &Owners,
    silence: Option<Duration>,
) -> Result<Never, Disconnect> {
    let mut subscribed = wants::Subscribed::default();
    let mut asked = 0;
    let mut replies = VecDeque::new();
    loop {
        while let Some(frame) = connection.next()? {
            match frame.kind() {
                FrameKind::Event(_) => hub.event(&frame, owners),
                FrameKind::LogData => hub.log(&frame),
                FrameKind::CommandReply => {
                    let text = commands::text(frame.reply_text());
                    settle(connection, &mut replies, &text)?;
                }
                _ => {}
            }
        }
        if asked != 0 && replies.is_empty() && *hub.settled.borrow() != asked {
            hub.settled.send_replace(asked);
            if hub.board.up() {
                hub.tell_state();
            }
        }
        let (version, wanted, knows) = {
            let wanted = hub.wanted();
            (wanted.version, (wanted.version != asked).then(|| wanted.wants.clone()), wanted.owners)
        };
        if let Some(wanted) = wanted {
            if !knows && hub.followers().is_empty() {
                owners.forget_all();
            }
            queue(connection, subscribed.follow(&wanted), &mut replies)?;
            asked = version;
            if replies.is_empty() {
                continue;
            }
        }
        tokio::select! {
            biased;
            read = within(silence, connection.turn()) => { read?; }
            () = hub.changed.notified() => {}
        }
    }
}

/// A reply that has not come; an `event` is kept until it was taken.
type Pending = Option<Subscription>;

fn queue(
    connection: &mut Connection,
    change: wants::Change,
    replies: &mut VecDeque<Pending>,
) -> Result<(), Disconnect> {
    for list in change.add.into_iter().flat_map(parts) {
        connection.queue(Command::Event(&list))?;
        replies.push_back(Some(list));
    }
    for list in change.remove.into_iter().flat_map(parts) {
        connection.queue(Command::NixEvent(&list))?;
        replies.push_back(None);
    }
    if let Some(level) = change.log {
        connection.queue(level.map_or(Command::NoLog, Command::Log))?;
        replies.push_back(None);
    }
    Ok(())
}

/// The same in lists that are not too long for one command, however much followers want together.
fn parts(list: Subscription) -> Vec<Subscription> {
    if list.subclasses().len() <= SUBCLASSES_AT_ONCE {
        return vec![list];
    }
    // The names of events go with the first.
    let mut part = list.events().iter().fold(Subscription::new(Format::Plain), Subscription::event);
    let chunks = list.subclasses().chunks(SUBCLASSES_AT_ONCE);
    chunks.map(|chunk| chunk.iter().fold(std::mem::take(&mut part), Subscription::custom)).collect()
}

/// A user whom we are at the switch may be allowed some events only: one that is refused takes the rest of its command with it, so they are
/// asked for one by one. What is still refused is told, and the rest goes on.
fn settle(
    connection: &mut Connection,
    replies: &mut VecDeque<Pending>,
    text: &str,
) -> Result<(), Disconnect> {
    let Some(pending) = replies.pop_front() else {
        return Err(Disconnect::Protocol(format!("a reply to nothing: {text}")));
    };
    if text.starts_with("+OK") {
        return Ok(());
    }
    let Some(list) = pending else {
        tracing::warn!(reply = text, "the switch refuses us its log, or refuses to send less");
        return Ok(());
    };
    let single = Subscription::new(Format::Plain);
    let names = list.events().iter().filter(|name| *name != "CUSTOM").map(|name| single.clone().event(name));
    let subclasses = list.subclasses().iter().map(|subclass| single.clone().custom(subclass));
    let parts: Vec<_> = names.chain(subclasses).collect();
    if parts.len() < 2 {
        tracing::warn!(reply = text, events = ?list.events(), subclasses = ?list.subclasses(), "the switch does not permit us these");
        return Ok(());
    }
    for part in parts {
        connection.queue(Command::Event(&part))?;
        replies.push_back(Some(part));
    }
    Ok(())
}

async fn within<T>(
    limit: Option<Duration>,
    turn: impl Future<Output = Result<T, Disconnect>>,
) -> Result<T, Disconnect> {
    match limit {
        Some(limit) => timeout(limit, turn).await.unwrap_or(Err(Disconnect::Silent(limit))),
        None => turn.await,
    }
}

/// What is wanted beside what followers want: a sign of life, and while there are any what tells whose channel is which.
fn base(is_followed: bool) -> Wants {
    let mut wants = Wants::nothing();
    wants.add("HEARTBEAT");
    for name in OWNERS_NEED.into_iter().filter(|_| is_followed) {
        wants.add(name);
    }
    wants
}

/// What tells whose channel is which.
const OWNERS_NEED: [&str; 3] = ["CHANNEL_CREATE", "CHANNEL_DESTROY", "CHANNEL_UUID"];

fn owners_need() -> u128 {
    static BITS: std::sync::LazyLock<u128> = std::sync::LazyLock::new(|| {
        OWNERS_NEED.map(|name| wants::bit_of(name.as_bytes())).iter().fold(0, |all, bit| all | bit)
    });
    *BITS
}

/// Subclasses in one command.
const SUBCLASSES_AT_ONCE: usize = 64;
/// A connection that is given up for silence waits twice as long the next time, up to this.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);
