//! What a caller may ask of the switch and of the connection to it: commands, a new connection, the log's level.
//!
//! A command with a control character is refused before anything else is asked: a line feed would end it on the event
//! socket and begin another.

use super::answer::Ordered;
use super::extract::Json;
use super::{Error, Who, schema};
use crate::app::App;
use crate::config::LogLevel;
use crate::switch::Switch;
use axum::extract::State;
use axum::http::StatusCode;
use esl::CallError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// A command for the switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandOrder {
    /// As for `api`: "status", "uptime".
    #[schema(value_type = schema::Command, required = true)]
    pub command: Option<String>,
}

/// What the switch said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandReply {
    /// The command.
    pub command: String,
    /// The switch's answer, as it came.
    pub response: String,
}

/// A level for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LevelOrder {
    /// "error", "warn", "info", "debug" or "trace".
    #[schema(value_type = schema::LevelName, required = true)]
    pub level: Option<String>,
}

/// Asks the first switch; only commands of `security.esl_allowed_commands`.
#[utoipa::path(
    post,
    path = "/security/esl/command",
    tag = "switch",
    request_body = CommandOrder,
    responses(
        (status = 200, description = "Its answer", body = CommandReply),
        (status = 400, description = "No command, or control characters in it"),
        (status = 500, description = "Not allowed, or not connected"),
        (status = 504, description = "No answer within 10 s")
    )
)]
pub(super) async fn command(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<CommandOrder>,
) -> Result<Json<CommandReply>, Error> {
    let command = permitted(order.command.as_deref().unwrap_or_default(), &app)?;
    let switch = app.switches.first().ok_or_else(not_connected)?;
    tracing::info!(%who, verb = command.split(' ').next(), "command for the switch");
    let response = asked(switch, &command).await?;
    Ok(Json(CommandReply { command, response }))
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

/// The command as it goes out, when it may.
fn permitted(text: &str, app: &App) -> Result<String, Error> {
    if text.chars().any(char::is_control) {
        return Err(Error::bad_request("a command must not hold control characters"));
    }
    let command = text.trim();
    if command.is_empty() {
        return Err(Error::bad_request("command is required"));
    }
    let config = app.config.load();
    let allows = |entry: &String| {
        let entry = entry.trim();
        !entry.is_empty()
            && command.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    match config.security.esl_allowed_commands.iter().any(allows) {
        true => Ok(command.to_owned()),
        false => Err(Error::internal(format!("command not allowed: {command}"))),
    }
}

/// Asks the switch over a connection for commands.
async fn asked(switch: &Switch, command: &str) -> Result<String, Error> {
    let error = match switch.commands.api(command, LONGEST).await {
        Ok(response) => return Ok(String::from_utf8_lossy(&response).into_owned()),
        Err(error) => error,
    };
    tracing::warn!(switch = switch.name, %error, "a command has no answer");
    Err(match error {
        CallError::NotConnected(_) => not_connected(),
        CallError::Timeout(_) => {
            Error::new(StatusCode::GATEWAY_TIMEOUT, "timeout: the switch did not answer within 10 s")
        }
        CallError::Invalid(error) => Error::bad_request(error.to_string()),
        other => Error::internal(other.to_string()),
    })
}

fn not_connected() -> Error {
    Error::internal("not connected to FreeSWITCH ESL")
}

/// The longest that a switch may take for a command.
const LONGEST: Duration = Duration::from_secs(10);
const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
