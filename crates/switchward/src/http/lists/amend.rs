//! A ban that stands is changed: `PATCH /security/blacklist/{ip}` extends or shortens it, sets its scope or its note.
//!
//! Who made it, why, and since when stay; what was done is in the daemon's log and in the history, whose row it keeps.

use super::super::extract::{Json, Place, short};
use super::super::lifetime::lifetime;
use super::super::{Error, Who, ordered, schema};
use super::bans::{BanItem, ScopeWord};
use crate::app::App;
use crate::clock;
use axum::extract::State;
use axum::http::StatusCode;
use guard::Scope;
use guard::engine::Amendment;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is to change of a ban; at least one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct BanChange {
    /// It lasts for so long from now on (Go duration, such as "24h"); may be longer or shorter than it was.
    #[schema(value_type = schema::GoDuration, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// It is for good.
    #[schema(value_type = bool, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// Which of its packets are dropped.
    #[schema(value_type = ScopeWord, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeWord>,
    /// What to remember of it; an empty one removes the note.
    #[schema(value_type = String, required = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A ban was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// "success".
    pub status: String,
    /// The ban as it is now.
    pub ban: BanItem,
    /// What did not go as it should have; left out when all did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Extends or shortens a ban, sets its scope or its note.
#[utoipa::path(
    patch,
    path = "/security/blacklist/{*ip}",
    tag = "bans",
    params(Place),
    request_body = BanChange,
    responses(
        (status = 200, description = "It is changed", body = Changed),
        (status = 400, description = "Malformed, or nothing to change"),
        (status = 404, description = "Exactly this target is not banned")
    )
)]
pub(super) async fn amend(
    State(app): State<Arc<App>>,
    who: Who,
    place: Place,
    Json(change): Json<BanChange>,
) -> Result<Json<Changed>, Error> {
    let lasts = change.ttl.is_some() || change.permanent == Some(true);
    if !lasts && change.scope.is_none() && change.note.is_none() {
        return Err(Error::bad_request("nothing to change: give ttl, permanent (true), scope or note"));
    }
    let until = match lasts {
        true => {
            let ttl = lifetime(change.permanent, change.ttl.as_deref(), std::time::Duration::ZERO)?;
            Some(ttl.map(|ttl| clock::now() + ttl))
        }
        false => None,
    };
    let scope = change.scope.map(|scope| match scope {
        ScopeWord::Sip => Scope::Sip,
        ScopeWord::All => Scope::All,
    });
    let note = change.note.is_some().then(|| short(change.note));
    let order = async move {
        let now = clock::now();
        let amendment = Amendment { until, scope, note: note.as_deref() };
        let ban =
            app.guard.order_amend(place.target, amendment, now).ok_or_else(|| not_banned(&app, place))?;
        tracing::info!(target = %ban.target, %who, "ban changed by order");
        Ok(Changed {
            status: "success".into(),
            ban: BanItem::of(&ban, &app.geo.atlas(), now),
            warnings: app.settle().await,
        })
    };
    ordered(order).await?.map(Json)
}

fn not_banned(app: &App, place: Place) -> Error {
    let target = place.target;
    let mut text = format!("{target} is not banned");
    if let Some(ban) = app.guard.ledger().covering(target, clock::now()) {
        text += &format!(" itself; {} is, which covers it: change that ban", ban.target);
    }
    Error::new(StatusCode::NOT_FOUND, text)
}
