//! People who mistype: the first phones of a new office, none of them registered yet, whose passwords several people get wrong at once.

use super::Guard;
use super::compiled::{Compiled, Ready};
use super::seen::Seen;
use crate::policy::FAILED;
use crate::tally::Key;
use crate::timeline::{Did, Moment, Record};

/// A phone has one port and one account. So many phones may mistype before it is a list of accounts (the rule `enumeration` says the same).
const PHONES: usize = 4;

impl Guard {
    /// Whether the failures that make a rule fire look like people at several phones, each with a port and an account of its own and fewer
    /// failures than the rule takes; then it waits. Who guesses so gets as many tries as these phones have, and no more.
    pub(super) fn is_mistyped(
        &self,
        compiled: &Compiled,
        seen: &Seen<'_>,
        (ready, key): (&Ready, Key),
    ) -> bool {
        if &*ready.rule.name != FAILED {
            return false;
        }
        let limit = ready.rule.limit;
        let each = limit.threshold.min(compiled.policy.failed.threshold).saturating_sub(1) as usize;
        let shard = self.shard(seen.source).lock();
        let Some(record) = shard.record_of(ready, key, seen.now) else { return false };
        let count = record.count as usize;
        if count > each * PHONES {
            return false;
        }
        let is_of = |record: &Record| {
            record.source() == seen.source
                && matches!(record.did(), Did::Refused(_))
                && seen.now.since(record.at()) < limit.window
        };
        let failures = shard.timeline.glance(each * PHONES + 1, is_of);
        // What is not remembered one by one cannot be told apart.
        failures.len() >= count && are_phones(&failures, each)
    }
}

/// Whether these failures are those of two or more phones, none of which has more than `each`.
fn are_phones(failures: &[Moment], each: usize) -> bool {
    let mut phones: Vec<(&Moment, usize)> = Vec::new();
    for failure in failures {
        let is_same = |phone: &Moment| (phone.port == failure.port, phone.account() == failure.account());
        match phones.iter_mut().find(|(phone, _)| is_same(phone) != (false, false)) {
            Some((phone, count)) if is_same(phone) == (true, true) => *count += 1,
            // One port with two accounts, or one account at two ports.
            Some(_) => return false,
            None => phones.push((failure, 1)),
        }
    }
    (2..=PHONES).contains(&phones.len())
        && phones.iter().all(|(phone, count)| phone.port != 0 && *count <= each)
}
