//! A ban and its reason, an allow entry and its origin: the words that the ledger, the store and the answers share.
//!
//! Everything an attacker chose has been made printable and cut before it gets in here.

use crate::moments::Moments;
use crate::observation::Evidence;
use crate::rule::Limit;
use crate::source::Target;
use crate::tally::Record;
use crate::time::Time;
use crate::timeline::Moment;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Which packets of a banned source are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Only those to the SIP ports.
    Sip,
    /// All.
    #[default]
    All,
}

/// Who made an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The engine, by the rule that the reason names, or an allow entry by a success.
    Guard,
    /// A person or a program: who, as far as it is known.
    Operator(String),
}

impl Origin {
    /// Whether a person or a program made it.
    pub fn is_operator(&self) -> bool {
        matches!(self, Origin::Operator(_))
    }
}

/// Why a ban stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// The rule's name; "operator" for a ban by hand.
    pub rule: String,
    /// One sentence for a person.
    pub text: String,
    /// How hard the strikes were to forge.
    pub evidence: Evidence,
    /// Strikes counted.
    pub count: u32,
    /// The first strike counted.
    pub first: Time,
    /// The last one.
    pub last: Time,
    /// Accounts named, a few.
    pub users: Vec<String>,
    /// Domains named, a few.
    pub domains: Vec<String>,
    /// User agents, a few.
    pub agents: Vec<String>,
    /// The switch that saw the last strike; empty for a ban by hand.
    pub switch: String,
    /// What was known of the source when the ban was made: "trusted: good on 12 of 14 days, 340 answered calls". Empty when nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub standing: String,
    /// Earlier bans of the target that counted then, and made this one longer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priors: u32,
    /// How many strikes the rule took then; 0 when that is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub threshold: u32,
    /// Seconds of its window then; 0 likewise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window: u32,
    /// A few moments that led to it.
    #[serde(default, skip_serializing_if = "Moments::is_empty")]
    pub moments: Moments,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Reason {
    /// The reason of a ban by hand.
    pub fn operator(text: &str, now: Time) -> Reason {
        Reason {
            rule: "operator".into(),
            text: text.into(),
            evidence: Evidence::Proven,
            count: 0,
            first: now,
            last: now,
            users: Vec::new(),
            domains: Vec::new(),
            agents: Vec::new(),
            switch: String::new(),
            standing: String::new(),
            priors: 0,
            threshold: 0,
            window: 0,
            moments: Moments::default(),
        }
    }

    /// With what the rule took, and the moments that led to it.
    pub(crate) fn after(mut self, limit: Limit, moments: &[Moment]) -> Reason {
        self.threshold = limit.threshold;
        self.window = u32::try_from(limit.window.as_secs()).unwrap_or(u32::MAX);
        self.with_moments(moments)
    }

    /// With the moments that led to it.
    pub(crate) fn with_moments(mut self, moments: &[Moment]) -> Reason {
        self.moments = Moments::of(moments, self.last, &self.users, &self.agents);
        self
    }

    /// The reason that a rule has after counting `record`; `what` names the strikes ("failed registrations").
    pub(crate) fn counted(
        rule: &str,
        what: &str,
        evidence: Evidence,
        record: Record,
        switch: &str,
    ) -> Reason {
        let within = record.last.since(record.first);
        let mut text = numbered(record.count, what);
        match record.count {
            1 => {}
            _ if within < Duration::from_millis(100) => text += " at once",
            _ => text += &format!(" within {}", span(within)),
        }
        for (label, list) in
            [("accounts", &record.users), ("domains", &record.domains), ("user agents", &record.agents)]
        {
            if !list.is_empty() {
                let quoted: Vec<String> = list.iter().map(|name| quoted(name)).collect();
                text += &format!("; {label} {}", quoted.join(", "));
            }
        }
        let Record { count, first, last, users, domains, agents } = record;
        Reason {
            rule: rule.into(),
            text,
            evidence,
            count,
            first,
            last,
            users,
            domains,
            agents,
            switch: switch.into(),
            standing: String::new(),
            priors: 0,
            threshold: 0,
            window: 0,
            moments: Moments::default(),
        }
    }
}

/// A number of things, which `what` names in the plural: "1 request of a scanner", "2 requests of a scanner".
pub fn numbered(count: u32, what: &str) -> String {
    let plural = what.split(' ').find(|word| word.ends_with('s') && !word.ends_with("ss"));
    match plural {
        Some(plural) if count == 1 => format!("1 {}", what.replacen(plural, &plural[..plural.len() - 1], 1)),
        _ => format!("{count} {what}"),
    }
}

/// A name that a source chose, in quotes, so that it cannot pass for anything else in a sentence.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A time span as a person says it: "0.3 s", "12 s", "3 min 20 s", "2 h 5 min".
pub fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{:.1} s", span.as_secs_f64()),
        1..=119 => format!("{secs} s"),
        120..=7199 if secs.is_multiple_of(60) => format!("{} min", secs / 60),
        120..=7199 => format!("{} min {} s", secs / 60, secs % 60),
        7200..=172_799 if (secs / 60).is_multiple_of(60) => format!("{} h", secs / 3600),
        7200..=172_799 => format!("{} h {} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

/// A target whose packets are dropped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ban {
    /// What is banned.
    pub target: Target,
    /// Which packets.
    pub scope: Scope,
    /// Since when.
    pub since: Time,
    /// Until when; `None` is for good.
    pub until: Option<Time>,
    /// Who made it.
    pub origin: Origin,
    /// Why.
    pub reason: Reason,
    /// What an operator noted; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Ban {
    /// Whether it stands at `now`.
    pub fn stands(&self, now: Time) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    /// What is left of it at `now`; `None` is for good.
    pub fn remaining(&self, now: Time) -> Option<Duration> {
        self.until.map(|until| until.since(now))
    }

    /// Whether this ban drops more, or for longer, than `other`.
    pub(crate) fn exceeds(&self, other: &Ban) -> bool {
        let longer = match (self.until, other.until) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(theirs)) => own > theirs,
        };
        longer || (self.scope > other.scope)
    }
}

/// An allow-list entry, as shown and stored.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allowed {
    /// What is allowed: a host or a network.
    pub target: Target,
    /// Since when.
    pub added: Time,
    /// Until when; `None` is for good.
    pub until: Option<Time>,
    /// When the source last succeeded; the time of adding when it never did.
    pub last_seen: Time,
    /// The account that succeeded, or that the operator named; may be empty.
    pub user: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// Who made it.
    pub origin: Origin,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Sip => "sip",
            Scope::All => "all",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Guard => f.write_str("guard"),
            Origin::Operator(who) if who.is_empty() => f.write_str("operator"),
            Origin::Operator(who) => write!(f, "operator {who}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_told_in_the_singular() {
        for (what, one) in [
            ("requests with the user agent of a scanner", "1 request with the user agent of a scanner"),
            ("failed authentications", "1 failed authentication"),
            ("business calls", "1 business call"),
            ("sources with failed authentications", "1 source with failed authentications"),
            ("strange", "1 strange"),
        ] {
            assert_eq!(numbered(1, what), one);
            assert_eq!(numbered(2, what), format!("2 {what}"));
        }
    }

    #[test]
    fn spans_read_as_a_person_says_them() {
        for (secs, text) in [
            (0, "0.0 s"),
            (12, "12 s"),
            (200, "3 min 20 s"),
            (3600, "60 min"),
            (7500, "2 h 5 min"),
            (200_000, "2 d 7 h"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), text);
        }
    }
}
