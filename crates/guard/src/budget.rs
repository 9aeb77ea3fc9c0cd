//! How many bans may be made in a minute: what turns a runaway rule, or a poisoned one, into an alarm.
//!
//! Two budgets: of all bans that the guard makes, and of those that hit a source with standing. Both count over the last 60 s in steps of a
//! second, so that no 60 s ever hold more than allowed. Operators' orders never come in here. Start with [`Budgets::take`].

use crate::time::Time;
use parking_lot::Mutex;

/// What may be spent in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Bans of the guard, of all.
    pub all: u32,
    /// Those of sources with standing.
    pub standing: u32,
}

impl Default for Budget {
    /// A botnet of any size is banned within the hour; ten registered sources a minute are a mistake.
    fn default() -> Budget {
        Budget { all: 30_000, standing: 10 }
    }
}

/// Which budget is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spent {
    /// That of all bans.
    All,
    /// That of bans of sources with standing.
    Standing,
}

/// What was spent in the last minute.
#[derive(Default)]
pub struct Budgets {
    minutes: Mutex<[Minute; 2]>,
}

impl Budgets {
    /// Takes one ban out of the budget.
    ///
    /// # Errors
    /// The budget that is spent; nothing is taken then.
    pub fn take(&self, budget: Budget, has_standing: bool, now: Time) -> Result<(), Spent> {
        let now = now.secs();
        let [all, standing] = &mut *self.minutes.lock();
        if all.count(now) >= budget.all {
            return Err(Spent::All);
        }
        if has_standing && standing.count(now) >= budget.standing {
            return Err(Spent::Standing);
        }
        all.add(now);
        if has_standing {
            standing.add(now);
        }
        Ok(())
    }

    /// Bans made in the last minute: of all, and of sources with standing.
    pub fn spent(&self, now: Time) -> (u32, u32) {
        let [all, standing] = &mut *self.minutes.lock();
        (all.count(now.secs()), standing.count(now.secs()))
    }
}

/// A minute of counts by second, and the second that is not over.
struct Minute {
    counts: [u32; SLOTS],
    sum: u32,
    /// The newest second.
    last: u64,
}

const SLOTS: usize = 61;

impl Default for Minute {
    fn default() -> Minute {
        Minute { counts: [0; SLOTS], sum: 0, last: 0 }
    }
}

impl Minute {
    /// What happened in the last minute.
    fn count(&mut self, now: u64) -> u32 {
        // A clock that was set back by more than the minute begins anew; by less, it stands still until it has caught up.
        if now > self.last + SLOTS as u64 || now + (SLOTS as u64) < self.last {
            *self = Minute { last: now, ..Minute::default() };
        }
        while self.last < now {
            self.last += 1;
            let slot = &mut self.counts[(self.last % SLOTS as u64) as usize];
            self.sum -= *slot;
            *slot = 0;
        }
        self.sum
    }

    fn add(&mut self, now: u64) {
        self.sum += 1;
        self.counts[(self.last.max(now) % SLOTS as u64) as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn no_minute_holds_more_than_its_budget() {
        proptest::proptest!(|(gaps in proptest::collection::vec((0u64..20_000, proptest::bool::ANY), 1..300), all in 0u32..30, standing in 0u32..10)| {
            let (budgets, budget) = (Budgets::default(), Budget { all, standing });
            let (mut now, mut made) = (Time::from_secs(1_000_000), Vec::new());
            for (gap, has_standing) in gaps {
                now = now + Duration::from_millis(gap);
                let taken = budgets.take(budget, has_standing, now);
                if taken.is_ok() {
                    made.push((now, has_standing));
                }
                let within = |window: u64, of: &dyn Fn(bool) -> bool| {
                    made.iter().filter(|(at, has)| now.since(*at) < Duration::from_secs(window) && of(*has)).count() as u32
                };
                proptest::prop_assert!(within(60, &|_| true) <= all);
                proptest::prop_assert!(within(60, &|has| has) <= standing);
                // Refused only when the last 61 s are really full.
                match taken {
                    Ok(()) => {}
                    Err(Spent::All) => proptest::prop_assert!(within(62, &|_| true) >= all),
                    Err(Spent::Standing) => proptest::prop_assert!(within(62, &|has| has) >= standing),
                }
            }
        });
    }

    #[test]
    fn a_clock_that_jumps_neither_panics_nor_locks_the_budget() {
        let (budgets, budget) = (Budgets::default(), Budget { all: 2, standing: 1 });
        let at = Time::from_secs(1_000_000);
        assert_eq!(budgets.take(budget, true, at), Ok(()));
        assert_eq!(budgets.take(budget, true, at), Err(Spent::Standing));
        assert_eq!(budgets.take(budget, false, at - Duration::from_secs(30)), Ok(()));
        assert_eq!(budgets.take(budget, false, at), Err(Spent::All));
        assert_eq!(budgets.spent(at), (2, 1));
        assert_eq!(budgets.take(budget, false, at - Duration::from_secs(86_400)), Ok(()));
        assert_eq!(budgets.take(budget, false, Time::from_secs(u64::MAX / 2_000_000)), Ok(()));
        assert_eq!(budgets.take(budget, false, Time::ZERO), Ok(()));
    }
}
