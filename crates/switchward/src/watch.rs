//! Reads a switch: events in, judged inline, verdicts carried out.
//!
//! One thread a switch, with a runtime of its own, so that neither HTTP nor another switch ever delays an event and no read wakes a
//! second thread. Events are parsed in the read buffer and judged there and then; what takes time afterwards (a hang-up, the list
//! of registrations) goes to the daemon's runtime, over the command pool. Start with [`start`].

use crate::app::App;
use crate::clock;
use crate::config;
use crate::fraud::{self, Blocking};
use crate::news::Event;
use crate::record::Tap;
use crate::switch::Switch;
use esl::client::{Client, Disconnect, Handle, Incoming, State};
use esl::{EventView, Format, Subscription};
use extract::freeswitch::{Counts, EVENTS, Extractor, SUBCLASSES};
use guard::source::parse_ip;
use guard::{Alert, AlertKind, Time, Verdict, What};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

mod calls;
mod hang_up;
mod log;
pub(crate) use hang_up::Missed;
pub(crate) use log::connection as log_connection;
pub(crate) mod reach;
pub(crate) mod registrations;

/// A reader that runs until it is stopped.
pub struct Reader {
    name: String,
    handle: Handle,
    ended: oneshot::Receiver<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Reader {
    /// The name of its switch.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its thread has ended; before [`Reader::stop`] only a panic does that.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the connection politely and waits for the end, for as long as `limit`.
    pub async fn stop(self, limit: Duration) {
        self.handle.stop();
        _ = tokio::time::timeout(limit, self.ended).await;
    }
}

/// How a switch is reached, for its event connection or its command pool.
pub fn connection(switch: &config::Switch, backoff: Duration) -> esl::client::Config {
    let mut wanted = Subscription::new(Format::Plain);
    for name in EVENTS {
        wanted = wanted.event(*name);
    }
    for subclass in SUBCLASSES {
        wanted = wanted.custom(*subclass);
    }
    let mut config = esl::client::Config::new(switch.host.clone(), switch.port, switch.password.expose());
    config.backoff_base = backoff;
    config.subscription = Some(wanted);
    config
}

/// Starts the reader of a switch.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    app: Arc<App>,
    switch: Arc<Switch>,
    config: &config::Switch,
    backoff: Duration,
) -> std::io::Result<Reader> {
    let client = Client::new(connection(config, backoff));
    let handle = client.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (up, is_up) = tokio::sync::watch::channel(false);
    if app.config.load().guard.log {
        tokio::spawn(log::follow(
            app.clone(),
            switch.clone(),
            log::connection(config, backoff),
            is_up.clone(),
        ));
    }
    tokio::spawn(reach::follow(app.clone(), switch.clone(), is_up.clone()));
    tokio::spawn(calls::follow(app.clone(), switch.clone(), config.default_domain.clone(), is_up));
    let sink = Sink::new(app, switch.clone(), &config.default_domain, up);
    let (end, ended) = oneshot::channel();
    let name = switch.name.clone();
    let thread = std::thread::Builder::new().name(format!("watch {name}").chars().take(15).collect());
    let thread = thread.spawn(move || {
        netfilter::thread::hurry();
        runtime.block_on(read(client, sink, &switch));
        _ = end.send(());
    })?;
    Ok(Reader { name, handle, ended, thread })
}

async fn read(mut client: Client, mut sink: Sink, switch: &Switch) {
    let asked = client.handle();
    let reconnects = async {
        loop {
            switch.reconnect.notified().await;
            asked.reconnect();
        }
    };
    let mut handler = |incoming: Incoming<'_>| sink.take(incoming);
    tokio::select! {
        () = client.run(&mut handler) => {}
        () = reconnects => {}
    }
}

/// What the reader does with what comes in.
struct Sink {
    app: Arc<App>,
    switch: Arc<Switch>,
    extractor: Extractor,
    /// Read off the clock once for each read of the socket.
    now: Time,
    /// The same by a clock that nobody sets, to measure by.
    read: Instant,
    /// Events since the counters were last brought up to date.
    events: u64,
    malformed: u64,
    told: Counts,
    complained: Option<Time>,
    /// Whether there are events: the log is read beside them.
    up: tokio::sync::watch::Sender<bool>,
    /// Where what comes in is copied to, when it is recorded.
    tap: Option<Tap>,
    /// The daemon's runtime, for what takes time.
    daemon: tokio::runtime::Handle,
}

