//! Where a source is: its country and autonomous system, told by a function that the daemon gives. The guard knows no files.

use super::Guard;
use super::seen::Seen;
use crate::countries;
use crate::signal::{Signal, Signals};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Where an address is, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The country, by its two capital letters (ISO 3166-1 alpha-2).
    pub country: Option<[u8; 2]>,
    /// The number of the autonomous system.
    pub system: Option<u32>,
}

/// Tells where an address is. Called for strikes, on the thread that reads the switch: it must not wait or allocate.
pub type Places = Arc<dyn Fn(IpAddr) -> Place + Send + Sync>;

/// The function, if there is one.
#[derive(Default)]
pub(super) struct Atlas(Option<Places>);

impl fmt::Debug for Atlas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Atlas" } else { "no Atlas" })
    }
}

impl Guard {
    /// Gives the function that tells where an address is; `None` when nothing is known of places.
    pub fn set_places(&self, places: Option<Places>) {
        self.atlas.store(Arc::new(Atlas(places)));
    }

    /// Whether a request comes from a country that is not allowed.
    pub(super) fn is_denied(&self, seen: &Seen<'_>, signals: Signals) -> bool {
        let compiled = self.policy.load();
        let rules = &compiled.policy.countries;
        if rules.is_empty() || !signals.meets(REQUESTS) {
            return false;
        }
        let whose = (seen.seen.profile, seen.seen.user, seen.home());
        self.place(seen.ip).country.is_some_and(|country| countries::denied(rules, whose, country))
    }

    /// Whether anything is known of places.
    pub(super) fn knows_places(&self) -> bool {
        self.atlas.load().0.is_some()
    }

    /// Where an address is.
    pub(super) fn place(&self, ip: IpAddr) -> Place {
        self.atlas.load().0.as_ref().map_or_else(Place::default, |places| places(ip))
    }
}

/// What a source asks for, once for each request: right credentials come with a call or a log-in.
const REQUESTS: Signals = Signals::these(&[
    Signal::AuthFailed,
    Signal::Succeeded,
    Signal::Challenged,
    Signal::Call,
    Signal::CallAbandoned,
]);
