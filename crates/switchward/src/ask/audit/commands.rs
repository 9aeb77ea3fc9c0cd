//! The audit of commands: searched by the daemon, or its files checked without one.

use super::with_filters;
use crate::ask::Failure;
use crate::ask::client::Client;
use crate::ask::table::{cell, table, utc};
use crate::config::Config;
use crate::exit;
use crate::http::audit::commands::{Command, CommandPage};
use crate::store::commands::end;
use crate::trail;
use broker::audit::{Anchor, Key, Report};
use broker::journal::{files, verify};
use clap::Args;
use rusqlite::{Connection, OpenFlags};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which attempts.
#[derive(Args, Clone, Debug)]
pub(crate) struct Commands {
    /// Only what this user asked.
    #[arg(long)]
    user: Option<String>,
    /// Only what was asked from this address.
    #[arg(long)]
    source: Option<String>,
    /// Only what came in this way: http, https, socket, esl.
    #[arg(long)]
    door: Option<String>,
    /// Only what was so decided: allowed, refused, shadow.
    #[arg(long)]
    decision: Option<String>,
    /// Only this command, such as uuid_kill.
    #[arg(long)]
    verb: Option<String>,
    /// Only commands with this text in them.
    #[arg(long)]
    text: Option<String>,
    /// Only since this time (2026-11-21T10:00:00Z).
    #[arg(long)]
    since: Option<String>,
    /// Only before this time.
    #[arg(long)]
    until: Option<String>,
    /// Only what is older than this number.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    before: Option<i64>,
    /// How many, the newest.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// What to check.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// The files, in order [default: all of the configured directory].
    files: Vec<PathBuf>,
    /// A file with the key of the seals [default: broker.audit_key_file]; name it more than once when it was changed.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The newest line as it is remembered elsewhere, NUMBER:HASH [default: the store's].
    #[arg(long)]
    anchor: Option<Anchor>,
}

pub(super) async fn print(client: &Client, wanted: &Commands, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read(&wanted.path()).await?;
    let Some(CommandPage { commands, behind, .. }) = client.understand(&answer, out)? else { return Ok(()) };
    if commands.is_empty() {
        writeln!(out, "no command in the audit fits")?;
    } else {
        let columns = ["id", "when", "who", "from", "switch", "command", "decision", "rule", "result", "ms"];
        let mut rows = table(&columns);
        for command in commands.into_iter().rev() {
            rows.add_row(row(&command));
        }
        writeln!(out, "{rows}")?;
    }
    if behind > 0 {
        writeln!(out, "{behind} lines are written but not indexed yet; ask again in a moment")?;
    }
    Ok(())
}

fn row(command: &Command) -> [String; 10] {
    let who = match command.user.as_str() {
        "" => "nobody".to_owned(),
        user => format!("{user} ({})", command.proof),
    };
    let what = match command.form.as_str() {
        "" | "api" => command.command.clone(),
        form => format!("{form} {}", command.command),
    };
    let millis = command.micros.map_or(String::new(), |micros| format!("{:.1}", micros as f64 / 1e3));
    [
        command.id.to_string(),
        utc(&command.at),
        cell(&who),
        cell(format!("{} {}", command.source, command.door).trim()),
        cell(&command.switch),
        cell(&what),
        cell(&command.decision),
        cell(&command.rule),
        cell(command.result.as_deref().unwrap_or_default()),
        millis,
    ]
}

impl Commands {
    fn path(&self) -> String {
        let before = self.before.map(|before| before.to_string());
        let given = [
            ("user", &self.user),
            ("source", &self.source),
            ("door", &self.door),
            ("decision", &self.decision),
            ("verb", &self.verb),
            ("text", &self.text),
            ("since", &self.since),
            ("until", &self.until),
            ("before", &before),
        ];
        with_filters(format!("/security/broker/audit?limit={}", self.limit), &given)
    }
}

