//! Phones and attackers: [`Scenario`] generates what they do, deterministically by its seed.
//!
//! It is pure: an iterator over steps with their times, without a clock and without I/O. Who takes part is said with
//! [`Cast`]; who is an attacker and who is not, with their addresses, is in [`Scenario::ground_truth`].

use crate::step::{ActorId, Step};
use actor::{Actor, Next};
use fastrand::Rng;
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

mod actor;
mod attacker;
mod cast;
mod casting;
mod phone;
mod site;
mod trunk;
mod truth;

pub use attacker::{Attack, Origin};
pub use cast::{Cast, Part, UnknownScenario};
pub use site::{Fault, Place, Site};
pub use truth::{GroundTruth, Label, Source, Truth};

/// See the module.
#[derive(Debug)]
pub struct Scenario {
    seed: u64,
    actors: Vec<Actor>,
    /// When whose turn is.
    turns: BinaryHeap<Reverse<(Duration, u32)>>,
    truth: GroundTruth,
    accounts: Vec<String>,
}

impl Scenario {
    /// A scenario with these parts, each beginning at its own time.
    pub fn new(seed: u64, parts: &[Part]) -> Self {
        let mut casting = casting::Casting::new(seed);
        parts.iter().for_each(|part| casting.add(part));
        let (actors, truth, accounts) = casting.finish();
        let turns = actors.iter().zip(0..).map(|(actor, n)| Reverse((actor.begins, n))).collect();
        Self { seed, actors, turns, truth, accounts }
    }

    /// Everything at once, so that a demo shows attacks within seconds and healthy phones all the time.
    pub fn mix(seed: u64, rate: f64) -> Self {
        Self::new(seed, &Part::mix(rate))
    }

    /// Who is who.
    pub fn ground_truth(&self) -> &GroundTruth {
        &self.truth
    }

    /// The users that the directory must have.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(String::as_str)
    }

    /// What it was made with.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Iterator for Scenario {
    type Item = (Duration, Step);

    fn next(&mut self) -> Option<(Duration, Step)> {
        let Reverse((at, number)) = self.turns.pop()?;
        let actor = &mut self.actors[number as usize];
        let Next { source, action, after } = actor.act(at);
        self.turns.push(Reverse((at + after, number)));
        Some((at, Step { actor: ActorId(number), source, action }))
    }
}

/// A source of chance that is the actor's own, so that one actor does not disturb another.
fn rng(seed: u64, number: u64) -> Rng {
    Rng::with_seed(seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A duration around `mean`: between half and one and a half of it.
fn around(rng: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64(0.5 + rng.f64())
}

/// A Call-ID of an address.
fn call_id(rng: &mut Rng, host: std::net::IpAddr) -> std::sync::Arc<str> {
    format!("{:016x}@{host}", rng.u64(..)).into()
}
