//! What one caller may do just now: the policy, and on which terms.

use crate::catalogue::Catalogue;
use crate::deed::{Deed, Deeds};
use crate::events::{EventRules, Rows};
use crate::identity::Bound;
use crate::judge::{Caller, Decision, decide};
use crate::line::Line;
use crate::pattern::Pattern;
use crate::policy::Policy;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What one caller may do just now. The default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    /// Commands, messages, events that may be sent.
    pub policy: Policy,
    /// Events that may be seen.
    pub events: EventRules,
    /// Which rows of `show` may be seen: those of the own channels, of the own domain, or all.
    pub rows: Rows,
    /// The same policy with the rules that are in shadow.
    pub shadow: Option<Policy>,
    /// How fast, how much, how long.
    pub terms: Terms,
    /// The roles it was made of.
    pub roles: Vec<String>,
}

/// How fast, how much, how long.
#[derive(Clone, PartialEq, Debug)]
pub struct Terms {
    /// Requests in a second; 0 for no limit.
    pub rate: u32,
    /// Requests at once; 0 for no limit.
    pub concurrency: u32,
    /// Bytes of one answer.
    pub output: usize,
    /// How long a command may take.
    pub timeout: Duration,
    /// How long one may take that makes a call and is waited for.
    pub call_timeout: Duration,
    /// How long a background job may take.
    pub job_timeout: Duration,
    /// Background jobs at once; 0 for no limit.
    pub jobs: u32,
    /// How long some commands may take, as a job, too; the first that fits counts.
    pub timeouts: Vec<(Pattern, Duration)>,
    /// The most talkative level of the switch's log that may be read.
    pub log: Option<LogLevel>,
    /// Where whoever may record may do so without a rule for the file: below this directory. See [`Policy::record_below`].
    pub record_dir: Option<String>,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            rate: 0,
            concurrency: 0,
            output: 4 * 1024 * 1024,
            timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(70),
            job_timeout: Duration::from_secs(3600),
            jobs: 512,
            timeouts: Vec::new(),
            log: None,
            record_dir: None,
        }
    }
}

/// How a command is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Whoever sent it waits.
    Answer,
    /// The same, and it makes a call: a phone has to be answered first.
    Call,
    /// Nobody does: it is a background job.
    Job,
}

/// Levels of the switch's log, from the most silent (syslog's severities, RFC 5424 section 6.2.1; 0 is FreeSWITCH's console).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogLevel(u8);

impl LogLevel {
    /// A level by its number.
    pub const fn new(number: u8) -> Option<LogLevel> {
        if (number as usize) < LEVELS.len() { Some(LogLevel(number)) } else { None }
    }

    /// 0 to 7.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A text that is no level.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a level of the switch's log is one of {}", LEVELS.join(", "))]
pub struct NoLevel;

impl FromStr for LogLevel {
    type Err = NoLevel;

    fn from_str(text: &str) -> Result<LogLevel, NoLevel> {
        let by_name = || LEVELS.iter().position(|name| name.eq_ignore_ascii_case(text));
        let number = text.parse::<usize>().ok().filter(|number| *number < LEVELS.len()).or_else(by_name);
        number.and_then(|number| u8::try_from(number).ok()).map(LogLevel).ok_or(NoLevel)
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(LEVELS.get(usize::from(self.0)).copied().unwrap_or_default())
    }
}

const LEVELS: [&str; 8] = ["console", "alert", "crit", "err", "warning", "notice", "info", "debug"];

impl Grant {
    /// Decides about a command of FreeSWITCH's, within what the directory allows at most.
    pub fn judge(
        &self,
        caller: &Caller<'_>,
        bound: Option<&Bound>,
        line: Line<'_>,
        catalogue: &Catalogue,
    ) -> Decision {
        self.decide(caller, bound, &crate::freeswitch::unfold(line, catalogue), catalogue)
    }

    /// Decides about whatever would do these deeds, within what the directory allows at most.
    pub fn decide(
        &self,
        caller: &Caller<'_>,
        bound: Option<&Bound>,
        deeds: &Deeds,
        catalogue: &Catalogue,
    ) -> Decision {
        within(bound, decide(&self.policy, catalogue, caller, deeds))
    }

    /// What the rules in shadow would say to the same, where that is something else.
    pub fn decide_in_shadow(
        &self,
        caller: &Caller<'_>,
        bound: Option<&Bound>,
        deeds: &Deeds,
        catalogue: &Catalogue,
        real: &Decision,
    ) -> Option<Decision> {
        let shadow = self.shadow.as_ref()?;
        let decision = within(bound, decide(shadow, catalogue, caller, deeds));
        (decision.allowed != real.allowed).then_some(decision)
    }

    /// How long a command may take that is waited for like this.
    pub fn timeout(&self, caller: &Caller<'_>, line: Line<'_>, waiting: Waiting) -> Duration {
        let deed =
            Deed::Command { name: line.verb().to_ascii_lowercase(), arguments: line.arguments().to_owned() };
        let fitting = self.terms.timeouts.iter().find(|(pattern, _)| pattern.allows(&deed, caller));
        let terms = &self.terms;
        let any = match waiting {
            Waiting::Answer => terms.timeout,
            Waiting::Call => terms.call_timeout,
            Waiting::Job => terms.job_timeout,
        };
        fitting.map_or(any, |(_, limit)| *limit)
    }

    /// Whether secrets may be told.
    pub fn tells_secrets(&self) -> bool {
        self.policy.names_class(crate::Class::ReadSecret)
    }
}

/// Refuses what is beyond the bound: every command of the decision must be in its list.
fn within(bound: Option<&Bound>, decision: Decision) -> Decision {
    let Some(listed) = bound.and_then(|bound| bound.api.as_ref()) else { return decision };
    let beyond = decision.steps.iter().find(|(deed, _)| match deed {
        // What rules speak of beside the command is no command of the directory's.
        Deed::Command { name, .. } if BESIDE.contains(&name.as_str()) => false,
        Deed::Command { name, .. } => !listed.iter().any(|entry| entry.eq_ignore_ascii_case(name)),
        _ => false,
    });
    match beyond.map(|(deed, _)| deed.clone()) {
        Some(deed) if decision.allowed => Decision {
            allowed: false,
            why: "not in the directory's esl-allowed-api".into(),
            refused: Some(deed),
            ..decision
        },
        _ => decision,
    }
}

/// Deeds that are no commands, and that the directory does not know.
const BESIDE: [&str; 3] = ["play_file", "record_file", "run_later"];
