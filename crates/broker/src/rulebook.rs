//! Who may what: the roles and users of a configuration, compiled once, asked for each caller.
//!
//! Roles add up. A role that is bound to networks or hours counts, with all that it extends, only for whoever comes from there at that
//! time; the same bounds on a user hold for everything that the user does. What a role or user in shadow would bring, extended roles
//! included, is only tried. Where nobody wrote anything, nothing is allowed.

use crate::events::{EventRules, Rows};
use crate::grant::{Grant, LogLevel, Terms};
use crate::hours::{Hours, Moment};
use crate::identity::{Account, Identity};
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::roles;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod rows;

/// What can be written for a role and for a user alike.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rules {
    /// Patterns that allow.
    pub allow: Vec<String>,
    /// Patterns that deny.
    pub deny: Vec<String>,
    /// Events that may be seen. See [`EventRules`].
    pub events: Vec<String>,
    /// Which of those, and which rows of `show`. The default: those of the own channels.
    pub rows: Rows,
    /// From where; empty for everywhere.
    pub networks: Vec<IpNet>,
    /// When; empty for always. See [`Hours`].
    pub hours: Vec<String>,
    /// Requests in a second.
    pub rate: Option<u32>,
    /// Requests at once.
    pub concurrency: Option<u32>,
    /// Bytes of one answer.
    pub output: Option<usize>,
    /// How long a command may take, as a background job, too.
    pub timeout: Option<Duration>,
    /// The same for some commands: "originate 60s".
    pub timeouts: Vec<(String, Duration)>,
    /// The most talkative level of the switch's log that may be read.
    pub log: Option<LogLevel>,
    /// Looked at and written down, but not heeded.
    pub shadow: bool,
}

/// A role of the configuration. One with the name of a built-in role adds to it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Roles whose rules it has, too.
    pub extends: Vec<String>,
    /// Its own.
    pub rules: Rules,
}

/// A user of the configuration, or several: the name may hold `*`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct User {
    /// As in [`Identity::name`].
    pub name: String,
    /// Whose channels and domain are their own, when the directory does not say.
    pub account: Option<Account>,
    /// Their roles.
    pub roles: Vec<String>,
    /// What they have beside the roles.
    pub rules: Rules,
}

/// What is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{of}: {why}")]
pub struct BadRules {
    /// The role or the user: "role reception".
    pub of: String,
    /// The key in it: "allow", "hours".
    pub key: &'static str,
    /// The value that is wrong.
    pub value: String,
    /// What is wrong and what to do.
    pub why: String,
}

/// Everything that was written, ready to be asked.
#[derive(Debug, Default)]
pub struct Rulebook {
    /// By name; built-in roles included.
    roles: HashMap<String, Compiled>,
    /// In the order of the configuration; all that match count.
    users: Vec<(User, Compiled)>,
    defaults: Terms,
    /// Grants by what they are made of. Bounded.
    made: Mutex<HashMap<Made, Arc<Grant>>>,
}

/// What a grant is made of: users of the configuration, roles in force.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Made {
    users: Vec<usize>,
    roles: Vec<String>,
    shadow: Vec<String>,
}

/// A role or a user, checked.
#[derive(Clone, Debug, Default)]
struct Compiled {
    policy: Policy,
    events: EventRules,
    rows: Rows,
    networks: Vec<IpNet>,
    hours: Vec<Hours>,
    terms: PartTerms,
    shadow: bool,
    extends: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct PartTerms {
    rate: Option<u32>,
    concurrency: Option<u32>,
    output: Option<usize>,
    timeout: Option<Duration>,
    timeouts: Vec<(Pattern, Duration)>,
    log: Option<LogLevel>,
}

/// Why somebody may do nothing at all just now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Shut {
    /// Nobody wrote anything for them.
    #[error("no rule is written for {0}; give a role in broker.users")]
    Unknown(String),
    /// Not from there.
    #[error("{0} may not come from there")]
    Network(String),
    /// Not now.
    #[error("{0} may not come at this time")]
    Hours(String),
}

