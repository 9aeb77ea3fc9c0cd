//! Calls: which events an INVITE makes, and the channels that live while it lasts.
//!
//! Five kinds of call are told apart by what is dialled, as the captures' dial plan does: the echo extension 9196, an
//! international number through the carrier, a registered user, anything else (rings, is never answered), and a call
//! on the external profile (finds no route).

use super::{Due, Effects, Later, World, emit, host, register::Exchange};
use crate::{
    event::Event,
    identity::Identity,
    step::{Client, Credentials},
    template::{Field, Kind, Times},
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

/// A live call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    number: u64,
    route: Route,
    client: Client,
    /// The caller's channel.
    pub caller: Leg,
    /// The called side's channel, for a call that was put through.
    pub callee: Option<Leg>,
    answered: u64,
    ring: Duration,
    talk: Option<Duration>,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// `Unique-ID`.
    pub uuid: String,
    /// Whether the switch made it.
    pub outbound: bool,
    /// `Channel-Name`.
    pub name: String,
    /// The caller.
    pub user: Arc<str>,
    /// What was dialled.
    pub dialled: Arc<str>,
    /// Where the packets come from, or go to.
    pub peer: SocketAddr,
    /// Whether it was answered.
    pub state: State,
    /// Microseconds since 1970.
    pub created: u64,
    call_id: String,
    session: u64,
}

/// How far a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not answered yet.
    Ringing,
    /// Answered.
    Active,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Echo,
    /// Through the carrier.
    Toll,
    /// To another phone.
    Bridge,
    /// Nobody picks up.
    Ring,
}

impl Call {
    /// The call's channels.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.caller).chain(&self.callee)
    }

    pub(super) fn has(&self, uuid: &str) -> bool {
        self.legs().any(|leg| leg.uuid == uuid)
    }

    /// The last that its events told about one of its channels, as CHANNEL_DATA.
    pub(super) fn dump(&self, identity: &Identity, now: u64, uuid: &str) -> Option<Event> {
        let active = self.caller.state == State::Active;
        let kinds: &[Kind] = match (self.route, active) {
            (Route::Echo, false) => &[Kind::EchoCreate],
            (Route::Echo, true) => &[Kind::EchoAnswer],
            (Route::Ring, _) => &[Kind::RingProgress],
            (Route::Bridge, false) => &[Kind::BridgeACreate, Kind::BridgeBCreate],
            (Route::Bridge, true) => &[Kind::BridgeBAnswer, Kind::BridgeAAnswer],
            (Route::Toll, false) => &[Kind::TollACreate, Kind::TollBCreate],
            (Route::Toll, true) => &[Kind::TollBAnswer, Kind::TollAAnswer],
        };
        let mut effects = Effects::default();
        self.emit(identity, kinds, Times { now, ..Times::default() }, "", &mut effects);
        let is_of = |event: &Event| {
            event.view().header("Unique-ID").is_some_and(|value| value.eq_decoded(uuid.as_bytes()))
        };
        let event = effects.events.into_iter().find(is_of)?;
        let text = String::from_utf8_lossy(event.plain());
        let name = text.lines().find(|line| line.starts_with("Event-Name: "))?;
        Event::from_plain(text.replacen(name, "Event-Name: CHANNEL_DATA", 1).into_bytes()).ok()
    }

    fn emit(&self, identity: &Identity, kinds: &[Kind], at: Times, cause: &str, effects: &mut Effects) {
        let (caller, callee) = (&self.caller, self.callee.as_ref());
        let a = LegTexts::of(caller);
        let b = callee.map(LegTexts::of);
        let q850 = q850(cause);
        let mut values = identity.values(Times { created: caller.created, answered: self.answered, ..at });
        values
            .set(Field::AUser, &caller.user)
            .set(Field::AUuid, &caller.uuid)
            .set(Field::ACallId, &caller.call_id)
            .set(Field::AIp, &a.ip)
            .set(Field::AHost, &a.host)
            .set(Field::APort, &a.port)
            .set(Field::ASession, &a.session)
            .set(Field::Agent, &self.client.agent)
            .set(Field::Number, &caller.dialled)
            .set(Field::Cause, cause)
            .set(Field::Q850, q850);
        if let (Some(leg), Some(b)) = (callee, &b) {
            values
                .set(Field::BUuid, &leg.uuid)
                .set(Field::BCallId, &leg.call_id)
                .set(Field::BIp, &b.ip)
                .set(Field::BHost, &b.host)
                .set(Field::BPort, &b.port)
                .set(Field::BSession, &b.session);
        }
        for kind in kinds {
            emit(identity, *kind, &values, effects);
        }
    }
}

