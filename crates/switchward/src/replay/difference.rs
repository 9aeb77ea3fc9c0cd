//! The same captures judged by two configurations at once: which verdicts differ, in what, and why.
//!
//! Both sides see an event before the next one is read, so the memory needed does not grow with the captures or their verdicts.
//! Start with [`Comparison::play`]; every [`Difference`] is told as soon as it is certain, the rest by [`Comparison::finish`].

use super::capture::Heard;
use super::judge::Judge;
use super::pairs::{Pairs, Side, Waiting};
use super::{Action, Error, Line, Map, Summary, capture};
use crate::config::Config;
use crate::store::Remembered;
use guard::ban::span;
use guard::engine::Explanation;
use serde::Serialize;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// How two verdicts differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The second configuration does not come to it.
    OnlyA,
    /// The first configuration does not come to it.
    OnlyB,
    /// Both do the same to the same target, but not quite.
    Different,
}

/// In what two verdicts on the same target differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The rule that fired.
    Rule,
    /// When.
    Time,
    /// For how long.
    Length,
    /// Which packets a ban drops.
    Scope,
    /// How hard the evidence is to forge.
    Evidence,
}

impl Aspect {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Aspect::Rule => "rule",
            Aspect::Time => "time",
            Aspect::Length => "length",
            Aspect::Scope => "scope",
            Aspect::Evidence => "evidence",
        }
    }
}

/// A verdict on which the two configurations do not agree.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Difference {
    /// How they differ.
    pub kind: Kind,
    /// In what, when both have the verdict.
    pub differs: Vec<Aspect>,
    /// The verdict of the first configuration.
    pub a: Option<Line>,
    /// The verdict of the second configuration.
    pub b: Option<Line>,
    /// How things stood on the side that has no such verdict when the other came to it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub elsewhere: String,
}

/// Verdicts by how they compare.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Tally {
    /// The same on both sides.
    pub same: u64,
    /// On both sides, but not quite the same.
    pub different: u64,
    /// Only by the first configuration.
    pub only_a: u64,
    /// Only by the second configuration.
    pub only_b: u64,
}

impl Tally {
    /// Whether the two sides agree.
    pub fn is_same(&self) -> bool {
        self.different == 0 && self.only_a == 0 && self.only_b == 0
    }
}

/// What came of a comparison.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Result {
    /// Bans.
    pub bans: Tally,
    /// Calls ended.
    pub hangups: Tally,
    /// Accounts blocked.
    pub blocks: Tally,
    /// Alerts.
    pub alerts: Tally,
    /// Allow entries.
    pub allows: Tally,
    /// Verdicts told as being of one side only because too many waited for their like.
    pub crowded_out: u64,
}

impl Result {
    /// Whether the two sides agree in all.
    pub fn is_same(&self) -> bool {
        [self.bans, self.hangups, self.blocks, self.alerts, self.allows].iter().all(Tally::is_same)
    }

    fn of(&mut self, action: Action) -> &mut Tally {
        match action {
            Action::Ban => &mut self.bans,
            Action::Hangup => &mut self.hangups,
            Action::Block => &mut self.blocks,
            Action::Alert => &mut self.alerts,
            Action::Allow => &mut self.allows,
        }
    }
}

/// Verdicts that may wait for their like.
const WAITING: usize = 65_536;

/// Two configurations that judge the same.
pub struct Comparison {
    a: Judge,
    b: Judge,
    pairs: Pairs,
    result: Result,
    summary: Summary,
}

impl Comparison {
    /// The rules of `a` beside those of `b`. Bans are judged as enforced on both sides.
    pub fn new(a: &Config, b: &Config, maps: &[Map]) -> Comparison {
        Comparison::with_past(a, b, None, maps)
    }

    /// The same, and what a store remembers is known at the beginning to both.
    pub fn with_past(a: &Config, b: &Config, past: Option<Arc<Remembered>>, maps: &[Map]) -> Comparison {
        let judge = |config| Judge::new(config, past.clone(), maps.to_vec());
        let (result, summary) = (Result::default(), Summary::default());
        Comparison { a: judge(a), b: judge(b), pairs: Pairs::new(WAITING), result, summary }
    }

    /// Files of the configurations that could not be read and are done without.
    pub fn troubles(&self) -> Vec<String> {
        let mut all = [self.a.troubles(), self.b.troubles()].concat();
        all.sort();
        all.dedup();
        all
    }

    /// Plays a file to both; `tell` hears of what is certain to differ.
    ///
    /// # Errors
    /// When the file cannot be read or is no capture.
    pub fn play(&mut self, path: &Path, tell: &mut dyn FnMut(Difference)) -> std::result::Result<(), Error> {
        self.a.begin();
        self.b.begin();
        let played = capture::play(path, &mut |heard| self.hear(heard, tell));
        self.a.account(&mut self.summary);
        self.b.account(&mut Summary::default());
        played?.account(path, &mut self.summary)
    }

