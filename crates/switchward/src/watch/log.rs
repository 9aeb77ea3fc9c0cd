//! Reads a switch's log beside its events: what has no event.
//!
//! It has a connection of its own, in the daemon's runtime, so that no flood of log lines delays an event: it is there while events
//! are read, and looks at so many lines a second, the rest is counted. A switch that refuses `log` is told once; all else goes on.
//! Start with [`follow`].

use crate::app::App;
use crate::clock;
use crate::config;
use crate::record::Tap;
use crate::switch::Switch;
use esl::FrameKind;
use esl::client::{Client, Disconnect, Incoming, State};
use extract::freeswitch::log::{LEVEL, LogCounts, LogReader};
use guard::Time;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;

/// How the log of a switch is reached.
pub(crate) fn connection(switch: &config::Switch, backoff: Duration) -> esl::client::Config {
    let mut config = esl::client::Config::new(switch.host.clone(), switch.port, switch.password.expose());
    config.backoff_base = backoff;
    config.backoff_cap = RETRY_AT_MOST.max(backoff);
    config.log = Some(LEVEL);
    config
}

/// Reads the log whenever `up` says that events are read, until its sender is gone.
pub(super) async fn follow(
    app: Arc<App>,
    switch: Arc<Switch>,
    config: esl::client::Config,
    mut up: watch::Receiver<bool>,
) {
    let mut sink = Sink::new(app, switch);
    while up.wait_for(|up| *up).await.is_ok() {
        let mut client = Client::new(config.clone());
        let mut handler = |incoming: Incoming<'_>| sink.take(incoming);
        let is_over = tokio::select! {
            () = client.run(&mut handler) => true,
            down = up.wait_for(|up| !*up) => down.is_err(),
        };
        sink.ended();
        if is_over {
            return;
        }
    }
}

struct Sink {
    app: Arc<App>,
    switch: Arc<Switch>,
    reader: LogReader,
    told: LogCounts,
    now: Time,
    /// The second that the lines are counted in, and how many may still be looked at.
    second: u64,
    left: u32,
    skipped: u64,
    complained: bool,
    /// Where the lines that tell something are copied to, when it is recorded.
    tap: Option<Tap>,
    daemon: tokio::runtime::Handle,
}

impl Sink {
    fn new(app: Arc<App>, switch: Arc<Switch>) -> Sink {
        Sink {
            tap: app.recorder.as_ref().map(|recorder| recorder.tap(&switch.name)),
            app,
            reader: LogReader::new(switch.number),
            switch,
            told: LogCounts::default(),
            now: clock::now(),
            second: 0,
            left: LINES_A_SECOND,
            skipped: 0,
            complained: false,
            daemon: tokio::runtime::Handle::current(),
        }
    }

    fn take(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Read { .. } => {
                self.now = clock::now();
                let second = self.now.micros() / 1_000_000;
                if self.second != second {
                    (self.second, self.left) = (second, LINES_A_SECOND);
                }
            }
            Incoming::Frame(frame) if frame.kind() == FrameKind::LogData => {
                if self.left == 0 {
                    self.skipped += 1;
                    return;
                }
                self.left -= 1;
                let Some(seen) = self.reader.read(&frame) else { return };
                for verdict in self.app.guard.observe(&seen, self.now) {
                    super::carry_out(&self.app, &self.switch, &self.daemon, verdict, self.now);
                }
                if let Some(tap) = &mut self.tap {
                    tap.log(&frame);
                }
            }
            Incoming::Frame(_) | Incoming::Event(_) => {}
            Incoming::Drained => {
                self.count();
                if let Some(tap) = &mut self.tap {
                    tap.pass_on();
                }
            }
            Incoming::State(state) => self.state(&state),
        }
    }

    fn state(&mut self, state: &State<'_>) {
        let name = self.switch.name.as_str();
        match state {
            State::Connecting { .. } => {}
            State::Connected { .. } => {
                self.complained = false;
                self.switch.counts.log.reading.store(true, Relaxed);
                tracing::info!(switch = name, "reading the switch's log too");
            }
            State::Disconnected { why, .. } => {
                self.switch.counts.log.reading.store(false, Relaxed);
                if std::mem::replace(&mut self.complained, true) {
                    return;
                }
                match why {
                    Disconnect::LogRefused(answer) => tracing::warn!(
                        switch = name,
                        answer,
                        "the switch does not let us read its log; accounts that do not exist and refusals by its access lists \
                         stay unseen (esl-allowed-log, or set guard.log to false)"
                    ),
                    why => tracing::info!(switch = name, %why, "the switch's log is not read at present"),
                }
            }
        }
    }

    /// Events are not read any more, so the log is not either.
    fn ended(&mut self) {
        self.count();
        self.complained = false;
        self.switch.counts.log.reading.store(false, Relaxed);
    }

    fn count(&mut self) {
        let (log, now, told) = (&self.switch.counts.log, self.reader.counts(), self.told);
        let skipped = std::mem::take(&mut self.skipped);
        log.read.fetch_add(now.read - told.read + skipped, Relaxed);
        log.matched.fetch_add(now.matched - told.matched, Relaxed);
        log.repeated.fetch_add(now.repeated - told.repeated, Relaxed);
        log.ambiguous.fetch_add(now.ambiguous - told.ambiguous, Relaxed);
        log.skipped.fetch_add(skipped, Relaxed);
        self.told = now;
    }
}

/// Lines that are looked at in a second; at a microsecond each that is two hundredths of a processor.
const LINES_A_SECOND: u32 = 20_000;
/// A switch that refuses its log is asked again after so long at most.
const RETRY_AT_MOST: Duration = Duration::from_secs(600);
