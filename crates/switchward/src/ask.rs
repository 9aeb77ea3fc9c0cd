//! What an operator asks of the running daemon: [`Ask`] is what is typed, [`run`] says it over HTTP and prints the answer.
//!
//! Nothing is decided here; the daemon's words are shown. `--json` shows its answer as it came, for scripts. Each subject has its
//! file, with what is typed ([`orders::Ban`] and the like) and what is printed.

use crate::config::duration;
use clap::{Args, Subcommand};
use guard::Target;
use std::io::Write;
use std::path::PathBuf;

mod alarms;
pub(crate) mod audit;
mod cache;
mod client;
mod doors;
mod esl;
mod events;
mod failure;
mod fraud;
mod history;
mod lists;
mod notifications;
mod orders;
mod rates;
mod rules;
mod signatures;
mod status;
mod stream;
mod switches;
pub(crate) mod table;
mod transfer;
mod unban_link;
mod untrusted;

#[cfg(test)]
mod tests;

pub(crate) use client::{Client, in_path};
pub(crate) use events::{Events, Told};
pub use failure::Failure;

/// A question or an order for the running daemon.
#[derive(Subcommand, Clone, Debug)]
pub enum Ask {
    /// Ban an address, a network, or an address and port.
    #[command(after_long_help = "Examples:\n  switchward ban 198.51.100.7 --ttl 90m --reason 'scans us'\n  \
        switchward ban 2001:db8::/48 --permanent --scope sip --note 'ticket 17'")]
    Ban(orders::Ban),
    /// Lift the bans of an address or a network and of all within it.
    #[command(after_long_help = "Example:\n  switchward unban 198.51.100.0/24")]
    Unban(orders::Unban),
    /// Change a ban that stands: how long it lasts, its scope, its note.
    #[command(after_long_help = "Examples:\n  switchward extend 198.51.100.7 --ttl 24h\n  \
        switchward extend 198.51.100.7 --permanent --note 'ticket 17'")]
    Extend(orders::Extend),
    /// Put an address or a network on the allow-list; bans within it are lifted.
    #[command(
        after_long_help = "Example:\n  switchward allow 203.0.113.5 --permanent --user 1000 --domain pbx.example"
    )]
    Allow(orders::Allow),
    /// Take an address or a network off the allow-list.
    #[command(after_long_help = "Example:\n  switchward disallow 203.0.113.5")]
    Disallow(orders::Disallow),
    /// Print a list.
    #[command(after_long_help = "Examples:\n  switchward list bans --sort until --limit 20\n  \
        switchward list bans --search friendly-scanner\n  switchward list bans --account 1000@pbx.example --json\n  switchward list bans --country US\n  \
        switchward list kernel")]
    List(lists::Listing),
    /// Keep the patterns of domains whose calls are attacks.
    #[command(
        after_long_help = "Examples:\n  switchward untrusted list\n  switchward untrusted add '*.evil.example'\n  \
        switchward untrusted remove '*.evil.example'\n  \
        switchward untrusted test sip.evil.example"
    )]
    Untrusted(untrusted::Untrusted),
    /// Make a link that lifts a ban once, to send to a customer.
    #[command(after_long_help = "Example:\n  switchward unban-link 203.0.113.5 --ttl 2h")]
    UnbanLink(unban_link::UnbanLink),
    /// Say why an address is banned or is not.
    #[command(after_long_help = "Example:\n  switchward why 198.51.100.7")]
    Why(status::WhyAsked),
    /// Print the bans of the past: who, when, why, how they ended; the newest last.
    #[command(
        after_long_help = "Examples:\n  switchward history\n  switchward history 198.51.100.0/24 --how lifted\n  \
        switchward history --account 1000@pbx.example --from 2026-11-01T00:00:00Z --limit 200"
    )]
    History(history::History),
    /// Print what an address or an account did lately, and the bans that came of it; the newest last.
    #[command(
        after_long_help = "Examples:\n  switchward timeline 198.51.100.7\n  switchward timeline 1000@pbx.example --limit 20"
    )]
    Timeline(history::TimelineAsked),
    /// Write the bans or the allow-list out: JSON, CSV, or as `ipset save` does.
    #[command(after_long_help = "Examples:\n  switchward export bans --out bans.csv\n  \
        switchward export allows --format json\n  switchward export bans --format ipset | ipset restore")]
    Export(transfer::Export),
    /// Add what stands in a file to the bans or to the allow-list; nothing that stands is shortened.
    ///
    /// Every line is checked like an order; one that is refused or cannot be understood is told and stops no other, and the
    /// exit code is 65 then. An entry without an end is for good.
    #[command(
        after_long_help = "Examples:\n  switchward import bans bans.csv --dry-run\n  switchward import bans bans.csv\n  \
        ipset save | switchward import bans - --format ipset"
    )]
    Import(transfer::Import),
    /// Print the limits of calls and registrations, and who comes near them.
    #[command(after_long_help = "Example:\n  switchward rates")]
    Rates(rates::Rates),
    /// Print the rules of the guard: what each counts, when it fires, what it does then, and what became of it.
    ///
    /// With --config on the command line no daemon is asked: the rules that the file means are printed.
    #[command(
        after_long_help = "Examples:\n  switchward rules\n  switchward rules --all --json\n  switchward rules --config new.toml"
    )]
    Rules(rules::Asked),
    /// Print what gives scanners away (user agents, honeypots), and how often it did.
    #[command(after_long_help = "Example:\n  switchward signatures")]
    Signatures(signatures::Asked),
    /// Print what a person should mend, and what was lately.
    #[command(after_long_help = "Examples:\n  switchward alarms\n  switchward alarms --json")]
    Alarms(alarms::Asked),
    /// Print which accounts call where and what it costs, and what the fraud rules made of it.
    #[command(after_long_help = "Examples:\n  switchward fraud\n  switchward fraud --limit 100 --json")]
    Fraud(fraud::Asked),
    /// Print whom the daemon tells what happens, and what could not be delivered.
    #[command(after_long_help = "Examples:\n  switchward notifications\n  switchward notifications test\n  \
        switchward notifications test webhook")]
    Notifications(notifications::Asked),
    /// Print who asked for which change, the newest last.
    #[command(
        after_long_help = "Examples:\n  switchward audit --who alice --limit 20\n  switchward audit --action blacklist --json\n  \
            switchward audit commands --user alice --decision refused\n  switchward audit verify"
    )]
    Audit(audit::Audit),
    /// Say how the daemon, its switches and the kernel are doing.
    #[command(after_long_help = "Example:\n  switchward status")]
    Status(status::StatusAsked),
    /// Print where the daemon and the switches listen, how that is secured, and what is weak.
    #[command(after_long_help = "Examples:\n  switchward doors\n  switchward doors --json")]
    Doors(doors::Asked),
    /// Print what happens as it happens: bans, lifts, alerts, switches, alarms.
    #[command(
        after_long_help = "Examples:\n  switchward stream\n  switchward stream --events ban,unban,alarm --json"
    )]
    Stream(stream::Stream),
    /// Let the switch carry out a command of security.esl_allowed_commands.
    #[command(after_long_help = "Example:\n  switchward command 'sofia status'")]
    Command(switches::Command),
    /// Let a switch carry out a command that the broker's rules allow you, or print its events.
    ///
    /// The exit code is 1 when the switch answers -ERR.
    #[command(
        after_long_help = "Examples:\n  switchward esl sofia status\n  switchward esl --job originate user/1000 '&park'\n  \
        switchward esl events CHANNEL_CREATE,CHANNEL_HANGUP"
    )]
    Esl(esl::Esl),
    /// Connect to the switches anew.
    #[command(after_long_help = "Example:\n  switchward reconnect")]
    Reconnect(switches::Reconnect),
    /// Set the level of the daemon's log until its next start.
    #[command(after_long_help = "Example:\n  switchward log-level debug")]
    LogLevel(switches::LogLevel),
    /// Look into the cache of answers, or empty it.
    #[command(after_long_help = "Examples:\n  switchward cache stats\n  switchward cache clear")]
    Cache(cache::Cache),
}

