//! Somebody who may ask: the name, how it was proved, and what the directory says about them.
//!
//! An [`Identity`] comes from a directory whose check of a credential succeeded, or is [`Identity::nobody`]. What it may do is not here:
//! the rulebook says that.

use std::fmt;
use std::sync::Arc;

/// An account of the switch: user and domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Account {
    /// The name within the domain.
    pub user: String,
    /// The domain.
    pub domain: String,
}

/// A text that is no account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an account is written as user@domain")]
pub struct NoAccount;

impl std::str::FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Account, NoAccount> {
        match text.split_once('@') {
            Some((user, domain)) if !user.is_empty() && !domain.is_empty() && !domain.contains('@') => {
                Ok(Account { user: user.into(), domain: domain.into() })
            }
            _ => Err(NoAccount),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

/// How somebody proved who they are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Proof {
    /// Not at all.
    None,
    /// With a token.
    Token,
    /// With a password that this directory knows.
    Password {
        /// Its name in the configuration.
        directory: Arc<str>,
    },
    /// With a client certificate.
    Certificate,
    /// They could open the Unix socket.
    Socket,
}

impl Proof {
    /// The word in an audit.
    pub fn word(&self) -> &str {
        match self {
            Proof::None => "none",
            Proof::Token => "token",
            Proof::Password { directory } => directory,
            Proof::Certificate => "certificate",
            Proof::Socket => "socket",
        }
    }
}

/// What the directory allows at most, whatever the rules say: `esl-allowed-api`, `esl-allowed-events`, `esl-allowed-log` of FreeSWITCH.
/// `None` where it says nothing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Bound {
    /// Names of commands, those inside of commands included.
    pub api: Option<Vec<String>>,
    /// Names of events; those of subclasses after "CUSTOM".
    pub events: Option<Vec<String>>,
    /// Whether log lines may be read.
    pub log: Option<bool>,
}

/// Somebody who may ask.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// The name that rules are written for: "alice", "1000@pbx.example", "token:crm"; empty for nobody.
    pub name: Arc<str>,
    /// Whose channels and whose domain are their own.
    pub account: Option<Account>,
    /// How it was proved.
    pub proof: Proof,
    /// Roles that come with the credential; rules may add more.
    pub roles: Vec<String>,
    /// What the directory allows at most.
    pub bound: Option<Arc<Bound>>,
}

impl Identity {
    /// Somebody of whom only the name is known.
    pub fn new(name: &str, proof: Proof) -> Identity {
        Identity { name: name.into(), account: None, proof, roles: Vec::new(), bound: None }
    }

    /// A caller who showed no credential.
    pub fn nobody() -> Identity {
        Identity::new("", Proof::None)
    }

    /// The account's name; empty without an account.
    pub fn user(&self) -> &str {
        self.account.as_ref().map_or("", |account| &account.user)
    }

    /// The account's domain; empty without an account.
    pub fn domain(&self) -> &str {
        self.account.as_ref().map_or("", |account| &account.domain)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.name.is_empty() { "nobody" } else { &self.name })
    }
}
