//! Connections that control a channel: `myevents UUID`, `linger`, `divert_events`.
//!
//! The rules are those of FreeSWITCH's mod_event_socket. After `myevents` a connection gets the events of that channel and no others, and ends
//! when the channel hangs up, unless it lingers. What a channel keeps for itself (recognised speech, events that were sent to it) waits in a
//! queue of its own; while its events are diverted, that queue goes to whoever controls it, whatever they subscribed to or filter. Diverting is a
//! mark on the channel: it stays when the connection that made it is gone.

use super::{Shared, client::Client};
use crate::event::Event;
use esl::{
    Format, reply,
    server::{Pending, Request},
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Which channel a connection controls, and how long it stays after its end.
#[derive(Debug, Default)]
pub(super) struct Control {
    channel: Option<String>,
    lingers: Option<Lingers>,
    /// The channel has ended.
    ended: bool,
}

/// How long a connection stays after its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lingers {
    Forever,
    /// As it was written; below zero it is over at once.
    Seconds(i64),
}

/// The channels whose own queues are in use.
#[derive(Debug, Default)]
pub(super) struct Queues(HashMap<String, Own>);

#[derive(Debug, Default)]
struct Own {
    diverted: bool,
    waiting: VecDeque<Event>,
}

/// `myevents UUID [FORMAT]`.
pub(super) fn my_events(shared: &Shared, client: &Client, argument: &str) -> &'static str {
    let (uuid, format) = match argument.split_once(' ') {
        Some((uuid, word)) => (uuid, Some(word)),
        None => (argument, None),
    };
    if client.listener().mine.is_some() {
        return "-ERR aready enabled.";
    }
    if shared.is_channel(uuid) {
        client.control().channel = Some(uuid.to_owned());
    } else if format.is_some() {
        return "-ERR invalid uuid";
    }
    let is = |wanted: Format| argument.contains(wanted.as_str());
    let format = [Format::Xml, Format::Json].into_iter().find(|format| is(*format));
    client.listener().my_events(client.control().channel.clone(), format);
    "+OK Events Enabled"
}

/// `linger [SECONDS]`.
pub(super) fn linger(client: &Client, argument: Option<&str>) -> String {
    let mut control = client.control();
    if control.channel.is_none() {
        return NO_SESSION.into();
    }
    // As C's atoi: what is no number is 0. -1 is how FreeSWITCH writes that there is no end.
    let seconds = argument.map(|text| text.trim().parse::<i64>().unwrap_or(0));
    match seconds.filter(|seconds| *seconds != -1) {
        Some(seconds) => {
            control.lingers = Some(Lingers::Seconds(seconds));
            format!("+OK will linger {seconds} seconds")
        }
        None => {
            control.lingers = Some(Lingers::Forever);
            "+OK will linger".into()
        }
    }
}

/// `nolinger`.
pub(super) fn no_linger(client: &Client) -> &'static str {
    let mut control = client.control();
    if control.channel.is_none() {
        return NO_SESSION;
    }
    control.lingers = None;
    "+OK will not linger"
}

/// `divert_events on|off`.
pub(super) fn divert(shared: &Shared, client: &Client, argument: Option<&str>) -> &'static str {
    let Some(channel) = client.control().channel.clone() else { return "-ERR not controlling a session." };
    match argument.map(|word| word.eq_ignore_ascii_case("on")) {
        None => "-ERR missing value.",
        Some(on) => {
            shared.queues().0.entry(channel).or_default().diverted = on;
            if on { "+OK events diverted" } else { "+OK events not diverted" }
        }
    }
}

/// Puts an event into a channel's own queue; gives it back when there is no such channel.
pub(super) fn queue(shared: &Shared, uuid: &str, event: Event) -> Result<(), Event> {
    if !shared.is_channel(uuid) {
        return Err(event);
    }
    shared.queues().0.entry(uuid.to_owned()).or_default().waiting.push_back(event);
    deliver(shared);
    Ok(())
}

/// Gives what is diverted to whoever controls the channel and listens.
pub(super) fn deliver(shared: &Shared) {
    let mut queues = shared.queues();
    for client in shared.fanout.all() {
        let Some(channel) = client.control().channel.clone() else { continue };
        let Some(own) = queues.0.get_mut(&channel).filter(|own| own.diverted) else { continue };
        let listener = client.listener();
        if listener.listening {
            own.waiting.drain(..).for_each(|event| {
                client.outbox.push(event.frame(listener.format));
            });
        }
    }
}

/// A channel has hung up: who controls it is told, now or when the time is up.
pub(super) fn ended(shared: &Shared, uuid: &str, name: &str) {
    shared.queues().0.remove(uuid);
    for client in shared.fanout.all() {
        let mut control = client.control();
        if control.channel.as_deref() != Some(uuid) || std::mem::replace(&mut control.ended, true) {
            continue;
        }
        let Some(lingers) = control.lingers else {
            leave(&client);
            continue;
        };
        let seconds = match lingers {
            Lingers::Forever => -1,
            Lingers::Seconds(seconds) => seconds,
        };
        let mut notice = Vec::new();
        reply::linger_notice(&mut notice, uuid, name, seconds);
        client.outbox.push(notice.into());
        if lingers != Lingers::Forever {
            let (client, wait) = (Arc::clone(&client), Duration::from_secs(seconds.try_into().unwrap_or(0)));
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                leave(&client);
            });
        }
    }
}

fn leave(client: &Client) {
    let mut notice = Vec::new();
    reply::disconnect_notice(&mut notice, reply::GOODBYE);
    client.outbox.close(Pending::Send, &notice);
}

/// The channel to which `sendevent` sends an event alone.
pub(super) fn addressee(request: &Request) -> Option<String> {
    request.header("unique-id").map(|uuid| String::from_utf8_lossy(uuid).into_owned())
}

const NO_SESSION: &str = "-ERR not controlling a session";
