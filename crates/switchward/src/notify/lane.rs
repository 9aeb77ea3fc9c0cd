//! One target: its queue, its limit, its digest, and the task that sends.
//!
//! [`Lane::offer`] never waits: a message goes into the queue, or when there are too many into the digest. [`Lane::work`] sends
//! one after the other and tries again with growing waits; what it gives up becomes a dead letter. A lane lives as long as the
//! daemon, whatever its target's settings become.

use super::dead::{DeadLetter, DeadLetters};
use super::digest::Digest;
use super::kind::Kind;
use super::letter::Letter;
use super::wire::{Channel, Wire};
use crate::clock;
use crate::geo::Atlas;
use crate::news::Item;
use crate::outgoing::Failure;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// One target.
pub(super) struct Lane {
    pub(super) channel: Channel,
    /// How it is reached; none when it is off.
    wire: ArcSwapOption<Wire>,
    waiting: Mutex<Waiting>,
    /// Something waits.
    bell: Notify,
    /// The settings have changed, or the end has come.
    turn: watch::Sender<()>,
    is_ending: AtomicBool,
    pub(super) counts: Counts,
    pub(super) last: Mutex<Last>,
}

/// What was counted since the start.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) dead: AtomicU64,
    pub(super) suppressed: AtomicU64,
}

/// What happened last.
#[derive(Clone, Default)]
pub(super) struct Last {
    pub(super) sent: Option<guard::Time>,
    pub(super) failure: Option<(guard::Time, String)>,
}

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Arc<Letter>>,
    under_way: Option<Arc<Letter>>,
    digest: Option<(Digest, Instant)>,
    bucket: Bucket,
}

enum Next {
    Send(Arc<Letter>),
    Wait(Option<Instant>),
    End,
}

impl Lane {
    pub(super) fn new(channel: Channel) -> Lane {
        Lane {
            channel,
            wire: ArcSwapOption::empty(),
            waiting: Mutex::default(),
            bell: Notify::new(),
            turn: watch::Sender::new(()),
            is_ending: AtomicBool::new(false),
            counts: Counts::default(),
            last: Mutex::default(),
        }
    }

