//! A link that lifts a ban once, to send to a customer.

use super::client::Client;
use super::{Daemon, Failure};
use crate::http::unban_links::{LinkOrder, MadeLink};
use clap::Args;
use std::io::Write;

/// What the link is to be for.
#[derive(Args, Clone, Debug)]
pub struct UnbanLink {
    /// The banned address, network, or address and port.
    pub(super) ip: String,
    /// For how long it may be used, such as "90m"; 24h when left out, 720h at most.
    #[arg(long)]
    pub(super) ttl: Option<String>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

pub(super) async fn ask(
    client: &Client,
    ip: String,
    ttl: Option<String>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let order = LinkOrder { ip: Some(ip), ttl };
    let answer = client.post("/security/unban-links", &order).await?;
    let Some(made) = client.understand::<MadeLink>(&answer, out)? else { return Ok(()) };
    writeln!(out, "{}", made.link)?;
    writeln!(out, "lifts the ban of {} once, until {}", made.ip, made.expires_at)?;
    if made.link.starts_with('/') {
        writeln!(out, "set server.public_url to have the whole address in front")?;
    }
    Ok(())
}
