//! What the rules of a configuration say about a command, without a daemon and without a switch.
//!
//! Start with [`explain`]. Whose a channel is only a switch knows: the [`Question`] brings it along. What the directory of a switch
//! allows at most is not known here either.

use super::rules;
use crate::access::Role;
use crate::access::book;
use crate::access::tokens::Tokens;
use crate::access::users::Users;
use crate::clock;
use crate::config::Config;
use ::broker::freeswitch::{catalogue, unfold};
use ::broker::hours::Moment;
use ::broker::judge::{Caller, Decision};
use ::broker::policy::Says;
use ::broker::rulebook::Rulebook;
use ::broker::{Account, BadLine, Class, Grant, Identity, Line, Proof, Waiting};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;

/// Who would run what, from where, when.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// As rules name them; empty for a caller without a credential.
    pub user: &'a str,
    /// The command.
    pub command: &'a str,
    /// The account, when the rules do not say.
    pub account: Option<Account>,
    /// Roles beside those that the configuration gives.
    pub roles: Vec<String>,
    /// Channels that are theirs.
    pub own: &'a [String],
    /// From where; this machine when there is none.
    pub source: Option<IpAddr>,
    /// When.
    pub at: Moment,
}

/// What the rules say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Whom it is about; "nobody" for callers without a credential.
    pub user: String,
    /// Their account: what `{user}` and `{domain}` stand for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Their roles that are in force from there at that time.
    pub roles: Vec<String>,
    /// The command.
    pub command: String,
    /// Whether it may be run.
    pub allowed: bool,
    /// The rule that allows it, or why it is refused.
    pub why: String,
    /// What was said about each thing that it would do, in order, up to the refused one.
    pub steps: Vec<Step>,
    /// What the rules in shadow would say, when that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// On which terms it would be run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// What was said about one thing that a command would do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Step {
    /// What it would do.
    pub deed: String,
    /// Whether that is allowed.
    pub allowed: bool,
    /// By which rule, or why not.
    pub why: String,
}

/// What the rules in shadow would say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shadow {
    /// Whether it might be run.
    pub allowed: bool,
    /// Why.
    pub why: String,
}

/// How fast, how much, how long.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Requests in a second; 0 for no limit.
    pub rate: u32,
    /// Requests at once; 0 for no limit.
    pub concurrency: u32,
    /// Bytes of the answer.
    pub max_output: usize,
    /// Milliseconds that it may take.
    pub timeout_ms: u64,
}

/// Asks the rules of a configuration.
///
/// # Errors
/// When the text is no command.
pub fn explain(config: &Config, book: &Rulebook, question: &Question<'_>) -> Result<Explained, BadLine> {
    let line = Line::new(question.command)?;
    let mut identity = identity(config, question.user);
    identity.roles.extend(question.roles.iter().cloned());
    let account = question.account.clone().or_else(|| book.account(question.user).cloned());
    identity.account = account.or_else(|| question.user.parse().ok());
    let granted = match &identity.proof {
        Proof::None => Ok(Arc::new(rules::nobody(config))),
        _ => book.grant(&identity, question.source, question.at),
    };
    let told = Explained {
        user: identity.to_string(),
        account: identity.account.as_ref().map(ToString::to_string),
        roles: Vec::new(),
        command: line.as_str().to_owned(),
        allowed: false,
        why: String::new(),
        steps: Vec::new(),
        shadow: None,
        terms: None,
    };
    match granted {
        Ok(grant) => Ok(judged(told, &grant, &identity, question.own, line)),
        Err(shut) => Ok(Explained { why: shut.to_string(), ..told }),
    }
}

fn judged(told: Explained, grant: &Grant, identity: &Identity, own: &[String], line: Line<'_>) -> Explained {
    let owns = |channel: &str| own.iter().any(|uuid| uuid.eq_ignore_ascii_case(channel));
    let caller = Caller { user: identity.user(), domain: identity.domain(), owns: &owns };
    let decision = grant.judge(&caller, None, line, catalogue());
    let shadow = grant.decide_in_shadow(&caller, None, &unfold(line, catalogue()), catalogue(), &decision);
    let makes_call = decision.classes(catalogue()).has(Class::Originate);
    let waiting = if makes_call { Waiting::Call } else { Waiting::Answer };
    let limit = grant.timeout(&caller, line, waiting);
    Explained {
        roles: grant.roles.clone(),
        allowed: decision.allowed,
        steps: steps(&decision),
        why: decision.why,
        shadow: shadow.map(|shadow| Shadow { allowed: shadow.allowed, why: shadow.why }),
        terms: Some(Terms {
            rate: grant.terms.rate,
            concurrency: grant.terms.concurrency,
            max_output: grant.terms.output,
            timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        }),
        ..told
    }
}

/// What was said about each thing that a command would do.
pub fn steps(decision: &Decision) -> Vec<Step> {
    let step = |(deed, says): &(::broker::Deed, Says)| {
        let (allowed, why) = match says {
            Says::Allowed(rule) => (true, rule.clone()),
            Says::Refused(why) => (false, why.clone()),
            Says::Goes(why) => (true, (*why).to_owned()),
        };
        Step { deed: deed.to_string(), allowed, why }
    };
    decision.steps.iter().map(step).collect()
}

/// Somebody of this name, with the roles that their credential brings along.
fn identity(config: &Config, name: &str) -> Identity {
    let proof = match name.split_once(':') {
        _ if name.is_empty() => return Identity::nobody(),
        Some(("token", _)) => Proof::Token,
        Some(("cert", _)) => Proof::Certificate,
        Some(("uid", _)) => Proof::Socket,
        _ => Proof::Password { directory: "users".into() },
    };
    let mut identity = Identity::new(name, proof);
    // Whoever is root here can do everything to the switch without us.
    if name == "uid:0" {
        identity.roles.push("admin".into());
    }
    if let Ok(Some(role)) = role_of(config, name) {
        identity.roles = rules::roles_of(config, role).to_vec();
    }
    identity
}

/// The role of the API that somebody has by the files of tokens and users, or by `api.certificate_roles`.
///
/// # Errors
/// When a file cannot be read.
pub fn role_of(config: &Config, name: &str) -> Result<Option<Role>, String> {
    match name.split_once(':') {
        Some(("token", name)) => {
            let (tokens, now): (Tokens, _) = (book::read(&config.tokens_file())?, clock::now());
            let mut standing = tokens.standing().filter(|token| token.expires.is_none_or(|end| end > now));
            Ok(standing.find(|token| token.name == name).map(|token| token.role))
        }
        Some(("cert", name)) => {
            let certificate = crate::access::Certificate { names: vec![name.to_owned()] };
            Ok(config.server.tls_client_ca.is_some().then(|| certificate.role(&config.api.certificate_roles)))
        }
        Some(("uid", _)) => Ok(None),
        _ => {
            let users: Users = book::read(&config.users_file())?;
            let mut in_use = users.users.iter().filter(|user| !user.disabled);
            Ok(in_use.find(|user| user.name == name).map(|user| user.role))
        }
    }
}
