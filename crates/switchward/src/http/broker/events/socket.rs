//! A WebSocket with the events of a switch, and commands for it (RFC 6455).
//!
//! It ends as the other live streams do: with its reader's credential, with the rules that let them in, at a stop of the daemon, and when
//! nothing is taken for too long. Commands go through the desk like any; so many may be under way, and none holds up the events.

use super::super::commands::text;
use super::super::refused;
use super::{Audience, inbox};
use crate::access::Pass;
use crate::app::App;
use crate::broker::inbox::{Filter, Inbox, Item};
use crate::http::stream::reader::{CHECKED, KEEP_ALIVE, SLOWEST, too_many};
use crate::http::{Error, Who};
use crate::monitor::streams::Seat;
use ::broker::desk::{Listening, Order, View, Visit};
use ::broker::upstream::{Following, Wants};
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::response::Response;
use esl::Format;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};

/// Who wants a WebSocket, and what on it.
pub(super) struct Asked {
    pub(super) who: Who,
    pub(super) visit: Visit,
    pub(super) switch: Option<String>,
    pub(super) view: View,
    pub(super) wants: Wants,
    pub(super) filter: Filter,
}

/// What a client says.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Said {
    subscribe: Option<Vec<String>>,
    unsubscribe: Option<Vec<String>>,
    filter: Option<Vec<String>>,
    command: Option<String>,
    /// Comes back with the answer.
    id: Value,
}

/// Turns the request into a WebSocket.
pub(super) fn open(app: Arc<App>, upgrade: WebSocketUpgrade, asked: Asked) -> Result<Response, Error> {
    let seat = app.monitor.streams.enter(asked.who.peer).ok_or_else(too_many)?;
    let Asked { who, visit, switch, view, wants, filter } = asked;
    let pass = app.access.pass(&who, &app.config.load_full());
    let upgrade = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
    Ok(upgrade.on_upgrade(async move |socket| {
        let (inbox, following) = inbox(&app, view, wants.clone(), filter, Format::Json);
        let order = Ordering { who, visit, switch };
        let talk = Talk { app, pass, inbox, following, wants, order: Arc::new(order), _seat: seat };
        talk.run(socket).await;
    }))
}

/// For whom commands are carried out, and where.
struct Ordering {
    who: Who,
    visit: Visit,
    switch: Option<String>,
}

/// One WebSocket.
struct Talk {
    app: Arc<App>,
    pass: Pass,
    inbox: Arc<Inbox>,
    following: Following,
    wants: Wants,
    order: Arc<Ordering>,
    _seat: Seat,
}

impl Talk {
    async fn run(mut self, mut socket: WebSocket) {
        let mut commands: JoinSet<Value> = JoinSet::new();
        let close = self.talk(&mut socket, &mut commands).await;
        // What was sent to the switch is carried to its end, and written down.
        commands.detach_all();
        if let Some(frame) = close {
            // Whoever takes nothing is gone anyway.
            _ = timeout(CHECKED, socket.send(Message::Close(Some(frame)))).await;
        }
    }

