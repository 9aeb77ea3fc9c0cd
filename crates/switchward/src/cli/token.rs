//! `switchward token`: the tokens of programs. Works on the file; a running daemon notices by itself.

use super::access::{Book, expiry, network, printed};
use crate::access::Role;
use crate::access::book;
use crate::access::tokens::{Token, Tokens, last_uses};
use crate::ask::table::{table, utc};
use crate::clock;
use crate::config::Config;
use crate::exit;
use clap::Subcommand;
use ipnet::IpNet;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Make, list and revoke the tokens of programs.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Make a token and print it, this once.
    Add {
        /// What to call it: in the audit, and to revoke it.
        #[arg(value_parser = book::name)]
        name: String,
        /// What its bearer may do: viewer, operator or admin.
        #[arg(long)]
        role: Role,
        /// When it ends: 12h, 30d [default: never].
        #[arg(long, value_parser = expiry, value_name = "DURATION")]
        expires: Option<Duration>,
        /// Where it may be used from: addresses or networks [default: everywhere].
        #[arg(long, value_parser = network, num_args = 1.., value_name = "CIDR")]
        from: Vec<IpNet>,
        #[command(flatten)]
        book: Book,
    },
    /// List the tokens.
    List {
        /// The revoked and expired ones, too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        book: Book,
    },
    /// Revoke a token; a running daemon heeds it within a second.
    Revoke {
        /// Its name.
        name: String,
        #[command(flatten)]
        book: Book,
    },
}

impl Command {
    pub(super) fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let path = config.tokens_file();
        let now = clock::now();
        match self {
            Command::Add { name, role, expires, from, book } => {
                let ends = expires.map(|span| now + span);
                let text = book::edit(&path, |tokens: &mut Tokens| tokens.add(&name, role, ends, from, now))?;
                if book.json {
                    let ends = ends.map(|ends| clock::rfc3339(Some(ends)));
                    printed(out, &json!({"name": name, "role": role, "token": text, "expires": ends}))?;
                } else {
                    writeln!(out, "{text}")?;
                    out.flush()?;
                    writeln!(
                        std::io::stderr(),
                        "token {name} ({role}) is in {}; it is shown this once. Use it as: Authorization: Bearer TOKEN",
                        path.display()
                    )?;
                }
            }
            Command::List { all, book } => {
                let tokens: Tokens = book::read(&path).map_err(anyhow::Error::msg)?;
                let uses = last_uses(&path);
                let state = |token: &Token| match token {
                    token if token.revoked.is_some() => "revoked",
                    token if token.expires.is_some_and(|end| end <= now) => "expired",
                    _ => "good",
                };
                let shown: Vec<&Token> =
                    tokens.tokens.iter().filter(|token| all || token.revoked.is_none()).collect();
                if book.json {
                    let rows = shown.iter().map(|token| {
                        let last = uses.get(&token.id());
                        json!({
                            "name": token.name, "role": token.role, "state": state(token),
                            "created": clock::rfc3339(Some(token.created)),
                            "expires": token.expires.map(|time| clock::rfc3339(Some(time))),
                            "revoked": token.revoked.map(|time| clock::rfc3339(Some(time))),
                            "from": token.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
                            "lastUsed": last.map(|last| clock::rfc3339(Some(last.at))),
                            "lastUsedFrom": last.map(|last| last.from.clone()),
                        })
                    });
                    printed(out, &rows.collect())?;
                    return Ok(ExitCode::SUCCESS);
                }
                if shown.is_empty() {
                    writeln!(out, "no tokens in {}", path.display())?;
                    return Ok(ExitCode::SUCCESS);
                }
                let mut rows = table(&["name", "role", "state", "made", "ends", "from", "last used"]);
                for token in shown {
                    let networks: Vec<String> = token.networks.iter().map(ToString::to_string).collect();
                    let last = uses.get(&token.id());
                    rows.add_row([
                        token.name.clone(),
                        token.role.to_string(),
                        state(token).to_owned(),
                        utc(&clock::rfc3339(Some(token.created))),
                        token.expires.map_or_else(|| "never".into(), |end| utc(&clock::rfc3339(Some(end)))),
                        if networks.is_empty() { "everywhere".into() } else { networks.join(" ") },
                        last.map_or_else(
                            || "never".into(),
                            |last| format!("{} {}", utc(&clock::rfc3339(Some(last.at))), last.from),
                        ),
                    ]);
                }
                writeln!(out, "{rows}")?;
            }
            Command::Revoke { name, book } => {
                let was = book::edit(&path, |tokens: &mut Tokens| Ok(tokens.revoke(&name, now)))?;
                if !was {
                    writeln!(
                        std::io::stderr(),
                        "switchward: there is no token {name}; see `switchward token list`"
                    )?;
                    return Ok(ExitCode::from(exit::USAGE));
                }
                if book.json {
                    printed(out, &json!({"name": name, "revoked": true}))?;
                } else {
                    writeln!(out, "token {name} is revoked")?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
