//! GET /security/esl/events: a switch's events as they happen, as server-sent events or over a WebSocket.
//!
//! Every event is judged by the caller's rules and freed of secrets by the desk's view before it gets here. What waits for one reader is
//! bounded: a slow one loses its own events and is told how many; one that takes nothing is cut off. `http::stream::reader` has what all
//! live streams share; the WebSocket is in [`socket`].

use super::told;
use crate::app::App;
use crate::broker::caller;
use crate::broker::inbox::{Bound, Filter, Inbox, Item};
use crate::http::serve::Cut;
use crate::http::stream::reader::{CHECKED, End, KEEP_ALIVE, Reader};
use crate::http::{Error, Who, schema};
use ::broker::desk::{Listening, Refused, View, Visit};
use ::broker::upstream::{Following, Wants};
use axum::Extension;
use axum::extract::{FromRequestParts, Request, State, WebSocketUpgrade};
use axum::http::Uri;
use axum::response::Response;
use esl::Format;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use utoipa::IntoParams;

mod socket;

/// What is asked of the events.
#[derive(Debug, Default, PartialEq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventQuery {
    /// Names, separated by commas; subclasses as "CUSTOM sofia::register"; "ALL" for all that the caller may see.
    #[param(value_type = schema::SwitchEventNames)]
    names: String,
    /// The switch by its name in the configuration; the first when left out.
    switch: Option<String>,
    /// Only events with this header, "Caller-Destination-Number:1000". May come several times: values of one header are alternatives,
    /// different headers must all be there.
    #[param(value_type = Vec<schema::EventFilter>)]
    filter: Vec<String>,
    /// "json" (the default) or "plain".
    #[param(value_type = Option<schema::EventFormat>)]
    format: Option<String>,
}

impl EventQuery {
    fn of(uri: &Uri) -> Result<EventQuery, Error> {
        let mut query = EventQuery::default();
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|rejection| Error::bad_request(rejection.body_text()))?;
        for (name, value) in pairs.0 {
            match name.as_str() {
                "names" => query.names = value,
                "switch" => query.switch = Some(value),
                "filter" => query.filter.push(value),
                "format" => query.format = Some(value),
                _ => return Err(Error::bad_request("there are names, switch, filter and format")),
            }
        }
        Ok(query)
    }

    /// What is asked for, for the audit.
    fn said(&self) -> String {
        let format = self.format.as_deref().unwrap_or("json");
        let mut said = format!("{format} {}", self.names);
        self.filter.iter().for_each(|filter| _ = write!(said, " filter {filter}"));
        said
    }

    fn format(&self) -> Result<Format, Error> {
        match self.format.as_deref() {
            None | Some("json") => Ok(Format::Json),
            Some("plain") => Ok(Format::Plain),
            Some(_) => Err(Error::bad_request("format is json or plain")),
        }
    }
}

/// A switch's events as they happen, those that the caller may see.
///
/// Server-sent events: `event: event` with the event as data, `event: missed` with `{"count": 5}` where the reader was too slow, `event:
/// state` with `{"connected": true, "text": "..."}` when the connection to the switch is lost or there again. With `Upgrade: websocket`
/// the same as messages `{"event": {...}}`, `{"missed": 5}`, `{"state": {...}}`; it takes `{"subscribe": ["CHANNEL_ANSWER"]}`,
/// `{"unsubscribe": [...]}`, `{"filter": ["Header:value"]}` and `{"command": "status", "id": 1}`.
#[utoipa::path(
    get,
    path = "/security/esl/events",
    tag = "switch",
    params(EventQuery),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 200, description = "Events until the reader closes", content_type = "text/event-stream", body = String),
        (status = 400, description = "No such event, switch, filter or format"),
        (status = 403, description = "The caller may not see these events"),
        (status = 503, description = "Too many streams"),
    )
)]
pub(in crate::http) async fn events(
    State(app): State<Arc<App>>,
    who: Who,
    cut: Option<Extension<Cut>>,
    request: Request,
) -> Result<Response, Error> {
    let query = EventQuery::of(request.uri())?;
    let visit = caller::visit(&app, &who);
    let (switch, said) = (query.switch.as_deref(), query.said());
    let view = app.desk.view(&visit, switch);
    let view =
        view.map_err(|why| told(&app.desk.keeps_from(&visit, Listening::Events, &said, switch, why)))?;
    let audience = Audience { app: &app, visit: &visit, switch };
    let wants = audience.wants(&view, Wants::nothing(), query.names.split(','), &said)?;
    let filter = Filter::new(&query.filter).map_err(|error| Error::bad_request(error.to_string()))?;
    let format = query.format()?;
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key(axum::http::header::UPGRADE) {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
        let upgrade = upgrade.map_err(|rejection| Error::bad_request(rejection.body_text()))?;
        if wants.has_events() {
            audience.passes(Listening::Events, &said)?;
        }
        let asked = socket::Asked { who, visit, switch: query.switch, view, wants, filter };
        return socket::open(app, upgrade, asked);
    }
    if !wants.has_events() {
        return Err(Error::bad_request(
            "names is missing: the events that are wanted, such as CHANNEL_ANSWER",
        ));
    }
    audience.passes(Listening::Events, &said)?;
    let (reader, response) = Reader::open(&app, &who, cut.map(|Extension(cut)| cut))?;
    let (inbox, following) = inbox(&app, view, wants, filter, format);
    tokio::spawn(told_all(reader, inbox, following));
    Ok(response)
}

