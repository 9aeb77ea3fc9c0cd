//! The switch and the connection to it, and how much the daemon writes into its log.

use super::client::Client;
use super::{Daemon, Failure, orders};
use crate::http::broker::commands::{CommandOrder, CommandReply};
use crate::http::command::LevelOrder;
use clap::{Args, ValueEnum};
use guard::tally::printable;
use std::io::Write;

/// What the switch is to carry out.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// As for `fs_cli -x`; quote it.
    pub(super) command: String,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// That the connections are to be made anew.
#[derive(Args, Clone, Debug)]
pub struct Reconnect {
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// The level to set.
#[derive(Args, Clone, Debug)]
pub struct LogLevel {
    /// The least important lines to write.
    #[arg(value_enum)]
    pub(super) level: Level,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// How important a line of the log is.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Level {
    /// What does not work.
    Error,
    /// What may soon not work.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
    /// Every event.
    Trace,
}

pub(super) async fn command(client: &Client, command: String, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client
        .post("/security/esl/command", &CommandOrder { command: Some(command), ..CommandOrder::default() })
        .await?;
    let Some(CommandReply { response, .. }) = client.understand(&answer, out)? else { return Ok(()) };
    // The switch's tables keep their lines; what a caller named himself moves no cursor.
    for line in response.lines() {
        writeln!(
            out,
            "{}",
            line.split('\t').map(|part| printable(part.as_bytes())).collect::<Vec<_>>().join("\t")
        )?;
    }
    Ok(())
}

pub(super) async fn reconnect(client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.post("/security/esl/reconnect", &serde_json::json!({})).await?;
    orders::print(client, &answer, out)
}

pub(super) async fn log_level(client: &Client, level: Level, out: &mut dyn Write) -> Result<(), Failure> {
    let word = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let answer = client.post("/security/esl/log-level", &LevelOrder { level: Some(word.into()) }).await?;
    orders::print(client, &answer, out)
}
