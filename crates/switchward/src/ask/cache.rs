//! The cache of the interface's answers.

use super::client::Client;
use super::table::{grouped, shown};
use super::{Daemon, Failure};
use crate::http::cache::{CacheStats, Cleared};
use clap::{Args, Subcommand};
use std::io::Write;

/// What is to be done with the cache.
#[derive(Args, Clone, Debug)]
pub struct Cache {
    #[command(subcommand)]
    pub(super) what: What,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// One thing to do.
#[derive(Subcommand, Clone, Copy, Debug)]
pub(super) enum What {
    /// Print what it holds and did.
    Stats,
    /// Throw everything away that it holds.
    Clear,
}

pub(super) async fn ask(client: &Client, what: What, out: &mut dyn Write) -> Result<(), Failure> {
    match what {
        What::Stats => {
            let answer = client.read("/cache/stats").await?;
            let Some(stats) = client.understand::<CacheStats>(&answer, out)? else { return Ok(()) };
            writeln!(out, "cache       {}", if stats.enabled { "on" } else { "off (cache.enabled)" })?;
            if let Some(kept) = stats.security {
                writeln!(
                    out,
                    "answers     {} kept for {} at most; {} questions answered from it, {} not",
                    grouped(kept.entries as u64),
                    kept.ttl,
                    grouped(kept.hits),
                    grouped(kept.misses)
                )?;
            }
            if let Some(did) = stats.operations {
                writeln!(
                    out,
                    "since start {} put in, {} thrown away, {} looked up, {} of these in vain",
                    grouped(did.writes),
                    grouped(did.deletes),
                    grouped(did.reads),
                    grouped(did.misses)
                )?;
            }
            Ok(())
        }
        What::Clear => {
            let answer = client.post("/cache/security/clear", &serde_json::json!({})).await?;
            if let Some(Cleared { status }) = client.understand(&answer, out)? {
                writeln!(out, "{}", shown(&status))?;
            }
            Ok(())
        }
    }
}
