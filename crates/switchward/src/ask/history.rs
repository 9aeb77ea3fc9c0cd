//! What was: the history of bans, and what an address or an account did lately.

use super::client::{Client, in_path};
use super::table::{cell, left, shown, table, utc};
use super::{Daemon, Failure, one_address};
use crate::clock;
use crate::http::history::{HistoryItem, HistoryPage};
use crate::http::timelines::{Timeline, TimelineItem};
use clap::{Args, ValueEnum};
use guard::Target;
use std::io::Write;

/// Which bans of the past; what is given must all hold.
#[derive(Args, Clone, Debug)]
pub struct History {
    /// Bans that have an address in common with it [default: all].
    target: Option<Target>,
    /// Bans of this rule; "operator" for those by hand.
    #[arg(long)]
    rule: Option<String>,
    /// Bans that name this account (a part of its name, or all of name@domain).
    #[arg(long)]
    account: Option<String>,
    /// Bans of this country, two letters (`geo.country_file`).
    #[arg(long, value_name = "LETTERS")]
    country: Option<String>,
    /// Bans with this text in the reason, the note or a user agent.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Bans that somebody with this in his name made or lifted.
    #[arg(long)]
    who: Option<String>,
    /// Bans that ended so.
    #[arg(long, value_enum)]
    how: Option<How>,
    /// Bans that stood at this time (2026-11-21T10:00:00Z) or later.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Bans that stood before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// How many, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// How a ban ended, if it did.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    /// It stands.
    Standing,
    /// It ran out.
    Expired,
    /// Somebody lifted it, or allowed its target.
    Lifted,
    /// It was gone after the store could not be written.
    Lost,
}

/// About whom is asked.
#[derive(Args, Clone, Debug)]
pub struct TimelineAsked {
    /// An address (for IPv6 all of its /64 is meant) or an account: user@domain.
    #[arg(value_name = "ADDRESS|USER@DOMAIN", value_parser = address_or_account)]
    subject: String,
    /// How many entries, the newest.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints the bans of the past, the newest last; with `--json` one page as it came.
pub(super) async fn history(client: &Client, asked: History, out: &mut dyn Write) -> Result<(), Failure> {
    let (most, query) = (asked.limit as usize, asked.query());
    let (mut found, mut cursor) = (Vec::new(), String::new());
    let is_cut = loop {
        let limit = (most - found.len()).min(LONGEST_PAGE);
        let answer = client.read(&format!("/security/history?limit={limit}{query}{cursor}")).await?;
        let Some(mut page) = client.understand::<HistoryPage>(&answer, out)? else { return Ok(()) };
        found.append(&mut page.history);
        match page.next {
            Some(next) if found.len() < most => cursor = format!("&cursor={next}"),
            next => break next.is_some(),
        }
    };
    if found.is_empty() {
        writeln!(out, "the history has no such ban")?;
        return Ok(());
    }
    let now = clock::now();
    let mut rows = table(&["banned", "since (UTC)", "until (UTC)", "end", "rule", "why"]);
    for HistoryItem { since, ended, how, lifted_by, ban, .. } in found.iter().rev() {
        let end = match (how.as_deref(), lifted_by) {
            (None, _) if ban.until.is_none() => "stands for good".into(),
            (None, _) => {
                format!("stands, {} left", left(ban.until.as_deref().unwrap_or_default(), false, now))
            }
            (Some(how), Some(by)) => format!("{how} by {by}"),
            (Some(how), None) => how.to_owned(),
        };
        let why = match ban.note.as_str() {
            "" => ban.reason.clone(),
            note => format!("{} [{note}]", ban.reason),
        };
        let target = if ban.scope == "sip" { format!("{} (sip)", ban.target) } else { ban.target.clone() };
        rows.add_row([
            shown(&target),
            utc(since),
            ended.as_deref().map(utc).unwrap_or_default(),
            cell(&end),
            cell(&ban.rule),
            cell(&why),
        ]);
    }
    writeln!(out, "{rows}")?;
    if is_cut {
        writeln!(out, "the newest {}; there are more, see --limit", found.len())?;
    }
    Ok(())
}

impl History {
    fn query(&self) -> String {
        let target = self.target.map(|target| target.to_string());
        let how = self.how.and_then(|how| Some(how.to_possible_value()?.get_name().to_owned()));
        let given = [
            ("ip", &target),
            ("rule", &self.rule),
            ("account", &self.account),
            ("country", &self.country),
            ("search", &self.search),
            ("who", &self.who),
            ("how", &how),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.map(|(name, value)| format!("&{name}={}", in_path(value))).collect()
    }
}

/// Prints what an address or an account did lately, the newest last.
pub(super) async fn timeline(
    client: &Client,
    asked: TimelineAsked,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let of = if asked.subject.contains('@') { "accounts" } else { "sources" };
    let path = format!("/security/{of}/{}/timeline?limit={}", in_path(&asked.subject), asked.limit);
    let answer = client.read(&path).await?;
    let Some(Timeline { subject, timeline }) = client.understand(&answer, out)? else { return Ok(()) };
    if timeline.is_empty() {
        writeln!(out, "nothing is known of {} since the daemon's start, and no ban", shown(&subject))?;
        return Ok(());
    }
    let mut rows = table(&["when (UTC)", "from", "account", "by", "agent", "what"]);
    for item in timeline.iter().rev() {
        let port = item.port.map(|port| format!(" port {port}")).unwrap_or_default();
        rows.add_row([
            utc(&item.at),
            shown(&format!("{}{port}", item.ip)),
            cell(&account(item)),
            shown(&item.transport),
            cell(&item.user_agent),
            cell(&item.text),
        ]);
    }
    writeln!(out, "{rows}\n{}: {} entries", shown(&subject), timeline.len())?;
    Ok(())
}

fn account(item: &TimelineItem) -> String {
    match (item.user_id.as_str(), item.domain.as_str()) {
        ("", "") => String::new(),
        (user, "") => user.to_owned(),
        (user, domain) => format!("{user}@{domain}"),
    }
}

fn address_or_account(text: &str) -> Result<String, String> {
    match text.trim().rsplit_once('@') {
        None => one_address(text),
        Some((user, domain)) if !user.is_empty() && !domain.is_empty() => Ok(text.trim().into()),
        Some(_) => Err("an account is user@domain".into()),
    }
}

/// Bans that are asked for at a time.
const LONGEST_PAGE: usize = 1000;
