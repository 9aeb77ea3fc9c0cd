//! One configuration that events are judged by: a guard, and the time that the events themselves tell.

use super::{Line, Map, Summary};
use crate::config::Config;
use crate::policy;
use esl::EventView;
use extract::freeswitch::Extractor;
use guard::engine::Explanation;
use guard::{Guard, Policy, Time};
use std::net::IpAddr;
use std::time::Duration;

/// See the module.
pub(super) struct Judge {
    policy: Policy,
    limits: guard::Limits,
    default_domain: String,
    maps: Vec<Map>,
    guard: Guard,
    extractor: Extractor,
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
        let default_domain = config.freeswitch.default_domain.clone();
        Judge {
            guard: guard(&policy, limits),
            extractor: Extractor::new(0, &default_domain),
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
        self.extractor = Extractor::new(0, &self.default_domain);
        self.first = true;
    }

    /// Judges an event; `tell` hears of each verdict, with the address that it is about.
    pub(super) fn event(&mut self, event: EventView<'_>, tell: &mut dyn FnMut(Option<IpAddr>, Line)) {
        self.events += 1;
        let Some(mut seen) = self.extractor.read(event) else { return };
        let time = event.timestamp().map_or(self.now, Time::from_micros);
        if self.first && time < self.now {
            // An older capture: another story.
            self.guard = guard(&self.policy, self.limits);
            (self.now, self.ticked) = (time, time);
            self.stories += 1;
        }
        self.first = false;
        self.now = self.now.max(time);
        if self.now.since(self.ticked) >= Duration::from_secs(1) {
            self.guard.tick(self.now);
            self.ticked = self.now;
        }
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
        let counts = self.extractor.counts();
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
fn guard(policy: &Policy, limits: guard::Limits) -> Guard {
    Guard::new(policy.clone(), limits, [1, 2, 3, 4], Box::new(|_| ()))
}