    /// Until the end; gives what is said at it, when there is still somebody to hear it.
    async fn talk(&mut self, socket: &mut WebSocket, commands: &mut JoinSet<Value>) -> Option<CloseFrame> {
        let mut closing = self.app.monitor.streams.closing();
        let mut quiet = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        let mut checks = interval(CHECKED);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Since when the peer owes an answer to a ping.
        let mut unanswered: Option<Instant> = None;
        let inbox = self.inbox.clone();
        loop {
            let message = tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => {
                    return Some(CloseFrame { code: close_code::AWAY, reason: "the daemon stops".into() });
                }
                _ = checks.tick() => {
                    let stays = self.app.access.still_lets(&self.pass, &self.app.config.load());
                    if !stays || !inbox.view().is_open() {
                        return Some(CloseFrame { code: close_code::POLICY, reason: "you may not stay".into() });
                    }
                    if unanswered.is_some_and(|since| since.elapsed() > SLOWEST) {
                        self.app.monitor.streams.cut_off.up();
                        return None;
                    }
                    continue;
                }
                said = socket.recv() => match said {
                    Some(Ok(Message::Text(said))) => match self.hear(said.as_str(), commands) {
                        Some(answer) => text_of(&answer),
                        None => continue,
                    },
                    Some(Ok(Message::Pong(_))) => {
                        unanswered = None;
                        continue;
                    }
                    Some(Ok(Message::Ping(_))) => continue,
                    Some(Ok(Message::Binary(_))) => text_of(&json!({"error": "messages are JSON texts"})),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                },
                Some(done) = commands.join_next() => match done {
                    Ok(answer) => text_of(&answer),
                    Err(_) => continue,
                },
                item = inbox.next() => of(&item),
                _ = quiet.tick() => {
                    unanswered.get_or_insert_with(Instant::now);
                    Message::Ping(Vec::new().into())
                }
            };
            if !matches!(timeout(SLOWEST, socket.send(message)).await, Ok(Ok(()))) {
                self.app.monitor.streams.cut_off.up();
                return None;
            }
        }
    }

    /// What the client says; gives what is to be answered at once.
    fn hear(&mut self, said: &str, commands: &mut JoinSet<Value>) -> Option<Value> {
        let said: Said = match serde_json::from_str(said) {
            Ok(said) => said,
            Err(error) => return Some(json!({"error": format!("not understood: {error}"), "status": 400})),
        };
        let id = said.id.clone();
        match self.heed(said, commands) {
            Ok(None) => None,
            Ok(Some(mut done)) => {
                done["id"] = id;
                Some(done)
            }
            Err(error) => {
                Some(json!({"id": id, "error": error.to_string(), "status": error.status().as_u16()}))
            }
        }
    }

    fn heed(&mut self, said: Said, commands: &mut JoinSet<Value>) -> Result<Option<Value>, Error> {
        let Ordering { visit, switch, .. } = &*self.order;
        let audience = Audience { app: &self.app, visit, switch: switch.as_deref() };
        let filter = match &said.filter {
            None => None,
            Some(filters) => {
                let filter = Filter::new(filters).map_err(|error| Error::bad_request(error.to_string()))?;
                audience.passes(Listening::Filter, &filters.join(", "))?;
                Some(filter)
            }
        };
        if let Some(names) = &said.subscribe {
            let said = format!("json {}", names.join(","));
            let wanted = audience.wants(self.inbox.view(), self.wants.clone(), names, &said)?;
            audience.passes(Listening::Events, &said)?;
            self.wants = wanted;
        }
        for text in said.unsubscribe.iter().flatten() {
            match text.split_once(' ') {
                Some((_, subclass)) => self.wants.remove_custom(subclass.trim()),
                None => _ = self.wants.remove(text),
            }
        }
        if let Some(filter) = filter {
            self.inbox.filter(filter);
        }
        let changes = said.subscribe.is_some() || said.unsubscribe.is_some();
        if changes {
            if self.wants.subclasses() > MOST_SUBCLASSES {
                return Err(Error::bad_request(format!("at most {MOST_SUBCLASSES} subclasses")));
            }
            self.following.change(self.wants.clone());
        }
        let Some(command) = said.command else {
            return match changes || said.filter.is_some() {
                true => Ok(Some(json!({"done": true}))),
                false => Err(Error::bad_request("there are subscribe, unsubscribe, filter and command")),
            };
        };
        if commands.len() >= MOST_COMMANDS {
            let text = format!("{MOST_COMMANDS} commands are under way, as many as may");
            return Err(Error::new(axum::http::StatusCode::TOO_MANY_REQUESTS, text));
        }
        commands.spawn(carried_out(self.app.clone(), self.order.clone(), command, said.id));
        Ok(None)
    }
}

async fn carried_out(app: Arc<App>, order: Arc<Ordering>, command: String, id: Value) -> Value {
    let wanted = Order { command: &command, switch: order.switch.as_deref() };
    match app.desk.run(&order.visit, wanted).await {
        Ok(reply) => {
            let cut = reply.cut;
            let mut answer = json!({"id": id, "response": text(reply)});
            if cut {
                answer["cut"] = json!(true);
            }
            answer
        }
        Err(error) => {
            let error = refused(&error, &order.who, &command);
            json!({"id": id, "error": error.to_string(), "status": error.status().as_u16()})
        }
    }
}

/// One item as a message.
fn of(item: &Item) -> Message {
    match item {
        // It is JSON already.
        Item::Event(body) => Message::Text(format!("{{\"event\":{}}}", body.text().trim_end()).into()),
        Item::Missed(count) => text_of(&json!({"missed": count})),
        Item::State { connected, text } => text_of(&json!({"state": {"connected": connected, "text": text}})),
    }
}

fn text_of(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

/// The largest message of a client, in bytes.
const LARGEST: usize = 64 * 1024;
/// Most commands of one client that are under way.
const MOST_COMMANDS: usize = 16;
/// Most subclasses of CUSTOM that one client may want.
const MOST_SUBCLASSES: usize = 128;
