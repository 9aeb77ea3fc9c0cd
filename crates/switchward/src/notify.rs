//! Telling others: alarms, alerts and chosen verdicts to a webhook, a chat, e-mail or syslog.
//!
//! [`Notifier`] has one lane for each kind of target. One task follows the news and offers each item to every lane, which never
//! waits; each lane has a task of its own, so a dead receiver holds nobody up. What exceeds a target's limit is counted and told
//! in a digest; what cannot be delivered is kept as a dead letter. A changed configuration takes effect at once
//! ([`Notifier::apply`]). Nothing here decides anything about a ban.

use crate::app::App;
use crate::config::{Config, Notify};
use crate::geo::{Atlas, Geo};
use crate::news::{Follower, Item, Missed};
use crate::outgoing::Failure;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

mod chat;
mod dead;
mod digest;
mod kind;
mod lane;
mod letter;
mod mail;
mod syslog;
mod template;
mod webhook;
mod wire;

pub use dead::DeadLetter;
pub use kind::{Kind, Severity};
pub use syslog::SyslogAddress;
pub use template::{Template, Text};
pub use wire::Channel;

use dead::DeadLetters;
use lane::Lane;
use letter::Letter;

/// All targets.
pub struct Notifier {
    lanes: [Arc<Lane>; Channel::ALL.len()],
    dead: DeadLetters,
    /// This machine's name.
    host: String,
    /// The settings in force.
    applied: Mutex<Option<Notify>>,
}

/// A target and its figures since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStats {
    /// Which.
    pub channel: Channel,
    /// Whether it is configured.
    pub is_on: bool,
    /// Where it goes, without a secret; empty when it is off.
    pub place: String,
    /// What it is told.
    pub events: Vec<Kind>,
    /// Messages that were taken.
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Tries after a failure.
    pub retried: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Events that were told in a digest alone.
    pub suppressed: u64,
    /// Messages that wait.
    pub waiting: usize,
    /// When the last message was taken.
    pub last_sent: Option<guard::Time>,
    /// When and why the last try failed.
    pub last_failure: Option<(guard::Time, String)>,
}

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The target.
    pub channel: Channel,
    /// What became of it.
    pub result: Result<(), Failure>,
    /// How long it took.
    pub took: Duration,
}

impl Default for Notifier {
    fn default() -> Notifier {
        Notifier {
            lanes: Channel::ALL.map(|channel| Arc::new(Lane::new(channel))),
            dead: DeadLetters::default(),
            host: host(),
            applied: Mutex::default(),
        }
    }
}

impl Notifier {
    /// Takes a configuration over, at the start and at a reload. Reads the system's certificates when something has changed.
    pub fn apply(&self, config: &Config) {
        let mut applied = self.applied.lock();
        if applied.as_ref() == Some(&config.notify) {
            return;
        }
        let mut made = wire::wires(&config.notify);
        for lane in &self.lanes {
            let found = made.iter().position(|(channel, _)| *channel == lane.channel);
            match found.map(|at| made.swap_remove(at).1) {
                Some(Ok(wire)) => lane.set(Some(Arc::new(wire))),
                Some(Err(reason)) => {
                    tracing::error!(
                        target = lane.channel.word(),
                        reason,
                        "a target of notifications cannot be used"
                    );
                    lane.set(None);
                }
                None => lane.set(None),
            }
        }
        *applied = Some(config.notify.clone());
    }

    /// Follows the news from now on; `dead_letters` is the file for what could not be delivered.
    pub fn start(app: &Arc<App>, dead_letters: Option<PathBuf>) -> Notifying {
        let notifier = app.notifier.clone();
        if let Some(file) = dead_letters {
            notifier.dead.open(file);
        }
        let mut workers = JoinSet::new();
        for lane in &notifier.lanes {
            let (lane, host, dead) = (lane.clone(), notifier.host.clone(), notifier.dead.clone());
            workers.spawn(async move { lane.work(&host, &dead).await });
        }
        let (stop, stopped) = oneshot::channel();
        let follower = app.mirror.news().follow();
        let following = tokio::spawn(follow(notifier.clone(), app.geo.clone(), follower, stopped));
        Notifying { notifier, stop, following, workers }
    }

