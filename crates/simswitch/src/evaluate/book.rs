//! What each party of a scenario did and suffered: [`Book`], which a [`Score`] is made of at the end.

use super::{judge::Finding, score::Score};
use crate::scenario::{Label, Source};
use guard::{Scope, Target};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The parties of a scenario.
#[derive(Debug, Default)]
pub(super) struct Book {
    parties: Vec<Party>,
    score: Score,
}

/// Somebody who takes part, or suffers.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) role: String,
    pub(super) label: Label,
    pub(super) sources: Vec<Source>,
    /// Whether it sends anything itself.
    pub(super) acts: bool,
    pub(super) attempts: u64,
    pub(super) blocked: u64,
    began: Option<Duration>,
    banned: Option<Duration>,
    told: Option<Duration>,
    wronged: bool,
}

impl Party {
    pub(super) fn new(role: impl Into<String>, label: Label, sources: Vec<Source>, acts: bool) -> Self {
        Self {
            role: role.into(),
            label,
            sources,
            acts,
            attempts: 0,
            blocked: 0,
            began: None,
            banned: None,
            told: None,
            wronged: false,
        }
    }

    fn is_hit_by(&self, target: Target) -> bool {
        self.sources.iter().any(|source| {
            let Ok(net) = IpNet::new(source.address, source.prefix) else { return false };
            let same_port = match (target, source.port) {
                (Target::Port(_, banned), Some(port)) => banned == port || banned == 0,
                _ => true,
            };
            same_port && target.overlaps(&net)
        })
    }

    fn is_healthy(&self) -> bool {
        matches!(self.label, Label::Healthy | Label::Victim)
    }
}

impl Book {
    pub(super) fn new(parties: Vec<Party>) -> Self {
        Self { parties, score: Score::default() }
    }

    pub(super) fn party(&mut self, number: usize) -> Option<&mut Party> {
        self.parties.get_mut(number)
    }

    /// Whose address it is, of those who send.
    pub(super) fn at(&self, ip: IpAddr) -> Option<usize> {
        self.parties.iter().position(|party| party.sources.iter().any(|source| source.contains(ip, 0)))
    }

    /// A party sends something, and it is dropped or not; `why` tells what stands against it.
    pub(super) fn step(
        &mut self,
        number: usize,
        at: Duration,
        source: SocketAddr,
        dropped: bool,
        why: impl FnOnce() -> String,
    ) {
        let Some(party) = self.parties.get_mut(number) else { return };
        party.began.get_or_insert(at);
        party.attempts += 1;
        party.blocked += u64::from(dropped);
        if dropped {
            // Perhaps by a ban of its whole net, from before its first step.
            party.banned.get_or_insert(at);
        }
        if dropped && party.is_healthy() {
            self.score.lost += 1;
            if !party.wronged {
                party.wronged = true;
                let role = &party.role;
                self.score.wrongs.push(format!("{role} {source} after {}: {}", said(at), why()));
            }
        }
    }

    /// A judge found something in what a party did.
    pub(super) fn find(&mut self, number: Option<usize>, at: Duration, finding: &Finding) {
        match finding {
            Finding::Ban { target, scope, length, rule } => {
                *self.score.rules.entry(rule.clone()).or_default() += 1;
                self.score.bans += 1;
                let is_brief = *scope == Scope::Sip && length.is_some_and(|length| length <= BRIEF);
                for party in &mut self.parties {
                    if !party.is_hit_by(*target) {
                        continue;
                    }
                    if party.began.is_some() {
                        party.banned.get_or_insert(at);
                    }
                    if !party.is_healthy() {
                        continue;
                    }
                    self.score.brief += u64::from(is_brief);
                    // Who only suffers sends nothing here, but does elsewhere: a resolver, somebody's customer.
                    if !is_brief && !party.acts && !party.wronged {
                        party.wronged = true;
                        let role = &party.role;
                        self.score.wrongs.push(format!("{role} after {}: {target} ({rule})", said(at)));
                    }
                }
            }
            Finding::Alert { rule, source } => {
                *self.score.rules.entry(rule.clone()).or_default() += 1;
                let number = number.or_else(|| self.at(*source));
                let Some(party) = number.and_then(|number| self.parties.get_mut(number)) else { return };
                party.told.get_or_insert(at);
                self.score.false_alerts += u64::from(party.is_healthy());
            }
        }
    }

    pub(super) fn score(self) -> Score {
        let mut score = self.score;
        for party in self.parties {
            let first = match (party.banned, party.told) {
                (Some(banned), Some(told)) => Some(banned.min(told)),
                (banned, told) => banned.or(told),
            };
            match party.label {
                Label::Attacker if party.sources.is_empty() => {}
                Label::Attacker => {
                    score.attackers += 1;
                    score.attempts += party.attempts;
                    score.let_through += party.attempts - party.blocked;
                    score.banned += u64::from(party.banned.is_some());
                    score.alerted += u64::from(party.banned.is_none() && party.told.is_some());
                    match (first, party.began) {
                        (Some(first), Some(began)) => {
                            let took = first.saturating_sub(began).as_micros();
                            score.detection.push(u64::try_from(took).unwrap_or(u64::MAX));
                        }
                        _ => score.missed.push(party.role),
                    }
                }
                Label::Misconfigured => {
                    score.misconfigured += 1;
                    score.misconfigured_found += u64::from(first.is_some());
                }
                Label::Healthy | Label::Victim => {
                    score.healthy += 1;
                    score.locked_out += u64::from(party.wronged);
                }
            }
        }
        Score::default().plus(score)
    }
}

/// A time in a scenario, as a person says it.
fn said(at: Duration) -> String {
    guard::ban::span(at)
}

/// A ban of the SIP ports that is no longer than this hurts nobody who is silent.
const BRIEF: Duration = Duration::from_secs(120);
