//! `GET /security/export`: a whole list as text, written while it is sent.

use super::super::Error;
use super::super::extract::Query;
use super::super::lists::walking;
use super::record::Line;
use super::write::{Entry, Text};
use super::{Format, What};
use crate::app::App;
use crate::clock;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use guard::{Allowed, Ban, Scope};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which list, in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// Which list; the bans when left out.
    #[param(inline, value_type = What, required = false)]
    pub what: What,
    /// In which form; JSON when left out.
    #[param(inline, value_type = Format, required = false)]
    pub format: Format,
}

/// All bans or the whole allow-list as JSON, CSV or `ipset save`, sorted by target.
#[utoipa::path(
    get,
    path = "/security/export",
    tag = "bans",
    params(ExportQuery),
    responses(
        (status = 200, description = "The list", content(
            (Vec<Object> = "application/json"), (String = "text/csv"), (String = "text/plain")
        )),
        (status = 400, description = "A parameter that is unknown or malformed")
    )
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    Query(ExportQuery { what, format }): Query<ExportQuery>,
) -> Result<Response, Error> {
    let now = clock::now();
    let (kind, ending) = match format {
        Format::Json => ("application/json", "json"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Ipset => ("text/plain; charset=utf-8", "ipset"),
    };
    let body = match what {
        What::Bans => {
            let bans = walking(move || {
                let mut bans = app.guard.ledger().bans(now);
                bans.sort_unstable_by_key(|ban| ban.target);
                bans
            });
            Body::new(Text::new(bans.await?, of_ban, (what, format), now))
        }
        What::Allows => {
            let allows = walking(move || {
                let mut allows = app.guard.ledger().allows(now);
                allows.sort_unstable_by_key(|entry| entry.target);
                allows
            });
            Body::new(Text::new(allows.await?, of_allow, (what, format), now))
        }
    };
    let list = match what {
        What::Bans => "bans",
        What::Allows => "allows",
    };
    let name = format!("attachment; filename=\"switchward-{list}.{ending}\"");
    Ok(([(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, name)], body).into_response())
}

pub(super) fn of_ban(ban: &Arc<Ban>) -> Entry {
    Entry { line: Line::of_ban(ban), target: ban.target, scope: ban.scope, until: ban.until }
}

pub(super) fn of_allow(entry: &Allowed) -> Entry {
    Entry { line: Line::of_allow(entry), target: entry.target, scope: Scope::All, until: entry.until }
}
