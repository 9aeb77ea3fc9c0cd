//! Acting a scenario out on a [`World`], step by step: [`Show`], and at once in virtual time: [`Rehearsal`].
//!
//! Neither reads a clock. A show says what is due when, in the scenario's own time; its caller decides when that is.

use crate::{
    event::Event,
    identity::Identity,
    scenario::{GroundTruth, Label, Scenario},
    step::{ActorId, Step},
    world::{Effects, Later, World},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// A scenario and what is still to follow from its steps.
#[derive(Debug)]
pub struct Show {
    scenario: Scenario,
    next: Option<(Duration, Step)>,
    /// What is due, by time and then in order of creation.
    agenda: BinaryHeap<Reverse<(Duration, u64)>>,
    pending: BTreeMap<u64, (ActorId, SocketAddr, Later)>,
    created: u64,
}

/// Something that happened.
#[derive(Debug)]
pub struct Moment {
    /// In the scenario's time.
    pub at: Duration,
    /// Who did it, or whose doing it follows from.
    pub actor: ActorId,
    /// What kind of actor that is.
    pub label: Option<Label>,
    /// Where its packets seemed to come from.
    pub source: SocketAddr,
    /// Whether it was a step, and not what follows from an earlier one.
    pub is_step: bool,
    /// Whether its packets were dropped, so that nothing happened.
    pub blocked: bool,
    /// What the switch made of it.
    pub effects: Effects,
}

impl Show {
    /// A show that has not begun.
    pub fn new(mut scenario: Scenario) -> Self {
        let next = scenario.next();
        Self { scenario, next, agenda: BinaryHeap::new(), pending: BTreeMap::new(), created: 0 }
    }

    /// Who is who.
    pub fn ground_truth(&self) -> &GroundTruth {
        self.scenario.ground_truth()
    }

    /// When the next thing happens.
    pub fn due(&self) -> Option<Duration> {
        let step = self.next.as_ref().map(|(at, _)| *at);
        let later = self.agenda.peek().map(|Reverse((at, _))| *at);
        match (step, later) {
            (Some(step), Some(later)) => Some(step.min(later)),
            (step, later) => step.or(later),
        }
    }

    /// Lets the next thing happen in a world, where it is `now` in microseconds since 1970. Packets from whoever is
    /// `dropped` do not reach it.
    pub fn perform(
        &mut self,
        world: &mut World,
        now: u64,
        dropped: &dyn Fn(IpAddr, u16) -> bool,
    ) -> Option<Moment> {
        let at = self.due()?;
        let mut effects = Effects::default();
        // What follows from before comes first.
        let (actor, source, is_step, blocked) =
            if self.agenda.peek().is_some_and(|Reverse((later, _))| *later == at) {
                let Reverse((_, number)) = self.agenda.pop()?;
                let (actor, source, later) = self.pending.remove(&number)?;
                world.later(now, &later, &mut effects);
                (actor, source, false, false)
            } else {
                let (_, step) = self.next.take()?;
                self.next = self.scenario.next();
                let blocked = dropped(step.source.ip(), step.source.port());
                if !blocked {
                    world.act(now, &step, &mut effects);
                }
                (step.actor, step.source, true, blocked)
            };
        for (after, later) in effects.later.drain(..) {
            self.created += 1;
            self.agenda.push(Reverse((at + after, self.created)));
            self.pending.insert(self.created, (actor, source, later));
        }
        let label = self.ground_truth().label(actor);
        Some(Moment { at, actor, label, source, is_step, blocked, effects })
    }
}

/// A scenario acted out at once: an iterator over its events with their virtual times and the truth about them.
pub struct Rehearsal<'a> {
    show: Show,
    world: World,
    start: u64,
    end: Duration,
    heartbeat: Option<(Duration, Duration)>,
    dropped: Box<dyn Fn(IpAddr, u16) -> bool + 'a>,
    ready: VecDeque<Rehearsed>,
    steps: u64,
    blocked: u64,
}

/// An event of a rehearsal.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// In the scenario's time.
    pub at: Duration,
    /// The time in the event, in microseconds since 1970.
    pub now: u64,
    /// The event.
    pub event: Event,
    /// Whose doing it is; `None` for the switch's own, such as HEARTBEAT.
    pub actor: Option<ActorId>,
    /// What kind of actor that is.
    pub label: Option<Label>,
}

impl<'a> Rehearsal<'a> {
    /// Acts out what happens up to `end`. The scenario begins at `start`, in microseconds since 1970.
    pub fn new(scenario: Scenario, start: u64, end: Duration) -> Self {
        let seed = scenario.seed();
        let identity =
            Arc::new(Identity::new(format!("00000000-0000-4000-8000-{:012x}", seed & 0xffff_ffff_ffff)));
        Self {
            show: Show::new(scenario),
            world: World::new(identity, seed),
            start,
            end,
            heartbeat: None,
            dropped: Box::new(|_, _| false),
            ready: VecDeque::new(),
            steps: 0,
            blocked: 0,
        }
    }

    /// Lets packets of banned sources be dropped: it is asked before every step.
    #[must_use]
    pub fn dropping(mut self, dropped: impl Fn(IpAddr, u16) -> bool + 'a) -> Self {
        self.dropped = Box::new(dropped);
        self
    }

    /// Adds HEARTBEAT events.
    #[must_use]
    pub fn with_heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = Some((every, every));
        self
    }

    /// Who is who.
    pub fn ground_truth(&self) -> &GroundTruth {
        self.show.ground_truth()
    }

    /// Steps that reached the switch so far, and steps that were blocked.
    pub fn steps(&self) -> (u64, u64) {
        (self.steps, self.blocked)
    }

    /// What the switch knows.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn advance(&mut self) -> Option<()> {
        let due = self.show.due();
        if let Some((every, next)) = self.heartbeat
            && next <= self.end
            && due.is_none_or(|due| next < due)
        {
            self.heartbeat = Some((every, next + every));
            let mut effects = Effects::default();
            self.world.heartbeat(self.at(next), next, every, &mut effects);
            self.queue(next, effects, None, None);
            return Some(());
        }
        let at = due.filter(|at| *at <= self.end)?;
        let now = self.at(at);
        let moment = self.show.perform(&mut self.world, now, &*self.dropped)?;
        if moment.is_step {
            self.steps += u64::from(!moment.blocked);
            self.blocked += u64::from(moment.blocked);
        }
        self.queue(at, moment.effects, Some(moment.actor), moment.label);
        Some(())
    }

    fn queue(&mut self, at: Duration, effects: Effects, actor: Option<ActorId>, label: Option<Label>) {
        let now = self.at(at);
        self.ready.extend(effects.events.into_iter().map(|event| Rehearsed { at, now, event, actor, label }));
    }

    fn at(&self, at: Duration) -> u64 {
        self.start + u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Iterator for Rehearsal<'_> {
    type Item = Rehearsed;

    fn next(&mut self) -> Option<Rehearsed> {
        while self.ready.is_empty() {
            self.advance()?;
        }
        self.ready.pop_front()
    }
}
