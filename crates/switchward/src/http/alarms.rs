//! GET /security/alarms: what a person should mend.

use super::extract::Json;
use crate::alarms::Over;
use crate::app::App;
use crate::clock::exact;
use crate::news::Alarm;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The alarms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alarms {
    /// Those that are on, the worst first.
    pub active: Vec<AlarmState>,
    /// The latest that are over, the newest first; at most 100 since the start.
    pub over: Vec<AlarmState>,
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmState {
    /// Which: one word of docs/monitoring.md.
    pub name: String,
    /// About what: a switch, a rule; empty for the daemon itself.
    pub subject: String,
    /// "info", "warning" or "critical".
    pub severity: String,
    /// Since when the trouble was there.
    pub since: String,
    /// When it was over; `null` while it is on.
    pub until: Option<String>,
    /// What is wrong, and the mend.
    pub text: String,
}

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(alarms))
}

/// What a person should mend.
#[utoipa::path(
    get,
    path = "/security/alarms",
    tag = "monitoring",
    responses((status = 200, description = "Those that are on, and the latest that are over", body = Alarms))
)]
async fn alarms(State(app): State<Arc<App>>) -> Json<Alarms> {
    let over = app.monitor.alarms.over();
    Json(Alarms { active: active(&app), over: over.iter().map(AlarmState::over).collect() })
}

/// Those that are on.
pub(super) fn active(app: &App) -> Vec<AlarmState> {
    app.monitor.alarms.active().iter().map(|alarm| AlarmState::on(alarm)).collect()
}

impl AlarmState {
    fn on(alarm: &Alarm) -> AlarmState {
        AlarmState {
            name: alarm.name.into(),
            subject: alarm.subject.clone(),
            severity: alarm.severity.word().into(),
            since: exact(alarm.since),
            until: None,
            text: alarm.text.clone(),
        }
    }

    fn over(over: &Over) -> AlarmState {
        AlarmState { until: Some(exact(over.until)), ..AlarmState::on(&over.alarm) }
    }
}
