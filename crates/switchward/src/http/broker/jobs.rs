//! Background jobs: start one, look for its result, throw it away.

use super::commands::text;
use super::refused;
use crate::access::Role;
use crate::app::App;
use crate::broker::caller;
use crate::broker::jobs::{Job, State as JobState, Wanted, call_of};
use crate::clock;
use crate::config::duration;
use crate::http::extract::{Json, Query, Segment};
use crate::http::gate::Judged;
use crate::http::{Error, Who, schema};
use ::broker::Line;
use ::broker::desk::{Order, Visit};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use guard::Time;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A command to be carried out in the background.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobOrder {
    /// As for `bgapi`: "originate user/1000 &park".
    #[schema(value_type = schema::SwitchCommand, required = true)]
    pub command: Option<String>,
    /// The switch by its name in the configuration; the first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
}

/// A background job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id, which is the switch's `Job-UUID`.
    pub id: String,
    /// What it runs, without secrets.
    pub command: String,
    /// At which switch.
    pub switch: String,
    /// "running", "done", "failed" (there will be no result) or "cancelled" (nobody wants it).
    pub state: String,
    /// When it was started.
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// What the switch said; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// Whether it said more than the caller may have; left out when it did not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// Why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What else should be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Background jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The oldest first, without their responses.
    pub jobs: Vec<JobView>,
}

/// How long to wait for the end of a job.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct JobQuery {
    /// Answer when it has ended, or after so long (Go duration, at most 60s).
    #[param(value_type = Option<schema::JobWait>)]
    wait: Option<String>,
}

/// Starts a command in the background.
///
/// The answer comes at once; the result is at the address in `Location`, for ten minutes after the end.
#[utoipa::path(
    post,
    path = "/security/esl/jobs",
    tag = "switch",
    request_body = JobOrder,
    responses(
        (status = 202, description = "It runs", body = JobView, headers(("Location" = String, description = "Where its result will be"))),
        (status = 400, description = "No command, control characters in it, or no such switch"),
        (status = 403, description = "No rule allows it"),
        (status = 429, description = "Too fast, or too many at once"),
        (status = 500, description = "Without a credential: not allowed, or not connected"),
        (status = 502, description = "The connection was lost before the answer"),
        (status = 503, description = "Not connected, or the audit cannot be written"),
        (status = 504, description = "The switch did not take it in time")
    )
)]
pub(in crate::http) async fn start(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<JobOrder>,
) -> Response {
    let visit = caller::visit(&app, &who);
    let answer = started(&app, &who, &visit, &order).await;
    let answer = answer.map(|job| {
        let place = format!("/security/esl/jobs/{}", job.id);
        (StatusCode::ACCEPTED, [(LOCATION, place)], Json(job))
    });
    let answer = answer.into_response();
    if app.desk.is_audited() { (Extension(Judged), answer).into_response() } else { answer }
}

async fn started(app: &App, who: &Who, visit: &Visit, order: &JobOrder) -> Result<JobView, Error> {
    let owner = owner(visit);
    app.jobs.check(&owner).map_err(|error| {
        Error::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).later(Duration::from_secs(1))
    })?;
    let command = order.command.as_deref().unwrap_or_default();
    let asked = Order { command, switch: order.switch.as_deref() };
    let started = app.desk.start(visit, asked, None).await;
    let started = started.map_err(|error| refused(&error, who, command))?;
    // Both were understood, or it would not have been started.
    let line = Line::new(command).map_err(|error| Error::bad_request(error.to_string()))?;
    let switch = app.desk.switch(order.switch.as_deref()).map_err(|error| refused(&error, who, command))?;
    let call = line.verb().eq_ignore_ascii_case("originate").then(|| call_of(command)).flatten();
    let command = app.desk.rules().redactor.command(line).into_owned();
    let wanted = Wanted { owner, command, switch: switch.name.to_string(), call };
    Ok(view(&app.jobs.add(wanted, started), true))
}

/// The caller's background jobs; all of them for administrators.
#[utoipa::path(
    get,
    path = "/security/esl/jobs",
    tag = "switch",
    responses((status = 200, description = "Those that run, and those that ended lately", body = JobList))
)]
pub(in crate::http) async fn list(State(app): State<Arc<App>>, who: Who) -> Json<JobList> {
    app.jobs.tidy(clock::now());
    let owner = owner(&caller::visit(&app, &who));
    let jobs = app.jobs.list(|job| may_see(&who, &owner, job));
    Json(JobList { jobs: jobs.iter().map(|job| view(job, false)).collect() })
}

