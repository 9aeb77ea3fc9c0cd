//! What the model counts: plain lists of strikes, one list for each subject of each rule or group of like rules.

use guard::rule::{Distinct, KeyKind, Rule};
use guard::{Evidence, Observation, Place, Source};
use ipnet::IpNet;

/// Whose strikes are counted together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    Source(Source),
    Port(Source, u16),
    SourceAccount(Source, Account),
    Account(Account),
    Net(IpNet),
    Switch(u16),
    System(u32),
    Country([u8; 2]),
}

pub(crate) type Account = (Vec<u8>, Vec<u8>);

/// What tells one strike apart from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tag {
    Account(Account),
    Source(Source),
    Net(IpNet),
}

/// A strike, in steps of 10 ms.
#[derive(Clone, Debug)]
struct Strike {
    at: u64,
    evidence: Evidence,
    tag: Option<Tag>,
}

/// The strikes of one subject under one group of rules.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) group: usize,
    pub(crate) subject: Subject,
    strikes: Vec<Strike>,
    /// Since it was last quiet.
    total: u32,
    /// When an alert was told.
    told: Option<u64>,
}

/// How a group counts: like rules share one list, with the longest window and the highest threshold of them.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// A rule of it.
    pub(crate) like: Rule,
    span: u64,
    keep: usize,
    quiet: u64,
}

/// The net that a source belongs to, for rules of this kind.
pub(crate) fn net(source: Source, key: KeyKind) -> IpNet {
    let length = match (source, key) {
        (Source::V4(_), _) => 24,
        (Source::V6(_), KeyKind::WideNet) => 48,
        (Source::V6(_), _) => 56,
    };
    IpNet::new(source.first(), length).unwrap().trunc()
}

/// Steps of 10 ms in a time.
pub(crate) fn ticks(time: std::time::Duration) -> u64 {
    time.as_micros().div_ceil(10_000) as u64
}

/// The subject of an observation under a rule, if it has one.
pub(crate) fn subject(rule: &Rule, seen: &Observation<'_>, source: Source, place: Place) -> Option<Subject> {
    let account = || (!seen.user.is_empty()).then(|| (seen.user.to_vec(), seen.domain.to_vec()));
    Some(match rule.key {
        KeyKind::Source => Subject::Source(source),
        KeyKind::Port if seen.port == 0 => return None,
        KeyKind::Port => Subject::Port(source, seen.port),
        KeyKind::SourceAccount => Subject::SourceAccount(source, account()?),
        KeyKind::Account => Subject::Account(account()?),
        KeyKind::WideNet if matches!(source, Source::V4(_)) => return None,
        KeyKind::Net | KeyKind::WideNet => Subject::Net(net(source, rule.key)),
        KeyKind::Switch => Subject::Switch(seen.switch),
        KeyKind::System => Subject::System(place.system?),
        KeyKind::Country => Subject::Country(place.country?),
    })
}

/// What tells an observation apart under a rule.
pub(crate) fn tag(rule: &Rule, seen: &Observation<'_>, source: Source) -> Option<Tag> {
    Some(match rule.distinct? {
        Distinct::Accounts => Tag::Account((seen.user.to_vec(), seen.domain.to_vec())),
        Distinct::Sources => Tag::Source(source),
        Distinct::Nets => Tag::Net(net(source, KeyKind::Net)),
    })
}

/// The group of each rule, and all groups.
pub(crate) fn groups(rules: &[Rule]) -> (Vec<usize>, Vec<Group>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut of = Vec::new();
    for rule in rules {
        let (span, keep) = (ticks(rule.limit.window), rule.limit.threshold as usize);
        let same = |group: &Group| {
            let what = |rule: &Rule| {
                (rule.counts, rule.undone_by, rule.key, rule.distinct, rule.applies, rule.patience)
            };
            group.like.enabled && rule.enabled && what(&group.like) == what(rule)
        };
        let place = groups.iter().position(same).unwrap_or_else(|| {
            groups.push(Group { like: rule.clone(), span, keep, quiet: span });
            groups.len() - 1
        });
        let group = &mut groups[place];
        (group.span, group.keep) = (group.span.max(span), group.keep.max(keep));
        group.quiet = group.quiet.min(span);
        of.push(place);
    }
    (of, groups)
}

