//! The data of each kind of event on the stream: plain serde types, which a reader can read back.
//!
//! [`StreamItem::parse`] is for readers. Times are RFC 3339 in UTC.

use super::Counters;
use crate::clock::exact;
use crate::news::{Alarm, Event, Item};
use guard::{Allowed, Ban, Origin, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kinds of events.
pub const NAMES: [&str; 12] = [
    "ban",
    "unban",
    "expired",
    "allow",
    "disallow",
    "would-ban",
    "hang-up",
    "alert",
    "switch",
    "alarm",
    "counters",
    "missed",
];

/// The data of one event; which it is tells the event's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StreamItem {
    /// `ban`, `unban`, `expired`, `would-ban`.
    Ban(BanNews),
    /// `allow`, `disallow`.
    Allow(AllowNews),
    /// `hang-up`.
    HangUp(HangUpNews),
    /// `alert`.
    Alert(AlertNews),
    /// `switch`.
    Switch(SwitchNews),
    /// `alarm`.
    Alarm(AlarmNews),
    /// `counters`.
    Counters(Box<Counters>),
    /// `missed`.
    Missed(MissedNews),
}

/// A ban that was made, lifted, that ran out, or that would have been made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanNews {
    /// When this was told.
    pub at: String,
    /// What is banned: an address, an IPv6 /64, a network, an address and port.
    pub target: String,
    /// "sip" or "all".
    pub scope: String,
    /// Since when.
    pub since: String,
    /// Until when; `null` for good.
    pub until: Option<String>,
    /// Who made the ban: "guard" or "operator NAME".
    pub made_by: String,
    /// Who lifted it; `null` when nobody did.
    pub lifted_by: Option<String>,
    /// The rule; "operator" for a ban by hand.
    pub rule: String,
    /// Why, in one sentence.
    pub reason: String,
    /// "forgeable", "likely" or "proven".
    pub evidence: String,
    /// Strikes counted.
    pub count: u32,
    /// The first strike.
    pub first: String,
    /// The last strike.
    pub last: String,
    /// Accounts named, a few.
    pub users: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
    /// User agents, a few.
    pub agents: Vec<String>,
    /// The switch that saw the last strike; empty for a ban by hand.
    pub switch: String,
    /// Whether the daemon is on a dry run: the kernel drops nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// An allow entry that was made or is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowNews {
    /// When this was told.
    pub at: String,
    /// What is allowed: an address, an IPv6 /64 or a network.
    pub target: String,
    /// Since when.
    pub added: String,
    /// Until when; `null` for good.
    pub until: Option<String>,
    /// The account that succeeded, or that an operator named; may be empty.
    pub user: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// Who made it: "guard" (a success) or "operator NAME".
    pub made_by: String,
    /// Who removed it; `null` when it stands or ran out.
    pub removed_by: Option<String>,
}

/// A call that is being ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HangUpNews {
    /// When this was told.
    pub at: String,
    /// The switch.
    pub switch: String,
    /// Where the call came from.
    pub source: String,
    /// Why, in one sentence.
    pub why: String,
}

/// Something of the guard for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertNews {
    /// When this was told.
    pub at: String,
    /// The switch.
    pub switch: String,
    /// "compromise", "not-enforced", "ledger-full", "failing-phone", "budget" or "rule".
    pub kind: String,
    /// About whom.
    pub source: String,
    /// One sentence.
    pub text: String,
}

/// A switch's connection was made or broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchNews {
    /// When this was told.
    pub at: String,
    /// The switch.
    pub switch: String,
    /// Whether its events are read.
    pub connected: bool,
    /// Why not, and the mend; empty when connected.
    pub trouble: String,
}

/// An alarm was raised or is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlarmNews {
    /// When this was told.
    pub at: String,
    /// Which: one word of docs/monitoring.md.
    pub name: String,
    /// About what: a switch, a rule; empty for the daemon itself.
    pub subject: String,
    /// "info", "warning" or "critical".
    pub severity: String,
    /// Whether it is on.
    pub raised: bool,
    /// Since when.
    pub since: String,
    /// What is wrong, and the mend.
    pub text: String,
}

/// Items between the last one that the reader had and the next are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissedNews {
    /// How many; `null` when nobody knows, because the daemon was started anew in between.
    pub items: Option<u64>,
}

