//! What the guard is told to do: thresholds, windows, ban times, who is trusted.
//!
//! A [`Policy`] is plain values, made from the configuration and replaced as a whole. [`Policy::rules`] spells it out as
//! [`Rule`]s, which is all that the engine reads; [`builtin`] has those that are there without any configuration.

use crate::budget::Budget;
use crate::countries::CountryRule;
use crate::pattern::DomainPattern;
use crate::priors::Growth;
use crate::rule::{Limit, MOST_DISTINCT, MOST_RULES, MOST_STRIKES, Rule, RuleChange, RuleOrigin};
use crate::window;
use ipnet::IpNet;
use std::time::Duration;

mod builtin;

pub(crate) use builtin::{ACCOUNT_ATTACKED, CALL_RATE, FAILED, REGISTRATION_RATE, SLOW, WRONG_CALL_STATE};

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
    /// How ban times grow with earlier bans.
    pub growth: Growth,
    /// How many bans the guard makes in a minute.
    pub budget: Budget,
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
    /// From which countries who may come.
    pub countries: Vec<CountryRule>,
    /// The operator's changes of the built-in rules, and rules of his own.
    pub changes: Vec<RuleChange>,
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
            growth: Growth::default(),
            budget: Budget::default(),
            trusted: ["127.0.0.1/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            protected: Vec::new(),
            allow: true,
            allow_on_success: true,
            allow_ttl: minutes(24 * 60),
            switches: vec!["freeswitch".into()],
            countries: Vec::new(),
            changes: Vec::new(),
        }
    }
}

/// Name of the rule for untrusted domains, which counts nothing: one is enough.
pub const UNTRUSTED_DOMAIN: &str = "untrusted-domain";

impl Policy {
    /// The rules that this policy means, in a fixed order: the built-in ones, changed where the operator says so, then his own.
    ///
    /// What goes beyond what can be kept is cut: [`MOST_RULES`], the longest window, the greatest thresholds.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = builtin::rules(self);
        for change in &self.changes {
            match rules.iter_mut().find(|rule| *rule.name == *change.name) {
                Some(rule) => {
                    change.apply(rule);
                    if rule.origin == RuleOrigin::BuiltIn {
                        rule.origin = RuleOrigin::Changed;
                    }
                }
                None => rules.push(change.rule()),
            }
        }
        rules.truncate(MOST_RULES);
        for rule in &mut rules {
            let most = if rule.distinct.is_some() { MOST_DISTINCT } else { MOST_STRIKES };
            rule.limit.threshold = rule.limit.threshold.clamp(1, most);
            rule.limit.window = rule.limit.window.min(window::LONGEST);
        }
        rules
    }
}
