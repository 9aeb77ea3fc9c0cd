//! The load: a process of its own with connections that stay open. [`Load`] starts it, lets it go and hears what it did.

use crate::{BANS, READS, at, micros};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// Connections that read.
const READERS: u64 = 8;
/// Connections that ban: each order is answered when it is on the disk and in the kernel.
const OPERATORS: u64 = 40;
/// What is read, in turn; long lists now and then.
const ASKED: [&str; 12] = [
    "/security/status",
    "/security/stats",
    "/security/blacklist/198.18.0.7",
    "/health",
    "/security/why/198.18.0.7",
    "/security/esl",
    "/security/whitelist/198.18.0.7",
    "/security/channels",
    "/security/rate-limit",
    "/security/untrusted-networks",
    "/security/overview",
    "/security/bans?limit=20",
];
/// Every so many reads of a connection one is of a whole list.
const LONG: u64 = 500;
const LONG_LISTS: [&str; 3] = ["/security/blacklist", "/security/failed", "/security/iptables"];

/// The client, under way.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(address: SocketAddr) -> Load {
        let child = Command::new(std::env::current_exe().unwrap())
            .env("BENCH_LOAD", address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Load(child.unwrap())
    }

    /// Lets it ask, or be still.
    pub(crate) fn go(&mut self, busy: bool) {
        let word: &[u8] = if busy { b"go\n" } else { b"still\n" };
        self.0.stdin.as_mut().unwrap().write_all(word).unwrap();
    }

    pub(crate) fn end(mut self) -> Did {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// What the client did.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Did {
    reads: Vec<f64>,
    bans: Vec<f64>,
    bytes: u64,
    errors: Vec<String>,
    cpu: f64,
}

impl Did {
    pub(crate) fn print(&self, seconds: f64) {
        for (what, times) in [("reads", &self.reads), ("bans", &self.bans)] {
            if let [_, ..] = times.as_slice() {
                println!(
                    "{what}: {:.0}/s, answered in {:.0} µs (median), {:.0} µs (p99)",
                    times.len() as f64 / seconds,
                    at(times, 50),
                    at(times, 99)
                );
            }
        }
        println!(
            "{:.1} MB/s of answers; the client used {:.2} s of processor time; {} errors {:?}",
            self.bytes as f64 / seconds / 1e6,
            self.cpu,
            self.errors.len(),
            &self.errors[..self.errors.len().min(3)]
        );
    }
}

/// The process of the client; asks while its input says so, and tells what it did at the end of it.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(address: &str) {
    // It stands for other machines: what it computes must not cost the daemon a processor.
    _ = rustix::process::setpriority_process(None, 19);
    let address: SocketAddr = address.parse().unwrap();
    let (told, state) = watch::channel(Some(false));
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            told.send(Some(line.unwrap() == "go")).unwrap();
        }
        told.send(None).unwrap();
    });
    let number = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for reader in 0..READERS {
        tasks.push(tokio::spawn(connection(address, state.clone(), None, READS / READERS, reader)));
    }
    for operator in 0..OPERATORS {
        tasks.push(tokio::spawn(connection(
            address,
            state.clone(),
            Some(number.clone()),
            BANS / OPERATORS,
            operator,
        )));
    }
    let mut all = Did::default();
    for task in tasks {
        let mut did = task.await.unwrap();
        all.reads.append(&mut did.reads);
        all.bans.append(&mut did.bans);
        all.errors.append(&mut did.errors);
        all.bytes += did.bytes;
    }
    all.reads.sort_by(f64::total_cmp);
    all.bans.sort_by(f64::total_cmp);
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    all.cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{}", serde_json::to_string(&all).unwrap());
}

/// One connection that asks so often a second, while it may.
async fn connection(
    address: SocketAddr,
    mut state: watch::Receiver<Option<bool>>,
    bans: Option<Arc<AtomicU64>>,
    rate: u64,
    place: u64,
) -> Did {
    let mut did = Did::default();
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    // Not all at once.
    let mut every = interval(Duration::from_secs_f64(1.0 / rate as f64) + Duration::from_nanos(place * 977));
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asked = place * 61;
    loop {
        let wanted = *state.borrow_and_update();
        match wanted {
            None => return did,
            Some(true) => {}
            Some(false) => {
                if state.changed().await.is_err() {
                    return did;
                }
                every.reset();
                continue;
            }
        }
        every.tick().await;
        asked += 1;
        let (method, path, body) = match &bans {
            Some(number) => {
                let number = number.fetch_add(1, Relaxed);
                let ip = format!("2001:db8:{:x}:{:x}::1", 0x4000 + (number >> 16), number & 0xffff);
                let body = format!("{{\"ip\":\"{ip}\",\"ttl\":\"10m\",\"reason\":\"load\"}}");
                (Method::POST, "/security/blacklist", body)
            }
            None if asked.is_multiple_of(LONG) => {
                (Method::GET, LONG_LISTS[(asked / LONG) as usize % LONG_LISTS.len()], String::new())
            }
            None => (Method::GET, ASKED[asked as usize % ASKED.len()], String::new()),
        };
        let start = Instant::now();
        match ask(&mut sender, address, method, path, body).await {
            Ok(bytes) => {
                did.bytes += bytes;
                let times = if bans.is_some() { &mut did.bans } else { &mut did.reads };
                times.push(micros(start.elapsed()));
            }
            Err(error) => did.errors.push(format!("{path}: {error}")),
        }
    }
}

/// The length of the answer.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    address: SocketAddr,
    method: Method,
    path: &str,
    body: String,
) -> Result<u64, String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let warned = body.windows(10).any(|ten| ten == b"\"warnings\"");
    match status.is_success() && !(warned && path == "/security/blacklist" && body.len() < 1000) {
        true => Ok(body.len() as u64),
        false => Err(format!("{status} {}", String::from_utf8_lossy(&body))),
    }
}
