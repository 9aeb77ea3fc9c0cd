//! Rates of the kernel's sets, in a private network namespace: `cargo bench -p netfilter`. Needs root.
//!
//! It prints a table; nothing passes or fails by it. `BENCH_ELEMENTS` sets the number of elements (100,000).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark for people"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use netfilter::{Change, Config, Element, Firewall, Mode, Scope, Target, Writer};

fn main() {
    // `cargo test --benches` runs this too: then only shortly.
    let short = !std::env::args().any(|argument| argument == "--bench");
    let default = if short { 2000 } else { 100_000 };
    let count = std::env::var("BENCH_ELEMENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    println!("{:<44} {:>12} {:>12}", format!("{count} elements"), "nftables", "ipset");
    let kinds: [(&str, Make); 4] = [
        ("IPv4 hosts", v4),
        ("IPv6 /64s", v6),
        ("IPv4 address and port", |index| {
            Target::host_port(
                IpAddr::V4(Ipv4Addr::from(0xc612_0000 + index / 1000)),
                (index % 1000) as u16 + 1024,
            )
        }),
        ("IPv4 networks /29", |index| {
            Target::net(IpNet::new(IpAddr::V4(Ipv4Addr::from(0x1000_0000 + index * 8)), 29).unwrap())
        }),
    ];
    for (name, make) in kinds {
        let changes: Vec<Change> = (0..count).map(|index| add(make(index))).collect();
        row(&format!("add {name}, one a transaction"), |config| {
            one_by_one(config, &changes[..changes.len() / 5])
        });
        row(&format!("add {name}, 1000 a transaction"), |config| together(config, &changes));
    }
    let changes: Vec<Change> = (0..count).map(|index| add(v4(index))).collect();
    let removals: Vec<Change> = (0..count).map(|index| Change::Remove(v4(index))).collect();
    row("add again (refresh), 1000 a transaction", |config| {
        let mut firewall = filled(config, &changes);
        rate(changes.len(), || drop(firewall.apply(&changes).unwrap()))
    });
    row("remove, 1000 a transaction", |config| {
        let mut firewall = filled(config, &changes);
        rate(changes.len(), || drop(firewall.apply(&removals).unwrap()))
    });
    let elements: Vec<Element> = (0..count).map(|index| element(v4(index))).collect();
    row("list all", |config| {
        let mut firewall = filled(config, &changes);
        rate(elements.len(), || drop(firewall.elements().unwrap()))
    });
    let endless: Vec<Element> =
        elements.iter().map(|element| Element { timeout: None, ..*element }).collect();
    row("reconcile, all there already", |config| {
        let mut firewall = Firewall::open(config).unwrap();
        firewall.rebuild(&endless).unwrap();
        rate(endless.len(), || assert_eq!(firewall.reconcile(&endless).unwrap().kept, endless.len()))
    });
    row("rebuild", |config| {
        let mut firewall = filled(config, &[]);
        rate(elements.len(), || drop(firewall.rebuild(&elements).unwrap()))
    });
    row("the tool, one process an element", |config| tool(config, &changes, if short { 5 } else { 200 }));
    println!("\n{:<44} {:>12} {:>12}", "microseconds", "nftables", "ipset");
    for (name, rest) in [("into empty sets", 0), ("into full sets", count)] {
        let figures =
            [Mode::Nftables, Mode::Ipset].map(|mode| latency(mode, rest, if short { 50 } else { 5000 }));
        for (index, part) in ["median", "p99", "maximum"].into_iter().enumerate() {
            println!(
                "{:<44} {:>12} {:>12}",
                format!("submit to kernel's answer, {name}, {part}"),
                figures[0][index],
                figures[1][index]
            );
        }
    }
    for (name, mode) in [("nftables", Mode::Nftables), ("ipset", Mode::Ipset)] {
        println!("repair of {name} after a flush of {count} elements: {:?}", repair(mode, &elements));
        println!("look for tampering with {count} elements in {name}: {:?}", look(mode, &elements));
    }
}

/// The target of a number.
type Make = fn(u32) -> Target;

fn v4(index: u32) -> Target {
    Target::host(IpAddr::V4(Ipv4Addr::from(0xc612_0000 + index)))
}

fn v6(index: u32) -> Target {
    Target::host(IpAddr::V6(Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(index) << 64)))
}

fn element(target: Target) -> Element {
    Element { target, scope: Scope::All, timeout: Some(Duration::from_secs(3600)) }
}

