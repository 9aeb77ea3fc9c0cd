//! Whom the daemon tells what happens, what came of it, and a message to try it.

use super::client::Client;
use super::table::{ago, cell, grouped, shown, table, utc};
use super::{Daemon, Failure};
use crate::clock;
use crate::http::notifications::{Notifications, Target, TestOrder, TestResults};
use crate::notify::Channel;
use clap::{Args, Subcommand};
use std::io::Write;

/// What is to be done with the notifications.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Asked {
    #[command(subcommand)]
    pub(super) what: Option<What>,
    /// All messages that could not be delivered, not just the latest ten.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// One thing to do.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum What {
    /// Send a test message and say what came of it.
    Test {
        /// To whom [default: to all that are configured].
        #[arg(value_parser = Channel::ALL.map(Channel::word))]
        target: Option<String>,
    },
}

pub(super) async fn ask(client: &Client, asked: Asked, out: &mut dyn Write) -> Result<(), Failure> {
    match asked.what {
        None => list(client, asked.all, out).await,
        Some(What::Test { target }) => test(client, target, out).await,
    }
}

async fn list(client: &Client, all: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/notifications").await?;
    let Some(Notifications { targets, dead_letters }) = client.understand(&answer, out)? else {
        return Ok(());
    };
    let (on, off): (Vec<Target>, Vec<Target>) = targets.into_iter().partition(|target| target.enabled);
    let now = clock::now();
    if on.is_empty() {
        writeln!(out, "nobody is told: no target is configured (docs/notifications.md)")?;
    } else {
        writeln!(out, "{}", target_table(&on))?;
    }
    for target in on.iter().filter(|target| !target.last_failure.is_empty()) {
        let when = ago(&target.last_failed, now);
        writeln!(out, "{} failed {when}: {}", shown(&target.target), cell(&target.last_failure))?;
    }
    if !off.is_empty() {
        let names: Vec<String> = off.iter().map(|target| shown(&target.target)).collect();
        writeln!(out, "not configured: {}", names.join(", "))?;
    }
    if dead_letters.is_empty() {
        return Ok(());
    }
    let most = if all { dead_letters.len() } else { LATEST };
    let mut rows = table(&["given up (UTC)", "target", "event", "message", "tries", "why"]);
    for letter in dead_letters.iter().take(most) {
        rows.add_row([
            utc(letter.at.split('.').next().unwrap_or_default()),
            shown(&letter.target),
            shown(&letter.event),
            cell(&letter.title),
            letter.attempts.to_string(),
            cell(&letter.reason),
        ]);
    }
    writeln!(out, "{rows}")?;
    if dead_letters.len() > most {
        writeln!(out, "{most} of {} that were given up; see all with --all", dead_letters.len())?;
    }
    Ok(())
}

fn target_table(targets: &[Target]) -> comfy_table::Table {
    let now = clock::now();
    let mut rows = table(&[
        "target",
        "to",
        "is told",
        "sent",
        "failed",
        "given up",
        "in digests",
        "waiting",
        "last sent",
    ]);
    for target in targets {
        rows.add_row([
            shown(&target.target),
            cell(&target.place),
            cell(&target.events.join(", ")),
            grouped(target.sent),
            grouped(target.failed),
            grouped(target.dead),
            grouped(target.suppressed),
            grouped(target.waiting),
            ago(&target.last_sent, now),
        ]);
    }
    rows
}

async fn test(client: &Client, target: Option<String>, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.post("/security/notifications/test", &TestOrder { target }).await?;
    let TestResults { results } = match client.understand(&answer, out)? {
        Some(results) => results,
        // Printed as it came; whether all went well is told by the exit code all the same.
        None => client.parsed(&answer)?,
    };
    for result in results.iter().filter(|_| !client.json) {
        let came = match result.sent {
            true => format!("sent in {} ms", grouped(result.milliseconds)),
            false => format!("NOT SENT: {}", shown(&result.error)),
        };
        writeln!(out, "{:<8} {came}", shown(&result.target))?;
    }
    match results.iter().filter(|result| !result.sent).count() {
        0 => Ok(()),
        failed => Err(Failure::Undelivered { failed, all: results.len() }),
    }
}

/// Messages that were given up and are shown.
const LATEST: usize = 10;
