//! Bans and allow entries by hand.

use super::client::{Client, in_path};
use super::{Failure, Scope};
use crate::http::allows::AllowOrder;
use crate::http::answer::Ordered;
use crate::http::bans::BanOrder;
use guard::Target;
use hyper::body::Bytes;
use std::io::Write;

/// What is to be banned.
pub(super) struct Ban {
    pub(super) target: Target,
    pub(super) ttl: Option<String>,
    pub(super) permanent: bool,
    pub(super) scope: Scope,
    pub(super) reason: String,
}

/// What is to be allowed.
pub(super) struct Allow {
    pub(super) target: Target,
    pub(super) ttl: Option<String>,
    pub(super) permanent: bool,
    pub(super) user: String,
    pub(super) domain: String,
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
        note: None,
    };
    let answer = client.post("/security/blacklist", &order).await?;
    print(client, &answer, out)
}

pub(super) async fn unban(client: &Client, target: Target, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.delete(&format!("/security/blacklist/{}", in_path(&target.to_string()))).await?;
    print(client, &answer, out)
}

pub(super) async fn allow(client: &Client, allow: Allow, out: &mut dyn Write) -> Result<(), Failure> {
    let order = AllowOrder {
        ip: Some(allow.target.to_string()),
        user_id: Some(allow.user),
        domain: Some(allow.domain),
        permanent: Some(allow.permanent),
        ttl: allow.ttl,
    };
    let answer = client.post("/security/whitelist", &order).await?;
    print(client, &answer, out)
}

pub(super) async fn disallow(client: &Client, target: Target, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.delete(&format!("/security/whitelist/{}", in_path(&target.to_string()))).await?;
    print(client, &answer, out)
}

fn print(client: &Client, answer: &Bytes, out: &mut dyn Write) -> Result<(), Failure> {
    let Some(Ordered { message, warnings, .. }) = client.understand(answer, out)? else { return Ok(()) };
    writeln!(out, "{message}")?;
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}