fn add(target: Target) -> Change {
    Change::Add(element(target))
}

/// Runs it for both backends, each in a namespace of its own.
fn row(name: &str, run: impl Fn(&Config) -> f64 + Sync) {
    let rates = [Mode::Nftables, Mode::Ipset].map(|mode| {
        let run = &run;
        std::thread::scope(|scope| {
            let config = Config { mode, ..Config::default() };
            scope.spawn(move || in_a_namespace(|| run(&config))).join().unwrap()
        })
    });
    println!("{name:<44} {:>10}/s {:>10}/s", rates[0].round(), rates[1].round());
}

fn in_a_namespace<T>(run: impl FnOnce() -> T) -> T {
    // SAFETY: no pointers; only this thread is moved.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "needs root: {}", std::io::Error::last_os_error());
    run()
}

fn rate(count: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    count as f64 / start.elapsed().as_secs_f64()
}

fn filled(config: &Config, changes: &[Change]) -> Firewall {
    let mut firewall = Firewall::open(config).unwrap();
    assert_eq!(firewall.apply(changes).unwrap().refused, []);
    firewall
}

fn one_by_one(config: &Config, changes: &[Change]) -> f64 {
    let mut firewall = filled(config, &changes[..1]);
    rate(changes.len(), || changes.iter().for_each(|change| drop(firewall.apply(&[*change]).unwrap())))
}

fn together(config: &Config, changes: &[Change]) -> f64 {
    let mut firewall = filled(config, &changes[..1]);
    rate(changes.len(), || assert_eq!(firewall.apply(changes).unwrap().refused, []))
}

fn tool(config: &Config, changes: &[Change], count: usize) -> f64 {
    let _firewall = filled(config, changes);
    rate(count, || {
        for index in 0..count {
            let address = format!("192.0.2.{}", index % 250);
            let status = match config.mode {
                Mode::Ipset => {
                    Command::new("ipset").args(["-exist", "add", "freeswitch-security", &address]).status()
                }
                _ => Command::new("nft")
                    .args(["add", "element", "inet", "switchward", "all_v4", &format!("{{ {address} }}")])
                    .status(),
            };
            assert!(status.unwrap().success());
        }
    })
}

fn writer(mode: Mode, elements: Vec<Element>) -> Writer {
    let config = Config { mode, conntrack: false, ..Config::default() };
    Writer::spawn(config, Box::new(move || elements.clone())).unwrap().0
}

/// Median, 99th percentile and maximum of single bans, in microseconds.
fn latency(mode: Mode, rest: u32, samples: u32) -> [u128; 3] {
    let run = || {
        let writer = writer(mode, (0..rest).map(|index| element(v4(index))).collect());
        let (sender, receiver) = channel();
        let mut times: Vec<u128> = (0..samples)
            .map(|index| {
                let (sender, start) = (sender.clone(), Instant::now());
                writer.submit_with(add(v6(index)), Box::new(move |_| sender.send(Instant::now()).unwrap()));
                receiver.recv().unwrap().duration_since(start).as_micros()
            })
            .collect();
        times.sort_unstable();
        let last = times.len() - 1;
        [times[last / 2], times[last * 99 / 100], times[last]]
    };
    std::thread::scope(|scope| scope.spawn(|| in_a_namespace(run)).join().unwrap())
}

/// From the end of somebody else's flush to the last element's return.
fn repair(mode: Mode, elements: &[Element]) -> Duration {
    let run = || {
        let writer = writer(mode, elements.to_vec());
        let line = if mode == Mode::Ipset { ["ipset", "flush"] } else { ["nft", "flush ruleset"] };
        assert!(Command::new(line[0]).args(line[1].split(' ')).status().unwrap().success());
        let start = Instant::now();
        while writer.stats().foreign_flushes == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = start.elapsed();
        assert_eq!(writer.snapshot().unwrap().len(), elements.len());
        took
    };
    std::thread::scope(|scope| scope.spawn(|| in_a_namespace(run)).join().unwrap())
}

/// What a health check costs, which lists no elements.
fn look(mode: Mode, elements: &[Element]) -> Duration {
    let run = || {
        let config = Config { mode, ..Config::default() };
        let mut firewall = Firewall::open(&config).unwrap();
        firewall.rebuild(elements).unwrap();
        let start = Instant::now();
        assert!(firewall.health().unwrap().is_good());
        start.elapsed()
    };
    std::thread::scope(|scope| scope.spawn(|| in_a_namespace(run)).join().unwrap())
}
