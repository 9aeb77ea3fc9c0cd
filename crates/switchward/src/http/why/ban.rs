//! A ban told in full: its terms, its reason, the moments that led to it, and what would have prevented it.

use super::prevention::preventions;
use crate::clock;
use crate::config::duration::format_go;
use crate::http::timelines::words;
use guard::moments::Step;
use guard::rule::Rule;
use guard::{Ban, Reason, Time};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;
use utoipa::ToSchema;

/// A ban, told in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanAccount {
    /// What is banned.
    pub target: String,
    /// "sip" or "all" of its packets.
    pub scope: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// Until when; `null` for good.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// How long still (Go duration); `null` for good.
    pub remaining: Option<String>,
    /// "guard" or "operator" and who.
    pub by: String,
    /// The rule.
    pub rule: String,
    /// Why, in one sentence.
    pub reason: String,
    /// How hard the strikes were to forge.
    pub evidence: String,
    /// Strikes counted.
    pub count: u32,
    /// How many the rule took then; `null` when that is not known.
    #[serde(default)]
    pub threshold: Option<u32>,
    /// Within how long (Go duration); `null` likewise.
    #[serde(default)]
    pub window: Option<String>,
    /// The first strike.
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
    /// The switch that saw the last strike.
    pub switch: String,
    /// What was known in favour of the source when it was made; may be empty.
    #[serde(default)]
    pub standing: String,
    /// Earlier bans that made this one longer.
    #[serde(default)]
    pub priors: u32,
    /// What an operator noted; may be empty.
    #[serde(default)]
    pub note: String,
    /// A few moments that led to it, the oldest first.
    #[serde(default)]
    pub moments: Vec<MomentAccount>,
    /// What would have prevented it, each in a few words; empty for a ban by hand.
    #[serde(default)]
    pub prevented_by: Vec<String>,
}

/// One of the moments that led to a ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MomentAccount {
    /// When, to the millisecond.
    #[schema(format = DateTime)]
    pub at: String,
    /// What, as in `/security/sources/{ip}/timeline`.
    pub what: String,
    /// The same in words.
    pub text: String,
    /// From which address; `null` when unknown.
    pub ip: Option<String>,
    /// From which port; `null` when unknown.
    pub port: Option<u16>,
    /// How it travelled: "udp", "tcp", "tls", "ws"; empty when unknown.
    pub transport: String,
    /// How hard it was to forge.
    pub evidence: String,
    /// The account; empty for none and for one that the ban does not name.
    pub user_id: String,
    /// The user agent; likewise.
    pub user_agent: String,
}

impl BanAccount {
    /// The ban as it stands at `now`; `rules` are those in force.
    pub(super) fn of(ban: &Ban, rules: &[Rule], now: Time) -> BanAccount {
        let reason = &ban.reason;
        BanAccount {
            target: ban.target.to_string(),
            scope: ban.scope.to_string(),
            since: clock::rfc3339(Some(ban.since)),
            until: ban.until.map(|until| clock::rfc3339(Some(until))),
            remaining: ban.remaining(now).map(|left| format_go(Duration::from_secs(left.as_secs()))),
            by: ban.origin.to_string(),
            rule: reason.rule.clone(),
            reason: reason.text.clone(),
            evidence: reason.evidence.to_string(),
            count: reason.count,
            threshold: Some(reason.threshold).filter(|threshold| *threshold > 0),
            window: window(reason).map(format_go),
            first: clock::rfc3339(Some(reason.first)),
            last: clock::rfc3339(Some(reason.last)),
            user_ids: reason.users.clone(),
            domains: reason.domains.clone(),
            user_agents: reason.agents.clone(),
            switch: reason.switch.clone(),
            standing: reason.standing.clone(),
            priors: reason.priors,
            note: ban.note.clone(),
            moments: moments(reason),
            prevented_by: preventions(ban, rules),
        }
    }
}

/// The rule's window when the ban was made.
fn window(reason: &Reason) -> Option<Duration> {
    (reason.window > 0).then(|| Duration::from_secs(reason.window.into()))
}

fn moments(reason: &Reason) -> Vec<MomentAccount> {
    reason.moments.steps().map(|(step, ip)| moment(reason, step, ip)).collect()
}

fn moment(reason: &Reason, step: &Step, ip: Option<IpAddr>) -> MomentAccount {
    let (what, text) = words(step.did);
    let name = |list: &[String], place: Option<guard::moments::Place>| {
        place.and_then(|place| list.get(place.index())).cloned().unwrap_or_default()
    };
    MomentAccount {
        at: clock::exact(step.at(reason.last)),
        what: what.into(),
        text: text.into(),
        ip: ip.map(|ip| ip.to_string()),
        port: Some(step.port).filter(|port| *port != 0),
        transport: step.transport.word().into(),
        evidence: step.evidence.to_string(),
        user_id: name(&reason.users, step.user),
        user_agent: name(&reason.agents, step.agent),
    }
}
