//! How many clients may be there at once: [`ClientLimits`], and the [`Gate`] that counts them.
//!
//! Whoever has not logged in yet counts against bounds of its own, one for each source, so that strangers cannot take the
//! places of those who may come in. A source is an IPv4 address or an IPv6 /64; a Unix socket has none.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many clients there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// All together.
    pub all: usize,
    /// Of these: not logged in.
    pub strangers: usize,
    /// Of these: from one source.
    pub strangers_per_source: usize,
}

impl Default for ClientLimits {
    /// No limits, as FreeSWITCH.
    fn default() -> Self {
        Self { all: usize::MAX, strangers: usize::MAX, strangers_per_source: usize::MAX }
    }
}

/// Who is in, and how many were sent away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Admitted {
    /// Clients that are connected.
    pub clients: usize,
    /// Of these: not logged in.
    pub strangers: usize,
    /// Sent away without a word because too many were there.
    pub turned_away: u64,
    /// How often no socket could be had for a client.
    pub starved: u64,
}

#[derive(Debug)]
pub(super) struct Gate {
    limits: ClientLimits,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    admitted: Admitted,
    /// Strangers by source.
    sources: HashMap<IpAddr, usize>,
}

impl Gate {
    pub(super) fn new(limits: ClientLimits) -> Self {
        Self { limits, book: Mutex::default() }
    }

    /// A place for a client, or `None` when it must go.
    pub(super) fn enter(gate: &Arc<Self>, from: Option<IpAddr>) -> Option<Place> {
        let source = from.map(source);
        let mut book = gate.book();
        let of_source = source.and_then(|source| book.sources.get(&source).copied()).unwrap_or(0);
        if book.admitted.clients >= gate.limits.all
            || book.admitted.strangers >= gate.limits.strangers
            || of_source >= gate.limits.strangers_per_source
        {
            book.admitted.turned_away += 1;
            return None;
        }
        book.admitted.clients += 1;
        book.admitted.strangers += 1;
        if let Some(source) = source {
            *book.sources.entry(source).or_default() += 1;
        }
        drop(book);
        Some(Place { gate: Arc::clone(gate), source, stranger: true })
    }

    pub(super) fn admitted(&self) -> Admitted {
        self.book().admitted
    }

    pub(super) fn starved(&self) {
        self.book().admitted.starved += 1;
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Every critical section leaves the counts whole.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    gate: Arc<Gate>,
    source: Option<IpAddr>,
    stranger: bool,
}

impl Place {
    /// The client has logged in.
    pub(super) fn known(&mut self) {
        if std::mem::replace(&mut self.stranger, false) {
            self.leave_strangers();
        }
    }

    fn leave_strangers(&self) {
        let mut book = self.gate.book();
        book.admitted.strangers = book.admitted.strangers.saturating_sub(1);
        let Some(source) = self.source else { return };
        if let Some(count) = book.sources.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                book.sources.remove(&source);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.stranger {
            self.leave_strangers();
        }
        let mut book = self.gate.book();
        book.admitted.clients = book.admitted.clients.saturating_sub(1);
    }
}

fn source(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}