    /// How the target is reached, when it is on.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        self.wire.load_full()
    }

    /// Takes other settings over; what waits is sent with them.
    pub(super) fn set(&self, wire: Option<Arc<Wire>>) {
        self.wire.store(wire);
        self.turn.send_replace(());
    }

    /// Messages that wait, the one that is being tried included.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.letters.len() + usize::from(waiting.under_way.is_some())
    }

    /// Tells an item, or adds it to the digest. `letter` makes the message when it is wanted.
    pub(super) fn offer(
        &self,
        kind: Kind,
        item: &Item,
        atlas: &Atlas,
        letter: impl FnOnce() -> Option<Arc<Letter>>,
    ) {
        let Some(wire) = self.wire.load_full().filter(|wire| wire.events.contains(&kind)) else { return };
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        if waiting.letters.len() < MOST_WAITING && waiting.bucket.take(wire.per_minute, kind.is_urgent(), now)
        {
            waiting.letters.extend(letter());
        } else {
            self.counts.suppressed.fetch_add(1, Relaxed);
            waiting.digest(now + wire.digest_interval).add(kind, item, atlas);
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// Items went by unseen.
    pub(super) fn missed(&self, count: u64) {
        let Some(wire) = self.wire.load_full() else { return };
        self.waiting.lock().digest(Instant::now() + wire.digest_interval).miss(count, clock::now());
        self.bell.notify_one();
    }

    /// Sends what comes until [`Lane::end`].
    pub(super) async fn work(&self, host: &str, dead: &DeadLetters) {
        let mut turn = self.turn.subscribe();
        loop {
            match self.next() {
                Next::Send(letter) => {
                    self.deliver(&letter, host, dead, &mut turn).await;
                    self.waiting.lock().under_way = None;
                }
                Next::Wait(until) => {
                    let due = async {
                        match until {
                            Some(until) => sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = self.bell.notified() => {}
                        _ = turn.changed() => {}
                        () = due => {}
                    }
                }
                Next::End => return,
            }
        }
    }

    /// No more comes: what waits is sent at once, and then [`Lane::work`] returns.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Relaxed);
        self.turn.send_replace(());
    }

    /// Keeps what could not be sent before the end. [`Lane::work`] must not run any more.
    pub(super) async fn bury(&self, host: &str, dead: &DeadLetters) {
        let left: Vec<Arc<Letter>> = {
            let mut waiting = self.waiting.lock();
            let digest = waiting.digest.take().map(|(digest, _)| Arc::new(digest.letter()));
            let first = waiting.under_way.take();
            first.into_iter().chain(std::mem::take(&mut waiting.letters)).chain(digest).collect()
        };
        for letter in left {
            self.give_up(&letter, 0, "the daemon ended before it was sent", host, dead).await;
        }
    }

    fn next(&self) -> Next {
        let is_ending = self.is_ending.load(Relaxed);
        let mut waiting = self.waiting.lock();
        let is_due = |due: &Instant| is_ending || *due <= Instant::now();
        if waiting.letters.is_empty()
            && let Some((digest, _)) = waiting.digest.take_if(|(_, due)| is_due(due))
        {
            waiting.letters.push_back(Arc::new(digest.letter()));
        }
        if let Some(letter) = waiting.letters.pop_front() {
            waiting.under_way = Some(letter.clone());
            return Next::Send(letter);
        }
        match (&waiting.digest, is_ending) {
            (None, true) => Next::End,
            (digest, _) => Next::Wait(digest.as_ref().map(|(_, due)| *due)),
        }
    }

    /// Tries until it is sent or given up.
    async fn deliver(&self, letter: &Letter, host: &str, dead: &DeadLetters, turn: &mut watch::Receiver<()>) {
        let mut tried = 0;
        let mut total = 0;
        loop {
            turn.mark_unchanged();
            let Some(wire) = self.wire.load_full() else {
                return self.give_up(letter, total, "the target was switched off", host, dead).await;
            };
            if total > 0 {
                self.counts.retried.fetch_add(1, Relaxed);
            }
            (tried, total) = (tried + 1, total + 1);
            let Err(failure) = self.attempt(&wire, letter, host).await else { return };
            tracing::debug!(
                target = self.channel.word(),
                reason = failure.why,
                tried,
                "a notification was not taken"
            );
            if !failure.again || tried >= wire.attempts || self.is_ending.load(Relaxed) {
                return self.give_up(letter, total, &failure.why, host, dead).await;
            }
            let until = Instant::now() + pause(wire.retry_wait, tried, failure.after);
            tokio::select! {
                () = sleep_until(until) => {}
                _ = turn.changed() => tried = 0,
            }
        }
    }

    /// One try.
    pub(super) async fn attempt(&self, wire: &Wire, letter: &Letter, host: &str) -> Result<(), Failure> {
        let sent = tokio::time::timeout(wire.timeout, wire.send(letter, host)).await;
        let sent = sent.unwrap_or_else(|_| Err(Failure::passing("no answer in time")));
        let mut last = self.last.lock();
        match &sent {
            Ok(()) => {
                self.counts.sent.fetch_add(1, Relaxed);
                last.sent = Some(clock::now());
            }
            Err(failure) => {
                self.counts.failed.fetch_add(1, Relaxed);
                last.failure = Some((clock::now(), failure.why.clone()));
            }
        }
        sent
    }

    async fn give_up(&self, letter: &Letter, attempts: u32, reason: &str, host: &str, dead: &DeadLetters) {
        self.counts.dead.fetch_add(1, Relaxed);
        let target = self.channel.word();
        tracing::error!(
            target,
            attempts,
            reason,
            "a notification was given up; GET /security/notifications shows it"
        );
        let text =
            self.wire().map_or_else(|| letter.title.clone(), |wire| wire.text(letter, host, str::to_owned));
        let letter = DeadLetter {
            at: clock::rfc3339(Some(clock::now())),
            target: target.into(),
            id: letter.id.clone(),
            event: letter.text.word().into(),
            title: letter.title.clone(),
            text,
            attempts,
            reason: reason.into(),
        };
        dead.keep(letter).await;
    }
}

impl Waiting {
    fn digest(&mut self, due: Instant) -> &mut Digest {
        &mut self.digest.get_or_insert_with(|| (Digest::default(), due)).0
    }
}

/// Tokens for messages: as many as a minute may have, filled up evenly.
#[derive(Default)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    /// Takes a token; what is not urgent leaves a quarter for what is.
    fn take(&mut self, per_minute: u32, is_urgent: bool, now: Instant) -> bool {
        let most = f64::from(per_minute);
        self.tokens = match self.filled.replace(now) {
            Some(before) => (self.tokens + (now - before).as_secs_f64() * most / 60.0).min(most),
            None => most,
        };
        let kept = if is_urgent { 0 } else { per_minute / 4 };
        let is_there = self.tokens >= f64::from(kept) + 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

/// The wait after the `tried`-th failure: it doubles up to a minute, give or take a quarter, and is never shorter than the
/// receiver wants.
fn pause(first: Duration, tried: u32, after: Option<Duration>) -> Duration {
    let doubled = first.saturating_mul(1 << tried.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let mut random = [0_u8; 2];
    // Without a random number all wait alike, which is no harm for one daemon.
    _ = getrandom::fill(&mut random);
    let share = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    doubled.mul_f64(0.75 + share / 2.0).max(after.unwrap_or_default())
}

/// Messages that may wait for a target.
const MOST_WAITING: usize = 256;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_minutes_worth_through_and_keeps_a_quarter_for_alarms() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let taken = |bucket: &mut Bucket, is_urgent, now| {
            (0..100).filter(|_| bucket.take(12, is_urgent, now)).count()
        };
        assert_eq!(taken(&mut bucket, false, start), 9);
        assert_eq!(taken(&mut bucket, true, start), 3);
        let later = start + Duration::from_secs(30);
        assert_eq!(taken(&mut bucket, true, later), 6);
        assert_eq!(taken(&mut bucket, false, later + Duration::from_secs(3600)), 9);
        let mut single = Bucket::default();
        assert_eq!((0..100).filter(|_| single.take(1, false, start)).count(), 1);
    }

    #[test]
    fn waits_double_up_to_a_minute_and_heed_the_receiver() {
        let first = Duration::from_secs(1);
        for (tried, least, most) in [(1, 0.75, 1.25), (2, 1.5, 2.5), (4, 6.0, 10.0), (99, 45.0, 75.0)] {
            for _ in 0..50 {
                let wait = pause(first, tried, None).as_secs_f64();
                assert!((least..=most).contains(&wait), "{tried}: {wait}");
            }
        }
        assert_eq!(pause(first, 1, Some(Duration::from_secs(300))), Duration::from_secs(300));
    }
}
