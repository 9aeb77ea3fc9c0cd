//! The one iptables rule of each ipset, put in with the host's own `iptables` and `ip6tables`, so that a host with
//! the legacy and one with the nft variant both see it where they look. Only at the start and when it went missing.

use std::process::{Command, Output};

use crate::error::Error;

/// Where a rule goes and which set it looks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// `iptables` or `ip6tables`.
    pub(crate) program: &'static str,
    /// The chain of the `filter` table.
    pub(crate) chain: String,
    /// The set.
    pub(crate) set: String,
    /// Which parts of the packet are looked up: `src` or `src,src`.
    pub(crate) fields: &'static str,
}

impl Rule {
    /// Whether it is there.
    pub(crate) fn is_there(&self) -> Result<bool, Error> {
        let output = self.run("-C", None)?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            // Exit code 2 is a usage error: the set match or the chain does not exist.
            _ => Err(self.failed("-C", &output)),
        }
    }

    /// Puts it at the top of the chain, if it is not there.
    pub(crate) fn insert(&self) -> Result<bool, Error> {
        if self.is_there().unwrap_or(false) {
            return Ok(false);
        }
        let output = self.run("-I", Some("1"))?;
        if output.status.success() { Ok(true) } else { Err(self.failed("-I", &output)) }
    }

    /// Takes it out, as often as it is there.
    pub(crate) fn delete(&self) -> Result<(), Error> {
        for _ in 0..MOST_COPIES {
            if !self.is_there()? {
                return Ok(());
            }
            let output = self.run("-D", None)?;
            if !output.status.success() {
                return Err(self.failed("-D", &output));
            }
        }
        Ok(())
    }

    #[allow(clippy::disallowed_methods, reason = "only the host's own iptables reaches both of its variants")]
    fn run(&self, action: &str, position: Option<&str>) -> Result<Output, Error> {
        let mut command = Command::new(self.program);
        command.args(["-w", WAIT_SECONDS, action, &self.chain]).args(position);
        command.args(["-m", "set", "--match-set", &self.set, self.fields, "-j", "DROP"]);
        command.env("LC_ALL", "C").stdin(std::process::Stdio::null());
        // A daemon under systemd has /usr/sbin in its path, a login shell of a user has not.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command.output().map_err(|error| Error::NoIpset {
            doing: format!("running {}", self.program),
            reason: error.to_string(),
        })
    }

    fn failed(&self, action: &str, output: &Output) -> Error {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_string();
        if reason.contains("Permission denied") || reason.contains("you must be root") {
            return Error::MissingPrivilege { doing: format!("{} {action} {}", self.program, self.chain) };
        }
        let command = format!(
            "{} {action} {} -m set --match-set {} {} -j DROP",
            self.program, self.chain, self.set, self.fields
        );
        Error::Command { command, reason }
    }
}

/// How long `iptables` waits for its lock.
const WAIT_SECONDS: &str = "5";
const MOST_COPIES: usize = 16;
