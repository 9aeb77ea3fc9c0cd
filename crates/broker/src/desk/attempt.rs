//! One order on its way: written down before it is sent, and again when it has ended, however it ends.

use super::{Desk, Refused, Visit, with_shadow};
use crate::audit::{Done, Entry, Verdict};
use crate::clock;
use crate::grant::Grant;
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

/// An order that was allowed. Dropped without an end, it says that nobody waited.
pub(super) struct Attempt {
    desk: Arc<Desk>,
    /// The number of what was written down.
    of: Option<u64>,
    begun: u64,
    counted: Arc<str>,
    ended: bool,
}

impl Attempt {
    /// Asks the limits and writes down that it is tried.
    pub(super) fn begin(
        desk: &Arc<Desk>,
        visit: &Visit,
        grant: &Grant,
        about: &About<'_>,
        why: &str,
        shadow: Option<&Decision>,
    ) -> Result<Attempt, Refused> {
        let (counted, begun) = (visit.counted(), clock::steady());
        let quota = Quota { rate: grant.terms.rate, concurrency: grant.terms.concurrency };
        if let Err(excess) = desk.usage().begin(&counted, quota, begun) {
            let refused = match excess {
                Excess::Rate { wait } => Refused::TooFast { wait: Duration::from_micros(wait) },
                Excess::Concurrency => Refused::TooMany,
            };
            return Err(desk.refuse(visit, about, refused));
        }
        // From here on its end gives the place free.
        let mut attempt = Attempt { desk: desk.clone(), of: None, begun, counted, ended: false };
        let verdict = match shadow {
            Some(_) => {
                desk.counts.shadow.fetch_add(1, Relaxed);
                Verdict::Shadow
            }
            None => Verdict::Allowed,
        };
        attempt.of = desk.write(visit, about, verdict, &with_shadow(why, shadow)).inspect_err(|_| {
            desk.counts.refused.fetch_add(1, Relaxed);
        })?;
        desk.counts.allowed.fetch_add(1, Relaxed);
        Ok(attempt)
    }

    /// It has ended so, with an answer of that many bytes.
    pub(super) fn end(mut self, result: &str, bytes: usize) {
        self.close(result, bytes);
    }

    fn close(&mut self, result: &str, bytes: usize) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (Some(of), Some(journal)) = (self.of, &self.desk.journal) else { return };
        let micros = clock::steady().saturating_sub(self.begun);
        let done = Done { at: clock::now(), of, result, bytes: bytes as u64, micros };
        // It is done: a journal that fails tells so itself, and refuses the next.
        _ = journal.write(&Entry::Done(done));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.desk.usage().ended(&self.counted);
        self.close("nobody waited for the answer", 0);
    }
}
