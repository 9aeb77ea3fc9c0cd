//! The rules that are there without any configuration: right for a normal PBX, each with the reason for its numbers.
//!
//! The first eight are those of the contract's keys; the rest catch what one counter per address cannot: patient, distributed
//! and blind attacks. [`rules`] makes them all.

use super::Policy;
use crate::ban::Scope;
use crate::observation::Evidence;
use crate::rule::{Action, Applies, Distinct, KeyKind, Limit, Rule, RuleOrigin};
use crate::signal::{Signal, Signals};
use std::time::Duration;

/// Failed authentications of a source without standing.
pub(crate) const FAILED: &str = "failed-registrations";
/// Challenged calls that never came back.
pub(crate) const WRONG_CALL_STATE: &str = "wrong-call-states";
/// Calls in an interval.
pub(crate) const CALL_RATE: &str = "call-rate";
/// Registrations in an interval.
pub(crate) const REGISTRATION_RATE: &str = "registration-rate";
/// Failed authentications of a source without standing, over weeks.
pub(crate) const SLOW: &str = "slow-failures";
/// One account, tried from many sources.
pub(crate) const ACCOUNT_ATTACKED: &str = "account-attacked";

/// How many times the threshold a source with standing may fail for one account before the whole of it is banned, not a port of
/// it; and in a registered phone's name before somebody is told.
const KNOWN_FACTOR: u32 = 10;
/// The same for all its accounts together. Each wrong phone loses its port after the threshold, so this is how many phones of an
/// office may have a wrong password at once, as after a change of passwords, while the others go on.
const OFFICE_FACTOR: u32 = 50;

pub(super) fn rules(policy: &Policy) -> Vec<Rule> {
    let mut rules = contract(policy);
    rules.extend(patient(policy));
    rules.extend(crowds(policy));
    rules.extend(marks(policy));
    rules
}

/// A rule that counts refused credentials of a source and bans it; the others are this one with changes.
fn failed(policy: &Policy, name: &str) -> Rule {
    Rule {
        name: name.into(),
        what: "failed authentications".into(),
        counts: Signals::one(Signal::AuthFailed),
        undone_by: Signals::NONE,
        key: KeyKind::Source,
        distinct: None,
        limit: policy.failed,
        patience: Duration::ZERO,
        applies: Applies::Strangers,
        action: Action::Ban,
        scope: Scope::All,
        evidence: Evidence::Forgeable,
        shadow: false,
        enabled: true,
        origin: RuleOrigin::BuiltIn,
    }
}

/// The rules that the contract's keys set.
fn contract(policy: &Policy) -> Vec<Rule> {
    let rates_apply = if policy.rates_bypass { Applies::Strangers } else { Applies::Everyone };
    let times = |factor| Limit { threshold: policy.failed.threshold.saturating_mul(factor), ..policy.failed };
    let (many, office) = (times(KNOWN_FACTOR), times(OFFICE_FACTOR));
    let rate = |name, what: &str, signal, limit| Rule {
        what: what.into(),
        counts: Signals::one(signal),
        limit,
        applies: rates_apply,
        shadow: !policy.rates_ban,
        enabled: policy.rates,
        ..failed(policy, name)
    };
    vec![
        failed(policy, FAILED),
        Rule {
            what: "abandoned calls".into(),
            counts: Signals::one(Signal::CallAbandoned),
            applies: Applies::Everyone,
            limit: policy.wrong_call_state,
            ..failed(policy, WRONG_CALL_STATE)
        },
        // A carrier's calls are answered.
        Rule {
            undone_by: Signals::one(Signal::CallAnswered),
            ..rate(CALL_RATE, "calls", Signal::Call, policy.call_rate)
        },
        rate(REGISTRATION_RATE, "registrations", Signal::Registration, policy.registration_rate),
        Rule {
            key: KeyKind::Port,
            applies: Applies::Known,
            scope: Scope::Sip,
            ..failed(policy, "failed-registrations-port")
        },
        Rule { applies: Applies::Known, limit: office, ..failed(policy, "failed-registrations-known") },
        // One account, guessed from port to port.
        Rule {
            key: KeyKind::SourceAccount,
            applies: Applies::Known,
            limit: many,
            ..failed(policy, "failed-registrations-account")
        },
        // Whoever was given a nonce at his own address can fail in a phone's name as often as he likes: a ban would be his
        // weapon, and gain nothing, because he never sees an answer.
        Rule {
            key: KeyKind::Port,
            applies: Applies::Phone,
            action: Action::Alert,
            limit: many,
            ..failed(policy, "failed-registrations-phone")
        },
        Rule {
            what: "failed log-ins".into(),
            counts: Signals::one(Signal::LoginFailed),
            applies: Applies::Everyone,
            limit: policy.failed_logins,
            ..failed(policy, "failed-logins")
        },
    ]
}

