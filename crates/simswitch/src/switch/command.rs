//! What each command of the event socket does: [`answer`].
//!
//! The texts are FreeSWITCH's, oddities included; `tests/transcripts.rs` compares them byte for byte with the
//! captures.

use super::{
    Shared, api,
    client::Client,
    control,
    listener::{self, Word},
    user::Rights,
};
use esl::{
    reply,
    server::{Request, Session},
};
use std::sync::Arc;

/// What happens to the connection after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Stay,
    /// With the goodbye notice.
    Close,
}

/// Carries a command out and replies to it.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    client: &Arc<Client>,
    session: &mut Session,
    request: &Request,
) -> After {
    let verb = request.verb().to_ascii_lowercase();
    let argument = request.argument().map(|argument| String::from_utf8_lossy(argument).into_owned());
    let mut out = Vec::new();
    let Some(rights) = client.rights() else {
        let after = log_in(shared, client, session, &verb, argument.as_deref(), &mut out);
        session.reply(&out);
        return after;
    };
    match (verb.as_slice(), argument.as_deref()) {
        (b"exit", _) => {
            reply::command_reply(&mut out, reply::BYE);
            session.reply(&out);
            return After::Close;
        }
        (b"api", Some(command)) => run_api(shared, &rights, command, &mut out).await,
        (b"bgapi", Some(command)) => {
            // The reply goes out before the job can end, so that its event never overtakes it.
            background(shared, &rights, command, request.header("Job-UUID"), &mut out, session);
            return After::Stay;
        }
        (b"event", words) => subscribe(client, &rights, words.unwrap_or(""), &mut out),
        (b"nixevent", words) => unsubscribe(client, words.unwrap_or(""), &mut out),
        (b"noevents", _) => {
            let was = client.listener().clear();
            client.outbox.discard_events();
            reply::command_reply(&mut out, if was { reply::NO_EVENTS } else { reply::NOT_LISTENING });
        }
        (b"myevents", Some(uuid)) => {
            reply::command_reply(&mut out, control::my_events(shared, client, uuid));
        }
        (b"filter", Some(words)) => filter(client, words, &mut out),
        (b"log", level) => {
            log(client, rights.log && !shared.knobs().no_log, level.unwrap_or("debug"), &mut out);
        }
        (b"nolog", _) => {
            let was = client.listener().log.take().is_some();
            reply::command_reply(&mut out, if was { reply::NO_LOG } else { "-ERR not loging" });
        }
        (b"sendevent", name) => send_event(shared, name.unwrap_or(""), request, &mut out),
        (b"sendmsg", uuid) => send_message(shared, uuid.unwrap_or(""), request, &mut out),
        (b"linger", seconds) => reply::command_reply(&mut out, &control::linger(client, seconds)),
        (b"nolinger", _) => reply::command_reply(&mut out, control::no_linger(client)),
        (b"divert_events", word) => reply::command_reply(&mut out, control::divert(shared, client, word)),
        _ => reply::command_reply(&mut out, reply::COMMAND_NOT_FOUND),
    }
    session.reply(&out);
    // It may be what the queue of a channel waited for.
    control::deliver(shared);
    After::Stay
}

fn log_in(
    shared: &Shared,
    client: &Client,
    session: &mut Session,
    verb: &[u8],
    argument: Option<&str>,
    out: &mut Vec<u8>,
) -> After {
    match (verb, argument) {
        (b"exit", _) => {
            reply::command_reply(out, reply::BYE);
            After::Close
        }
        (b"auth", Some(password)) if shared.accepts(password) => {
            client.log_in(Rights::everything());
            session.authenticated();
            reply::command_reply(out, reply::ACCEPTED);
            After::Stay
        }
        (b"userauth", Some(credentials)) => match shared.user(credentials) {
            Some(user) => {
                let rights = Rights::of(user);
                reply::user_accepted(out, rights.events_text(), rights.api_text(), rights.log);
                client.log_in(rights);
                session.authenticated();
                After::Stay
            }
            None => refused(out),
        },
        (b"auth", Some(_)) => refused(out),
        _ => {
            reply::command_reply(out, reply::COMMAND_NOT_FOUND);
            After::Stay
        }
    }
}

fn refused(out: &mut Vec<u8>) -> After {
    reply::command_reply(out, reply::INVALID);
    After::Close
}

async fn run_api(shared: &Arc<Shared>, rights: &Rights, command: &str, out: &mut Vec<u8>) {
    if !rights.may_run(command) {
        reply::command_reply(out, reply::PERMISSION_DENIED);
        return;
    }
    reply::api_response(out, api::run(shared, command).await.as_bytes());
}

