//! Why an address is banned or is not: all that the guard knows of it, for programs and in words.

use super::extract::{Json, Place};
use super::history::{self, HistoryItem};
use super::schema::Address;
use super::timelines::{self, TimelineItem};
use super::{Error, blocking};
use crate::app::App;
use crate::clock;
use crate::config::duration::format_go;
use axum::extract::State;
use guard::engine::{Explanation, RuleRecord};
use guard::{Allowed, Target, Time};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

mod ban;
mod prevention;
mod told;
mod words;

pub use ban::{BanAccount, MomentAccount};
pub use told::HangUpAccount;

/// All that is known of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The address.
    pub ip: String,
    /// What it is counted as: itself, or its IPv6 /64.
    pub source: String,
    /// The country, as two letters. Left out when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The number of the autonomous system, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// Who runs that system, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_name: Option<String>,
    /// The one word for it.
    pub standing: Standing,
    /// Whether bans are enforced in the kernel.
    pub enforced: bool,
    /// Why they are not.
    pub unenforced: Option<String>,
    /// The network of trusted or of the operator's and the host's own addresses that it is in, or the address of a gateway or switch
    /// that it is or lies beside.
    pub out_of_reach: Option<String>,
    /// What a switch told that it is: "gateway carrier1". Left out when it told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<String>,
    /// Who proved the credential of an operator there lately: "user alice"; no rule bans it. Left out when nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The ban that covers it.
    pub ban: Option<BanAccount>,
    /// Bans of single ports of it.
    pub port_bans: Vec<BanAccount>,
    /// The allow entry that covers it.
    pub allowed: Option<AllowAccount>,
    /// Phones registered from it.
    pub registered_phones: u32,
    /// How far it is believed.
    #[serde(default)]
    pub repute: ReputeAccount,
    /// What was counted against it, rule by rule.
    pub counted: Vec<RuleAccount>,
    /// The last bans of it, the newest first; see `/security/history/{ip}`.
    #[serde(default)]
    pub history: Vec<HistoryItem>,
    /// The last bans that would have been made (the rule is in shadow, or bans are not enforced), the newest first; kept in memory.
    #[serde(default)]
    pub would_bans: Vec<BanAccount>,
    /// The last calls of it that were hung up, likewise.
    #[serde(default)]
    pub hang_ups: Vec<HangUpAccount>,
    /// What it did lately, the newest first; see `/security/sources/{ip}/timeline`.
    #[serde(default)]
    pub timeline: Vec<TimelineItem>,
    /// All of this for a person.
    pub text: String,
}

/// What an address is to the guard, the strongest that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A ban covers it.
    Banned,
    /// A ban covers a port of it.
    PortBanned,
    /// It is in a network that is never banned.
    OutOfReach,
    /// It is on the allow-list.
    Allowed,
    /// Phones are registered from it.
    Registered,
    /// Something was counted against it.
    Watched,
    /// Nothing is known of it.
    Unknown,
}

/// An allow entry, told in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowAccount {
    /// What is allowed.
    pub target: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// Until when; `null` for good.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// When it last succeeded.
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// The account; may be empty.
    pub user_id: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// "guard" (by a success) or "operator" and who.
    pub by: String,
}

/// How far an address is believed, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReputeAccount {
    /// "stranger", "known" or "trusted".
    pub tier: String,
    /// Days among the last fourteen on which right credentials came from it.
    pub good_days: u32,
    /// Days with a proven attack among them.
    pub bad_days: u32,
    /// Its answered calls, halved every week.
    pub answered_calls: u16,
    /// Different user agents, at most three.
    pub user_agents: u8,
    /// Earlier bans of it that still make the next one longer.
    pub earlier_bans: u32,
}

/// What one rule has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleAccount {
    /// The rule.
    pub rule: String,
    /// What it counts.
    pub what: String,
    /// How many.
    pub count: u32,
    /// How many make it fire.
    pub threshold: u32,
    /// Within how long (Go duration).
    pub window: String,
    /// The first.
    #[schema(format = DateTime)]
    pub first: String,
    /// The last one.
    #[schema(format = DateTime)]
    pub last: String,
    /// Accounts named, a few.
    pub user_ids: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
    /// User agents, a few.
    pub user_agents: Vec<String>,
}

/// Why an address is banned or is not: all that the guard knows of it.
#[utoipa::path(
    get,
    path = "/security/why/{*ip}",
    tag = "state",
    params(("ip" = Address, Path, description = "The address")),
    responses(
        (status = 200, description = "What is known", body = Why),
        (status = 400, description = "Not an address, or a network")
    )
)]
pub(super) async fn why(State(app): State<Arc<App>>, place: Place) -> Result<Json<Why>, Error> {
    of(app, place).await
}

/// The same as `/security/why/{ip}`.
#[utoipa::path(
    get,
    path = "/security/blacklist/{ip}/why",
    tag = "bans",
    params(("ip" = Address, Path, description = "The address")),
    responses(
        (status = 200, description = "What is known", body = Why),
        (status = 400, description = "Not an address, or a network")
    )
)]
#[expect(dead_code, reason = "a description; bans::one tells this path apart")]
pub(super) fn why_of_ban() {}

