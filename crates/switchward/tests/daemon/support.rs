//! A stage for the real program: a network of the test's own, a simulated FreeSWITCH in it, and the binary against it.
//!
//! Start with [`Stage`]: the calling thread is in a fresh network namespace from then on, and so is all that it starts.
//! [`Daemon`] is the running program, [`http`] asks it, [`witness`] asks the kernel and the disk behind its back, [`Wire`]
//! sends packets through the kernel's sets, [`traffic`] makes events. Needs root; without it every test fails, none is
//! skipped.

use esl::server::ServerConfig;
use simswitch::SimSwitch;
use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) mod http;
mod process;
pub(crate) mod traffic;
mod wire;
pub(crate) mod witness;

pub(crate) use process::{Daemon, Ended};
pub(crate) use wire::{FRIEND, Wire};

/// Nothing that a test waits for may take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Where the simulated switch listens, unless a test says otherwise.
pub(crate) const SWITCH: &str = "127.0.0.1:8021";
/// The event socket's password: nothing that could be in a log for another reason.
pub(crate) const PASSWORD: &str = "s3cret-Wf9q";

/// See the module.
pub(crate) struct Stage {
    runtime: &'static Runtime,
    folder: TempDir,
}

impl Stage {
    /// A network of the test's own, with nothing but a loopback interface.
    pub(crate) fn new() -> Stage {
        own_network();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        // Switches are dropped after the stage now and then, and a dropped runtime would take their tasks along.
        Stage { runtime: Box::leak(Box::new(runtime)), folder: tempfile::tempdir().unwrap() }
    }

    /// Waits for what a switch does; nothing may wait for ever.
    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        let within = async { tokio::time::timeout(DEADLINE * 4, what).await.expect("the switch is stuck") };
        self.runtime.block_on(within)
    }

    /// Does something in the background.
    pub(crate) fn meanwhile(
        &self,
        what: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(what)
    }

    /// Lets a SIP client do something to a switch; what follows from it follows.
    pub(crate) fn act(&self, switch: &SimSwitch, step: &simswitch::Step) {
        let _runtime = self.runtime.enter();
        switch.act(step);
    }

    /// A switch at [`SWITCH`] without a HEARTBEAT of its own, so that every event is the test's.
    pub(crate) fn switch(&self) -> SimSwitch {
        self.switch_at(SWITCH)
    }

    /// The same at an address.
    pub(crate) fn switch_at(&self, address: &str) -> SimSwitch {
        let config = simswitch::Config {
            listen: address.parse().unwrap(),
            password: PASSWORD.into(),
            heartbeat: None,
            server: ServerConfig { linger: Duration::from_millis(200), ..ServerConfig::default() },
            ..simswitch::Config::default()
        };
        self.wait(SimSwitch::bind(config)).unwrap()
    }

    /// Where the daemon keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file there.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join("switchward.db")
    }

    /// The daemon's Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("switchward.sock")
    }

    /// Writes a configuration for the switch at [`SWITCH`], with lines `key = value` by their full names, which win.
    pub(crate) fn configure(&self, lines: &str) -> PathBuf {
        let store = format!("store.path = {:?}\n", self.store());
        let socket = format!("server.socket = {:?}\n", self.socket());
        let given: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let mut text: String = USUAL
            .lines()
            .chain([store.trim_end(), socket.trim_end()])
            .filter(|usual| !given.iter().any(|line| key(line) == key(usual)))
            .map(|line| format!("{line}\n"))
            .collect();
        given.iter().for_each(|line| text += &format!("{line}\n"));
        // The attackers of these tests are neighbours who try one account; each is to be banned by himself.
        if !lines.contains("[[rules]]") {
            for rule in CROWDS {
                text += &format!("[[rules]]\nname = {rule:?}\nenabled = false\n");
            }
        }
        self.file("switchward.toml", &text)
    }

    /// The program with these arguments, in the stage's folder, free of the environment's own settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_by("", env!("CARGO_BIN_EXE_switchward"), arguments)
    }

    /// The same started by another program: `by` with its own arguments, a program, and its arguments.
    pub(crate) fn command_by(&self, by: &str, program: &str, arguments: &[&str]) -> Command {
        let mut words = by.split_whitespace().chain([program]).chain(arguments.iter().copied());
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.current_dir(self.folder()).stdin(Stdio::null()).env_clear();
        // The classic mode calls iptables.
        command.env("PATH", std::env::var_os("PATH").unwrap());
        // That of a daemon in this folder, not that of the machine.
        command.env("SERVER_SOCKET", self.socket());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// Configures and starts the daemon, and waits until it is ready.
    pub(crate) fn start(&self, lines: &str) -> Daemon {
        self.configure(lines);
        self.start_again()
    }

    /// Starts the daemon with the configuration as it is, and waits until it is ready.
    pub(crate) fn start_again(&self) -> Daemon {
        let daemon = self.launch();
        daemon.log.wait_for("ready");
        daemon
    }

    /// Asserts that ledger, nftables and store come to hold the same targets; gives them.
    #[track_caller]
    pub(crate) fn agreed(&self, daemon: &Daemon) -> BTreeSet<String> {
        self.agreed_with(daemon, witness::nft)
    }

    /// The same with the kernel's sets of another mode.
    #[track_caller]
    pub(crate) fn agreed_with(&self, daemon: &Daemon, kernel: fn() -> witness::Held) -> BTreeSet<String> {
        let mut ledger = BTreeSet::new();
        let mut others = [BTreeSet::new(), BTreeSet::new()];
        let agreed = comes_true(DEADLINE, || {
            ledger = daemon.http.ledger();
            others = [witness::targets(&kernel()), witness::store(&self.store())];
            others.iter().all(|other| *other == ledger)
        });
        if !agreed {
            witness::assert_same(("the ledger", &ledger), ("the kernel", &others[0]));
            witness::assert_same(("the ledger", &ledger), ("the store", &others[1]));
        }
        ledger
    }

    /// Starts the daemon with the configuration as it is, and waits for nothing.
    pub(crate) fn launch(&self) -> Daemon {
        Daemon::spawn(self.command(&RUN))
    }
}

/// Arguments that run the daemon with the stage's configuration.
pub(crate) const RUN: [&str; 3] = ["run", "--config", "switchward.toml"];

/// What nearly every test wants: quick reconnects, no rule that is not asked for, and every peer's address as it is.
const USUAL: &str = "\
security.esl_password = \"s3cret-Wf9q\"
security.reconnect_backoff = \"100ms\"
firewall.mode = \"nftables\"
server.log_requests = false
";

/// A network namespace of its own for this thread and all that it starts.
pub(crate) fn own_network() {
    let made = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET);
    made.expect("these tests need root: they make network namespaces of their own");
    sh("ip link set lo up");
}

/// Runs a command line (no quoting) in this thread's namespaces; its output.
#[track_caller]
pub(crate) fn sh(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until it is true.
#[track_caller]
pub(crate) fn eventually(what: &str, is_true: impl FnMut() -> bool) {
    assert!(comes_true(DEADLINE, is_true), "still not after {DEADLINE:?}: {what}");
}

/// Whether it becomes true in time.
pub(crate) fn comes_true(within: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_true() {
        if start.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// The rules that judge many sources together.
const CROWDS: [&str; 5] =
    ["account-attacked", "account-attacked-alert", "net-failures", "net-banned", "wide-net-banned"];
