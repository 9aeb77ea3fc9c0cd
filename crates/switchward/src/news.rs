//! The news: what happens, in order, for all who follow: the live stream, notifications, reports to others.
//!
//! [`News::tell`] never waits: the newest [`KEPT`] items stand in one ring, and each [`Follower`] reads from it at its own
//! pace. One that falls behind by more than the ring holds is told how much it [`Missed`]; it never slows anybody. Whoever must
//! not miss anything (the kernel, the store) is told by the ledger itself (`mirror`), not here.

use crate::clock;
use guard::{Alert, Allowed, Ban, Origin, Source, Time};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A ban was made, extended or widened, by the guard or by order.
    Banned(Arc<Ban>),
    /// A ban was lifted, by whom.
    Lifted(Arc<Ban>, Origin),
    /// A ban ran out.
    Expired(Arc<Ban>),
    /// An allow entry was made.
    Allowed(Arc<Allowed>),
    /// An allow entry was removed, by whom; `None` when it ran out.
    Disallowed(Arc<Allowed>, Option<Origin>),
    /// A ban that would have been made if bans were enforced; the switch that saw the last strike is in its reason.
    WouldBan(Arc<Ban>),
    /// A call is being ended.
    HangUp {
        /// Name of the switch.
        switch: String,
        /// Where the call came from.
        source: Source,
        /// Why, in one sentence.
        why: String,
    },
    /// The guard has something for a person.
    Alert {
        /// Name of the switch.
        switch: String,
        /// What.
        alert: Alert,
    },
    /// A switch's connection was made or broke.
    Switch {
        /// Name of the switch.
        switch: String,
        /// Whether its events are being read now.
        connected: bool,
        /// Why not, with the mend; empty when connected.
        trouble: String,
    },
    /// An alarm was raised or is over.
    Alarm(Arc<Alarm>),
}

/// A state of the daemon that a person should mend.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Which: "silence", "kernel-differs"; one word of the documentation.
    pub name: &'static str,
    /// About what: a switch's name, a rule's; empty when it is the daemon itself.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it is on; false tells that it is over.
    pub raised: bool,
    /// Since when.
    pub since: Time,
    /// What is wrong and what to do.
    pub text: String,
}

/// How bad an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at soon.
    Warning,
    /// Somebody is not guarded, or will not be: to be mended now.
    Critical,
}

impl Severity {
    /// The word for it, as in logs and answers.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// An event with its place in the order.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Grows by one; a daemon begins with the microseconds since 1970 of its start, so that the numbers of an earlier run are
    /// lower.
    pub number: u64,
    /// When it was told.
    pub at: Time,
    /// What happened.
    pub event: Event,
    /// Whether the daemon is on a dry run: a ban stands in the ledger and drops nothing.
    pub dry_run: bool,
}

/// A follower fell behind: so many items are gone. It goes on with the oldest that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} items were missed")]
pub struct Missed(pub u64);

/// The newest items, and a sign that there are more.
pub struct News {
    ring: Mutex<VecDeque<Arc<Item>>>,
    /// The first number of this run.
    begun: u64,
    /// Whether this is a dry run.
    dry_run: bool,
    /// The number that the next item gets. Sent while the ring is locked.
    next: watch::Sender<u64>,
}

/// Items that are kept.
pub const KEPT: usize = 16_384;

impl News {
    /// No news yet. On a dry run every item says so.
    pub fn new(dry_run: bool) -> News {
        let begun = clock::now().micros();
        News { ring: Mutex::default(), begun, dry_run, next: watch::Sender::new(begun) }
    }

    /// Tells an event to all who follow.
    pub fn tell(&self, event: Event) {
        let at = clock::now();
        let mut ring = self.ring.lock();
        if ring.len() == KEPT {
            ring.pop_front();
        }
        let number = *self.next.borrow();
        ring.push_back(Arc::new(Item { number, at, event, dry_run: self.dry_run }));
        self.next.send_replace(number + 1);
    }

    /// Follows from now on.
    pub fn follow(self: &Arc<News>) -> Follower {
        let coming = self.next.subscribe();
        let next = *coming.borrow();
        Follower { news: self.clone(), next, coming }
    }

