//! A command for a switch, in the foreground or as a job, and the events of a switch as they happen.
//!
//! The broker's rules for whoever asks decide; on the daemon's Unix socket root may do everything.

use super::client::{Client, in_path};
use super::{Daemon, Failure};
use crate::http::broker::commands::{CommandOrder, CommandReply};
use crate::http::broker::jobs::{JobOrder, JobView};
use clap::{Args, Subcommand};
use guard::tally::printable;
use serde_json::Value;
use std::io::Write;

/// What a switch is to do, or to tell.
#[derive(Args, Clone, Debug)]
#[command(subcommand_precedence_over_arg = true, subcommand_negates_reqs = true)]
pub struct Esl {
    #[command(subcommand)]
    what: Option<What>,
    /// As for `fs_cli -x`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The switch by its name in the configuration [default: the first].
    #[arg(long, value_name = "NAME")]
    switch: Option<String>,
    /// Carry it out in the background, and wait for the end.
    #[arg(long)]
    job: bool,
    #[command(flatten)]
    daemon: Daemon,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Print events of a switch as they happen, one JSON object a line.
    #[command(after_long_help = "Examples:\n  switchward esl events CHANNEL_CREATE,CHANNEL_HANGUP\n  \
        switchward esl events 'CUSTOM sofia::register' --filter network-ip:198.51.100.7 --count 1")]
    Events(Events),
}

#[derive(Args, Clone, Debug)]
struct Events {
    /// Their names, separated by commas; "CUSTOM SUBCLASS"; ALL for all that you may see.
    names: String,
    /// Only events with this header, "Header:value"; may come several times.
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// The switch by its name in the configuration [default: the first].
    #[arg(long, value_name = "NAME")]
    switch: Option<String>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    #[command(flatten)]
    daemon: Daemon,
}

impl Esl {
    pub(super) fn daemon(&self) -> &Daemon {
        match &self.what {
            Some(What::Events(events)) => &events.daemon,
            None => &self.daemon,
        }
    }
}

pub(super) async fn ask(client: &Client, asked: Esl, out: &mut dyn Write) -> Result<(), Failure> {
    let Esl { what, command, switch, job, .. } = asked;
    let command = command.join(" ");
    match (what, job) {
        (Some(What::Events(events)), _) => follow(client, events, out).await,
        (None, true) => run_as_job(client, command, switch, out).await,
        (None, false) => run(client, command, switch, out).await,
    }
}

async fn run(
    client: &Client,
    command: String,
    switch: Option<String>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let order = CommandOrder { command: Some(command), switch, ..CommandOrder::default() };
    let answer = client.post("/security/esl/command", &order).await?;
    let reply: CommandReply = client.parsed(&answer)?;
    if client.understand::<CommandReply>(&answer, out)?.is_some() {
        print(&reply.response, out)?;
    }
    judged(&reply.response)
}

async fn run_as_job(
    client: &Client,
    command: String,
    switch: Option<String>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let order = JobOrder { command: Some(command), switch };
    let started: JobView = client.parsed(&client.post("/security/esl/jobs", &order).await?)?;
    let path = format!("/security/esl/jobs/{}?wait=5s", in_path(&started.id));
    loop {
        let answer = client.read(&path).await?;
        let job: JobView = client.parsed(&answer)?;
        let response = match job.state.as_str() {
            "running" => continue,
            "done" => job.response.unwrap_or_default(),
            _ => return Err(Failure::Unable(job.error.or(job.note).unwrap_or(job.state))),
        };
        if client.understand::<JobView>(&answer, out)?.is_some() {
            print(&response, out)?;
        }
        return judged(&response);
    }
}

/// What the switch printed; its tables keep their lines, and what a caller named himself moves no cursor.
fn print(response: &str, out: &mut dyn Write) -> std::io::Result<()> {
    for line in response.lines() {
        let parts: Vec<_> = line.split('\t').map(|part| printable(part.as_bytes())).collect();
        writeln!(out, "{}", parts.join("\t"))?;
    }
    Ok(())
}

/// The exit code tells whether the switch did it.
fn judged(response: &str) -> Result<(), Failure> {
    match response.starts_with("-ERR") || response.starts_with("-USAGE") {
        true => Err(Failure::BySwitch(response.lines().next().unwrap_or_default().to_owned())),
        false => Ok(()),
    }
}

async fn follow(client: &Client, events: Events, out: &mut dyn Write) -> Result<(), Failure> {
    let mut path = format!("/security/esl/events?names={}", in_path(&events.names));
    if let Some(switch) = &events.switch {
        path.push_str(&format!("&switch={}", in_path(switch)));
    }
    for filter in &events.filter {
        path.push_str(&format!("&filter={}", in_path(filter)));
    }
    let mut stream = client.open(&path, None).await?;
    let mut left = events.count.unwrap_or(u64::MAX);
    while left > 0 {
        let told = stream.next().await?;
        match told.name.as_str() {
            "event" => {
                // Escapes are what JSON makes of control characters.
                let event: Value = client.parsed(told.data.as_bytes())?;
                writeln!(out, "{event}")?;
                out.flush()?;
                left -= 1;
            }
            name => _ = writeln!(std::io::stderr(), "switchward: {name}: {}", told.data),
        }
    }
    Ok(())
}
