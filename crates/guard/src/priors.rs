//! Recidivism: how often a target was banned by the guard before, and how ban times grow by that.
//!
//! A ban that rests on forgeable evidence leaves nothing here, or a forger could make the bans of his victim longer. One is
//! forgotten for each week after the end of the last ban; one that an operator lifts was wrong and is taken back. Start with
//! [`Priors::count`], then [`Growth::grown`].

use crate::bounded::{Bounded, PIECE};
use crate::reputation::Tier;
use crate::reputation::days::day_of;
use crate::source::Target;
use crate::time::Time;
use ahash::RandomState;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How ban times grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Growth {
    /// What each earlier ban multiplies the time by; 1 lets every ban be as long as its rule says.
    pub factor: u32,
    /// The longest that a ban grows to.
    pub longest: Duration,
    /// How long after its end a ban is remembered.
    pub kept: Duration,
}

impl Default for Growth {
    fn default() -> Growth {
        Growth { factor: 2, longest: Duration::from_secs(7 * 86_400), kept: Duration::from_secs(28 * 86_400) }
    }
}

impl Growth {
    /// How long a ban of `base` lasts after so many earlier ones: never shorter than its rule says, but a quarter for who is trusted.
    pub fn grown(self, base: Duration, priors: u32, tier: Tier) -> Duration {
        let factor = self.factor.max(1).checked_pow(priors).unwrap_or(u32::MAX);
        let grown = base.saturating_mul(factor).min(self.longest.max(base));
        if tier == Tier::Trusted { grown / MERCY } else { grown }
    }
}

/// A source that is trusted is banned for a part of the time: one in this many.
const MERCY: u32 = 4;
/// One is forgotten after each of these.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// More are not counted.
const MOST: u8 = 32;

/// Earlier bans of one target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prior {
    /// How many, when the last ended.
    count: u8,
    /// When the last one ends, or was lifted.
    ended: Time,
    /// The day of the last one that rested on proof, counted from 1970; 0 when none did.
    proven_on: u16,
}

impl Prior {
    /// How many still count; the one that stands is not an earlier one.
    fn count(self, kept: Duration, now: Time) -> u32 {
        u32::from(self.left(kept, now)) - u32::from(self.stands(now))
    }

    fn stands(self, now: Time) -> bool {
        self.count > 0 && self.ended > now
    }

    /// How many are not forgotten, the one that stands among them.
    fn left(self, kept: Duration, now: Time) -> u8 {
        let age = now.since(self.ended);
        if age >= kept {
            return 0;
        }
        let weeks = age.as_secs() / WEEK.as_secs();
        self.count.saturating_sub(u8::try_from(weeks).unwrap_or(u8::MAX))
    }
}

/// A row that a store keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptPrior {
    /// Whose.
    pub target: Target,
    #[serde(flatten)]
    prior: Prior,
}

impl KeptPrior {
    /// When the last ban ends; the row is of no use some weeks later.
    pub fn ended(&self) -> Time {
        self.prior.ended
    }

    /// Whether nothing is left, so that the row may go.
    pub fn is_empty(&self) -> bool {
        self.prior.count == 0
    }
}

/// Earlier bans.
pub struct Priors {
    table: Mutex<Bounded<Target, Prior>>,
}

impl Priors {
    /// Room for `capacity` targets.
    pub fn new(capacity: usize, hasher: RandomState) -> Priors {
        Priors { table: Mutex::new(Bounded::new(capacity, hasher)) }
    }

    /// How many earlier bans of the target still count.
    pub fn count(&self, target: Target, growth: Growth, now: Time) -> u32 {
        self.table.lock().get(&target).map_or(0, |prior| prior.count(growth.kept, now))
    }

    /// The day on which the target last proved an attack.
    pub fn proven_on(&self, target: Target) -> Option<u16> {
        self.table.lock().get(&target).map(|prior| prior.proven_on).filter(|day| *day > 0)
    }

