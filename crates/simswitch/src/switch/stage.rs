//! Acting a scenario out on a switch, in real time: [`SimSwitch::run_scenario`].

use super::{SimSwitch, shared::Shared};
use crate::{
    scenario::{Label, Scenario},
    show::{Moment, Show},
    world::Effects,
};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

/// Whether the packets from an address and port are dropped before the switch sees them.
pub type Dropped = Arc<dyn Fn(IpAddr, u16) -> bool + Send + Sync>;

/// How a scenario is run.
#[derive(Clone)]
pub struct RunOptions {
    /// How much faster than real time.
    pub speed: f64,
    /// When it ends, in the scenario's own time; else when it has no more steps, or never.
    pub duration: Option<Duration>,
    /// Who is banned.
    pub dropped: Option<Dropped>,
}

impl Default for RunOptions {
    /// Real time, nobody banned, without end.
    fn default() -> Self {
        Self { speed: 1.0, duration: None, dropped: None }
    }
}

impl std::fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunOptions")
            .field("speed", &self.speed)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// What a run has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunStats {
    /// Steps that reached the switch.
    pub steps: u64,
    /// Steps of attackers whose packets were dropped.
    pub blocked_attackers: u64,
    /// Steps of anybody else whose packets were dropped: somebody was locked out.
    pub blocked_others: u64,
    /// Events that were made.
    pub events: u64,
}

/// A scenario that runs. Dropping it stops it.
#[derive(Debug)]
pub struct ScenarioRun {
    task: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    steps: AtomicU64,
    blocked_attackers: AtomicU64,
    blocked_others: AtomicU64,
    events: AtomicU64,
}

impl ScenarioRun {
    /// What it has done so far.
    pub fn stats(&self) -> RunStats {
        RunStats {
            steps: self.counts.steps.load(Relaxed),
            blocked_attackers: self.counts.blocked_attackers.load(Relaxed),
            blocked_others: self.counts.blocked_others.load(Relaxed),
            events: self.counts.events.load(Relaxed),
        }
    }

    /// Waits for its end and gives what it did.
    pub async fn wait(mut self) -> RunStats {
        // The task ends by itself, or was aborted by nobody but `drop`.
        let _ = (&mut self.task).await;
        self.stats()
    }
}

impl Drop for ScenarioRun {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SimSwitch {
    /// Acts a scenario out. Its phones become users of the directory.
    pub fn run_scenario(&self, scenario: Scenario, options: RunOptions) -> ScenarioRun {
        self.shared.users().extend(scenario.accounts().map(str::to_owned));
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(run(Arc::clone(&self.shared), scenario, options, Arc::clone(&counts)));
        ScenarioRun { task, counts }
    }
}

/// Lets happen in real time what follows from something.
pub(super) fn follow(shared: &Arc<Shared>, effects: Effects) {
    for (after, later) in effects.later {
        // The tasks must not keep a switch alive that nobody has any more.
        let shared = Arc::downgrade(shared);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(shared) = shared.upgrade() {
                let now = shared.now();
                let mut effects = Effects::default();
                shared.world().later(now, &later, &mut effects);
                shared.publish(now, &effects);
                follow(&shared, effects);
            }
        });
    }
}

async fn run(shared: Arc<Shared>, scenario: Scenario, options: RunOptions, counts: Arc<Counts>) {
    let speed = options.speed.max(1e-6);
    let start = Instant::now();
    let mut show = Show::new(scenario);
    let dropped = |address, port| options.dropped.as_ref().is_some_and(|dropped| dropped(address, port));
    while let Some(at) = show.due() {
        if options.duration.is_some_and(|end| at > end) {
            break;
        }
        sleep_until(start + at.div_f64(speed)).await;
        let now = shared.now();
        let moment = {
            let mut world = shared.world();
            show.perform(&mut world, now, &dropped)
        };
        let Some(Moment { label, blocked, effects, is_step, .. }) = moment else {
            break;
        };
        match (blocked, label) {
            (true, Some(Label::Attacker)) => counts.blocked_attackers.fetch_add(1, Relaxed),
            (true, _) => counts.blocked_others.fetch_add(1, Relaxed),
            (false, _) => counts.steps.fetch_add(u64::from(is_step), Relaxed),
        };
        counts.events.fetch_add(shared.publish(now, &effects) as u64, Relaxed);
    }
}
