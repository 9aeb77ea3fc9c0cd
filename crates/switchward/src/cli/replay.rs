//! `switchward replay`: captures in, verdicts out.

use super::{find, load};
use crate::config::Config;
use crate::exit;
use crate::replay::{Action, Line, Map, Summary};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Play captures of an event socket and print who would be banned, when and why.
#[derive(Args, Debug)]
#[command(
    after_long_help = "Examples:\n  switchward replay esl.capture\n  switchward replay monday.zst tuesday.zst --json\n  \
    switchward replay esl.capture --map 192.168.7.0/24=203.0.113.0/24"
)]
pub(super) struct Replay {
    /// Captures: the raw bytes of an inbound event socket connection, plain or compressed with zstd.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Judge addresses of one network as those of another of the same size: 127.0.0.0/16=198.18.0.0/16.
    #[arg(long, value_name = "FROM=TO")]
    map: Vec<Map>,
    /// One JSON object a line, allow entries included.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self, config: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let config = match find(config).map(|path| load(&path)) {
            None => Config::default(),
            Some(Ok(loaded)) => loaded.config,
            Some(Err(error)) => {
                writeln!(std::io::stderr(), "{error}")?;
                return Ok(ExitCode::from(exit::USAGE));
            }
        };
        let mut replay = crate::replay::Replay::new(&config, self.map);
        let mut lines: Vec<Line> = Vec::new();
        let mut allowed = 0u64;
        for file in &self.files {
            let mut failed = Ok(());
            let played = replay.play(file, &mut |line| {
                if self.json {
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
            });
            failed?;
            if let Err(error) = played {
                writeln!(std::io::stderr(), "switchward: {error}")?;
                return Ok(ExitCode::from(exit::USAGE));
            }
        }
        if !self.json {
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
