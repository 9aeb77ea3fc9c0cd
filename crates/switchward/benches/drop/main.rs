//! From the event that decides to the first packet that is dropped, through the whole daemon and a real kernel.
//!
//! `cargo bench -p switchward --bench drop` as root; `BENCH_SAMPLES` sets the samples of a row (1000). Other programs are part
//! of what it measures; `nice -n -20` before it keeps some of them out.
//!
//! It makes two network namespaces: the switch's host, with the daemon as it ships (store, connection tracking, default
//! rules) and a simulated switch on its loopback, and the attackers' host behind a veth pair. For each sample a source that
//! nobody has seen yet sends numbered packets to the SIP port all the time. The clock starts right before the switch writes
//! the fifth `sofia::register_failure`. It stops twice: when the last packet that gets through has been sent, and when the next
//! one has been sent, the first that is dropped, with all that follow. The truth lies between; where the two are far apart,
//! the attacker was kept from sending, because other programs ran.
//!
//! In turn with it the floor is measured: the same, but the element is handed to the daemon's own [`netfilter::Writer`] without
//! an event. Both again beside other attackers, whose events come at [`switch::FLOOD`] a second and who are banned as they go.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

mod attack;
mod machine;
mod net;
mod switch;

use attack::{Attack, Ear};
use machine::Spent;
use net::{Family, Net};
use std::net::IpAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use switch::Switch;
use switchward::config::{Config, FirewallMode};
use switchward::daemon::{self, Options, Running};
use switchward::logs::Level;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    // `cargo test --benches` runs this too: then only shortly.
    let short = !std::env::args().any(|argument| argument == "--bench");
    let default = if short { 5 } else { 1000 };
    let samples = std::env::var("BENCH_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    println!("{cores} cores, Linux {}, {samples} samples a row, microseconds", kernel.trim());
    println!(
        "{:<64} {:>7} {:>7} {:>7} {:>7}",
        "from the deciding event to the first dropped packet", "median", "p90", "p99", "max"
    );
    for mode in [FirewallMode::Nftables, FirewallMode::Ipset] {
        // A thread can be moved to a namespace; the process stays where it is.
        std::thread::spawn(move || both_families(mode, samples)).join().unwrap();
    }
}

fn both_families(mode: FirewallMode, samples: usize) {
    let net = Net::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let switch = Switch::start();
    let mut config = Config::default();
    config.server.port = 0;
    config.firewall.mode = mode;
    config.security.trusted_networks.clear();
    config.rules = attack::alone();
    config.switches[0].port = switch.address.port();
    let options = Options { store: Some(folder.path().join("bench.db")), ..Options::default() };
    let level = Level::detached(config.log.level);
    let running = runtime.block_on(daemon::start(config, level, options)).unwrap();
    for family in [Family::V4, Family::V6] {
        let mut stage = Stage {
            net: &net,
            switch: &switch,
            running: &running,
            ear: Ear::new(family),
            family,
            attacks: 0,
        };
        for flood in [false, true] {
            stage.measure(&format!("{mode} {family}"), flood, samples);
        }
    }
    runtime.block_on(running.stop());
}

/// Who tells the kernel to drop the attacker.
#[derive(Clone, Copy)]
enum By {
    /// The daemon, because of an event.
    Event,
    /// Its writer, told directly.
    Writer,
}

struct Stage<'a> {
    net: &'a Net,
    switch: &'a Switch,
    running: &'a Running,
    ear: Ear,
    family: Family,
    attacks: u16,
}

/// What was measured of one way, in microseconds.
#[derive(Default)]
struct Row {
    /// To the last packet that got through.
    through: Vec<f64>,
    /// To the first that was dropped.
    dropped: Vec<f64>,
    /// From the writer's queue to the kernel's answer.
    answers: Vec<f64>,
}

impl Stage<'_> {
    fn measure(&mut self, title: &str, flood: bool, samples: usize) {
        let seen = || self.running.app.switches[0].counts.events.load(Relaxed);
        let bans = || self.running.app.guard.counts().all_bans();
        let (before, spent, start) = ((seen(), bans()), Spent::now(), Instant::now());
        self.switch.flood(flood.then_some(self.family));
        let (mut event, mut writer) = (Row::default(), Row::default());
        let (mut gaps, mut discarded) = (Vec::new(), 0);
        while event.dropped.len().min(writer.dropped.len()) < samples {
            for (by, row) in [(By::Event, &mut event), (By::Writer, &mut writer)] {
                discarded += usize::from(!self.sample(by, row, &mut gaps));
            }
        }
        self.switch.flood(None);
        let per_second = |count: u64| count as f64 / start.elapsed().as_secs_f64();
        let (events, bans) = (per_second(seen() - before.0), per_second(bans() - before.1));
        let (own, others) = spent.shares();
        println!("{title}{}", if flood { ", beside other attackers" } else { "" });
        line("event to the last packet through", event.through);
        line("event to the first packet dropped", event.dropped);
        line("floor: writer to the last packet through", writer.through);
        line("floor: writer to the first packet dropped", writer.dropped);
        line("of the event's: queue to kernel's answer", event.answers);
        line("from one packet to the next", gaps);
        println!(
            "    {events:.0} events/s, {bans:.0} bans/s; the benchmark used {own:.0} % of the processors, others {others:.0} %; \
             {discarded} samples discarded"
        );
    }

    /// One attacker, from his first packet until he is dropped. False when packets were lost on the way.
    fn sample(&mut self, by: By, row: &mut Row, gaps: &mut Vec<f64>) -> bool {
        let source = self.family.attacker(self.attacks);
        let attack = Attack::start(self.net, &self.ear, self.attacks.into(), source, 30);
        self.attacks += 1;
        if matches!(by, By::Event) {
            self.switch.prepare(source);
        }
        // Not in step with anything: no timer of the daemon or of the attacker.
        std::thread::sleep(Duration::from_micros(2000 + u64::from(self.attacks) * 617 % 1000));
        let start = match by {
            By::Event => self.switch.decide(),
            By::Writer => self.order(source),
        };
        let outcome = attack.end_when_silent(&self.ear);
        assert!(outcome.dropped > start, "{source} was dropped before the deciding event");
        if outcome.lost > 0 {
            return false;
        }
        row.through.push(micros(outcome.through.saturating_duration_since(start)));
        row.dropped.push(micros(outcome.dropped - start));
        row.answers.push(self.writer().stats().last_latency_us as f64);
        gaps.extend(outcome.gaps.into_iter().map(micros));
        true
    }

    fn order(&self, source: IpAddr) -> Instant {
        let element = netfilter::Element {
            target: netfilter::Target::host(source),
            scope: netfilter::Scope::All,
            timeout: Some(Duration::from_secs(3600)),
        };
        let start = Instant::now();
        self.writer().submit(netfilter::Change::Add(element));
        start
    }

    fn writer(&self) -> &netfilter::Writer {
        self.running.app.mirror.firewall().expect("the daemon enforces")
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn line(title: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let at = |percent: usize| values[(values.len() * percent).div_ceil(100) - 1];
    println!("    {title:<44} {:>8.0} {:>8.0} {:>8.0} {:>8.0}", at(50), at(90), at(99), at(100));
}
