//! What a source or an account did lately, with the bans that came of it: `/security/sources/{ip}/timeline` and
//! `/security/accounts/{account}/timeline`.
//!
//! What they did comes out of the guard's memory, which is bounded (`guard.timeline`) and begins with the daemon; bans and their
//! ends come out of the store. All names were made printable.

use super::Error;
use super::extract::{Json, Place, Query, Segment};
use super::history::{HistoryItem, latest, matching};
use super::lists::page::page_length;
use super::lists::search::Account;
use super::lists::walking;
use super::schema::Address;
use crate::app::App;
use crate::clock;
use crate::store::history::Asked;
use axum::extract::State;
use guard::Method;
use guard::timeline::{Did, Moment};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(of_source)).routes(routes!(of_account))
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineItem {
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// "refused" (credentials), "abandoned" (a challenged call), "call", "registered", "unregistered", "registration-expired",
    /// "heard-while-banned"; "banned", "ban-expired", "ban-lifted", "ban-lost".
    pub what: String,
    /// The same in words.
    pub text: String,
    /// From which address; of a ban its target.
    pub ip: String,
    /// From which port; `null` when unknown.
    pub port: Option<u16>,
    /// The account; may be empty, and is cut to 32 bytes.
    pub user_id: String,
    /// Its domain; likewise.
    pub domain: String,
    /// The user agent; likewise.
    pub user_agent: String,
    /// How the request travelled: "udp", "tcp", "tls", "ws"; empty when unknown.
    pub transport: String,
    /// How hard it was to forge; empty for the end of a ban.
    pub evidence: String,
    /// The switch that saw it; may be empty.
    pub switch: String,
}

/// What happened lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The source (an address or an IPv6 /64) or the account.
    pub subject: String,
    /// The newest first.
    pub timeline: Vec<TimelineItem>,
}

/// How much of a timeline.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    /// At most so many entries, 1 to 1000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// What a source did lately, and the bans that came of it.
#[utoipa::path(
    get,
    path = "/security/sources/{ip}/timeline",
    tag = "counters",
    params(("ip" = Address, Path, description = "The address; for IPv6 all of its /64 is meant"), TimelineQuery),
    responses(
        (status = 200, description = "Its timeline", body = Timeline),
        (status = 400, description = "Not an address, or a network")
    )
)]
async fn of_source(
    State(app): State<Arc<App>>,
    place: Place,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Timeline>, Error> {
    let most = page_length(query.limit)?;
    if place.source().is_none() {
        return Err(Error::bad_request(format!(
            "{} is a network; ask about one address of it",
            place.target
        )));
    }
    walking(move || {
        let subject = place.source().map(|source| source.to_string()).unwrap_or_default();
        Json(Timeline { subject, timeline: around(&app, place, most) })
    })
    .await
}

/// What was done lately in the name of an account, by whomever, and the bans that name it.
#[utoipa::path(
    get,
    path = "/security/accounts/{account}/timeline",
    tag = "counters",
    params(("account" = String, Path, description = "name@domain", pattern = "^[a-z0-9.]+@[a-z0-9.]+$"), TimelineQuery),
    responses(
        (status = 200, description = "Its timeline", body = Timeline),
        (status = 400, description = "Not name@domain")
    )
)]
async fn of_account(
    State(app): State<Arc<App>>,
    Segment(account): Segment,
    Query(query): Query<TimelineQuery>,
) -> Result<Json<Timeline>, Error> {
    let most = page_length(query.limit)?;
    let subject: String = account.trim().chars().take(LONGEST_ACCOUNT).collect();
    let Some((user, domain)) =
        subject.rsplit_once('@').filter(|(user, domain)| !user.is_empty() && !domain.is_empty())
    else {
        return Err(Error::bad_request("an account is name@domain"));
    };
    let (user, domain) = (user.to_owned(), domain.to_owned());
    walking(move || {
        let moments = app.guard.timeline_of_account(user.as_bytes(), domain.as_bytes(), most);
        let wanted = Account::of(Some(&format!("{user}@{domain}")));
        let bans = matching(&app, &Asked { limit: most, ..Asked::default() }, |row| {
            let reason = &row.ban.reason;
            wanted.as_ref().is_some_and(|account| account.is_among(&reason.users, &reason.domains))
        });
        let subject = guard::printable(format!("{user}@{domain}").as_bytes());
        Json(Timeline { subject, timeline: merged(&app, &moments, &bans, most) })
    })
    .await
}

