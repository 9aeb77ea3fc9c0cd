//! Taking stock: the calls that a switch lists against those that are known, because events get lost.
//!
//! While a switch is out of sight its calls are charged no further, so that no sum is ever too large. Once it has listed its channels,
//! what is not among them is over, and what nobody told of is asked for and learnt. Start with [`Fraud::out_of_sight`] and
//! [`Fraud::compare`].

use super::calls::Live;
use super::finding::Finding;
use super::legs::Leg;
use super::{Fraud, Start, State};
use crate::observation::{Observation, What};
use crate::time::Time;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A channel, as a switch lists it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed<'a> {
    /// The switch's name of it.
    pub call: &'a [u8],
    /// Whether it is answered.
    pub is_answered: bool,
}

/// What a switch lists and what is known do not agree in.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Differences {
    /// Places in the list of channels that nobody told of, or whose answer nobody told of.
    pub untold: Vec<usize>,
    /// Calls that are not in the list, by the switch's names of them.
    pub missing: Vec<Box<[u8]>>,
}

/// What is known about sight of the switches.
#[derive(Default)]
pub(super) struct Sight {
    /// Switches whose events are not read, or have not been compared with their list since.
    blind: Vec<u16>,
    /// Looks that are under way.
    looks: usize,
    /// Calls that ended since the first of these began: what is then told of them is old.
    ended: Vec<u64>,
}

impl Sight {
    pub(super) fn is_blind(&self, switch: u16) -> bool {
        self.blind.contains(&switch)
    }

    pub(super) fn is_looking(&self) -> bool {
        self.looks > 0
    }

    pub(super) fn ended(&mut self, key: u64) {
        if self.looks > 0 && self.ended.len() < MOST_ENDED {
            self.ended.push(key);
        }
    }
}

/// A look that is under way; it is over when this is dropped.
pub struct Look<'a> {
    fraud: &'a Fraud,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let mut state = self.fraud.state.lock();
        state.sight.looks -= 1;
        if state.sight.looks == 0 {
            state.sight.ended = Vec::new();
        }
        self.fraud.running.store(state.running(), Relaxed);
    }
}

impl Fraud {
    /// The events of a switch are no longer read: its calls are charged no further until [`Fraud::in_sight`].
    pub fn out_of_sight(&self, switch: u16) {
        let mut state = self.state.lock();
        if !state.sight.is_blind(switch) {
            state.sight.blind.push(switch);
        }
    }

    /// The calls of a switch are known to run, as far as they are known.
    pub fn in_sight(&self, switch: u16) {
        self.state.lock().sight.blind.retain(|blind| *blind != switch);
    }

    /// Begins a look at a switch: before it is asked for its channels, until the last of its answers was told.
    pub fn look(&self) -> Look<'_> {
        let mut state = self.state.lock();
        state.sight.looks += 1;
        self.running.store(state.running(), Relaxed);
        Look { fraud: self }
    }

    /// Compares what is known with the channels that a switch listed when it was asked at `asked`.
    pub fn compare(&self, switch: u16, listed: &[Listed<'_>], asked: Time) -> Differences {
        let mut differences = Differences::default();
        for (piece, channels) in listed.chunks(crate::bounded::PIECE).enumerate() {
            let mut state = self.state.lock();
            for (place, channel) in channels.iter().enumerate() {
                if state.lists(self.call_key(switch, channel.call), channel, asked) {
                    differences.untold.push(piece * crate::bounded::PIECE + place);
                }
            }
        }
        let (mut from, mut gone) = (Some(0), Vec::new());
        while let Some(place) = from {
            let state = self.state.lock();
            from = state.calls.visit(place, |_, live| {
                if live.switch == switch && live.alive < asked && is_plain(&live.call) {
                    differences.missing.push(live.call.clone());
                }
            });
        }
        let mut from = Some(0);
        while let Some(place) = from {
            let mut state = self.state.lock();
            from = state.origins.visit(place, |key, origin| {
                if origin.switch == switch && asked.since(origin.alive) > UNLISTED {
                    gone.push(*key);
                }
            });
            // Of an origin nothing is lost but whose the next leg made for it is.
            for key in gone.drain(..) {
                state.origins.take(&key);
            }
            self.running.store(state.running(), Relaxed);
        }
        differences
    }

    /// A switch says that a call is not there although its end was never told. It is charged no further.
    pub fn ended_unseen(&self, switch: u16, call: &[u8]) {
        let key = self.call_key(switch, call);
        let mut state = self.state.lock();
        state.origins.take(&key);
        if let Some(live) = state.calls.take(&key) {
            live.over(&mut state);
            self.counts.ended_unseen.up();
        }
        self.running.store(state.running(), Relaxed);
    }

    /// A call that runs was told of by the switch when it was asked, and not by its events. `began` and `answered` are by our clock.
    pub(crate) fn learn(
        &self,
        seen: &Observation<'_>,
        began: Time,
        answered: Option<Time>,
        now: Time,
    ) -> Option<Finding> {
        let call = match seen.what {
            What::CallStarted { call, .. } | What::LegStarted { call, .. } => call,
            _ => return None,
        };
        let key = self.call_key(seen.switch, call);
        if self.state.lock().sight.ended.contains(&key) {
            return None;
        }
        let was_known = self.state.lock().calls.change(&key, |live| {
            live.answered = live.answered.or(answered);
            live.alive = now;
            false
        });
        if was_known {
            return None;
        }
        let before = self.state.lock().calls.len();
        let finding = match seen.what {
            What::CallStarted { call, destination, authenticated: true, .. } => {
                let domain = if seen.account_domain.is_empty() { seen.domain } else { seen.account_domain };
                let start = Start { seen, ip: seen.ip?, call, number: destination, domain, now: began };
                self.started(&start, now)
            }
            What::LegStarted { call, origin, gateway, destination } => {
                self.leg_started(seen, Leg { call, origin, gateway, number: destination }, began, now)
            }
            _ => None,
        };
        let mut state = self.state.lock();
        // A leg that stands in for the one it was made for is no other call.
        let is_more = state.calls.len() > before;
        let is_call = state.calls.change(&key, |live| {
            // What it was charged before is not known here; it is charged from now on.
            live.learnt(answered, now);
            false
        });
        state.origins.change(&key, |origin| {
            origin.alive = now;
            false
        });
        if is_call && is_more {
            self.counts.learnt.up();
        }
        finding
    }
}

impl State {
    /// A channel is in the list; true when it has to be asked about.
    fn lists(&mut self, key: u64, channel: &Listed<'_>, asked: Time) -> bool {
        let mut is_told = self.origins.change(&key, |origin| {
            origin.alive = origin.alive.max(asked);
            false
        });
        let mut misses_answer = false;
        is_told |= self.calls.change(&key, |live: &mut Live| {
            live.alive = live.alive.max(asked);
            misses_answer =
                channel.is_answered && live.answered.is_none() && asked.since(live.started) > SETTLED;
            false
        });
        !is_told || misses_answer
    }
}

/// Whether a name is the same in events, which encode it, and in lists, which do not.
fn is_plain(call: &[u8]) -> bool {
    !call.is_empty() && call.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// A switch lists a call only some time after it began, because it writes its list in pieces; a leg that is asked for by nobody is
/// kept so long.
const UNLISTED: Duration = Duration::from_secs(60);
/// An answer may be on its way.
const SETTLED: Duration = Duration::from_secs(2);
/// Calls that end during a look and are remembered.
const MOST_ENDED: usize = 65_536;
