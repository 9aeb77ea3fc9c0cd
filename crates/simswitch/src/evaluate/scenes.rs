//! The scenarios of the evaluation: [`Scene`]. The healthy ones, the forged ones and the attacks have a file each.

use crate::scenario::{Cast, Part, Place, Site};
use ipnet::IpNet;
use std::time::Duration;

mod attacks;
mod forged;
mod healthy;
mod slow;

/// A scenario of the evaluation.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub what: &'static str,
    /// Who takes part.
    pub parts: Vec<Part>,
    /// How long it lasts.
    pub lasts: Duration,
    /// What the daemon learns of gateways from the switch.
    pub gateways: Vec<IpNet>,
}

impl Scene {
    fn new(name: &'static str, what: &'static str, lasts: Duration, parts: Vec<Part>) -> Self {
        Self { name, what, parts, lasts, gateways: Vec::new() }
    }

    /// An attack on a switch with an office of eight phones and four phones of their own.
    fn attack(name: &'static str, what: &'static str, lasts: Duration, cast: Cast) -> Self {
        let mut parts = neighbours(minutes(5));
        parts.push(Part::after(180, cast));
        Self::new(name, what, lasts, parts)
    }
}

/// All of them.
pub(super) fn all() -> Vec<Scene> {
    let mut scenes = healthy::all();
    scenes.extend(forged::all());
    scenes.extend(attacks::all());
    scenes.extend(slow::all());
    scenes
}

/// Healthy phones around an attack.
fn neighbours(refresh: Duration) -> Vec<Part> {
    let office = Site { phones: 8, refresh, ..Site::default() };
    let homes = Site { phones: 4, refresh, place: Place::Own, ..Site::default() };
    vec![Part::after(0, Cast::Site(homes)), Part::after(0, Cast::Site(office))]
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(3600 * hours)
}

fn days(days: u64) -> Duration {
    Duration::from_secs(86_400 * days)
}
