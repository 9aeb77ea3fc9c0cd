//! The HTTP interface: JSON for operators and programs, the predecessor's paths and fields first.
//!
//! Start with [`router`] (what is asked where) and [`serve()`] (how many may ask at a time). Each subject has its file with
//! its handlers and the types of its answers, which the command line (`ask`) reads again. The way in is the same for
//! all: [`access_log`] writes the line, [`shield`] bounds the time and survives a panic, [`gate`] lets only permitted peers
//! change state, the extractors in [`extract`] refuse what is malformed, and every refusal is an [`Error`]. Nothing here
//! decides about a ban, and nothing here blocks the runtime: what walks the ledger or waits for the firewall's thread
//! goes through `blocking`. What stands at the handlers (`#[utoipa::path]`) is what [`openapi`] describes.

use crate::app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, delete};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod access_log;
pub mod alarms;
pub mod allowed_names;
pub mod allows;
pub mod answer;
pub mod audit;
pub mod bans;
pub mod broker;
pub mod cache;
pub mod command;
pub mod counted;
mod docs;
mod doors;
mod entries;
mod error;
pub mod extract;
pub mod fraud;
mod gate;
mod headers;
pub mod history;
pub mod kernel;
mod lifetime;
pub mod lists;
mod measure;
pub mod metrics;
pub mod notifications;
pub mod openapi;
pub mod overview;
pub mod profiling;
pub mod rates;
mod refused;
pub mod rules;
mod schema;
mod serve;
mod shield;
pub mod signatures;
pub mod status;
pub mod stream;
pub mod system;
pub mod timelines;
pub mod transfer;
pub mod unban_links;
pub mod untrusted;
pub mod why;

pub use error::{Error, ErrorBody};
pub use extract::Who;
pub use serve::{Doors, serve};

/// Every path there is. The peer's address must be in the request's extensions (see [`Who`]); without it nothing can be
/// changed.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        .fallback(any(error::no_such_path))
        .method_not_allowed_fallback(error::wrong_method)
        .layer(from_fn_with_state(app.clone(), cache::cached))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(app.clone(), gate::gate))
        .layer(from_fn(shield::shield))
        .layer(from_fn_with_state(app.clone(), access_log::access_log))
        .layer(from_fn(headers::headers))
        .layer(from_fn_with_state(app.clone(), measure::measure))
        .with_state(app)
}

/// What is asked where, and its description. A CIDR's slash may stand in a path as it is or as `%2F`.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .merge(openapi::routes())
        .merge(docs::routes())
        .merge(cache::routes())
        .merge(state())
        .merge(lists())
        .merge(lists::routes())
        .merge(allowed_names::routes())
        .merge(unban_links::routes())
        .merge(history::routes())
        .merge(timelines::routes())
        .merge(signatures::routes())
        .merge(transfer::routes())
        .merge(switch())
        .merge(broker::routes())
        .merge(alarms::routes())
        .merge(fraud::routes())
        .merge(rules::routes())
        .merge(metrics::routes())
        .merge(stream::routes())
        .merge(notifications::routes())
        .merge(audit::routes())
        .merge(doors::routes())
}

/// How the guard is doing, and what it has counted.
fn state() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(system::health))
        .routes(routes!(system::stats))
        .routes(routes!(status::status))
        .routes(routes!(status::stats))
        .routes(routes!(status::channels))
        .routes(routes!(overview::overview))
        .routes(routes!(why::why))
        .routes(routes!(kernel::iptables))
        .routes(routes!(counted::failed))
        .routes(routes!(counted::wrong_call_states))
        .routes(routes!(rates::rate_limit))
        .routes(routes!(counted::calls))
        .routes(routes!(counted::registrations))
}

/// The lists that operators keep.
fn lists() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(bans::list, bans::add))
        .routes(routes!(bans::add_batch))
        .routes(routes!(bans::one, bans::remove))
        .routes(routes!(bans::unblock))
        .route("/api/v1/ips/{ip}/{length}/block", delete(bans::unblock_network))
        .routes(routes!(allows::list, allows::add))
        .routes(routes!(allows::add_batch))
        .routes(routes!(allows::one, allows::remove))
        .routes(routes!(untrusted::list, untrusted::add))
        .routes(routes!(untrusted::remove))
        .routes(routes!(untrusted::test))
}

/// The switch and its event socket.
fn switch() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(status::esl))
        .routes(routes!(command::log_level))
        .routes(routes!(command::log_level_as_before))
        .routes(routes!(command::reconnect))
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