    /// The guard banned the target until then, on evidence that is not forgeable. A ban that is made longer while it stands is one.
    pub fn banned(&self, target: Target, until: Time, is_proven: bool, growth: Growth, now: Time) {
        let mut table = self.table.lock();
        let add = |prior: &mut Prior| {
            let count = match prior.stands(now) {
                true => prior.count,
                false => prior.left(growth.kept, now).min(MOST - 1) + 1,
            };
            let proven_on = if is_proven { day_of(now) } else { prior.proven_on };
            *prior = Prior { count, ended: prior.ended.max(until), proven_on };
            true
        };
        if !table.change(&target, add) {
            let prior = Prior { count: 1, ended: until, proven_on: if is_proven { day_of(now) } else { 0 } };
            // A newcomer throws out who was banned once, but not who came again and again.
            table.make(target, prior, |prior| (prior.left(growth.kept, now), prior.ended), &(1, until));
        }
    }

    /// A ban was wrong: it counts as never made.
    pub fn taken_back(&self, target: Target, growth: Growth, now: Time) {
        self.table.lock().change(&target, |prior| {
            let count = prior.left(growth.kept, now).saturating_sub(1);
            *prior = Prior { count, ended: prior.ended.min(now), proven_on: 0 };
            true
        });
    }

    /// Housekeeping: looks at a part of the table and forgets what no longer counts.
    pub fn sweep(&self, growth: Growth, now: Time) {
        let mut table = self.table.lock();
        // All of it once in ten minutes.
        let count = table.len() / 600 + 64;
        table.sweep(count, |prior| prior.left(growth.kept, now) == 0);
    }

