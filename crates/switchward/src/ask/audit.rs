//! The audit as a table: of changes ([`Audit`]), and of commands ([`commands`]).

pub(crate) mod commands;

use super::client::Client;
use super::table::{cell, table, utc};
use super::{Daemon, Failure};
use crate::http::audit::Page;
use clap::{Args, Subcommand};
use std::io::Write;

/// Which part of the audit.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    /// Only what this token, user or certificate asked.
    #[arg(long)]
    who: Option<String>,
    /// Only what was asked from this address.
    #[arg(long)]
    source: Option<String>,
    /// Only actions with this text in them, such as blacklist or DELETE.
    #[arg(long)]
    action: Option<String>,
    /// Only since this time (2026-11-21T10:00:00Z).
    #[arg(long)]
    since: Option<String>,
    /// Only before this time.
    #[arg(long)]
    until: Option<String>,
    /// How many, the newest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    pub(crate) daemon: Daemon,
}

/// The audit of commands.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum What {
    /// Print who wanted which command of a switch, what was decided, and what came of it; the newest last.
    #[command(
        visible_aliases = ["list", "search"],
        after_long_help = "Examples:\n  switchward audit commands --user alice --decision refused\n  \
            switchward audit commands --verb uuid_kill --since 2026-11-21T00:00:00Z --json"
    )]
    Commands(Box<commands::Commands>),
    /// Check that nobody changed the files of the audit of commands.
    ///
    /// Works on the files and asks no daemon. Without FILES all of the configured directory are checked, with the key of
    /// broker.audit_key_file and the newest line that the store remembers. The exit code is 0 when all is as it was written, else 65.
    #[command(after_long_help = "Examples:\n  switchward audit verify\n  \
            switchward audit verify --key audit.key --anchor 4711:9f86d0... backup/commands-*.jsonl")]
    Verify(Box<commands::Verify>),
}

pub(super) async fn print(client: &Client, part: Audit, out: &mut dyn Write) -> Result<(), Failure> {
    match part.what {
        Some(What::Commands(wanted)) => return commands::print(client, &wanted, out).await,
        // Done before a daemon is looked for.
        Some(What::Verify(_)) => return Ok(()),
        None => {}
    }
    let answer = client.read(&part.path()).await?;
    let Some(Page { entries, .. }) = client.understand(&answer, out)? else { return Ok(()) };
    if entries.is_empty() {
        writeln!(out, "nothing in the audit fits")?;
        return Ok(());
    }
    let mut rows = table(&["when", "who", "from", "action", "about", "status", "result"]);
    for entry in entries.into_iter().rev() {
        let who = match entry.role.as_str() {
            "" => "nobody".to_owned(),
            role => format!("{} ({role})", entry.who),
        };
        let from = match entry.source.as_str() {
            "" => entry.door,
            source => format!("{source} {}", entry.door),
        };
        rows.add_row([
            utc(&entry.at),
            cell(&who),
            cell(&from),
            cell(&entry.action),
            cell(&entry.detail),
            entry.status.to_string(),
            cell(&entry.result),
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

impl Audit {
    fn path(&self) -> String {
        let given = [
            ("who", &self.who),
            ("source", &self.source),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
        ];
        with_filters(format!("/security/audit?limit={}", self.limit), &given)
    }
}

/// The path with those filters that are given.
fn with_filters(path: String, given: &[(&str, &Option<String>)]) -> String {
    let given = given.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    given.fold(path, |path, (name, value)| path + "&" + name + "=" + &encoded(value))
}

/// A text as a value behind the question mark (RFC 3986 section 2.1).
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |out, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            out + &char::from(byte).to_string()
        }
        _ => out + &format!("%{byte:02X}"),
    })
}
