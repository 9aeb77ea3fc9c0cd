//! `switchward user`: the people who log in with a password. Works on the file; a running daemon notices by itself.
//!
//! A password is asked for without echo, or read from standard input; it is never an argument, which every user of the machine
//! could read.

use super::access::{Book, printed};
use crate::access::Role;
use crate::access::book;
use crate::access::users::{SHORTEST, Users};
use crate::ask::table::{table, utc};
use crate::clock;
use crate::config::Config;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

/// Add, list and remove the people who log in with a password.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Add somebody.
    Add {
        /// The name to log in with.
        #[arg(value_parser = book::name)]
        name: String,
        /// What they may do: viewer, operator or admin.
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        password: Password,
    },
    /// Set a password.
    Passwd {
        /// Whose.
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Keep somebody out for the time being.
    Disable {
        /// Whom.
        name: String,
    },
    /// Let somebody in again.
    Enable {
        /// Whom.
        name: String,
    },
    /// List them.
    List {
        #[command(flatten)]
        book: Book,
    },
    /// Remove somebody.
    Remove {
        /// Whom.
        name: String,
    },
}

/// Where the password comes from.
#[derive(Args, Debug)]
pub(super) struct Password {
    /// Read the password from standard input, one line.
    #[arg(long)]
    password_stdin: bool,
}

impl Command {
    pub(super) fn run(self, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let path = config.users_file();
        let now = clock::now();
        let said = match self {
            Command::Add { name, role, password } => {
                let password = password.read()?;
                book::edit(&path, |users: &mut Users| users.add(&name, role, &password, now))?;
                format!("user {name} ({role}) is in {}", path.display())
            }
            Command::Passwd { name, password } => {
                let password = password.read()?;
                book::edit(&path, |users: &mut Users| users.set_password(&name, &password, now))?;
                format!("the password of {name} is set")
            }
            Command::Disable { name } => {
                book::edit(&path, |users: &mut Users| users.set_disabled(&name, true))?;
                format!("user {name} is kept out")
            }
            Command::Enable { name } => {
                book::edit(&path, |users: &mut Users| users.set_disabled(&name, false))?;
                format!("user {name} may come in again")
            }
            Command::Remove { name } => {
                book::edit(&path, |users: &mut Users| users.remove(&name))?;
                format!("user {name} is removed")
            }
            Command::List { book } => {
                let users: Users = book::read(&path).map_err(anyhow::Error::msg)?;
                if book.json {
                    let rows = users.users.iter().map(|user| {
                        json!({
                            "name": user.name, "role": user.role, "disabled": user.disabled,
                            "created": clock::rfc3339(Some(user.created)),
                            "passwordChanged": clock::rfc3339(Some(user.changed)),
                        })
                    });
                    printed(out, &rows.collect())?;
                    return Ok(ExitCode::SUCCESS);
                }
                if users.users.is_empty() {
                    format!("no users in {}", path.display())
                } else {
                    let mut rows = table(&["name", "role", "state", "added", "password set"]);
                    for user in &users.users {
                        rows.add_row([
                            user.name.clone(),
                            user.role.to_string(),
                            if user.disabled { "disabled" } else { "good" }.to_owned(),
                            utc(&clock::rfc3339(Some(user.created))),
                            utc(&clock::rfc3339(Some(user.changed))),
                        ]);
                    }
                    rows.to_string()
                }
            }
        };
        writeln!(out, "{said}")?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Password {
    fn read(&self) -> anyhow::Result<String> {
        if self.password_stdin {
            let mut line = String::new();
            std::io::stdin().lock().take(4_096).read_line(&mut line).context("cannot read standard input")?;
            return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
        }
        if !std::io::stdin().is_terminal() {
            bail!("there is no terminal to ask at; use --password-stdin");
        }
        let first = rpassword::prompt_password(format!("Password (at least {SHORTEST} characters): "))?;
        let second = rpassword::prompt_password("Once more: ")?;
        if first != second {
            bail!("the two are not the same");
        }
        Ok(first)
    }
}
