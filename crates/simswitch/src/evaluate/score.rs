//! What came out of a scenario before one judge: [`Score`], and of both side by side: [`Row`].

use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// A scenario, or a capture, before both judges.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub name: String,
    /// What happens in it.
    pub what: String,
    /// By [`Judge`](super::Judge): ours, then the plain one's.
    pub scores: [Score; 2],
}

/// What came out of a scenario before one judge. Of several seeds it is the sum.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Attackers who send from addresses of their own.
    pub attackers: u64,
    /// Of those, how many had a source of theirs banned while they were at it: true bans.
    pub banned: u64,
    /// Of the others, about how many a person was told.
    pub alerted: u64,
    /// From an attacker's first step to the first ban or alert, for each that was found, in microseconds, ascending.
    pub detection: Vec<u64>,
    /// Steps of attackers.
    pub attempts: u64,
    /// Of those, how many reached the switch.
    pub let_through: u64,
    /// Phones and trunks that are well, and bystanders whose address is forged.
    pub healthy: u64,
    /// Of those, how many were locked out when they sent something, or were banned for long: false bans.
    pub locked_out: u64,
    /// Packets of healthy senders that were dropped.
    pub lost: u64,
    /// Short bans (SIP ports only, at most two minutes) of healthy addresses that cost nobody a packet.
    pub brief: u64,
    /// Alerts that rose from what healthy phones did.
    pub false_alerts: u64,
    /// Phones with a wrong password.
    pub misconfigured: u64,
    /// Of those, how many were stopped or told of.
    pub misconfigured_found: u64,
    /// Bans made.
    pub bans: u64,
    /// How often which rule had something to say.
    pub rules: BTreeMap<String, u64>,
    /// Attackers who were not found, the first few.
    pub missed: Vec<String>,
    /// Who was locked out, by what, the first few.
    pub wrongs: Vec<String>,
}

impl Score {
    /// The sum of two.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (own, theirs) in [
            (&mut self.attackers, other.attackers),
            (&mut self.banned, other.banned),
            (&mut self.alerted, other.alerted),
            (&mut self.attempts, other.attempts),
            (&mut self.let_through, other.let_through),
            (&mut self.healthy, other.healthy),
            (&mut self.locked_out, other.locked_out),
            (&mut self.lost, other.lost),
            (&mut self.brief, other.brief),
            (&mut self.false_alerts, other.false_alerts),
            (&mut self.misconfigured, other.misconfigured),
            (&mut self.misconfigured_found, other.misconfigured_found),
            (&mut self.bans, other.bans),
        ] {
            *own += theirs;
        }
        self.detection.extend(other.detection);
        self.detection.sort_unstable();
        for (rule, hits) in other.rules {
            *self.rules.entry(rule).or_default() += hits;
        }
        self.missed.extend(other.missed);
        self.wrongs.extend(other.wrongs);
        self.missed.truncate(FEW);
        self.wrongs.truncate(FEW);
        self
    }

    /// Attackers who were banned or told of.
    pub fn found(&self) -> u64 {
        self.banned + self.alerted
    }

    /// Whether nobody healthy was locked out and every attacker was found.
    pub fn is_right(&self) -> bool {
        self.locked_out == 0 && self.found() == self.attackers
    }

    /// The median and the longest time to detection; `None` when nobody was found.
    pub fn detection_times(&self) -> Option<(Duration, Duration)> {
        let (median, longest) = (self.detection.get(self.detection.len() / 2)?, self.detection.last()?);
        Some((Duration::from_micros(*median), Duration::from_micros(*longest)))
    }
}

/// How many examples are kept.
const FEW: usize = 5;
