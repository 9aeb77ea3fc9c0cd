//! Which of the last days were good, and how many calls were answered: what fades by itself.
//!
//! No timers: a day falls out of the map when a later one is looked at, calls are halved when a later week is. Days and weeks are counted
//! from 1970 in UTC. A clock that was set back marks the day that it says; one that was set back by days makes the map begin there.

use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Days since 1970-01-01.
pub(crate) fn day_of(now: Time) -> u16 {
    u16::try_from(now.secs() / 86_400).unwrap_or(u16::MAX)
}

/// A map of the last 32 days, two bits each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Days {
    /// The day of the lowest bit.
    day: u16,
    /// Days with a success.
    good: u32,
    /// Days with a proven attack.
    bad: u32,
}

/// How many days the map has.
pub(crate) const KEPT: u16 = 32;

impl Days {
    /// The day of the last mark.
    pub(crate) fn last(self) -> u16 {
        self.day
    }

    /// Marks today as good; true when it was not.
    pub(crate) fn good(&mut self, today: u16) -> bool {
        let before = *self;
        let bit = self.bit(today);
        self.good |= bit;
        *self != before
    }

    /// Whether today is marked as good, and nothing is to be done.
    pub(crate) fn is_marked(self, today: u16) -> bool {
        self.day == today && self.good & 1 != 0
    }

    /// Marks today as bad; true when it was not.
    pub(crate) fn bad(&mut self, today: u16) -> bool {
        let before = *self;
        let bit = self.bit(today);
        self.bad |= bit;
        *self != before
    }

    /// Takes a bad mark back; true when there was one.
    pub(crate) fn forgive(&mut self, day: u16) -> bool {
        let before = self.bad;
        if let Some(age) = self.day.checked_sub(day).filter(|age| *age < KEPT) {
            self.bad &= !(1 << age);
        }
        self.bad != before
    }

    /// The bit of a day, after the map was moved so that it has one.
    fn bit(&mut self, today: u16) -> u32 {
        match self.day.checked_sub(today) {
            None => {
                (self.good, self.bad) = (self.good_at(today), self.bad_at(today));
                self.day = today;
                1
            }
            Some(back @ 0..=1) => 1 << back,
            // A day that far ahead was never there: the clock was wrong then.
            Some(_) => {
                self.day = today;
                1
            }
        }
    }

    fn good_at(self, today: u16) -> u32 {
        self.good.checked_shl(u32::from(today.saturating_sub(self.day))).unwrap_or(0)
    }

    fn bad_at(self, today: u16) -> u32 {
        self.bad.checked_shl(u32::from(today.saturating_sub(self.day))).unwrap_or(0)
    }

    /// How many of the last `of` days were good, and how many bad, today among them.
    pub(crate) fn within(self, of: u16, today: u16) -> (u32, u32) {
        let mask = 1u32.checked_shl(u32::from(of)).map_or(u32::MAX, |bit| bit - 1);
        ((self.good_at(today) & mask).count_ones(), (self.bad_at(today) & mask).count_ones())
    }

    /// What it would be a pity to lose: many good days, the last one lately.
    pub(crate) fn worth(self, today: u16) -> (u32, u16) {
        (self.within(KEPT, today).0, self.day)
    }

    /// Whether nothing is left in the map.
    pub(crate) fn is_over(self, today: u16) -> bool {
        self.within(KEPT, today) == (0, 0)
    }
}

/// Answered calls, halved every week.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Calls {
    count: u16,
    /// Weeks since 1970 when it was last halved.
    week: u16,
}

impl Calls {
    /// One more.
    pub(crate) fn one(&mut self, today: u16) {
        self.count = self.count(today).saturating_add(1);
        self.week = today / 7;
    }

    /// How many there are.
    pub(crate) fn count(self, today: u16) -> u16 {
        self.count.checked_shr(u32::from((today / 7).saturating_sub(self.week))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    proptest::proptest! {
        #[test]
        fn the_map_knows_the_days_that_a_set_knows(
            steps in proptest::collection::vec((0u16..12, proptest::bool::ANY), 1..60), of in 1u16..=32,
        ) {
            let (mut days, mut good, mut bad) = (Days::default(), BTreeSet::new(), BTreeSet::new());
            let mut today = 20_000;
            for (later, is_good) in steps {
                today += later;
                let is_new = if is_good { good.insert(today) } else { bad.insert(today) };
                let told = if is_good { days.good(today) } else { days.bad(today) };
                proptest::prop_assert_eq!(is_new, told);
                let within = |set: &BTreeSet<u16>| set.range(today + 1 - of..=today).count() as u32;
                proptest::prop_assert_eq!(days.within(of, today), (within(&good), within(&bad)));
                proptest::prop_assert_eq!(days.is_marked(today), good.contains(&today));
            }
            for later in 1..40 {
                let within = |set: &BTreeSet<u16>| set.range(today + later - 31..).count() as u32;
                proptest::prop_assert_eq!(days.within(32, today + later), (within(&good), within(&bad)));
            }
            proptest::prop_assert!(days.is_over(today + 32));
        }

        #[test]
        fn calls_only_ever_fade(count in 0u16..2000, later in 0u16..2000) {
            let mut calls = Calls::default();
            (0..count).for_each(|_| calls.one(20_000));
            proptest::prop_assert_eq!(calls.count(20_000), count);
            let weeks = u32::from((20_000 + later) / 7 - 20_000 / 7);
            proptest::prop_assert_eq!(u64::from(calls.count(20_000 + later)), u64::from(count).checked_shr(weeks).unwrap_or(0));
        }
    }

    #[test]
    fn a_clock_that_was_wrong_costs_nothing_that_was_there() {
        let mut days = Days::default();
        (20_000..20_010).for_each(|day| assert!(days.good(day)));
        assert!(days.bad(20_008));
        assert!(!days.good(20_008), "yesterday again, by a clock set back a little");
        assert_eq!(days.within(14, 20_009), (10, 1));
        assert!(days.forgive(20_008) && !days.forgive(20_008) && !days.forgive(1));
        // Far ahead everything has faded; when the clock is right again, the next good day counts.
        assert!(days.good(30_000));
        assert!(days.good(20_010));
        assert_eq!((days.last(), days.within(14, 20_010)), (20_010, (1, 0)));
        assert_eq!(day_of(Time::from_micros(u64::MAX)), u16::MAX);
    }
}