fn inbox(app: &App, view: View, wants: Wants, filter: Filter, format: Format) -> (Arc<Inbox>, Following) {
    let door = &app.config.load().broker.door;
    let bytes = usize::try_from(door.queue_bytes).unwrap_or(usize::MAX);
    let bound = Bound { items: usize::try_from(door.queue).unwrap_or(usize::MAX), bytes };
    Inbox::open(view, wants, filter, format, bound, app.monitor.events_missed.clone())
}

/// Who wants events, and of which switch. What they ask for is written into the audit of commands.
struct Audience<'a> {
    app: &'a App,
    visit: &'a Visit,
    switch: Option<&'a str>,
}

impl Audience<'_> {
    /// What they want beside what they have, when they may see it; `said` is how they say it.
    fn wants<T: AsRef<str>>(
        &self,
        view: &View,
        mut wants: Wants,
        names: impl IntoIterator<Item = T>,
        said: &str,
    ) -> Result<Wants, Error> {
        for (count, text) in names.into_iter().enumerate() {
            let text = text.as_ref().trim();
            if count >= MOST_NAMES {
                return Err(Error::bad_request(format!("at most {MOST_NAMES} names")));
            }
            let (name, subclass) = match text.split_once(' ') {
                Some((name, subclass)) => (name, Some(subclass.trim())),
                None => (text, None),
            };
            if name.is_empty() {
                continue;
            }
            let known = match subclass {
                Some(subclass) => name.eq_ignore_ascii_case("CUSTOM") && wants.add_custom(subclass),
                None => wants.add(name),
            };
            if !known {
                return Err(Error::bad_request(format!("there is no event {text:?}")));
            }
            if !view.may_ask(name, subclass) {
                let why = Refused::Denied { why: format!("no rule shows the event {text:?}") };
                let desk = &self.app.desk;
                let why = desk.keeps_from(self.visit, Listening::Events, said, self.switch, why);
                return Err(told(&why));
            }
        }
        Ok(wants)
    }

    /// They begin to listen, or to listen to something else.
    fn passes(&self, what: Listening, said: &str) -> Result<(), Error> {
        let told_why = |refused| told(&refused);
        self.app.desk.listens(self.visit, what, said, self.switch).map_err(told_why)
    }
}

/// Tells one reader, until the end.
async fn told_all(mut reader: Reader, inbox: Arc<Inbox>, _following: Following) {
    let end = tell(&mut reader, &inbox).await;
    reader.finish(end).await;
}

async fn tell(reader: &mut Reader, inbox: &Inbox) -> End {
    let mut quiet = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    let mut checks = interval(CHECKED);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if let Err(end) = reader.send(": events\n\n").await {
        return end;
    }
    loop {
        let text = tokio::select! {
            biased;
            () = reader.gone() => return End::Over,
            _ = checks.tick() => {
                if !reader.may_stay() || !inbox.view().is_open() {
                    return End::Over;
                }
                continue;
            }
            item = inbox.next() => written(&item),
            _ = quiet.tick() => ": still here\n\n".to_owned(),
        };
        if let Err(end) = reader.send(text).await {
            return end;
        }
        quiet.reset();
    }
}

/// One item as a server-sent event.
fn written(item: &Item) -> String {
    match item {
        Item::Event(body) => {
            let body = body.text();
            let mut text = String::with_capacity(body.len() + 64);
            text.push_str("event: event\n");
            for line in body.trim_end_matches('\n').split(['\n', '\r']) {
                _ = writeln!(text, "data: {line}");
            }
            text.push('\n');
            text
        }
        Item::Missed(count) => format!("event: missed\ndata: {}\n\n", json!({"count": count})),
        Item::State { connected, text } => {
            format!("event: state\ndata: {}\n\n", json!({"connected": connected, "text": text}))
        }
    }
}

/// Most names of one reader.
const MOST_NAMES: usize = 64;
