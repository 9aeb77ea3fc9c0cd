//! `switchward replay`: captures in, verdicts out.

use super::{find, load};
use crate::config::Config;
use crate::exit;
use crate::replay::{Action, Captures, Line, Map, Summary, captures};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
        if let Some(against) = self.against {
            let other = match read(&against) {
                Ok(other) => other,
                Err(error) => return Ok(usage(&error)?),
            };
            let a = path.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
            let sides = difference::Sides { a: (a, config), b: (against.display().to_string(), other) };
            return sides.compare(&files, &self.map, self.json, out);
        }
        alone(&config, &files, self.map, self.json, out)
    }
}

/// Judges by one configuration.
fn alone(
    config: &Config,
    files: &Captures,
    map: Vec<Map>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let mut replay = crate::replay::Replay::new(config, map);
    let mut lines: Vec<Line> = Vec::new();
    let mut allowed = 0u64;
    let mut failed = Ok(());
    let mut tell = |line: Line| {
        if json {
            if failed.is_ok() {
                failed = serde_json::to_writer(&mut *out, &line)
                    .map_err(std::io::Error::from)
                    .and_then(|()| writeln!(out));
            }
        } else if line.action == Action::Allow {
            allowed += 1;
        } else {
            lines.push(line);
        }
    };
    let played = files.each(|file| replay.play(file, &mut tell));
    failed?;
    if let Err(error) = played {
        writeln!(std::io::stderr(), "switchward: {error}")?;
        return Ok(ExitCode::from(exit::USAGE));
    }
    if !json {
        table(&lines, out)?;
        summary(
            &replay.summary(),
            lines.iter().filter(|line| line.action == Action::Ban).count(),
            allowed,
            out,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(lines: &[Line], out: &mut dyn Write) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut table = crate::ask::table::table(&["time", "action", "target", "rule", "evidence", "for", "why"]);
    for line in lines {
        let length = line.ttl.map_or_else(String::new, |secs| guard::ban::span(Duration::from_secs(secs)));
        let cells = [
            &line.time,
            line.action.word(),
            &line.target,
            &line.rule,
            line.evidence.word(),
            &length,
            &line.reason,
        ];
        table.add_row(cells);
    }
    writeln!(out, "{table}")
}

fn summary(summary: &Summary, bans: usize, allowed: u64, out: &mut dyn Write) -> std::io::Result<()> {
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
