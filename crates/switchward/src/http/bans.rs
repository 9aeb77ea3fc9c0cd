//! The bans: `/security/blacklist`, and the way in for a central repository that lifts one.

use super::answer::{self, Batch, BatchResult, Ordered, check_length};
use super::entries::Entries;
use super::extract::{Json, Place, Segment, short, target};
use super::lifetime::{how_long, lifetime};
use super::{Error, Who, blocking, ordered, schema, why};
use crate::access::record::Note;
use crate::app::App;
use crate::clock;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use guard::engine::Terms;
use guard::{Ban, Scope, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// A ban in the list, under its target's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanEntry {
    /// What is banned: an address, an IPv6 /64, a network, an address and port.
    pub ip: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub added_at: String,
    /// Until when; "0001-01-01T00:00:00Z" for good.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Strikes counted.
    pub fail_count: u32,
    /// Whether it is for good.
    pub permanent: bool,
}

/// An order to ban.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct BanOrder {
    /// An address, a CIDR, or an address and port.
    #[schema(value_type = schema::Target, required = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// For how long (Go duration); `security.block_duration` when neither is given.
    #[schema(value_type = Option<schema::GoDuration>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// "sip" or "all" (when left out).
    #[schema(value_type = Option<schema::BanScope>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What to remember of it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whether an address is banned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Banned {
    /// The target.
    pub ip: String,
    /// Whether it is.
    pub blacklisted: bool,
}

/// The answer to the central repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unblocked {
    /// The target.
    pub ip: String,
    /// False: it is not, or no longer.
    pub banned: bool,
    /// In words.
    pub message: String,
    /// What did not go as it should have; left out when all did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An order that can be understood.
struct Order {
    target: Target,
    ttl: Option<Duration>,
    scope: Scope,
    reason: String,
    note: String,
}

impl BanOrder {
    fn parse(self, standard: Duration) -> Result<Order, Error> {
        Ok(Order {
            target: target(self.ip.as_deref().unwrap_or_default())?,
            ttl: lifetime(self.permanent, self.ttl.as_deref(), standard)?,
            scope: match self.scope.as_deref() {
                None | Some("all") => Scope::All,
                Some("sip") => Scope::Sip,
                Some(_) => return Err(Error::bad_request("scope is \"sip\" or \"all\"")),
            },
            reason: short(self.reason),
            note: short(self.note),
        })
    }
}

impl From<&Ban> for BanEntry {
    fn from(ban: &Ban) -> BanEntry {
        BanEntry {
            ip: ban.target.to_string(),
            added_at: clock::rfc3339(Some(ban.since)),
            expires_at: clock::rfc3339(ban.until),
            reason: ban.reason.text.clone(),
            fail_count: ban.reason.count,
            permanent: ban.until.is_none(),
        }
    }
}

/// Every ban, by its target.
#[utoipa::path(
    get,
    path = "/security/blacklist",
    tag = "bans",
    responses((status = 200, description = "The bans", body = BTreeMap<String, BanEntry>))
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    let bans = blocking(move || {
        let mut bans = app.guard.ledger().bans(clock::now());
        bans.sort_unstable_by_key(|ban| ban.target);
        bans
    })
    .await?;
    Ok(Entries::new(bans, |ban| (ban.target.to_string(), BanEntry::from(&**ban))))
}

/// Bans an address, a network or a port.
#[utoipa::path(
    post,
    path = "/security/blacklist",
    tag = "bans",
    request_body = BanOrder,
    responses(
        (status = 200, description = "It is banned", body = Ordered),
        (status = 400, description = "Malformed, allow-listed, trusted or protected"),
        (status = 503, description = "The ledger is full")
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<BanOrder>,
) -> Result<Json<Ordered>, Error> {
    let Order { target, ttl, scope, reason, note } =
        order.parse(app.config.load().security.block_duration)?;
    let order = async move {
        let until = ttl.map(|ttl| clock::now() + ttl);
        let terms = Terms { until, scope, text: &reason, note: &note };
        app.ban_on(target, terms, &who.to_string()).await
    };
    let done = ordered(order).await??;
    Ok(Json(Ordered::with(format!("{target} added to blacklist {}", how_long(ttl)), done.warnings)))
}

