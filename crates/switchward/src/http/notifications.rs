//! Notifications: `/security/notifications`, what became of them, and a test message.

use super::extract::Json;
use super::{Error, Who};
use crate::app::App;
use crate::clock;
use crate::notify::{Channel, DeadLetter, Kind, TargetStats, Tested};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(notifications)).routes(routes!(test))
}

/// Every target, and what could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notifications {
    /// The targets, whether they are configured or not.
    pub targets: Vec<Target>,
    /// The newest messages that were given up, the newest first.
    pub dead_letters: Vec<DeadLetter>,
}

/// A target of notifications with its figures since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NotificationTarget)]
pub struct Target {
    /// "webhook", "slack", "telegram", "mail" or "syslog".
    pub target: String,
    /// Whether it is configured.
    pub enabled: bool,
    /// Where it goes, without what is secret of it.
    pub place: String,
    /// What it is told.
    pub events: Vec<String>,
    /// Messages that were taken.
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Tries after a failure.
    pub retried: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Events that were told in a digest alone.
    pub suppressed: u64,
    /// Messages that wait.
    pub waiting: u64,
    /// When the last message was taken; "0001-01-01T00:00:00Z" for never.
    #[schema(format = DateTime)]
    pub last_sent: String,
    /// When the last try failed; "0001-01-01T00:00:00Z" for never.
    #[schema(format = DateTime)]
    pub last_failed: String,
    /// Why.
    pub last_failure: String,
}

/// An order to send a test message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestOrder {
    /// To this target alone; to all that are configured when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(webhook|slack|telegram|mail|syslog)$")]
    pub target: Option<String>,
}

/// What became of the test messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestResults {
    /// By target.
    pub results: Vec<TestResult>,
}

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// The target.
    pub target: String,
    /// Whether it was taken.
    pub sent: bool,
    /// Why not; empty when it was.
    pub error: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// The targets of notifications, and what could not be delivered.
#[utoipa::path(
    get,
    path = "/security/notifications",
    tag = "state",
    responses((status = 200, description = "Every target with its figures", body = Notifications))
)]
async fn notifications(State(app): State<Arc<App>>) -> Json<Notifications> {
    let targets = app.notifier.stats().into_iter().map(Target::of).collect();
    Json(Notifications { targets, dead_letters: app.notifier.dead_letters() })
}

/// Sends a test message, once, and tells what became of it.
#[utoipa::path(
    post,
    path = "/security/notifications/test",
    tag = "state",
    request_body = TestOrder,
    responses(
        (status = 200, description = "What became of each message", body = TestResults),
        (status = 409, description = "The target is not configured, or none is")
    )
)]
async fn test(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<TestOrder>,
) -> Result<Json<TestResults>, Error> {
    let only = match order.target.as_deref() {
        Some(word) => Some(Channel::of(word).ok_or_else(|| {
            let all = Channel::ALL.map(Channel::word).join(", ");
            Error::bad_request(format!("target is one of {all}"))
        })?),
        None => None,
    };
    tracing::info!(%who, target = only.map_or("all", Channel::word), "test messages are sent by order");
    let results = app.notifier.test(only).await;
    match (results.is_empty(), only) {
        (true, Some(channel)) => {
            let name = channel.word();
            Err(not_configured(format!("{name} is not configured; set the keys of [notify.{name}]")))
        }
        (true, None) => Err(not_configured("no target is configured; see [notify] in docs/notifications.md")),
        _ => Ok(Json(TestResults { results: results.into_iter().map(TestResult::of).collect() })),
    }
}

fn not_configured(text: impl Into<String>) -> Error {
    Error::new(StatusCode::CONFLICT, text)
}

impl Target {
    fn of(stats: TargetStats) -> Target {
        let (failed_at, last_failure) = stats.last_failure.unzip();
        Target {
            target: stats.channel.word().into(),
            enabled: stats.is_on,
            place: stats.place,
            events: stats.events.into_iter().map(|kind| Kind::word(kind).into()).collect(),
            sent: stats.sent,
            failed: stats.failed,
            retried: stats.retried,
            dead: stats.dead,
            suppressed: stats.suppressed,
            waiting: stats.waiting as u64,
            last_sent: clock::rfc3339(stats.last_sent),
            last_failed: clock::rfc3339(failed_at),
            last_failure: last_failure.unwrap_or_default(),
        }
    }
}

impl TestResult {
    fn of(tested: Tested) -> TestResult {
        TestResult {
            target: tested.channel.word().into(),
            sent: tested.result.is_ok(),
            error: tested.result.err().map(|failure| failure.why).unwrap_or_default(),
            milliseconds: tested.took.as_millis() as u64,
        }
    }
}
