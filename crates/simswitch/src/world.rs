//! The SIP side of the switch: [`World`] turns what clients do into events and remembers registrations and channels.
//!
//! It is pure: the time is an argument, and what is to happen later is handed out as a [`Later`] for the caller to
//! bring back when it is due. Which events follow from which action is what the captures show.

use crate::{
    event::Event,
    identity::Identity,
    step::{Action, Step},
    template::{Field, Kind, Times, Values},
};
use fastrand::Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

mod call;
mod register;

pub use call::{Call, Leg, State};
pub use register::Registration;

/// See the module.
#[derive(Debug)]
pub struct World {
    identity: Arc<Identity>,
    rng: Rng,
    registrations: BTreeMap<Arc<str>, Registration>,
    calls: BTreeMap<u64, Call>,
    sessions: Sessions,
    /// The users of the directory; without it every user is there.
    users: Option<BTreeSet<String>>,
    /// Numbers calls, registrations and sessions.
    counter: u64,
}

/// What the switch knows about its sessions, for `status` and HEARTBEAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// Since the start.
    pub total: u64,
    /// The most at once.
    pub peak: u64,
    /// New INVITEs that are taken in one second; more get a 503 and leave no event.
    pub per_second: u64,
    /// The most that were taken in one second.
    pub per_second_peak: u64,
    /// Refused with a 503.
    pub refused: u64,
    second: u64,
    in_second: u64,
}

/// What follows from an action.
#[derive(Debug, Default)]
pub struct Effects {
    /// In order.
    pub events: Vec<Event>,
    /// Log lines.
    pub logs: Vec<LogLine>,
    /// What is to be brought back to [`World::later`] after a while.
    pub later: Vec<(Duration, Later)>,
}

/// A line of the switch's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// 2 (CRIT), 4 (WARNING) and so on.
    pub level: u8,
    /// The source file that says it.
    pub file: &'static str,
    /// Its function.
    pub function: &'static str,
    /// The source line.
    pub line: u32,
    /// What is said, without the line end.
    pub text: String,
}

impl LogLine {
    /// A WARNING of the registrar.
    pub fn registrar(line: u32, text: String) -> Self {
        Self { level: 4, file: "sofia_reg.c", function: "sofia_reg_handle_register_token", line, text }
    }

    /// What is said of wrong credentials for an account that the directory does not have.
    pub fn unknown_account(user: &str, domain: &str, ip: IpAddr) -> Self {
        let text = format!(
            "Can't find user [{user}@{domain}] from {ip}\nYou must define a domain called '{domain}' in your directory and \
             add a user with the id=\"{user}\" attribute\nand you must configure your device to use the proper domain in \
             it's authentication credentials."
        );
        Self { function: "sofia_reg_parse_auth", ..Self::registrar(3210, text) }
    }

    /// A call that `apply-inbound-acl` refuses on a profile that asks for no password.
    pub fn rejected_call(ip: IpAddr, list: &str) -> Self {
        let text = format!("IP {ip} Rejected by acl \"{list}\"");
        Self { level: 4, file: "sofia.c", function: "sofia_handle_sip_i_invite", line: 10_437, text }
    }

    /// A REGISTER that `apply-register-acl` refuses.
    pub fn rejected_registration(ip: IpAddr, list: &str) -> Self {
        let text = format!("IP {ip} Rejected by register acl \"{list}\"");
        Self { function: "sofia_reg_handle_sip_i_register", ..Self::registrar(2431, text) }
    }

    /// A client that the event socket's list refuses.
    pub fn rejected_client(ip: IpAddr, list: &str) -> Self {
        let text = format!("IP {ip} Rejected by acl \"{list}\"");
        Self { level: 4, file: "mod_event_socket.c", function: "listener_run", line: 2667, text }
    }

    /// A session beyond `sessions-per-second`; so many are there.
    pub fn throttled(sessions: usize) -> Self {
        let text = format!("Throttle Error! {sessions}");
        let function = "switch_core_session_request_uuid";
        Self { level: 2, file: "switch_core_session.c", function, line: 2422, text }
    }
}

/// Something that is due later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later(Due);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    /// A registration runs out.
    Expire { user: Arc<str>, number: u64 },
    /// A challenged INVITE was not completed.
    Abandoned { call: Box<Call> },
    /// The called side picks up.
    Answer { call: u64 },
    /// Somebody hangs up.
    HangUp { call: u64 },
}

impl World {
    /// An empty world. The same seed makes the same UUIDs.
    pub fn new(identity: Arc<Identity>, seed: u64) -> Self {
        let sessions = Sessions {
            total: 0,
            peak: 0,
            per_second: 30,
            per_second_peak: 0,
            refused: 0,
            second: 0,
            in_second: 0,
        };
        Self {
            identity,
            rng: Rng::with_seed(seed),
            registrations: BTreeMap::new(),
            calls: BTreeMap::new(),
            sessions,
            users: None,
            counter: 0,
        }
    }

    /// Lets a client do something at a time, in microseconds since 1970.
    pub fn act(&mut self, now: u64, step: &Step, effects: &mut Effects) {
        let now = tick(now);
        match &step.action {
            Action::Register { client, credentials, expires } => {
                self.register(now, step.source, client, *credentials, *expires, effects);
            }
            Action::Call { client, number, credentials, ring, talk } => {
                if self.admit(now, effects) {
                    let call = self.new_call(now, step.source, client, number, (*ring, *talk));
                    self.challenged_call(now, call, *credentials, effects);
                }
            }
            Action::Ask { client, method, number, credentials } => {
                self.ask(now, step.source, client, *method, number, *credentials, effects);
            }
            Action::PublicCall { client, number } => {
                if self.admit(now, effects) {
                    let call = self.new_call(now, step.source, client, number, (Duration::ZERO, None));
                    self.public_call(now, call, effects);
                }
            }
        }
    }

