//! Every door, how it is secured, and the mend for each weakness.

use super::client::Client;
use super::table::{shown, table, utc};
use super::{Daemon, Failure};
use crate::doors::Report;
use crate::http::overview::OperatorPlace;
use clap::Args;
use std::io::Write;

/// Which daemon.
#[derive(Args, Clone, Debug)]
pub struct Asked {
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the doors as a table, then what is weak about each.
pub(super) async fn print(client: &Client, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read("/security/doors").await?;
    let Some(Report { warnings, doors, operators }) = client.understand(&answer, out)? else { return Ok(()) };
    let mut rows = table(&["door", "listens on", "since (UTC)", "reach", "over", "credentials", "addresses"]);
    for door in &doors {
        rows.add_row([
            format!("{} of {}", shown(&door.kind), shown(&door.of)),
            door.listens.iter().map(|place| shown(place)).collect::<Vec<_>>().join("\n"),
            door.since.as_deref().map_or_else(|| "unknown".to_owned(), |since| shown(&utc(since))),
            shown(&door.reach),
            shown(&door.transport),
            shown(&door.credentials),
            shown(&door.acl),
        ]);
    }
    writeln!(out, "{rows}")?;
    for door in &doors {
        for finding in &door.findings {
            let severity = shown(&finding.severity.to_uppercase());
            writeln!(
                out,
                "{severity} {} of {}: {}",
                shown(&door.kind),
                shown(&door.of),
                shown(&finding.what)
            )?;
            writeln!(out, "  mend: {}", shown(&finding.mend))?;
        }
    }
    for OperatorPlace { ip, name, last, .. } in &operators {
        writeln!(
            out,
            "{} proved a credential from {}, last {} UTC: no rule bans that address",
            shown(name),
            shown(ip),
            shown(&utc(last))
        )?;
    }
    match warnings {
        0 => writeln!(
            out,
            "no door is weak; packet filters and other services of the machine were not looked at"
        )?,
        1 => writeln!(out, "1 weakness")?,
        many => writeln!(out, "{many} weaknesses")?,
    }
    Ok(())
}