/// How a background job stands, and its result.
#[utoipa::path(
    get,
    path = "/security/esl/jobs/{id}",
    tag = "switch",
    params(("id" = schema::JobId, Path, description = "Its id"), JobQuery),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 400, description = "wait is no duration up to 60s"),
        (status = 404, description = "There is no such job of the caller's, or not any more"),
    )
)]
pub(in crate::http) async fn one(
    State(app): State<Arc<App>>,
    who: Who,
    Segment(id): Segment,
    Query(query): Query<JobQuery>,
) -> Result<Json<JobView>, Error> {
    let wait = match query.wait.as_deref() {
        None => None,
        Some(text) => Some(
            duration::parse(text)
                .ok()
                .filter(|wait| *wait <= LONGEST_WAIT)
                .ok_or_else(|| Error::bad_request("wait is a duration up to 60s, such as 10s"))?,
        ),
    };
    let job = found(&app, &who, &id)?;
    if let Some(wait) = wait {
        tokio::select! {
            () = job.wait(wait) => {}
            () = app.monitor.streams.closed() => {}
        }
    }
    Ok(Json(view(&job, true)))
}

/// Throws the result of a background job away.
///
/// FreeSWITCH has no means to stop a job: one that runs goes on, and only its result is lost. A job that has ended is forgotten.
#[utoipa::path(
    delete,
    path = "/security/esl/jobs/{id}",
    tag = "switch",
    params(("id" = schema::JobId, Path, description = "Its id")),
    responses(
        (status = 200, description = "Its result is thrown away", body = JobView),
        (status = 404, description = "There is no such job of the caller's, or not any more"),
    )
)]
pub(in crate::http) async fn cancel(
    State(app): State<Arc<App>>,
    who: Who,
    Segment(id): Segment,
) -> Result<Json<JobView>, Error> {
    let job = found(&app, &who, &id)?;
    if job.cancel() {
        return Ok(Json(view(&job, false)));
    }
    app.jobs.forget(&job.id);
    Ok(Json(view(&job, false)))
}

fn found(app: &App, who: &Who, id: &str) -> Result<Arc<Job>, Error> {
    app.jobs.tidy(clock::now());
    let owner = owner(&caller::visit(app, who));
    let job = app.jobs.find(id).filter(|job| may_see(who, &owner, job));
    job.ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "there is no such job of yours, or not any more"))
}

/// Whose jobs somebody sees: their own; without a credential those of their address.
fn owner(visit: &Visit) -> Arc<str> {
    match visit.source {
        Some(source) if visit.identity.name.is_empty() => format!("@{source}").into(),
        _ => visit.identity.name.clone(),
    }
}

fn may_see(who: &Who, owner: &str, job: &Job) -> bool {
    *job.owner == *owner || (who.is_proven() && who.role == Some(Role::Admin))
}

fn view(job: &Job, whole: bool) -> JobView {
    let stamp = |time: Time| clock::exact(time);
    let mut view = JobView {
        id: job.id.clone(),
        command: job.command.clone(),
        switch: job.switch.clone(),
        state: "running".into(),
        started_at: stamp(job.started),
        ended_at: None,
        response: None,
        cut: false,
        error: None,
        note: None,
    };
    match job.state() {
        JobState::Running => {}
        JobState::Ended(at, result) => {
            view.ended_at = Some(stamp(at));
            match &*result {
                Ok(reply) => {
                    view.state = "done".into();
                    view.cut = reply.cut;
                    view.response = whole.then(|| text(reply.clone()));
                }
                Err(error) => {
                    view.state = "failed".into();
                    view.error = Some(error.to_string());
                }
            }
        }
        JobState::Cancelled(at) => {
            view.state = "cancelled".into();
            view.ended_at = Some(stamp(at));
            view.note = Some(match &job.call {
                Some(call) => format!("{GOES_ON}; a call that it made can be ended: uuid_kill {call}"),
                None => GOES_ON.into(),
            });
        }
    }
    view
}

const GOES_ON: &str = "the result is thrown away; FreeSWITCH cannot stop a job, so it goes on there";
/// The longest that a request waits for a job.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
