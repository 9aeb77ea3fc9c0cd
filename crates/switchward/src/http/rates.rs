//! How the rates are limited: `/security/rate-limit`, as configured.

use super::extract::Json;
use crate::app::App;
use crate::config::duration::format_go;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The limits of calls and registrations per source; durations as Go prints them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Whether they are judged.
    pub enabled: bool,
    /// Calls of a source in an interval.
    pub call_rate_limit: u32,
    /// The interval.
    pub call_rate_interval: String,
    /// Registrations of a source in a window.
    pub registration_limit: u32,
    /// The window.
    pub registration_window: String,
    /// Whether exceeding bans.
    pub auto_block_on_exceed: bool,
    /// For how long.
    pub block_duration: String,
    /// Whether the allow-list passes.
    pub whitelist_bypass: bool,
    /// How often outdated counters are thrown away.
    pub cleanup_interval: String,
}

/// How the rates are limited, as configured.
#[utoipa::path(
    get,
    path = "/security/rate-limit",
    tag = "counters",
    responses((status = 200, description = "The limits", body = RateLimit))
)]
pub(super) async fn rate_limit(State(app): State<Arc<App>>) -> Json<RateLimit> {
    let rate = &app.config.load().security.rate_limit;
    Json(RateLimit {
        enabled: rate.enabled,
        call_rate_limit: rate.call_rate_limit,
        call_rate_interval: format_go(rate.call_rate_interval),
        registration_limit: rate.registration_limit,
        registration_window: format_go(rate.registration_window),
        auto_block_on_exceed: rate.auto_block_on_exceed,
        block_duration: format_go(rate.block_duration),
        whitelist_bypass: rate.whitelist_bypass,
        cleanup_interval: format_go(rate.cleanup_interval),
    })
}
