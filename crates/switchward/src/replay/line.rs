//! One verdict, as replay prints it: a row of the table, or an object of `--json`.

use guard::{AlertKind, Evidence, Observation, Time, Verdict, printable};
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A target's packets would be dropped.
    Ban,
    /// A call would be ended.
    Hangup,
    /// An account would be blocked at the switch.
    Block,
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
            Action::Block => "block",
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
    /// The account that calls, of what is done about fraud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The address that a verdict is about.
pub(super) fn address(verdict: &Verdict) -> Option<IpAddr> {
    match verdict {
        Verdict::Ban(ban) | Verdict::WouldBan(ban) => Some(ban.target.covers().addr()),
        Verdict::HangUp { source, .. } | Verdict::BlockAccount { source, .. } => Some(source.first()),
        Verdict::Alert(alert) => Some(alert.source.first()),
        Verdict::Allow(entry) => Some(entry.target.covers().addr()),
    }
}

impl Line {
    /// A verdict made at `now` on what was seen, or on a call that runs, whose caller has the right password.
    pub fn of(verdict: &Verdict, seen: Option<&Observation<'_>>, now: Time) -> Line {
        let ip = seen.and_then(|seen| seen.ip).or_else(|| address(verdict));
        let mut line = Line {
            time: time(now),
            action: Action::Alert,
            target: ip.map_or_else(String::new, |ip| guard::Source::of(ip).to_string()),
            rule: String::new(),
            evidence: seen.map_or(Evidence::Likely, |seen| seen.evidence),
            ttl: None,
            reason: String::new(),
            scope: None,
            count: None,
            call: None,
            account: None,
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
            Verdict::HangUp { call, rule, why, .. } => {
                line.action = Action::Hangup;
                line.rule = (*rule).into();
                line.reason.clone_from(why);
                line.call = Some(call.clone());
            }
            Verdict::BlockAccount { user, domain, rule, why, .. } => {
                line.action = Action::Block;
                line.rule = (*rule).into();
                line.account =
                    Some(format!("{}@{}", printable(user.as_bytes()), printable(domain.as_bytes())));
                line.reason.clone_from(why);
            }
            Verdict::Alert(alert) => {
                line.rule = match &alert.kind {
                    AlertKind::Rule(name) => name.to_string(),
                    kind => kind.word().into(),
                };
                if let AlertKind::Fraud(fraud) = &alert.kind {
                    line.account = Some(fraud.account.clone());
                }
                line.reason.clone_from(&alert.text);
            }
            Verdict::Allow(entry) => {
                line.action = Action::Allow;
                line.target = entry.target.to_string();
                line.rule = "success".into();
                line.ttl = entry.until.map(|until| until.since(now).as_secs());
                line.reason = format!("{}@{} proved its password", entry.user, entry.domain);
            }
        }
        line
    }
}

fn time(time: Time) -> String {
    let micros = i64::try_from(time.micros()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |stamp| format!("{stamp:.6}"))
}
