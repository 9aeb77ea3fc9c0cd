//! The HTTP door of the broker: commands, background jobs, events of the switches, and why something is refused.
//!
//! Whoever shows a credential is judged by the broker's rules, whatever the role of the API; without one, only
//! `security.esl_allowed_commands` counts, with the predecessor's words for what goes wrong. Nothing is decided here: [`desk`](::broker::desk)
//! decides. Each subject has its file; [`refused`] says for all of them what a refusal is over HTTP.

use super::Error;
use super::extract::Who;
use crate::app::App;
use ::broker::BadLine;
use ::broker::desk::Refused;
use ::broker::upstream::CallError;
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub mod commands;
pub mod events;
pub mod explain;
pub mod jobs;
pub mod overview;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(commands::command))
        .routes(routes!(jobs::list, jobs::start))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(events::events))
        .routes(routes!(explain::explain))
        .routes(routes!(overview::overview))
}

/// A refusal of the desk's, for somebody with a credential or for a stranger, who asked for `command`.
fn refused(refused: &Refused, who: &Who, command: &str) -> Error {
    if who.is_proven() { told(refused) } else { told_as_before(refused, command) }
}

/// A refusal, with all that the caller may know.
fn told(refused: &Refused) -> Error {
    let soon = Duration::from_secs(1);
    let text = refused.to_string();
    match refused {
        Refused::Bad(_) | Refused::Malformed(_) | Refused::NoSuchSwitch(_) => Error::bad_request(text),
        Refused::Shut(_) | Refused::Denied { .. } => Error::forbidden(text),
        Refused::TooFast { wait } => Error::new(StatusCode::TOO_MANY_REQUESTS, text).later(*wait),
        Refused::TooMany | Refused::TooManyJobs(_) => {
            Error::new(StatusCode::TOO_MANY_REQUESTS, text).later(soon)
        }
        Refused::Unaudited(_) => Error::new(StatusCode::SERVICE_UNAVAILABLE, text),
        Refused::Failed { error, .. } => match error {
            CallError::Timeout(_) => Error::new(StatusCode::GATEWAY_TIMEOUT, text),
            CallError::Down { .. }
            | CallError::Busy
            | CallError::NoConnection(_)
            | CallError::TooManyDedicated(_) => Error::new(StatusCode::SERVICE_UNAVAILABLE, text).later(soon),
            CallError::TooManyJobs(_) => Error::new(StatusCode::TOO_MANY_REQUESTS, text).later(soon),
            CallError::JobInUse => Error::new(StatusCode::CONFLICT, text),
            CallError::Invalid(_) => Error::bad_request(text),
            _ => Error::new(StatusCode::BAD_GATEWAY, text),
        },
    }
}

/// A refusal in the predecessor's words and statuses, where it had any.
fn told_as_before(refused: &Refused, command: &str) -> Error {
    match refused {
        Refused::Bad(BadLine::Empty) => Error::bad_request("command is required"),
        Refused::Bad(BadLine::Control { .. }) => {
            Error::bad_request("a command must not hold control characters")
        }
        Refused::Shut(_) | Refused::Denied { .. } => {
            Error::internal(format!("command not allowed: {}", command.trim()))
        }
        Refused::Failed {
            error: CallError::Down { .. } | CallError::Busy | CallError::NoConnection(_),
            ..
        } => Error::internal("not connected to FreeSWITCH ESL"),
        Refused::Failed { error: CallError::Timeout(_), .. } => {
            Error::new(StatusCode::GATEWAY_TIMEOUT, "timeout: the switch did not answer in time")
        }
        Refused::Failed { error: CallError::Lost(_) | CallError::Refused(_) | CallError::Denied, .. } => {
            Error::internal(refused.to_string())
        }
        other => told(other),
    }
}
