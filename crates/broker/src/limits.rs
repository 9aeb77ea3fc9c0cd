//! How fast and how many at once, and how much of what is refused is written down: the limits of each caller, with the time as an argument.

use std::collections::HashMap;
use std::sync::Arc;

/// Why one more is not let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excess {
    /// Too fast; micros until the next may come.
    Rate {
        /// How long.
        wait: u64,
    },
    /// Too many at once.
    Concurrency,
    /// Too many background jobs at once.
    Jobs,
}

/// What a caller may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Requests in a second; as many at once when it was quiet before. 0: no limit.
    pub rate: u32,
    /// Requests that are not answered yet. 0: no limit.
    pub concurrency: u32,
}

/// What all callers use just now. Names are of callers who were let in, or the empty one; those that are at rest are forgotten when there
/// are many.
#[derive(Debug, Default)]
pub struct Usage(HashMap<Arc<str>, Used>);

#[derive(Clone, Copy, Debug)]
struct Used {
    /// Requests under way.
    running: u32,
    /// Background jobs under way.
    jobs: u32,
    /// Millionths of a request that may come at once.
    tokens: u64,
    /// Micros; when `tokens` was right.
    at: u64,
}

impl Usage {
    /// Lets one more request of `name` through, at `now` in micros of whatever clock, or says why not. [`Usage::ended`] takes it back.
    ///
    /// # Errors
    /// What is exceeded.
    pub fn begin(&mut self, name: &Arc<str>, quota: Quota, now: u64) -> Result<(), Excess> {
        if self.0.len() >= MANY && !self.0.contains_key(name) {
            self.0.retain(|_, used| used.is_busy() || now.saturating_sub(used.at) < REST);
            // So many at once are not people: what they have used up is forgotten before memory is.
            if self.0.len() >= MANY {
                self.0.retain(|_, used| used.is_busy());
            }
        }
        let full = u64::from(quota.rate) * ONE;
        let used = self.0.entry(name.clone()).or_insert(Used { running: 0, jobs: 0, tokens: full, at: now });
        if quota.concurrency > 0 && used.running >= quota.concurrency {
            return Err(Excess::Concurrency);
        }
        let gained = now.saturating_sub(used.at).saturating_mul(u64::from(quota.rate));
        let tokens = used.tokens.saturating_add(gained).min(full);
        if quota.rate > 0 {
            if tokens < ONE {
                return Err(Excess::Rate { wait: (ONE - tokens).div_ceil(u64::from(quota.rate)) });
            }
            used.tokens = tokens - ONE;
        }
        used.at = now;
        used.running += 1;
        Ok(())
    }

    /// A request has ended.
    pub fn ended(&mut self, name: &str) {
        if let Some(used) = self.0.get_mut(name) {
            used.running = used.running.saturating_sub(1);
        }
    }

    /// Lets one more background job of `name` begin, whose request has begun, or says why not; `most` at once, 0 for no limit.
    /// [`Usage::job_ended`] takes it back.
    ///
    /// # Errors
    /// When there are as many.
    pub fn begin_job(&mut self, name: &str, most: u32) -> Result<(), Excess> {
        // Its request keeps the entry here.
        let Some(used) = self.0.get_mut(name) else { return Err(Excess::Jobs) };
        if most > 0 && used.jobs >= most {
            return Err(Excess::Jobs);
        }
        used.jobs += 1;
        Ok(())
    }

    /// A background job has ended.
    pub fn job_ended(&mut self, name: &str) {
        if let Some(used) = self.0.get_mut(name) {
            used.jobs = used.jobs.saturating_sub(1);
        }
    }

    /// Requests of `name` that are under way.
    pub fn running(&self, name: &str) -> u32 {
        self.0.get(name).map_or(0, |used| used.running)
    }
}

impl Used {
    /// Whether it must not be forgotten.
    fn is_busy(&self) -> bool {
        self.running > 0 || self.jobs > 0
    }
}

/// How much of what is refused is written down of each caller: so many bytes in a second, more when it was quiet before.
#[derive(Debug, Default)]
pub struct Refusals(HashMap<Arc<str>, Written>);

#[derive(Clone, Copy, Debug)]
struct Written {
    /// Bytes that may come at once.
    room: u64,
    /// Micros; when `room` was right.
    at: u64,
    /// How many since the last number was told.
    counted: u64,
}

/// What is to be done about something that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It is to be written down.
    Write,
    /// It is counted only.
    Counted {
        /// The first since the number was told: somebody has to ask for it after a while.
        first: bool,
    },
}

