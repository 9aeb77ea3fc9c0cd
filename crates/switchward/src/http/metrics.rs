//! GET /metrics: the daemon's figures for Prometheus and its like.

use super::{Error, blocking};
use crate::app::App;
use crate::metrics::{Format, gather, write};
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The daemon's figures for Prometheus.
///
/// Prometheus text format 0.0.4, or OpenMetrics 1.0 when the `Accept` header likes it better.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "monitoring",
    responses((status = 200, description = "The figures", content(
        (String = "text/plain"),
        (String = "application/openmetrics-text"),
    )))
)]
async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<impl IntoResponse, Error> {
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::of(&accept.join(","));
    let text = blocking(move || write(&gather(&app), format)).await?;
    let kind = HeaderValue::from_static(format.content_type());
    Ok(([(CONTENT_TYPE, kind), (VARY, HeaderValue::from_static("accept"))], text))
}
