//! The profiling listener: CPU and heap profiles in the form that `go tool pprof` reads, at Go's paths.
//!
//! [`listen`] binds it where the configuration says (loopback only, `server.pprof_enabled`), [`serve`] answers until the stop. It
//! is apart from the main interface: no route of it is there, and what it says holds addresses and names of functions and
//! no value of any variable. One profile at a time, of bounded length. While the listener is on, jemalloc keeps a sample of
//! the allocations; without it that sleeps.

use super::gate::is_home;
use super::{Error, error};
use crate::config::Config;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pprof::protos::Message;
use serde::Deserialize;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Binds the listener when the configuration wants one.
///
/// # Errors
/// When the address is taken, or is not on loopback.
pub async fn listen(config: &Config) -> std::io::Result<Option<TcpListener>> {
    if !config.server.pprof_enabled {
        return Ok(None);
    }
    if !config.server.pprof_addr.ip().is_loopback() {
        return Err(std::io::Error::other("the profiling listener is for loopback only"));
    }
    TcpListener::bind(config.server.pprof_addr).await.map(Some)
}

/// Answers on `listener` until `stop`; a profile that is under way then is given up.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "profiles are to be had");
    }
    heap_profiling(true).await;
    let service = TowerToHyperService::new(router());
    let seats = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for profiles");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let Ok(seat) = seats.clone().try_acquire_owned() else { continue };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SLOWEST_HEADER)
            .serve_connection(TokioIo::new(stream), service.clone());
        connections.spawn(async move {
            let _seat = seat;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection for profiles ended badly");
            }
        });
    }
    drop(connections);
    heap_profiling(false).await;
}

fn router() -> Router {
    Router::new()
        .route("/debug/pprof/", get(index))
        .route("/debug/pprof/profile", get(cpu))
        .route("/debug/pprof/heap", get(heap))
        .fallback(any(error::no_such_path))
        .method_not_allowed_fallback(error::wrong_method)
        .layer(from_fn(at_home))
        .with_state(Arc::new(Semaphore::new(1)))
}

/// No page of another site gets a profile through a browser here: a foreign name that resolves to loopback is refused.
async fn at_home(request: Request, next: Next) -> Result<Response, Error> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
    if hosts.next().is_some() || !host.is_some_and(|host| is_home(&host, |_| false)) {
        return Err(Error::forbidden("ask for profiles at 127.0.0.1, [::1] or localhost"));
    }
    if is_foreign(request.headers()) {
        return Err(Error::forbidden("a page of another site may have no profile"));
    }
    Ok(next.run(request).await)
}

/// Whether a browser asks on behalf of a page from elsewhere: a profile takes time of the processors, whoever reads it.
fn is_foreign(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let host = headers.get(HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_own = |origin: &HeaderValue| origin.as_bytes().strip_prefix(b"http://") == Some(host);
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
        || !headers.get_all(ORIGIN).iter().all(is_own)
}

async fn index() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], INDEX)
}

/// How long a profile is to run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Length {
    /// 1 to 120.
    seconds: Option<u64>,
}

/// What the processors did for a while.
async fn cpu(State(turn): State<Arc<Semaphore>>, uri: Uri) -> Result<Response, Error> {
    let Query(length) =
        Query::<Length>::try_from_uri(&uri).map_err(|rejection| Error::bad_request(rejection.body_text()))?;
    let seconds = length.seconds.unwrap_or(USUAL_SECONDS);
    if !(1..=MOST_SECONDS).contains(&seconds) {
        return Err(Error::bad_request(format!("seconds is a number from 1 to {MOST_SECONDS}")));
    }
    let turn = take(&turn)?;
    tracing::info!(seconds, "a CPU profile begins");
    let failed = |error: pprof::Error| Error::internal(format!("no CPU profile can be taken: {error}"));
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(FREQUENCY)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(failed)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Names are looked up in the program's debug information, which takes its time; then the samples go.
    let made = super::blocking(move || {
        let _turn = turn;
        let profile = guard.report().build()?.pprof()?;
        Ok(profile.encode_to_vec())
    });
    let bytes = made.await?.map_err(failed)?;
    Ok(attachment("profile.pb.gz", &zipped(&bytes)?))
}

/// What the heap holds, by who allocated it since the listener was started; a sample.
async fn heap(State(turn): State<Arc<Semaphore>>) -> Result<Response, Error> {
    let _turn = take(&turn)?;
    let Some(control) = jemalloc_pprof::PROF_CTL.as_ref() else {
        return Err(Error::new(StatusCode::NOT_IMPLEMENTED, NO_HEAP));
    };
    let mut control = control.clone().lock_owned().await;
    let bytes = super::blocking(move || control.dump_pprof()).await?;
    let bytes = bytes.map_err(|error| Error::internal(format!("no heap profile can be taken: {error:#}")))?;
    // It comes compressed.
    Ok(attachment("heap.pb.gz", &bytes))
}

/// One profile at a time.
fn take(turn: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    turn.clone().try_acquire_owned().map_err(|_| {
        Error::new(StatusCode::TOO_MANY_REQUESTS, "a profile is being taken; ask again when it is done")
    })
}

fn zipped(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| Error::internal(format!("the profile cannot be compressed: {error}")))
}

fn attachment(name: &str, bytes: &[u8]) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, bytes.to_vec()).into_response()
}

/// Wakes jemalloc's profiler, or lets it sleep and forget.
async fn heap_profiling(on: bool) {
    match on {
        true => jemalloc_pprof::activate_jemalloc_profiling().await,
        false => jemalloc_pprof::deactivate_jemalloc_profiling().await,
    }
}

const INDEX: &str = "\
Profiles of switchward, for `go tool pprof` and what reads its format:

/debug/pprof/profile?seconds=30   CPU, 1 to 120 seconds
/debug/pprof/heap                 heap in use, a sample of what was allocated since the start
";
const NO_HEAP: &str = "this build has no heap profiler; build it in its own tree, whose .cargo/config.toml sets \
    JEMALLOC_SYS_WITH_MALLOC_CONF=prof:true,prof_active:false";
/// Samples a second; not a round number, so that nothing periodic hides.
const FREQUENCY: i32 = 99;
const USUAL_SECONDS: u64 = 30;
const MOST_SECONDS: u64 = 120;
const MOST_CONNECTIONS: usize = 16;
const SLOWEST_HEADER: Duration = Duration::from_secs(10);
const AFTER_ERROR: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_is_foreign() {
        let asks = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:6060"));
            headers.append(name, HeaderValue::from_static(value));
            is_foreign(&headers)
        };
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "null"),
        ] {
            assert!(asks(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
            ("origin", "http://127.0.0.1:6060"),
            ("accept", "*/*"),
        ] {
            assert!(!asks(name, value), "{name}: {value}");
        }
    }
}
