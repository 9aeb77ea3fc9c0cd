//! The allow-list: `/security/whitelist`.

use super::allowed_names::{self, Listable};
use super::answer::{self, Batch, BatchResult, Ordered, check_length};
use super::entries::Entries;
use super::extract::{Json, short};
use super::lifetime::{how_long, lifetime};
use super::{Error, Who, blocking, ordered, schema};
use crate::access::record::Note;
use crate::app::App;
use crate::clock;
use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use guard::Allowed;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// An allow entry in the list, under its target's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowEntry {
    /// What is allowed: an address, an IPv6 /64 or a network.
    pub ip: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub added_at: String,
    /// Until when; "0001-01-01T00:00:00Z" for good.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// When it last succeeded.
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// The account; may be empty.
    pub user_id: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// Whether it is for good.
    pub permanent: bool,
}

/// An order to allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowOrder {
    /// An address, a CIDR, or a full host name.
    #[schema(value_type = schema::Allowable, required = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The account that it is for.
    #[serde(alias = "user_id", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// For good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// For how long (Go duration); when neither is given, `security.whitelist_ttl`, and of a name until it is removed.
    #[schema(value_type = Option<schema::GoDuration>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// Whether an address is on the allow-list, and as whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The target.
    pub ip: String,
    /// Whether it is.
    pub whitelisted: bool,
    /// The account; left out when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Its domain; left out when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What a name means now; left out of an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
}

/// An order that can be understood.
struct Order {
    what: Listable,
    ttl: Option<Duration>,
    user: String,
    domain: String,
}

impl AllowOrder {
    fn parse(self, standard: Duration) -> Result<Order, Error> {
        let what = Listable::of(self.ip.as_deref().unwrap_or_default())?;
        let unsaid = self.permanent.is_none_or(|permanent| !permanent) && self.ttl.is_none();
        let ttl = lifetime(self.permanent, self.ttl.as_deref(), standard)?;
        Ok(Order {
            // Of a name the addresses come and go; the name itself stays.
            ttl: ttl.filter(|_| !(unsaid && matches!(what, Listable::Name(_)))),
            what,
            user: short(self.user_id),
            domain: short(self.domain),
        })
    }
}

impl From<&Allowed> for AllowEntry {
    fn from(entry: &Allowed) -> AllowEntry {
        AllowEntry {
            ip: entry.target.to_string(),
            added_at: clock::rfc3339(Some(entry.added)),
            expires_at: clock::rfc3339(entry.until),
            last_seen: clock::rfc3339(Some(entry.last_seen)),
            user_id: entry.user.clone(),
            domain: entry.domain.clone(),
            permanent: entry.until.is_none(),
        }
    }
}

/// Every allow entry, by its target.
#[utoipa::path(
    get,
    path = "/security/whitelist",
    tag = "allow-list",
    responses((status = 200, description = "The entries", body = BTreeMap<String, AllowEntry>))
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<impl IntoResponse, Error> {
    let allows = blocking(move || {
        let mut allows = app.guard.ledger().allows(clock::now());
        allows.sort_unstable_by_key(|entry| entry.target);
        allows
    })
    .await?;
    Ok(Entries::new(allows, |entry| (entry.target.to_string(), AllowEntry::from(entry))))
}

/// Allows an address or a network, and lifts its bans.
#[utoipa::path(
    post,
    path = "/security/whitelist",
    tag = "allow-list",
    request_body = AllowOrder,
    responses(
        (status = 200, description = "It is allowed", body = Ordered),
        (status = 400, description = "Malformed"),
        (status = 503, description = "The ledger is full")
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<AllowOrder>,
) -> Result<Json<Ordered>, Error> {
    let Order { what, ttl, user, domain } = order.parse(app.config.load().security.whitelist_ttl)?;
    let target = match what {
        Listable::Target(target) => target,
        Listable::Name(name) => {
            let terms = allowed_names::terms(&who, ttl, user, domain);
            return allowed_names::add(&app, name, terms, how_long(ttl)).await.map(Json);
        }
    };
    let order = async move { app.allow(target, ttl, &user, &domain, &who.to_string()).await };
    let done = ordered(order).await??;
    let (_, lifted) = done.result;
    let mut message = format!("{target} added to whitelist {}", how_long(ttl));
    message += &match lifted.len() {
        0 => String::new(),
        1 => format!(", the ban of {} lifted", lifted[0].target),
        many => format!(", {many} bans lifted"),
    };
    Ok(Json(Ordered::with(message, done.warnings)))
}

