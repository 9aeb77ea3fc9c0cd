//! Allow entries by name: host names (FQDN) whose addresses are on the allow-list, as DNS tells them.
//!
//! [`Names`] keeps them: those of `security.allowed_names`, and those that were ordered, which the store keeps. [`follow`] is the one
//! task that asks DNS, a few names at a time and far from the events; what a name means is entered into the ledger as an order of
//! "name NAME". Such entries have no end of their own: they go when the name no longer has the address, and what a crash leaves
//! behind is found at the next start by who made it. An address that an operator allowed by hand is left alone. Every number
//! is bounded: [`MOST_NAMES`], [`MOST_ADDRESSES`]. Start with [`Names::order`] and [`entry`].

use crate::app::App;
use crate::clock;
use crate::config::Config;
use guard::{Target, Time};
use parking_lot::Mutex;
use std::time::Instant;
use tokio::sync::{Notify, watch};

mod book;
pub mod entry;
mod host_name;
pub mod lookup;
mod task;

pub use crate::store::names::{Kept, Terms};
pub use entry::{Entry, Pace};
pub use host_name::{HostName, NotAName};
pub use task::follow;

use book::Book;

/// The names of the allow-list.
pub struct Names {
    book: Mutex<Book>,
    /// There may be something to ask.
    wake: Notify,
    /// How many looks are over.
    looks: watch::Sender<u64>,
}

impl Default for Names {
    fn default() -> Names {
        Names { book: Mutex::default(), wake: Notify::new(), looks: watch::Sender::new(0) }
    }
}

/// What became of the wish to remove a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// The order is gone, the configuration still names it.
    StaysConfigured,
    /// Only the configuration names it; nothing was changed.
    IsConfigured,
    /// It was not there.
    Unknown,
}

/// There are [`MOST_NAMES`] already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there are {MOST_NAMES} allowed names already; remove one, or allow a network")]
pub struct TooMany;

impl Names {
    /// Takes over what the store kept and what the configuration names, and removes the entries of names that are no longer there.
    pub fn restore(&self, app: &App, kept: Vec<Kept>, config: &Config) {
        let mut book = self.book.lock();
        for kept in kept {
            book.restore(kept);
        }
        book.configure(app, &config.security.allowed_names);
        book.bring_all_in_line(app);
        let names = book.entries().count();
        drop(book);
        if names > 0 {
            tracing::info!(names, "names of the allow-list restored");
        }
        self.wake.notify_one();
    }

    /// Follows a new configuration.
    pub fn apply(&self, app: &App, config: &Config) {
        self.book.lock().configure(app, &config.security.allowed_names);
        self.wake.notify_one();
    }

    /// Allows a name on these terms, which replace those of an earlier order, and has it looked up at once.
    ///
    /// # Errors
    /// When there are too many.
    pub fn order(&self, app: &App, name: &HostName, terms: Terms) -> Result<(), TooMany> {
        self.book.lock().order(app, name, terms)?;
        self.wake.notify_one();
        Ok(())
    }

    /// Removes a name and its addresses.
    pub fn remove(&self, app: &App, name: &HostName) -> Removed {
        self.book.lock().remove(app, name)
    }

    /// A name as it is now.
    pub fn one(&self, name: &HostName) -> Option<Entry> {
        self.book.lock().entry(name).cloned()
    }

    /// All names as they are now, in their order.
    pub fn all(&self) -> Vec<(HostName, Entry)> {
        self.book.lock().entries().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    /// A name that has this address.
    pub fn holder(&self, target: Target) -> Option<HostName> {
        self.book.lock().holder(target)
    }

    /// All names as the store should keep them.
    pub fn kept(&self) -> Vec<Kept> {
        self.book.lock().entries().map(|(name, entry)| entry.kept(name)).collect()
    }

    /// Waits until the look that is due is over; false when that takes longer than `most`.
    pub async fn looked_up(&self, name: &HostName, most: std::time::Duration) -> bool {
        let mut looks = self.looks.subscribe();
        let over = looks.wait_for(|_| self.book.lock().entry(name).is_none_or(|entry| !entry.is_due()));
        tokio::time::timeout(most, over).await.is_ok()
    }

    /// The next name to be asked now; it is not given out again before it was [`Names::heard`].
    fn take_due(&self) -> Option<HostName> {
        self.book.lock().take_due(Instant::now())
    }

    /// When the next name is due.
    fn next_due(&self) -> Option<Instant> {
        self.book.lock().next_due()
    }

    /// What DNS said about a name.
    fn heard(&self, app: &App, name: &HostName, answer: lookup::Answer, pace: &Pace) {
        self.book.lock().heard(app, name, answer, pace);
        self.looks.send_modify(|looks| *looks += 1);
    }

    /// A look came to nothing, and nobody knows whose: all may be asked again.
    fn none_is_asked(&self) {
        self.book.lock().none_is_asked();
    }

    /// Puts right what others did to the addresses of names, and removes names whose time is over.
    async fn sweep(&self, app: &App) {
        let names: Vec<HostName> = self.book.lock().entries().map(|(name, _)| name.clone()).collect();
        for name in names {
            self.book.lock().sweep(app, &name, clock::now());
            // A name at a time, so that whoever asks is not kept waiting.
            tokio::task::yield_now().await;
        }
    }
}

/// When something is to happen, on both clocks.
pub(crate) fn wall(at: Instant) -> Time {
    clock::now() + at.saturating_duration_since(Instant::now())
}

/// Most names by order, and most in the configuration.
pub const MOST_NAMES: usize = 1000;
/// Most addresses of a name; of more, the smallest are taken.
pub const MOST_ADDRESSES: usize = 64;
