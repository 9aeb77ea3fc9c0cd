//! What is wrong with the rules as a whole: names, keys that are missing, and rules that could never fire or never ban.
//!
//! Start with [`check`]. What can be made of a signal's evidence, of a key or of what is told apart is judged on the rule as it comes
//! out at the end, so that half an entry on top of a built-in rule is seen for what it makes of it.

use super::super::findings::{Findings, Place};
use super::super::model::{Config, Security};
use super::super::nearest::nearest;
use super::super::tree::quote;
use crate::policy;
use crate::rules::{Part, key_of};
use guard::rule::{
    Action, Applies, Distinct, KeyKind, MOST_DISTINCT, MOST_RULES, MOST_STRIKES, Rule, RuleChange,
};
use guard::signal::{Signal, Signals};
use guard::{Evidence, Policy};
use std::time::Duration;

/// Says everything that is wrong.
pub(in crate::config) fn check(config: &Config, findings: &mut Findings) {
    let built_in = Policy { changes: Vec::new(), ..policy::policy(config, &[]) }.rules();
    let mut own = 0;
    for (index, entry) in config.rules.iter().enumerate() {
        let mut at = Entry { index, entry, findings };
        if !at.is_named(&config.rules[..index]) {
            continue;
        }
        let mut rule = built_in.iter().find(|rule| *rule.name == *entry.name).cloned();
        if let Some(rule) = &mut rule {
            entry.apply(rule);
            at.wins_over_keys();
        } else {
            own += 1;
            at.has_what_it_needs(&built_in);
            if built_in.len() + own > MOST_RULES {
                let most = MOST_RULES - built_in.len();
                let found = format!("rule of your own number {own}");
                at.error("name", &found, &format!("at most {most}"), "remove one");
            }
        }
        let rule = rule.unwrap_or_else(|| entry.rule());
        if rule.enabled {
            at.can_fire(&rule, config);
        }
    }
    kept(config, findings);
}

/// Thresholds of keys of their own that are more than what is kept.
fn kept(config: &Config, findings: &mut Findings) {
    let Security { max_failed_attempts, max_wrong_call_states, rate_limit, .. } = &config.security;
    for (key, threshold) in [
        ("security.max_failed_attempts", *max_failed_attempts),
        ("security.max_wrong_call_states", *max_wrong_call_states),
        ("security.rate_limit.call_rate_limit", rate_limit.call_rate_limit),
        ("security.rate_limit.registration_limit", rate_limit.registration_limit),
        ("api.max_failed_logins", config.api.max_failed_logins),
    ] {
        if threshold > MOST_STRIKES {
            let found =
                format!("{threshold}, of which {MOST_STRIKES} are kept, so that many make the rule fire");
            let expected = format!("at most {MOST_STRIKES}");
            findings.warning(findings.at(key), &found, &expected, "write a smaller number");
        }
    }
}

/// Greatest threshold that a rule may have.
fn most_of(rule: &Rule) -> u32 {
    if rule.distinct.is_some() { MOST_DISTINCT } else { MOST_STRIKES }
}

/// One entry, and where to complain.
struct Entry<'a> {
    index: usize,
    entry: &'a RuleChange,
    findings: &'a mut Findings,
}