fn background(
    shared: &Arc<Shared>,
    rights: &Rights,
    command: &str,
    job: Option<&[u8]>,
    out: &mut Vec<u8>,
    session: &Session,
) {
    if !rights.may_run(command) {
        reply::command_reply(out, reply::PERMISSION_DENIED);
        session.reply(out);
        return;
    }
    let job = match job {
        Some(job) => String::from_utf8_lossy(job).into_owned(),
        None => shared.uuid(),
    };
    reply::job_started(out, &job);
    session.reply(out);
    let (shared, command) = (Arc::clone(shared), command.to_owned());
    tokio::spawn(async move {
        let result = api::run(&shared, &command).await;
        let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
        let caller = ("mod_event_socket.c", "api_exec", 1580);
        let mut event = shared.identity().compose(shared.now(), &[], "BACKGROUND_JOB", caller);
        event.header("Job-UUID", &job).header("Job-Command", verb);
        if !argument.is_empty() {
            event.header("Job-Command-Arg", argument);
        }
        shared.fanout.send(&event.finish(Some(result.as_bytes())));
    });
}

fn subscribe(client: &Client, rights: &Rights, argument: &str, out: &mut Vec<u8>) {
    let (format, words) = listener::words(argument.as_bytes());
    if words.is_empty() {
        reply::command_reply(out, reply::NO_KEYWORDS);
        return;
    }
    let mut listener = client.listener();
    for word in words {
        if !rights.may_hear(word) {
            reply::command_reply(out, reply::PERMISSION_DENIED);
            return;
        }
        listener.add(word);
    }
    listener.format = format.unwrap_or_default();
    reply::event_listener_enabled(out, listener.format);
}

fn unsubscribe(client: &Client, argument: &str, out: &mut Vec<u8>) {
    let (_, words) = listener::words(argument.as_bytes());
    if words.is_empty() {
        reply::command_reply(out, reply::NO_KEYWORDS);
        return;
    }
    let mut listener = client.listener();
    words.into_iter().for_each(|word: Word<'_>| listener.remove(word));
    reply::command_reply(out, reply::EVENTS_NIXED);
}

fn filter(client: &Client, argument: &str, out: &mut Vec<u8>) {
    let mut listener = client.listener();
    if let Some(rest) = argument.strip_prefix("delete ") {
        let (header, value) = rest.split_once(' ').map_or((rest, None), |(h, v)| (h, Some(v)));
        listener.delete_filter(header, value);
        let text = format!("+OK filter deleted. [{header}][{}]", value.unwrap_or(""));
        reply::command_reply(out, &text);
        return;
    }
    let rest = argument.strip_prefix("add ").unwrap_or(argument);
    match rest.split_once(' ') {
        Some((header, value)) => {
            listener.add_filter(header, value);
            reply::command_reply(out, &format!("+OK filter added. [{header}]=[{value}]"));
        }
        None => reply::command_reply(out, "-ERR invalid syntax"),
    }
}

fn log(client: &Client, allowed: bool, level: &str, out: &mut Vec<u8>) {
    if !allowed {
        reply::command_reply(out, reply::PERMISSION_DENIED);
        return;
    }
    let number = match level.parse() {
        Ok(number @ 0..=7u8) => Some(number),
        _ => LEVELS.iter().position(|name| level.eq_ignore_ascii_case(name)).map(|at| at as u8),
    };
    match number {
        Some(number) => {
            client.listener().log = Some(number);
            reply::command_reply(out, &format!("+OK log level {level} [{number}]"));
        }
        None => reply::command_reply(out, "-ERR invalid log level"),
    }
}

fn send_event(shared: &Shared, name: &str, request: &Request, out: &mut Vec<u8>) {
    let uuid = shared.uuid();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let command = format!("sendevent {name}");
    let subclass = request.header("Event-Subclass").map(text);
    let given: Vec<_> = request
        .headers()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| name != "Event-Subclass")
        .collect();
    let mut first: Vec<(&str, &str)> = Vec::with_capacity(given.len() + 3);
    first.extend(subclass.as_deref().map(|subclass| ("Event-Subclass", subclass)));
    first.push(("Command", &command));
    first.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    first.push(("Event-UUID", &uuid));
    let caller = ("mod_event_socket.c", "parse_command", 2283);
    let body = (!request.body().is_empty()).then(|| request.body());
    let event = shared.identity().compose(shared.now(), &first, name, caller).finish(body);
    // One for a channel is for nobody else.
    let event = match control::addressee(request) {
        Some(channel) => control::queue(shared, &channel, event).err(),
        None => Some(event),
    };
    if let Some(event) = event {
        shared.send(&event);
    }
    reply::command_reply(out, &format!("+OK {uuid}"));
}

fn send_message(shared: &Shared, uuid: &str, request: &Request, out: &mut Vec<u8>) {
    if !shared.world().legs().any(|leg| leg.uuid == uuid) {
        reply::command_reply(out, &format!("-ERR invalid session id [{uuid}]"));
        return;
    }
    let command = request.header("call-command").unwrap_or_default();
    if command.eq_ignore_ascii_case(b"hangup") {
        let cause = request.header("hangup-cause").map(String::from_utf8_lossy);
        shared.hang_up(uuid, cause.as_deref().unwrap_or("NORMAL_CLEARING"));
    }
    reply::command_reply(out, "+OK");
}

/// By number, from 0.
const LEVELS: [&str; 8] = ["console", "alert", "crit", "err", "warning", "notice", "info", "debug"];
