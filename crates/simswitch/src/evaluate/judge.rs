//! The two judges: the guard with its default rules, and the plain one that it is measured against.
//!
//! The plain judge is what a small filter does, and the predecessor of this program did: five failures (a refused
//! attempt or an abandoned call) of one exact address within ten minutes ban that address for an hour.

use guard::{Guard, Limits, Observation, Policy, Scope, Target, Time, Verdict, What};
use ipnet::IpNet;
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};
use toll::{Dialling, Plan, Table};

/// Which judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The guard with its default rules.
    Ours,
    /// Five failures in ten minutes.
    Plain,
}

impl Judge {
    /// Both, in the order of the table.
    pub const ALL: [Judge; 2] = [Judge::Ours, Judge::Plain];

    /// What the table calls it.
    pub fn word(self) -> &'static str {
        match self {
            Judge::Ours => "ours",
            Judge::Plain => "plain",
        }
    }
}

/// A judge at work.
pub(super) enum Bench {
    Ours(Box<Ours>),
    Plain(Plain),
}

/// Something that a judge found.
#[derive(Debug, Clone)]
pub(super) enum Finding {
    Ban { target: Target, scope: Scope, length: Option<Duration>, rule: String },
    Alert { source: IpAddr, rule: String },
}

pub(super) struct Ours {
    guard: Guard,
    ticked: Time,
}

#[derive(Default)]
pub(super) struct Plain {
    failures: BTreeMap<IpAddr, VecDeque<Time>>,
    bans: BTreeMap<IpAddr, Time>,
}

impl Bench {
    /// A judge that knows nothing yet. `gateways` are what the daemon learns from the switch (`sofia xmlstatus
    /// gateway`); the plain judge has nothing like it.
    pub(super) fn new(judge: Judge, gateways: &[IpNet]) -> Self {
        match judge {
            Judge::Ours => {
                let policy = Policy { protected: gateways.to_vec(), ..Policy::default() };
                let limits = Limits { windows: 100_000, timeline: 4096, ..Limits::default() };
                let guard = Guard::new(policy, limits, [1, 2, 3, 4], Box::new(|_| ()));
                // As the daemon does without a table of prices; these defaults are never refused.
                if let Ok(plan) = Plan::new(Dialling::default(), Table::default()) {
                    guard.fraud().set_destinations(Box::new(move |number, _| plan.classify(number)));
                }
                Bench::Ours(Box::new(Ours { guard, ticked: Time::ZERO }))
            }
            Judge::Plain => Bench::Plain(Plain::default()),
        }
    }

    /// Time passes: what is due by itself.
    pub(super) fn pass(&mut self, now: Time, found: &mut Vec<Finding>) {
        let Bench::Ours(ours) = self else { return };
        if ours.ticked == Time::ZERO {
            ours.ticked = now;
        }
        // The daemon ticks every second; in hours in which nothing happens once a minute is as good.
        while now.since(ours.ticked) >= Duration::from_secs(1) {
            ours.ticked = now.min(ours.ticked + Duration::from_secs(60));
            ours.guard.tick(ours.ticked);
            let calls = ours.guard.tick_calls(ours.ticked);
            found.extend(calls.iter().filter_map(|(_, verdict)| finding(verdict)));
        }
    }

    pub(super) fn observe(&mut self, seen: &Observation<'_>, now: Time, found: &mut Vec<Finding>) {
        match self {
            Bench::Ours(ours) => found.extend(ours.guard.observe(seen, now).iter().filter_map(finding)),
            Bench::Plain(plain) => found.extend(plain.observe(seen, now)),
        }
    }

    /// Whether packets from there are dropped.
    pub(super) fn drops(&self, ip: IpAddr, port: u16, now: Time) -> bool {
        match self {
            Bench::Ours(ours) => ours.guard.ledger().banned(ip, port, now).is_some(),
            Bench::Plain(plain) => plain.bans.get(&ip).is_some_and(|until| *until > now),
        }
    }

    /// What stands against an address, for a person.
    pub(super) fn why(&self, ip: IpAddr, port: u16, now: Time) -> String {
        match self {
            Bench::Ours(ours) => ours.guard.ledger().banned(ip, port, now).map_or_else(String::new, |ban| {
                format!("{} ({}: {})", ban.target, ban.reason.rule, ban.reason.text)
            }),
            Bench::Plain(_) => format!("{ip} ({FIVE_FAILURES})"),
        }
    }
}

fn finding(verdict: &Verdict) -> Option<Finding> {
    Some(match verdict {
        Verdict::Ban(ban) => Finding::Ban {
            target: ban.target,
            scope: ban.scope,
            length: ban.until.map(|until| until.since(ban.since)),
            rule: ban.reason.rule.to_string(),
        },
        Verdict::HangUp { source, .. } => Finding::Alert { source: source.first(), rule: "hang-up".into() },
        // What tells of the guard itself, and not of a source, finds nobody.
        Verdict::Alert(alert) if NOT_ABOUT_SOURCES.contains(&alert.kind.word()) => return None,
        Verdict::Alert(alert) => {
            Finding::Alert { source: alert.source.first(), rule: alert.kind.word().into() }
        }
        _ => return None,
    })
}

impl Plain {
    fn observe(&mut self, seen: &Observation<'_>, now: Time) -> Option<Finding> {
        let (What::AuthFailed(_) | What::CallAbandoned, Some(ip)) = (seen.what, seen.ip) else { return None };
        let failures = self.failures.entry(ip).or_default();
        failures.push_back(now);
        while failures.front().is_some_and(|first| now.since(*first) > WINDOW) {
            failures.pop_front();
        }
        if failures.len() < THRESHOLD || self.bans.get(&ip).is_some_and(|until| *until > now) {
            return None;
        }
        self.failures.remove(&ip);
        self.bans.insert(ip, now + BAN);
        let target = match ip {
            IpAddr::V4(_) => Target::host(ip),
            // The exact address: for us a /64 is one host, so its own is said as all its ports.
            IpAddr::V6(_) => Target::port(ip, 0),
        };
        Some(Finding::Ban { target, scope: Scope::All, length: Some(BAN), rule: FIVE_FAILURES.into() })
    }
}

const NOT_ABOUT_SOURCES: [&str; 3] = ["not-enforced", "ledger-full", "budget"];
const FIVE_FAILURES: &str = "five-failures";
const THRESHOLD: usize = 5;
const WINDOW: Duration = Duration::from_secs(600);
const BAN: Duration = Duration::from_secs(3600);
