//! One verdict, as replay prints it: a row of the table, or an object of `--json`.

use guard::{Evidence, Observation, Time, Verdict, printable};
use serde::Serialize;
use std::time::Duration;

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A target's packets would be dropped.
    Ban,
    /// A call would be ended.
    Hangup,
    /// Somebody would be told.
    Alert,
    /// A source came onto the allow-list.
    Allow,
}

impl Action {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Action::Ban => "ban",
            Action::Hangup => "hangup",
            Action::Alert => "alert",
            Action::Allow => "allow",
        }
    }
}

/// One verdict.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Line {
    /// When, by the events' own time (RFC 3339, UTC, microseconds).
    pub time: String,
    /// What.
    pub action: Action,
    /// Whom: an address, an IPv6 /64, an address and port, a network.
    pub target: String,
    /// The rule, or the kind of alert.
    pub rule: String,
    /// How hard the evidence is to forge.
    pub evidence: Evidence,
    /// For how many seconds; `null` where there is no end or none is meant.
    pub ttl: Option<u64>,
    /// Why, in one sentence.
    pub reason: String,
    /// Which packets a ban drops: "sip" or "all".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// Strikes counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The switch's name of the call that would be ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

impl Line {
    /// A verdict on what was seen at `now`.
    pub fn of(verdict: &Verdict, seen: &Observation<'_>, now: Time) -> Line {
        let mut line = Line {
            time: time(now),
            action: Action::Alert,
            target: seen.ip.map_or_else(String::new, |ip| guard::Source::of(ip).to_string()),
            rule: String::new(),
            evidence: seen.evidence,
            ttl: None,
            reason: String::new(),
            scope: None,
            count: None,
            call: None,
        };
        match verdict {
            Verdict::Ban(ban) | Verdict::WouldBan(ban) => {
                let enforced = matches!(verdict, Verdict::Ban(_));
                line.action = if enforced { Action::Ban } else { Action::Alert };
                line.target = ban.target.to_string();
                line.rule.clone_from(&ban.reason.rule);
                line.evidence = ban.reason.evidence;
                line.ttl = ban.remaining(now).map(|left| left.max(Duration::from_secs(1)).as_secs());
                line.reason.clone_from(&ban.reason.text);
                line.scope = Some(if ban.scope == guard::Scope::Sip { "sip" } else { "all" });
                line.count = Some(ban.reason.count);
            }
            Verdict::HangUp { call, why, .. } => {
                line.action = Action::Hangup;
                line.rule = guard::policy::UNTRUSTED_DOMAIN.into();
                line.reason.clone_from(why);
                line.call = Some(call.clone());
            }
            Verdict::BlockAccount { why, .. } => {
                line.rule = "block-account".into();
                line.reason.clone_from(why);
            }
            Verdict::Alert(alert) => {
                line.rule = alert.kind.word().into();
                line.reason.clone_from(&alert.text);
            }
            Verdict::Allow(entry) => {
                line.action = Action::Allow;
                line.target = entry.target.to_string();
                line.rule = "success".into();
                line.ttl = entry.until.map(|until| until.since(now).as_secs());
                line.reason =
                    format!("{}@{} proved its password", printable(seen.user), printable(seen.domain));
            }
        }
        line
    }
}

fn time(time: Time) -> String {
    let micros = i64::try_from(time.micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |stamp| format!("{stamp:.6}"))
}
