//! Calls out of the house: the accounts as a table, the rules below it.

use super::client::Client;
use super::table::{ago, cell, shown, table};
use super::{Daemon, Failure};
use crate::clock;
use crate::http::fraud::{FraudAccount, FraudView};
use clap::Args;
use std::io::Write;

/// How many accounts.
#[derive(Args, Clone, Debug)]
pub struct Asked {
    /// Accounts at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) limit: u16,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints who calls where and what it costs.
pub(super) async fn print(client: &Client, limit: u16, out: &mut dyn Write) -> Result<(), Failure> {
    let answer = client.read(&format!("/security/fraud?limit={limit}")).await?;
    let Some(view) = client.understand::<FraudView>(&answer, out)? else { return Ok(()) };
    state(&view, out)?;
    accounts(&view, out)?;
    let mut rows = table(&["rule", "what is done", "fired"]);
    for rule in &view.rules {
        let done = if rule.actions.is_empty() { "nothing".into() } else { rule.actions.join(", ") };
        rows.add_row([cell(&rule.name), cell(&done), rule.fired.to_string()]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

fn state(view: &FraudView, out: &mut dyn Write) -> Result<(), Failure> {
    let what = match (view.enabled, view.learning) {
        (false, _) => "calls are not looked at (fraud.enabled)",
        (true, true) => "learning: nothing is done (fraud.learning)",
        (true, false) => "calls are looked at",
    };
    let home = view
        .home_country
        .as_deref()
        .unwrap_or("no home country (fraud.home_country): no country is told as new");
    writeln!(out, "{what}; {}; {} calls out of the house run", shown(home), view.calls_running)?;
    match (&view.table.trouble, &view.table.file) {
        (Some(trouble), _) => writeln!(out, "{}", shown(trouble))?,
        (None, Some(file)) => writeln!(out, "{} prefixes of {}", view.table.prefixes, shown(file))?,
        (None, None) => writeln!(out, "costs are estimates: there is no table of prices (fraud.table_file)")?,
    }
    Ok(())
}

fn accounts(view: &FraudView, out: &mut dyn Write) -> Result<(), Failure> {
    if view.accounts.is_empty() {
        writeln!(out, "no account has called out of the house")?;
        return Ok(());
    }
    let mut rows =
        table(&["account", "now", "calls", "min", "cost", "most a day", "countries", "last", "told of"]);
    let now = clock::now();
    for account in &view.accounts {
        rows.add_row([
            cell(&format!("{}@{}", account.user, account.domain)),
            account.running.to_string(),
            account.calls.to_string(),
            account.seconds.div_ceil(60).to_string(),
            format!("{:.2}", account.cost_day),
            format!("{:.2}", account.peaks.cost),
            cell(&countries(account)),
            ago(account.last_seen.split('.').next().unwrap_or_default(), now),
            cell(&account.told.join(", ")),
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

/// The latest few, and how many more.
fn countries(account: &FraudAccount) -> String {
    let mut names: Vec<&str> =
        account.countries.iter().rev().take(SHOWN).map(|called| called.country.as_str()).collect();
    names.reverse();
    match account.countries.len().saturating_sub(SHOWN) {
        0 => names.join(" "),
        more => format!("{more} more, {}", names.join(" ")),
    }
}

/// Countries that are named.
const SHOWN: usize = 6;
