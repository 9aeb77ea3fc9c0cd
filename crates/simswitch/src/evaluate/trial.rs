//! One scenario before one judge, in virtual time: [`play`].

use super::{
    book::{Book, Party},
    judge::{Bench, Judge},
    scenes::Scene,
    score::Score,
};
use crate::{identity::Identity, scenario::Scenario, show::Show, step::ActorId, world::World};
use extract::freeswitch::Extractor;
use guard::Time;
use std::sync::Arc;

/// Acts a scenario out before a judge. What the judge bans does not reach the switch.
pub(super) fn play(scene: &Scene, seed: u64, judge: Judge) -> Score {
    let scenario = Scenario::new(seed, &scene.parts);
    let entries = scenario.ground_truth().entries();
    let parties = entries
        .iter()
        .map(|truth| Party::new(truth.role, truth.label, truth.sources.clone(), truth.actor.is_some()));
    let mut book = Book::new(parties.collect());
    let actors: Vec<Option<ActorId>> = entries.iter().map(|truth| truth.actor).collect();
    let party_of = |actor: ActorId| actors.iter().position(|other| *other == Some(actor));
    let mut bench = Bench::new(judge, &scene.gateways);
    let identity =
        Arc::new(Identity::new(format!("00000000-0000-4000-8000-{:012x}", seed & 0xffff_ffff_ffff)));
    let mut extractor = Extractor::new(0, &identity.domain);
    let mut world = World::new(identity, seed);
    let mut show = Show::new(scenario);
    let mut found = Vec::new();
    while let Some(at) = show.due().filter(|at| *at <= scene.lasts) {
        let now = START + at;
        bench.pass(now, &mut found);
        for finding in found.drain(..) {
            book.find(None, at, &finding);
        }
        let Some(moment) = show.perform(&mut world, now.micros(), &|ip, port| bench.drops(ip, port, now))
        else {
            break;
        };
        let party = party_of(moment.actor);
        if let (true, Some(party)) = (moment.is_step, party) {
            let source = moment.source;
            book.step(party, at, source, moment.blocked, || bench.why(source.ip(), source.port(), now));
        }
        for event in &moment.effects.events {
            if let Some(seen) = extractor.read(event.view()) {
                bench.observe(&seen, now, &mut found);
            }
        }
        for finding in found.drain(..) {
            book.find(party, at, &finding);
        }
    }
    book.score()
}

/// 21 November 2026, a Saturday.
pub(super) const START: Time = Time::from_secs(1_795_219_200);