impl StreamItem {
    /// The data of an event of this name.
    ///
    /// # Errors
    /// When the name is unknown or the data is not what it should be.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<StreamItem> {
        use serde_json::from_str as read;
        Ok(match name {
            "ban" | "unban" | "expired" | "would-ban" => StreamItem::Ban(read(data)?),
            "allow" | "disallow" => StreamItem::Allow(read(data)?),
            "hang-up" => StreamItem::HangUp(read(data)?),
            "alert" => StreamItem::Alert(read(data)?),
            "switch" => StreamItem::Switch(read(data)?),
            "alarm" => StreamItem::Alarm(read(data)?),
            "counters" => StreamItem::Counters(read(data)?),
            "missed" => StreamItem::Missed(read(data)?),
            other => return Err(serde::de::Error::custom(format!("an event of unknown name {other:?}"))),
        })
    }
}

/// The name and the data of an item of the news.
pub(super) fn of(item: &Item) -> (&'static str, StreamItem) {
    let at = item.at;
    match &item.event {
        Event::Banned(told) => ("ban", StreamItem::Ban(ban(told, None, item))),
        Event::Lifted(told, by) => ("unban", StreamItem::Ban(ban(told, Some(by), item))),
        Event::Expired(told) => ("expired", StreamItem::Ban(ban(told, None, item))),
        Event::WouldBan(told) => ("would-ban", StreamItem::Ban(ban(told, None, item))),
        Event::Allowed(entry) => ("allow", StreamItem::Allow(allow(entry, None, at))),
        Event::Disallowed(entry, by) => ("disallow", StreamItem::Allow(allow(entry, by.as_ref(), at))),
        Event::HangUp { switch, source, why } => {
            let (switch, source, why) = (switch.clone(), source.to_string(), why.clone());
            ("hang-up", StreamItem::HangUp(HangUpNews { at: exact(at), switch, source, why }))
        }
        Event::Alert { switch, alert } => {
            let data = AlertNews {
                at: exact(at),
                switch: switch.clone(),
                kind: alert.kind.word().into(),
                source: alert.source.to_string(),
                text: alert.text.clone(),
            };
            ("alert", StreamItem::Alert(data))
        }
        Event::Switch { switch, connected, trouble } => {
            let (switch, trouble) = (switch.clone(), trouble.clone());
            (
                "switch",
                StreamItem::Switch(SwitchNews { at: exact(at), switch, connected: *connected, trouble }),
            )
        }
        Event::Alarm(told) => ("alarm", StreamItem::Alarm(alarm(told, at))),
    }
}

fn ban(ban: &Ban, lifted_by: Option<&Origin>, item: &Item) -> BanNews {
    let reason = &ban.reason;
    BanNews {
        at: exact(item.at),
        dry_run: item.dry_run,
        target: ban.target.to_string(),
        scope: ban.scope.to_string(),
        since: exact(ban.since),
        until: ban.until.map(exact),
        made_by: ban.origin.to_string(),
        lifted_by: lifted_by.map(ToString::to_string),
        rule: reason.rule.clone(),
        reason: reason.text.clone(),
        evidence: reason.evidence.word().into(),
        count: reason.count,
        first: exact(reason.first),
        last: exact(reason.last),
        users: reason.users.clone(),
        domains: reason.domains.clone(),
        agents: reason.agents.clone(),
        switch: reason.switch.clone(),
    }
}

fn allow(entry: &Allowed, removed_by: Option<&Origin>, at: Time) -> AllowNews {
    AllowNews {
        at: exact(at),
        target: entry.target.to_string(),
        added: exact(entry.added),
        until: entry.until.map(exact),
        user: entry.user.clone(),
        domain: entry.domain.clone(),
        made_by: entry.origin.to_string(),
        removed_by: removed_by.map(ToString::to_string),
    }
}

fn alarm(alarm: &Alarm, at: Time) -> AlarmNews {
    AlarmNews {
        at: exact(at),
        name: alarm.name.into(),
        subject: alarm.subject.clone(),
        severity: alarm.severity.word().into(),
        raised: alarm.raised,
        since: exact(alarm.since),
        text: alarm.text.clone(),
    }
}

/// One event as text. JSON has no line ends, so its data is one line.
pub(super) fn written(name: &str, data: &impl Serialize, id: u64) -> String {
    // Plain structs into memory: this cannot fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// The event that tells of a gap.
pub(super) fn missed(items: Option<u64>, id: u64) -> String {
    written("missed", &MissedNews { items }, id)
}
