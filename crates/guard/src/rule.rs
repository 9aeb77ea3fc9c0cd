//! A rule: what is counted, for whom, how many in which window, and what then.
//!
//! [`Rule`]s are all that the engine reads. [`crate::Policy::rules`] makes the built-in ones of the policy's plain values and then applies
//! the operator's [`RuleChange`]s. Nothing here counts.

use crate::ban::Scope;
use crate::observation::Evidence;
use crate::signal::Signals;
use std::sync::Arc;
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

/// Whose strikes are counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KeyKind {
    /// All of a source.
    Source,
    /// One address and port: one phone behind a NAT.
    Port,
    /// One account at one source.
    SourceAccount,
    /// One account, from wherever.
    Account,
    /// A source's neighbours: an IPv4 /24, an IPv6 /56.
    Net,
    /// An IPv6 /48; IPv4 has none.
    WideNet,
    /// All of a switch.
    Switch,
    /// An autonomous system, by the operator's file.
    System,
    /// A country, by the operator's file.
    Country,
}

/// What is told apart when not the strikes but different ones are counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Distinct {
    /// Different accounts.
    Accounts,
    /// Different sources.
    Sources,
    /// Different nets: IPv4 /24, IPv6 /56.
    Nets,
}

/// Which sources a rule is for. A source has standing while a phone of it is registered or it is on the allow-list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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

/// What happens when a rule fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A ban: of the source or port; of the net when the rule counts by net; of the source that struck last when it counts by
    /// account, switch, system or country.
    Ban,
    /// An alert, at most once in the window for a key.
    Alert,
}

/// Where a rule comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleOrigin {
    /// Built in.
    BuiltIn,
    /// Built in, and changed by the configuration.
    Changed,
    /// The configuration's own.
    Own,
}

/// One rule, spelt out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its name, as reasons and answers show it.
    pub name: Arc<str>,
    /// What the strikes are, in the plural.
    pub what: Arc<str>,
    /// What it counts.
    pub counts: Signals,
    /// What takes one strike back.
    pub undone_by: Signals,
    /// Whose strikes are counted together.
    pub key: KeyKind,
    /// What is told apart, if not every strike counts.
    pub distinct: Option<Distinct>,
    /// How many, in which window, and the ban.
    pub limit: Limit,
    /// How old a strike must be before it counts: a challenge may still be answered.
    pub patience: Duration,
    /// Which sources it is for.
    pub applies: Applies,
    /// What happens when it fires.
    pub action: Action,
    /// Which packets the ban drops.
    pub scope: Scope,
    /// The evidence that it takes at least; with less it does not fire.
    pub evidence: Evidence,
    /// Whether it only says what it would have done.
    pub shadow: bool,
    /// Whether it counts at all.
    pub enabled: bool,
    /// Where it comes from.
    pub origin: RuleOrigin,
}

/// A change of a built-in rule, or a rule of the operator's own; what is `None` stays, or has [`RuleChange::rule`]'s default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleChange {
    /// The rule's name.
    pub name: String,
    /// As in [`Rule`].
    pub what: Option<String>,
    /// As in [`Rule`].
    pub counts: Option<Signals>,
    /// As in [`Rule`].
    pub undone_by: Option<Signals>,
    /// As in [`Rule`].
    pub key: Option<KeyKind>,
    /// `Some(None)` counts every strike.
    pub distinct: Option<Option<Distinct>>,
    /// As in [`Rule`].
    pub threshold: Option<u32>,
    /// As in [`Rule`].
    pub window: Option<Duration>,
    /// As in [`Rule`].
    pub patience: Option<Duration>,
    /// As in [`Rule`].
    pub applies: Option<Applies>,
    /// As in [`Rule`].
    pub action: Option<Action>,
    /// As in [`Rule`].
    pub ban: Option<Duration>,
    /// As in [`Rule`].
    pub scope: Option<Scope>,
    /// As in [`Rule`].
    pub evidence: Option<Evidence>,
    /// As in [`Rule`].
    pub shadow: Option<bool>,
    /// As in [`Rule`].
    pub enabled: Option<bool>,
}

