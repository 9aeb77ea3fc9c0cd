//! How many bans may be made in a minute: what turns a runaway rule, or a poisoned one, into an alarm.
//!
//! Three budgets: of all bans that the guard makes on evidence that is hard to forge; of those on forgeable evidence, half as many, so that whoever
//! floods with forged senders cannot spend what real attackers need; and of sources with standing that are hit by one, wholly or a port of them: twenty wrong
//! phones of one office are one source. All count over the last 60 s in steps of a second, so that no 60 s ever hold more than
//! allowed. Operators' orders never come in here. Start with [`Budgets::take`].

use crate::observation::Evidence;
use crate::source::Source;
use crate::time::Time;
use parking_lot::Mutex;

/// What may be spent in a minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Bans of the guard on likely or proven evidence; half as many on forgeable evidence come on top.
    pub all: u32,
    /// Sources with standing that are hit by one.
    pub standing: u32,
}

impl Budget {
    /// Bans on forgeable evidence.
    pub fn forgeable(&self) -> u32 {
        self.all.div_ceil(2)
    }
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
    /// That of all bans on evidence that is hard to forge.
    All,
    /// That of bans on forgeable evidence.
    Forgeable,
    /// That of sources with standing.
    Standing,
}

/// What was spent in the last minute.
#[derive(Default)]
pub struct Budgets {
    spent: Mutex<Lately>,
}

#[derive(Default)]
struct Lately {
    all: Minute,
    forgeable: Minute,
    hit: Hit,
}

impl Budgets {
    /// Takes one ban on this evidence out of the budget; `standing` is the source, when it has standing.
    ///
    /// # Errors
    /// The budget that is spent; nothing is taken then.
    pub fn take(
        &self,
        budget: Budget,
        evidence: Evidence,
        standing: Option<Source>,
        now: Time,
    ) -> Result<(), Spent> {
        let now = now.secs();
        let Lately { all, forgeable, hit } = &mut *self.spent.lock();
        let (minute, most, spent) = match evidence {
            Evidence::Forgeable => (forgeable, budget.forgeable(), Spent::Forgeable),
            _ => (all, budget.all, Spent::All),
        };
        if minute.count(now) >= most {
            return Err(spent);
        }
        if standing.is_some_and(|source| !hit.add(source, budget.standing, now)) {
            return Err(Spent::Standing);
        }
        minute.add(now);
        Ok(())
    }

    /// What was spent in the last minute: bans on any evidence, and sources with standing that were hit.
    pub fn spent(&self, now: Time) -> (u32, u32) {
        let Lately { all, forgeable, hit } = &*self.spent.lock();
        let hit = hit.0.iter().filter(|(_, at)| is_lately(*at, now.secs())).count();
        let bans = all.clone().count(now.secs()) + forgeable.clone().count(now.secs());
        (bans, hit as u32)
    }
}

/// Sources with standing that were hit, and in which second last; not longer than the budget.
#[derive(Default)]
struct Hit(Vec<(Source, u64)>);

impl Hit {
    /// Whether a source may be hit; it is then.
    fn add(&mut self, source: Source, most: u32, now: u64) -> bool {
        self.0.retain(|(_, at)| is_lately(*at, now));
        if let Some((_, last)) = self.0.iter_mut().find(|(other, _)| *other == source) {
            *last = now;
            return true;
        }
        let is_room = self.0.len() < most as usize;
        if is_room {
            self.0.push((source, now));
        }
        is_room
    }
}

/// Within the last minute, or a little ahead because the clock was set back.
fn is_lately(at: u64, now: u64) -> bool {
    now <= at + 60 && at <= now + 60
}

/// A minute of counts by second, and the second that is not over.
#[derive(Clone)]
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
        proptest::proptest!(|(gaps in proptest::collection::vec((0u64..20_000, proptest::option::of(0u32..20)), 1..300), all in 0u32..30, standing in 0u32..10)| {
            let (budgets, budget) = (Budgets::default(), Budget { all, standing });
            let (mut now, mut made) = (Time::from_secs(1_000_000), Vec::new());
            for (gap, known) in gaps {
                now = now + Duration::from_millis(gap);
                let taken = budgets.take(budget, Evidence::Likely, known.map(source), now);
                if taken.is_ok() {
                    made.push((now, known));
                }
                let lately = |window: u64| {
                    let made = made.iter().filter(move |(at, _)| now.since(*at) < Duration::from_secs(window));
                    made.map(|(_, known)| *known)
                };
                let hit = lately(60).flatten().collect::<std::collections::BTreeSet<u32>>().len() as u32;
                proptest::prop_assert!(lately(60).count() as u32 <= all);
                proptest::prop_assert!(hit <= standing);
                // Refused only when the last 61 s are really full.
                match taken {
                    Ok(()) => {}
                    Err(Spent::All | Spent::Forgeable) => proptest::prop_assert!(lately(62).count() as u32 >= all),
                    Err(Spent::Standing) => proptest::prop_assert!(lately(62).flatten().count() as u32 >= standing),
                }
            }
        });
    }

    fn source(n: u32) -> Source {
        Source::V4(std::net::Ipv4Addr::from(0xc612_0000 + n))
    }

    #[test]
    fn forged_senders_cannot_spend_what_real_attackers_need() {
        let (budgets, budget) = (Budgets::default(), Budget { all: 10, standing: 1 });
        let at = Time::from_secs(1_000_000);
        let forged = (0..100).filter(|_| budgets.take(budget, Evidence::Forgeable, None, at).is_ok()).count();
        assert_eq!(forged, 5);
        assert_eq!(budgets.take(budget, Evidence::Forgeable, None, at), Err(Spent::Forgeable));
        let real = (0..100).filter(|_| budgets.take(budget, Evidence::Proven, None, at).is_ok()).count();
        assert_eq!((real, budgets.spent(at)), (10, (15, 0)));
        assert_eq!(budgets.take(budget, Evidence::Likely, None, at), Err(Spent::All));
    }

    #[test]
    fn many_phones_of_one_source_are_one_source() {
        let (budgets, budget) = (Budgets::default(), Budget { all: 1000, standing: 2 });
        let at = |secs: u64| Time::from_secs(1_000_000 + secs);
        for secs in 0..20 {
            assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(1)), at(secs)), Ok(()));
        }
        assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(2)), at(20)), Ok(()));
        assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(3)), at(20)), Err(Spent::Standing));
        assert_eq!(budgets.spent(at(20)), (21, 2));
        assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(3)), at(81)), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_neither_panics_nor_locks_the_budget() {
        let (budgets, budget) = (Budgets::default(), Budget { all: 2, standing: 1 });
        let at = Time::from_secs(1_000_000);
        assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(1)), at), Ok(()));
        assert_eq!(budgets.take(budget, Evidence::Likely, Some(source(2)), at), Err(Spent::Standing));
        assert_eq!(budgets.take(budget, Evidence::Likely, None, at - Duration::from_secs(30)), Ok(()));
        assert_eq!(budgets.take(budget, Evidence::Likely, None, at), Err(Spent::All));
        assert_eq!(budgets.spent(at), (2, 1));
        assert_eq!(budgets.take(budget, Evidence::Likely, None, at - Duration::from_secs(86_400)), Ok(()));
        assert_eq!(
            budgets.take(budget, Evidence::Likely, None, Time::from_secs(u64::MAX / 2_000_000)),
            Ok(())
        );
        assert_eq!(budgets.take(budget, Evidence::Likely, None, Time::ZERO), Ok(()));
    }
}
