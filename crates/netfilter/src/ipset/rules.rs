//! The one iptables rule of each ipset, put in with the host's own `iptables` and `ip6tables`, so that a host with
//! the legacy and one with the nft variant both see it where they look. Only at the start and when it went missing.

use std::process::{Command, Stdio};

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
    /// Whether it is there. The chain is listed, as `ip6tables-legacy -C` takes the rule of one set for that of
    /// another (seen with 1.8.9).
    pub(crate) fn is_there(&self) -> Result<bool, Error> {
        Ok(self.position()?.is_some())
    }

    /// The same for one who may not run `iptables`: a set with references has its rule.
    pub(crate) fn is_there_as_far_as_known(&self, references: u32) -> Result<bool, Error> {
        match self.is_there() {
            Err(error) if error.is_privilege() => Ok(references > 0),
            other => other,
        }
    }

    /// Puts it at the top of the chain, if it is not there.
    pub(crate) fn insert(&self) -> Result<(), Error> {
        if !self.is_there()? {
            let mut arguments = vec!["-I", &self.chain, "1"];
            arguments.extend(self.matching());
            self.run(&arguments)?;
        }
        Ok(())
    }

    /// Takes it out, as often as it is there. By its position, as `-D` compares as `-C` does.
    pub(crate) fn delete(&self) -> Result<(), Error> {
        for _ in 0..MOST_COPIES {
            let Some(position) = self.position()? else { break };
            self.run(&["-D", &self.chain, &position.to_string()])?;
        }
        Ok(())
    }

    /// Its place in the chain, counted from 1.
    fn position(&self) -> Result<Option<usize>, Error> {
        let listing = self.run(&["-S", &self.chain])?;
        let own = format!("-A {} {}", self.chain, self.matching().join(" "));
        let mut rules = listing.lines().filter(|line| line.starts_with("-A "));
        Ok(rules.position(|line| line.trim_end() == own).map(|index| index + 1))
    }

    fn matching(&self) -> [&str; 7] {
        ["-m", "set", "--match-set", &self.set, self.fields, "-j", "DROP"]
    }

    #[allow(clippy::disallowed_methods, reason = "only the host's own iptables reaches both of its variants")]
    fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(self.program);
        command.args(["-w", WAIT_SECONDS]).args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
        // A daemon under systemd has /usr/sbin in its path, a login shell of a user has not.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let line = format!("{} {}", self.program, arguments.join(" "));
        let output = command
            .output()
            .map_err(|error| Error::NoIpset { doing: line.clone(), reason: error.to_string() })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_string();
        if NOT_PERMITTED.iter().any(|words| reason.contains(words)) {
            return Err(Error::MissingPrivilege {
                doing: format!("{line} ({reason})"),
                capability: IPTABLES_NEEDS,
            });
        }
        Err(Error::Command { command: line, reason })
    }
}

/// What the two variants write when they may not.
const NOT_PERMITTED: [&str; 4] =
    ["Permission denied", "you must be root", "Operation not permitted", "Can't open socket to ipset"];
/// The set match opens a raw socket to look a set up.
const IPTABLES_NEEDS: &str = "CAP_NET_RAW (for iptables) or CAP_NET_ADMIN";
/// How long `iptables` waits for its lock.
const WAIT_SECONDS: &str = "5";
const MOST_COPIES: usize = 16;
