//! What judgement stands on beside the events: a configuration with its files, and what a store or a recording knew.
//!
//! It makes the guards of a replay as the daemon makes its own: rules, addresses out of reach, countries, prices, signatures. Start with
//! [`Ground::guard`].

use crate::config::{Config, GuardLimits};
use crate::fraud::Prices;
use crate::geo::Geo;
use crate::store::Remembered;
use crate::{own, policy, suspects};
use guard::engine::Places;
use guard::suspicion::Suspicion;
use guard::{Guard, Policy, Time};
use ipnet::IpNet;
use std::sync::Arc;

/// See the module.
pub(super) struct Ground {
    config: Config,
    /// Addresses of the host that recorded; of this one as long as no recording tells them.
    own: Vec<IpNet>,
    /// Names of the switches, by their numbers.
    switches: Vec<String>,
    suspicion: Option<Arc<Suspicion>>,
    places: Places,
    past: Option<Arc<Remembered>>,
    troubles: Vec<String>,
}

impl Ground {
    /// Reads the files that a configuration names; a `past` is what a store remembers.
    pub(super) fn new(config: &Config, past: Option<Arc<Remembered>>) -> Ground {
        // Whoever has a file with mistakes is told before.
        let suspicion = suspects::of(&config.guard).or_else(|_| suspects::of(&GuardLimits::default()));
        let geo = Arc::new(Geo::default());
        geo.look(&config.geo);
        let troubles = geo.atlas().shelves().filter_map(|shelf| shelf.trouble.clone()).collect();
        Ground {
            own: own::now(),
            switches: config.switches.iter().map(|switch| switch.name.clone()).collect(),
            suspicion: suspicion.ok().map(Arc::new),
            places: geo.places(),
            past,
            troubles,
            config: config.clone(),
        }
    }

    /// Files that could not be read and are done without.
    pub(super) fn troubles(&self) -> &[String] {
        &self.troubles
    }

    /// Number of the switch of this name; `None` when there are too many.
    pub(super) fn switch(&mut self, name: &str) -> Option<usize> {
        let name = guard::printable(name.as_bytes());
        if let Some(number) = self.switches.iter().position(|known| *known == name) {
            return Some(number);
        }
        if self.switches.len() >= MOST_SWITCHES {
            return None;
        }
        self.switches.push(name);
        Some(self.switches.len() - 1)
    }

    /// How many switches there are.
    pub(super) fn switches(&self) -> usize {
        self.switches.len()
    }

    /// The domain of an account of a switch when the event carries none.
    pub(super) fn default_domain(&self, number: usize) -> &str {
        let switch = self.config.switches.get(number);
        switch.map_or(&self.config.freeswitch.default_domain, |switch| &switch.default_domain)
    }

    /// The host that recorded has these addresses.
    pub(super) fn is_of(&mut self, own: Vec<IpNet>) {
        self.own = own;
    }

    /// The rules, with what is out of reach. Bans are judged as enforced, whatever the configuration says.
    pub(super) fn policy(&self) -> Policy {
        let policy = policy::policy(&self.config, &self.own);
        Policy { enforce: true, switches: self.switches.clone(), ..policy }
    }

    /// A guard that has seen nothing. Runs are to repeat, so the hashes have fixed keys.
    pub(super) fn guard(&mut self) -> Guard {
        let limits = policy::limits(&self.config);
        let guard = Guard::new(self.policy(), limits, [1, 2, 3, 4], Box::new(|_| ()));
        if let Some(suspicion) = &self.suspicion {
            guard.set_suspicion(suspicion.clone());
        }
        guard.set_places(Some(self.places.clone()));
        let prices = Prices::default();
        prices.look(&guard, &self.config);
        let trouble = prices.shelf().trouble.filter(|trouble| !self.troubles.contains(trouble));
        self.troubles.extend(trouble);
        guard
    }

    /// Tells a guard what a store remembers. Before the first observation.
    pub(super) fn remind(&self, guard: &Guard, now: Time) {
        let Some(past) = &self.past else { return };
        if past.past.key != [0, 0] {
            guard.past().restore(past.past.key, &past.past.rows, guard.policy().growth, now);
        }
        guard.fraud().restore(&past.learnt, past.calls_watched_since, now);
    }
}

/// Switches in one story.
const MOST_SWITCHES: usize = 256;
