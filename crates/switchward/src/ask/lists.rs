//! The lists as tables.

use super::client::{Client, in_path};
use super::table::{ago, cell, grouped, left, shown, table, utc};
use super::{Daemon, Failure};
use crate::clock;
use crate::http::allows::AllowEntry;
use crate::http::counted::Failed;
use crate::http::kernel::Iptables;
use crate::http::lists::bans::{BanItem, BanPage};
use clap::{Args, ValueEnum};
use comfy_table::Table;
use guard::Target;
use std::collections::BTreeMap;
use std::io::Write;

/// Which list is to be printed, and what of it.
#[derive(Args, Clone, Debug)]
pub struct Listing {
    /// Which one.
    #[arg(value_enum)]
    list: List,
    /// Bans that an address, a network or a word is in.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Bans that name this account (a part of its name, or all of name@domain).
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Bans of this rule.
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Bans of this country, two letters (`geo.country_file`).
    #[arg(long, value_name = "LETTERS")]
    country: Option<String>,
    /// By what bans are sorted: the newest, longest or most first, targets from the lowest [default: target].
    #[arg(long, value_enum)]
    sort: Option<Sort>,
    /// At most so many bans.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// A list that can be printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    /// The bans in the ledger.
    Bans,
    /// The allow-list.
    Allows,
    /// Sources whose credentials were refused.
    Failed,
    /// What the kernel really drops.
    Kernel,
}

/// What bans can be sorted by.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// When it was made.
    Since,
    /// When it ends.
    Until,
    /// What is banned.
    Target,
    /// Strikes counted.
    Count,
    /// The country, by its letters; unknown ones last.
    Country,
}

impl Listing {
    fn is_of_all(&self) -> bool {
        self.search.is_none()
            && self.account.is_none()
            && self.rule.is_none()
            && self.country.is_none()
            && self.sort.is_none()
            && self.limit.is_none()
    }
}

/// Prints a list.
pub(super) async fn print(client: &Client, listing: Listing, out: &mut dyn Write) -> Result<(), Failure> {
    let path = match listing.list {
        // The predecessor's form, for the scripts that know it.
        List::Bans if client.json && listing.is_of_all() => "/security/blacklist",
        List::Bans => return bans(client, &listing, out).await,
        _ if !listing.is_of_all() => {
            return Err(Failure::Refused(
                "only bans can be searched, sorted and limited: `list bans`".into(),
            ));
        }
        List::Allows => "/security/whitelist",
        List::Failed => "/security/failed",
        List::Kernel => "/security/iptables",
    };
    let answer = client.read(path).await?;
    match listing.list {
        List::Bans => client.understand::<serde_json::Value>(&answer, out).map(|_| ()),
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

/// The bans, page by page; with `--json` one page as it came.
async fn bans(client: &Client, listing: &Listing, out: &mut dyn Write) -> Result<(), Failure> {
    let mut query = String::new();
    let given = [
        ("search", &listing.search),
        ("account", &listing.account),
        ("rule", &listing.rule),
        ("country", &listing.country),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query += &format!("&{name}={}", in_path(value));
        }
    }
    query += match listing.sort.unwrap_or(Sort::Target) {
        Sort::Since => "&sort=since&order=desc",
        Sort::Until => "&sort=until&order=desc",
        Sort::Target => "&sort=target&order=asc",
        Sort::Count => "&sort=count&order=desc",
        Sort::Country => "&sort=country&order=asc",
    };
    let most = listing.limit.map_or(LONGEST_PAGE, |limit| limit as usize);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    let matched = loop {
        let limit = (most - found.len()).min(LONGEST_PAGE);
        let answer = client.read(&format!("/security/bans?limit={limit}{query}{cursor}")).await?;
        let Some(mut page) = client.understand::<BanPage>(&answer, out)? else { return Ok(()) };
        found.append(&mut page.bans);
        match page.next {
            Some(next) if found.len() < most => cursor = format!("&cursor={}", in_path(&next)),
            _ => break page.matched,
        }
    };
    if found.is_empty() {
        let none = if listing.is_of_all() { "no bans" } else { "no such ban" };
        writeln!(out, "{none}")?;
        return Ok(());
    }
    let shown = found.len() as u64;
    writeln!(out, "{}", ban_table(found))?;
    match matched > shown {
        true => writeln!(out, "{} of {}", grouped(shown), grouped(matched))?,
        false => writeln!(out, "{} in all", grouped(shown))?,
    }
    Ok(())
}

fn ban_table(bans: Vec<BanItem>) -> Table {
    let now = clock::now();
    // A column of nothing where no file tells.
    let has_places = bans.iter().any(|ban| ban.country.is_some() || ban.as_number.is_some());
    let mut headings = vec!["banned", "since (UTC)", "time left", "strikes", "rule", "why"];
    if has_places {
        headings.insert(1, "country");
    }
    let mut table = table(&headings);
    for ban in bans {
        let left = left(ban.until.as_deref().unwrap_or_default(), ban.until.is_none(), now);
        let place = place(&ban);
        let why = match ban.note.as_str() {
            "" => ban.reason,
            note => format!("{} [{note}]", ban.reason),
        };
        let target = if ban.scope == "sip" { format!("{} (sip)", ban.target) } else { ban.target };
        let count = ban.count.to_string();
        let mut cells = vec![shown(&target), utc(&ban.since), left, count, cell(&ban.rule), cell(&why)];
        if has_places {
            cells.insert(1, place);
        }
        table.add_row(cells);
    }
    table
}

/// Country and autonomous system, as far as they are known.
fn place(ban: &BanItem) -> String {
    let system = ban.as_number.map(|number| format!("AS{number}"));
    let known = [ban.country.clone(), system, ban.as_name.clone()];
    cell(&known.into_iter().flatten().collect::<Vec<_>>().join(" "))
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

fn allows(entries: Vec<(String, AllowEntry)>) -> Table {
    let now = clock::now();
    let mut table = table(&["allowed", "account", "since (UTC)", "time left", "last seen"]);
    for (target, entry) in entries {
        let left = left(&entry.expires_at, entry.permanent, now);
        let account = match (entry.user_id.is_empty(), entry.domain.is_empty()) {
            (false, false) => format!("{}@{}", entry.user_id, entry.domain),
            _ => entry.user_id + &entry.domain,
        };
        table.add_row([target, cell(&account), utc(&entry.added_at), left, ago(&entry.last_seen, now)]);
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
            cell(&record.user_ids.join(", ")),
            cell(&record.domains.join(", ")),
        ]);
    }
    table
}

fn kernel(held: &Iptables, out: &mut dyn Write) -> Result<(), Failure> {
    for target in &held.blocked_ips {
        writeln!(out, "{}", shown(target))?;
    }
    writeln!(out, "{} in the kernel ({})", grouped(held.count as u64), shown(&held.chain))?;
    Ok(())
}

/// Bans that are asked for at a time.
const LONGEST_PAGE: usize = 1000;
