//! The HTTP interface: JSON for operators and programs, the predecessor's paths and fields first.
//!
//! Start with [`router`] (what is asked where) and [`serve()`] (how many may ask at a time). Each subject has its file with
//! its handlers and the types of its answers, which the command line (`ask`) reads again. The way in is the same for
//! all: [`access_log`] writes the line, [`shield`] bounds the time and survives a panic, [`gate`] lets only permitted peers
//! change state, the extractors in [`extract`] refuse what is malformed, and every refusal is an [`Error`]. Nothing here
//! decides about a ban, and nothing here blocks the runtime: what walks the ledger or waits for the firewall's thread
//! goes through `blocking`.

use crate::app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete, get, post};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

mod access_log;
pub mod allows;
pub mod answer;
pub mod bans;
pub mod command;
pub mod counted;
mod entries;
mod error;
pub mod extract;
mod gate;
pub mod kernel;
mod lifetime;
pub mod overview;
pub mod rates;
mod serve;
mod shield;
pub mod status;
pub mod system;
pub mod untrusted;
pub mod why;

pub use error::{Error, ErrorBody};
pub use extract::Who;
pub use serve::serve;

/// Every path there is. The peer's address must be in the request's extensions (see [`Who`]); without it nothing can be
/// changed.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(any(error::no_such_path))
        .method_not_allowed_fallback(error::wrong_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(app.clone(), gate::gate))
        .layer(from_fn(shield::shield))
        .layer(from_fn_with_state(app.clone(), access_log::access_log))
        .with_state(app)
}

/// What is asked where, and its description.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .route("/health", get(system::health))
        .route("/system/stats", get(system::stats))
        .merge(lists())
        .merge(switch())
        .route("/security/status", get(status::status))
        .route("/security/stats", get(status::stats))
        .route("/security/channels", get(status::channels))
        .route("/security/overview", get(overview::overview))
        .route("/security/why/{*ip}", get(why::why))
        .route("/security/iptables", get(kernel::iptables))
        .route("/security/failed", get(counted::failed))
        .route("/security/wrong-call-states", get(counted::wrong_call_states))
        .route("/security/rate-limit", get(rates::rate_limit))
        .route("/security/rate-limit/calls", get(counted::calls))
        .route("/security/rate-limit/registrations", get(counted::registrations))
}

/// The lists that operators keep. A CIDR's slash may stand in a path as it is or as `%2F`.
fn lists() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .route("/security/blacklist", get(bans::list).post(bans::add))
        .route("/security/blacklist/batch", post(bans::add_batch))
        .route("/security/blacklist/{*ip}", get(bans::one).delete(bans::remove))
        .route("/api/v1/ips/{ip}/block", delete(bans::unblock))
        .route("/security/whitelist", get(allows::list).post(allows::add))
        .route("/security/whitelist/batch", post(allows::add_batch))
        .route("/security/whitelist/{*ip}", get(allows::one).delete(allows::remove))
        .route("/security/untrusted-networks", get(untrusted::list).post(untrusted::add))
        .route("/security/untrusted-networks/{pattern}", delete(untrusted::remove))
        .route("/security/untrusted-networks/test/{domain}", get(untrusted::test))
}

/// The switch and its event socket.
fn switch() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .route("/security/esl", get(status::esl))
        .route("/security/esl/command", post(command::command))
        .route("/security/esl/log-level", post(command::log_level))
        .route("/security/esl/log_level", post(command::log_level))
        .route("/security/esl/reconnect", post(command::reconnect))
}

/// Runs what may take a while (a walk over the ledger, a question to the firewall's thread) where it holds nothing up.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work for a request failed");
        Error::internal("the work for this request failed; the daemon's log says more")
    })
}

/// Carries out an order where it holds nothing up: one for a network walks the ledger, and all wait for the kernel.
async fn ordered<T: Send + 'static>(order: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
    let runtime = tokio::runtime::Handle::current();
    blocking(move || runtime.block_on(order)).await
}

/// The largest body of a request, in bytes.
const LARGEST_BODY: usize = 1 << 20;
