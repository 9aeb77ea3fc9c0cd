//! One shard of the engine's state: the tallies, registrations and names of the subjects that fall to it.
//!
//! It counts, and says which rules fire; what follows from that is the engine's. Start with [`Shard::count`].

use super::Limits;
use super::compiled::{Compiled, Ready};
use super::seen::{Seen, Who};
use crate::crowd::Crowd;
use crate::names::Names;
use crate::observation::Evidence;
use crate::standing::Standings;
use crate::strikes::Strikes;
use crate::tally::{Key, Record, Slot, Tallies};
use crate::time::Time;
use crate::timeline::{self, Did, Ring};
use crate::window::{Tick, Window};
use ahash::RandomState;
use arrayvec::ArrayVec;

pub(crate) struct Shard {
    /// Strikes counted one by one.
    pub(super) windows: Tallies<Window>,
    /// Strikes counted by what they are told apart by.
    pub(super) crowds: Tallies<Crowd>,
    pub(super) standings: Standings,
    pub(super) names: Names,
    /// What sources did lately.
    pub(super) timeline: Ring,
}

/// A rule that fired, by its place, and on which evidence.
pub(super) struct Fired {
    pub(super) place: usize,
    pub(super) key: Key,
    pub(super) evidence: Evidence,
}

/// Rules that one observation can make fire; more are left for the next one.
pub(super) type AllFired = ArrayVec<Fired, 8>;

/// Which tracks an observation has struck in a shard, so that each is struck once.
#[derive(Default)]
pub(super) struct Struck(ArrayVec<(Key, Slot), 16>);

impl Shard {
    /// One of `shards` that share the limits.
    pub(super) fn new(limits: &Limits, shards: usize, hasher: &RandomState) -> Shard {
        Shard {
            windows: Tallies::new(limits.windows * 2 / 3 / shards, hasher.clone()),
            crowds: Tallies::new(limits.windows / 3 / shards, hasher.clone()),
            standings: Standings::new(limits.registrations / shards, hasher.clone()),
            names: Names::new(NAMES, hasher.clone()),
            timeline: Ring::new(limits.timeline / shards),
        }
    }

    /// Who the sender of an observation is to the guard; whether it is allowed is for the ledger to say.
    pub(super) fn who(&self, seen: &Seen<'_>) -> Who {
        let registered = self.standings.phones(seen.source, seen.now) > 0;
        let phones_port = self.standings.is_phones_port(seen.source, seen.seen.port, seen.now);
        Who { registered, known: registered, phones_port }
    }

    /// Records what a source did.
    pub(super) fn record(&mut self, seen: &Seen<'_>) {
        if let Some(did) = Did::of(&seen.seen.what) {
            self.timeline.push(timeline::Record::new(seen.seen, seen.ip, did, seen.now));
        }
    }

    /// Forgets a little of what has run out.
    pub(super) fn sweep(&mut self, now: Time, slots: usize, compiled: &Compiled) {
        self.windows.sweep(Tick::of(now), slots, &compiled.spans);
        self.crowds.sweep(Tick::of(now), slots, &compiled.spans);
    }

    /// Counts a strike under a rule, once for its track; the evidence when the rule is for this source and fires.
    ///
    /// A rule that is not for this source counts all the same when answers show it.
    pub(super) fn count(
        &mut self,
        compiled: &Compiled,
        ready: &Ready,
        key: Key,
        (seen, who): (&Seen<'_>, Who),
        struck: &mut Struck,
    ) -> Option<Evidence> {
        let applies = who.is_met_by(ready.rule.applies, seen.seen.evidence);
        if !applies && !ready.shown {
            return None;
        }
        let order = Once { compiled, ready, key, seen, struck };
        let fires = match ready.rule.distinct {
            None => order.strike(&mut self.windows, &mut self.names, 0),
            Some(distinct) => order.strike(&mut self.crowds, &mut self.names, seen.tag(distinct)),
        };
        fires.filter(|evidence| applies && *evidence >= ready.rule.evidence)
    }

    /// Takes a strike back.
    pub(super) fn undo(&mut self, ready: &Ready, key: Key, seen: &Seen<'_>) {
        match ready.rule.distinct {
            None => self.windows.undo(key, 0),
            Some(distinct) => self.crowds.undo(key, seen.tag(distinct)),
        }
    }

    /// What a rule has counted for a key.
    pub(super) fn record_of(&self, ready: &Ready, key: Key, now: Time) -> Option<Record> {
        match ready.rule.distinct {
            None => self.windows.record(key, now, ready.span, &self.names),
            Some(_) => self.crowds.record(key, now, ready.span, &self.names),
        }
    }

    /// Forgets what a rule, and those that share its track, have counted for a key.
    pub(super) fn forget(&mut self, ready: &Ready, key: Key) {
        match ready.rule.distinct {
            None => self.windows.forget(key),
            Some(_) => self.crowds.forget(key),
        };
    }

    /// Whether an alert of a rule about a key is due; it counts as told from now on.
    pub(super) fn tell(&mut self, ready: &Ready, key: Key, now: Time) -> bool {
        match ready.rule.distinct {
            None => self.windows.tell(key, now, ready.span),
            Some(_) => self.crowds.tell(key, now, ready.span),
        }
    }
}

/// A strike for one rule.
struct Once<'a> {
    compiled: &'a Compiled,
    ready: &'a Ready,
    key: Key,
    seen: &'a Seen<'a>,
    struck: &'a mut Struck,
}

impl Once<'_> {
    /// Strikes the rule's track, unless this observation has done so, and weighs what is there.
    fn strike<S: Strikes>(self, table: &mut Tallies<S>, names: &mut Names, tag: u32) -> Option<Evidence> {
        let Once { compiled, ready, key, seen, struck } = self;
        let known = struck.0.iter().find(|(other, _)| *other == key).map(|(_, slot)| *slot);
        let slot = known.unwrap_or_else(|| {
            let slot = table.strike(key, ready.measure, seen.strike(names, tag), &compiled.spans);
            _ = struck.0.try_push((key, slot));
            slot
        });
        let rule = &ready.rule;
        table.weigh((key, slot), Tick::of(seen.now), rule.limit.threshold, ready.span, ready.patience)
    }
}

/// Names kept in each shard.
const NAMES: usize = 4096;
