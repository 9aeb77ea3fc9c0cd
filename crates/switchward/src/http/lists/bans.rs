//! The bans as a list of objects: `GET /security/bans`, searched, sorted, page by page.

use super::super::extract::{Json, Query};
use super::super::{Error, schema};
use super::page::{Direction, Key, Order, Page};
use super::search::{Account, InCountry, Needle, Where, wanted};
use super::walking;
use crate::app::App;
use crate::clock;
use crate::geo::{Atlas, Country};
use axum::extract::State;
use guard::{Ban, Origin, Scope, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A ban with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanItem {
    /// What is banned: an address, an IPv6 /64, a network, an address and port.
    pub target: String,
    /// "sip" or "all" of its packets.
    pub scope: String,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub since: String,
    /// Until when (RFC 3339); `null` for good.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// How many seconds still; `null` for good.
    pub remaining_seconds: Option<u64>,
    /// Who made it: "guard" or "operator".
    pub origin: String,
    /// Which operator, as far as it is known; empty for the guard.
    pub who: String,
    /// The rule; "operator" for a ban by hand.
    pub rule: String,
    /// Why, in one sentence.
    pub reason: String,
    /// How hard the strikes were to forge: "forgeable", "likely", "proven".
    pub evidence: String,
    /// Strikes counted.
    pub count: u32,
    /// The first strike (RFC 3339).
    #[schema(format = DateTime)]
    pub first: String,
    /// The last one (RFC 3339).
    #[schema(format = DateTime)]
    pub last: String,
    /// Accounts named, a few.
    pub user_ids: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
    /// User agents, a few.
    pub user_agents: Vec<String>,
    /// The switch that saw the last strike; empty for a ban by hand.
    pub switch: String,
    /// What an operator noted; may be empty.
    pub note: String,
    /// The country, as two letters; of a network that of its first address. Left out when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The number of the autonomous system, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// Who runs that system, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_name: Option<String>,
}

/// One page of the bans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanPage {
    /// The bans of this page.
    pub bans: Vec<BanItem>,
    /// How many bans match the search, over all pages.
    pub matched: u64,
    /// How many bans stand.
    pub total: u64,
    /// The `cursor` of the next page; `null` on the last.
    pub next: Option<String>,
}

/// What bans are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BanSort {
    /// When it was made.
    Since,
    /// When it ends; bans for good last.
    Until,
    /// What is banned: hosts, then ports, then networks, each by address.
    Target,
    /// Strikes counted.
    Count,
    /// The country, by its letters; unknown ones last.
    Country,
}

/// Who made a ban or an allow entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Maker {
    /// The guard.
    Guard,
    /// An operator.
    Operator,
}

impl Maker {
    /// Whether `origin` is this.
    pub(super) fn is(self, origin: &Origin) -> bool {
        origin.is_operator() == (self == Maker::Operator)
    }
}

/// Which bans, in which order. Conditions that are given must all hold; texts are found whatever their case.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BanQuery {
    /// Entries of a page, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// "next" of the page before.
    pub cursor: Option<String>,
    /// What the list is sorted by; "since" when left out.
    #[param(inline)]
    pub sort: Option<BanSort>,
    /// "asc" or "desc"; "desc" when left out.
    #[param(inline)]
    pub order: Option<Direction>,
    /// An address or a CIDR: as `ip`; anything else: a text in the reason, an account, a user agent, a domain, the rule or the note.
    pub search: Option<String>,
    /// An address, a CIDR, or an address and port: bans that have an address in common with it.
    #[param(value_type = Option<schema::TargetIfAny>)]
    pub ip: Option<String>,
    /// A part of the reason.
    pub reason: Option<String>,
    /// An account: a part of its name, or all of name@domain.
    pub account: Option<String>,
    /// A part of a user agent.
    pub agent: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The switch.
    pub switch: Option<String>,
    /// A part of the note.
    pub note: Option<String>,
    /// A part of the name of the operator who made it.
    pub who: Option<String>,
    /// The country, as two letters.
    #[param(value_type = Option<schema::CountryIfAny>)]
    pub country: Option<String>,
    /// Which packets.
    #[param(inline, value_type = Option<ScopeWord>)]
    pub scope: Option<Scope>,
    /// Who made it.
    #[param(inline)]
    pub origin: Option<Maker>,
}

/// Which packets of a banned source are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeWord {
    /// Those to the SIP ports.
    Sip,
    /// All.
    All,
}

/// A [`BanQuery`] that can be understood, without its order.
struct Search {
    any: Option<Needle>,
    place: Option<Where>,
    reason: Option<Needle>,
    account: Option<Account>,
    agent: Option<Needle>,
    rule: Option<Needle>,
    switch: Option<Needle>,
    note: Option<Needle>,
    who: Option<Needle>,
    country: Option<InCountry>,
    scope: Option<Scope>,
    origin: Option<Maker>,
}

