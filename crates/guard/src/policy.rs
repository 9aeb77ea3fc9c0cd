//! What the guard is told to do: thresholds, windows, ban times, who is trusted.
//!
//! A [`Policy`] is plain values, made from the configuration and replaced as a whole. [`Policy::rules`] spells it out as
//! [`Rule`]s, which is all that the engine reads: what is counted, for whom, how many in which window, and what then.

use crate::ban::Scope;
use crate::pattern::DomainPattern;
use crate::window;
use ipnet::IpNet;
use std::time::Duration;

/// A threshold in a sliding window, and the ban that follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// How many strikes make the rule fire.
    pub threshold: u32,
    /// Length of the sliding window; at most 60 days.
    pub window: Duration,
    /// How long the ban lasts.
    pub ban: Duration,
}

/// All that can be told to the guard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Whether bans are made at all (`security.auto_block_enabled`); off, verdicts say what would be banned.
    pub enforce: bool,
    /// Failed registrations and calls (refused credentials) per source.
    pub failed: Limit,
    /// Challenged calls that never came back, per source.
    pub wrong_call_state: Limit,
    /// Calls per source; the threshold is the first call that is too many.
    pub call_rate: Limit,
    /// Registrations per source; the threshold is the first one that is too many.
    pub registration_rate: Limit,
    /// Wrong credentials at the guard's own interface, per source.
    pub failed_logins: Limit,
    /// Whether the two rates are judged.
    pub rates: bool,
    /// Whether exceeding a rate bans (or only alerts).
    pub rates_ban: bool,
    /// Whether allow-listed and registered sources pass the rates.
    pub rates_bypass: bool,
    /// Ban for a call or a failed registration that names an untrusted domain.
    pub untrusted_ban: Duration,
    /// Untrusted domains of the configuration; the ledger has those added at run time.
    pub untrusted: Vec<DomainPattern>,
    /// Longest ban that forgeable evidence alone may make.
    pub forgeable_max: Duration,
    /// Networks that are never banned.
    pub trusted: Vec<IpNet>,
    /// The operator's own addresses and the switch's: never banned either.
    pub protected: Vec<IpNet>,
    /// Whether there is an allow-list.
    pub allow: bool,
    /// Whether a success puts its source on the allow-list.
    pub allow_on_success: bool,
    /// How long an allow entry lasts after the last success.
    pub allow_ttl: Duration,
    /// Names of the switches, in the order of their numbers.
    pub switches: Vec<String>,
}

impl Default for Policy {
    /// The defaults of the contract.
    fn default() -> Policy {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Policy {
            enforce: true,
            failed: Limit { threshold: 5, window: minutes(10), ban: minutes(60) },
            wrong_call_state: Limit { threshold: 5, window: minutes(10), ban: minutes(60) },
            call_rate: Limit { threshold: 21, window: minutes(1), ban: minutes(15) },
            registration_rate: Limit { threshold: 11, window: minutes(1), ban: minutes(15) },
            failed_logins: Limit { threshold: 10, window: minutes(10), ban: minutes(60) },
            rates: true,
            rates_ban: true,
            rates_bypass: true,
            untrusted_ban: minutes(60),
            untrusted: Vec::new(),
            forgeable_max: minutes(2),
            trusted: ["127.0.0.1/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            protected: Vec::new(),
            allow: true,
            allow_on_success: true,
            allow_ttl: minutes(24 * 60),
            switches: vec!["freeswitch".into()],
        }
    }
}

/// What a rule counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Refused credentials.
    AuthFailed,
    /// A challenged call that never came back.
    CallAbandoned,
    /// An inbound call.
    Call,
    /// A registration, refused or not.
    Registration,
    /// Wrong credentials at the guard's own interface.
    LoginFailed,
}

/// Whose strikes are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// All of a source.
    Source,
    /// One port of a source: one phone behind a NAT.
    Port,
}

/// Which sources a rule is for. A source has standing while a phone of it is registered or it is on the allow-list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applies {
    /// Every source.
    Everyone,
    /// Only sources without standing.
    Strangers,
    /// Only sources with standing, but for what comes from the port of a registered phone.
    Known,
    /// Only what comes from the port of a registered phone and is no proof: it may be forged in that phone's name.
    Phone,
}

