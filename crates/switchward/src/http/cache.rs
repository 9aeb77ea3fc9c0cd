//! The cache of GET answers, so that a crowd of dashboards costs the guard no more than one.
//!
//! Start with [`cached`], the middleware behind the gate: a kept answer never goes to somebody who may not ask, and what is
//! kept is the same for everybody who may. [`keeping`] says what is kept and how fresh it is. A [`Generation`] makes a kept
//! answer void at once when something changes: a ban by anybody, an order over this interface, a switch that comes or
//! goes, a new configuration. What says how things stand right now (status, event socket, kernel) is never kept, nor is an
//! answer without a known length, such as a long list.

use super::extract::Json;
use crate::app::App;
use crate::config::Config;
use crate::config::duration::format_go;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The cache's state and statistics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheStats {
    /// Whether it is on (`cache.enabled`); nothing else is told when it is not.
    pub enabled: bool,
    /// The answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecurityCache>,
    /// What was done since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<CacheOperations>,
}

/// The kept answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecurityCache {
    /// Questions that were answered from the cache.
    pub hits: u64,
    /// Questions that were not, although they may be.
    pub misses: u64,
    /// Answers that are kept now.
    pub entries: usize,
    /// The longest that any is served (Go duration).
    pub ttl: String,
}

/// What the cache did since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheOperations {
    /// Answers that were put in.
    pub writes: u64,
    /// Lookups.
    pub reads: u64,
    /// Lookups that found nothing, or nothing that is still true.
    pub misses: u64,
    /// Answers that were thrown away.
    pub deletes: u64,
}

/// The cache was emptied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cleared {
    /// "security cache cleared".
    pub status: String,
}

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(stats)).routes(routes!(clear))
}

/// What the cache of GET answers holds and did.
#[utoipa::path(
    get,
    path = "/cache/stats",
    tag = "interface",
    responses((status = 200, description = "Its statistics", body = CacheStats))
)]
async fn stats(State(app): State<Arc<App>>) -> Json<CacheStats> {
    let config = app.config.load();
    if !config.cache.enabled {
        return Json(CacheStats { enabled: false, security: None, operations: None });
    }
    let (cache, ttl) = (&app.cache, format_go(config.cache.security_ttl));
    let [hits, misses, writes, deletes] =
        [&cache.hits, &cache.misses, &cache.writes, &cache.deletes].map(|count| count.load(Relaxed));
    let entries = cache.kept.lock().answers.len();
    Json(CacheStats {
        enabled: true,
        security: Some(SecurityCache { hits, misses, entries, ttl }),
        operations: Some(CacheOperations { writes, reads: hits + misses, misses, deletes }),
    })
}

/// Empties the cache of GET answers.
#[utoipa::path(
    post,
    path = "/cache/security/clear",
    tag = "interface",
    responses((status = 200, description = "It is empty", body = Cleared))
)]
async fn clear(State(app): State<Arc<App>>) -> Json<Cleared> {
    let thrown = std::mem::take(&mut *app.cache.kept.lock());
    app.cache.deletes.fetch_add(thrown.answers.len() as u64, Relaxed);
    Json(Cleared { status: "security cache cleared".into() })
}

/// What may be kept of a path's answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Keeping {
    /// What only an order or another configuration changes: for `cache.security_ttl`.
    Settings,
    /// What events change: until the next ban, lift or order, and for a second at most.
    Figures,
}

/// What may be kept of the answers at a path; `None` for what must be true at this moment.
fn keeping(path: &str) -> Option<Keeping> {
    match path {
        "/security/rate-limit" | "/security/untrusted-networks" => Some(Keeping::Settings),
        "/security/stats"
        | "/security/blacklist"
        | "/security/whitelist"
        | "/security/failed"
        | "/security/wrong-call-states"
        | "/security/rate-limit/calls"
        | "/security/rate-limit/registrations"
        | "/system/stats" => Some(Keeping::Figures),
        _ => None,
    }
}

/// The state of the world in which an answer was made.
#[derive(Clone)]
struct Generation {
    orders: u64,
    news: u64,
    config: Arc<Config>,
}

impl Generation {
    fn of(app: &App, keeping: Keeping) -> Generation {
        let news = match keeping {
            Keeping::Settings => 0,
            Keeping::Figures => app.mirror.news().next_number(),
        };
        Generation { orders: app.cache.orders.load(Relaxed), news, config: app.config.load_full() }
    }
}

impl PartialEq for Generation {
    fn eq(&self, other: &Generation) -> bool {
        (self.orders, self.news) == (other.orders, other.news) && Arc::ptr_eq(&self.config, &other.config)
    }
}

/// The answers that are kept, and what was counted.
#[derive(Default)]
pub struct Cache {
    kept: Mutex<Kept>,
    /// Requests that may have changed something.
    orders: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<String, Answer>,
    bytes: usize,
    cleaned: Option<Instant>,
}

struct Answer {
    generation: Generation,
    made: Instant,
    longest: Duration,
    kind: HeaderValue,
    body: Bytes,
}

impl Answer {
    fn is_true(&self, generation: &Generation) -> bool {
        self.made.elapsed() < self.longest && self.generation == *generation
    }
}