impl Entry<'_> {
    /// The place of a key of the entry, else of the entry.
    fn place(&self, key: &str) -> Place {
        let entry = format!("rules[{}]", self.index);
        let path = format!("{entry}.{key}");
        match self.findings.place(&path) {
            Some(place) => place.clone(),
            None => Place { key: path, ..self.findings.at(&entry) },
        }
    }

    fn error(&mut self, key: &str, found: &str, expected: &str, mend: &str) {
        let place = self.place(key);
        self.findings.error(place, found, expected, mend);
    }

    fn warning(&mut self, key: &str, found: &str, expected: &str, mend: &str) {
        let place = self.place(key);
        self.findings.warning(place, found, expected, mend);
    }

    /// Whether it has a name of its own.
    fn is_named(&mut self, before: &[RuleChange]) -> bool {
        let name = self.entry.name.as_str();
        if name.is_empty() {
            // A name that is there but wrong has been told.
            if self.findings.place(&format!("rules[{}].name", self.index)).is_none() {
                self.error("name", "no name", "one", "write name = \"...\"");
            }
            return false;
        }
        if before.iter().any(|other| other.name == name) {
            let found = format!("{} a second time", quote(name));
            self.error("name", &found, "one entry for each rule", "put the two together");
            return false;
        }
        if RESERVED.contains(&name) || name.starts_with(FRAUD) {
            let found = format!("{}, which is no rule that counts", quote(name));
            let mend = match name {
                "untrusted-domain" => "see security.untrusted_networks and guard.untrusted_block_duration",
                _ => "choose another name",
            };
            self.error("name", &found, "a rule that counts, or a new name", mend);
            return false;
        }
        true
    }

    /// An entry for a built-in rule wins over the keys that it comes from: both at once is a mistake, or worth a word.
    fn wins_over_keys(&mut self) {
        for part in Part::ALL.into_iter().filter(|part| part.is_in(self.entry)) {
            let Some(key) = key_of(&self.entry.name, part).filter(|key| self.findings.place(key).is_some())
            else {
                continue;
            };
            let found = format!("a value beside {key}");
            let mend = format!("remove one; this one wins for the rule {}", self.entry.name);
            self.warning(part.name(), &found, "one of the two", &mend);
        }
    }

    /// A rule of the operator's own has all that no default can stand for.
    fn has_what_it_needs(&mut self, built_in: &[Rule]) {
        let entry = self.entry;
        let needs_ban = entry.action != Some(Action::Alert);
        let missing: Vec<&str> = [
            ("counts", entry.counts.is_none()),
            ("key", entry.key.is_none()),
            ("threshold", entry.threshold.is_none()),
            ("window", entry.window.is_none()),
            ("ban", entry.ban.is_none() && needs_ban),
        ]
        .into_iter()
        .filter_map(|(key, is_missing)| {
            // One that is there but wrong has been told.
            let path = format!("rules[{}].{key}", self.index);
            (is_missing && self.findings.place(&path).is_none()).then_some(key)
        })
        .collect();
        if missing.is_empty() {
            return;
        }
        let near = nearest(&entry.name, built_in.iter().map(|rule| &*rule.name));
        let mend = match (near, missing.as_slice()) {
            (Some(near), _) => format!("write them, or name = \"{near}\" for the built-in rule"),
            (None, ["ban"]) => "write ban = \"1h\", say, or action = \"alert\"".into(),
            (None, _) => "write them, or the name of a built-in rule; `switchward rules` lists those".into(),
        };
        let found = format!("a rule of your own without {}", missing.join(", "));
        self.error(
            "name",
            &found,
            "all of counts, key, threshold, window, and ban unless it only alerts",
            &mend,
        );
    }

    /// The rule as it comes out can fire, and its ban can be made.
    fn can_fire(&mut self, rule: &Rule, config: &Config) {
        self.counts_something(rule, config);
        self.counts_far_enough(rule);
        self.has_its_key(rule, config);
        self.has_evidence(rule);
        self.waits_for_something(rule);
        self.shadows_something(rule);
    }

    fn counts_something(&mut self, rule: &Rule, config: &Config) {
        if rule.counts.is_empty() {
            if self.entry.counts.is_some() {
                self.error("counts", "no signal", "one at least", "write counts = [\"auth-failed\"], say");
            }
            return;
        }
        let silent: Vec<(Signal, &str)> = rule
            .counts
            .iter()
            .filter_map(|signal| silence(signal, config).map(|why| (signal, why)))
            .collect();
        let is_never = silent.len() == rule.counts.iter().count();
        for (signal, why) in &silent {
            let found = format!("{}, which nothing makes: {why}", quote(signal.word()));
            match is_never {
                true => {
                    self.error("counts", &found, "a signal that there can be", "mend that, or count another");
                }
                false => {
                    self.warning("counts", &found, "a signal that there can be", "mend that, or remove it");
                }
            }
        }
        if rule.counts.without(rule.undone_by).is_empty() {
            let mend = "count something that is not in undone_by";
            self.error("undone_by", "all that the rule counts", "something else", mend);
        }
    }

    fn counts_far_enough(&mut self, rule: &Rule) {
        let most = most_of(rule);
        let threshold = rule.limit.threshold;
        if threshold > most {
            let found =
                format!("{threshold}{}", if rule.distinct.is_some() { " different ones" } else { "" });
            self.error(
                "threshold",
                &found,
                &format!("at most {most}, which are kept"),
                "write a smaller number",
            );
        }
        let Some((distinct, words)) = rule.distinct.and_then(|distinct| {
            let is_one = match (distinct, rule.key) {
                (Distinct::Accounts, KeyKind::Account | KeyKind::SourceAccount) => true,
                (Distinct::Sources, KeyKind::Source | KeyKind::Port | KeyKind::SourceAccount) => true,
                (
                    Distinct::Nets,
                    KeyKind::Account
                    | KeyKind::WideNet
                    | KeyKind::Switch
                    | KeyKind::System
                    | KeyKind::Country,
                ) => false,
                (Distinct::Nets, _) => true,
                _ => false,
            };
            is_one.then(|| (distinct, word(&Distinct::WORDS, distinct)))
        }) else {
            return;
        };
        if threshold > 1 {
            let key = word(&KeyKind::WORDS, rule.key);
            let found = format!("different {words} counted by {key}, which are never more than one");
            let mend = match distinct {
                Distinct::Accounts => "write key = \"source\" or \"net\"",
                Distinct::Sources | Distinct::Nets => "write key = \"account\", or distinct = \"none\"",
            };
            self.error("distinct", &found, "a key that has many of them", mend);
        }
    }

    fn has_its_key(&mut self, rule: &Rule, config: &Config) {
        let needs = |signals: Signals| {
            let with: Vec<Signal> = rule.counts.iter().filter(|signal| !signals.has(*signal)).collect();
            with.is_empty() && !rule.counts.is_empty()
        };
        if rule.key == KeyKind::Port && needs(WITHOUT_PORT.without(Signals::one(Signal::Banned))) {
            let mend = "write key = \"source\"";
            self.error("key", "\"port\" for signals that come without one", "a key that they have", mend);
        }
        if rule.counts == Signals::one(Signal::Banned) && NARROW.contains(&rule.key) {
            let found = format!(
                "{} for bans, which count for neighbours alone",
                quote(word(&KeyKind::WORDS, rule.key))
            );
            self.error("key", &found, "a key that many sources share", "write key = \"net\"");
            return;
        }
        let by_account = matches!(rule.key, KeyKind::Account | KeyKind::SourceAccount);
        if by_account && needs(WITHOUT_ACCOUNT) {
            let found = format!("{} for signals that name none", quote(word(&KeyKind::WORDS, rule.key)));
            self.error("key", &found, "a key that they have", "write key = \"source\"");
        }
        if rule.distinct == Some(Distinct::Accounts) && rule.limit.threshold > 1 && needs(WITHOUT_ACCOUNT) {
            let mend = "write distinct = \"none\"";
            self.error("distinct", "accounts of signals that name none", "signals that name one", mend);
        }
        let geo = &config.geo;
        let missing = match rule.key {
            KeyKind::Country => geo.country_file.is_none().then_some("geo.country_file"),
            KeyKind::System => (geo.as_file.is_none() && geo.country_file.is_none()).then_some("geo.as_file"),
            _ => None,
        };
        if let Some(missing) = missing {
            let found = format!("{} without {missing}", quote(word(&KeyKind::WORDS, rule.key)));
            self.error("key", &found, "both", &format!("set {missing}, or choose another key"));
        }
    }

    fn has_evidence(&mut self, rule: &Rule) {
        let Some(strongest) = rule.counts.iter().map(Signal::strongest).max() else { return };
        if rule.evidence > strongest {
            let found = format!("{} evidence of signals that are {strongest} at most", rule.evidence);
            let mend = format!("write evidence = \"{strongest}\"");
            self.error("evidence", &found, &format!("{strongest} at most"), &mend);
            return;
        }
        if rule.applies == Applies::Phone && rule.evidence == Evidence::Proven {
            let found = "proven evidence of what comes from a phone's port and is no proof";
            self.error(
                "evidence",
                found,
                "likely at most",
                "write evidence = \"likely\", or another applies",
            );
        }
        let of_known = matches!(rule.applies, Applies::Known | Applies::Phone);
        if of_known && strongest == Evidence::Forgeable && rule.action == Action::Ban && !rule.shadow {
            let found =
                "a ban of sources with standing for what one forged packet makes, which is never made";
            let mend = "write action = \"alert\", or applies = \"strangers\"";
            self.error("applies", found, "evidence of likely or proven", mend);
        }
    }

    /// An alert has no shadow: it does nothing but tell.
    fn shadows_something(&mut self, rule: &Rule) {
        if self.entry.shadow == Some(true) && rule.action == Action::Alert {
            let found = "true for a rule that only alerts, and does so all the same";
            self.warning("shadow", found, "a rule that bans", "remove it, or write enabled = false");
        }
    }

    fn waits_for_something(&mut self, rule: &Rule) {
        let (patience, window) = (rule.patience, rule.limit.window);
        if patience >= window {
            let found = "as long as the window, or longer: every strike is forgotten before it counts";
            let mend = "make it shorter, or the window longer";
            self.error("patience", found, "less than the window", mend);
        } else if patience > Duration::ZERO && rule.undone_by.is_empty() {
            let found = "a wait for nothing: undone_by is empty";
            let mend = "name the signals that take a strike back in undone_by, or remove patience";
            self.warning("patience", found, "something to wait for", mend);
        }
    }
}