    /// Lets happen what was due.
    pub fn later(&mut self, now: u64, later: &Later, effects: &mut Effects) {
        let now = tick(now);
        match &later.0 {
            Due::Expire { user, number } => self.expire(now, user, *number, effects),
            Due::Abandoned { call } => self.abandon(now, call, effects),
            Due::Answer { call } => self.answer(now, *call, effects),
            Due::HangUp { call } => self.hang_up_call(now, *call, "NORMAL_CLEARING", effects),
        }
    }

    /// Hangs the call of a channel up, as `uuid_kill` does. Gives whether there is one.
    pub fn hang_up(&mut self, now: u64, uuid: &str, cause: &str, effects: &mut Effects) -> bool {
        let Some(number) = self.calls.iter().find(|(_, call)| call.has(uuid)).map(|(number, _)| *number)
        else {
            return false;
        };
        self.hang_up_call(tick(now), number, cause, effects);
        true
    }

    /// The registrations, by user.
    pub fn registrations(&self) -> impl Iterator<Item = &Registration> {
        self.registrations.values()
    }

    /// The registration of a user.
    pub fn registration(&self, user: &str) -> Option<&Registration> {
        self.registrations.get(user)
    }

    /// The live channels, oldest first.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.calls.values().flat_map(Call::legs)
    }

    /// The live calls, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// What `uuid_dump` tells about a channel: an event CHANNEL_DATA. `None` when there is none.
    pub fn dump(&self, now: u64, uuid: &str) -> Option<Event> {
        self.calls.values().find(|call| call.has(uuid))?.dump(&self.identity, tick(now), uuid)
    }

    /// Figures about sessions.
    pub fn sessions(&self) -> Sessions {
        self.sessions
    }

    /// Sets the users of the directory: wrong credentials for another one are told in the log.
    pub fn set_users(&mut self, users: BTreeSet<String>) {
        self.users = Some(users);
    }

    fn knows(&self, user: &str) -> bool {
        self.users.as_ref().is_none_or(|users| users.contains(user))
    }

    /// Sets how many INVITEs are taken in a second; FreeSWITCH's default is 30.
    pub fn set_sessions_per_second(&mut self, most: u64) {
        self.sessions.per_second = most;
    }

    /// The HEARTBEAT and what the scheduler says about the next one.
    pub fn heartbeat(&mut self, now: u64, uptime: Duration, every: Duration, effects: &mut Effects) {
        let now = tick(now);
        let times = Times { now, ..Times::default() };
        let micros = u64::try_from(uptime.as_micros()).unwrap_or(u64::MAX);
        let texts = [
            crate::clock::uptime(micros),
            (micros / 1000).to_string(),
            self.legs().count().to_string(),
            self.sessions.per_second.to_string(),
            self.sessions.peak.to_string(),
            self.sessions.total.to_string(),
            (now / 1_000_000 + every.as_secs()).to_string(),
        ];
        let mut values = self.identity.values(times);
        values
            .set(Field::UptimeText, &texts[0])
            .set(Field::UptimeMillis, &texts[1])
            .set(Field::Sessions, &texts[2])
            .set(Field::SessionsPerSecond, &texts[3])
            .set(Field::SessionsPeak, &texts[4])
            .set(Field::SessionsTotal, &texts[5])
            .set(Field::SessionsMax, "1000")
            .set(Field::NextRun, &texts[6]);
        emit(&self.identity, Kind::Heartbeat, &values, effects);
        emit(&self.identity, Kind::ReSchedule, &values, effects);
    }

    /// The SHUTDOWN event.
    pub fn shut_down(&mut self, now: u64, effects: &mut Effects) {
        let values = self.identity.values(Times { now: tick(now), ..Times::default() });
        emit(&self.identity, Kind::Shutdown, &values, effects);
    }

    /// Whether one more INVITE is taken in this second.
    fn admit(&mut self, now: u64, effects: &mut Effects) -> bool {
        let sessions = &mut self.sessions;
        let second = now / 1_000_000;
        if sessions.second != second {
            (sessions.second, sessions.in_second) = (second, 0);
        }
        if sessions.in_second >= sessions.per_second {
            sessions.refused += 1;
            effects.logs.push(LogLine::throttled(self.calls.len()));
            return false;
        }
        sessions.in_second += 1;
        sessions.per_second_peak = sessions.per_second_peak.max(sessions.in_second);
        sessions.total += 1;
        true
    }

    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn uuid(&mut self) -> String {
        random_uuid(&mut self.rng)
    }
}

/// A random UUID of version 4.
pub(crate) fn random_uuid(rng: &mut Rng) -> String {
    let (high, low) = (rng.u64(..), rng.u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

/// Renders one event with its own sequence number.
fn emit(identity: &Identity, kind: Kind, values: &Values<'_>, effects: &mut Effects) {
    let sequence = identity.next_sequence().to_string();
    let mut values = values.clone();
    values.set(Field::Sequence, &sequence);
    effects.events.push(kind.template().render(&values));
}

/// FreeSWITCH's event clock moves in steps of about 20 ms.
fn tick(now: u64) -> u64 {
    now - now % 20_000
}

/// An address in a URI: IPv6 in brackets.
fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// `"" <sip:user@host:port>`, as FreeSWITCH writes a Contact without a display name.
fn contact(user: &str, source: SocketAddr) -> String {
    format!("\"\" <sip:{user}@{}:{}>", host(source.ip()), source.port())
}