/// Answers from the cache what may be and is still true; keeps what was answered.
pub(super) async fn cached(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let response = next.run(request).await;
        // Before the caller hears of it: whoever asks then is told anew.
        app.cache.orders.fetch_add(1, Relaxed);
        return response;
    }
    let Some((key, keeping)) = question(&app, &request) else { return next.run(request).await };
    let generation = Generation::of(&app, keeping);
    if let Some(response) = app.cache.find(&key, &generation) {
        return response;
    }
    let ttl = app.config.load().cache.security_ttl;
    let longest = match keeping {
        Keeping::Settings => ttl,
        Keeping::Figures => ttl.min(FRESH),
    };
    app.cache.keep(key, generation, longest, next.run(request).await).await
}

/// What is asked, when its answer may be kept.
fn question(app: &App, request: &Request) -> Option<(String, Keeping)> {
    if *request.method() != Method::GET || !app.config.load().cache.enabled {
        return None;
    }
    let keeping = keeping(request.uri().path())?;
    let key = request.uri().path_and_query()?.as_str();
    (key.len() <= LONGEST_QUESTION).then(|| (key.to_owned(), keeping))
}

impl Cache {
    fn find(&self, key: &str, generation: &Generation) -> Option<Response> {
        let kept = self.kept.lock();
        let found = kept.answers.get(key).filter(|answer| answer.is_true(generation));
        let found = found.map(|answer| (answer.kind.clone(), answer.body.clone()));
        drop(kept);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Relaxed);
        found.map(|(kind, body)| ([(CONTENT_TYPE, kind)], body).into_response())
    }

    /// Keeps a success that is short enough; gives the answer back.
    async fn keep(
        &self,
        key: String,
        generation: Generation,
        longest: Duration,
        response: Response,
    ) -> Response {
        let is_short = response.body().size_hint().exact().is_some_and(|bytes| bytes <= LARGEST as u64);
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        let (StatusCode::OK, true, Some(kind)) = (response.status(), is_short, kind) else { return response };
        let (parts, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
            return Response::from_parts(parts, Body::empty());
        };
        let cleanup = generation.config.cache.cleanup_interval;
        let answer = Answer { generation, made: Instant::now(), longest, kind, body: body.clone() };
        let thrown = self.kept.lock().put(key, answer, cleanup);
        self.writes.fetch_add(1, Relaxed);
        self.deletes.fetch_add(thrown, Relaxed);
        Response::from_parts(parts, Body::from(body))
    }
}

impl Kept {
    /// Puts an answer in; how many others went.
    fn put(&mut self, key: String, answer: Answer, cleanup: Duration) -> u64 {
        let mut thrown = 0;
        let is_full = self.answers.len() >= MOST || self.bytes + answer.body.len() > MOST_BYTES;
        if is_full || self.cleaned.is_none_or(|cleaned| cleaned.elapsed() >= cleanup) {
            self.cleaned = Some(Instant::now());
            let before = self.answers.len();
            self.answers.retain(|_, answer| answer.made.elapsed() < answer.longest);
            self.bytes = self.answers.values().map(|answer| answer.body.len()).sum();
            thrown += (before - self.answers.len()) as u64;
        }
        while self.answers.len() >= MOST || self.bytes + answer.body.len() > MOST_BYTES {
            let oldest =
                self.answers.iter().min_by_key(|(_, answer)| answer.made).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| self.answers.remove(&key)) else { break };
            self.bytes -= gone.body.len();
            thrown += 1;
        }
        self.bytes += answer.body.len();
        if let Some(before) = self.answers.insert(key, answer) {
            self.bytes -= before.body.len();
            thrown += 1;
        }
        thrown
    }
}

/// The longest that what events change is served unchanged.
const FRESH: Duration = Duration::from_secs(1);
/// Most answers, and most bytes of all of them.
const MOST: usize = 256;
const MOST_BYTES: usize = 8 << 20;
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 256 * 1024;
/// The longest path and query whose answer is kept.
const LONGEST_QUESTION: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize, age: u64) -> Answer {
        let generation = Generation { orders: 0, news: 0, config: Arc::default() };
        Answer {
            generation,
            made: Instant::now() - Duration::from_secs(age),
            longest: Duration::from_secs(1000),
            kind: HeaderValue::from_static("application/json"),
            body: vec![b' '; bytes].into(),
        }
    }

    #[test]
    fn neither_the_number_nor_the_bytes_grow_beyond_bounds_and_the_oldest_go_first() {
        let mut kept = Kept::default();
        let hour = Duration::from_secs(3600);
        for number in 0..MOST as u64 + 50 {
            kept.put(number.to_string(), answer(10, 500 - number), hour);
        }
        assert_eq!(kept.answers.len(), MOST);
        assert!(!kept.answers.contains_key("0") && kept.answers.contains_key("60"));
        for number in 0..60 {
            kept.put(format!("large {number}"), answer(LARGEST, 0), hour);
        }
        assert!(kept.bytes <= MOST_BYTES);
        assert_eq!(kept.bytes, kept.answers.values().map(|answer| answer.body.len()).sum::<usize>());
        assert!(kept.answers.contains_key("large 59"));
    }

    #[test]
    fn outdated_answers_go_when_it_is_time() {
        let mut kept = Kept::default();
        kept.put("old".into(), answer(10, 2000), Duration::ZERO);
        assert_eq!(kept.put("new".into(), answer(10, 0), Duration::ZERO), 1);
        assert_eq!(kept.answers.len(), 1);
        assert_eq!(kept.bytes, 10);
    }
}