impl RuleChange {
    /// Changes a rule.
    pub fn apply(&self, rule: &mut Rule) {
        fn set<T: Clone>(place: &mut T, value: &Option<T>) {
            if let Some(value) = value {
                place.clone_from(value);
            }
        }
        if let Some(what) = &self.what {
            rule.what = what.as_str().into();
        }
        set(&mut rule.counts, &self.counts);
        set(&mut rule.undone_by, &self.undone_by);
        set(&mut rule.key, &self.key);
        set(&mut rule.distinct, &self.distinct);
        set(&mut rule.limit.threshold, &self.threshold);
        set(&mut rule.limit.window, &self.window);
        set(&mut rule.patience, &self.patience);
        set(&mut rule.applies, &self.applies);
        set(&mut rule.action, &self.action);
        set(&mut rule.limit.ban, &self.ban);
        set(&mut rule.scope, &self.scope);
        set(&mut rule.evidence, &self.evidence);
        set(&mut rule.shadow, &self.shadow);
        set(&mut rule.enabled, &self.enabled);
    }

    /// A rule of its own: per source, for strangers, a ban of an hour for everything, whatever the evidence.
    pub fn rule(&self) -> Rule {
        let mut rule = Rule {
            name: self.name.as_str().into(),
            what: "strikes".into(),
            counts: Signals::NONE,
            undone_by: Signals::NONE,
            key: KeyKind::Source,
            distinct: None,
            limit: Limit { threshold: 1, window: Duration::from_secs(600), ban: Duration::from_secs(3600) },
            patience: Duration::ZERO,
            applies: Applies::Strangers,
            action: Action::Ban,
            scope: Scope::All,
            evidence: Evidence::Forgeable,
            shadow: false,
            enabled: true,
            origin: RuleOrigin::Own,
        };
        self.apply(&mut rule);
        rule
    }
}

impl KeyKind {
    /// Whether what is counted together is more than one source, or not a source at all.
    pub fn is_wide(self) -> bool {
        !matches!(self, KeyKind::Source | KeyKind::Port | KeyKind::SourceAccount)
    }

    /// Whether a ban hits just what was counted together.
    pub fn is_its_own_target(self) -> bool {
        !matches!(self, KeyKind::Account | KeyKind::Switch | KeyKind::System | KeyKind::Country)
    }

    /// All, with their words.
    pub const WORDS: [(&'static str, KeyKind); 9] = [
        ("source", KeyKind::Source),
        ("port", KeyKind::Port),
        ("source-account", KeyKind::SourceAccount),
        ("account", KeyKind::Account),
        ("net", KeyKind::Net),
        ("wide-net", KeyKind::WideNet),
        ("switch", KeyKind::Switch),
        ("system", KeyKind::System),
        ("country", KeyKind::Country),
    ];
}

impl Distinct {
    /// All, with their words.
    pub const WORDS: [(&'static str, Distinct); 3] =
        [("accounts", Distinct::Accounts), ("sources", Distinct::Sources), ("nets", Distinct::Nets)];
}

impl Applies {
    /// All, with their words.
    pub const WORDS: [(&'static str, Applies); 4] = [
        ("everyone", Applies::Everyone),
        ("strangers", Applies::Strangers),
        ("known", Applies::Known),
        ("phone", Applies::Phone),
    ];
}

impl Action {
    /// All, with their words.
    pub const WORDS: [(&'static str, Action); 2] = [("ban", Action::Ban), ("alert", Action::Alert)];
}

/// Rules that a policy may have.
pub const MOST_RULES: usize = 64;
/// Longest window, in days: the time that strikes are kept with wraps.
pub const LONGEST_WINDOW_DAYS: u64 = 60;
/// Greatest threshold of a rule that counts different accounts, sources or nets.
pub const MOST_DISTINCT: u32 = 64;
/// Greatest threshold of a rule that counts strikes.
pub const MOST_STRIKES: u32 = 60_000;
