//! What a line of an export or an import says, whatever its format.

use crate::clock;
use guard::{Allowed, Ban, Origin, Scope, Target, Time};
use serde::Serialize;

/// A ban or an allow entry as it travels. What a format or a list has no place for is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// What is banned or allowed.
    pub(super) ip: String,
    /// "sip" or "all"; for bans.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) scope: String,
    /// Until when (RFC 3339); empty for good.
    pub(super) until: String,
    /// Why; for bans.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    /// What an operator noted; for bans.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) note: String,
    /// The account; for allow entries.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user_id: String,
    /// Its domain; for allow entries.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) domain: String,
    /// Since when; told, and not read again.
    pub(super) since: String,
    /// Who made it; told, and not read again.
    pub(super) by: String,
    /// The rule; told, and not read again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) rule: String,
}

/// A line that can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) target: Target,
    pub(super) scope: Scope,
    /// `None` is for good.
    pub(super) until: Option<Time>,
    pub(super) reason: String,
    pub(super) note: String,
    pub(super) user: String,
    pub(super) domain: String,
}

impl Line {
    pub(super) fn of_ban(ban: &Ban) -> Line {
        Line {
            ip: ban.target.to_string(),
            scope: ban.scope.to_string(),
            until: ban.until.map(clock::exact).unwrap_or_default(),
            reason: ban.reason.text.clone(),
            note: ban.note.clone(),
            since: clock::exact(ban.since),
            by: ban.origin.to_string(),
            rule: ban.reason.rule.clone(),
            ..Line::default()
        }
    }

    pub(super) fn of_allow(entry: &Allowed) -> Line {
        Line {
            ip: entry.target.to_string(),
            until: entry.until.map(clock::exact).unwrap_or_default(),
            user_id: entry.user.clone(),
            domain: entry.domain.clone(),
            since: clock::exact(entry.added),
            by: match &entry.origin {
                Origin::Guard => "guard".into(),
                by @ Origin::Operator(_) => by.to_string(),
            },
            ..Line::default()
        }
    }

    /// What the line says.
    ///
    /// # Errors
    /// Why it cannot be understood, or is over already.
    pub(super) fn parse(self, now: Time) -> Result<Record, String> {
        let target = self.ip.parse().map_err(|error: guard::source::BadTarget| error.to_string())?;
        let scope = match self.scope.trim() {
            "" | "all" => Scope::All,
            "sip" => Scope::Sip,
            _ => return Err("scope is \"sip\" or \"all\"".into()),
        };
        let until = match self.until.trim() {
            "" => None,
            text => Some(time("until", text)?),
        };
        if until.is_some_and(|until| until <= now) {
            return Err("it ran out already".into());
        }
        let Line { reason, note, user_id: user, domain, .. } = self;
        Ok(Record { target, scope, until, reason, note, user, domain })
    }
}

/// The time that the member `name` tells.
///
/// # Errors
/// When it is none.
pub(super) fn time(name: &str, text: &str) -> Result<Time, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => Ok(Time::from_micros(u64::try_from(stamp.as_microsecond()).unwrap_or_default())),
        Err(_) => Err(format!("{name} is a time such as 2026-11-21T04:18:18Z, or empty for good")),
    }
}
