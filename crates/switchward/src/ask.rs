//! What an operator asks of the running daemon: [`Ask`] is what is typed, [`run`] says it over HTTP and prints the answer.
//!
//! Nothing is decided here; the daemon's words are shown. `--json` shows its answer as it came, for scripts.

use crate::config::duration;
use crate::exit;
use clap::{Args, Subcommand, ValueEnum};
use guard::Target;
use std::io::Write;

mod client;
mod lists;
mod orders;
mod status;
pub(crate) mod table;

#[cfg(test)]
mod tests;

use client::Client;

/// A question or an order for the running daemon.
#[derive(Subcommand, Clone, Debug)]
pub enum Ask {
    /// Ban an address, a network, or an address and port.
    Ban {
        /// 198.51.100.7, 198.51.100.0/24, 2001:db8::1 (its /64), 198.51.100.7:5060
        target: Target,
        /// For how long: 90s, 10m, 1h30m [default: security.block_duration].
        #[arg(long, value_parser = ttl, value_name = "DURATION", conflicts_with = "permanent")]
        ttl: Option<String>,
        /// For good.
        #[arg(long)]
        permanent: bool,
        /// Which packets to drop.
        #[arg(long, value_enum, default_value = "all")]
        scope: Scope,
        /// Why, for those who ask later.
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Lift the bans of an address or a network and of all within it.
    Unban {
        /// As for `ban`.
        target: Target,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Put an address or a network on the allow-list; bans within it are lifted.
    Allow {
        /// 198.51.100.7, 198.51.100.0/24, 2001:db8::1 (its /64)
        target: Target,
        /// For how long: 90s, 10m, 1h30m [default: security.whitelist_ttl].
        #[arg(long, value_parser = ttl, value_name = "DURATION", conflicts_with = "permanent")]
        ttl: Option<String>,
        /// For good.
        #[arg(long)]
        permanent: bool,
        /// The account that it is for.
        #[arg(long, default_value = "", hide_default_value = true)]
        user: String,
        /// The account's domain.
        #[arg(long, default_value = "", hide_default_value = true)]
        domain: String,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Take an address or a network off the allow-list.
    Disallow {
        /// As for `allow`.
        target: Target,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Print a list.
    List {
        /// Which one.
        #[arg(value_enum)]
        list: List,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say why an address is banned or is not.
    Why {
        /// One address, or an address and port.
        #[arg(value_parser = one_address)]
        address: String,
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
    /// Say how the daemon, its switches and the kernel are doing.
    Status {
        /// Which daemon.
        #[command(flatten)]
        daemon: Daemon,
    },
}

/// Which daemon to ask, and how to print its answer.
#[derive(Args, Clone, Debug, Default)]
pub struct Daemon {
    /// Where the daemon listens [default: as the configuration says].
    #[arg(long, env = "SWITCHWARD_URL", value_name = "URL")]
    url: Option<String>,
    /// Print the daemon's answer as it came.
    #[arg(long)]
    json: bool,
}

/// Which packets a ban drops.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Those to the SIP ports.
    Sip,
    /// All.
    All,
}

/// A list that can be printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum List {
    /// The bans in the ledger.
    Bans,
    /// The allow-list.
    Allows,
    /// Sources whose credentials were refused.
    Failed,
    /// What the kernel really drops.
    Kernel,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing listens there.
    #[error(
        "no daemon answers at {url}: {reason}\n  start it with `switchward run`, or say where it listens with --config FILE or --url URL"
    )]
    NotRunning {
        /// Where it was asked.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// Something else listens there.
    #[error("what answers at {url} is no switchward daemon: {reason}")]
    Stranger {
        /// Where it was asked.
        url: String,
        /// What is odd about the answer.
        reason: String,
    },
    /// The daemon does not take orders from here.
    #[error("refused: {0}\n  the daemon takes orders only from the addresses in api.allowed_ips")]
    NotPermitted(String),
    /// The daemon does not carry this out, whoever asks.
    #[error("refused: {0}")]
    Refused(String),
    /// The daemon cannot.
    #[error("the daemon cannot do that now: {0}")]
    Unable(String),
    /// The address of the daemon makes no sense.
    #[error("{url:?} is no address of a daemon ({reason}); write http://HOST:PORT")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The answer could not be printed.
    #[error("cannot print the answer: {0}")]
    Output(#[from] std::io::Error),
}

impl Failure {
    /// The exit code (sysexits).
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::BadUrl { .. } | Failure::Refused(_) => exit::USAGE,
            Failure::NotRunning { .. } | Failure::Stranger { .. } | Failure::Unable(_) => exit::UNAVAILABLE,
            Failure::Output(_) => exit::OUTPUT,
            Failure::NotPermitted(_) => exit::NO_PERMISSION,
        }
    }
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
            _ = writeln!(std::io::stderr(), "switchward: {failure}");
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
        Ask::Ban { target, ttl, permanent, scope, reason, .. } => {
            let ban = orders::Ban { target, ttl, permanent, scope, reason };
            orders::ban(&client, ban, out).await
        }
        Ask::Unban { target, .. } => orders::unban(&client, target, out).await,
        Ask::Allow { target, ttl, permanent, user, domain, .. } => {
            let allow = orders::Allow { target, ttl, permanent, user, domain };
            orders::allow(&client, allow, out).await
        }
        Ask::Disallow { target, .. } => orders::disallow(&client, target, out).await,
        Ask::List { list, .. } => lists::print(&client, list, out).await,
        Ask::Why { address, .. } => status::why(&client, &address, out).await,
        Ask::Status { .. } => status::status(&client, out).await,
    }
}

impl Ask {
    fn daemon(&self) -> &Daemon {
        match self {
            Ask::Ban { daemon, .. }
            | Ask::Unban { daemon, .. }
            | Ask::Allow { daemon, .. }
            | Ask::Disallow { daemon, .. }
            | Ask::List { daemon, .. }
            | Ask::Why { daemon, .. }
            | Ask::Status { daemon } => daemon,
        }
    }
}

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
