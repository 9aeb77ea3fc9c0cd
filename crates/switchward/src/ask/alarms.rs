//! The alarms: those that are on in words, those that are over as a table.

use super::client::Client;
use super::table::{ago, cell, shown, table, utc};
use super::{Daemon, Failure};
use crate::clock;
use crate::http::alarms::{AlarmState, Alarms};
use clap::Args;
use std::io::Write;

/// Which alarms.
#[derive(Args, Clone, Debug)]
pub struct Asked {
    /// All that are over since the daemon's start, not just the latest ten.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the alarms that are on with what to do about them, and the latest that are over.
pub(super) async fn print(client: &Client, all: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/alarms").await?;
    let Some(Alarms { active, over }) = client.understand(&answer, out)? else { return Ok(()) };
    let now = clock::now();
    if active.is_empty() {
        writeln!(out, "no alarm is on")?;
    }
    for alarm in &active {
        let severity = alarm.severity.to_uppercase();
        writeln!(out, "{} {}, {}", shown(&severity), name(alarm), ago(&alarm.since, now))?;
        for line in alarm.text.lines() {
            writeln!(out, "  {}", shown(line))?;
        }
    }
    if over.is_empty() {
        return Ok(());
    }
    let most = if all { over.len() } else { LATEST };
    let mut rows = table(&["over", "severity", "from (UTC)", "until (UTC)", "what it said"]);
    for alarm in over.iter().take(most) {
        rows.add_row([
            name(alarm),
            shown(&alarm.severity),
            utc(second(&alarm.since)),
            utc(second(alarm.until.as_deref().unwrap_or_default())),
            cell(&alarm.text),
        ]);
    }
    writeln!(out, "{rows}")?;
    if over.len() > most {
        writeln!(out, "{most} of {} that are over; see all with --all", over.len())?;
    }
    Ok(())
}

fn name(alarm: &AlarmState) -> String {
    let subject = if alarm.subject.is_empty() { String::new() } else { format!(" of {}", alarm.subject) };
    cell(&format!("{}{subject}", alarm.name))
}

/// A time without its fraction.
fn second(text: &str) -> &str {
    text.split('.').next().unwrap_or_default()
}

/// Alarms that are over and shown.
const LATEST: usize = 10;
