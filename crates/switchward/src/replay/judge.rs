//! One configuration that events are judged by: a guard, and the time that the events themselves tell.

use super::capture::Heard;
use super::{Line, Map, Summary};
use crate::config::{Config, GuardLimits};
use crate::{policy, suspects};
use extract::freeswitch::Extractor;
use extract::freeswitch::log::LogReader;
use guard::engine::Explanation;
use guard::suspicion::Suspicion;
use guard::{Guard, Observation, Policy, Time};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// See the module.
pub(super) struct Judge {
    policy: Policy,
    limits: guard::Limits,
    default_domain: String,
    suspicion: Option<Arc<Suspicion>>,
    maps: Vec<Map>,
    guard: Guard,
    /// Taken out while it lends an observation.
    extractor: Option<Extractor>,
    log: LogReader,
    now: Time,
    ticked: Time,
    /// Whether the next event is the first of a file.
    first: bool,
    /// How many times an older capture began another story.
    stories: u32,
    events: u64,
    observations: u64,
}

impl Judge {
    /// By the rules of a configuration. Bans are judged as enforced, whatever the configuration says.
    pub(super) fn new(config: &Config, maps: Vec<Map>) -> Judge {
        let policy = Policy { enforce: true, ..policy::policy(config, &[]) };
        let limits = policy::limits(config);
        // Whoever has a file with mistakes is told before.
        let suspicion = suspects::of(&config.guard).or_else(|_| suspects::of(&GuardLimits::default()));
        let suspicion = suspicion.ok().map(Arc::new);
        let default_domain = config.freeswitch.default_domain.clone();
        Judge {
            guard: guard(&policy, limits, &suspicion),
            suspicion,
            extractor: Some(Extractor::new(0, &default_domain)),
            log: LogReader::new(0),
            policy,
            limits,
            default_domain,
            maps,
            now: Time::ZERO,
            ticked: Time::ZERO,
            first: true,
            stories: 0,
            events: 0,
            observations: 0,
        }
    }

    /// A file begins.
    pub(super) fn begin(&mut self) {
        self.extractor = Some(Extractor::new(0, &self.default_domain));
        self.first = true;
    }

    /// Judges what was heard; `tell` hears of each verdict, with the address that it is about.
    pub(super) fn hear(&mut self, heard: Heard<'_>, tell: &mut dyn FnMut(Option<IpAddr>, Line)) {
        match heard {
            Heard::Event(event) => {
                self.events += 1;
                // The extractor lends its own memory.
                let mut extractor = std::mem::take(&mut self.extractor);
                if let Some(seen) = extractor.as_mut().and_then(|extractor| extractor.read(event)) {
                    self.is_time(event.timestamp().map_or(self.now, Time::from_micros));
                    self.judge(seen, tell);
                }
                self.extractor = extractor;
            }
            // A line has the switch's local time; that of the last event is near and sure. The first lines of all have none.
            Heard::Log(frame) => {
                if self.now != Time::ZERO
                    && let Some(seen) = self.log.read(&frame)
                {
                    self.judge(seen, tell);
                }
            }
        }
    }

    fn is_time(&mut self, time: Time) {
        if self.first && time < self.now {
            // An older capture: another story.
            self.guard = guard(&self.policy, self.limits, &self.suspicion);
            (self.now, self.ticked) = (time, time);
            self.stories += 1;
        }
        self.first = false;
        self.now = self.now.max(time);
        if self.now.since(self.ticked) >= Duration::from_secs(1) {
            self.guard.tick(self.now);
            self.ticked = self.now;
        }
    }

    fn judge(&mut self, mut seen: Observation<'_>, tell: &mut dyn FnMut(Option<IpAddr>, Line)) {
        self.observations += 1;
        for map in &self.maps {
            seen.ip = seen.ip.map(|ip| map.apply(ip));
        }
        for verdict in self.guard.observe(&seen, self.now) {
            tell(seen.ip, Line::of(&verdict, &seen, self.now));
        }
    }

    /// Adds what was counted since the file began to `summary`.
    pub(super) fn account(&mut self, summary: &mut Summary) {
        let counts = self.extractor.as_ref().map(Extractor::counts).unwrap_or_default();
        summary.forged += counts.forged;
        summary.bad_address += counts.bad_address;
        summary.events += std::mem::take(&mut self.events);
        summary.observations += std::mem::take(&mut self.observations);
    }

    /// The time of the last event.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// How many times an older capture began another story.
    pub(super) fn stories(&self) -> u32 {
        self.stories
    }

    /// All that is known of an address.
    pub(super) fn explain(&self, ip: IpAddr) -> Explanation {
        self.guard.explain(ip, self.now)
    }

    /// The guard, for a look at its ledger.
    pub(super) fn guard_at(&self) -> (&Guard, Time) {
        (&self.guard, self.now)
    }
}

/// Runs are to repeat, so the hashes have fixed keys.
fn guard(policy: &Policy, limits: guard::Limits, suspicion: &Option<Arc<Suspicion>>) -> Guard {
    let guard = Guard::new(policy.clone(), limits, [1, 2, 3, 4], Box::new(|_| ()));
    if let Some(suspicion) = suspicion {
        guard.set_suspicion(suspicion.clone());
    }
    guard
}
