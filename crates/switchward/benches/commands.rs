//! What a command costs through the broker's HTTP door: so many clients over connections that stay, beside the same number straight to the
//! simulated switch.
//!
//! `cargo bench -p switchward --bench commands`. The daemon is the program as it ships, in a process of its own, with a token, the audit and
//! the log as configured; the switch and the clients are in this one, all on the same machine. Rounds alternate; every round is printed.
//! `BENCH_SECONDS` sets how long one is (3), `BENCH_CLIENTS` how many clients there are (1,8,32).

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark")]

use esl::Command as Order;
use esl::client::{Config, Connection};
use simswitch::SimSwitch;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_switchward");

/// What is measured of one round.
struct Round {
    rate: f64,
    median: f64,
    p99: f64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let is_short = !std::env::args().any(|argument| argument == "--bench");
    let number = |name: &str| std::env::var(name).ok();
    let seconds = number("BENCH_SECONDS").and_then(|text| text.parse().ok());
    let length = Duration::from_secs_f64(seconds.unwrap_or(if is_short { 0.2 } else { 3.0 }));
    let clients = number("BENCH_CLIENTS").unwrap_or_else(|| "1,8,32".into());
    let switch = SimSwitch::bind(simswitch::Config::default()).await.unwrap();
    switch.set_api("status", &"UP 0 years, 0 days\n".repeat(20));
    for logs in [true, false] {
        let daemon = Daemon::start(switch.addr(), logs).await;
        println!("server.log_requests = {logs}");
        println!("  clients              commands/s  median us     p99 us");
        for clients in clients.split(',').map(|text| text.parse::<usize>().unwrap()) {
            for _ in 0..if is_short { 1 } else { 3 } {
                let config = Config::new("127.0.0.1", switch.addr().port(), "ClueCon");
                let direct = round(clients, length, || straight(&config, length)).await;
                let http = round(clients, length, || through(&daemon, length)).await;
                for (name, round) in [("straight to the switch", direct), ("through HTTP", http)] {
                    let Round { rate, median, p99 } = round;
                    println!("  {clients:>3} {name:<24} {rate:>8.0} {median:>10.1} {p99:>10.1}");
                }
            }
        }
    }
}

/// One round of so many clients, each of which gives how long its commands took.
async fn round<F: Future<Output = Vec<f64>> + Send + 'static>(
    clients: usize,
    length: Duration,
    client: impl Fn() -> F,
) -> Round {
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(client())).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    Round { rate: times.len() as f64 / length.as_secs_f64(), median: at(0.5), p99: at(0.99) }
}

fn straight(config: &Config, length: Duration) -> impl Future<Output = Vec<f64>> + Send + 'static {
    let config = config.clone();
    async move {
        let mut connection = Connection::open_without_events(&config).await.unwrap();
        let mut times = Vec::new();
        let end = Instant::now() + length;
        while Instant::now() < end {
            let begun = Instant::now();
            connection.ask(Order::Api("status")).await.unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times
    }
}

fn through(daemon: &Daemon, length: Duration) -> impl Future<Output = Vec<f64>> + Send + 'static {
    let (address, token) = (daemon.address, daemon.token.clone());
    async move {
        let body = r#"{"command":"status"}"#;
        let request = format!(
            "POST /security/esl/command HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut times, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        let end = Instant::now() + length;
        while Instant::now() < end {
            let begun = Instant::now();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut got = 0;
            loop {
                let read = stream.read(&mut buffer[got..]).await.unwrap();
                assert!(read > 0, "the daemon closed the connection");
                got += read;
                if is_whole(&buffer[..got]) {
                    break;
                }
            }
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..got]));
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times
    }
}

/// Whether an answer with a Content-Length is there with its body.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    bytes.len() >= head + 4 + length.parse::<usize>().unwrap()
}

/// The daemon in a process of its own.
struct Daemon {
    process: Child,
    address: SocketAddr,
    token: String,
    _folder: tempfile::TempDir,
}

impl Daemon {
    async fn start(switch: SocketAddr, logs: bool) -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = folder.path().join("switchward.toml");
        let text = format!(
            "[server]\nport = {port}\nsocket = \"\"\nlog_requests = {logs}\n[security]\nauto_block_enabled = false\n\
             [store]\npath = \"{}\"\n[broker]\nrate = 0\nconcurrency = 0\n\
             [[switch]]\nname = \"sim\"\nhost = \"127.0.0.1\"\nport = {}\npassword = \"ClueCon\"\n",
            folder.path().join("bench.db").display(),
            switch.port()
        );
        std::fs::write(&path, text).unwrap();
        let token = token(&path);
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(PROGRAM)
            .args(["run", "--config"])
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn();
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let daemon = Daemon { process: process.unwrap(), address, token, _folder: folder };
        while !daemon.answers().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon
    }
}

impl Daemon {
    /// Whether a command gets through.
    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else { return false };
        let request = format!(
            "POST /security/esl/command HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Length: 20\r\n\r\n{{\"command\":\"status\"}}",
            self.address, self.token
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 200")
    }
}

/// Makes a token as an operator does.
fn token(config: &Path) -> String {
    let made = Command::new(PROGRAM)
        .args(["--config".as_ref(), config.as_os_str()])
        .args(["token", "add", "bench", "--role", "viewer"])
        .output()
        .unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    let token = said.split_whitespace().find(|word| word.starts_with("swt_"));
    token.unwrap_or_else(|| panic!("no token: {said}")).trim_end_matches(['.', ',']).to_owned()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