/// One source that stays below the contract's thresholds.
fn patient(policy: &Policy) -> Vec<Rule> {
    vec![
        // A person forgets one password, not five accounts.
        Rule {
            what: "accounts with failed authentications".into(),
            counts: Signals::these(&[Signal::AuthFailed, Signal::UnknownAccount]),
            distinct: Some(Distinct::Accounts),
            limit: Limit { threshold: 5, window: DAY, ..policy.failed },
            evidence: Evidence::Likely,
            ..failed(policy, "enumeration")
        },
        // Behind one address of an office, wrong phones are known by their ports; ten accounts in an hour are a list, or passwords that were
        // changed: somebody has to look.
        Rule {
            what: "accounts with failed authentications".into(),
            distinct: Some(Distinct::Accounts),
            limit: Limit { threshold: 10, window: HOUR, ..policy.failed },
            applies: Applies::Known,
            action: Action::Alert,
            evidence: Evidence::Likely,
            ..failed(policy, "enumeration-known")
        },
        // One account, guessed from port to port by whoever has another one there.
        Rule {
            key: KeyKind::SourceAccount,
            limit: Limit { threshold: 100, window: DAY, ..policy.failed },
            applies: Applies::Known,
            action: Action::Alert,
            evidence: Evidence::Likely,
            ..failed(policy, "failed-registrations-slowly")
        },
        // A few tries a day, for days: a phone that was forgotten with an old password stays here too, and nobody misses it.
        Rule {
            limit: Limit { threshold: 15, window: 14 * DAY, ban: DAY },
            evidence: Evidence::Likely,
            ..failed(policy, SLOW)
        },
        // What SUBSCRIBE and MESSAGE guessing and blind scans leave: challenges that nobody answers. A phone answers in a second;
        // one with many subscriptions makes such challenges too, but it is registered.
        Rule {
            what: "unanswered challenges".into(),
            counts: Signals::one(Signal::Challenged),
            undone_by: Signals::these(&[Signal::Answered, Signal::Succeeded]),
            limit: Limit { threshold: 30, window: 10 * MINUTE, ban: policy.forgeable_max },
            patience: Duration::from_secs(4),
            scope: Scope::Sip,
            ..failed(policy, "unanswered-challenges")
        },
        // Who looks for a way out calls number after number at the profile that asks nobody for credentials. A carrier's calls are
        // answered, and now and then refused.
        Rule {
            what: "refused calls".into(),
            counts: Signals::one(Signal::CallRefused),
            undone_by: Signals::one(Signal::CallAnswered),
            limit: Limit { threshold: 30, window: DAY, ..policy.failed },
            ..failed(policy, "refused-calls")
        },
        Rule {
            what: "accounts that the switch does not know".into(),
            counts: Signals::one(Signal::UnknownAccount),
            distinct: Some(Distinct::Accounts),
            limit: Limit { threshold: 5, window: HOUR, ..policy.failed },
            ..failed(policy, "unknown-accounts")
        },
        Rule {
            what: "refusals by the switch's access list".into(),
            counts: Signals::one(Signal::AclRejected),
            limit: Limit { threshold: 20, window: 10 * MINUTE, ..policy.failed },
            ..failed(policy, "acl-rejections")
        },
        // Whoever is refused there is shut out already, and is often somebody's own monitoring.
        Rule {
            what: "refusals at the switch's event socket".into(),
            counts: Signals::one(Signal::ClientRefused),
            limit: Limit { threshold: 20, window: 10 * MINUTE, ..policy.failed },
            applies: Applies::Everyone,
            action: Action::Alert,
            ..failed(policy, "event-socket-refusals")
        },
    ]
}

