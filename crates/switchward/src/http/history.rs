//! The history of bans: who, when, why, how they ended and who lifted them. `GET /security/history`, newest first.
//!
//! Read from the store over a connection of the request's own; nothing of it stands in memory.

use super::extract::{Json, Place, Query};
use super::lists::bans::{BanItem, ScopeWord};
use super::lists::page::page_length;
use super::lists::search::{Account, InCountry, Needle, wanted};
use super::lists::walking;
use super::{Error, schema};
use crate::app::App;
use crate::clock;
use crate::geo::Atlas;
use crate::store::Ending;
use crate::store::history::{Asked, End, Row, find};
use axum::extract::State;
use axum::http::StatusCode;
use guard::{Scope, Target, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(history)).routes(routes!(of_one))
}

/// A ban that was made once, and its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryItem {
    /// Its number; a later ban has a higher one.
    pub id: i64,
    /// When it was made (RFC 3339); `ban.since` tells when it was last made anew.
    #[schema(format = DateTime)]
    pub since: String,
    /// When it ended (RFC 3339); `null` while it stands.
    #[schema(format = DateTime)]
    pub ended: Option<String>,
    /// How it ended: "expired", "lifted", "lost" (nobody knows how: the store could not be written); `null` while it stands.
    pub how: Option<String>,
    /// Who lifted it: "guard", or "operator" and who.
    pub lifted_by: Option<String>,
    /// The ban as it was last.
    pub ban: BanItem,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPage {
    /// The newest first.
    pub history: Vec<HistoryItem>,
    /// The `cursor` of the next page; `null` on the last. A page may be short, even empty, and not the last: a request looks at
    /// 50,000 bans at most.
    pub next: Option<i64>,
}

/// How a ban ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndWord {
    /// It stands.
    Standing,
    /// It ran out.
    Expired,
    /// Somebody lifted it, or allowed its target.
    Lifted,
    /// It was gone after the store could not be written.
    Lost,
}

/// Which bans; conditions that are given must all hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Entries of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// "next" of the page before.
    pub cursor: Option<i64>,
    /// An address, a CIDR, or an address and port: bans that have an address in common with it.
    #[param(value_type = Option<schema::TargetIfAny>)]
    pub ip: Option<String>,
    /// The rule; "operator" for bans by hand.
    pub rule: Option<String>,
    /// An account: a part of its name, or all of name@domain.
    pub account: Option<String>,
    /// A part of the reason, of the note or of a user agent.
    pub search: Option<String>,
    /// A part of the name of who made it or lifted it.
    pub who: Option<String>,
    /// The country, as two letters.
    #[param(value_type = Option<schema::CountryIfAny>)]
    pub country: Option<String>,
    /// Which packets.
    #[param(inline, value_type = Option<ScopeWord>)]
    pub scope: Option<Scope>,
    /// How it ended.
    #[param(inline)]
    pub how: Option<EndWord>,
    /// Bans that stood at this time or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<String>,
    /// Bans that stood before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<String>,
}

/// Which page of one target's history.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Entries of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// "next" of the page before.
    pub cursor: Option<i64>,
}

/// All bans that were ever made, as long as they are remembered, newest first.
#[utoipa::path(
    get,
    path = "/security/history",
    tag = "bans",
    params(HistoryQuery),
    responses(
        (status = 200, description = "A page of the history", body = HistoryPage),
        (status = 400, description = "A parameter that is unknown or malformed"),
        (status = 404, description = "No file of countries is in use"),
        (status = 503, description = "There is no store, or it cannot be read")
    )
)]
async fn history(
    State(app): State<Arc<App>>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryPage>, Error> {
    let target = match query.ip.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(super::extract::target(text)?),
    };
    let asked = Asked {
        before: query.cursor,
        limit: page_length(query.limit)?,
        target,
        rule: query.rule.clone().filter(|rule| !rule.is_empty()),
        end: query.how.map(end),
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
    };
    let account = Account::of(query.account.as_deref());
    let country = InCountry::of(query.country.as_deref(), &app.geo.atlas())?;
    let (search, who) = (Needle::of(query.search.as_deref()), Needle::of(query.who.as_deref()));
    let keep = move |row: &Row| {
        let (ban, reason) = (&row.ban, &row.ban.reason);
        let lifted_by = row.ended.as_ref().and_then(|(_, _, by)| by.as_deref());
        query.scope.is_none_or(|scope| scope == ban.scope)
            && account.as_ref().is_none_or(|account| account.is_among(&reason.users, &reason.domains))
            && wanted(search.as_ref(), |text| {
                text.is_in(&reason.text) || text.is_in(&ban.note) || text.is_in_any(&reason.agents)
            })
            && wanted(who.as_ref(), |who| {
                who.is_in(&ban.origin.to_string()) || lifted_by.is_some_and(|by| who.is_in(by))
            })
            && country.as_ref().is_none_or(|country| country.holds(ban.target))
    };
    page(app, asked, keep).await
}

