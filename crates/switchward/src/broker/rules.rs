//! The rules of the configuration, compiled: what users may do, and what callers without a credential may.
//!
//! Start with [`rulebook`] and [`nobody`]. A configuration that was read has passed both; they are made anew at each reload.

use crate::access;
use crate::config::broker::{self as model, Broker};
use crate::config::{Config, pattern_span};
use ::broker::catalogue::Catalogue;
use ::broker::events::Rows;
use ::broker::pattern::Who;
use ::broker::rulebook::{BadRules, Role, Rules, User};
use ::broker::{Deed, Grant, Line, Pattern, Policy, Rulebook, Terms};
use std::time::Duration;

/// The roles and users of a configuration.
///
/// # Errors
/// Everything that is wrong with them, not only the first.
pub fn rulebook(config: &Config) -> Result<Rulebook, Vec<BadRules>> {
    let broker = &config.broker;
    let roles: Vec<Role> = broker.roles.iter().map(role).collect();
    let users: Vec<User> = broker.users.iter().map(user).collect();
    Rulebook::new(&roles, &users, terms(broker))
}

/// What callers without a credential may do: `security.esl_allowed_commands`.
///
/// An entry allows itself, and itself followed by a blank and arguments. What such a command would run in turn is allowed only when
/// another entry allows that. See [`trouble_of_entry`] for entries that allow nothing.
pub fn nobody(config: &Config) -> Grant {
    let mut policy = Policy::default();
    for entry in config.security.esl_allowed_commands.iter().filter(|entry| plain(entry).is_some()) {
        // A pattern that was read once is read again.
        let _ = policy.add(ENTRIES, [entry.as_str()], []);
    }
    Grant { policy, rows: Rows::All, terms: terms(&config.broker), ..Grant::default() }
}

/// The broker's roles of whoever has this role of the API.
pub fn roles_of(config: &Config, role: access::Role) -> &[String] {
    match role {
        access::Role::Viewer => &config.broker.viewer_roles,
        access::Role::Operator => &config.broker.operator_roles,
        access::Role::Admin => &config.broker.admin_roles,
    }
}

/// Why an entry of `security.esl_allowed_commands` lets nothing through; `None` when it does.
pub fn trouble_of_entry(entry: &str, nobody: &Grant, catalogue: &Catalogue) -> Option<String> {
    if plain(entry).is_none() {
        return Some("patterns are not understood here".into());
    }
    let line = match Line::new(entry) {
        Ok(line) => line,
        Err(error) => return Some(error.to_string()),
    };
    let decision = nobody.judge(&NOBODY, None, line, catalogue);
    let refused = decision.refused.filter(|_| !decision.allowed)?;
    match &refused {
        // Without its arguments nobody can say what it would do.
        Deed::Undecidable { .. } if line.arguments().is_empty() => None,
        _ => Some(format!("it would do \"{refused}\": {}", decision.why)),
    }
}

/// Whether a text of `timeouts` is the one with this pattern.
pub fn is_timeout_of(text: &str, pattern: &str) -> bool {
    pattern_span(text).is_some_and(|(found, _)| found == pattern)
}

/// How fast, how much and how long where no role and no user says anything.
pub fn terms(broker: &Broker) -> Terms {
    Terms {
        rate: broker.rate,
        concurrency: broker.concurrency,
        output: bytes(broker.max_output),
        timeout: broker.timeout,
        record_dir: broker.record_dir.as_deref().and_then(|path| path.to_str()).map(str::to_owned),
        call_timeout: broker.timeout.max(RINGING),
        job_timeout: broker.job_timeout,
        jobs: broker.max_jobs_of_one,
        ..Terms::default()
    }
}

/// The pattern that an entry is, when it allows itself and nothing beside its own arguments.
fn plain(entry: &str) -> Option<Pattern> {
    let entry = entry.trim();
    let (name, arguments) = entry.split_once(' ').unwrap_or((entry, ""));
    let pattern = Pattern::new(entry).ok().filter(Pattern::is_literal)?;
    let deed = Deed::Command { name: name.to_ascii_lowercase(), arguments: arguments.trim().to_owned() };
    (!arguments.contains(['*', '{', '$']) && pattern.allows(&deed, &NOBODY)).then_some(pattern)
}

fn role(role: &model::Role) -> Role {
    Role { name: role.name.clone(), extends: role.extends.clone(), rules: rules(&role.rules) }
}

fn user(user: &model::User) -> User {
    User {
        name: user.name.clone(),
        account: user.account.parse().ok(),
        roles: user.roles.clone(),
        rules: rules(&user.rules),
    }
}

fn rules(rules: &model::Rules) -> Rules {
    let timeout = |text: &String| -> Option<(String, Duration)> {
        pattern_span(text).map(|(pattern, span)| (pattern.to_owned(), span))
    };
    Rules {
        allow: rules.allow.clone(),
        deny: rules.deny.clone(),
        events: rules.events.clone(),
        rows: match rules.rows {
            model::Rows::OwnChannels => Rows::OwnChannels,
            model::Rows::OwnDomain => Rows::OwnDomain,
            model::Rows::All => Rows::All,
        },
        networks: rules.networks.clone(),
        hours: rules.hours.clone(),
        rate: rules.rate,
        concurrency: rules.concurrency,
        output: rules.max_output.map(bytes),
        timeout: rules.timeout,
        timeouts: rules.timeouts.iter().filter_map(timeout).collect(),
        log: rules.log.parse().ok(),
        shadow: rules.shadow,
    }
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A call that is waited for may take so long at least: FreeSWITCH lets a phone ring for 60 s.
const RINGING: Duration = Duration::from_secs(70);
/// Who is behind the rules of nobody.
const ENTRIES: &str = "security.esl_allowed_commands";
/// Has no account and no channel.
const NOBODY: Who<'static> = Who { user: "", domain: "", owns: &|_| false };
