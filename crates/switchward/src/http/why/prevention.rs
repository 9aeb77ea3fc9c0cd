//! What would have prevented a ban: an entry, a registered phone, a higher threshold.
//!
//! It is worked out of the reason that was kept and of the rules in force now; a rule that is gone since is told by what is left.

use crate::rules::{Part, key_number, key_of};
use guard::policy::UNTRUSTED_DOMAIN;
use guard::rule::{Applies, Rule, RuleOrigin};
use guard::{Ban, Evidence, Target};

/// Each in a few words; empty for a ban by hand.
pub(super) fn preventions(ban: &Ban, rules: &[Rule]) -> Vec<String> {
    if ban.origin.is_operator() {
        return Vec::new();
    }
    let mut all = vec![format!("an entry on the allow-list (`switchward allow {}`)", allowed(ban))];
    let reason = &ban.reason;
    if reason.rule == UNTRUSTED_DOMAIN {
        all.push("the domain taken off security.untrusted_networks (`switchward untrusted remove`)".into());
    }
    let Some(rule) = rules.iter().find(|rule| *rule.name == *reason.rule) else { return all };
    let strikes_are_weak = reason.evidence == Evidence::Forgeable;
    if rule.applies == Applies::Strangers || strikes_are_weak {
        all.push("a phone that is registered from this address".into());
    }
    if !rule.undone_by.is_empty() {
        let signals: Vec<&str> = rule.undone_by.iter().map(guard::Signal::word).collect();
        let within = match rule.patience.is_zero() {
            true => String::new(),
            false => format!(" within {}", guard::ban::span(rule.patience)),
        };
        all.push(format!("{} after each of them{within}", signals.join(" or ")));
    }
    if strikes_are_weak && rule.evidence == Evidence::Forgeable {
        all.push(format!("evidence = \"likely\" in a [[rules]] entry for {}", rule.name));
    }
    if reason.threshold > 1 {
        let key = key_of(&rule.name, Part::Threshold).filter(|_| rule.origin == RuleOrigin::BuiltIn);
        all.push(match key {
            Some(key) => format!("{key} above {}", key_number(&rule.name, reason.count)),
            None => format!("threshold above {} in a [[rules]] entry for {}", reason.count, rule.name),
        });
    }
    all
}

/// What an entry would have to name.
fn allowed(ban: &Ban) -> String {
    match ban.target {
        Target::Port(ip, _) => ip.to_string(),
        target => target.to_string(),
    }
}
