//! Plays captures of an event socket through the same code as the daemon, at full speed, with the events' own time.
//!
//! Nothing is enforced. Start with [`Replay::play`]; a capture is the raw bytes of one inbound connection, plain or compressed
//! with zstd. The state is carried on from file to file as long as time goes forward.

use crate::config::Config;
use crate::policy;
use esl::{Decoder, End, Limits};
use extract::freeswitch::Extractor;
use guard::{Guard, Policy, Time, Verdict};
use ipnet::IpNet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

mod line;
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
    /// Nothing in it is an event.
    #[error("{file} holds no event; is it the raw server-to-client bytes of an event socket connection?")]
    NoEvents {
        /// The file.
        file: String,
    },
}

/// A guard that captures are played to.
pub struct Replay {
    policy: Policy,
    limits: guard::Limits,
    default_domain: String,
    maps: Vec<Map>,
    guard: Guard,
    now: Time,
    ticked: Time,
    summary: Summary,
}

impl Replay {
    /// With the rules of a configuration. Bans are judged as enforced, whatever the configuration says.
    pub fn new(config: &Config, maps: Vec<Map>) -> Replay {
        let policy = Policy { enforce: true, ..policy::policy(config, &[]) };
        let limits = policy::limits(config);
        let guard = Self::guard(&policy, limits);
        let default_domain = config.freeswitch.default_domain.clone();
        let summary = Summary::default();
        Replay { policy, limits, default_domain, maps, guard, now: Time::ZERO, ticked: Time::ZERO, summary }
    }

    /// Runs are to repeat, so the hashes have fixed keys.
    fn guard(policy: &Policy, limits: guard::Limits) -> Guard {
        Guard::new(policy.clone(), limits, [1, 2, 3, 4], Box::new(|_| ()))
    }

    /// Plays a file; `tell` hears of every verdict.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture.
    pub fn play(&mut self, path: &Path, tell: &mut dyn FnMut(Line)) -> Result<(), Error> {
        let file = path.display().to_string();
        let read = |error| Error::Read { file: file.clone(), error };
        let mut source = open(path).map_err(read)?;
        let (mut decoder, mut extractor) =
            (Decoder::new(Limits::default()), Extractor::new(0, &self.default_domain));
        let (started, events, mut bytes, mut first) = (Instant::now(), self.summary.events, 0u64, true);
        loop {
            let read_now = source.read(decoder.space()).map_err(read)?;
            decoder.filled(read_now);
            bytes += read_now as u64;
            loop {
                let frame =
                    decoder.next().map_err(|error| Error::Broken { file: file.clone(), error, bytes })?;
                let Some(frame) = frame else { break };
                if let Some(Ok(event)) = frame.event() {
                    self.event(event, &mut extractor, &mut first, tell);
                }
            }
            if read_now == 0 {
                break;
            }
        }
        self.summary.cut_off += u64::from(matches!(decoder.finish(), End::Truncated { .. }));
        self.summary.took += started.elapsed();
        self.summary.bytes += bytes;
        self.summary.forged += extractor.counts().forged;
        self.summary.bad_address += extractor.counts().bad_address;
        if self.summary.events == events {
            return Err(Error::NoEvents { file });
        }
        Ok(())
    }

    fn event(
        &mut self,
        event: esl::EventView<'_>,
        extractor: &mut Extractor,
        first: &mut bool,
        tell: &mut dyn FnMut(Line),
    ) {
        self.summary.events += 1;
        let Some(mut seen) = extractor.read(event) else { return };
        let time = event.timestamp().map_or(self.now, Time::from_micros);
        if *first && time < self.now {
            // An older capture: another story.
            self.guard = Self::guard(&self.policy, self.limits);
            (self.now, self.ticked) = (time, time);
        }
        *first = false;
        self.now = self.now.max(time);
        if self.now.since(self.ticked) >= Duration::from_secs(1) {
            self.guard.tick(self.now);
            self.ticked = self.now;
        }
        self.summary.observations += 1;
        for map in &self.maps {
            seen.ip = seen.ip.map(|ip| map.apply(ip));
        }
        for verdict in self.guard.observe(&seen, self.now) {
            tell(Line::of(&verdict, &seen, self.now));
        }
    }

    /// What was played so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// The guard, for a look at its ledger.
    pub fn guard_at(&self) -> (&Guard, Time) {
        (&self.guard, self.now)
    }
}

/// Opens a capture; one that begins like a zstd frame (RFC 8878) is decompressed.
fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 4];
    let length = file.read(&mut magic)?;
    file.rewind()?;
    if magic[..length] != [0x28, 0xb5, 0x2f, 0xfd] {
        return Ok(Box::new(file));
    }
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file));
    decoder.map(|decoder| Box::new(decoder) as Box<dyn Read>).map_err(std::io::Error::other)
}

/// Verdicts that a table shows; allow entries are many and wanted only by programs.
pub fn is_shown(verdict: &Verdict) -> bool {
    !matches!(verdict, Verdict::Allow(_))
}