/// Bans several, at most 1000; each has its own result.
#[utoipa::path(
    post,
    path = "/security/blacklist/batch",
    tag = "bans",
    request_body = schema::BanOrders,
    responses(
        (status = 200, description = "What became of each", body = Batch),
        (status = 400, description = "Malformed, or more than 1000")
    )
)]
pub(super) async fn add_batch(
    State(app): State<Arc<App>>,
    who: Who,
    note: Option<Extension<Note>>,
    Json(orders): Json<Vec<BanOrder>>,
) -> Result<Json<Batch>, Error> {
    check_length(orders.len())?;
    let standard = app.config.load().security.block_duration;
    let (entering, who) = (app.clone(), who.to_string());
    // A ban of a network walks the allow-list.
    let results: Vec<BatchResult> = blocking(move || {
        let now = clock::now();
        let enter = |order: BanOrder| {
            let given = order.ip.clone().unwrap_or_default();
            let result = order.parse(standard).and_then(|Order { target, ttl, scope, reason, note }| {
                let terms = Terms { until: ttl.map(|ttl| now + ttl), scope, text: &reason, note: &note };
                entering.guard.order_ban_noted(target, terms, &who, now)?;
                tracing::info!(%target, who, "banned by order");
                Ok(target)
            });
            BatchResult::of(&given, result)
        };
        orders.into_iter().map(enter).collect()
    })
    .await?;
    answer::noted(note, &results, app.is_dry());
    let mut warnings = app.settle().await;
    if app.is_dry() {
        warnings.push("dry run: the kernel drops nothing".into());
    }
    Ok(Json(Batch { results, warnings }))
}

/// Whether an address, a network or a port is banned.
#[utoipa::path(
    get,
    path = "/security/blacklist/{*ip}",
    tag = "bans",
    params(Place),
    responses((status = 200, description = "Whether it is", body = Banned))
)]
pub(super) async fn one(State(app): State<Arc<App>>, Segment(path): Segment) -> Result<Response, Error> {
    // A path that may hold slashes can have nothing behind it, so this one is told apart here.
    if let Some(ip) = path.strip_suffix("/why") {
        return Ok(why::of(app, Place::of(ip)?).await?.into_response());
    }
    let place = Place::of(&path)?;
    let now = clock::now();
    let ledger = app.guard.ledger();
    let blacklisted = match (place.target, place.ip) {
        (Target::Port(ip, port), _) => ledger.banned(ip, port, now).is_some(),
        (_, Some(ip)) => ledger.banned(ip, 0, now).is_some(),
        (net, None) => ledger.covering(net, now).is_some() || ledger.ban_of(net, now).is_some(),
    };
    Ok(Json(Banned { ip: place.target.to_string(), blacklisted }).into_response())
}

/// Lifts the bans of a target and of all within it.
#[utoipa::path(
    delete,
    path = "/security/blacklist/{*ip}",
    tag = "bans",
    params(Place),
    responses((status = 200, description = "It is not banned, or no longer", body = Ordered))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    who: Who,
    place: Place,
) -> Result<Json<Ordered>, Error> {
    let done = ordered(async move { app.lift(place.target, &who.to_string()).await }).await?;
    let message = match done.result.len() {
        0 => format!("{} was not in blacklist", place.target),
        1 => format!("{} removed from blacklist", done.result[0].target),
        many => format!("{} removed from blacklist, {many} bans in all", place.target),
    };
    Ok(Json(Ordered::with(message, done.warnings)))
}

/// Lifts a ban; the way in for a central repository of bans.
#[utoipa::path(
    delete,
    path = "/api/v1/ips/{ip}/block",
    tag = "bans",
    params(Place),
    responses((status = 200, description = "It is not banned, or no longer", body = Unblocked))
)]
pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    who: Who,
    place: Place,
) -> Result<Json<Unblocked>, Error> {
    let done = ordered(async move { app.lift(place.target, &who.to_string()).await }).await?;
    Ok(Json(Unblocked {
        ip: place.target.to_string(),
        banned: false,
        message: "IP unblocked successfully".into(),
        warnings: done.warnings,
    }))
}

/// As [`unblock`], for a network whose slash a repository did not encode.
pub(super) async fn unblock_network(
    State(app): State<Arc<App>>,
    who: Who,
    Path((net, length)): Path<(String, String)>,
) -> Result<Json<Unblocked>, Error> {
    let place = Place::of(&format!("{net}/{length}"))?;
    unblock(State(app), who, place).await
}