    /// The figures of every target.
    pub fn stats(&self) -> Vec<TargetStats> {
        let of = |lane: &Arc<Lane>| {
            let (wire, last, counts) = (lane.wire(), lane.last.lock().clone(), &lane.counts);
            TargetStats {
                channel: lane.channel,
                is_on: wire.is_some(),
                place: wire.as_ref().map(|wire| wire.place.clone()).unwrap_or_default(),
                events: wire.map(|wire| wire.events.clone()).unwrap_or_default(),
                sent: counts.sent.load(Relaxed),
                failed: counts.failed.load(Relaxed),
                retried: counts.retried.load(Relaxed),
                dead: counts.dead.load(Relaxed),
                suppressed: counts.suppressed.load(Relaxed),
                waiting: lane.waiting(),
                last_sent: last.sent,
                last_failure: last.failure,
            }
        };
        self.lanes.iter().map(of).collect()
    }

    /// The newest messages that were given up, the newest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.dead.newest()
    }

    /// Sends a test message, once, to one target or to all that are on; the targets that are off are not in the answer.
    pub async fn test(&self, only: Option<Channel>) -> Vec<Tested> {
        let mut tests = JoinSet::new();
        for lane in self.lanes.iter().filter(|lane| only.is_none_or(|only| lane.channel == only)).cloned() {
            let Some(wire) = lane.wire() else { continue };
            let host = self.host.clone();
            tests.spawn(async move {
                let begun = Instant::now();
                let result = lane.attempt(&wire, &Letter::test(lane.channel.word()), &host).await;
                Tested { channel: lane.channel, result, took: begun.elapsed() }
            });
        }
        let mut done = tests.join_all().await;
        done.sort_by_key(|tested| Channel::ALL.iter().position(|channel| *channel == tested.channel));
        done
    }

    fn offer(&self, item: &Item, atlas: &Atlas) {
        let Some(kind) = Kind::of_event(&item.event) else { return };
        // Made once, and only when somebody has room for it.
        let letter: OnceLock<Option<Arc<Letter>>> = OnceLock::new();
        for lane in &self.lanes {
            lane.offer(kind, item, atlas, || {
                letter.get_or_init(|| Letter::of(item, atlas).map(Arc::new)).clone()
            });
        }
    }

    fn heard(&self, heard: Result<Arc<Item>, Missed>, geo: &Geo) {
        match heard {
            Ok(item) => self.offer(&item, &geo.atlas()),
            Err(Missed(count)) => self.lanes.iter().for_each(|lane| lane.missed(count)),
        }
    }
}

/// Offers what happens to every lane.
async fn follow(
    notifier: Arc<Notifier>,
    geo: Arc<Geo>,
    mut follower: Follower,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        for _ in 0..AT_ONCE {
            tokio::select! {
                biased;
                heard = follower.next() => notifier.heard(heard, &geo),
                _ = &mut stopped => return,
            }
        }
        // Others of this thread want to run in a storm, too.
        tokio::task::yield_now().await;
    }
}

/// A notifier at work.
pub struct Notifying {
    notifier: Arc<Notifier>,
    stop: oneshot::Sender<()>,
    following: JoinHandle<()>,
    workers: JoinSet<()>,
}

impl Notifying {
    /// Ends: what waits is tried once more, and kept as dead letters when that takes longer than `within`.
    pub async fn stop(self, within: Duration) {
        let Notifying { notifier, stop, following, mut workers } = self;
        // What happened until now is offered still.
        _ = stop.send(());
        _ = following.await;
        notifier.lanes.iter().for_each(|lane| lane.end());
        let ended = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout(within, ended).await.is_err() {
            tracing::warn!("stopped before all notifications were sent; they are kept as dead letters");
        }
        workers.shutdown().await;
        for lane in &notifier.lanes {
            lane.bury(&notifier.host, &notifier.dead).await;
        }
    }
}

/// This machine's name.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = crate::outgoing::one_line(&name, 64);
    if name.is_empty() { "localhost".into() } else { name }
}

/// Where dead letters are kept: beside the store.
pub fn dead_letter_file(store: &std::path::Path) -> PathBuf {
    store.with_file_name("dead-letters.jsonl")
}

/// Items between two pauses.
const AT_ONCE: usize = 256;
