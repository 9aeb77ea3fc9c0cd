//! What gives scanners away, with hits, the most hit first.

use super::client::Client;
use super::table::{grouped, shown, table};
use super::{Daemon, Failure};
use crate::http::signatures::Given;
use clap::Args;
use std::io::Write;

/// Which daemon.
#[derive(Args, Clone, Debug)]
pub struct Asked {
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the signatures, the honeypots and what is wrong with the file.
pub(super) async fn print(client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/signatures").await?;
    let Some(mut given) = client.understand::<Given>(&answer, out)? else { return Ok(()) };
    given.signatures.sort_by_key(|item| std::cmp::Reverse(item.hits));
    let mut rows = table(&["user agent has", "hits", "from", "known as"]);
    for item in &given.signatures {
        let from = item.line.map_or_else(|| shown(&item.origin), |line| format!("line {line}"));
        rows.add_row([shown(&item.signature), grouped(item.hits), from, shown(&item.about)]);
    }
    writeln!(out, "{rows}")?;
    if given.honeypots.is_empty() {
        writeln!(out, "no honeypots (guard.honeypots)")?;
    } else {
        given.honeypots.sort_by_key(|item| std::cmp::Reverse(item.hits));
        let mut rows = table(&["honeypot", "hits"]);
        for item in &given.honeypots {
            rows.add_row([shown(&item.honeypot), grouped(item.hits)]);
        }
        writeln!(out, "{rows}")?;
    }
    match given.file.as_str() {
        "" => writeln!(out, "no file (guard.signatures_file)")?,
        file => writeln!(out, "file: {}", shown(file))?,
    }
    for trouble in &given.troubles {
        writeln!(out, "WRONG {}", shown(trouble))?;
    }
    Ok(())
}
