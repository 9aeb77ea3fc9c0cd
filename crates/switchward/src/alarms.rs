//! The alarms: states of the daemon that a person should mend, each told once when it begins and once when it is over.
//!
//! Start with [`Alarms::see`]: whoever knows of a trouble tells, as often as it looks, whether it is there now. [`Kind`] has what
//! each alarm means; [`watch`] looks at all that the daemon can see of itself, once a second. What flaps is one alarm: it is
//! over when the trouble was gone for `alarms.clear_after`, unless its kind says that it is over at once.

use crate::clock;
use crate::news::{Alarm, Event, News, Severity};
use guard::Time;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod kinds;
#[cfg(test)]
mod tests;
pub mod watch;

pub use kinds::*;

/// One kind of alarm.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name: one word.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How long the trouble must be there before it is an alarm.
    pub raise_after: Duration,
    /// Whether it is over as soon as the trouble is gone.
    pub over_at_once: bool,
    /// What is said when it is over.
    pub over: &'static str,
    /// When it is raised, for the documentation.
    pub when: &'static str,
    /// What to do, for the documentation.
    pub mend: &'static str,
}

/// All alarms that are on, and the latest that are over.
pub struct Alarms {
    started: Instant,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    states: BTreeMap<(&'static str, String), State>,
    over: VecDeque<Over>,
}

struct State {
    kind: &'static Kind,
    /// When the trouble was first seen.
    from: Moment,
    /// The alarm, once it was raised.
    raised: Option<Arc<Alarm>>,
    /// Since when the trouble is gone.
    gone: Option<Moment>,
}

/// An alarm that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// As it was raised.
    pub alarm: Arc<Alarm>,
    /// When it was over.
    pub until: Time,
}

/// A moment by both clocks: the wall's to show, the steady one to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Time,
    /// Since the start, by a clock that nobody sets.
    pub up: Duration,
}

impl Default for Alarms {
    fn default() -> Alarms {
        Alarms { started: Instant::now(), board: Mutex::default() }
    }
}

impl Alarms {
    /// Now.
    pub fn moment(&self) -> Moment {
        Moment { wall: clock::now(), up: self.started.elapsed() }
    }

    /// Tells whether a trouble is there at this moment, and in which words. `clear_after` is `alarms.clear_after`.
    ///
    /// `subject` must come from the configuration or from the program, never from a peer.
    pub fn see(
        &self,
        news: &News,
        kind: &'static Kind,
        subject: &str,
        trouble: Option<String>,
        clear_after: Duration,
    ) {
        self.see_at(self.moment(), news, kind, subject, trouble, clear_after);
    }

    fn see_at(
        &self,
        now: Moment,
        news: &News,
        kind: &'static Kind,
        subject: &str,
        trouble: Option<String>,
        clear_after: Duration,
    ) {
        let mut board = self.board.lock();
        let key = (kind.name, subject.to_owned());
        match trouble {
            Some(text) => {
                if board.states.len() >= MOST && !board.states.contains_key(&key) {
                    return;
                }
                let state =
                    board.states.entry(key).or_insert(State { kind, from: now, raised: None, gone: None });
                state.gone = None;
                let lasts = now.up.saturating_sub(state.from.up);
                if state.raised.is_some() || lasts < kind.raise_after {
                    return;
                }
                let alarm = Arc::new(Alarm {
                    name: kind.name,
                    subject: subject.to_owned(),
                    severity: kind.severity,
                    raised: true,
                    since: state.from.wall,
                    text,
                });
                state.raised = Some(alarm.clone());
                say(&alarm);
                news.tell(Event::Alarm(alarm));
            }
            None => {
                let Some(state) = board.states.get_mut(&key) else { return };
                let gone = *state.gone.get_or_insert(now);
                let wait = if kind.over_at_once { Duration::ZERO } else { clear_after };
                if state.raised.is_some() && now.up.saturating_sub(gone.up) < wait {
                    return;
                }
                let Some(State { raised: Some(alarm), .. }) = board.states.remove(&key) else { return };
                tracing::warn!(alarm = alarm.name, subject = alarm.subject, "{}", kind.over);
                let told = Alarm { raised: false, text: kind.over.to_owned(), ..(*alarm).clone() };
                if board.over.len() == KEPT {
                    board.over.pop_front();
                }
                board.over.push_back(Over { alarm, until: now.wall });
                news.tell(Event::Alarm(Arc::new(told)));
            }
        }
    }

    /// Those that are on, the worst first.
    pub fn active(&self) -> Vec<Arc<Alarm>> {
        let board = self.board.lock();
        let mut active: Vec<_> = board.states.values().filter_map(|state| state.raised.clone()).collect();
        active.sort_by_key(|alarm| std::cmp::Reverse(alarm.severity));
        active
    }

    /// The latest that are over, the newest first.
    pub fn over(&self) -> Vec<Over> {
        self.board.lock().over.iter().rev().cloned().collect()
    }

    /// How many are on of each kind that there is, and of each other kind that is on.
    pub fn counts(&self) -> Vec<(&'static Kind, u64)> {
        let mut counts: Vec<(&'static Kind, u64)> = ALL.iter().map(|kind| (*kind, 0)).collect();
        for state in self.board.lock().states.values().filter(|state| state.raised.is_some()) {
            match counts.iter_mut().find(|(kind, _)| *kind == state.kind) {
                Some((_, count)) => *count += 1,
                None => counts.push((state.kind, 1)),
            }
        }
        counts
    }
}

fn say(alarm: &Alarm) {
    let (name, subject, text) = (alarm.name, alarm.subject.as_str(), alarm.text.as_str());
    match alarm.severity {
        Severity::Critical => tracing::error!(alarm = name, subject, "{text}"),
        Severity::Warning => tracing::warn!(alarm = name, subject, "{text}"),
        Severity::Info => tracing::info!(alarm = name, subject, "{text}"),
    }
}

/// Most alarms and troubles at a time.
const MOST: usize = 1000;
/// Alarms that are over and still shown.
const KEPT: usize = 100;