/// Which daemon to ask, and how to print its answer.
#[derive(Args, Clone, Debug, Default)]
pub struct Daemon {
    /// Where the daemon listens: http://HOST:PORT, https://HOST:PORT, unix:/PATH [default: its Unix socket, else as the
    /// configuration says].
    #[arg(long, env = "SWITCHWARD_URL", value_name = "URL", global = true)]
    pub(crate) url: Option<String>,
    /// A file with the token to show; SWITCHWARD_TOKEN may hold the token itself.
    #[arg(long, env = "SWITCHWARD_TOKEN_FILE", value_name = "FILE", global = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// The authorities (PEM) to trust for https [default: the system's].
    #[arg(long, env = "SWITCHWARD_CA", value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Print the daemon's answer as it came.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Asks the daemon at `url` and prints the answer on `out`; what went wrong goes to standard error. Returns the exit code.
///
/// # Errors
/// When `out` cannot be written.
pub async fn run(ask: Ask, url: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    match answer(ask, url, out).await {
        Ok(()) => Ok(0),
        Err(Failure::Output(error)) => Err(error.into()),
        Err(failure) => {
            let text = failure.to_string();
            // A refusal may name what an attacker chose.
            let lines: Vec<String> = text.lines().map(table::shown).collect();
            _ = writeln!(std::io::stderr(), "switchward: {}", lines.join("\n"));
            Ok(failure.exit_code())
        }
    }
}

/// Asks the daemon at `url` (or where the question itself says) and prints the answer on `out`.
///
/// # Errors
/// When there is no answer, or it is a refusal.
pub async fn answer(ask: Ask, url: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let client = Client::new(ask.daemon(), url)?;
    match ask {
        Ask::Ban(ban) => orders::ban(&client, ban, out).await,
        Ask::Unban(unban) => orders::unban(&client, unban.target, out).await,
        Ask::Extend(extend) => orders::extend(&client, extend, out).await,
        Ask::Allow(allow) => orders::allow(&client, allow, out).await,
        Ask::Disallow(disallow) => orders::disallow(&client, &disallow.target, out).await,
        Ask::List(listing) => lists::print(&client, listing, out).await,
        Ask::UnbanLink(asked) => unban_link::ask(&client, asked.ip, asked.ttl, out).await,
        Ask::Untrusted(untrusted) => untrusted::ask(&client, untrusted.what, out).await,
        Ask::Why(why) => status::why(&client, &why.address, out).await,
        Ask::History(asked) => history::history(&client, asked, out).await,
        Ask::Timeline(asked) => history::timeline(&client, asked, out).await,
        Ask::Export(asked) => transfer::export(&client, asked, out).await,
        Ask::Import(asked) => transfer::import(&client, asked, out).await,
        Ask::Rates(_) => rates::print(&client, out).await,
        Ask::Rules(asked) => rules::print(&client, asked.all, out).await,
        Ask::Signatures(_) => signatures::print(&client, out).await,
        Ask::Alarms(asked) => alarms::print(&client, asked.all, out).await,
        Ask::Fraud(asked) => fraud::print(&client, asked.limit, out).await,
        Ask::Notifications(asked) => notifications::ask(&client, asked, out).await,
        Ask::Audit(part) => audit::print(&client, part, out).await,
        Ask::Status(_) => status::status(&client, out).await,
        Ask::Doors(_) => doors::print(&client, out).await,
        Ask::Stream(stream) => stream::follow(&client, &stream, out).await,
        Ask::Command(command) => switches::command(&client, command.command, out).await,
        Ask::Esl(asked) => esl::ask(&client, asked, out).await,
        Ask::Reconnect(_) => switches::reconnect(&client, out).await,
        Ask::LogLevel(level) => switches::log_level(&client, level.level, out).await,
        Ask::Cache(cache) => cache::ask(&client, cache.what, out).await,
    }
}

impl Ask {
    fn daemon(&self) -> &Daemon {
        match self {
            Ask::Ban(asked) => &asked.daemon,
            Ask::Unban(asked) => &asked.daemon,
            Ask::Extend(asked) => &asked.daemon,
            Ask::Allow(asked) => &asked.daemon,
            Ask::Disallow(asked) => &asked.daemon,
            Ask::List(asked) => &asked.daemon,
            Ask::UnbanLink(asked) => &asked.daemon,
            Ask::Untrusted(asked) => &asked.daemon,
            Ask::Why(asked) => &asked.daemon,
            Ask::History(asked) => &asked.daemon,
            Ask::Timeline(asked) => &asked.daemon,
            Ask::Export(asked) => &asked.daemon,
            Ask::Import(asked) => &asked.daemon,
            Ask::Rates(asked) => &asked.daemon,
            Ask::Rules(asked) => &asked.daemon,
            Ask::Signatures(asked) => &asked.daemon,
            Ask::Alarms(asked) => &asked.daemon,
            Ask::Fraud(asked) => &asked.daemon,
            Ask::Notifications(asked) => &asked.daemon,
            Ask::Audit(asked) => &asked.daemon,
            Ask::Status(asked) => &asked.daemon,
            Ask::Doors(asked) => &asked.daemon,
            Ask::Stream(asked) => &asked.daemon,
            Ask::Command(asked) => &asked.daemon,
            Ask::Esl(asked) => asked.daemon(),
            Ask::Reconnect(asked) => &asked.daemon,
            Ask::LogLevel(asked) => &asked.daemon,
            Ask::Cache(asked) => &asked.daemon,
        }
    }
}

/// A duration that is more than nothing, as it was typed.
fn ttl(text: &str) -> Result<String, String> {
    match duration::parse(text) {
        Ok(span) if span.is_zero() => Err("must be more than zero".into()),
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("{error}; write 90s, 10m or 1h30m")),
    }
}

fn one_address(text: &str) -> Result<String, String> {
    match text.parse::<Target>() {
        Ok(Target::Net(net)) => Err(format!("{net} is a network; ask about one address of it")),
        Ok(_) => Ok(text.trim().into()),
        Err(error) => Err(error.to_string()),
    }
}