/// Allows several, at most 1000; each has its own result.
#[utoipa::path(
    post,
    path = "/security/whitelist/batch",
    tag = "allow-list",
    request_body = schema::AllowOrders,
    responses(
        (status = 200, description = "What became of each", body = Batch),
        (status = 400, description = "Malformed, or more than 1000")
    )
)]
pub(super) async fn add_batch(
    State(app): State<Arc<App>>,
    who: Who,
    note: Option<Extension<Note>>,
    Json(orders): Json<Vec<AllowOrder>>,
) -> Result<Json<Batch>, Error> {
    check_length(orders.len())?;
    let standard = app.config.load().security.whitelist_ttl;
    let entering = app.clone();
    // An entry for a network walks the bans to lift those within.
    let results: Vec<BatchResult> = blocking(move || {
        let now = clock::now();
        let enter = |order: AllowOrder| {
            let given = order.ip.clone().unwrap_or_default();
            let result = order.parse(standard).and_then(|Order { what, ttl, user, domain }| {
                let target = match &what {
                    Listable::Target(target) => *target,
                    Listable::Name(name) => {
                        let terms = allowed_names::terms(&who, ttl, user, domain);
                        entering.names.order(&entering, name, terms)?;
                        return Ok(what);
                    }
                };
                let (_, lifted) =
                    entering.guard.order_allow(target, ttl, &user, &domain, &who.to_string(), now)?;
                tracing::info!(%target, %who, lifted = lifted.len(), "allowed by order");
                Ok(what)
            });
            BatchResult::of(&given, result)
        };
        orders.into_iter().map(enter).collect()
    })
    .await?;
    answer::noted(note, &results, false);
    Ok(Json(Batch { results, warnings: app.settle().await }))
}

/// Whether an address is on the allow-list, and as whose.
#[utoipa::path(
    get,
    path = "/security/whitelist/{*ip}",
    tag = "allow-list",
    params(("ip" = schema::TargetOrName, Path, description = "An address, a CIDR or a name")),
    responses((status = 200, description = "Whether it is", body = Listed))
)]
pub(super) async fn one(State(app): State<Arc<App>>, what: Listable) -> Json<Listed> {
    let target = match what {
        Listable::Target(target) => target,
        Listable::Name(name) => return Json(allowed_names::listed(&app, &name)),
    };
    let entry = app.guard.ledger().allow_entry(target, clock::now());
    Json(Listed {
        addresses: None,
        ip: target.to_string(),
        whitelisted: entry.is_some(),
        user_id: entry.as_ref().map(|entry| entry.user.clone()),
        domain: entry.map(|entry| entry.domain),
    })
}

/// Takes an entry from the allow-list.
#[utoipa::path(
    delete,
    path = "/security/whitelist/{*ip}",
    tag = "allow-list",
    params(("ip" = schema::TargetOrName, Path, description = "An address, a CIDR or a name")),
    responses(
        (status = 200, description = "It is not on the list, or no longer", body = Ordered),
        (status = 409, description = "A name that the configuration has")
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    who: Who,
    what: Listable,
) -> Result<Json<Ordered>, Error> {
    let target = match what {
        Listable::Target(target) => target,
        Listable::Name(name) => {
            let removed = allowed_names::take_away(&app, &name, &who).await?;
            let unknown = || Ordered::new(format!("{name} was not in whitelist"));
            return Ok(Json(removed.unwrap_or_else(unknown)));
        }
    };
    let ordering = app.clone();
    let mut done = ordered(async move { ordering.disallow(target, &who.to_string()).await }).await?;
    if let Some(entry) = app.guard.ledger().allow_entry(target, clock::now()) {
        done.warnings.push(format!("{target} is still allowed by the entry of {}", entry.target));
    }
    if let Some(name) = app.names.holder(target) {
        done.warnings
            .push(format!("the allowed name {name} has this address; remove the name to keep it off"));
    }
    let message = match done.result {
        true => format!("{target} removed from whitelist"),
        false => format!("{target} was not in whitelist"),
    };
    Ok(Json(Ordered::with(message, done.warnings)))
}
