//! The patterns of untrusted domains.

use super::client::{Client, in_path};
use super::table::shown;
use super::{Daemon, Failure, orders};
use crate::http::untrusted::{DomainTest, PatternOrder};
use clap::{Args, Subcommand};
use std::io::Write;

const PATH: &str = "/security/untrusted-networks";

/// What is to be done with the patterns.
#[derive(Args, Clone, Debug)]
pub struct Untrusted {
    #[command(subcommand)]
    pub(super) what: What,
    #[command(flatten)]
    pub(super) daemon: Daemon,
}

/// One thing to do.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum What {
    /// Print the patterns.
    List,
    /// Add a pattern: a domain, "*.suffix" or a glob.
    Add {
        /// The pattern; quote it, so that the shell leaves it alone.
        pattern: String,
    },
    /// Remove a pattern.
    Remove {
        /// The pattern as `untrusted list` shows it.
        pattern: String,
    },
    /// Say whether a domain is untrusted.
    Test {
        /// The domain.
        domain: String,
    },
}

pub(super) async fn ask(client: &Client, what: What, out: &mut dyn Write) -> Result<(), Failure> {
    match what {
        What::List => {
            let answer = client.read(PATH).await?;
            let Some(patterns) = client.understand::<Vec<String>>(&answer, out)? else { return Ok(()) };
            if patterns.is_empty() {
                writeln!(out, "no domain is untrusted")?;
            }
            for pattern in patterns {
                writeln!(out, "{}", shown(&pattern))?;
            }
            Ok(())
        }
        What::Add { pattern } => {
            let order = PatternOrder { pattern: Some(pattern) };
            orders::print(client, &client.post(PATH, &order).await?, out)
        }
        What::Remove { pattern } => {
            let answer = client.delete(&format!("{PATH}/{}", in_path(&pattern))).await?;
            orders::print(client, &answer, out)
        }
        What::Test { domain } => {
            let answer = client.read(&format!("{PATH}/test/{}", in_path(&domain))).await?;
            let Some(DomainTest { domain, is_untrusted }) = client.understand(&answer, out)? else {
                return Ok(());
            };
            let verdict = if is_untrusted { "untrusted" } else { "not untrusted" };
            writeln!(out, "{} is {verdict}", shown(&domain))?;
            Ok(())
        }
    }
}
