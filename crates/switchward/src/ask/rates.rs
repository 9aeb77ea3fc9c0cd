//! The limits of calls and registrations, and the sources that make most of them.

use super::client::Client;
use super::table::{ago, cell, grouped, table};
use super::{Daemon, Failure};
use crate::clock;
use crate::http::counted::Requests;
use crate::http::rates::RateLimit;
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;

/// That the rates are asked for.
#[derive(Args, Clone, Debug)]
pub struct Rates {
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the limits and, under them, who makes most calls and registrations; `--json` gives the limits alone.
pub(super) async fn print(client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/rate-limit").await?;
    let Some(limits) = client.understand::<RateLimit>(&answer, out)? else { return Ok(()) };
    if !limits.enabled {
        writeln!(out, "rates are not judged (security.rate_limit.enabled)")?;
    }
    let verdict = match limits.auto_block_on_exceed {
        true => format!("more bans for {}", limits.block_duration),
        false => "more bans nobody (security.rate_limit.auto_block_on_exceed)".into(),
    };
    writeln!(
        out,
        "a source may make {} calls in {} and {} registrations in {}; {verdict}",
        limits.call_rate_limit,
        limits.call_rate_interval,
        limits.registration_limit,
        limits.registration_window
    )?;
    for (what, limit) in [("calls", limits.call_rate_limit), ("registrations", limits.registration_limit)] {
        let answer = client.read(&format!("/security/rate-limit/{what}")).await?;
        let sources: BTreeMap<String, Requests> = client.parsed(&answer)?;
        busiest(what, limit, sources, out)?;
    }
    Ok(())
}

fn busiest(
    what: &str,
    limit: u32,
    sources: BTreeMap<String, Requests>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (now, all) = (clock::now(), sources.len() as u64);
    let mut sources: Vec<(String, Requests)> = sources.into_iter().collect();
    sources.sort_by_key(|(_, requests)| std::cmp::Reverse(requests.count));
    if sources.is_empty() {
        writeln!(out, "no {what}")?;
        return Ok(());
    }
    let mut table = table(&["source", what, "of", "first", "last", "accounts"]);
    for (source, requests) in sources.into_iter().take(MOST) {
        table.add_row([
            source,
            requests.count.to_string(),
            limit.to_string(),
            ago(&requests.first_request, now),
            ago(&requests.last_request, now),
            cell(&requests.user_ids.join(", ")),
        ]);
    }
    writeln!(out, "{table}\n{} sources in all", grouped(all))?;
    Ok(())
}

/// Sources that are shown.
const MOST: usize = 20;
