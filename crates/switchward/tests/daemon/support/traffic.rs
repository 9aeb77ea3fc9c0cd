//! Events as the simulated switch makes them of what phones and attackers do.

use simswitch::{Action, ActorId, Client, Credentials, Effects, Event, SimSwitch, Step};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first so many hosts of 198.18.0.0/15, from the `from`th on.
pub(crate) fn sources(from: u32, count: u32) -> impl Iterator<Item = IpAddr> {
    (from..from + count).map(|number| IpAddr::V4(Ipv4Addr::from(0xc612_0000 + number)))
}

/// The account that is attacked.
pub(crate) const VICTIM: &str = "victim";

/// The events of a REGISTER with a wrong password: a challenge, an attempt, a failure.
pub(crate) fn guess(switch: &SimSwitch, source: &str) -> Vec<Event> {
    register(switch, source, VICTIM, Credentials::Wrong)
}

/// A whole attack: as many guesses as the default configuration bans for.
pub(crate) fn attack(switch: &SimSwitch, source: &str) {
    (0..5).for_each(|_| send(switch, &guess(switch, source)));
}

/// Sends events to whoever has subscribed to them.
pub(crate) fn send(switch: &SimSwitch, events: &[Event]) {
    for event in events {
        switch.emit(event);
    }
}

/// An attack of many sources at once: each guesses five times, all of them once before any guesses again, with
/// HEARTBEATs and a healthy phone's registrations between.
pub(crate) fn flood(switch: &SimSwitch, sources: impl Iterator<Item = IpAddr>) -> Vec<Event> {
    let guesses: Vec<Event> = sources.flat_map(|source| guess(switch, &source.to_string())).collect();
    let between: Vec<Event> = heartbeat(switch)
        .into_iter()
        .chain(register(switch, "203.0.113.20", "1002", Credentials::Cached))
        .collect();
    let mut events = Vec::new();
    for _ in 0..5 {
        for piece in guesses.chunks(1000) {
            events.extend_from_slice(piece);
            events.extend_from_slice(&between);
        }
    }
    events
}

/// The events of a REGISTER.
pub(crate) fn register(switch: &SimSwitch, source: &str, user: &str, credentials: Credentials) -> Vec<Event> {
    let action = Action::Register { client: client(user), credentials, expires: 3600 };
    act(switch, source, action)
}

/// The events of a HEARTBEAT.
pub(crate) fn heartbeat(switch: &SimSwitch) -> Vec<Event> {
    let mut effects = Effects::default();
    switch.world().heartbeat(now(), Duration::from_secs(100), Duration::from_secs(20), &mut effects);
    effects.events
}

/// The events of a call that is challenged and given up ten seconds later, all at once.
pub(crate) fn abandoned_call(switch: &SimSwitch, source: &str) -> Vec<Event> {
    switch.world().set_sessions_per_second(u64::MAX);
    let mut effects = Effects::default();
    switch.world().act(now(), &step(source, call("9196", Credentials::None)), &mut effects);
    for (_, later) in std::mem::take(&mut effects.later) {
        switch.world().later(now(), &later, &mut effects);
    }
    effects.events
}

/// The CHANNEL_CREATE of a call whose name on the switch is this (as it stands in the event).
pub(crate) fn call_named(switch: &SimSwitch, source: &str, name: &str) -> Event {
    let events = act(switch, source, call("9196", Credentials::Fresh));
    let is_create = |event: &&Event| {
        event.view().header("Event-Name").is_some_and(|name| name.raw() == b"CHANNEL_CREATE")
    };
    let create = events.iter().find(is_create).unwrap();
    let own = String::from_utf8(create.view().header("Unique-ID").unwrap().raw().to_vec()).unwrap();
    let text = String::from_utf8(create.plain().to_vec()).unwrap();
    Event::from_plain(text.replace(&own, name).into_bytes()).unwrap()
}

/// A step of a SIP client at this address (port 5060 when none is named).
pub(crate) fn step(source: &str, action: Action) -> Step {
    let source =
        source.parse::<SocketAddr>().unwrap_or_else(|_| SocketAddr::new(source.parse().unwrap(), 5060));
    Step { actor: ActorId(0), source, action }
}

/// A call that rings for a minute and is talked for another.
pub(crate) fn call(number: &str, credentials: Credentials) -> Action {
    let minute = Duration::from_secs(60);
    Action::Call {
        client: client(VICTIM),
        number: number.into(),
        credentials,
        ring: minute,
        talk: Some(minute),
    }
}

/// Somebody who calls himself `user`.
pub(crate) fn client(user: &str) -> Client {
    Client { user: user.into(), call_id: format!("{user}@call").into(), agent: "Test/1.0".into() }
}

/// The events of what a SIP client does; they are not sent yet.
pub(crate) fn act(switch: &SimSwitch, source: &str, action: Action) -> Vec<Event> {
    let mut effects = Effects::default();
    switch.world().act(now(), &step(source, action), &mut effects);
    effects.events
}

/// Microseconds since 1970.
fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
