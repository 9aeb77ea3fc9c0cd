//! One guarded switch, as the other parts see it: its name, how its connection is doing, what was counted.
//!
//! The reader (`watch`) writes here, everybody else reads. Nothing here waits.

use crate::monitor::histogram::Histogram;
use crate::reach::Told;
use crate::watch::Missed;
use extract::freeswitch::KINDS;
use guard::Time;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

/// One guarded switch.
pub struct Switch {
    /// Its number in the configuration.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// Host of its event socket.
    pub host: String,
    /// Port of its event socket.
    pub port: u16,
    /// Connections for commands; never the one for events.
    pub commands: esl::Pool,
    /// Asks for a new connection at once.
    pub reconnect: Notify,
    /// What was counted.
    pub counts: Counts,
    /// What it told to be out of reach.
    pub learnt: Told,
    /// Calls that it was to end and did not.
    pub(crate) missed: Missed,
    connected: AtomicBool,
    state: Mutex<State>,
}

/// What was counted of a switch's connection.
#[derive(Default)]
pub struct Counts {
    /// Attempts to connect.
    pub attempts: AtomicU64,
    /// Attempts that failed, and connections that broke.
    pub errors: AtomicU64,
    /// Events read.
    pub events: AtomicU64,
    /// Of those that the guard wants, how many of each of [`KINDS`].
    pub kinds: [AtomicU64; KINDS.len()],
    /// From the read of the socket to a verdict.
    pub verdict: Histogram,
    /// From the read of the socket until all that it held was judged.
    pub batch: Histogram,
    /// Connections made.
    pub connects: AtomicU64,
    /// Times that the switch dropped us because we read too slowly; events were lost.
    pub killed: AtomicU64,
    /// Events that the guard had no use for.
    pub unwanted: AtomicU64,
    /// Events that a client of the event socket forged; ignored.
    pub forged: AtomicU64,
    /// Events whose source is no address; ignored.
    pub bad_address: AtomicU64,
    /// Frames that were no event although they said so.
    pub malformed: AtomicU64,
    /// Micros; when the last bytes came.
    pub last_heard: AtomicU64,
    /// Of the switch's log.
    pub log: LogCounts,
}

/// What was counted of a switch's log.
#[derive(Default)]
pub struct LogCounts {
    /// Whether it is being read.
    pub reading: AtomicBool,
    /// Lines that came.
    pub read: AtomicU64,
    /// Lines that became observations.
    pub matched: AtomicU64,
    /// Lines that repeat an event.
    pub repeated: AtomicU64,
    /// Lines that can be read in two ways or not at all; refused.
    pub ambiguous: AtomicU64,
    /// Lines that were too many in their second; not looked at.
    pub skipped: AtomicU64,
}

/// How the connection is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Since when it has been as it is.
    pub since: Time,
    /// Why there is no connection, in words that tell the mend.
    pub trouble: Option<String>,
    /// The switch's version, once it was asked.
    pub version: Option<String>,
}

impl Switch {
    /// A switch that nobody has connected to yet.
    pub fn new(number: u16, config: &crate::config::Switch, commands: esl::Pool, now: Time) -> Switch {
        Switch {
            number,
            name: config.name.clone(),
            host: config.host.clone(),
            port: config.port,
            commands,
            reconnect: Notify::new(),
            counts: Counts::default(),
            learnt: Told::default(),
            missed: Missed::default(),
            connected: AtomicBool::new(false),
            state: Mutex::new(State { since: now, ..State::default() }),
        }
    }

    /// Whether its events are being read.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Relaxed)
    }

    /// How the connection is doing.
    pub fn state(&self) -> State {
        self.state.lock().clone()
    }

    /// Its events are being read from now on.
    pub(crate) fn connected(&self, now: Time) {
        self.connected.store(true, Relaxed);
        self.counts.connects.fetch_add(1, Relaxed);
        let mut state = self.state.lock();
        (state.since, state.trouble) = (now, None);
    }

    /// There is no connection, for this reason. Tells whether the reason is new.
    pub(crate) fn disconnected(&self, now: Time, trouble: String) -> bool {
        let was_connected = self.connected.swap(false, Relaxed);
        let mut state = self.state.lock();
        if was_connected {
            state.since = now;
        }
        let is_new = state.trouble.as_ref() != Some(&trouble);
        state.trouble = Some(trouble);
        is_new
    }

    /// What version it is.
    pub(crate) fn is_version(&self, version: String) {
        self.state.lock().version = Some(version);
    }

    /// When its last bytes came.
    pub fn last_heard(&self) -> Option<Time> {
        Some(Time::from_micros(self.counts.last_heard.load(Relaxed))).filter(|time| *time != Time::ZERO)
    }
}
