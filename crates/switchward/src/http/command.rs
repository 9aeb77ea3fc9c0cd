//! What a caller may ask of the connections to the switches: to be made anew, and of the log's level.

use super::answer::Ordered;
use super::extract::Json;
use super::{Error, Who, schema};
use crate::app::App;
use crate::config::LogLevel;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A level for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LevelOrder {
    /// "error", "warn", "info", "debug" or "trace".
    #[schema(value_type = schema::LevelName, required = true)]
    pub level: Option<String>,
}

/// Sets the level of the log until the next start.
#[utoipa::path(
    post,
    path = "/security/esl/log-level",
    tag = "switch",
    request_body = LevelOrder,
    responses(
        (status = 200, description = "It is set", body = Ordered),
        (status = 400, description = "No such level")
    )
)]
pub(super) async fn log_level(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<LevelOrder>,
) -> Result<Json<Ordered>, Error> {
    let wanted = order.level.unwrap_or_default();
    let Some(level) = LEVELS.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(wanted.trim()))
    else {
        return Err(Error::bad_request("level is one of error, warn, info, debug, trace"));
    };
    app.log.set(level);
    tracing::info!(%who, level = level.as_str(), "log level set by order");
    Ok(Json(Ordered::new(format!("log level set to {level}"))))
}

/// The same as `/security/esl/log-level`, as an earlier release of the predecessor spelled it.
#[utoipa::path(
    post,
    path = "/security/esl/log_level",
    tag = "switch",
    request_body = LevelOrder,
    responses(
        (status = 200, description = "It is set", body = Ordered),
        (status = 400, description = "No such level")
    )
)]
pub(super) async fn log_level_as_before(
    app: State<Arc<App>>,
    who: Who,
    order: Json<LevelOrder>,
) -> Result<Json<Ordered>, Error> {
    log_level(app, who, order).await
}

/// Connects anew to every switch.
#[utoipa::path(
    post,
    path = "/security/esl/reconnect",
    tag = "switch",
    responses((status = 200, description = "It has begun", body = Ordered))
)]
pub(super) async fn reconnect(State(app): State<Arc<App>>, who: Who) -> Json<Ordered> {
    tracing::info!(%who, "reconnection asked for by order");
    for switch in &app.switches {
        switch.reconnect.notify_one();
    }
    Json(Ordered::new("reconnection initiated"))
}

const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