    /// Follows from the item after `number` on, which may be gone already.
    pub fn follow_after(self: &Arc<News>, number: u64) -> Follower {
        let follower = self.follow();
        // A number that was never given, by another machine's daemon perhaps, is no place to go on from.
        Follower { next: number.saturating_add(1).min(follower.next), ..follower }
    }

    /// Whether a number is of an earlier run of the daemon.
    pub fn is_of_earlier_run(&self, number: u64) -> bool {
        // A follower from the very start stands before the first number.
        number.saturating_add(1) < self.begun
    }

    /// How many items there were since the start.
    pub fn told(&self) -> u64 {
        *self.next.borrow() - self.begun
    }

    /// The number that the next item gets; it changes with every item.
    pub fn next_number(&self) -> u64 {
        *self.next.borrow()
    }

    /// The newest items, the newest last; at most `most`.
    pub fn latest(&self, most: usize) -> Vec<Arc<Item>> {
        let ring = self.ring.lock();
        ring.iter().skip(ring.len().saturating_sub(most)).cloned().collect()
    }
}

/// Someone who reads the news.
pub struct Follower {
    news: Arc<News>,
    next: u64,
    coming: watch::Receiver<u64>,
}

impl Follower {
    /// The next item, as soon as there is one. May be cancelled.
    ///
    /// # Errors
    /// When items were missed; the next call goes on behind the gap.
    pub async fn next(&mut self) -> Result<Arc<Item>, Missed> {
        loop {
            if let Some(item) = self.ready()? {
                return Ok(item);
            }
            let next = self.next;
            // The sender lives in `news`, which is ours: this cannot fail.
            _ = self.coming.wait_for(|coming| *coming > next).await;
        }
    }

    /// The next item, if there is one already.
    ///
    /// # Errors
    /// When items were missed; the next call goes on behind the gap.
    pub fn ready(&mut self) -> Result<Option<Arc<Item>>, Missed> {
        let ring = self.news.ring.lock();
        let end = *self.news.next.borrow();
        let first = ring.front().map_or(end, |item| item.number);
        if self.next < first {
            let missed = first - self.next;
            self.next = first;
            return Err(Missed(missed));
        }
        let item = ring.get((self.next - first) as usize).cloned();
        self.next += u64::from(item.is_some());
        Ok(item)
    }

    /// The number of the last item that was read or passed over.
    pub fn passed(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// How many items wait to be read, those that are gone included.
    pub fn behind(&self) -> u64 {
        self.news.next.borrow().saturating_sub(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Event {
        Event::Switch { switch: number.to_string(), connected: true, trouble: String::new() }
    }

    #[tokio::test]
    async fn a_follower_gets_everything_in_order_and_waits_for_more() {
        let news = Arc::new(News::new(false));
        news.tell(event(0));
        let mut follower = news.follow();
        assert_eq!(follower.ready(), Ok(None));
        let told = news.clone();
        let telling = tokio::spawn(async move {
            for number in 1..=100 {
                told.tell(event(number));
                tokio::task::yield_now().await;
            }
        });
        for number in 1..=100 {
            assert_eq!(follower.next().await.unwrap().event, event(number));
        }
        telling.await.unwrap();
        assert_eq!(follower.behind(), 0);
    }

    #[tokio::test]
    async fn a_slow_follower_is_told_what_it_missed_and_goes_on() {
        let news = Arc::new(News::new(false));
        let mut follower = news.follow();
        for number in 0..KEPT + 10 {
            news.tell(event(number));
        }
        assert_eq!(follower.next().await, Err(Missed(10)));
        assert_eq!(follower.next().await.unwrap().event, event(10));
        assert_eq!(news.latest(2).len(), 2);
    }

    #[tokio::test]
    async fn one_that_comes_back_goes_on_where_it_was() {
        let news = Arc::new(News::new(false));
        for number in 0..10 {
            news.tell(event(number));
        }
        let sixth = news.latest(5)[0].number;
        let mut follower = news.follow_after(sixth);
        assert_eq!(follower.next().await.unwrap().event, event(6));
        // From an earlier run, and from nowhere.
        assert!(news.follow_after(7).next().await.is_err());
        assert_eq!(news.follow_after(u64::MAX).ready(), Ok(None));
    }
}
