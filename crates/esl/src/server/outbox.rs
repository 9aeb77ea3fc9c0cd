//! What waits to be written to one client: [`Outbox`].
//!
//! Replies overtake events, as in FreeSWITCH, and are never dropped; the session reads no further command while too
//! many of them wait. Events are bounded; what happens beyond the bound is [`Overflow`]'s to say. Pushing takes a
//! short lock and never waits.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, watch};

/// How many events may wait, and what happens to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Events that may wait.
    pub events: usize,
    /// Bytes of events that may wait; one event fits always.
    pub bytes: usize,
    /// What happens beyond that.
    pub overflow: Overflow,
}

impl Default for QueueLimits {
    /// FreeSWITCH's: 100,000 events of any size, and 500 misses.
    fn default() -> Self {
        Self { events: 100_000, bytes: usize::MAX, overflow: Overflow::Kill { misses: 500 } }
    }
}

/// What happens to an event for a full queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is dropped and counted; the client stays.
    Drop,
    /// It is dropped and counted. After more than this many in a row the client is cut off, in the middle of an event
    /// if need be, with the notice [`reply::KILLED_LISTENER`](crate::reply::KILLED_LISTENER).
    Kill {
        /// Misses in a row that are tolerated.
        misses: u64,
    },
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be written.
    Queued,
    /// The queue was full.
    Dropped,
    /// The connection is closed or closing.
    Gone,
}

/// What happens on closing to events that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// They are written first, if the client reads them in time.
    Send,
    /// They are dropped.
    Discard,
}

/// The state of one client's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Events that wait.
    pub queued: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// The most events that ever waited.
    pub high_water: usize,
    /// Events that were dropped because the queue was full.
    pub dropped: u64,
}

