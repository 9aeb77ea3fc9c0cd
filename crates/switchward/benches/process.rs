//! What an event costs the whole daemon, from its socket to the verdict, beside a plain read of the same bytes.
//!
//! `cargo bench -p switchward --bench process` starts the daemon in this process (dry run, a store in a temporary folder)
//! against a simulated switch in another process, which sends a capture again and again as fast as it is read. The figure is
//! the CPU time of this process (user and system, getrusage) per event; the plain read is measured in turn with it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use switchward::config::Config;
use switchward::daemon::{self, Options};
use switchward::logs::Level;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How often the capture is sent for one measurement, and how many measurements are made.
const TIMES: usize = 20;
const ROUNDS: usize = 9;

fn main() {
    match std::env::var("BENCH_SENDER").as_deref() {
        Ok("switch") => switch(),
        Ok("plain") => plain(),
        _ => {
            for name in ["flood.plain", "flood_mixed.plain"] {
                measure(name);
            }
        }
    }
}

/// The event frames of a capture, as they came, and how many they are.
fn capture(name: &str) -> (Vec<u8>, usize) {
    let path = format!("{}/../../testdata/captures/freeswitch/{name}.esl.zst", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    ruzstd::decoding::StreamingDecoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    let (mut events, mut count, mut rest) = (Vec::new(), 0, bytes.as_slice());
    while let Some(head) = rest.windows(2).position(|window| window == b"\n\n") {
        let text = std::str::from_utf8(&rest[..head]).unwrap();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse().unwrap());
        let (frame, after) = rest.split_at(head + 2 + length);
        if text.contains("text/event-plain") {
            events.extend_from_slice(frame);
            count += 1;
        }
        rest = after;
    }
    (events, count)
}

fn sent() -> Vec<u8> {
    capture(&std::env::var("BENCH_CAPTURE").unwrap()).0
}

/// The simulated switch, in a process of its own; each line on its input sends the capture [`TIMES`] times.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn switch() {
    let bytes = sent();
    let sim = simswitch::SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    println!("{}", sim.addr());
    let mut lines = std::io::stdin().lock().lines();
    while let Some(Ok(_)) = lines.next() {
        sim.wait_for_subscribers(3, Duration::from_secs(10)).await;
        for _ in 0..TIMES {
            sim.play_raw(&bytes).await;
        }
    }
}

/// A sender that knows no protocol.
fn plain() {
    let bytes = sent();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    for line in std::io::stdin().lock().lines() {
        line.unwrap();
        for _ in 0..TIMES {
            stream.write_all(&bytes).unwrap();
        }
    }
}

struct Sender {
    child: Child,
    go: ChildStdin,
    _out: BufReader<ChildStdout>,
    address: std::net::SocketAddr,
}

impl Sender {
    fn start(kind: &str, capture: &str) -> Sender {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env("BENCH_SENDER", kind)
            .env("BENCH_CAPTURE", capture)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Sender { go: child.stdin.take().unwrap(), address: line.trim().parse().unwrap(), _out: out, child }
    }

    fn go(&mut self) {
        self.go.write_all(b"go\n").unwrap();
        self.go.flush().unwrap();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// CPU time of this process, in nanoseconds.
fn cpu() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    ((usage.user_time() + usage.system_time()).num_microseconds() * 1000) as u64
}

fn measure(name: &str) {
    let (bytes, events) = capture(name);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut switch = Sender::start("switch", name);
    let mut config = Config::default();
    config.server.port = 0;
    config.security.dry_run = true;
    // The capture's sources are on loopback: as strangers they are judged to the end.
    config.security.trusted_networks.clear();
    config.api.allowed_ips = vec!["192.0.2.1/32".parse().unwrap()];
    config.security.chandaemon.allowed_api_ips.clear();
    config.switches[0].port = switch.address.port();
    let options = Options { store: Some(folder.path().join("bench.db")), ..Options::default() };
    let level = Level::detached(config.log.level);
    let running = runtime.block_on(daemon::start(config, level, options)).unwrap();
    let mut plain = Sender::start("plain", name);
    let mut stream = TcpStream::connect(plain.address).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let per_event = |spent: u64| spent as f64 / (events * TIMES) as f64;
    let (mut whole, mut read, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let seen = || running.app.switches[0].counts.events.load(Relaxed) as usize;
        let (before, target, started) = (cpu(), seen() + events * TIMES, Instant::now());
        switch.go();
        while seen() < target {
            std::thread::sleep(Duration::from_millis(2));
            assert!(started.elapsed() < Duration::from_secs(60), "events were lost: {} of {target}", seen());
        }
        let (spent, took) = (cpu() - before, started.elapsed());
        let before = cpu();
        plain.go();
        let mut left = bytes.len() * TIMES;
        while left > 0 {
            left -= stream.read(&mut buffer).unwrap();
        }
        let baseline = cpu() - before;
        // The first round warms up.
        if round > 0 {
            whole.push(per_event(spent));
            read.push(per_event(baseline));
            wall.push((events * TIMES) as f64 / took.as_secs_f64());
        }
    }
    let banned = running.app.guard.counts().all_bans();
    runtime.block_on(running.stop());
    let median = |list: &mut Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    println!(
        "{name}: {:.0} ns CPU per event in the daemon, {:.0} ns for a plain read of the same {} bytes; \
         {:.0} events/s; {banned} bans (medians of {ROUNDS} rounds of {} events)",
        median(&mut whole),
        median(&mut read),
        bytes.len() / events,
        median(&mut wall),
        events * TIMES,
    );
}