    /// Gives what has changed since it was last asked.
    pub fn take_changed(&self, mut take: impl FnMut(KeptPrior)) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.table.lock().take_changed(from, |target, prior| {
                take(KeptPrior { target: *target, prior: *prior });
            });
        }
    }

    /// These rows could not be written down: they count as changed again.
    pub fn unwritten(&self, rows: &[KeptPrior]) {
        for piece in rows.chunks(PIECE) {
            let mut table = self.table.lock();
            piece.iter().for_each(|kept| _ = table.change(&kept.target, |_| true));
        }
    }

    /// Takes in what a store kept.
    pub fn restore(&self, rows: &[KeptPrior], growth: Growth, now: Time) {
        let mut table = self.table.lock();
        for KeptPrior { target, prior } in rows.iter().filter(|kept| kept.prior.left(growth.kept, now) > 0) {
            if table.get(target).is_none() {
                let worth = |prior: &Prior| (prior.left(growth.kept, now), prior.ended);
                table.make(*target, *prior, worth, &worth(prior));
            }
        }
        table.settle();
    }

    /// Targets known, and bytes held.
    pub fn state(&self) -> (usize, usize) {
        let table = self.table.lock();
        (table.len(), table.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);
    const GROWTH: Growth = Growth {
        factor: 2,
        longest: Duration::from_secs(7 * 86_400),
        kept: Duration::from_secs(28 * 86_400),
    };

    fn at(days: u64) -> Time {
        Time::from_secs(20_000 * 86_400) + DAY * u32::try_from(days).unwrap()
    }

    fn target(n: u32) -> Target {
        Target::host(std::net::Ipv4Addr::from(0xc612_0000 + n).into())
    }

    fn priors() -> Priors {
        Priors::new(1000, RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn ban_times_grow_with_priors_and_shrink_with_standing() {
        let table = [
            (HOUR, 0, Tier::Stranger, HOUR),
            (HOUR, 1, Tier::Stranger, HOUR * 2),
            (HOUR, 3, Tier::Known, HOUR * 8),
            (HOUR, 7, Tier::Stranger, HOUR * 128),
            (HOUR, 8, Tier::Stranger, DAY * 7),
            (HOUR, 4_000_000_000, Tier::Stranger, DAY * 7),
            (HOUR, 0, Tier::Trusted, HOUR / 4),
            (HOUR, 2, Tier::Trusted, HOUR),
            (HOUR, 99, Tier::Trusted, DAY * 7 / 4),
            // A rule that says more than the longest keeps what it says.
            (DAY * 30, 0, Tier::Stranger, DAY * 30),
            (DAY * 30, 5, Tier::Stranger, DAY * 30),
            (Duration::ZERO, 5, Tier::Stranger, Duration::ZERO),
            (Duration::MAX, 5, Tier::Stranger, Duration::MAX),
        ];
        for (base, priors, tier, expected) in table {
            assert_eq!(GROWTH.grown(base, priors, tier), expected, "{base:?} {priors} {tier}");
        }
        for factor in [0, 1] {
            let flat = Growth { factor, ..GROWTH };
            assert_eq!(flat.grown(HOUR, 9, Tier::Stranger), HOUR, "{factor}");
        }
    }

    #[test]
    fn one_is_forgotten_each_week_and_all_after_four() {
        let priors = priors();
        for _ in 0..3 {
            priors.banned(target(1), at(0), false, GROWTH, at(0));
        }
        let counts = [0, 6, 7, 13, 14, 20, 21, 300].map(|day| priors.count(target(1), GROWTH, at(day)));
        assert_eq!(counts, [3, 3, 2, 2, 1, 1, 0, 0]);
        let short = Growth { kept: DAY * 2, ..GROWTH };
        assert_eq!([1, 2].map(|day| priors.count(target(1), short, at(day))), [3, 0]);
        // The week begins when the ban ends.
        priors.banned(target(2), at(6), true, GROWTH, at(0));
        // While it stands it is none of the earlier ones, however often it is made longer.
        priors.banned(target(2), at(7), true, GROWTH, at(3));
        assert_eq!(priors.count(target(2), GROWTH, at(6)), 0);
        assert_eq!([13, 14].map(|day| priors.count(target(2), GROWTH, at(day))), [1, 0]);
        assert_eq!((priors.proven_on(target(2)), priors.proven_on(target(1))), (Some(20_003), None));
        (0..100).for_each(|_| priors.sweep(GROWTH, at(400)));
        // What nobody has written down yet stays until then.
        priors.take_changed(|_| {});
        (0..100).for_each(|_| priors.sweep(GROWTH, at(400)));
        assert_eq!(priors.state().0, 0);
    }

    #[test]
    fn a_wrong_ban_is_taken_back() {
        let priors = priors();
        priors.taken_back(target(1), GROWTH, at(0));
        assert_eq!(priors.count(target(1), GROWTH, at(0)), 0);
        priors.banned(target(1), at(1), false, GROWTH, at(0));
        priors.banned(target(1), at(3), true, GROWTH, at(1));
        assert_eq!(priors.count(target(1), GROWTH, at(2)), 1);
        priors.taken_back(target(1), GROWTH, at(2));
        assert_eq!((priors.count(target(1), GROWTH, at(2)), priors.proven_on(target(1))), (1, None));
        priors.taken_back(target(1), GROWTH, at(2));
        priors.taken_back(target(1), GROWTH, at(2));
        assert_eq!(priors.count(target(1), GROWTH, at(2)), 0);
        let mut rows = Vec::new();
        priors.take_changed(|kept| rows.push(kept));
        assert!(rows.len() == 1 && rows[0].is_empty());
    }

    #[test]
    fn a_flood_of_new_targets_throws_out_no_old_offender() {
        let priors = priors();
        for _ in 0..5 {
            (0..100).for_each(|n| priors.banned(target(n), at(0), false, GROWTH, at(0)));
        }
        (100..60_000).for_each(|n| priors.banned(target(n), at(2), false, GROWTH, at(1)));
        assert_eq!(priors.state().0, 1000);
        assert!((0..100).all(|n| priors.count(target(n), GROWTH, at(1)) == 5));
        assert!(priors.state().1 < 100_000);
    }

    #[test]
    fn what_is_written_down_comes_back_and_only_what_counts() {
        let priors = priors();
        (0..10).for_each(|n| priors.banned(target(n), at(u64::from(n)), n % 2 == 0, GROWTH, at(0)));
        let mut rows = Vec::new();
        priors.take_changed(|kept| rows.push(kept));
        priors.take_changed(|_| panic!("told twice"));
        let text = serde_json::to_string(&rows).unwrap();
        let read: Vec<KeptPrior> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, rows);
        let again = self::priors();
        again.restore(&read, GROWTH, at(10));
        for n in 0..10 {
            let counts = [&priors, &again].map(|priors| priors.count(target(n), GROWTH, at(10)));
            assert_eq!(counts[0], counts[1], "{n}");
        }
        assert_eq!(again.state().0, 6, "four have faded by then");
        again.take_changed(|_| panic!("it is on the disk"));
        priors.unwritten(&rows[..3]);
        let mut again = 0;
        priors.take_changed(|_| again += 1);
        assert_eq!(again, 3);
    }
}
