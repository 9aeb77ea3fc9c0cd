//! What the rules have counted against whom, source by source.

use super::entries::Entries;
use super::extract::Query;
use super::lists::page::page_length;
use super::{Error, blocking};
use crate::app::App;
use crate::clock;
use axum::extract::State;
use axum::response::IntoResponse;
use guard::Signal;
use guard::tally::Record;
use guard::{Source, Time};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Failed registrations and calls of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// How many.
    pub count: u32,
    /// The first that still counts.
    #[schema(format = DateTime)]
    pub first_attempt: String,
    /// The latest.
    #[schema(format = DateTime)]
    pub last_attempt: String,
    /// Accounts named, a few.
    pub user_ids: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
}

/// Abandoned calls of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WrongCallStates {
    /// How many.
    pub count: u32,
    /// The first that still counts.
    #[schema(format = DateTime)]
    pub first_attempt: String,
    /// The latest.
    #[schema(format = DateTime)]
    pub last_attempt: String,
    /// Accounts named, a few.
    pub user_ids: Vec<String>,
}

/// Calls or registrations of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// How many.
    pub count: u32,
    /// The first that still counts.
    #[schema(format = DateTime)]
    pub first_request: String,
    /// The latest.
    #[schema(format = DateTime)]
    pub last_request: String,
    /// Accounts named, a few.
    pub user_ids: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
}

type Counted = (Source, Record);

/// How many sources.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Most {
    /// Only so many, those with the highest counts; 1 to 1000, all when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Failed registrations and calls within the window, by source.
#[utoipa::path(
    get,
    path = "/security/failed",
    tag = "counters",
    params(Most),
    responses((status = 200, description = "By source", body = BTreeMap<String, Failed>))
)]
pub(super) async fn failed(
    State(app): State<Arc<App>>,
    Query(most): Query<Most>,
) -> Result<impl IntoResponse, Error> {
    let most = most.limit.map(|limit| page_length(Some(limit))).transpose()?;
    let counted = sorted(move |now| {
        let mut failed = app.guard.failed(now);
        if let Some(most) = most.filter(|most| *most < failed.len()) {
            let rank = |(source, record): &Counted| (Reverse(record.count), Reverse(record.last), *source);
            failed.select_nth_unstable_by_key(most, rank);
            failed.truncate(most);
        }
        failed
    })
    .await?;
    Ok(Entries::new(counted, |(source, record)| {
        let failed = Failed {
            count: record.count,
            first_attempt: clock::rfc3339(Some(record.first)),
            last_attempt: clock::rfc3339(Some(record.last)),
            user_ids: record.users.clone(),
            domains: record.domains.clone(),
        };
        (source.to_string(), failed)
    }))
}

/// Challenged calls that never came back, by source.
#[utoipa::path(
    get,
    path = "/security/wrong-call-states",
    tag = "counters",
    responses((status = 200, description = "By source", body = BTreeMap<String, WrongCallStates>))
)]
pub(super) async fn wrong_call_states(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    let counted = sorted(move |now| app.guard.wrong_call_states(now)).await?;
    Ok(Entries::new(counted, |(source, record)| {
        let states = WrongCallStates {
            count: record.count,
            first_attempt: clock::rfc3339(Some(record.first)),
            last_attempt: clock::rfc3339(Some(record.last)),
            user_ids: record.users.clone(),
        };
        (source.to_string(), states)
    }))
}

/// Calls within the interval, by source.
#[utoipa::path(
    get,
    path = "/security/rate-limit/calls",
    tag = "counters",
    responses((status = 200, description = "By source", body = BTreeMap<String, Requests>))
)]
pub(super) async fn calls(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    rate(app, Signal::Call).await
}

/// Registrations within the window, by source.
#[utoipa::path(
    get,
    path = "/security/rate-limit/registrations",
    tag = "counters",
    responses((status = 200, description = "By source", body = BTreeMap<String, Requests>))
)]
pub(super) async fn registrations(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    rate(app, Signal::Registration).await
}

async fn rate(app: Arc<App>, signal: Signal) -> Result<Entries<Counted, Requests>, Error> {
    let counted = sorted(move |now| app.guard.rate(signal, now)).await?;
    Ok(Entries::new(counted, |(source, record)| {
        let requests = Requests {
            count: record.count,
            first_request: clock::rfc3339(Some(record.first)),
            last_request: clock::rfc3339(Some(record.last)),
            user_ids: record.users.clone(),
            domains: record.domains.clone(),
        };
        (source.to_string(), requests)
    }))
}

async fn sorted(ask: impl FnOnce(Time) -> Vec<Counted> + Send + 'static) -> Result<Vec<Counted>, Error> {
    blocking(move || {
        let mut counted = ask(clock::now());
        counted.sort_unstable_by_key(|(source, _)| *source);
        counted
    })
    .await
}