/// The bans of one address or network, newest first: its own, those of its ports, and those of networks around it.
#[utoipa::path(
    get,
    path = "/security/history/{*ip}",
    tag = "bans",
    params(Place, PageQuery),
    responses(
        (status = 200, description = "A page of its history", body = HistoryPage),
        (status = 503, description = "There is no store, or it cannot be read")
    )
)]
async fn of_one(
    State(app): State<Arc<App>>,
    place: Place,
    Query(query): Query<PageQuery>,
) -> Result<Json<HistoryPage>, Error> {
    let limit = page_length(query.limit)?;
    page(app, Asked { before: query.cursor, limit, target: Some(place.target), ..Asked::default() }, |_| true)
        .await
}

async fn page(
    app: Arc<App>,
    asked: Asked,
    keep: impl Fn(&Row) -> bool + Send + 'static,
) -> Result<Json<HistoryPage>, Error> {
    walking(move || {
        let store = app.mirror.store().ok_or_else(|| unreadable("there is none"))?;
        let found = store.reader().and_then(|connection| find(&connection, &asked, keep));
        let (rows, next) = found.map_err(|error| unreadable(&error.to_string()))?;
        let (atlas, now) = (app.geo.atlas(), clock::now());
        let history = rows.iter().map(|row| HistoryItem::of(row, &atlas, now)).collect();
        Ok(Json(HistoryPage { history, next }))
    })
    .await?
}

/// The newest bans of one target; none when the store cannot be read. Blocks.
pub(super) fn latest(app: &App, target: Target, most: usize) -> Vec<HistoryItem> {
    matching(app, &Asked { limit: most, target: Some(target), ..Asked::default() }, |_| true)
}

/// The newest bans that are asked for; none when the store cannot be read. Blocks.
pub(super) fn matching(app: &App, asked: &Asked, keep: impl Fn(&Row) -> bool) -> Vec<HistoryItem> {
    let Some(store) = app.mirror.store() else { return Vec::new() };
    let rows = store.reader().and_then(|connection| find(&connection, asked, keep));
    let (atlas, now) = (app.geo.atlas(), clock::now());
    match rows {
        Ok((rows, _)) => rows.iter().map(|row| HistoryItem::of(row, &atlas, now)).collect(),
        Err(error) => {
            tracing::warn!(%error, "the history cannot be read");
            Vec::new()
        }
    }
}

impl HistoryItem {
    fn of(row: &Row, atlas: &Atlas, now: Time) -> HistoryItem {
        let ended = row.ended.as_ref();
        let mut ban = BanItem::of(&row.ban, atlas, now);
        if ended.is_some() {
            ban.remaining_seconds = Some(0);
        }
        HistoryItem {
            id: row.id,
            since: clock::rfc3339(Some(row.since)),
            ended: ended.map(|(at, ..)| clock::rfc3339(Some(*at))),
            how: ended.map(|(_, how, _)| how.word().to_owned()),
            lifted_by: ended.and_then(|(_, _, by)| by.clone()),
            ban,
        }
    }
}

fn end(word: EndWord) -> End {
    match word {
        EndWord::Standing => End::Standing,
        EndWord::Expired => End::Ended(Ending::Expired),
        EndWord::Lifted => End::Ended(Ending::Lifted),
        EndWord::Lost => End::Ended(Ending::Lost),
    }
}

/// A point in time that a parameter names; what was before 1970 is 1970.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<Time>, Error> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => Ok(Some(Time::from_micros(u64::try_from(stamp.as_microsecond()).unwrap_or_default()))),
        Err(_) => Err(Error::bad_request(format!(
            "{name} is a time such as 2026-11-21T04:18:18Z (in an address, a + is written %2B)"
        ))),
    }
}

fn unreadable(reason: &str) -> Error {
    Error::new(StatusCode::SERVICE_UNAVAILABLE, format!("the store cannot be read: {reason}"))
}