/// How often the same trouble is told again.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

impl Sink {
    fn new(
        app: Arc<App>,
        switch: Arc<Switch>,
        default_domain: &str,
        up: tokio::sync::watch::Sender<bool>,
    ) -> Sink {
        let extractor = Extractor::new(switch.number, default_domain);
        let tap = app.recorder.as_ref().map(|recorder| recorder.tap(&switch.name));
        Sink {
            app,
            switch,
            extractor,
            now: clock::now(),
            read: Instant::now(),
            events: 0,
            malformed: 0,
            told: Counts::default(),
            complained: None,
            up,
            tap,
            daemon: tokio::runtime::Handle::current(),
        }
    }

    fn take(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Event(event) => {
                self.event(event);
                // After the verdict, which is not to wait for the copy.
                if let Some(tap) = &mut self.tap {
                    tap.event(&event);
                }
            }
            Incoming::Read { .. } => (self.now, self.read) = (clock::now(), Instant::now()),
            Incoming::Drained => {
                self.count();
                if let Some(tap) = &mut self.tap {
                    tap.pass_on();
                }
            }
            Incoming::Frame(frame) => {
                self.malformed += u64::from(matches!(frame.kind(), esl::FrameKind::Event(_)));
            }
            Incoming::State(state) => self.state(&state),
        }
    }

    fn event(&mut self, event: EventView<'_>) {
        self.events += 1;
        let Some(seen) = self.extractor.read(event) else { return };
        if matches!(seen.what, What::Heartbeat | What::SwitchStarted { .. }) {
            let address = |name| event.header(name).and_then(|value| parse_ip(&value.decoded()));
            self.switch.learnt.is_at([address("FreeSWITCH-IPv4"), address("FreeSWITCH-IPv6")]);
        }
        let verdicts = self.app.guard.observe(&seen, self.now);
        if !verdicts.is_empty() {
            self.switch.counts.verdict.took(self.read.elapsed());
        }
        for verdict in verdicts {
            carry_out(&self.app, &self.switch, &self.daemon, verdict, self.now);
        }
    }

    fn count(&mut self) {
        let (counts, now) = (&self.switch.counts, self.extractor.counts());
        if self.events > 0 {
            counts.batch.took(self.read.elapsed());
        }
        counts.events.fetch_add(std::mem::take(&mut self.events), Relaxed);
        if now.gateways() > self.told.gateways() {
            self.switch.learnt.again.notify_one();
        }
        for (kind, (now, told)) in counts.kinds.iter().zip(now.kinds.iter().zip(&self.told.kinds)) {
            if now > told {
                kind.fetch_add(now - told, Relaxed);
            }
        }
        counts.malformed.fetch_add(std::mem::take(&mut self.malformed), Relaxed);
        counts
            .unwanted
            .fetch_add(now.unwanted + now.outbound - self.told.unwanted - self.told.outbound, Relaxed);
        counts.forged.fetch_add(now.forged - self.told.forged, Relaxed);
        counts.bad_address.fetch_add(now.bad_address - self.told.bad_address, Relaxed);
        counts.last_heard.store(self.now.micros(), Relaxed);
        self.told = now;
    }

    fn state(&mut self, state: &State<'_>) {
        self.now = clock::now();
        match state {
            State::Connecting { .. } => _ = self.switch.counts.attempts.fetch_add(1, Relaxed),
            State::Connected { version } => {
                self.switch.connected(self.now);
                self.up.send_replace(true);
                if let Some(version) = version {
                    self.switch.is_version((*version).to_owned());
                }
                self.complained = None;
                self.tell_state(true, String::new());
                tracing::info!(
                    switch = self.switch.name,
                    version = version.unwrap_or("unknown"),
                    "connected, guarding"
                );
                self.daemon.spawn(registrations::learn(self.app.clone(), self.switch.clone()));
            }
            State::Disconnected { why: Disconnect::Requested, .. } => {
                self.out_of_sight();
                self.switch.disconnected(self.now, "reconnecting as asked".into());
            }
            State::Disconnected { why, retry_in } => {
                self.out_of_sight();
                self.switch.counts.errors.fetch_add(1, Relaxed);
                if matches!(why, Disconnect::KilledListener) {
                    self.switch.counts.killed.fetch_add(1, Relaxed);
                }
                let trouble = trouble(why);
                let is_new = self.switch.disconnected(self.now, trouble.clone());
                if is_new {
                    self.tell_state(false, trouble.clone());
                }
                let is_due = self.complained.is_none_or(|last| self.now.since(last) >= COMPLAIN_EVERY);
                if is_new || is_due {
                    self.complained = Some(self.now);
                    let (switch, retry) = (&self.switch.name, format!("{:.1} s", retry_in.as_secs_f64()));
                    tracing::warn!(switch, retry, "no events from the switch: {trouble}");
                }
            }
        }
    }
}