impl Refusals {
    /// Something was refused that would take so many bytes to write down, at `now` in micros.
    pub fn hear(&mut self, name: &Arc<str>, bytes: u64, now: u64) -> Heard {
        if self.0.len() >= MANY && !self.0.contains_key(name) {
            self.0.retain(|_, written| written.counted > 0 || now.saturating_sub(written.at) < REST);
            if self.0.len() >= MANY {
                self.0.retain(|_, written| written.counted > 0);
            }
        }
        let written = self.0.entry(name.clone()).or_insert(Written { room: ROOM, at: now, counted: 0 });
        let gained = now.saturating_sub(written.at).saturating_mul(ROOM_A_SECOND) / ONE;
        let room = written.room.saturating_add(gained).min(ROOM);
        if room < bytes || written.counted > 0 {
            written.counted += 1;
            return Heard::Counted { first: written.counted == 1 };
        }
        (written.room, written.at) = (room - bytes, now);
        Heard::Write
    }

    /// How many were counted only; from now on they are counted anew.
    pub fn counted(&mut self, name: &str) -> u64 {
        self.0.get_mut(name).map_or(0, |written| std::mem::take(&mut written.counted))
    }
}

/// How many wrong log-ins of strangers are written down: so many of all together, whoever they are, and of one source no more than its share.
#[derive(Debug, Default)]
pub struct Strangers {
    /// Millionths of an entry that are used up.
    used: u64,
    /// Micros; when `used` was right.
    at: u64,
    /// Since when, and how many of whom. As many as are written: few.
    of: HashMap<Arc<str>, (u64, u32)>,
    /// How many since the last number was told.
    counted: u64,
}

impl Strangers {
    /// A log-in from `source` was wrong, at `now` in micros.
    pub fn hear(&mut self, source: &Arc<str>, now: u64) -> Heard {
        let gained = now.saturating_sub(self.at).saturating_mul(STRANGERS_A_MINUTE) / 60;
        self.used = self.used.saturating_sub(gained);
        self.at = now;
        self.of.retain(|_, (since, _)| now.saturating_sub(*since) < SHARE_HOLDS);
        let theirs = self.of.get(source).map_or(0, |(_, count)| *count);
        if self.used + ONE > STRANGERS * ONE || theirs >= SHARE {
            self.counted += 1;
            return Heard::Counted { first: self.counted == 1 };
        }
        self.used += ONE;
        self.of.entry(source.clone()).or_insert((now, 0)).1 += 1;
        Heard::Write
    }

    /// How many were counted only; from now on they are counted anew.
    pub fn counted(&mut self) -> u64 {
        std::mem::take(&mut self.counted)
    }
}