struct LegTexts {
    ip: String,
    host: String,
    port: String,
    session: String,
}

impl LegTexts {
    fn of(leg: &Leg) -> Self {
        Self {
            ip: leg.peer.ip().to_string(),
            host: host(leg.peer.ip()),
            port: leg.peer.port().to_string(),
            session: leg.session.to_string(),
        }
    }
}

impl World {
    pub(super) fn new_call(
        &mut self,
        now: u64,
        source: SocketAddr,
        client: &Client,
        number: &Arc<str>,
        (ring, talk): (Duration, Option<Duration>),
    ) -> Call {
        let caller = Leg {
            uuid: self.uuid(),
            outbound: false,
            name: format!("sofia/internal/{}@{}", client.user, self.identity.domain),
            user: Arc::clone(&client.user),
            dialled: Arc::clone(number),
            peer: source,
            state: State::Ringing,
            created: now,
            call_id: client.call_id.to_string(),
            session: self.sessions.total,
        };
        let number = self.next_number();
        let route = self.route(&caller.dialled);
        Call { number, route, client: client.clone(), caller, callee: None, answered: 0, ring, talk }
    }

    /// An INVITE on the internal profile.
    pub(super) fn challenged_call(
        &mut self,
        now: u64,
        call: Call,
        credentials: Credentials,
        effects: &mut Effects,
    ) {
        let identity = Arc::clone(&self.identity);
        let target = ("INVITE", &*call.caller.dialled, INVITE_EXPIRES);
        let exchange = Exchange::new(&identity, now, call.caller.peer, &call.client, target);
        let accepted = exchange.authenticate(credentials, self.knows(&call.client.user), effects);
        match credentials {
            _ if accepted => self.set_up(now, call, effects),
            Credentials::Wrong | Credentials::WrongAgain => {
                let times = Times { now, ended: now, ..Times::default() };
                call.emit(&identity, REFUSED, times, "CALL_REJECTED", effects);
            }
            _ => effects.later.push((HANGING, Later(Due::Abandoned { call: Box::new(call) }))),
        }
    }

    /// The end of an INVITE whose challenge was never answered rightly.
    pub(super) fn abandon(&mut self, now: u64, call: &Call, effects: &mut Effects) {
        let times = Times { now, ended: now, ..Times::default() };
        call.emit(&self.identity, &REFUSED[..1], times, "WRONG_CALL_STATE", effects);
        let texts = LegTexts::of(&call.caller);
        let mut values = self.identity.values(times);
        values.set(Field::From, &call.caller.user).set(Field::Ip, &texts.ip).set(Field::Port, &texts.port);
        emit(&self.identity, Kind::WrongCallState, &values, effects);
        call.emit(&self.identity, &REFUSED[1..], times, "WRONG_CALL_STATE", effects);
    }

    /// An INVITE on the external profile.
    pub(super) fn public_call(&mut self, now: u64, mut call: Call, effects: &mut Effects) {
        call.caller.name = format!("sofia/external/{}@{}", call.caller.user, SERVER);
        let times = Times { now, ended: now, ..Times::default() };
        call.emit(&self.identity, PUBLIC, times, "NORMAL_CLEARING", effects);
    }

    fn route(&self, dialled: &str) -> Route {
        if dialled == "9196" {
            Route::Echo
        } else if ["00", "011", "+"].iter().any(|prefix| dialled.starts_with(prefix)) {
            Route::Toll
        } else if self.registrations.contains_key(dialled) {
            Route::Bridge
        } else {
            Route::Ring
        }
    }

    fn set_up(&mut self, now: u64, mut call: Call, effects: &mut Effects) {
        call.callee = self.callee(now, &call);
        let at = Times { now, ..Times::default() };
        let kinds: &[Kind] = match call.route {
            Route::Echo => &[Kind::EchoCreate],
            Route::Ring => &[Kind::RingCreate, Kind::RingProgress],
            Route::Bridge => &[Kind::BridgeACreate, Kind::BridgeBCreate],
            Route::Toll => &[Kind::TollACreate, Kind::TollBCreate],
        };
        call.emit(&self.identity, kinds, at, "", effects);
        let due = match (call.talk, call.route) {
            (Some(_), Route::Echo | Route::Bridge | Route::Toll) => Due::Answer { call: call.number },
            _ => Due::HangUp { call: call.number },
        };
        effects.later.push((call.ring, Later(due)));
        self.calls.insert(call.number, call);
        self.sessions.peak = self.sessions.peak.max(self.legs().count() as u64);
    }

