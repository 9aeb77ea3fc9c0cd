//! The rules of the guard as a table: those of the running daemon with what became of them, or those that a file means.

use super::client::Client;
use super::table::{ago, cell, grouped, table};
use super::{Daemon, Failure};
use crate::clock;
use crate::config::Config;
use crate::config::duration::{self, format_short};
use crate::http::rules::{RuleHits, RuleState, Rules};
use crate::policy;
use clap::Args;
use std::io::Write;

/// Which rules.
#[derive(Args, Clone, Debug)]
pub struct Asked {
    /// Those that are switched off, too.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the rules of the running daemon.
pub(super) async fn print(client: &Client, all: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/rules").await?;
    let Some(Rules { rules, others }) = client.understand(&answer, out)? else { return Ok(()) };
    page(&rules, &others, all, out)?;
    Ok(())
}

impl Asked {
    /// Prints the rules that a configuration means. No daemon is asked.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(crate) fn of_file(&self, config: &Config, out: &mut dyn Write) -> anyhow::Result<()> {
        let rules: Vec<RuleState> = policy::policy(config, &[]).rules().iter().map(RuleState::of).collect();
        if self.daemon.json {
            let answer = Rules { rules, others: Vec::new() };
            writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
            return Ok(());
        }
        Ok(page(&rules, &[], self.all, out)?)
    }
}

/// The table, and what is not in it.
pub(super) fn page(
    rules: &[RuleState],
    others: &[RuleHits],
    all: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let now = clock::now();
    let has_hits = rules.iter().any(|rule| rule.hits.is_some());
    let mut headings = vec!["rule", "counts", "fires at", "for", "then", "evidence", "from"];
    if has_hits {
        headings.extend(["bans", "would ban", "alerts", "spared", "last fired"]);
    }
    let mut rows = table(&headings);
    for rule in rules.iter().filter(|rule| all || rule.enabled) {
        let mut row = vec![
            cell(&rule.name),
            cell(&counted(rule)),
            format!("{} in {}", rule.threshold, short(&rule.window)),
            whom(rule),
            then(rule),
            rule.evidence.clone(),
            rule.origin.clone(),
        ];
        if has_hits {
            row.extend(outcomes(rule.hits.as_ref().unwrap_or(&RuleHits::default()), now));
        }
        rows.add_row(row);
    }
    for hits in others {
        let mut row =
            vec![cell(&hits.name), "-".into(), "-".into(), "-".into(), "-".into(), "-".into(), "-".into()];
        row.extend(outcomes(hits, now));
        rows.add_row(row);
    }
    writeln!(out, "{rows}")?;
    let off = rules.iter().filter(|rule| !rule.enabled).count();
    if off > 0 && !all {
        writeln!(out, "{off} more {} switched off; see all with --all", if off == 1 { "is" } else { "are" })?;
    }
    Ok(())
}

fn outcomes(hits: &RuleHits, now: guard::Time) -> [String; 5] {
    let RuleHits { ban, would_ban, alert, spared, last_fired, .. } = hits;
    let last = last_fired.as_deref().map_or_else(|| "never".into(), |time| ago(time, now));
    [grouped(*ban), grouped(*would_ban), grouped(*alert), grouped(*spared), last]
}

/// "failed authentications, different accounts"
fn counted(rule: &RuleState) -> String {
    let mut text = rule.what.clone();
    if let Some(distinct) = &rule.distinct {
        text += &format!(", different {distinct}");
    }
    if rule.patience != "0s" {
        text += &format!(", not undone in {}", short(&rule.patience));
    }
    text
}

/// "a source, strangers"
fn whom(rule: &RuleState) -> String {
    match rule.applies.as_str() {
        "everyone" => rule.key.clone(),
        applies => format!("{}, {applies}", rule.key),
    }
}

/// "ban 1h, sip", "shadow: ban 1h, all", "alert", "off"
fn then(rule: &RuleState) -> String {
    let does = match (&rule.ban, &rule.scope) {
        (Some(ban), Some(scope)) => format!("ban {}, {scope}", short(ban)),
        _ => rule.action.clone(),
    };
    match (rule.enabled, rule.shadow) {
        (false, _) => format!("off: {does}"),
        (true, true) => format!("shadow: {does}"),
        (true, false) => does,
    }
}

/// "1h" of "1h0m0s".
fn short(text: &str) -> String {
    duration::parse(text).map_or_else(|_| cell(text), format_short)
}
