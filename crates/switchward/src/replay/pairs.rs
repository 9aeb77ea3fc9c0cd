//! Verdicts of one side that wait for their like of the other side: which ban of one configuration is which of the other.
//!
//! A verdict waits for as long as what it did would last, since until then the other side may come to the same, only later. How
//! many may wait is bounded, whatever the captures hold. Start with [`Pairs::meet`].

use super::{Action, Line};
use guard::Time;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// One of the two configurations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    A,
    B,
}

/// A verdict that the other side has not come to.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) side: Side,
    pub(super) line: Line,
    /// How things stood on the other side when it was made.
    pub(super) elsewhere: String,
    until: Time,
    number: u64,
}

/// See the module.
pub(super) struct Pairs {
    waiting: HashMap<Key, VecDeque<Waiting>>,
    /// Who gives up next.
    order: BTreeSet<(Time, u64, Key)>,
    most: usize,
    next: u64,
    /// How many had to give up early because too many waited.
    pub(super) crowded_out: u64,
}

/// What two verdicts must have in common to be one: the deed and whom it is done to. A ban by another rule is still the ban of that
/// target; an alert by another rule is another alert.
type Key = (u8, String, String);

fn key(line: &Line) -> Key {
    let more = match line.action {
        Action::Ban | Action::Allow => String::new(),
        Action::Alert => format!("{} {}", line.rule, line.account.as_deref().unwrap_or_default()),
        Action::Block => line.account.clone().unwrap_or_default(),
        Action::Hangup => line.call.clone().unwrap_or_default(),
    };
    (line.action as u8, line.target.clone(), more)
}

/// How long what is not meant to last waits for its like.
const MOMENT: Duration = Duration::from_secs(3600);
/// How long what lasts waits at most.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

impl Pairs {
    /// At most `most` wait.
    pub(super) fn new(most: usize) -> Pairs {
        Pairs { waiting: HashMap::new(), order: BTreeSet::new(), most, next: 0, crowded_out: 0 }
    }

    /// Takes out the verdict of the other side that `line` of `side` is like, if one waits; one by the same rule before any other.
    pub(super) fn meet(&mut self, side: Side, line: &Line) -> Option<Waiting> {
        let key = key(line);
        let queue = self.waiting.get_mut(&key)?;
        let others = || queue.iter().enumerate().filter(|(_, waiting)| waiting.side != side);
        let (index, _) =
            others().find(|(_, waiting)| waiting.line.rule == line.rule).or_else(|| others().next())?;
        let met = queue.remove(index)?;
        if queue.is_empty() {
            self.waiting.remove(&key);
        }
        self.order.remove(&(met.until, met.number, key));
        Some(met)
    }

    /// Lets a verdict wait; gives back the one that has to give up for it when too many do.
    pub(super) fn wait(&mut self, side: Side, line: Line, elsewhere: String, now: Time) -> Option<Waiting> {
        let lasts = match line.action {
            Action::Ban | Action::Allow => line.ttl.map_or(LONGEST, Duration::from_secs),
            Action::Alert | Action::Hangup | Action::Block => MOMENT,
        };
        let (key, until, number) = (key(&line), now + lasts.min(LONGEST), self.next);
        self.next += 1;
        self.order.insert((until, number, key.clone()));
        self.waiting.entry(key).or_default().push_back(Waiting { side, line, elsewhere, until, number });
        if self.order.len() <= self.most {
            return None;
        }
        self.crowded_out += 1;
        self.first()
    }

    /// One that has waited long enough; all come out at the end of time.
    pub(super) fn given_up(&mut self, now: Time) -> Option<Waiting> {
        let is_due = self.order.first().is_some_and(|(until, ..)| *until < now);
        if is_due { self.first() } else { None }
    }

    /// The one that would give up next.
    pub(super) fn first(&mut self) -> Option<Waiting> {
        let (_, number, key) = self.order.pop_first()?;
        let queue = self.waiting.get_mut(&key)?;
        let index = queue.iter().position(|waiting| waiting.number == number)?;
        let waiting = queue.remove(index);
        if queue.is_empty() {
            self.waiting.remove(&key);
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guard::Evidence;

    fn line(action: Action, target: &str, rule: &str, ttl: Option<u64>) -> Line {
        Line {
            time: String::new(),
            action,
            target: target.into(),
            rule: rule.into(),
            evidence: Evidence::Likely,
            ttl,
            reason: String::new(),
            scope: None,
            count: None,
            call: None,
            account: None,
        }
    }

    #[test]
    fn a_ban_meets_the_ban_of_the_same_target_and_first_that_by_the_same_rule() {
        let mut pairs = Pairs::new(10);
        let ban = |rule| line(Action::Ban, "192.0.2.1", rule, Some(60));
        for rule in ["one", "two"] {
            assert!(pairs.wait(Side::A, ban(rule), String::new(), Time::from_secs(100)).is_none());
        }
        assert!(pairs.meet(Side::A, &ban("one")).is_none(), "not with its own side");
        assert!(pairs.meet(Side::B, &line(Action::Alert, "192.0.2.1", "one", None)).is_none());
        assert!(pairs.meet(Side::B, &line(Action::Ban, "192.0.2.2", "one", None)).is_none());
        assert_eq!(pairs.meet(Side::B, &ban("two")).map(|met| met.line.rule), Some("two".into()));
        assert_eq!(pairs.meet(Side::B, &ban("three")).map(|met| met.line.rule), Some("one".into()));
        assert!(pairs.first().is_none() && pairs.waiting.is_empty());
    }

    #[test]
    fn a_verdict_waits_as_long_as_it_lasts() {
        let mut pairs = Pairs::new(10);
        let now = Time::from_secs(1000);
        pairs.wait(Side::A, line(Action::Ban, "192.0.2.1", "r", Some(60)), String::new(), now);
        pairs.wait(Side::A, line(Action::Ban, "192.0.2.2", "r", None), String::new(), now);
        assert!(pairs.given_up(Time::from_secs(1060)).is_none());
        assert_eq!(pairs.given_up(Time::from_secs(1061)).unwrap().line.target, "192.0.2.1");
        assert!(pairs.given_up(Time::from_secs(86_400 * 300)).is_none(), "a ban for good");
        assert_eq!(pairs.first().unwrap().line.target, "192.0.2.2");
    }

    #[test]
    fn too_many_crowd_out_who_would_give_up_next() {
        let mut pairs = Pairs::new(2);
        let mut out = Vec::new();
        for n in 1..=4u64 {
            let ban = line(Action::Ban, &format!("192.0.2.{n}"), "r", Some(100 * n));
            out.extend(pairs.wait(Side::B, ban, String::new(), Time::from_secs(1)).map(|w| w.line.target));
        }
        assert_eq!(out, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!((pairs.crowded_out, pairs.order.len(), pairs.waiting.len()), (2, 2, 2));
    }
}