    fn callee(&mut self, now: u64, call: &Call) -> Option<Leg> {
        let dialled = &call.caller.dialled;
        let (name, peer) = match call.route {
            Route::Echo | Route::Ring => return None,
            Route::Toll => (format!("sofia/external/{dialled}"), CARRIER),
            Route::Bridge => {
                let peer = self.registrations.get(dialled)?.source;
                (format!("sofia/internal/{dialled}@{}:{}", host(peer.ip()), peer.port()), peer)
            }
        };
        self.sessions.total += 1;
        Some(Leg {
            uuid: self.uuid(),
            outbound: true,
            name,
            user: Arc::clone(&call.caller.user),
            dialled: Arc::clone(dialled),
            peer,
            state: State::Ringing,
            created: now,
            call_id: self.uuid(),
            session: self.sessions.total,
        })
    }

    pub(super) fn answer(&mut self, now: u64, number: u64, effects: &mut Effects) {
        let Some(call) = self.calls.get_mut(&number) else {
            return;
        };
        call.answered = now;
        call.caller.state = State::Active;
        if let Some(leg) = &mut call.callee {
            leg.state = State::Active;
        }
        let kinds: &[Kind] = match call.route {
            Route::Echo => &[Kind::EchoAnswer],
            Route::Bridge => &[Kind::BridgeBAnswer, Kind::BridgeAAnswer],
            Route::Toll => &[Kind::TollBAnswer, Kind::TollAAnswer],
            Route::Ring => &[],
        };
        call.emit(&self.identity, kinds, Times { now, ..Times::default() }, "", effects);
        if let Some(talk) = call.talk {
            effects.later.push((talk, Later(Due::HangUp { call: number })));
        }
    }

    pub(super) fn hang_up_call(&mut self, now: u64, number: u64, cause: &str, effects: &mut Effects) {
        let Some(mut call) = self.calls.remove(&number) else {
            return;
        };
        let ringing = call.caller.state == State::Ringing;
        let cause = if ringing && cause == "NORMAL_CLEARING" { "ORIGINATOR_CANCEL" } else { cause };
        if ringing {
            // A template of an answered call has its times; they collapse to the end.
            call.answered = now;
        }
        let kinds: &[Kind] = match call.route {
            Route::Echo => ECHO_END,
            Route::Ring => RING_END,
            Route::Bridge => BRIDGE_END,
            Route::Toll => TOLL_END,
        };
        call.emit(&self.identity, kinds, Times { now, ended: now, ..Times::default() }, cause, effects);
    }
}

/// Q.850's number of a cause. FreeSWITCH's own causes, such as ORIGINATOR_CANCEL, count as normal clearing; but
/// WRONG_CALL_STATE has a number.
fn q850(cause: &str) -> &'static str {
    match cause {
        "UNALLOCATED_NUMBER" => "1",
        "NO_ROUTE_DESTINATION" => "3",
        "USER_BUSY" => "17",
        "NO_USER_RESPONSE" => "18",
        "NO_ANSWER" => "19",
        "CALL_REJECTED" => "21",
        "WRONG_CALL_STATE" => "101",
        _ => "16",
    }
}

/// An INVITE that was challenged is given up after this.
const HANGING: Duration = Duration::from_secs(10);
/// What the switch says of an INVITE's expiry in `sofia::pre_register`.
const INVITE_EXPIRES: u32 = 300;
/// What the templates say of the switch's own address.
const SERVER: &str = "127.0.0.1";
/// Where the gateway of the captures leads.
const CARRIER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 5090);
const REFUSED: &[Kind] = &[Kind::RefusedHangup, Kind::RefusedHangupComplete, Kind::RefusedDestroy];
const PUBLIC: &[Kind] =
    &[Kind::PublicCreate, Kind::PublicHangup, Kind::PublicHangupComplete, Kind::PublicDestroy];
const ECHO_END: &[Kind] = &[Kind::EchoHangup, Kind::EchoHangupComplete, Kind::EchoDestroy];
const RING_END: &[Kind] = &[Kind::RingHangup, Kind::RingHangupComplete, Kind::RingDestroy];
const BRIDGE_END: &[Kind] = &[
    Kind::BridgeAHangup,
    Kind::BridgeBHangup,
    Kind::BridgeBHangupComplete,
    Kind::BridgeBDestroy,
    Kind::BridgeAHangupComplete,
    Kind::BridgeADestroy,
];
const TOLL_END: &[Kind] = &[
    Kind::TollAHangup,
    Kind::TollBHangup,
    Kind::TollBHangupComplete,
    Kind::TollBDestroy,
    Kind::TollAHangupComplete,
    Kind::TollADestroy,
];