/// Bans, searched and sorted, page by page.
#[utoipa::path(
    get,
    path = "/security/bans",
    tag = "bans",
    params(BanQuery),
    responses(
        (status = 200, description = "A page of the bans", body = BanPage),
        (status = 400, description = "A parameter that is unknown or malformed"),
        (status = 404, description = "The cursor leads nowhere, or no file of countries is in use")
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<BanQuery>,
) -> Result<Json<BanPage>, Error> {
    let standard = (BanSort::Since, Direction::Desc);
    let order = Order::new((query.sort, query.order), standard, query.limit, query.cursor.as_deref())?;
    let atlas = app.geo.atlas();
    let search = Search::of(&query, &atlas)?;
    let page = walking(move || {
        let now = clock::now();
        let (sort, mut total) = (order.sort, 0);
        let mut page = Page::new(order);
        app.guard.ledger().each_ban(now, |ban| {
            total += 1;
            if search.finds(ban) {
                page.offer((key(sort, ban, &atlas), ban.target), || ban.clone());
            }
        });
        let (bans, matched, next) = page.finish();
        BanPage { bans: bans.iter().map(|ban| BanItem::of(ban, &atlas, now)).collect(), matched, total, next }
    });
    Ok(Json(page.await?))
}

fn key(sort: BanSort, ban: &Ban, atlas: &Atlas) -> Key {
    match sort {
        BanSort::Since => Key::Number(ban.since.micros()),
        BanSort::Until => Key::Number(ban.until.map_or(u64::MAX, Time::micros)),
        BanSort::Target => Key::None,
        BanSort::Count => Key::Number(ban.reason.count.into()),
        BanSort::Country => Key::Number(atlas.country(ban.target).map_or(u64::MAX, Country::rank)),
    }
}

impl Search {
    fn of(query: &BanQuery, atlas: &Arc<Atlas>) -> Result<Search, Error> {
        let needle = |text: &Option<String>| Needle::of(text.as_deref());
        let mut place = Where::of(query.ip.as_deref())?;
        let mut any = needle(&query.search);
        // An address in the one field that a person types into is meant as one.
        if place.is_none()
            && let Ok(found @ Some(_)) = Where::of(query.search.as_deref())
        {
            (place, any) = (found, None);
        }
        Ok(Search {
            any,
            place,
            reason: needle(&query.reason),
            account: Account::of(query.account.as_deref()),
            agent: needle(&query.agent),
            rule: needle(&query.rule),
            switch: needle(&query.switch),
            note: needle(&query.note),
            who: needle(&query.who),
            country: InCountry::of(query.country.as_deref(), atlas)?,
            scope: query.scope,
            origin: query.origin,
        })
    }

    fn finds(&self, ban: &Ban) -> bool {
        let reason = &ban.reason;
        self.place.is_none_or(|place| place.holds(ban.target))
            && self.scope.is_none_or(|scope| scope == ban.scope)
            && self.origin.is_none_or(|maker| maker.is(&ban.origin))
            && wanted(self.rule.as_ref(), |rule| rule.is(&reason.rule))
            && wanted(self.switch.as_ref(), |switch| switch.is(&reason.switch))
            && wanted(self.reason.as_ref(), |text| text.is_in(&reason.text))
            && self.account.as_ref().is_none_or(|account| account.is_among(&reason.users, &reason.domains))
            && wanted(self.agent.as_ref(), |agent| agent.is_in_any(&reason.agents))
            && wanted(self.note.as_ref(), |note| note.is_in(&ban.note))
            && wanted(self.who.as_ref(), |who| who.is_in(by(&ban.origin).1))
            && wanted(self.any.as_ref(), |any| {
                any.is_in(&reason.text)
                    || any.is_in(&ban.note)
                    || any.is_in(&reason.rule)
                    || any.is_in_any(&reason.users)
                    || any.is_in_any(&reason.agents)
                    || any.is_in_any(&reason.domains)
            })
            && self.country.as_ref().is_none_or(|country| country.holds(ban.target))
    }
}

impl BanItem {
    /// A ban as it is at `now`.
    pub(in super::super) fn of(ban: &Ban, atlas: &Atlas, now: Time) -> BanItem {
        let reason = &ban.reason;
        let place = atlas.place(ban.target);
        let (origin, who) = by(&ban.origin);
        BanItem {
            target: ban.target.to_string(),
            scope: ban.scope.to_string(),
            since: clock::rfc3339(Some(ban.since)),
            until: ban.until.map(|until| clock::rfc3339(Some(until))),
            remaining_seconds: ban.remaining(now).map(|left| left.as_secs()),
            origin: origin.into(),
            who: who.into(),
            rule: reason.rule.clone(),
            reason: reason.text.clone(),
            evidence: reason.evidence.to_string(),
            count: reason.count,
            first: clock::rfc3339(Some(reason.first)),
            last: clock::rfc3339(Some(reason.last)),
            user_ids: reason.users.clone(),
            domains: reason.domains.clone(),
            user_agents: reason.agents.clone(),
            switch: reason.switch.clone(),
            note: ban.note.clone(),
            country: place.as_ref().and_then(|place| place.country).map(|country| country.to_string()),
            as_number: place.as_ref().and_then(|place| place.as_number),
            as_name: place.and_then(|place| place.as_name),
        }
    }
}

/// "guard" or "operator", and which operator.
pub(in super::super) fn by(origin: &Origin) -> (&'static str, &str) {
    match origin {
        Origin::Guard => ("guard", ""),
        Origin::Operator(who) => ("operator", who),
    }
}