/// Wrong log-ins that are written down at once.
const STRANGERS: u64 = 60;
/// The same in a minute: some 3,000 lines a day at most, so that two million of the index are years.
const STRANGERS_A_MINUTE: u64 = 2;
/// Of one source, for so many micros.
const SHARE: u32 = 5;
const SHARE_HOLDS: u64 = 3_600_000_000;
/// Bytes of one caller's refusals.
const ROOM: u64 = 1024 * 1024;
/// The same in a second.
const ROOM_A_SECOND: u64 = 64 * 1024;
/// One request, in millionths.
const ONE: u64 = 1_000_000;
/// Callers that are kept whether at rest or not.
const MANY: usize = 10_000;
/// Micros after which a caller is at rest.
const REST: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_rate_lets_a_burst_through_and_then_so_many_a_second() {
        let (mut usage, name) = (Usage::default(), Arc::from("alice"));
        let quota = Quota { rate: 10, concurrency: 0 };
        let let_through =
            |usage: &mut Usage, now| (0..100).filter(|_| usage.begin(&name, quota, now).is_ok()).count();
        assert_eq!(let_through(&mut usage, 0), 10);
        assert_eq!(usage.begin(&name, quota, 0), Err(Excess::Rate { wait: SECOND / 10 }));
        assert_eq!(let_through(&mut usage, SECOND / 2), 5);
        assert_eq!(let_through(&mut usage, 100 * SECOND), 10);
        assert!(usage.begin(&Arc::from("bob"), quota, 0).is_ok());
    }

    #[test]
    fn waiting_in_small_steps_gains_as_much_as_in_one() {
        let (mut usage, name) = (Usage::default(), Arc::from("alice"));
        let quota = Quota { rate: 3, concurrency: 0 };
        let through =
            (0..10 * SECOND).step_by(1000).filter(|now| usage.begin(&name, quota, *now).is_ok()).count();
        assert!((32..=33).contains(&through), "{through}");
    }

    #[test]
    fn jobs_are_counted_by_themselves_and_never_forgotten() {
        let (mut usage, name) = (Usage::default(), Arc::from("alice"));
        let quota = Quota { rate: 0, concurrency: 1 };
        for _ in 0..2 {
            usage.begin(&name, quota, 0).unwrap();
            usage.begin_job(&name, 2).unwrap();
            usage.ended(&name);
        }
        usage.begin(&name, quota, 0).unwrap();
        assert_eq!(usage.begin_job(&name, 2), Err(Excess::Jobs));
        usage.ended(&name);
        for n in 0..2 * MANY {
            usage.begin(&Arc::from(format!("guest {n}")), quota, 100 * REST).unwrap();
            usage.ended(&format!("guest {n}"));
        }
        usage.begin(&name, quota, 100 * REST).unwrap();
        assert_eq!(usage.begin_job(&name, 2), Err(Excess::Jobs));
        usage.job_ended(&name);
        assert_eq!(usage.begin_job(&name, 2), Ok(()));
    }

    #[test]
    fn so_many_at_once_and_no_more() {
        let (mut usage, name) = (Usage::default(), Arc::from("alice"));
        let quota = Quota { rate: 0, concurrency: 2 };
        assert!(usage.begin(&name, quota, 0).is_ok() && usage.begin(&name, quota, 0).is_ok());
        assert_eq!(usage.begin(&name, quota, 0), Err(Excess::Concurrency));
        usage.ended("alice");
        assert!(usage.begin(&name, quota, 0).is_ok());
    }

    #[test]
    fn many_names_at_once_do_not_fill_memory() {
        let (mut usage, mut refusals) = (Usage::default(), Refusals::default());
        let quota = Quota { rate: 1, concurrency: 1 };
        assert!(usage.begin(&Arc::from("busy"), quota, 0).is_ok());
        for n in 0..3 * MANY {
            let name: Arc<str> = n.to_string().into();
            assert!(usage.begin(&name, quota, 0).is_ok());
            usage.ended(&name);
            assert_eq!(refusals.hear(&name, 1, 0), Heard::Write);
        }
        assert!(usage.0.len() <= MANY + 1 && refusals.0.len() <= MANY + 1);
        assert_eq!(usage.running("busy"), 1);
    }

    #[test]
    fn what_is_refused_too_often_is_counted_and_none_is_lost() {
        let (mut refusals, name) = (Refusals::default(), Arc::from("mallory"));
        let line = ROOM / 8;
        let told: Vec<Heard> = (0..11).map(|_| refusals.hear(&name, line, 0)).collect();
        assert!(told[..8].iter().all(|heard| *heard == Heard::Write));
        assert_eq!(told[8], Heard::Counted { first: true });
        assert_eq!(told[9..], [Heard::Counted { first: false }; 2]);
        // In order: while some are only counted, so are all.
        assert_eq!(refusals.hear(&name, 1, 3_600 * SECOND), Heard::Counted { first: false });
        assert_eq!(refusals.hear(&Arc::from("alice"), line, 0), Heard::Write);
        assert_eq!((refusals.counted("mallory"), refusals.counted("mallory")), (4, 0));
        assert_eq!(refusals.hear(&name, line, 3_600 * SECOND), Heard::Write);
    }

    #[test]
    fn strangers_have_one_measure_for_all_and_one_source_a_share_of_it() {
        let mut strangers = Strangers::default();
        let heard = |strangers: &mut Strangers, source: u64, now| {
            strangers.hear(&source.to_string().into(), now) == Heard::Write
        };
        assert_eq!((0..100).filter(|_| heard(&mut strangers, 0, 0)).count(), SHARE as usize);
        assert_eq!(strangers.counted(), 95);
        let all = (1..10_000).filter(|source| heard(&mut strangers, *source, 0)).count() as u64;
        assert_eq!(all, STRANGERS - u64::from(SHARE));
        assert!(strangers.of.len() as u64 <= STRANGERS && strangers.counted() > 9_000);
        // A day of an attack from everywhere.
        let day = (0..86_400).filter(|at| heard(&mut strangers, 20_000 + at, at * SECOND)).count() as u64;
        assert_eq!(day, 2 * 60 * 24 - 1);
        assert!(strangers.of.len() < 200);
    }

    #[test]
    fn many_names_are_forgotten_but_for_those_at_work() {
        let mut usage = Usage::default();
        let quota = Quota { rate: 0, concurrency: 1 };
        assert!(usage.begin(&Arc::from("busy"), quota, 0).is_ok());
        for n in 0..3 * MANY as u64 {
            let name: Arc<str> = n.to_string().into();
            assert!(usage.begin(&name, quota, n * REST / 1000).is_ok());
            usage.ended(&name);
        }
        assert!(usage.0.len() <= MANY + 1, "{}", usage.0.len());
        assert_eq!(usage.running("busy"), 1);
    }
}
