//! What happens, as it happens: one line for each event, or its data as it came.
//!
//! A stream that breaks is taken up again where it was; that is said on standard error.

use super::client::{Client, in_path};
use super::table::{cut, left, shown, time, utc};
use super::{Daemon, Failure, Told};
use crate::clock;
use crate::http::stream::items::{AllowNews, BanNews};
use crate::http::stream::{NAMES, StreamItem};
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::io::Write;
use std::time::Duration;

/// What is to be followed.
#[derive(Args, Clone, Debug)]
pub struct Stream {
    /// Only these kinds, separated by commas [default: all but counters].
    #[arg(long, value_delimiter = ',', value_name = "KIND", value_parser = PossibleValuesParser::new(NAMES))]
    events: Vec<String>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// Prints events until there were enough, or for ever.
pub(super) async fn follow(client: &Client, stream: &Stream, out: &mut dyn Write) -> Result<(), Failure> {
    let kinds = match stream.events.as_slice() {
        [] => NAMES.iter().filter(|name| **name != "counters").copied().collect::<Vec<_>>().join(","),
        kinds => kinds.join(","),
    };
    let path = format!("/stream?events={}", in_path(&kinds));
    // The first time it is a mistake when nobody answers; later the daemon may come back.
    let mut events = client.open(&path, None).await?;
    let mut left = stream.count.unwrap_or(u64::MAX);
    while left > 0 {
        match events.next().await {
            Ok(told) => {
                print(client, &told, out)?;
                out.flush()?;
                left -= 1;
            }
            Err(failure @ Failure::NotRunning { .. }) => {
                let last = events.last().to_owned();
                say(&format!("{failure}; trying again"));
                events = again(client, &path, &last).await?;
                say("connected again");
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn again(client: &Client, path: &str, last: &str) -> Result<super::Events, Failure> {
    loop {
        tokio::time::sleep(PAUSE).await;
        match client.open(path, Some(last).filter(|last| !last.is_empty())).await {
            Err(Failure::NotRunning { .. } | Failure::Unable(_)) => {}
            other => return other,
        }
    }
}

fn say(text: &str) {
    _ = writeln!(std::io::stderr(), "switchward: {}", text.lines().next().unwrap_or_default());
}

fn print(client: &Client, told: &Told, out: &mut dyn Write) -> Result<(), Failure> {
    if client.json {
        // JSON writes control characters as escapes, and the name is one of ours.
        writeln!(out, "{{\"event\":{},\"data\":{}}}", serde_json::json!(told.name), told.data)?;
        return Ok(());
    }
    let item =
        StreamItem::parse(&told.name, &told.data).map_err(|error| client.stranger(error.to_string()))?;
    writeln!(out, "{}", line(&told.name, &item))?;
    Ok(())
}

/// An event in one line that fits a terminal: nothing in it moves the cursor.
pub(crate) fn line(name: &str, item: &StreamItem) -> String {
    let (at, text) = match item {
        StreamItem::Ban(news) => (news.at.as_str(), ban(news)),
        StreamItem::Allow(news) => (news.at.as_str(), allow(news)),
        StreamItem::HangUp(news) => {
            (news.at.as_str(), format!("{} on {}: {}", news.source, news.switch, news.why))
        }
        StreamItem::Alert(news) => {
            (news.at.as_str(), format!("{} {}: {}", news.kind, news.source, news.text))
        }
        StreamItem::Switch(news) if news.connected => {
            (news.at.as_str(), format!("{} connected", news.switch))
        }
        StreamItem::Switch(news) => {
            (news.at.as_str(), format!("{} NOT CONNECTED: {}", news.switch, news.trouble))
        }
        StreamItem::Alarm(news) => {
            let state = if news.raised { news.severity.to_uppercase() } else { "over".into() };
            (news.at.as_str(), format!("{state} {} {}: {}", news.name, news.subject, news.text))
        }
        StreamItem::Counters(counters) => {
            let events: u64 = counters.switches.iter().map(|switch| switch.events).sum();
            (
                counters.at.as_str(),
                format!(
                    "{events} events, {} failed, {} banned by rules, {} bans",
                    counters.failed, counters.bans_made, counters.bans
                ),
            )
        }
        StreamItem::Missed(news) => {
            let count = news.items.map_or_else(|| "an unknown number of".into(), |items| items.to_string());
            ("", format!("{count} events are gone"))
        }
    };
    let at = at.split('.').next().unwrap_or_default();
    cut(&shown(format!("{:<19} {name:<9} {text}", utc(at)).trim_start()), LONGEST_LINE)
}

fn ban(news: &BanNews) -> String {
    let lasts = match (&news.lifted_by, &news.until) {
        (Some(by), _) => format!("lifted by {by}"),
        (None, None) => "for good".into(),
        (None, Some(until)) => {
            let now = time(&news.at).unwrap_or_else(clock::now);
            match time(until).is_some_and(|until| until > now) {
                true => format!("for {}", left(until, false, now)),
                false => "ran out".into(),
            }
        }
    };
    format!("{} {lasts} ({}, {}): {}", news.target, news.rule, news.evidence, news.reason)
}

fn allow(news: &AllowNews) -> String {
    let account = match (news.user.as_str(), news.domain.as_str()) {
        ("", "") => String::new(),
        (user, domain) => format!(" for {user}@{domain}"),
    };
    let by = news.removed_by.as_ref().unwrap_or(&news.made_by);
    format!("{}{account} by {by}", news.target)
}

/// Between two attempts to take the stream up again.
const PAUSE: Duration = Duration::from_secs(1);
/// Characters of a line.
const LONGEST_LINE: usize = 400;
