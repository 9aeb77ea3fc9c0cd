//! The audit: who asked for which change, from where, and what came of it.

pub mod commands;

use super::extract::{Json, Query as Asked};
use super::history::time;
use super::lists::page::page_length;
use super::{Error, blocking};
use crate::app::App;
use crate::clock;
use crate::store::audit::{Query, Row, select};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes of this subject.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(audit)).routes(routes!(commands::commands))
}

/// What part of the audit is wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only what is older than this row: the `next` of the page before.
    before: Option<i64>,
    /// Rows in a page, 1 to 1000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only what this token, user or certificate asked, by its whole name; empty for requests without a credential.
    who: Option<String>,
    /// Only what was asked from this address; empty for the Unix socket.
    source: Option<String>,
    /// Only actions with this text in them, such as `blacklist` or `DELETE`.
    action: Option<String>,
    /// Only what was asked at this time or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Only what was asked before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// A page of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page {
    /// The rows, the newest first.
    pub entries: Vec<Entry>,
    /// What `before` must be for the next page; left out when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// One request that changed something, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number; later ones have greater numbers.
    pub id: i64,
    /// When (RFC 3339).
    pub at: String,
    /// The token, user or certificate, "uid 0" on the Unix socket; empty without a credential.
    pub who: String,
    /// With which role; empty without a credential.
    pub role: String,
    /// The peer's address; empty on the Unix socket.
    pub source: String,
    /// "http", "https" or "socket".
    pub door: String,
    /// Method and route: "POST /security/blacklist".
    pub action: String,
    /// The target or key.
    pub detail: String,
    /// The status of the answer.
    pub status: u16,
    /// What came of it, in words.
    pub result: String,
    /// How long it took, in microseconds.
    pub micros: u64,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Entry {
        let Row { id, entry } = row;
        Entry {
            id,
            at: clock::rfc3339(Some(entry.at)),
            who: entry.who,
            role: entry.role,
            source: entry.source,
            door: entry.door,
            action: entry.action,
            detail: entry.detail,
            status: entry.status,
            result: entry.result,
            micros: entry.micros,
        }
    }
}

impl Filter {
    fn query(self) -> Result<(Query, usize), Error> {
        let limit = page_length(self.limit)?;
        let query = Query {
            before: self.before,
            // One more tells whether there is a next page.
            limit: limit as u32 + 1,
            who: self.who,
            source: self.source,
            action: self.action,
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
        };
        Ok((query, limit))
    }
}

/// Who asked for which change.
#[utoipa::path(
    get,
    path = "/security/audit",
    tag = "access",
    params(Filter),
    responses(
        (status = 200, description = "A page, the newest first", body = Page),
        (status = 503, description = "There is no store, so nothing is written down"),
    )
)]
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Page>, Error> {
    let (query, limit) = filter.query()?;
    let Some(store) = app.mirror.store().cloned() else {
        return Err(Error::new(
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "there is no store, so nothing is written down",
        ));
    };
    // What was asked just now is part of it; a store that fails shows what it has.
    _ = store.settle().await;
    let rows = blocking(move || store.reader().and_then(|connection| select(&connection, &query))).await?;
    let mut rows = rows.map_err(|error| Error::internal(format!("the audit cannot be read: {error}")))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(Page { entries: rows.into_iter().map(Entry::from).collect(), next }))
}
