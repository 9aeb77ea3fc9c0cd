//! What the broker's connections cost: commands straight to the simulated switch and through [`Upstream`], side by side in one run.
//!
//! `cargo bench -p broker --features tokio --bench upstream`. Switch and clients share the machine; each line is the best of three rounds.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use broker::{
    Line, Upstream,
    upstream::{Ask, Settings},
};
use esl::{
    Command,
    client::{Config, Connection},
};
use simswitch::SimSwitch;
use std::{
    sync::Arc,
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
    println!("{:?}", upstream.counts());
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
