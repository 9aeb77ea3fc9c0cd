//! The lists as tables.

use super::client::Client;
use super::table::{ago, grouped, left, table, utc};
use super::{Failure, List};
use crate::clock;
use crate::http::allows::AllowEntry;
use crate::http::bans::BanEntry;
use crate::http::counted::Failed;
use crate::http::kernel::Iptables;
use comfy_table::Table;
use guard::Target;
use std::collections::BTreeMap;
use std::io::Write;

/// Prints a list.
pub(super) async fn print(client: &Client, list: List, out: &mut dyn Write) -> Result<(), Failure> {
    let path = match list {
        List::Bans => "/security/blacklist",
        List::Allows => "/security/whitelist",
        List::Failed => "/security/failed",
        List::Kernel => "/security/iptables",
    };
    let answer = client.read(path).await?;
    match list {
        List::Bans => match client.understand(&answer, out)? {
            Some(entries) => show(out, entries, bans, "no bans"),
            None => Ok(()),
        },
        List::Allows => match client.understand(&answer, out)? {
            Some(entries) => show(out, entries, allows, "the allow-list is empty"),
            None => Ok(()),
        },
        List::Failed => match client.understand(&answer, out)? {
            Some(entries) => show(out, entries, failed, "no failed registrations or calls"),
            None => Ok(()),
        },
        List::Kernel => match client.understand(&answer, out)? {
            Some(held) => kernel(&held, out),
            None => Ok(()),
        },
    }
}

/// A table in the order of the addresses, which is not that of their texts.
fn show<T>(
    out: &mut dyn Write,
    entries: BTreeMap<String, T>,
    fill: fn(Vec<(String, T)>) -> Table,
    none: &str,
) -> Result<(), Failure> {
    if entries.is_empty() {
        writeln!(out, "{none}")?;
        return Ok(());
    }
    let mut entries: Vec<(String, T)> = entries.into_iter().collect();
    entries.sort_by_cached_key(|(name, _)| name.parse::<Target>().ok());
    let count = entries.len() as u64;
    writeln!(out, "{}\n{} in all", fill(entries), grouped(count))?;
    Ok(())
}

fn bans(entries: Vec<(String, BanEntry)>) -> Table {
    let now = clock::now();
    let mut table = table(&["banned", "since (UTC)", "time left", "strikes", "why"]);
    for (target, ban) in entries {
        let left = left(&ban.expires_at, ban.permanent, now);
        table.add_row([target, utc(&ban.added_at), left, ban.fail_count.to_string(), ban.reason]);
    }
    table
}

fn allows(entries: Vec<(String, AllowEntry)>) -> Table {
    let now = clock::now();
    let mut table = table(&["allowed", "account", "since (UTC)", "time left", "last seen"]);
    for (target, entry) in entries {
        let left = left(&entry.expires_at, entry.permanent, now);
        let account = match (entry.user_id.is_empty(), entry.domain.is_empty()) {
            (false, false) => format!("{}@{}", entry.user_id, entry.domain),
            _ => entry.user_id + &entry.domain,
        };
        table.add_row([target, account, utc(&entry.added_at), left, ago(&entry.last_seen, now)]);
    }
    table
}

fn failed(entries: Vec<(String, Failed)>) -> Table {
    let now = clock::now();
    let mut table = table(&["source", "failures", "first", "last", "accounts", "domains"]);
    for (source, record) in entries {
        table.add_row([
            source,
            record.count.to_string(),
            ago(&record.first_attempt, now),
            ago(&record.last_attempt, now),
            record.user_ids.join(", "),
            record.domains.join(", "),
        ]);
    }
    table
}

fn kernel(held: &Iptables, out: &mut dyn Write) -> Result<(), Failure> {
    for target in &held.blocked_ips {
        writeln!(out, "{target}")?;
    }
    writeln!(out, "{} in the kernel ({})", grouped(held.count as u64), held.chain)?;
    Ok(())
}