/// The description of the path that has no route of its own.
#[derive(utoipa::OpenApi)]
#[openapi(paths(why_of_ban))]
pub(super) struct Alias;

/// All that is known of an address.
pub(super) async fn of(app: Arc<App>, place: Place) -> Result<Json<Why>, Error> {
    let Some(ip) = place.ip else {
        return Err(Error::bad_request(format!(
            "{} is a network; ask about one address of it",
            place.target
        )));
    };
    // It walks the bans for those of single ports.
    let account = blocking(move || {
        let now = clock::now();
        let mut known = app.guard.explain(ip, now);
        let mut shown = ip.to_string();
        if let Target::Port(..) = place.target {
            shown = place.target.to_string();
            known.ports.retain(|ban| ban.target == place.target);
            known.ban = known.ban.or_else(|| known.ports.pop());
        }
        let mut account = tell(&app, ip, shown, &known, now);
        account.history = history::latest(&app, place.target, LAST_BANS);
        account.timeline = timelines::around(&app, place, LAST_MOMENTS);
        words::tell_past(&mut account);
        account
    })
    .await?;
    Ok(Json(account))
}

fn tell(app: &App, asked: IpAddr, ip: String, known: &Explanation, now: Time) -> Why {
    let place = app.geo.atlas().lookup(asked);
    let rules = app.guard.policy().rules();
    let (would_bans, hang_ups) = told::told(app, known.source, &rules, now);
    let mut account = Why {
        ip,
        source: known.source.to_string(),
        country: place.as_ref().and_then(|place| place.country).map(|country| country.to_string()),
        as_number: place.as_ref().and_then(|place| place.as_number),
        as_name: place.as_ref().and_then(|place| place.as_name.clone()),
        standing: standing(known),
        enforced: app.is_enforcing(),
        unenforced: unenforced(app),
        out_of_reach: known
            .out_of_reach
            .map(|net| net.to_string())
            .or_else(|| known.learnt.as_ref().map(|learnt| learnt.place().to_string())),
        learnt: known.learnt.as_ref().map(|learnt| learnt.label.to_string()),
        operator: known.operator.as_ref().map(|operator| operator.name.to_string()),
        ban: known.ban.as_ref().map(|ban| BanAccount::of(ban, &rules, now)),
        port_bans: known.ports.iter().map(|ban| BanAccount::of(ban, &rules, now)).collect(),
        allowed: known.allowed.as_ref().map(AllowAccount::of),
        registered_phones: known.phones,
        repute: ReputeAccount::of(known),
        counted: known.counted.iter().map(RuleAccount::of).collect(),
        history: Vec::new(),
        would_bans,
        hang_ups,
        timeline: Vec::new(),
        text: String::new(),
    };
    account.text = words::words(&account, known, place.as_ref(), now);
    account
}

/// Why nothing is dropped, when nothing is.
pub(super) fn unenforced(app: &App) -> Option<String> {
    if app.is_dry() {
        return Some("dry run (security.dry_run)".into());
    }
    match app.mirror.firewall() {
        Some(_) => None,
        None => Some(app.unenforced.clone().unwrap_or_else(|| "no firewall is open".into())),
    }
}

fn standing(known: &Explanation) -> Standing {
    if known.ban.is_some() {
        Standing::Banned
    } else if !known.ports.is_empty() {
        Standing::PortBanned
    } else if known.out_of_reach.is_some() || known.learnt.is_some() || known.operator.is_some() {
        Standing::OutOfReach
    } else if known.allowed.is_some() {
        Standing::Allowed
    } else if known.phones > 0 {
        Standing::Registered
    } else if known.counted.iter().any(|counted| !counted.key.is_wide()) {
        Standing::Watched
    } else {
        Standing::Unknown
    }
}

impl ReputeAccount {
    fn of(known: &Explanation) -> ReputeAccount {
        let repute = &known.repute;
        ReputeAccount {
            tier: repute.tier.to_string(),
            good_days: repute.good_days,
            bad_days: repute.bad_days,
            answered_calls: repute.answered,
            user_agents: repute.agents,
            earlier_bans: known.priors,
        }
    }
}

impl AllowAccount {
    fn of(entry: &Allowed) -> AllowAccount {
        AllowAccount {
            target: entry.target.to_string(),
            since: clock::rfc3339(Some(entry.added)),
            until: entry.until.map(|until| clock::rfc3339(Some(until))),
            last_seen: clock::rfc3339(Some(entry.last_seen)),
            user_id: entry.user.clone(),
            domain: entry.domain.clone(),
            by: entry.origin.to_string(),
        }
    }
}

impl RuleAccount {
    fn of(counted: &RuleRecord) -> RuleAccount {
        let RuleRecord { rule, what, threshold, window, record, .. } = counted;
        RuleAccount {
            rule: rule.to_string(),
            what: what.to_string(),
            count: record.count,
            threshold: *threshold,
            window: format_go(*window),
            first: clock::rfc3339(Some(record.first)),
            last: clock::rfc3339(Some(record.last)),
            user_ids: record.users.clone(),
            domains: record.domains.clone(),
            user_agents: record.agents.clone(),
        }
    }
}

/// Bans of the past that are told.
const LAST_BANS: usize = 10;
/// Things that it did that are told.
const LAST_MOMENTS: usize = 20;