/// Why nothing makes a signal with this configuration.
fn silence(signal: Signal, config: &Config) -> Option<&'static str> {
    match signal {
        Signal::OverSessionRate => Some("the switch does not tell whose call it refused"),
        Signal::NewCountry | Signal::DeniedCountry if config.geo.country_file.is_none() => {
            Some("geo.country_file is not set")
        }
        Signal::Honeypot if config.guard.honeypots.is_empty() => Some("guard.honeypots is empty"),
        Signal::DeniedCountry if config.geo.countries.is_empty() => Some("geo.countries is empty"),
        _ => None,
    }
}

/// The word in a table of them.
fn word<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word)
}

/// Signals that come without a port of the source.
const WITHOUT_PORT: Signals =
    Signals::these(&[Signal::AclRejected, Signal::ClientRefused, Signal::OverSessionRate, Signal::Banned]);
/// Signals that name no account.
const WITHOUT_ACCOUNT: Signals =
    Signals::these(&[Signal::AclRejected, Signal::ClientRefused, Signal::OverSessionRate, Signal::Banned]);
/// Keys of one source or less.
const NARROW: [KeyKind; 3] = [KeyKind::Source, KeyKind::Port, KeyKind::SourceAccount];
/// Rules that are none of those that count, and the word for a ban by hand.
const RESERVED: [&str; 3] = ["untrusted-domain", "operator", "found-in-kernel"];
/// In front of the names of the rules of `[fraud]`.
const FRAUD: &str = "fraud-";