impl Rulebook {
    /// Compiles what is written. `defaults` are the terms where nothing is said.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn new(roles: &[Role], users: &[User], defaults: Terms) -> Result<Rulebook, Vec<BadRules>> {
        let mut wrong = Vec::new();
        let mut book = Rulebook { defaults, ..Rulebook::default() };
        for role in roles::ROLES {
            let policy = role.policy().unwrap_or_default();
            let events = role.events();
            let rows = events.rows_of_channels().unwrap_or_default();
            let terms = PartTerms { log: role.log, ..PartTerms::default() };
            let compiled = Compiled { policy, events, rows, terms, ..Compiled::default() };
            book.roles.insert(role.name.to_owned(), compiled);
        }
        for role in roles {
            let of = format!("role {}", role.name);
            let mut compiled = compile(&of, &role.rules, &mut wrong);
            compiled.extends.clone_from(&role.extends);
            if let Some(built_in) = roles::role(&role.name) {
                let mut policy = built_in.policy().unwrap_or_default();
                policy.extend(&compiled.policy);
                compiled.policy = policy;
                compiled.events.extend(&built_in.events());
                let rows = built_in.events().rows_of_channels().unwrap_or_default();
                compiled.rows = compiled.rows.max(rows);
                compiled.terms.log = compiled.terms.log.or(built_in.log);
            } else if book.roles.contains_key(&role.name) {
                let why = "is there twice; give each role one entry".to_owned();
                wrong.push(BadRules { of: of.clone(), key: "name", value: role.name.clone(), why });
            }
            book.roles.insert(role.name.clone(), compiled);
        }
        for role in roles {
            book.check_roles(&format!("role {}", role.name), "extends", &role.extends, &mut wrong);
        }
        for user in users {
            let of = format!("user {}", user.name);
            book.check_roles(&of, "roles", &user.roles, &mut wrong);
            let compiled = compile(&of, &user.rules, &mut wrong);
            book.users.push((user.clone(), compiled));
        }
        if wrong.is_empty() { Ok(book) } else { Err(wrong) }
    }

    /// The names of all roles, sorted.
    pub fn role_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.roles.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The account that the rules give to a name of which the directory knows none.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.users
            .iter()
            .filter(|(user, _)| fits(&user.name, name))
            .find_map(|(user, _)| user.account.as_ref())
    }

    /// What somebody may do who comes from `source` (none: from this machine) at `now`.
    ///
    /// # Errors
    /// When that is nothing at all.
    pub fn grant(&self, who: &Identity, source: Option<IpAddr>, now: Moment) -> Result<Arc<Grant>, Shut> {
        let mut made = Made { users: Vec::new(), roles: Vec::new(), shadow: Vec::new() };
        // With whether they are only tried.
        let mut given: Vec<(String, bool)> = Vec::new();
        for (at, (user, compiled)) in
            self.users.iter().enumerate().filter(|(_, (user, _))| fits(&user.name, &who.name))
        {
            let is_from = compiled.is_from(source);
            let in_force = is_from && compiled.is_time(now);
            if compiled.shadow && !in_force {
                continue;
            }
            if !in_force {
                return Err(if is_from {
                    Shut::Hours(who.to_string())
                } else {
                    Shut::Network(who.to_string())
                });
            }
            made.users.push(at);
            given.extend(user.roles.iter().map(|role| (role.clone(), compiled.shadow)));
        }
        // Roles that were written for somebody take the place of those that come with the credential.
        if given.iter().all(|(_, is_tried)| *is_tried) {
            given.extend(who.roles.iter().map(|role| (role.clone(), false)));
        }
        if made.users.is_empty() && given.is_empty() {
            return Err(Shut::Unknown(who.to_string()));
        }
        if let Some(away) = self.in_force(given, who, source, now, &mut made)
            && made.roles.is_empty()
            && made.shadow.is_empty()
            && made.users.is_empty()
        {
            return Err(away);
        }
        let mut grants = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = grants.get(&made) {
            return Ok(grant.clone());
        }
        let grant = Arc::new(self.make(&made));
        if grants.len() >= MOST_GRANTS {
            grants.clear();
        }
        grants.insert(made, grant.clone());
        Ok(grant)
    }

    fn make(&self, made: &Made) -> Grant {
        let mut grant = Grant { terms: self.defaults.clone(), ..Grant::default() };
        let mut tried = Policy::default();
        let mut most = PartTerms::default();
        for name in &made.roles {
            if let Some(role) = self.roles.get(name) {
                grant.policy.extend(&role.policy);
                grant.events.extend(&role.events);
                grant.rows = grant.rows.max(role.rows);
                most.widen(&role.terms);
                grant.roles.push(name.clone());
            }
        }
        let mut own = PartTerms::default();
        for (_, user) in made.users.iter().filter_map(|at| self.users.get(*at)) {
            if user.shadow {
                tried.extend(&user.policy);
                continue;
            }
            grant.policy.extend(&user.policy);
            grant.events.extend(&user.events);
            grant.rows = grant.rows.max(user.rows);
            own.widen(&user.terms);
        }
        for role in made.shadow.iter().filter_map(|name| self.roles.get(name)) {
            tried.extend(&role.policy);
        }
        grant.policy.record_below(grant.terms.record_dir.clone());
        if !tried.is_empty() {
            let mut shadow = grant.policy.clone();
            shadow.extend(&tried);
            grant.shadow = Some(shadow);
        }
        // The user's own word counts before that of the roles.
        most.apply(&mut grant.terms);
        own.apply(&mut grant.terms);
        grant
    }

    /// Sorts the roles that count now into those in force and those that are only tried, each once, with those that they extend: what a
    /// role extends counts no further than the role itself. Gives why one does not count.
    fn in_force(
        &self,
        mut given: Vec<(String, bool)>,
        who: &Identity,
        source: Option<IpAddr>,
        now: Moment,
        made: &mut Made,
    ) -> Option<Shut> {
        let mut away = None;
        let mut at = 0;
        while let Some((name, is_tried)) = given.get(at).cloned() {
            at += 1;
            let Some(role) = self.roles.get(&name) else { continue };
            if !role.is_from(source) {
                away = Some(Shut::Network(who.to_string()));
                continue;
            }
            if !role.is_time(now) {
                away = Some(Shut::Hours(who.to_string()));
                continue;
            }
            let is_tried = is_tried || role.shadow;
            let list = if is_tried { &mut made.shadow } else { &mut made.roles };
            if list.contains(&name) {
                continue;
            }
            list.push(name);
            given.extend(role.extends.iter().map(|extended| (extended.clone(), is_tried)));
        }
        made.shadow.retain(|name| !made.roles.contains(name));
        away
    }

    fn check_roles(&self, of: &str, key: &'static str, names: &[String], wrong: &mut Vec<BadRules>) {
        for name in names.iter().filter(|name| !self.roles.contains_key(*name)) {
            let why = format!("there is no role {name:?}; the roles are {}", self.role_names().join(", "));
            wrong.push(BadRules { of: of.to_owned(), key, value: name.clone(), why });
        }
    }
}