/// The newest of what a source did and of its bans. Blocks.
pub(super) fn around(app: &App, place: Place, most: usize) -> Vec<TimelineItem> {
    let moments = place.source().map(|source| app.guard.timeline_of_source(source, most));
    merged(app, &moments.unwrap_or_default(), &latest(app, place.target, most), most)
}

fn merged(app: &App, moments: &[Moment], bans: &[HistoryItem], most: usize) -> Vec<TimelineItem> {
    // Within one second what the guard did comes after what it saw, so nearer to the top.
    let ends = bans.iter().filter_map(TimelineItem::of_end);
    let seen = moments.iter().map(|moment| TimelineItem::of(app, moment));
    let mut items: Vec<TimelineItem> =
        ends.chain(bans.iter().map(TimelineItem::of_ban)).chain(seen).collect();
    items.sort_by(|one, other| other.at.cmp(&one.at));
    items.truncate(most);
    items
}

impl TimelineItem {
    fn of(app: &App, moment: &Moment) -> TimelineItem {
        let switch = app.switches.iter().find(|switch| switch.number == moment.switch);
        let (what, text) = words(moment.did);
        TimelineItem {
            at: clock::rfc3339(Some(moment.at)),
            what: what.into(),
            text: text.into(),
            ip: moment.ip.to_string(),
            port: Some(moment.port).filter(|port| *port != 0),
            user_id: moment.user.clone(),
            domain: moment.domain.clone(),
            user_agent: moment.agent.clone(),
            transport: moment.transport.word().into(),
            evidence: moment.evidence.to_string(),
            switch: switch.map(|switch| switch.name.clone()).unwrap_or_default(),
        }
    }

    fn of_ban(item: &HistoryItem) -> TimelineItem {
        let ban = &item.ban;
        TimelineItem {
            at: item.since.clone(),
            what: "banned".into(),
            text: format!("{} by {}: {}", ban.target, maker(item), ban.reason),
            ip: ban.target.clone(),
            port: None,
            user_id: ban.user_ids.first().cloned().unwrap_or_default(),
            domain: ban.domains.first().cloned().unwrap_or_default(),
            user_agent: ban.user_agents.first().cloned().unwrap_or_default(),
            transport: String::new(),
            evidence: ban.evidence.clone(),
            switch: ban.switch.clone(),
        }
    }

    fn of_end(item: &HistoryItem) -> Option<TimelineItem> {
        let (at, how) = (item.ended.clone()?, item.how.as_deref()?);
        let text = match &item.lifted_by {
            Some(by) => format!("the ban of {} was lifted by {by}", item.ban.target),
            None if how == "expired" => format!("the ban of {} ran out", item.ban.target),
            None => format!("the ban of {} ended, nobody knows how", item.ban.target),
        };
        let what = format!("ban-{how}");
        Some(TimelineItem { at, what, text, evidence: String::new(), ..TimelineItem::of_ban(item) })
    }
}

fn maker(item: &HistoryItem) -> String {
    match item.ban.origin.as_str() {
        "guard" => format!("rule {}", item.ban.rule),
        _ => format!("operator {}", item.ban.who),
    }
}

/// The word and the words for what a source did.
pub(super) fn words(did: Did) -> (&'static str, &'static str) {
    match did {
        Did::Refused(Method::Register) => ("refused", "its credentials for a registration were refused"),
        Did::Refused(Method::Invite) => ("refused", "its credentials for a call were refused"),
        Did::Refused(Method::Other) => ("refused", "its credentials were refused"),
        Did::Abandoned => ("abandoned", "it was challenged for a call and never came back"),
        Did::Called { authenticated: true } => ("call", "it started a call with an account"),
        Did::Called { authenticated: false } => ("call", "it started a call without an account"),
        Did::Registered => ("registered", "it registered a phone"),
        Did::Unregistered => ("unregistered", "it took a registration back"),
        Did::Expired => ("registration-expired", "a registration of it ran out"),
        Did::HeardWhileBanned => ("heard-while-banned", "it was heard although it is banned"),
        Did::Challenged => ("challenged", "it was challenged for its credentials"),
        Did::UnknownAccount => ("unknown-account", "it named an account that the switch does not have"),
        Did::AclRejected => ("acl-rejected", "an access list of the switch refused it"),
    }
}

/// Characters of an account that are looked for.
const LONGEST_ACCOUNT: usize = 200;