impl Verify {
    /// Checks the files and says what was found.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(crate) fn run(
        &self,
        config: &Config,
        is_json: bool,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        match self.check(config) {
            Ok((report, anchor, is_sealed)) => {
                if is_json {
                    writeln!(out, "{:#}", json(&report, anchor))?;
                } else {
                    tell(&report, anchor, is_sealed, out)?;
                }
                Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(exit::DATA) })
            }
            Err(reason) => {
                writeln!(std::io::stderr(), "switchward: {reason}")?;
                Ok(ExitCode::from(exit::UNAVAILABLE))
            }
        }
    }

    fn check(&self, config: &Config) -> Result<(Report, Option<Anchor>, bool), String> {
        let keys = self.keys(config)?;
        let mut chosen = self.files.clone();
        let mut anchor = self.anchor;
        if chosen.is_empty() {
            // Before the files: the daemon may write on.
            if anchor.is_none() {
                anchor = remembered(&config.store.path)?;
            }
            let directory = trail::directory(config, Some(&config.store.path));
            let said =
                |error: std::io::Error| format!("cannot read the audit in {}: {error}", directory.display());
            chosen = files(&directory).map_err(said)?;
            if chosen.is_empty() && anchor.is_none() {
                return Err(format!("there is no audit in {}", directory.display()));
            }
        }
        let report = verify(&chosen, &keys, anchor).map_err(|error| format!("cannot read {error}"))?;
        Ok((report, anchor, !keys.is_empty()))
    }

    fn keys(&self, config: &Config) -> Result<Vec<Key>, String> {
        if self.key.is_empty() {
            return Ok(Vec::from_iter(trail::key(config)?));
        }
        self.key.iter().map(|path| trail::read_key(path)).collect()
    }
}

/// The newest line that the store remembers; none when there is no store.
fn remembered(store: &Path) -> Result<Option<Anchor>, String> {
    if !store.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = Connection::open_with_flags(store, flags).and_then(|connection| {
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        // A store from before there was an audit of commands has no such table.
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'commands_end'";
        let is_there: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if is_there == 0 { Ok(None) } else { end(&connection) }
    });
    read.map_err(|error| {
        format!(
            "cannot read the newest line from the store {}: {error}; give it with --anchor",
            store.display()
        )
    })
}

fn tell(
    report: &Report,
    anchor: Option<Anchor>,
    is_sealed: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for gap in report.gaps.iter().take(10) {
        writeln!(out, "{}:{}: {} lines are lost: {}", gap.file, gap.line, gap.lost, gap.why)?;
    }
    if let Some(torn) = &report.torn {
        let Report { last, .. } = report;
        writeln!(
            out,
            "{}:{}: the line after {} stops in the middle, as a crash leaves it",
            torn.file, torn.line, last.sequence
        )?;
    }
    if let Some(broken) = &report.broken {
        writeln!(out, "{}:{}: {}", broken.file, broken.line, broken.what)?;
        writeln!(
            out,
            "NOT as it was written: lines {} to {} are good, nothing after that is proved",
            report.first, report.last.sequence
        )?;
        return Ok(());
    }
    let word = if report.is_whole() {
        "as they were written"
    } else {
        "not all there; the rest is as it was written"
    };
    writeln!(
        out,
        "{} lines in {} files are {word}: {} to {}",
        report.lines, report.files, report.first, report.last.sequence
    )?;
    writeln!(out, "the newest line: {}", report.last)?;
    match anchor {
        Some(anchor) => writeln!(
            out,
            "nothing up to line {}, which is remembered elsewhere, was cut off",
            anchor.sequence
        )?,
        None => writeln!(out, "nothing tells whether newer lines were cut off; --anchor would")?,
    }
    if !is_sealed {
        writeln!(out, "there is no key: who can write the files could have made them all anew")?;
    } else if report.unsealed > 0 {
        writeln!(out, "the first {} lines are from before there was a key", report.unsealed)?;
    }
    Ok(())
}

fn json(report: &Report, anchor: Option<Anchor>) -> serde_json::Value {
    serde_json::json!({
        "whole": report.is_whole(),
        "files": report.files,
        "lines": report.lines,
        "first": report.first,
        "last": report.last.to_string(),
        "anchor": anchor.map(|anchor| anchor.to_string()),
        "unsealed": report.unsealed,
        "broken": report.broken.as_ref().map(|broken| serde_json::json!({
            "file": broken.file, "line": broken.line, "what": broken.what.to_string(),
        })),
        "torn": report.torn.as_ref().map(|torn| serde_json::json!({
            "file": torn.file, "line": torn.line, "bytes": torn.bytes,
        })),
        "gaps": report.gaps.iter().map(|gap| serde_json::json!({
            "file": gap.file, "line": gap.line, "lost": gap.lost, "why": gap.why,
        })).collect::<Vec<_>>(),
    })
}