    /// All was played: what still waits for its like has none.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Difference)) -> Result {
        while let Some(waiting) = self.pairs.first() {
            self.alone(waiting, tell);
        }
        self.result.crowded_out = self.pairs.crowded_out;
        self.result
    }

    /// What was played so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn hear(&mut self, heard: Heard<'_>, tell: &mut dyn FnMut(Difference)) {
        let stories = self.a.stories();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        self.a.hear(heard, &mut |ip, line| a.push((ip, line)));
        self.b.hear(heard, &mut |ip, line| b.push((ip, line)));
        if self.a.stories() != stories {
            self.finish(tell);
        }
        while let Some(waiting) = self.pairs.given_up(self.a.now()) {
            self.alone(waiting, tell);
        }
        // What both come to at the same event belongs together, whatever waits from before.
        a.retain(|(_, line)| {
            let is_like = |other: &Line| {
                (line.action, &line.target, &line.account) == (other.action, &other.target, &other.account)
            };
            let twin = b.iter().position(|(_, other)| is_like(other) && line.rule == other.rule);
            let Some(index) = twin else { return true };
            self.result.both(line.clone(), b.remove(index).1, tell);
            false
        });
        for (side, lines) in [(Side::A, a), (Side::B, b)] {
            for (ip, line) in lines {
                self.later(side, ip, line, tell);
            }
        }
    }

    /// A verdict that only one side came to at this event.
    fn later(&mut self, side: Side, ip: Option<IpAddr>, line: Line, tell: &mut dyn FnMut(Difference)) {
        if let Some(met) = self.pairs.meet(side, &line) {
            let (a, b) = if side == Side::A { (line, met.line) } else { (met.line, line) };
            self.result.both(a, b, tell);
            return;
        }
        let other = if side == Side::A { &self.b } else { &self.a };
        let elsewhere = ip.map_or_else(String::new, |ip| standing(&other.explain(ip), &line));
        if let Some(waiting) = self.pairs.wait(side, line, elsewhere, self.a.now()) {
            self.alone(waiting, tell);
        }
    }

    fn alone(&mut self, waiting: Waiting, tell: &mut dyn FnMut(Difference)) {
        let Waiting { side, line, elsewhere, .. } = waiting;
        let tally = self.result.of(line.action);
        let (kind, a, b) = match side {
            Side::A => {
                tally.only_a += 1;
                (Kind::OnlyA, Some(line), None)
            }
            Side::B => {
                tally.only_b += 1;
                (Kind::OnlyB, None, Some(line))
            }
        };
        tell(Difference { kind, differs: Vec::new(), a, b, elsewhere });
    }
}

impl Result {
    /// Both sides have the verdict; whether quite the same is the question.
    fn both(&mut self, a: Line, b: Line, tell: &mut dyn FnMut(Difference)) {
        let aspects = [
            (Aspect::Rule, a.rule != b.rule),
            (Aspect::Time, a.time != b.time),
            (Aspect::Length, a.ttl != b.ttl),
            (Aspect::Scope, a.scope != b.scope),
            (Aspect::Evidence, a.evidence != b.evidence),
        ];
        let differs: Vec<Aspect> =
            aspects.into_iter().filter_map(|(aspect, differs)| differs.then_some(aspect)).collect();
        let tally = self.of(a.action);
        if differs.is_empty() {
            tally.same += 1;
            return;
        }
        tally.different += 1;
        let elsewhere = String::new();
        tell(Difference { kind: Kind::Different, differs, a: Some(a), b: Some(b), elsewhere });
    }
}

/// How a side stands towards the source of a verdict that it has not come to.
fn standing(known: &Explanation, verdict: &Line) -> String {
    let mut parts = Vec::new();
    if let Some(net) = known.out_of_reach {
        parts.push(format!("{} is in {net}, which is trusted or protected", known.source));
    }
    if let Some(ban) = known.ban.as_ref().or(known.ports.first()) {
        parts.push(format!("{} is banned by {} already", ban.target, ban.reason.rule));
    }
    if known.allowed.is_some() {
        parts.push("an allow entry covers it".to_owned());
    }
    match known.phones {
        0 => {}
        1 => parts.push("1 phone is registered there".to_owned()),
        phones => parts.push(format!("{phones} phones are registered there")),
    }
    let mut counted: Vec<_> = known.counted.iter().collect();
    counted.sort_by_key(|record| *record.rule != *verdict.rule);
    for record in counted.into_iter().take(COUNTS_SHOWN) {
        let within = span(record.window);
        parts.push(format!(
            "{} has counted {} of {} {} in {within}",
            record.rule, record.record.count, record.threshold, record.what
        ));
    }
    if parts.is_empty() { "nothing is counted against it".to_owned() } else { parts.join("; ") }
}

/// Counts of rules that are told of a source.
const COUNTS_SHOWN: usize = 3;