impl List {
    pub(crate) fn new(group: usize, subject: Subject) -> List {
        List { group, subject, strikes: Vec::new(), total: 0, told: None }
    }

    /// One more strike.
    pub(crate) fn strike(&mut self, group: &Group, now: u64, evidence: Evidence, tag: Option<Tag>) {
        if self.strikes.iter().map(|strike| strike.at).max().is_none_or(|last| now - last >= group.quiet) {
            self.total = 0;
        }
        self.strikes.retain(|strike| now - strike.at < group.span);
        if self.strikes.is_empty() {
            self.told = None;
        }
        self.total += 1;
        // Where strikes must ripen, those that are there stay.
        if !group.like.patience.is_zero() && self.strikes.len() >= group.keep {
            return;
        }
        let again = tag.as_ref().and_then(|tag| self.position(tag));
        if let Some(at) = again {
            let before = self.strikes.remove(at);
            self.strikes.push(Strike { at: now, evidence: evidence.max(before.evidence), tag });
            return;
        }
        if self.strikes.len() >= group.keep {
            self.strikes.remove(0);
        }
        self.strikes.push(Strike { at: now, evidence, tag });
    }

    fn position(&self, tag: &Tag) -> Option<usize> {
        self.strikes.iter().position(|strike| strike.tag.as_ref() == Some(tag))
    }

    /// One strike less: the oldest, or the one with this tag.
    pub(crate) fn undo(&mut self, tag: Option<Tag>) {
        let place = match &tag {
            Some(tag) => self.position(tag),
            None => (!self.strikes.is_empty()).then_some(0),
        };
        if let Some(place) = place {
            self.strikes.remove(place);
        }
        self.total = self.total.saturating_sub(1);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.strikes.is_empty()
    }

    /// Those that count for a rule at `now`.
    fn counting(&self, rule: &Rule, now: u64) -> Vec<&Strike> {
        let (span, patience) = (ticks(rule.limit.window), ticks(rule.patience));
        let counts = |strike: &&Strike| now - strike.at < span && now - strike.at >= patience;
        self.strikes.iter().filter(counts).collect()
    }

    /// The evidence on which a rule fires, if it does: the strongest that as many strikes as it takes have.
    pub(crate) fn fires(&self, rule: &Rule, now: u64) -> Option<Evidence> {
        let needed = rule.limit.threshold as usize;
        let counting = self.counting(rule, now);
        let so_strong = |evidence: &Evidence| {
            counting.iter().filter(|strike| strike.evidence >= *evidence).count() >= needed
        };
        Evidence::ALL.into_iter().rev().find(so_strong)
    }

    /// How many strikes the rule's reason tells, the first and the last; `None` when there are none.
    pub(crate) fn shown(&self, rule: &Rule, now: u64) -> Option<(u32, u64, u64)> {
        let ripe = Rule { patience: std::time::Duration::ZERO, ..rule.clone() };
        let counting = self.counting(&ripe, now);
        let first = counting.iter().map(|strike| strike.at).min()?;
        let last = counting.iter().map(|strike| strike.at).max()?;
        let count = counting.len() as u32;
        Some((if rule.distinct.is_some() { count } else { count.max(self.total) }, first, last))
    }

    /// How many strikes count for a rule.
    pub(crate) fn number(&self, rule: &Rule, now: u64) -> u32 {
        self.counting(rule, now).len() as u32
    }

    /// Whether an alert is due.
    pub(crate) fn tell(&mut self, rule: &Rule, now: u64) -> bool {
        let due = self.told.is_none_or(|told| now - told >= ticks(rule.limit.window));
        if due {
            self.told = Some(now);
        }
        due
    }
}
