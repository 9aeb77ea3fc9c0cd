//! The alarm for a switch of which nothing is heard: no event for `guard.silence_alarm`, whatever the reason.
//!
//! A connection that stands proves nothing, and neither does a new one: only events do. FreeSWITCH sends a HEARTBEAT
//! every 20 s, however quiet its phones are. [`Silence::look`] is called once a second.

use crate::app::App;
use guard::Time;
use std::sync::atomic::Ordering::Relaxed;

/// What was last heard of each switch, in the order of their numbers.
pub(super) struct Silence(Vec<Ear>);

struct Ear {
    events: u64,
    since: Time,
    is_alarmed: bool,
}

impl Silence {
    /// Nothing was heard of any switch before `now`.
    pub(super) fn new(switches: usize, now: Time) -> Silence {
        Silence((0..switches).map(|_| Ear { events: 0, since: now, is_alarmed: false }).collect())
    }

    /// Raises the alarm once for each silence, and tells its end.
    pub(super) fn look(&mut self, app: &App, now: Time) {
        let limit = app.config.load().guard.silence_alarm;
        for (switch, ear) in app.switches.iter().zip(&mut self.0) {
            let events = switch.counts.events.load(Relaxed);
            if events != ear.events {
                if std::mem::take(&mut ear.is_alarmed) {
                    tracing::warn!(switch = switch.name, "the switch sends events again");
                }
                (ear.events, ear.since) = (events, now);
            } else if now.since(ear.since) >= limit && !ear.is_alarmed {
                ear.is_alarmed = true;
                let silent = guard::ban::span(now.since(ear.since));
                let why = switch.state().trouble;
                let why =
                    why.as_deref().unwrap_or("it is connected; does it hang, or is HEARTBEAT switched off?");
                tracing::error!(
                    switch = switch.name,
                    "no event for {silent}, nobody is guarded there: {why}"
                );
            }
        }
    }
}
