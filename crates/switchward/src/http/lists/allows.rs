//! The allow-list as a list of objects: `GET /security/allows`, searched, sorted, page by page.

use super::super::extract::{Json, Query};
use super::super::{Error, schema};
use super::bans::{Maker, by};
use super::page::{Direction, Key, Order, Page};
use super::search::{Account, Needle, Where, wanted};
use super::walking;
use crate::app::App;
use crate::clock;
use axum::extract::State;
use guard::{Allowed, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// An allow entry with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowItem {
    /// What is allowed: an address, an IPv6 /64 or a network.
    pub target: String,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub since: String,
    /// Until when (RFC 3339); `null` for good.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// How many seconds still; `null` for good.
    pub remaining_seconds: Option<u64>,
    /// When it last succeeded (RFC 3339).
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// The account; may be empty.
    pub user_id: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// Who made it: "guard" (by a success) or "operator".
    pub origin: String,
    /// Which operator, as far as it is known; empty for the guard.
    pub who: String,
}

/// One page of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowPage {
    /// The entries of this page.
    pub allows: Vec<AllowItem>,
    /// How many entries match the search, over all pages.
    pub matched: u64,
    /// How many entries stand.
    pub total: u64,
    /// The `cursor` of the next page; `null` on the last.
    pub next: Option<String>,
}

/// What allow entries are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AllowSort {
    /// When it was made.
    Since,
    /// When it ends; entries for good last.
    Until,
    /// What is allowed: hosts, then networks, each by address.
    Target,
    /// When it last succeeded.
    Seen,
}

/// Which allow entries, in which order. Conditions that are given must all hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AllowQuery {
    /// Entries of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// "next" of the page before.
    pub cursor: Option<String>,
    /// What the list is sorted by; "since" when left out.
    #[param(inline)]
    pub sort: Option<AllowSort>,
    /// "asc" or "desc"; "desc" when left out.
    #[param(inline)]
    pub order: Option<Direction>,
    /// An address or a CIDR: as `ip`; anything else: a text in the account, its domain or the operator's name.
    pub search: Option<String>,
    /// An address or a CIDR: entries that have an address in common with it.
    #[param(value_type = Option<schema::TargetIfAny>)]
    pub ip: Option<String>,
    /// An account: a part of its name, or all of name@domain.
    pub account: Option<String>,
    /// A part of the name of the operator who made it.
    pub who: Option<String>,
    /// Who made it.
    #[param(inline)]
    pub origin: Option<Maker>,
}

/// Allow entries, searched and sorted, page by page.
#[utoipa::path(
    get,
    path = "/security/allows",
    tag = "allow-list",
    params(AllowQuery),
    responses(
        (status = 200, description = "A page of the allow-list", body = AllowPage),
        (status = 400, description = "A parameter that is unknown or malformed"),
        (status = 404, description = "The cursor leads nowhere")
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<AllowQuery>,
) -> Result<Json<AllowPage>, Error> {
    let standard = (AllowSort::Since, Direction::Desc);
    let order = Order::new((query.sort, query.order), standard, query.limit, query.cursor.as_deref())?;
    let mut place = Where::of(query.ip.as_deref())?;
    let mut any = Needle::of(query.search.as_deref());
    if place.is_none()
        && let Ok(found @ Some(_)) = Where::of(query.search.as_deref())
    {
        (place, any) = (found, None);
    }
    let (account, who) = (Account::of(query.account.as_deref()), Needle::of(query.who.as_deref()));
    let page = walking(move || {
        let now = clock::now();
        let (sort, mut total) = (order.sort, 0);
        let mut page = Page::new(order);
        app.guard.ledger().each_allow(now, |entry| {
            total += 1;
            let finds = place.is_none_or(|place| place.holds(entry.target))
                && query.origin.is_none_or(|maker| maker.is(&entry.origin))
                && wanted(who.as_ref(), |who| who.is_in(by(&entry.origin).1))
                && account.as_ref().is_none_or(|account| {
                    account.is_among(std::slice::from_ref(&entry.user), std::slice::from_ref(&entry.domain))
                })
                && wanted(any.as_ref(), |any| {
                    any.is_in(&entry.user) || any.is_in(&entry.domain) || any.is_in(by(&entry.origin).1)
                });
            if finds {
                page.offer((key(sort, &entry), entry.target), || entry);
            }
        });
        let (allows, matched, next) = page.finish();
        AllowPage {
            allows: allows.iter().map(|entry| AllowItem::of(entry, now)).collect(),
            matched,
            total,
            next,
        }
    });
    Ok(Json(page.await?))
}

fn key(sort: AllowSort, entry: &Allowed) -> Key {
    match sort {
        AllowSort::Since => Key::Number(entry.added.micros()),
        AllowSort::Until => Key::Number(entry.until.map_or(u64::MAX, Time::micros)),
        AllowSort::Target => Key::None,
        AllowSort::Seen => Key::Number(entry.last_seen.micros()),
    }
}

impl AllowItem {
    fn of(entry: &Allowed, now: Time) -> AllowItem {
        let (origin, who) = by(&entry.origin);
        AllowItem {
            target: entry.target.to_string(),
            since: clock::rfc3339(Some(entry.added)),
            until: entry.until.map(|until| clock::rfc3339(Some(until))),
            remaining_seconds: entry.until.map(|until| until.since(now).as_secs()),
            last_seen: clock::rfc3339(Some(entry.last_seen)),
            user_id: entry.user.clone(),
            domain: entry.domain.clone(),
            origin: origin.into(),
            who: who.into(),
        }
    }
}
