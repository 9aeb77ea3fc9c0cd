//! Commands for a switch, one or several.

use super::refused;
use crate::app::App;
use crate::broker::caller;
use crate::http::extract::Json;
use crate::http::gate::Judged;
use crate::http::{Error, Who, schema};
use ::broker::desk::{Order, Reply, Visit};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// A command for the switch, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandOrder {
    /// As for `api`: "status", "uptime".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SwitchCommand>)]
    pub command: Option<String>,
    /// Several, carried out one after the other, each with its own result; in place of `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::SwitchCommand>>, min_items = 1, max_items = 100)]
    pub commands: Option<Vec<String>>,
    /// The switch by its name in the configuration; the first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// Whether what comes after one that failed is left out.
    #[serde(default, alias = "stop_on_error", skip_serializing_if = "std::ops::Not::not")]
    pub stop_on_error: bool,
}

/// What the switch said to one command, or to each of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum CommandAnswer {
    /// To one.
    One(CommandReply),
    /// To several.
    Several(CommandResults),
}

/// What the switch said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandReply {
    /// The command.
    pub command: String,
    /// The switch's answer; it begins with `-ERR` when the command failed.
    pub response: String,
    /// Whether the answer was longer than the caller may have; left out when it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// What became of several commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandResults {
    /// One for each command, in their order.
    pub results: Vec<CommandResult>,
}

/// What became of one command of several: it has a response or an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandResult {
    /// The command.
    pub command: String,
    /// The status that it would have had alone; 0 when it was left out.
    pub status: u16,
    /// The switch's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Whether the answer was longer than the caller may have; left out when it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Lets a switch carry out a command, or several.
///
/// With a credential the broker's rules for that user decide; without one, `security.esl_allowed_commands` does.
#[utoipa::path(
    post,
    path = "/security/esl/command",
    tag = "switch",
    request_body = CommandOrder,
    responses(
        (status = 200, description = "Its answer, or those to all", body = CommandAnswer),
        (status = 400, description = "No command, control characters in it, or no such switch"),
        (status = 403, description = "No rule allows it"),
        (status = 429, description = "Too fast, or too many at once"),
        (status = 500, description = "Without a credential: not allowed, or not connected"),
        (status = 502, description = "The connection was lost before the answer"),
        (status = 503, description = "Not connected, or the audit cannot be written"),
        (status = 504, description = "No answer in time")
    )
)]
pub(in crate::http) async fn command(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<CommandOrder>,
) -> Response {
    let visit = caller::visit(&app, &who);
    let answer = answered(&app, &who, &visit, &order).await;
    let answer = answer.map(Json).into_response();
    if app.desk.is_audited() { (Extension(Judged), answer).into_response() } else { answer }
}

async fn answered(app: &App, who: &Who, visit: &Visit, order: &CommandOrder) -> Result<CommandAnswer, Error> {
    let switch = order.switch.as_deref();
    let Some(commands) = &order.commands else {
        let command = order.command.as_deref().unwrap_or_default();
        let reply = app.desk.run(visit, Order { command, switch }).await;
        let reply = reply.map_err(|error| refused(&error, who, command))?;
        return Ok(CommandAnswer::One(CommandReply {
            command: command.trim().to_owned(),
            cut: reply.cut,
            response: text(reply),
        }));
    };
    if order.command.is_some() {
        return Err(Error::bad_request("command and commands contradict each other; leave one out"));
    }
    if commands.is_empty() || commands.len() > MOST {
        return Err(Error::bad_request(format!("commands holds 1 to {MOST} commands")));
    }
    let (mut results, begun) = (Vec::with_capacity(commands.len()), Instant::now());
    let mut left_out = None;
    for command in commands {
        if begun.elapsed() >= LONGEST {
            left_out = Some("left out: those before it took too long");
        }
        let result = match left_out {
            Some(why) => CommandResult { error: Some(why.into()), ..CommandResult::default() },
            None => one(app, who, visit, Order { command, switch }).await,
        };
        let failed = result.response.as_deref().is_none_or(is_error);
        if order.stop_on_error && failed && left_out.is_none() {
            left_out = Some("left out: one before it failed");
        }
        results.push(CommandResult { command: command.trim().to_owned(), ..result });
    }
    Ok(CommandAnswer::Several(CommandResults { results }))
}

/// The result of one command of several, without its name.
async fn one(app: &App, who: &Who, visit: &Visit, order: Order<'_>) -> CommandResult {
    match app.desk.run(visit, order).await {
        Ok(reply) => CommandResult {
            status: 200,
            cut: reply.cut,
            response: Some(text(reply)),
            ..CommandResult::default()
        },
        Err(error) => {
            let error = refused(&error, who, order.command);
            let status = error.status().as_u16();
            CommandResult { status, error: Some(error.to_string()), ..CommandResult::default() }
        }
    }
}

/// What the switch said, as text.
pub(super) fn text(reply: Reply) -> String {
    String::from_utf8(reply.text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Whether the switch says that a command failed.
pub(super) fn is_error(response: &str) -> bool {
    response.starts_with("-ERR") || response.starts_with("-USAGE")
}

/// Most commands of one request.
pub const MOST: usize = 100;
/// After this no further command of several is begun.
const LONGEST: Duration = Duration::from_secs(300);
