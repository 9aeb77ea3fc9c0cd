//! One order on its way: written down before it is sent, and again when it has ended, however it ends.

use super::{Desk, Refused, Visit, with_shadow};
use crate::audit::{Done, Entry, Verdict};
use crate::clock;
use crate::grant::Terms;
use crate::judge::Decision;
use crate::limits::{Excess, Quota};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// What an order is about, for the audit.
pub(super) struct About<'a> {
    /// What kind of thing: "api", "bgapi", "sendmsg".
    pub(super) form: &'static str,
    /// The command, freed of secrets.
    pub(super) command: &'a str,
    /// Which switch.
    pub(super) switch: &'a str,
}

/// One of the requests that a caller may have under way, until it is dropped.
pub(super) struct Place {
    desk: Arc<Desk>,
    counted: Arc<str>,
}

impl Place {
    /// Asks the limits.
    pub(super) fn take(desk: &Arc<Desk>, visit: &Visit, terms: &Terms) -> Result<Place, Refused> {
        let counted = visit.counted();
        let quota = Quota { rate: terms.rate, concurrency: terms.concurrency };
        desk.usage().begin(&counted, quota, clock::steady()).map_err(|excess| match excess {
            Excess::Rate { wait } => Refused::TooFast { wait: Duration::from_micros(wait) },
            Excess::Concurrency | Excess::Jobs => Refused::TooMany,
        })?;
        Ok(Place { desk: desk.clone(), counted })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.usage().ended(&self.counted);
    }
}

/// One of the background jobs that a caller may have under way, until it is dropped.
pub(super) struct Seat {
    desk: Arc<Desk>,
    counted: Arc<str>,
}

impl Seat {
    /// For whoever has a place, when fewer than `most` are under way; 0 for no limit.
    pub(super) fn take(place: &Place, most: u32) -> Result<Seat, Refused> {
        let Place { desk, counted } = place;
        desk.usage().begin_job(counted, most).map_err(|_| Refused::TooManyJobs(most))?;
        Ok(Seat { desk: desk.clone(), counted: counted.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.usage().job_ended(&self.counted);
    }
}

/// An order that was allowed. Dropped without an end, it says that nobody waited.
pub(super) struct Attempt {
    desk: Arc<Desk>,
    place: Option<Place>,
    seat: Option<Seat>,
    /// The number of what was written down.
    of: Option<u64>,
    begun: u64,
    ended: bool,
}

impl Attempt {
    /// Writes down that it is tried.
    pub(super) fn begin(
        place: Place,
        seat: Option<Seat>,
        visit: &Visit,
        about: &About<'_>,
        why: &str,
        shadow: Option<&Decision>,
    ) -> Result<Attempt, Refused> {
        let desk = place.desk.clone();
        let verdict = match shadow {
            Some(_) => {
                desk.counts.shadow.fetch_add(1, Relaxed);
                Verdict::Shadow
            }
            None => Verdict::Allowed,
        };
        let of = desk.write(visit, about, verdict, &with_shadow(why, shadow)).inspect_err(|_| {
            desk.counts.refuse(visit.door);
        })?;
        desk.counts.allow(visit.door);
        Ok(Attempt { desk, place: Some(place), seat, of, begun: clock::steady(), ended: false })
    }

    /// The switch has taken it as a background job: from now on it counts as one of these, and not as a request.
    pub(super) fn is_taken(&mut self) {
        if self.seat.is_some() {
            self.place = None;
        }
    }

    /// It has ended so, with an answer of that many bytes.
    pub(super) fn end(mut self, result: &str, bytes: usize) {
        self.close(result, bytes);
    }

    fn close(&mut self, result: &str, bytes: usize) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let micros = clock::steady().saturating_sub(self.begun);
        let desk = &self.desk;
        desk.counts.end(micros);
        let (Some(of), Some(journal)) = (self.of, &desk.journal) else { return };
        let done = Done { at: clock::now(), of, result, bytes: bytes as u64, micros };
        // It is done: a journal that fails tells so itself, and refuses the next.
        _ = journal.write(&Entry::Done(done));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.close("nobody waited for the answer", 0);
    }
}
