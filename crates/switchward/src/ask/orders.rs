//! Bans and allow entries by hand.

use super::client::{Client, in_path};
use super::table::{left, shown};
use super::{Daemon, Failure, ttl};
use crate::clock;
use crate::http::allows::AllowOrder;
use crate::http::answer::Ordered;
use crate::http::bans::BanOrder;
use crate::http::lists::amend::{BanChange, Changed};
use crate::http::lists::bans::ScopeWord;
use crate::names::HostName;
use clap::{Args, ValueEnum};
use guard::Target;
use hyper::Method;
use hyper::body::Bytes;
use std::io::Write;

/// What is to be banned.
#[derive(Args, Clone, Debug)]
pub struct Ban {
    /// 198.51.100.7, 198.51.100.0/24, 2001:db8::1 (its /64), 198.51.100.7:5060
    target: Target,
    /// For how long: 90s, 10m, 1h30m [default: security.block_duration].
    #[arg(long, value_parser = ttl, value_name = "DURATION", conflicts_with = "permanent")]
    ttl: Option<String>,
    /// For good.
    #[arg(long)]
    permanent: bool,
    /// Which packets to drop.
    #[arg(long, value_enum, default_value = "all")]
    scope: Scope,
    /// Why, for those who ask later.
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// What to remember of it: a ticket, a phone call.
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// What is to be free again.
#[derive(Args, Clone, Debug)]
pub struct Unban {
    /// As for `ban`.
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// What is to change of a ban.
#[derive(Args, Clone, Debug)]
#[group(id = "change", required = true, multiple = true, args = ["ttl", "permanent", "scope", "note"])]
pub struct Extend {
    /// What is banned, exactly as `list bans` shows it.
    target: Target,
    /// It lasts for so long from now on; may be shorter than it was.
    #[arg(long, value_parser = ttl, value_name = "DURATION", conflicts_with = "permanent")]
    ttl: Option<String>,
    /// It is for good.
    #[arg(long)]
    permanent: bool,
    /// Which packets to drop.
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// What to remember of it; an empty one removes the note.
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// What is to be allowed.
#[derive(Args, Clone, Debug)]
pub struct Allow {
    /// 198.51.100.7, 198.51.100.0/24, 2001:db8::1 (its /64), sip.carrier.example (followed in DNS)
    #[arg(value_parser = allowable)]
    target: String,
    /// For how long: 90s, 10m, 1h30m [default: security.whitelist_ttl; a name until it is removed].
    #[arg(long, value_parser = ttl, value_name = "DURATION", conflicts_with = "permanent")]
    ttl: Option<String>,
    /// For good.
    #[arg(long)]
    permanent: bool,
    /// The account that it is for.
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// The account's domain.
    #[arg(long, default_value = "", hide_default_value = true)]
    domain: String,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// What is to be judged again.
#[derive(Args, Clone, Debug)]
pub struct Disallow {
    /// As for `allow`.
    #[arg(value_parser = allowable)]
    pub(super) target: String,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// An address, a network or a host name, as it is sent.
fn allowable(text: &str) -> Result<String, guard::source::BadTarget> {
    match (text.parse::<Target>(), text.parse::<HostName>()) {
        (Ok(target), _) => Ok(target.to_string()),
        (Err(_), Ok(name)) => Ok(name.to_string()),
        (Err(error), Err(_)) => Err(error),
    }
}

/// Which packets a ban drops.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Those to the SIP ports.
    Sip,
    /// All.
    All,
}

pub(super) async fn ban(client: &Client, ban: Ban, out: &mut dyn Write) -> Result<(), Failure> {
    let scope = match ban.scope {
        Scope::Sip => "sip",
        Scope::All => "all",
    };
    let order = BanOrder {
        ip: Some(ban.target.to_string()),
        reason: Some(ban.reason),
        permanent: Some(ban.permanent),
        ttl: ban.ttl,
        scope: Some(scope.into()),
        note: ban.note,
    };
    let answer = client.post("/security/blacklist", &order).await?;
    print(client, &answer, out)
}

pub(super) async fn unban(client: &Client, target: Target, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.delete(&format!("/security/blacklist/{}", in_path(&target.to_string()))).await?;
    print(client, &answer, out)
}

pub(super) async fn extend(client: &Client, asked: Extend, out: &mut dyn Write) -> Result<(), Failure> {
    let change = BanChange {
        ttl: asked.ttl,
        permanent: asked.permanent.then_some(true),
        scope: asked.scope.map(|scope| match scope {
            Scope::Sip => ScopeWord::Sip,
            Scope::All => ScopeWord::All,
        }),
        note: asked.note,
    };
    let path = format!("/security/blacklist/{}", in_path(&asked.target.to_string()));
    let answer = client.order(Method::PATCH, &path, &change).await?;
    let Some(Changed { ban, warnings, .. }) = client.understand(&answer, out)? else { return Ok(()) };
    let lasts = match &ban.until {
        Some(until) => format!("for {}", left(until, false, clock::now())),
        None => "for good".into(),
    };
    writeln!(out, "{} is banned {lasts} (scope {})", shown(&ban.target), shown(&ban.scope))?;
    warn(&warnings, out)
}

pub(super) async fn allow(client: &Client, allow: Allow, out: &mut dyn Write) -> Result<(), Failure> {
    let order = AllowOrder {
        ip: Some(allow.target),
        user_id: Some(allow.user),
        domain: Some(allow.domain),
        permanent: Some(allow.permanent),
        ttl: allow.ttl,
    };
    let answer = client.post("/security/whitelist", &order).await?;
    print(client, &answer, out)
}

pub(super) async fn disallow(client: &Client, target: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.delete(&format!("/security/whitelist/{}", in_path(target))).await?;
    print(client, &answer, out)
}

/// Prints what was done, and what did not go as it should have.
pub(super) fn print(client: &Client, answer: &Bytes, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(Ordered { message, warnings, .. }) = client.understand(answer, out)? else { return Ok(()) };
    writeln!(out, "{}", shown(&message))?;
    warn(&warnings, out)
}

pub(super) fn warn(warnings: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    for warning in warnings {
        writeln!(out, "warning: {}", shown(warning))?;
    }
    Ok(())
}