/// The way to one client. Clones lead to the same client.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Outbox {
    pub(super) fn new(limits: QueueLimits) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            limits,
            work: Notify::new(),
            room: Notify::new(),
            phase: watch::Sender::new(Phase::Open),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Queues a whole frame, or several, that must arrive: before any event that waits.
    pub fn reply(&self, frames: &[u8]) {
        if self.phase() == Phase::Open {
            self.queue().replies.extend_from_slice(frames);
            self.shared.work.notify_one();
        }
    }

    /// Queues an event: a whole frame, in the client's format.
    pub fn push(&self, event: Arc<[u8]>) -> Pushed {
        if self.phase() != Phase::Open {
            return Pushed::Gone;
        }
        let mut queue = self.queue();
        let full = queue.events.len() >= self.shared.limits.events
            || (!queue.events.is_empty() && queue.stats.bytes + event.len() > self.shared.limits.bytes);
        if full {
            queue.stats.dropped += 1;
            queue.misses += 1;
            let misses = queue.misses;
            if matches!(self.shared.limits.overflow, Overflow::Kill { misses: most } if misses > most) {
                queue.fate = Fate::Killed;
                self.advance(Phase::Killed);
            }
            return Pushed::Dropped;
        }
        queue.misses = 0;
        queue.stats.bytes += event.len();
        queue.events.push_back(event);
        queue.stats.high_water = queue.stats.high_water.max(queue.events.len());
        let wake = queue.events.len() == 1;
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
        Pushed::Queued
    }

    /// Waits until fewer than `events` events wait, or the connection is closed: for a source that can be slowed down.
    pub async fn room(&self, events: usize) {
        self.wait_until(|queue| queue.events.len() < events).await;
    }

    /// Waits until half of the queue is free, of its events as of its bytes, or the connection is closed.
    pub async fn half_free(&self) {
        let QueueLimits { events, bytes, .. } = self.shared.limits;
        self.wait_until(|queue| queue.events.len() <= events / 2 && queue.stats.bytes <= bytes / 2).await;
    }

    async fn wait_until(&self, enough: impl Fn(&Queue) -> bool) {
        let mut phase = self.watch();
        loop {
            let room = self.shared.room.notified();
            if enough(&self.queue()) || self.is_closed() {
                return;
            }
            tokio::select! {
                () = room => {}
                _ = phase.wait_for(|phase| *phase != Phase::Open) => return,
            }
        }
    }

    /// Drops the events that wait, as `noevents` does.
    pub fn discard_events(&self) {
        self.queue().clear_events();
        self.shared.room.notify_waiters();
    }

    /// Closes the connection after replies that wait and then `last`, whatever bytes that is.
    pub fn close(&self, pending: Pending, last: &[u8]) {
        let mut queue = self.queue();
        if self.phase() != Phase::Open {
            return;
        }
        if pending == Pending::Discard {
            queue.clear_events();
        }
        queue.last.extend_from_slice(last);
        drop(queue);
        self.advance(Phase::Closing);
        self.shared.work.notify_one();
    }

    /// Cuts off a client that does not read, as [`Overflow::Kill`] does.
    pub fn kill(&self) {
        self.queue().fate = Fate::Killed;
        self.advance(Phase::Killed);
    }

    /// Closes the connection at once, wherever the stream happens to be.
    pub fn abort(&self) {
        self.advance(Phase::Aborted);
    }

    /// Whether nothing more can be sent.
    pub fn is_closed(&self) -> bool {
        self.phase() != Phase::Open
    }

    /// The queue's figures.
    pub fn stats(&self) -> QueueStats {
        let queue = self.queue();
        QueueStats { queued: queue.events.len(), ..queue.stats }
    }

    pub(super) fn phase(&self) -> Phase {
        *self.shared.phase.borrow()
    }

    /// Why the connection ended, if not because somebody closed it; asked once.
    pub(super) fn fate(&self) -> Fate {
        std::mem::take(&mut self.queue().fate)
    }

    pub(super) fn failed(&self, error: io::Error) {
        self.queue().fate = Fate::Failed(error);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.shared.phase.subscribe()
    }

    /// A phase never goes back.
    pub(super) fn advance(&self, to: Phase) {
        self.shared.phase.send_if_modified(|phase| {
            let forward = *phase < to;
            if forward {
                *phase = to;
            }
            forward
        });
    }

    /// Waits until few replies are left to be written.
    pub(super) async fn room_for_replies(&self) {
        loop {
            let room = self.shared.room.notified();
            let waiting = {
                let queue = self.queue();
                queue.replies.len() + queue.writing
            };
            if waiting <= MOST_REPLY_BYTES {
                return;
            }
            room.await;
        }
    }

    /// Waits for something to write and moves it to `batch`, which is empty: what was in it is written. Gives false when the end is written too.
    pub(super) async fn take(&self, batch: &mut Vec<u8>) -> bool {
        loop {
            let work = self.shared.work.notified();
            {
                let mut queue = self.queue();
                if std::mem::take(&mut queue.writing) > 0 {
                    self.shared.room.notify_waiters();
                }
                if !queue.replies.is_empty() {
                    std::mem::swap(batch, &mut queue.replies);
                    queue.writing = batch.len();
                    return true;
                }
                queue.take_events(batch);
                if !batch.is_empty() {
                    self.shared.room.notify_waiters();
                    return true;
                }
                if !queue.last.is_empty() {
                    batch.append(&mut queue.last);
                    return true;
                }
                if self.phase() != Phase::Open {
                    return false;
                }
            }
            work.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every critical section leaves the queue whole, so a panic elsewhere does not spoil it.
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the life of a connection has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    /// The rest is being written.
    Closing,
    /// It did not read.
    Killed,
    /// To be dropped as it is.
    Aborted,
    /// Everything is written, or nothing more can be.
    Done,
}

/// What ended a connection.
#[derive(Debug, Default)]
pub(super) enum Fate {
    #[default]
    Closed,
    /// The client did not read.
    Killed,
    /// Writing failed.
    Failed(io::Error),
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    limits: QueueLimits,
    /// There is something to write.
    work: Notify,
    /// Replies or events were taken to be written.
    room: Notify,
    phase: watch::Sender<Phase>,
}

#[derive(Debug, Default)]
struct Queue {
    replies: Vec<u8>,
    /// Bytes of replies that the writer has taken and not yet written.
    writing: usize,
    events: VecDeque<Arc<[u8]>>,
    last: Vec<u8>,
    /// Drops since the last event that found room.
    misses: u64,
    fate: Fate,
    stats: QueueStats,
}

impl Queue {
    fn take_events(&mut self, batch: &mut Vec<u8>) {
        while batch.len() < BATCH {
            let Some(event) = self.events.pop_front() else {
                break;
            };
            self.stats.bytes -= event.len();
            batch.extend_from_slice(&event);
        }
        if self.events.is_empty() && self.events.capacity() > SMALL_QUEUE {
            self.events = VecDeque::new();
        }
    }

    fn clear_events(&mut self) {
        self.events = VecDeque::new();
        self.stats.bytes = 0;
    }
}

/// Events are written in pieces of about this size: one system call for many events.
const BATCH: usize = 64 * 1024;
/// Above this no further command is read until replies were written.
const MOST_REPLY_BYTES: usize = 1024 * 1024;
/// A queue that grew beyond this gives its memory back when it is empty.
const SMALL_QUEUE: usize = 1024;
