//! What requests do to the guard: from the deciding event to the dropped packet, without and with load on the HTTP interface.
//!
//! `cargo bench -p switchward --bench api_load` as root. The stage is that of the benchmark `drop`: the daemon as it ships with a
//! real kernel, a simulated switch that tells 5,000 events a second of other attackers (who are banned as they go), and one
//! measured attacker at a time. In turn, [`PHASE`] each, a client in a process of its own is still or asks: [`READS`] mixed
//! reads and [`BANS`] bans a second over connections that stay. `BENCH_ROUNDS` sets how often (6: 30 s of load).

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

#[allow(dead_code, reason = "shared with the benchmark drop")]
#[path = "drop/attack.rs"]
mod attack;
#[path = "api_load/client.rs"]
mod client;
#[path = "drop/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the benchmark drop")]
#[path = "drop/net.rs"]
mod net;
#[path = "drop/switch.rs"]
mod switch;

use attack::{Attack, Ear};
use client::Load;
use machine::Spent;
use net::{Family, Net};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use switch::Switch;
use switchward::config::{Config, FirewallMode};
use switchward::daemon::{self, Options, Running};
use switchward::logs::Level;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long it is still or busy at a time.
const PHASE: Duration = Duration::from_secs(5);
/// Reads a second.
pub(crate) const READS: u64 = 2000;
/// Bans a second, one request each.
pub(crate) const BANS: u64 = 200;

fn main() {
    if let Ok(address) = std::env::var("BENCH_LOAD") {
        return client::run(&address);
    }
    let short = !std::env::args().any(|argument| argument == "--bench");
    let given = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds = given.unwrap_or(if short { 1 } else { 6 });
    std::thread::spawn(move || measure(rounds)).join().unwrap();
}

/// What was measured in all phases of a kind.
#[derive(Default)]
struct Phases {
    /// From the deciding event to the last packet through, and to the first dropped, in microseconds.
    through: Vec<f64>,
    dropped: Vec<f64>,
    events: u64,
    bans: u64,
    seconds: f64,
    own: Vec<f64>,
    others: Vec<f64>,
}

fn measure(rounds: usize) {
    let net = Net::new();
    let runtime = switchward::daemon::runtime().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let switch = Switch::start();
    let mut config = Config::default();
    config.server.port = 0;
    config.firewall.mode = FirewallMode::Nftables;
    config.security.trusted_networks.clear();
    config.rules = attack::alone();
    config.switches[0].port = switch.address.port();
    let options = Options { store: Some(folder.path().join("bench.db")), ..Options::default() };
    let level = Level::detached(config.log.level);
    let running = runtime.block_on(daemon::start(config, level, options)).unwrap();
    let mut load = Load::start(running.address);
    let mut stage =
        Stage { net: &net, switch: &switch, running: &running, ear: Ear::new(Family::V4), attacks: 0 };
    let (mut still, mut busy) = (Phases::default(), Phases::default());
    switch.flood(Some(Family::V4));
    for _ in 0..rounds {
        stage.phase(&mut still);
        load.go(true);
        stage.phase(&mut busy);
        load.go(false);
    }
    switch.flood(None);
    let did = load.end();
    runtime.block_on(running.stop());
    println!("microseconds{:>53} {:>8} {:>8} {:>8}", "median", "p90", "p99", "max");
    let (mut medians, mut tails) = (Vec::new(), Vec::new());
    for (title, phases) in [("still", &mut still), ("busy", &mut busy)] {
        println!(
            "{title}: {} samples in {:.0} s beside {:.0} events/s and {:.0} bans/s of the guard; daemon, switch and attacker \
             used {:.0} % of the processors, others (the client among them) {:.0} %",
            phases.dropped.len(),
            phases.seconds,
            phases.events as f64 / phases.seconds,
            phases.bans as f64 / phases.seconds,
            mean(&phases.own),
            mean(&phases.others),
        );
        line("event to the last packet through", &mut phases.through);
        line("event to the first packet dropped", &mut phases.dropped);
        medians.push(at(&phases.dropped, 50));
        tails.push(at(&phases.dropped, 99));
    }
    println!("busy/still: median {:.2}, p99 {:.2}", medians[1] / medians[0], tails[1] / tails[0]);
    did.print(busy.seconds);
}

struct Stage<'a> {
    net: &'a Net,
    switch: &'a Switch,
    running: &'a Running,
    ear: Ear,
    attacks: u16,
}

impl Stage<'_> {
    fn phase(&mut self, phases: &mut Phases) {
        let events = || self.running.app.switches[0].counts.events.load(Relaxed);
        let bans = || self.running.app.guard.counts().all_bans();
        let (before, spent, start) = ((events(), bans()), Spent::now(), Instant::now());
        while start.elapsed() < PHASE {
            self.sample(phases);
        }
        phases.events += events() - before.0;
        phases.bans += bans() - before.1;
        phases.seconds += start.elapsed().as_secs_f64();
        let (own, others) = spent.shares();
        phases.own.push(own);
        phases.others.push(others);
    }

    /// One attacker, from his first packet until he is dropped.
    fn sample(&mut self, phases: &mut Phases) {
        let source = Family::V4.attacker(self.attacks);
        let attack = Attack::start(self.net, &self.ear, self.attacks.into(), source, 30);
        self.attacks += 1;
        self.switch.prepare(source);
        // Not in step with anything: no timer of the daemon or of the attacker.
        std::thread::sleep(Duration::from_micros(2000 + u64::from(self.attacks) * 617 % 1000));
        let start = self.switch.decide();
        let outcome = attack.end_when_silent(&self.ear);
        // Where packets were lost on the way the times are not to be trusted.
        if outcome.lost == 0 {
            phases.through.push(micros(outcome.through.saturating_duration_since(start)));
            phases.dropped.push(micros(outcome.dropped - start));
        }
    }
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A percentile of what is sorted.
pub(crate) fn at(values: &[f64], percent: usize) -> f64 {
    values[(values.len() * percent).div_ceil(100) - 1]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn line(title: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let [median, nine, most, max] = [50, 90, 99, 100].map(|percent| at(values, percent));
    println!("    {title:<52} {median:>8.0} {nine:>8.0} {most:>8.0} {max:>8.0}");
}