impl Compiled {
    fn is_from(&self, source: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || source.is_none_or(|source| self.networks.iter().any(|net| net.contains(&source)))
    }

    fn is_time(&self, now: Moment) -> bool {
        self.hours.is_empty() || self.hours.iter().any(|hours| hours.hold(now))
    }
}

impl PartTerms {
    /// The most of both.
    fn widen(&mut self, other: &PartTerms) {
        // 0 is no limit, hence more than any.
        let most = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(0), _) | (_, Some(0)) => Some(0),
            (a, b) => a.max(b),
        };
        self.rate = most(self.rate, other.rate);
        self.concurrency = most(self.concurrency, other.concurrency);
        self.output = self.output.max(other.output);
        self.timeout = self.timeout.max(other.timeout);
        self.log = self.log.max(other.log);
        self.timeouts.extend(other.timeouts.iter().cloned());
    }

    fn apply(self, terms: &mut Terms) {
        terms.rate = self.rate.unwrap_or(terms.rate);
        terms.concurrency = self.concurrency.unwrap_or(terms.concurrency);
        terms.output = self.output.unwrap_or(terms.output);
        if let Some(timeout) = self.timeout {
            (terms.timeout, terms.call_timeout, terms.job_timeout) = (timeout, timeout, timeout);
        }
        terms.log = self.log.or(terms.log);
        terms.timeouts.splice(0..0, self.timeouts);
    }
}

fn compile(of: &str, rules: &Rules, wrong: &mut Vec<BadRules>) -> Compiled {
    let mut compiled = Compiled {
        rows: rules.rows,
        networks: rules.networks.clone(),
        shadow: rules.shadow,
        ..Compiled::default()
    };
    let mut note = |key, value: &str, why: String| {
        wrong.push(BadRules { of: of.to_owned(), key, value: value.to_owned(), why });
    };
    for (key, texts) in [("allow", &rules.allow), ("deny", &rules.deny)] {
        for text in texts {
            let one = [text.as_str()];
            let added = match key {
                "allow" => compiled.policy.add(of, one, []),
                _ => compiled.policy.add(of, [], one),
            };
            if let Err((text, error)) = added {
                note(key, &text, error.to_string());
            }
        }
    }
    for text in &rules.events {
        if let Err(error) = compiled.events.add([text.as_str()], rules.rows) {
            note("events", text, error.to_string());
        }
    }
    for text in &rules.hours {
        match text.parse() {
            Ok(hours) => compiled.hours.push(hours),
            Err(error) => note("hours", text, format!("{error}")),
        }
    }
    for (text, limit) in &rules.timeouts {
        match Pattern::new(text) {
            Ok(pattern) => compiled.terms.timeouts.push((pattern, *limit)),
            Err(error) => note("timeouts", text, error.to_string()),
        }
    }
    let terms = &mut compiled.terms;
    (terms.rate, terms.concurrency, terms.output) = (rules.rate, rules.concurrency, rules.output);
    (terms.timeout, terms.log) = (rules.timeout, rules.log);
    compiled
}

/// Whether a name is meant by one of the configuration; `*` stands for anything but an "@".
fn fits(written: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let Some((first, rest)) = written.split_once('*') else { return written == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut rest = rest;
    loop {
        let Some((text, more)) = rest.split_once('*') else {
            return name.strip_suffix(rest).is_some_and(|between| !between.contains('@'));
        };
        let Some(at) = name.find(text).filter(|at| !name[..*at].contains('@')) else { return false };
        (name, rest) = (&name[at + text.len()..], more);
    }
}

/// Grants that are kept.
const MOST_GRANTS: usize = 4096;
