//! `switchward replay --against`: where two configurations part, told as it is found.

use crate::ask::table::{shown, table};
use crate::config::Config;
use crate::exit;
use crate::replay::difference::{Aspect, Comparison, Difference, Kind, Result, Tally};
use crate::replay::{Action, Captures, Line, Map, Summary};
use crate::store::Remembered;
use guard::ban::span;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The two configurations, each with what it is called.
pub(super) struct Sides {
    pub(super) a: (String, Config),
    pub(super) b: (String, Config),
}

/// Exit code of diff(1) when something differs.
const DIFFERENT: u8 = 1;

impl Sides {
    pub(super) fn compare(
        &self,
        files: &Captures,
        past: Option<Arc<Remembered>>,
        maps: &[Map],
        json: bool,
        out: &mut dyn Write,
    ) -> anyhow::Result<ExitCode> {
        let mut comparison = Comparison::with_past(&self.a.1, &self.b.1, past, maps);
        super::warn(&comparison.troubles())?;
        let mut written = Ok(());
        let mut tell = |difference: Difference| {
            if written.is_ok() {
                written = if json { object(&difference, out) } else { text(&difference, out) };
            }
        };
        let played = files.each(|file| comparison.play(file, &mut tell));
        let result = comparison.finish(&mut tell);
        written?;
        if let Err(error) = played {
            writeln!(std::io::stderr(), "switchward: {error}")?;
            return Ok(ExitCode::from(exit::USAGE));
        }
        super::uninformed(&comparison.summary())?;
        let settings = self.settings();
        if json {
            let (a, b) = (&self.a.0, &self.b.0);
            let summary = json!({ "a": a, "b": b, "settings": settings, "same": result.is_same(), "verdicts": result,
                "events": comparison.summary().events, "observations": comparison.summary().observations });
            writeln!(out, "{}", json!({ "summary": summary }))?;
        } else {
            self.summary(&result, &comparison.summary(), &settings, out)?;
        }
        Ok(if result.is_same() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
    }

    /// The keys in which the two differ.
    fn settings(&self) -> Vec<String> {
        let (mut settings, restart) = self.a.1.diff_reload(&self.b.1);
        settings.extend(restart);
        settings.sort();
        settings
    }

    fn summary(
        &self,
        result: &Result,
        played: &Summary,
        settings: &[String],
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        writeln!(out, "A is {}, B is {}", self.a.0, self.b.0)?;
        match settings {
            [] => writeln!(out, "Their settings are the same.")?,
            settings => writeln!(out, "Settings that differ: {}", settings.join(", "))?,
        }
        let mut table = table(&["", "same", "different", "only A", "only B"]);
        let rows = [
            ("bans", result.bans),
            ("calls ended", result.hangups),
            ("accounts blocked", result.blocks),
            ("alerts", result.alerts),
            ("allow entries", result.allows),
        ];
        for (name, Tally { same, different, only_a, only_b }) in rows {
            let numbers = [same, different, only_a, only_b].map(|number| number.to_string());
            table.add_row(std::iter::once(name.to_owned()).chain(numbers));
        }
        writeln!(out, "{table}")?;
        if result.crowded_out > 0 {
            writeln!(
                out,
                "{} of those of one side may have their like on the other: too many were open at once",
                result.crowded_out
            )?;
        }
        let verdict = if result.is_same() { "All verdicts are the same" } else { "The verdicts differ" };
        writeln!(out, "{verdict}, over {} events ({} for the guard).", played.events, played.observations)
    }
}

fn object(difference: &Difference, out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, difference)?;
    writeln!(out)
}

/// As diff(1) has it: `-` is only in A, `+` only in B, `~` in both but not the same. Allow entries are many, so they are only counted.
fn text(difference: &Difference, out: &mut dyn Write) -> std::io::Result<()> {
    let Difference { kind, differs, a, b, elsewhere } = difference;
    let Some(line) = a.as_ref().or(b.as_ref()) else { return Ok(()) };
    if line.action == Action::Allow {
        return Ok(());
    }
    match kind {
        Kind::OnlyA => {
            writeln!(out, "- {}", sentence(line))?;
            writeln!(out, "    not in B: {}", shown(elsewhere))
        }
        Kind::OnlyB => {
            writeln!(out, "+ {}", sentence(line))?;
            writeln!(out, "    not in A: {}", shown(elsewhere))
        }
        Kind::Different => {
            let aspects: Vec<&str> = differs.iter().copied().map(Aspect::word).collect();
            writeln!(out, "~ {} {}: another {}", line.action.word(), line.target, aspects.join(", "))?;
            for (side, line) in [("A", a), ("B", b)] {
                if let Some(line) = line {
                    writeln!(out, "    {side} {}", sentence(line))?;
                }
            }
            Ok(())
        }
    }
}

/// A verdict in one line.
fn sentence(line: &Line) -> String {
    let mut text = format!("{} {} {} by {}", line.time, line.action.word(), line.target, line.rule);
    if let Some(secs) = line.ttl {
        text += &format!(" for {}", span(Duration::from_secs(secs)));
    } else if line.action == Action::Ban {
        text += " for good";
    }
    if let Some(scope) = line.scope {
        text += &format!(", scope {scope}");
    }
    text + &format!(", {}: {}", line.evidence, shown(&line.reason))
}
