//! Directories: whose password is it?
//!
//! A [`Directory`] checks one [`Claim`] (a name and a password); [`Directories`] asks several in order, remembers what they said for
//! seconds, and bounds how much checking goes on, so that guessing costs the guesser time and nobody else anything. What the answer allows
//! is not decided here.
//!
//! There are [`FreeSwitch`] (the switch's own directory, asked over the event socket), [`XmlFiles`] (the same directory as files) and,
//! with feature `ldap`, `Ldap`. A program may bring others. Start with [`Directories::check`].

use crate::identity::Identity;
use std::fmt;
use std::pin::Pin;

mod chain;
mod files;
mod freeswitch;
mod lanes;
#[cfg(feature = "ldap")]
mod ldap;
mod memory;
mod record;
mod secret;
mod tree;

pub use chain::{Directories, Figures, Outcome, PartFigures, Settings};
pub use files::{FileSettings, FilesRead, XmlFiles};
pub use freeswitch::{FreeSwitch, SwitchSettings};
#[cfg(feature = "ldap")]
pub use ldap::{Ldap, LdapSettings, Look};
pub use record::Accept;
pub use secret::SecretText;

/// What somebody says of themselves.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The name, without domain.
    pub user: String,
    /// The domain, when one was given.
    pub domain: Option<String>,
    /// The password.
    pub password: SecretText,
}

/// What one directory says to a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// It is so, and this is who they are.
    Right(Identity),
    /// The user is known here, the password is not theirs; no other directory is asked.
    Wrong,
    /// Not known here, or here without any password that could let in: the next directory is asked.
    Unknown,
    /// The password is right, but the user is kept out; no other directory is asked.
    Disabled,
}

/// A directory cannot be asked. One line, without secrets, and without anything that the claim holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble(String);

/// One place where users and their passwords are known.
pub trait Directory: Send + Sync {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Checks a claim. Compares in constant time, and takes as long for an unknown user as for a wrong password as far as it can.
    fn check<'a>(&'a self, claim: &'a Claim) -> Checking<'a>;

    /// Forgets what it keeps in mind of others, as after a change of the configuration.
    fn forget(&self) {}

    /// What an operator should know although users can log in, such as "default.xml cannot be read: the users of 14:05 count".
    fn complaint(&self) -> Option<String> {
        None
    }
}

/// A check that is under way.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<Found, Trouble>> + Send + 'a>>;

impl Claim {
    /// A name, a domain and a password.
    pub fn new(user: &str, domain: Option<&str>, password: &str) -> Claim {
        Claim { user: user.into(), domain: domain.map(Into::into), password: password.into() }
    }

    /// Of a log-in name and a password, as HTTP Basic has them: a domain is what follows the last "@".
    pub fn of_login(login: &str, password: &str) -> Claim {
        match login.rsplit_once('@') {
            Some((user, domain)) => Claim::new(user, Some(domain), password),
            None => Claim::new(login, None, password),
        }
    }

    /// Of the argument of `userauth`: `user@domain:password` or `user:password@domain`, split as FreeSWITCH does; there, the first "@" ends
    /// the user, and a ":" before it wins. `user:password` alone is a claim without a domain, which FreeSWITCH refuses.
    pub fn of_userauth(argument: &str) -> Claim {
        let (user, domain) = match argument.split_once('@') {
            Some((user, domain)) => (user, Some(domain)),
            None => (argument, None),
        };
        let (domain, after) = match domain.and_then(|domain| domain.split_once(':')) {
            Some((domain, password)) => (Some(domain), Some(password)),
            None => (domain, None),
        };
        let (user, before) = match user.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user, None),
        };
        Claim::new(user, domain, before.or(after).unwrap_or_default())
    }

    /// Whether no directory need be asked: an empty or overlong part.
    fn is_hopeless(&self) -> bool {
        self.user.is_empty()
            || self.password.is_empty()
            || self.user.len() > LONGEST_USER
            || self.domain.as_ref().is_some_and(|domain| domain.is_empty() || domain.len() > LONGEST_DOMAIN)
            || self.password.expose().len() > LONGEST_PASSWORD
    }
}

impl Trouble {
    /// One line of at most 300 characters; control characters become blanks.
    pub fn new(text: impl fmt::Display) -> Trouble {
        let text = text.to_string();
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Trouble(text.chars().map(clean).take(300).collect::<String>().trim().to_owned())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// Whether a name or a domain is made of letters, digits, `.`, `_`, `+` and `-` only, so that it can stand in a command, a filter or a path
/// and mean nothing but itself.
fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

/// The longest name, in bytes.
const LONGEST_USER: usize = 64;
/// The longest domain, in bytes (RFC 1035, section 2.3.4).
const LONGEST_DOMAIN: usize = 253;
/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 1_024;

#[cfg(test)]
mod tests;
