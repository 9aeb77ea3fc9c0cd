//! The policy in force, and what is worked out from it once: which rules a signal wakes, and which share a track.
//!
//! A rule's *slot* is the number of its name, for good: counters keep it when the policy changes. Rules that count the same for the
//! same subject share a *track*, the slot of the first of them: one entry with the longest of their windows.

use crate::policy::{CALL_RATE, FAILED, Policy, REGISTRATION_RATE, UNTRUSTED_DOMAIN, WRONG_CALL_STATE};
use crate::rule::{KeyKind, Rule};
use crate::signal::{Signal, Signals};
use crate::source::{Source, Target};
use crate::tally::Measure;
use crate::window::ticks;
use ipnet::IpNet;
use std::sync::Arc;

/// A rule, and what is worked out from it.
pub(crate) struct Ready {
    pub(super) rule: Rule,
    /// Number of its name.
    pub(super) slot: u8,
    /// Slot of the rule whose entries it shares.
    pub(super) track: u8,
    pub(super) measure: Measure,
    /// Its own window and patience in ticks.
    pub(super) span: u32,
    pub(super) patience: u32,
    /// Whether it counts sources that it is not for, too, because answers show them.
    pub(super) shown: bool,
}

/// A set of rules, by their places.
#[derive(Clone, Copy, Default)]
pub(super) struct Places(u64);

/// The policy, and what is worked out from it once.
pub(crate) struct Compiled {
    pub(super) policy: Policy,
    pub(super) rules: Vec<Ready>,
    /// Longest window of each track in ticks.
    pub(super) spans: Vec<u32>,
    /// Rules that count, or take back, each signal.
    counting: [Places; Signal::ALL.len()],
    undoing: [Places; Signal::ALL.len()],
    /// Rules whose subject is not the source or a part of it.
    pub(super) wide: Places,
    /// Rules that count by where the source is.
    placed: Places,
    pub(super) untrusted_slot: u8,
}

impl Places {
    fn add(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn and(self, other: Places) -> Places {
        Places(self.0 & other.0)
    }

    pub(super) fn without(self, other: Places) -> Places {
        Places(self.0 & !other.0)
    }
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let place = self.0.trailing_zeros();
        (place < 64).then(|| {
            self.0 &= self.0 - 1;
            place as usize
        })
    }
}

/// Names of rules by slot; a name keeps its slot.
#[derive(Default)]
pub(super) struct Slots(Vec<Arc<str>>);

impl Slots {
    /// The slot of a name. When all are taken the last one is shared: its counters are then those of several rules.
    pub(super) fn of(&mut self, name: &Arc<str>) -> u8 {
        let known = self.0.iter().position(|other| other == name);
        let slot = known.unwrap_or_else(|| {
            if self.0.len() < SLOTS {
                self.0.push(name.clone());
            }
            self.0.len() - 1
        });
        slot as u8
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.0.clone()
    }
}

/// Slots that there are: rules of all policies that one process sees.
pub(crate) const SLOTS: usize = 255;

impl Compiled {
    pub(super) fn new(policy: Policy, slots: &mut Slots) -> Compiled {
        let mut rules: Vec<Ready> = Vec::new();
        for rule in policy.rules() {
            let slot = slots.of(&rule.name);
            let twin = rules.iter().find(|other| is_same_track(&other.rule, &rule));
            let track = twin.map_or(slot, |twin| twin.track);
            let span = ticks(rule.limit.window);
            let patience = ticks(rule.patience);
            let measure = Measure { span, keep: rule.limit.threshold, quiet: span, waits: patience > 0 };
            let shown = [FAILED, WRONG_CALL_STATE, CALL_RATE, REGISTRATION_RATE].contains(&&*rule.name);
            rules.push(Ready { rule, slot, track, measure, span, patience, shown });
        }
        let mut spans = vec![0; SLOTS + 1];
        let tracks: Vec<(u8, Measure, bool)> =
            rules.iter().map(|rule| (rule.track, rule.measure, rule.rule.enabled)).collect();
        for rule in &mut rules {
            for (_, other, _) in tracks.iter().filter(|(track, _, enabled)| *track == rule.track && *enabled)
            {
                rule.measure.span = rule.measure.span.max(other.span);
                rule.measure.keep = rule.measure.keep.max(other.keep);
                rule.measure.quiet = rule.measure.quiet.min(other.quiet);
            }
            spans[usize::from(rule.track)] = rule.measure.span;
        }
        let mut compiled = Compiled {
            policy,
            rules,
            spans,
            counting: Default::default(),
            undoing: Default::default(),
            wide: Places::default(),
            placed: Places::default(),
            untrusted_slot: slots.of(&UNTRUSTED_DOMAIN.into()),
        };
        compiled.sort();
        compiled
    }

    fn sort(&mut self) {
        for (place, Ready { rule, track, .. }) in
            self.rules.iter().enumerate().filter(|(_, it)| it.rule.enabled)
        {
            for signal in rule.counts.iter() {
                self.counting[signal as usize].add(place);
            }
            // Rules that share a track have one strike to take back, not one each.
            let is_first =
                !self.rules.iter().take(place).any(|other| other.track == *track && other.rule.enabled);
            for signal in rule.undone_by.iter().filter(|_| is_first) {
                self.undoing[signal as usize].add(place);
            }
            if rule.key.is_wide() {
                self.wide.add(place);
            }
            if matches!(rule.key, KeyKind::System | KeyKind::Country) {
                self.placed.add(place);
            }
        }
    }

    /// The rules that count any of these signals.
    pub(super) fn counting(&self, signals: Signals) -> Places {
        signals
            .iter()
            .fold(Places::default(), |places, signal| Places(places.0 | self.counting[signal as usize].0))
    }

    /// The rules that take a strike back for any of these signals.
    pub(super) fn undoing(&self, signals: Signals) -> Places {
        signals
            .iter()
            .fold(Places::default(), |places, signal| Places(places.0 | self.undoing[signal as usize].0))
    }

    /// Whether any of these rules counts by where the source is.
    pub(super) fn asks_place(&self, rules: Places) -> bool {
        !rules.and(self.placed).is_empty()
    }

    /// The rule of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Ready> {
        self.rules.iter().find(|ready| &*ready.rule.name == name)
    }

    /// Whether a trusted or protected network overlaps the source: of an IPv6 /64, one address is enough.
    pub(super) fn is_out_of_reach(&self, source: Source) -> bool {
        self.reaches_not(source).is_some()
    }

    /// The trusted or protected network that overlaps the source.
    pub(super) fn reaches_not(&self, source: Source) -> Option<IpNet> {
        let target = Target::Host(source);
        self.policy.trusted.iter().chain(&self.policy.protected).find(|net| target.overlaps(net)).copied()
    }

    pub(super) fn switch(&self, number: u16) -> &str {
        self.policy.switches.get(usize::from(number)).map_or("", String::as_str)
    }
}

/// Whether two rules count the same strikes of the same subject, so that one entry serves both.
fn is_same_track(one: &Rule, other: &Rule) -> bool {
    let what =
        |rule: &Rule| (rule.counts, rule.undone_by, rule.key, rule.distinct, rule.applies, rule.patience);
    what(one) == what(other) && one.enabled && other.enabled
}