/// One rule, spelt out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its name, as reasons and answers show it.
    pub name: &'static str,
    /// What the strikes are, in the plural.
    pub what: &'static str,
    /// What it counts.
    pub signal: Signal,
    /// Whose strikes are counted together.
    pub subject: Subject,
    /// Which sources it is for.
    pub applies: Applies,
    /// How many, in which window, and the ban.
    pub limit: Limit,
    /// Which packets the ban drops.
    pub scope: Scope,
    /// Whether it bans (or only alerts).
    pub bans: bool,
    /// Whether it counts at all.
    pub enabled: bool,
}

/// Numbers of the rules, as they stand in [`Policy::rules`].
pub(crate) mod number {
    pub(crate) const FAILED: u8 = 0;
    pub(crate) const WRONG_CALL_STATE: u8 = 1;
    pub(crate) const CALL_RATE: u8 = 2;
    pub(crate) const REGISTRATION_RATE: u8 = 3;
}

/// Name of the rule for untrusted domains, which counts nothing: one is enough.
pub const UNTRUSTED_DOMAIN: &str = "untrusted-domain";

/// Names of all rules that there can be: those of [`Policy::rules`] in their order, then [`UNTRUSTED_DOMAIN`].
pub const RULE_NAMES: [&str; 9] = [
    "failed-registrations",
    "wrong-call-states",
    "call-rate",
    "registration-rate",
    "failed-registrations-port",
    "failed-registrations-known",
    "failed-registrations-phone",
    "failed-logins",
    UNTRUSTED_DOMAIN,
];
/// The place of [`UNTRUSTED_DOMAIN`] there.
pub(crate) const UNTRUSTED_NUMBER: usize = RULE_NAMES.len() - 1;

/// How many times the threshold a source with standing may fail before the whole of it is banned, not a port of it.
const KNOWN_FACTOR: u32 = 10;

impl Policy {
    /// The rules that this policy means, in a fixed order.
    pub fn rules(&self) -> Vec<Rule> {
        let rates_apply = if self.rates_bypass { Applies::Strangers } else { Applies::Everyone };
        let failed = |name, subject, applies, limit| Rule {
            name,
            what: "failed authentications",
            signal: Signal::AuthFailed,
            subject,
            applies,
            limit,
            scope: Scope::All,
            bans: true,
            enabled: true,
        };
        let many = Limit { threshold: self.failed.threshold.saturating_mul(KNOWN_FACTOR), ..self.failed };
        let mut rules = vec![
            failed("failed-registrations", Subject::Source, Applies::Strangers, self.failed),
            Rule {
                name: "wrong-call-states",
                what: "abandoned calls",
                signal: Signal::CallAbandoned,
                limit: self.wrong_call_state,
                ..failed("", Subject::Source, Applies::Everyone, self.failed)
            },
            Rule {
                name: "call-rate",
                what: "calls",
                signal: Signal::Call,
                limit: self.call_rate,
                bans: self.rates_ban,
                enabled: self.rates,
                ..failed("", Subject::Source, rates_apply, self.failed)
            },
            Rule {
                name: "registration-rate",
                what: "registrations",
                signal: Signal::Registration,
                limit: self.registration_rate,
                bans: self.rates_ban,
                enabled: self.rates,
                ..failed("", Subject::Source, rates_apply, self.failed)
            },
            Rule {
                scope: Scope::Sip,
                ..failed("failed-registrations-port", Subject::Port, Applies::Known, self.failed)
            },
            failed("failed-registrations-known", Subject::Source, Applies::Known, many),
            Rule {
                scope: Scope::Sip,
                limit: Limit { ban: self.failed.ban.min(self.forgeable_max), ..many },
                ..failed("failed-registrations-phone", Subject::Port, Applies::Phone, many)
            },
            Rule {
                what: "failed log-ins",
                signal: Signal::LoginFailed,
                limit: self.failed_logins,
                ..failed("failed-logins", Subject::Source, Applies::Everyone, self.failed)
            },
        ];
        for rule in &mut rules {
            rule.limit.threshold = rule.limit.threshold.max(1);
            rule.limit.window = rule.limit.window.min(window::LONGEST);
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_name_in_the_list() {
        let rules = Policy::default().rules();
        let names: Vec<&str> = rules.iter().map(|rule| rule.name).chain([UNTRUSTED_DOMAIN]).collect();
        assert_eq!(names, RULE_NAMES);
    }
}
