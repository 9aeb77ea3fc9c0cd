//! GET /stream: the news as they happen, as server-sent events (WHATWG HTML, section 9.2).
//!
//! Each stream has a task that follows the news at the pace of its [`reader`]. One that falls behind by more than the news keep is cut off
//! and may come back with `Last-Event-ID`; nobody waits for it. The shape of the data is in [`items`].

use super::extract::Who;
use super::serve::Cut;
use super::{Error, schema};
use crate::app::App;
use crate::clock;
use crate::config::duration;
use crate::news::{Follower, Missed};
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod counters;
pub mod items;
pub(super) mod reader;

pub use counters::{Counters, SwitchCounters};
pub use items::{NAMES, StreamItem};
use reader::{CHECKED, End, KEEP_ALIVE, Reader};

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// What is asked of the stream.
#[derive(Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Names of events, separated by commas; all when left out.
    #[param(value_type = Option<schema::EventNames>)]
    events: Option<String>,
    /// How often `counters` come (Go duration, 100ms to 1h); every second when left out.
    #[param(value_type = Option<schema::StreamInterval>)]
    interval: Option<String>,
    /// As the header `Last-Event-ID`, which wins.
    #[param(value_type = Option<schema::EventNumber>)]
    last_event_id: Option<String>,
}

/// The news as they happen.
///
/// Server-sent events. `event:` is the kind, `data:` a JSON object, `id:` the number to come back with. Kinds: ban, unban,
/// expired, allow, disallow, would-ban, hang-up, alert, switch, alarm, counters (periodic), missed (items are gone).
#[utoipa::path(
    get,
    path = "/stream",
    tag = "monitoring",
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<schema::EventNumber>, Header, description = "Goes on after the item of this number.")
    ),
    responses(
        (status = 200, description = "Events until the reader closes", content_type = "text/event-stream", body = StreamItem),
        (status = 400, description = "An unknown event, interval or number"),
        (status = 503, description = "Too many streams"),
    )
)]
async fn stream(
    State(app): State<Arc<App>>,
    who: Who,
    cut: Option<Extension<Cut>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Error> {
    let Query(query) = Query::<StreamQuery>::try_from_uri(&uri)
        .map_err(|rejection| Error::bad_request(rejection.body_text()))?;
    let wanted = Wanted::of(&query)?;
    let last = last_number(&query, &headers)?;
    let (reader, response) = Reader::open(&app, &who, cut.map(|Extension(cut)| cut))?;
    tokio::spawn(Told { app, wanted, reader }.run(last));
    Ok(response)
}

/// The number to go on after. One that is of no use is a mistake that is told, not a stream that seems whole.
fn last_number(query: &StreamQuery, headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.or(query.last_event_id.as_deref()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number =
        text.parse().map_err(|_| Error::bad_request("Last-Event-ID is not the id of an event here"))?;
    Ok(Some(number))
}

/// What a reader wants to hear.
struct Wanted {
    /// One bit for each of [`NAMES`].
    names: u32,
    /// How often the counters come; `None` for never.
    counters: Option<Duration>,
}

impl Wanted {
    fn of(query: &StreamQuery) -> Result<Wanted, Error> {
        let mut names = 0;
        for name in query.events.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
            let Some(place) = NAMES.iter().position(|known| *known == name) else {
                return Err(Error::bad_request(format!(
                    "there is no such event; there are {}",
                    NAMES.join(", ")
                )));
            };
            names |= 1 << place;
        }
        let mut wanted = Wanted { names: if names == 0 { u32::MAX } else { names }, counters: None };
        let every = match query.interval.as_deref() {
            None => USUAL_INTERVAL,
            Some(text) => {
                let every =
                    duration::parse(text).ok().filter(|every| (QUICKEST..=SLOWEST_INTERVAL).contains(every));
                every.ok_or_else(|| {
                    Error::bad_request("interval is a duration from 100ms to 1h, such as 1s")
                })?
            }
        };
        wanted.counters = wanted.has("counters").then_some(every);
        Ok(wanted)
    }

    fn has(&self, name: &str) -> bool {
        NAMES.iter().position(|known| *known == name).is_some_and(|place| self.names & (1 << place) != 0)
    }
}

/// Tells one reader.
struct Told {
    app: Arc<App>,
    wanted: Wanted,
    reader: Reader,
}

impl Told {
    async fn run(mut self, last: Option<u64>) {
        let end = self.tell(last).await;
        self.reader.finish(end).await;
    }

    async fn tell(&mut self, last: Option<u64>) -> End {
        let news = self.app.mirror.news().clone();
        let mut follower = last.map_or_else(|| news.follow(), |number| news.follow_after(number));
        let mut resumes = last.is_some();
        let is_of_earlier_run = last.is_some_and(|number| news.is_of_earlier_run(number));
        let mut counters = interval(self.wanted.counters.unwrap_or(SLOWEST_INTERVAL));
        counters.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        let mut checks = interval(CHECKED);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Err(end) = self.reader.send(format!("retry: {RETRY_MS}\n{}", keep_alive(&follower))).await {
            return end;
        }
        if is_of_earlier_run {
            // How many there were nobody knows any more.
            _ = follower.ready();
            if let Err(end) = self.reader.send(items::missed(None, follower.passed())).await {
                return end;
            }
            resumes = false;
        }
        loop {
            let text = tokio::select! {
                biased;
                () = self.reader.gone() => return End::Over,
                _ = checks.tick() => {
                    if !self.reader.may_stay() {
                        return End::Over;
                    }
                    continue;
                }
                _ = counters.tick(), if self.wanted.counters.is_some() => {
                    items::written("counters", &Counters::now(&self.app), follower.passed())
                }
                item = follower.next() => match item {
                    Ok(item) => {
                        resumes = false;
                        let (name, data) = items::of(&item);
                        if !self.wanted.has(name) {
                            continue;
                        }
                        items::written(name, &data, item.number)
                    }
                    Err(Missed(count)) => {
                        self.app.monitor.streams.missed.add(count);
                        if !std::mem::take(&mut resumes) {
                            return End::TooSlow;
                        }
                        items::missed(Some(count), follower.passed())
                    }
                },
                _ = quiet.tick() => keep_alive(&follower),
            };
            if let Err(end) = self.reader.send(text).await {
                return end;
            }
            quiet.reset();
        }
    }
}

/// A comment, and where the reader stands: one that comes back after it has missed nothing.
fn keep_alive(follower: &Follower) -> String {
    format!(": {}\nid: {}\n\n", clock::exact(clock::now()), follower.passed())
}

/// How often the counters come unless something else is asked for.
const USUAL_INTERVAL: Duration = Duration::from_secs(1);
const QUICKEST: Duration = Duration::from_millis(100);
const SLOWEST_INTERVAL: Duration = Duration::from_secs(3600);
/// How long a reader should wait before it comes back.
const RETRY_MS: u32 = 2000;