/// Many sources that do the same.
fn crowds(policy: &Policy) -> Vec<Rule> {
    let crowd = |name, what: &str, key, distinct, threshold, window| Rule {
        what: what.into(),
        key,
        distinct: Some(distinct),
        limit: Limit { threshold, window, ..policy.failed },
        evidence: Evidence::Likely,
        ..failed(policy, name)
    };
    let banned =
        |rule: Rule| Rule { counts: Signals::one(Signal::Banned), applies: Applies::Everyone, ..rule };
    let (sources, nets) = (Distinct::Sources, Distinct::Nets);
    let failing = "sources with failed authentications";
    vec![
        // One account, a try from here and a try from there: whoever tries it next without standing is banned at once.
        crowd(ACCOUNT_ATTACKED, failing, KeyKind::Account, sources, 10, DAY),
        Rule {
            action: Action::Alert,
            ..crowd("account-attacked-alert", failing, KeyKind::Account, sources, 10, DAY)
        },
        // The same, a few tries a day for weeks. A phone on the road with an old password comes to many nets too: nobody is banned.
        Rule {
            action: Action::Alert,
            ..crowd(
                "account-attacked-slowly",
                "nets with failed authentications",
                KeyKind::Account,
                nets,
                20,
                14 * DAY,
            )
        },
        // Neighbours that each stay below every threshold. People of one town who mistype have it right minutes later.
        Rule {
            patience: 10 * MINUTE,
            undone_by: Signals::one(Signal::Succeeded),
            ..crowd("net-failures", failing, KeyKind::Net, sources, 8, 7 * DAY)
        },
        // Neighbours that are banned one after another.
        banned(crowd("net-banned", "banned sources", KeyKind::Net, sources, 5, DAY)),
        banned(crowd("wide-net-banned", "nets with banned sources", KeyKind::WideNet, nets, 4, DAY)),
        // A guess from here and a guess from there, each for another account: no source, no account and no net stands out.
        Rule { action: Action::Alert, ..crowd("spread-attack", failing, KeyKind::Switch, sources, 50, HOUR) },
        // A whole network operator is never banned by default: its customers are not all attackers.
        Rule { action: Action::Alert, ..crowd("system-attack", failing, KeyKind::System, sources, 30, DAY) },
    ]
}

/// One request is enough: no phone sends it.
fn marks(policy: &Policy) -> Vec<Rule> {
    let mark = |name, what: &str, signal| Rule {
        what: what.into(),
        counts: Signals::one(signal),
        limit: Limit { threshold: 1, window: 10 * MINUTE, ..policy.failed },
        ..failed(policy, name)
    };
    vec![
        mark("scanner", "requests with the user agent of a scanner", Signal::ScannerAgent),
        mark("honeypot", "requests for a honeypot", Signal::Honeypot),
        mark("injection", "requests with injection characters", Signal::Injection),
        mark("denied-country", "requests from a country that is not allowed", Signal::DeniedCountry),
        // Many phones are set up with the switch's address as their domain.
        Rule {
            enabled: false,
            ..mark("address-domain", "requests that name an address as the domain", Signal::AddressDomain)
        },
        Rule {
            action: Action::Alert,
            applies: Applies::Everyone,
            key: KeyKind::Account,
            ..mark("new-country", "requests for an account from a new country", Signal::NewCountry)
        },
    ]
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{MOST_DISTINCT, MOST_RULES};
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_can_fire() {
        let rules = rules(&Policy::default());
        let names: BTreeSet<&str> = rules.iter().map(|rule| &*rule.name).collect();
        assert_eq!(names.len(), rules.len());
        assert!(rules.len() <= MOST_RULES);
        for rule in rules {
            let strongest = rule.counts.iter().map(Signal::strongest).max().unwrap();
            assert!(strongest >= rule.evidence, "{}", rule.name);
            assert!(rule.patience < rule.limit.window, "{}", rule.name);
            assert!(rule.distinct.is_none() || rule.limit.threshold <= MOST_DISTINCT, "{}", rule.name);
        }
    }
}