impl Sink {
    /// No events are read.
    fn out_of_sight(&self) {
        self.up.send_replace(false);
        self.app.guard.fraud().out_of_sight(self.switch.number);
    }

    fn tell_state(&self, connected: bool, trouble: String) {
        let switch = self.switch.name.clone();
        self.app.mirror.news().tell(Event::Switch { switch, connected, trouble });
    }
}

/// Why there is no connection, with the mend.
pub(crate) fn trouble(why: &Disconnect) -> String {
    match why {
        Disconnect::WrongPassword => "the switch refused the password; set security.esl_password (or the switch's own password)".into(),
        Disconnect::AccessDenied(_) => {
            "the switch's event_socket ACL refuses us; allow this address in apply-inbound-acl of event_socket.conf.xml".into()
        }
        Disconnect::KilledListener => {
            "the switch dropped us because we read too slowly; events were lost: is this machine overloaded?".into()
        }
        other => other.to_string(),
    }
}

/// Carries out a verdict. Bans are in the ledger, in the kernel's queue and in the store's queue already.
pub(crate) fn carry_out(
    app: &Arc<App>,
    switch: &Arc<Switch>,
    daemon: &tokio::runtime::Handle,
    verdict: Verdict,
    now: Time,
) {
    let switch_name = switch.name.as_str();
    match verdict {
        Verdict::Ban(ban) => {
            let length = ban.remaining(now).map_or_else(|| "good".into(), guard::ban::span);
            let (rule, evidence, count) =
                (ban.reason.rule.as_str(), ban.reason.evidence.word(), ban.reason.count);
            let dry = if app.is_dry() { " (dry run)" } else { "" };
            tracing::warn!(switch = switch_name, target = %ban.target, rule, evidence, count, "banned for {length}{dry}");
            tracing::debug!(target = %ban.target, "reason: {}", ban.reason.text);
        }
        Verdict::WouldBan(ban) => {
            let (rule, evidence) = (ban.reason.rule.as_str(), ban.reason.evidence.word());
            tracing::info!(switch = switch_name, target = %ban.target, rule, evidence, "would be banned; the rule is in shadow, or banning is off");
            app.mirror.news().tell(Event::WouldBan(ban));
        }
        Verdict::HangUp { call, cause, source, why, again, .. } => {
            if again == 0 {
                tracing::warn!(switch = switch_name, %source, "hanging up a call");
                tracing::debug!(switch = switch_name, "why: {why}");
            } else {
                tracing::debug!(switch = switch_name, %source, again, "hanging up a call that still runs");
            }
            if !app.is_dry() {
                if again == 0 {
                    let (switch, why) = (switch_name.into(), why.clone());
                    app.mirror.news().tell(Event::HangUp { switch, source, why });
                }
                let what = hang_up::Ending { call, cause, source, why };
                daemon.spawn(hang_up::hang_up(app.clone(), switch.clone(), what));
            }
        }
        Verdict::BlockAccount { user, domain, why, source, .. } => {
            daemon.spawn(fraud::block(app.clone(), switch.clone(), Blocking { user, domain, why, source }));
        }
        Verdict::Alert(Alert { kind: AlertKind::NotEnforced(_), .. }) if app.is_dry() => {}
        Verdict::Alert(alert) => {
            tracing::error!(switch = switch_name, alert = alert.kind.word(), source = %alert.source, "alert");
            if let AlertKind::NotEnforced(ban) = &alert.kind {
                app.mirror.enforce(ban);
            }
            tracing::debug!(alert = alert.kind.word(), "{}", alert.text);
            app.mirror.news().tell(Event::Alert { switch: switch_name.into(), alert });
        }
        Verdict::Allow(entry) => tracing::debug!(target = %entry.target, "allowed after a success"),
    }
}
