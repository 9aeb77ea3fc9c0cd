//! What the broker's connections cost: commands straight to the simulated switch and through [`Upstream`], side by side in one run.
//!
//! `cargo bench -p broker --features tokio --bench upstream`. Switch and clients share the machine; every round is printed.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use broker::{
    Line, Upstream,
    upstream::{Ask, Happening, Link, LogLine, Settings, Sink, Wants},
};
use esl::{
    Command, Format, Subscription,
    client::{Config, Connection},
};
use simswitch::{Capture, SimSwitch};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let switch = SimSwitch::bind(simswitch::Config::default()).await.expect("a free port");
    switch.set_api("status", &"UP 0 years, 0 days\n".repeat(20));
    let config = Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
    let upstream = Upstream::start(config.clone(), Settings::default());
    while !upstream.state().commands.is_up() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("one after the other          median     p99  commands/s");
    let mut direct = Connection::open_without_events(&config).await.expect("a connection");
    for _ in 0..3 {
        let mut times = Vec::with_capacity(ROUND);
        for _ in 0..ROUND {
            let begin = Instant::now();
            direct.ask(Command::Api("status")).await.expect("an answer");
            times.push(begin.elapsed());
        }
        report("  one connection, direct", times);
        report("  through Upstream", calls(&upstream, ROUND).await);
    }
    for clients in [2, 8, 16, 64] {
        println!("{clients} at once");
        for _ in 0..3 {
            let begin = Instant::now();
            let tasks: Vec<_> = (0..clients)
                .map(|_| {
                    let config = config.clone();
                    tokio::spawn(async move {
                        let mut own = Connection::open_without_events(&config).await.expect("a connection");
                        for _ in 0..ROUND * 2 / clients {
                            own.ask(Command::Api("status")).await.expect("an answer");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
            let direct = begin.elapsed();
            let begin = Instant::now();
            let tasks: Vec<_> = (0..clients)
                .map(|_| {
                    let upstream = Arc::clone(&upstream);
                    tokio::spawn(async move { calls(&upstream, ROUND * 2 / clients).await.len() })
                })
                .collect();
            let mut done = 0;
            for task in tasks {
                done += task.await.expect("no panic");
            }
            let through = begin.elapsed();
            let rate = |took: Duration| done as f64 / took.as_secs_f64();
            println!("  direct {:>8.0}/s   through Upstream {:>8.0}/s", rate(direct), rate(through));
        }
    }
    fan_out(&switch, &config, &upstream).await;
    println!("{:?}", upstream.counts());
}

/// The events of a capture: to one connection that decodes every frame, and through the hub to many followers, each with JSON or plain.
async fn fan_out(switch: &SimSwitch, config: &Config, upstream: &Upstream) {
    let capture =
        Capture::load("../../testdata/captures/freeswitch/flood_mixed.plain.esl.zst").expect("a capture");
    let events = capture.events();
    let emit = || events.iter().for_each(|event| _ = switch.emit(event));
    println!("{} events of {} bytes on average", events.len(), capture.bytes().len() / events.len());
    for _ in 0..3 {
        let mut direct = Connection::open_without_events(config).await.expect("a connection");
        direct.ask(Command::Event(&Subscription::all(Format::Plain))).await.expect("an answer");
        let begin = Instant::now();
        let read = async {
            let mut seen = 0;
            direct
                .wait_for(|frame| {
                    seen += usize::from(frame.event().is_some());
                    (seen == events.len()).then_some(())
                })
                .await
                .expect("all events");
        };
        tokio::join!(read, async { tokio::task::block_in_place(emit) });
        println!("  direct          {:>9.0} events/s", events.len() as f64 / begin.elapsed().as_secs_f64());
    }
    for (count, format) in [(1, Format::Plain), (1, Format::Json), (200, Format::Plain), (200, Format::Json)]
    {
        let seen = Arc::new(Seen { count: AtomicUsize::new(0), format });
        let mut wants = Wants::nothing();
        wants.add("ALL");
        let followers: Vec<_> = (0..count)
            .map(|_| upstream.hub().follow(wants.clone(), Arc::clone(&seen) as Arc<dyn Sink>))
            .collect();
        for follower in &followers {
            assert!(follower.settled().await);
        }
        for _ in 0..3 {
            seen.count.store(0, Relaxed);
            let begin = Instant::now();
            tokio::task::block_in_place(emit);
            while seen.count.load(Relaxed) < events.len() * count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let rate = events.len() as f64 / begin.elapsed().as_secs_f64();
            println!("  {count:>3} followers, {} {rate:>9.0} events/s", format.as_str());
        }
    }
}

struct Seen {
    count: AtomicUsize,
    format: Format,
}

impl Sink for Seen {
    fn event(&self, event: &Arc<Happening>) {
        let frame = Arc::clone(event.frame(self.format));
        self.count.fetch_add(usize::from(!frame.is_empty()), Relaxed);
    }

    fn log(&self, _line: &LogLine) {}

    fn state(&self, _link: &Link) {}
}

async fn calls(upstream: &Upstream, count: usize) -> Vec<Duration> {
    let line = Line::new("status").expect("a command");
    let ask = Ask { limit: Duration::from_secs(10), most: 1 << 20, is_read: true };
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        upstream.api(line, ask).await.expect("an answer");
        times.push(begin.elapsed());
    }
    times
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let rate = times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    let (median, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{name:26} {:>5} µs {:>5} µs {rate:>8.0}", median.as_micros(), late.as_micros());
}

const ROUND: usize = 10_000;
