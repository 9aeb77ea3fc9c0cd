//! Plays captures of an event socket through the same code as the daemon, at full speed, with the events' own time.
//!
//! Nothing is enforced. Start with [`Replay::play`]; a capture is the raw bytes of one inbound connection, plain or compressed
//! with zstd. The state is carried on from file to file as long as time goes forward. [`difference`] plays the same to two
//! configurations at once and tells where they part.

use crate::config::Config;
use crate::store::Remembered;
use guard::{Guard, Time, Verdict};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

mod capture;
pub mod difference;
mod ground;
mod judge;
mod line;
mod pairs;

pub(crate) use capture::COMPRESSED;
pub use capture::{Captures, captures};
use judge::Judge;
pub use line::{Action, Line};

/// Moves addresses of one network to another of the same size: loopback captures are judged as public addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    from: IpNet,
    to: IpNet,
}

impl Map {
    /// The address that `ip` is judged as.
    pub fn apply(&self, ip: IpAddr) -> IpAddr {
        match (self.from, self.to, ip) {
            (IpNet::V4(from), IpNet::V4(to), IpAddr::V4(v4)) if from.contains(&v4) => {
                let host = u32::from(v4) & u32::from(from.hostmask());
                IpAddr::V4((u32::from(to.network()) | host).into())
            }
            (IpNet::V6(from), IpNet::V6(to), IpAddr::V6(v6)) if from.contains(&v6) => {
                let host = u128::from(v6) & u128::from(from.hostmask());
                IpAddr::V6((u128::from(to.network()) | host).into())
            }
            _ => ip,
        }
    }

    /// The same of a network, when it lies in the one that is moved.
    fn apply_to(&self, net: IpNet) -> IpNet {
        if !self.from.contains(&net) {
            return net;
        }
        IpNet::new(self.apply(net.network()), net.prefix_len()).unwrap_or(net)
    }
}

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Map, String> {
        let hint = "write FROM=TO, two networks of the same size, such as 127.0.0.0/16=198.18.0.0/16";
        let (from, to) = text.split_once('=').ok_or_else(|| format!("{text:?} has no \"=\"; {hint}"))?;
        let net = |part: &str| {
            part.trim()
                .parse::<IpNet>()
                .map(|net| net.trunc())
                .map_err(|_| format!("{part:?} is no network; {hint}"))
        };
        let (from, to) = (net(from)?, net(to)?);
        let same_family = matches!((from, to), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)));
        if !same_family || from.prefix_len() != to.prefix_len() {
            return Err(format!("{from} and {to} have not the same size; {hint}"));
        }
        Ok(Map { from, to })
    }
}

/// What was played.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Summary {
    /// Bytes read (after decompression).
    pub bytes: u64,
    /// Events.
    pub events: u64,
    /// Events that told the guard something.
    pub observations: u64,
    /// Events forged by a client of the event socket; ignored.
    pub forged: u64,
    /// Events whose source is no address; ignored.
    pub bad_address: u64,
    /// Files.
    pub files: u64,
    /// Those that do not say what was known when they were recorded: gateways, registrations, the allow-list.
    pub uninformed: u64,
    /// Files that ended in the middle of a frame.
    pub cut_off: u64,
    /// Time that it took.
    pub took: Duration,
}

/// Why a file could not be played.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened or read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no capture of an event socket.
    #[error("{file} is no capture of an event socket: {error}, after {bytes} bytes")]
    Broken {
        /// The file.
        file: String,
        /// What the decoder said.
        error: esl::DecodeError,
        /// How far it got.
        bytes: u64,
    },
    /// A directory without a capture.
    #[error("{directory} holds no capture (a file whose name ends in .esl or .esl.zst)")]
    Empty {
        /// The directory.
        directory: String,
    },
    /// Nothing in it is an event.
    #[error("{file} holds no event; is it the raw server-to-client bytes of an event socket connection?")]
    NoEvents {
        /// The file.
        file: String,
    },
}

/// A guard that captures are played to.
pub struct Replay {
    judge: Judge,
    summary: Summary,
}

impl Replay {
    /// With the rules of a configuration. Bans are judged as enforced, whatever the configuration says.
    pub fn new(config: &Config, maps: Vec<Map>) -> Replay {
        Replay::with_past(config, None, maps)
    }

    /// The same, and what a store remembers is known at the beginning.
    pub fn with_past(config: &Config, past: Option<Arc<Remembered>>, maps: Vec<Map>) -> Replay {
        Replay { judge: Judge::new(config, past, maps), summary: Summary::default() }
    }

    /// Files of the configuration that could not be read and are done without.
    pub fn troubles(&self) -> &[String] {
        self.judge.troubles()
    }

    /// Plays a file; `tell` hears of every verdict.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture.
    pub fn play(&mut self, path: &Path, tell: &mut dyn FnMut(Line)) -> Result<(), Error> {
        let judge = &mut self.judge;
        judge.begin();
        let played = capture::play(path, &mut |heard| judge.hear(heard, &mut |_, line| tell(line)));
        self.judge.account(&mut self.summary);
        played?.account(path, &mut self.summary)
    }

    /// What was played so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The guard, for a look at its ledger.
    pub fn guard_at(&self) -> (&Guard, Time) {
        self.judge.guard_at()
    }
}

/// Verdicts that a table shows; allow entries are many and wanted only by programs.
pub fn is_shown(verdict: &Verdict) -> bool {
    !matches!(verdict, Verdict::Allow(_))
}
