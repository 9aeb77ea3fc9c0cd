//! `switchward replay`: captures in, verdicts out.

use super::{find, load};
use crate::ask::table::{shown, table};
use crate::config::Config;
use crate::exit;
use crate::replay::{Action, Captures, Line, Map, Summary, captures};
use crate::store::Remembered;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

mod difference;

/// Play captures of an event socket and print who would be banned, when and why.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Examples:\n  switchward replay esl.capture\n  switchward replay monday.zst tuesday.zst --json\n  \
    switchward replay esl.capture --map 192.168.7.0/24=203.0.113.0/24\n  \
    switchward replay /var/lib/switchward/record --against new.toml\n\n\
    With --against the exit code is 0 when all verdicts are the same and 1 when some differ."
)]
pub(super) struct Replay {
    /// Captures: the raw bytes of an inbound event socket connection, plain or compressed with zstd; a directory stands for all
    /// the captures in it, by name.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Judge by this configuration too, and print which verdicts differ.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Judge addresses of one network as those of another of the same size: 127.0.0.0/16=198.18.0.0/16.
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<Map>,
    /// Begin with what a store remembers of weeks past: reputation, earlier bans, what accounts learnt of calls. It is only read; take a copy from
    /// before the captures, since what it learnt of them counts as known, too.
    #[arg(long, value_name = "STORE")]
    with_past: Option<PathBuf>,
    /// One JSON object a line, allow entries included.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self, config: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let usage = |error: &dyn std::fmt::Display| {
            writeln!(std::io::stderr(), "{error}").map(|()| ExitCode::from(exit::USAGE))
        };
        let files = match captures(&self.files) {
            Ok(files) => files,
            Err(error) => return Ok(usage(&format_args!("switchward: {error}"))?),
        };
        let path = find(config);
        let read = |path: &Path| {
            let config = load(path).map_err(|error| error.to_string())?.config;
            let wrong = |troubles: Vec<String>| format!("guard.signatures_file {}", troubles.join("\n"));
            crate::suspects::of(&config.guard).map_err(wrong)?;
            Ok::<Config, String>(config)
        };
        let config = match path.as_deref().map_or_else(|| Ok(Config::default()), read) {
            Ok(config) => config,
            Err(error) => return Ok(usage(&error)?),
        };
        let past = match self.with_past.as_deref().map(Remembered::read).transpose() {
            Ok(past) => past.map(Arc::new),
            Err(error) => return Ok(usage(&format_args!("switchward: {error}"))?),
        };
        if let Some(against) = self.against {
            let other = match read(&against) {
                Ok(other) => other,
                Err(error) => return Ok(usage(&error)?),
            };
            let a = path.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
            let sides = difference::Sides { a: (a, config), b: (against.display().to_string(), other) };
            return sides.compare(&files, past, &self.map, self.json, out);
        }
        let replay = crate::replay::Replay::with_past(&config, past, self.map);
        alone(replay, &files, self.json, out)
    }
}

/// Judges by one configuration.
fn alone(
    mut replay: crate::replay::Replay,
    files: &Captures,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    warn(replay.troubles())?;
    let mut rows = Rows::default();
    let mut failed = Ok(());
    let mut tell = |line: Line| {
        if failed.is_ok() {
            failed = if json { object(&line, out) } else { rows.add(line, out) };
        }
    };
    let played = files.each(|file| replay.play(file, &mut tell));
    failed?;
    if let Err(error) = played {
        rows.write(out)?;
        writeln!(std::io::stderr(), "switchward: {error}")?;
        return Ok(ExitCode::from(exit::USAGE));
    }
    if !json {
        rows.write(out)?;
        summary(&replay.summary(), &rows, out)?;
    }
    uninformed(&replay.summary())?;
    Ok(ExitCode::SUCCESS)
}

fn object(line: &Line, out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

/// Tells of files that are done without.
fn warn(troubles: &[String]) -> std::io::Result<()> {
    troubles.iter().try_for_each(|trouble| writeln!(std::io::stderr(), "switchward: {trouble}"))
}

/// Tells of captures that do not say what was known when they were made.
fn uninformed(summary: &Summary) -> std::io::Result<()> {
    if summary.uninformed == 0 {
        return Ok(());
    }
    writeln!(
        std::io::stderr(),
        "switchward: {} of {} captures do not say which gateways, registrations and allow entries were known; a trunk or a phone may be judged \
         as a stranger (firewall.never_ban keeps it out of reach)",
        summary.uninformed,
        summary.files
    )
}

/// Verdicts for people, in tables of [`TABLE`] rows, so that no number of them fills the memory.
#[derive(Default)]
struct Rows {
    waiting: Vec<Line>,
    bans: u64,
    allowed: u64,
}

/// Rows of one table.
const TABLE: usize = 1000;

impl Rows {
    fn add(&mut self, line: Line, out: &mut dyn Write) -> std::io::Result<()> {
        match line.action {
            Action::Allow => {
                self.allowed += 1;
                return Ok(());
            }
            Action::Ban => self.bans += 1,
            _ => {}
        }
        self.waiting.push(line);
        if self.waiting.len() < TABLE { Ok(()) } else { self.write(out) }
    }

    /// Writes those that wait.
    fn write(&mut self, out: &mut dyn Write) -> std::io::Result<()> {
        let lines = std::mem::take(&mut self.waiting);
        if lines.is_empty() {
            return Ok(());
        }
        let mut table = table(&["time", "action", "target", "rule", "evidence", "for", "why"]);
        for line in &lines {
            let length =
                line.ttl.map_or_else(String::new, |secs| guard::ban::span(Duration::from_secs(secs)));
            table.add_row([
                &line.time,
                line.action.word(),
                &line.target,
                &line.rule,
                line.evidence.word(),
                &length,
                &shown(&line.reason),
            ]);
        }
        writeln!(out, "{table}")
    }
}

fn summary(summary: &Summary, rows: &Rows, out: &mut dyn Write) -> std::io::Result<()> {
    let Rows { bans, allowed, .. } = rows;
    let per_second = summary.events as f64 / summary.took.as_secs_f64().max(1e-9);
    writeln!(
        out,
        "{} events ({} for the guard) in {:.1} ms, {per_second:.0}/s; {bans} banned, {allowed} allowed by a success",
        summary.events,
        summary.observations,
        summary.took.as_secs_f64() * 1000.0,
    )?;
    if summary.forged > 0 {
        writeln!(out, "{} events were forged by a client of the event socket and ignored", summary.forged)?;
    }
    if summary.bad_address > 0 {
        writeln!(out, "{} events named no address and were ignored", summary.bad_address)?;
    }
    if summary.cut_off > 0 {
        writeln!(out, "{} file(s) end in the middle of a frame", summary.cut_off)?;
    }
    Ok(())
}
