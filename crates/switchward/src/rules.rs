//! The guard's rules as an operator meets them: which keys of the configuration a built-in rule comes from.
//!
//! Start with [`key_of`]. Counting and judging are the guard's; how the rules are printed is `http::rules`.

use guard::rule::RuleChange;
use guard::signal::Signal;

/// A part of a rule that a key of its own sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How many strikes.
    Threshold,
    /// In which time.
    Window,
    /// How long the ban lasts.
    Ban,
    /// Whether it counts at all.
    Enabled,
    /// Whether it bans.
    Action,
    /// Whom it is for.
    Applies,
}

impl Part {
    /// All.
    pub const ALL: [Part; 6] =
        [Part::Threshold, Part::Window, Part::Ban, Part::Enabled, Part::Action, Part::Applies];

    /// Its key in `[[rules]]`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Threshold => "threshold",
            Part::Window => "window",
            Part::Ban => "ban",
            Part::Enabled => "enabled",
            Part::Action => "action",
            Part::Applies => "applies",
        }
    }

    /// Whether an entry sets it.
    pub fn is_in(self, entry: &RuleChange) -> bool {
        match self {
            Part::Threshold => entry.threshold.is_some(),
            Part::Window => entry.window.is_some(),
            Part::Ban => entry.ban.is_some(),
            Part::Enabled => entry.enabled.is_some(),
            Part::Action => entry.action.is_some(),
            Part::Applies => entry.applies.is_some(),
        }
    }
}

/// The key that sets this part of a built-in rule where no `[[rules]]` entry does.
pub fn key_of(rule: &str, part: Part) -> Option<&'static str> {
    KEYS.iter().find(|(name, of, _)| *name == rule && *of == part).map(|(.., key)| *key)
}

/// The change with a name for its strikes: a rule of the operator's own that gives none gets the words of what it counts.
pub fn named(entry: &RuleChange) -> RuleChange {
    let mut change = entry.clone();
    if let (None, Some(counts)) = (&change.what, change.counts) {
        let plurals: Vec<&str> = counts.iter().map(plural).collect();
        change.what = Some(plurals.join(" and ")).filter(|what| !what.is_empty());
    }
    change
}

/// What strikes of a signal are called.
fn plural(signal: Signal) -> &'static str {
    match signal {
        Signal::AuthFailed => "failed authentications",
        Signal::Registration => "registrations",
        Signal::CallAbandoned => "abandoned calls",
        Signal::Call => "calls",
        Signal::CallRefused => "refused calls",
        Signal::CallAnswered => "answered calls",
        Signal::LoginFailed => "failed log-ins",
        Signal::Challenged => "challenges",
        Signal::Answered => "answered challenges",
        Signal::Succeeded => "successes",
        Signal::UnknownAccount => "unknown accounts",
        Signal::AclRejected => "refusals by an access list",
        Signal::ClientRefused => "refusals at an event socket",
        Signal::OverSessionRate => "calls over the session rate",
        Signal::ScannerAgent => "requests of a scanner",
        Signal::AddressDomain => "requests with an address as domain",
        Signal::Honeypot => "requests for a honeypot",
        Signal::Injection => "requests with injection characters",
        Signal::Banned => "bans",
        Signal::NewCountry => "requests from a new country",
        Signal::DeniedCountry => "requests from a denied country",
    }
}

/// The greatest number in the key of a built-in rule's threshold with which so many strikes make it fire.
pub fn key_number(rule: &str, strikes: u32) -> u32 {
    match rule {
        // The key is the last that passes.
        "call-rate" | "registration-rate" => strikes.saturating_sub(1),
        // The threshold is ten times the key.
        "failed-registrations-known" | "failed-registrations-phone" => strikes / 10,
        _ => strikes,
    }
}

const KEYS: [(&str, Part, &str); 31] = [
    ("failed-registrations", Part::Threshold, "security.max_failed_attempts"),
    ("failed-registrations", Part::Window, "security.failed_attempts_window"),
    ("failed-registrations", Part::Ban, "security.block_duration"),
    ("failed-registrations-port", Part::Threshold, "security.max_failed_attempts"),
    ("failed-registrations-port", Part::Window, "security.failed_attempts_window"),
    ("failed-registrations-port", Part::Ban, "security.block_duration"),
    ("failed-registrations-known", Part::Threshold, "security.max_failed_attempts"),
    ("failed-registrations-known", Part::Window, "security.failed_attempts_window"),
    ("failed-registrations-known", Part::Ban, "security.block_duration"),
    ("failed-registrations-phone", Part::Threshold, "security.max_failed_attempts"),
    ("failed-registrations-phone", Part::Window, "security.failed_attempts_window"),
    ("wrong-call-states", Part::Threshold, "security.max_wrong_call_states"),
    ("wrong-call-states", Part::Window, "security.wrong_call_state_window"),
    ("wrong-call-states", Part::Ban, "guard.wrong_call_state_block_duration"),
    ("call-rate", Part::Threshold, "security.rate_limit.call_rate_limit"),
    ("call-rate", Part::Window, "security.rate_limit.call_rate_interval"),
    ("call-rate", Part::Ban, "security.rate_limit.block_duration"),
    ("call-rate", Part::Enabled, "security.rate_limit.enabled"),
    ("call-rate", Part::Action, "security.rate_limit.auto_block_on_exceed"),
    ("call-rate", Part::Applies, "security.rate_limit.whitelist_bypass"),
    ("registration-rate", Part::Threshold, "security.rate_limit.registration_limit"),
    ("registration-rate", Part::Window, "security.rate_limit.registration_window"),
    ("registration-rate", Part::Ban, "security.rate_limit.block_duration"),
    ("registration-rate", Part::Enabled, "security.rate_limit.enabled"),
    ("registration-rate", Part::Action, "security.rate_limit.auto_block_on_exceed"),
    ("registration-rate", Part::Applies, "security.rate_limit.whitelist_bypass"),
    ("failed-logins", Part::Threshold, "api.max_failed_logins"),
    ("failed-logins", Part::Window, "api.failed_logins_window"),
    ("failed-logins", Part::Ban, "security.block_duration"),
    ("untrusted-domain", Part::Ban, "guard.untrusted_block_duration"),
    ("failed-registrations-phone", Part::Ban, "security.block_duration"),
];
