//! Who may come in, and with which rights.
//!
//! Start with [`Access`], which the daemon opens once: tokens, users, the certificate, and how often each peer failed. The gate of the
//! HTTP interface asks [`identify()`] who somebody is and [`Access::rights`] what they may do; [`role::needed`] is the one table of what a
//! request needs. A credential that is shown counts alone: a wrong one is refused and never falls back to what the address may do.

pub(crate) mod attempts;
pub(crate) mod book;
mod caller;
pub mod changes;
pub(crate) mod identify;
pub mod links;
pub mod operators;
pub(crate) mod record;
pub mod role;
pub mod socket;
pub(crate) mod tls;
pub mod tokens;
pub mod users;

pub use caller::{Arrival, Door, Proof, Who};
pub(crate) use identify::{Denied, identify};
pub use role::Role;
pub use tls::Certificate;

use crate::broker::rules::roles_of;
use crate::config::{Authentication, Config};
use attempts::Attempts;
use book::Watched;
use record::Refusals;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tls::Tls;
use tokens::{Tokens, Uses};
use users::{Passwords, Users};

/// Who may come in.
pub struct Access {
    tokens: Watched<Tokens>,
    users: Watched<Users>,
    uses: Uses,
    passwords: Passwords,
    attempts: Attempts,
    refusals: Refusals,
    before: changes::Before,
    tls: Option<Tls>,
    /// That of the event socket door, when it has its own.
    door_tls: Option<Tls>,
    /// Whether anybody but this machine can reach the interface.
    exposed: AtomicBool,
    hostname: String,
}

/// By what somebody came in who stays.
pub(crate) struct Pass {
    who: Who,
    shown: Shown,
    config: Arc<Config>,
}

/// A credential as its file had it.
#[derive(PartialEq)]
enum Shown {
    Token(Option<tokens::Token>),
    User(Option<users::User>),
    /// In no file.
    Nothing,
}

/// Why the daemon cannot say who may come in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

/// Nobody could come in, or everybody.
pub const NOBODY_MAY: &str = "the HTTP interface would be reachable from elsewhere, but nobody may use it: there is no credential, \
     and api.allowed_ips and security.chandaemon.allowed_api_ips are empty; make a token (switchward token add NAME --role admin), \
     name the addresses that may in api.allowed_ips, or set server.host to 127.0.0.1";
/// Reachable, and no credential at all.
const NO_CREDENTIAL: &str = "the HTTP interface is reachable from elsewhere and there is no credential: it answers none but the addresses in \
     api.allowed_ips and security.chandaemon.allowed_api_ips, for reads, too; make a token: switchward token add NAME --role viewer";
/// Reachable, and passwords can be read on their way.
const NO_TLS: &str = "the HTTP interface is reachable from elsewhere without TLS: tokens and passwords can be read on their way; \
     set server.tls_cert and server.tls_key";

impl Access {
    /// Reads what is on the disk.
    ///
    /// # Errors
    /// When the certificate cannot be used, or there is no chance to be had.
    pub fn open(config: &Config) -> Result<Access, OpenError> {
        let tokens = Watched::open(config.tokens_file());
        let uses = Uses::open(tokens.path());
        let passwords = Passwords::new()
            .map_err(|error| OpenError(format!("the system gives no random bytes: {error}")))?;
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let users = Watched::open(config.users_file());
        Ok(Access {
            before: changes::Before::new(tokens.held(), users.held()),
            tokens,
            uses,
            users,
            passwords,
            attempts: Attempts::default(),
            refusals: Refusals::default(),
            tls: Tls::open(&config.server).map_err(OpenError)?,
            door_tls: Tls::open_for_door(&config.broker.door).map_err(OpenError)?,
            exposed: AtomicBool::new(false),
            hostname: hostname.trim().to_ascii_lowercase(),
        })
    }

    /// The interface listens on this address.
    ///
    /// # Errors
    /// When nobody could use it from there.
    pub fn listens_on(&self, address: IpAddr, config: &Config) -> Result<(), OpenError> {
        let exposed = !guard::source::fold(address).is_loopback();
        self.exposed.store(exposed, Relaxed);
        let nobody =
            config.api.allowed_ips.is_empty() && config.security.chandaemon.allowed_api_ips.is_empty();
        if exposed && nobody && !self.has_credentials(config) {
            return Err(OpenError(NOBODY_MAY.into()));
        }
        Ok(())
    }

    /// Whether anybody but this machine can reach the interface.
    pub fn is_exposed(&self) -> bool {
        self.exposed.load(Relaxed)
    }

    /// Whether there is any way to prove who one is over the network. A file that cannot be read may hold one.
    pub fn has_credentials(&self, config: &Config) -> bool {
        let (tokens, users) = (self.tokens.held(), self.users.held());
        let now = crate::clock::now();
        tokens.value.standing().any(|token| token.expires.is_none_or(|end| end > now))
            || tokens.trouble.is_some()
            || users.value.users.iter().any(|user| !user.disabled)
            || users.trouble.is_some()
            || (self.tls.is_some() && config.server.tls_client_ca.is_some())
    }

    /// Whether a password could be right. A file that cannot be read may hold one.
    pub(crate) fn has_passwords(&self) -> bool {
        let users = self.users.held();
        !users.value.users.is_empty() || users.trouble.is_some()
    }

    /// Whether there are people with passwords.
    pub(crate) fn has_users(&self) -> bool {
        self.users.held().value.users.iter().any(|user| !user.disabled)
    }

    /// What somebody may do: by their credential alone when there is one, else by their address.
    pub(crate) fn rights(&self, who: &Who, config: &Config) -> Option<Role> {
        if who.is_proven() {
            return who.role;
        }
        if config.api.authentication == Authentication::Required {
            return None;
        }
        let is_allowed = |peer: IpAddr| config.api_allowed().iter().any(|net| net.contains(&peer));
        match who.peer {
            Some(peer) if is_allowed(peer) => Some(Role::Admin),
            _ if !self.is_exposed() => Some(Role::Viewer),
            _ => None,
        }
    }

    /// Takes down by what somebody came in, to ask [`Access::still_lets`] later.
    pub(crate) fn pass(&self, who: &Who, config: &Arc<Config>) -> Pass {
        Pass { who: who.clone(), shown: self.shown(who), config: config.clone() }
    }

    /// Whether somebody who came in would still be let in. A change of their token, of their password or role, of the certificates' roles, or
    /// of the broker's roles that go with theirs is a no: who comes again is looked at anew.
    pub(crate) fn still_lets(&self, pass: &Pass, config: &Config) -> bool {
        let Pass { who, shown, config: before } = pass;
        if who.role.is_some_and(|role| roles_of(before, role) != roles_of(config, role)) {
            return false;
        }
        match (&who.proof, shown) {
            (Proof::Socket, _) => true,
            (Proof::None, _) => self.rights(who, config).is_some(),
            (Proof::Certificate, _) => before.api.certificate_roles == config.api.certificate_roles,
            (Proof::Token, Shown::Token(Some(token))) => {
                token.expires.is_none_or(|end| end > crate::clock::now()) && self.shown(who) == *shown
            }
            // Whom the users file does not know another directory does.
            (Proof::Basic, Shown::User(user)) => {
                user.as_ref().is_some_and(|user| !user.disabled) != who.identity.is_some()
                    && self.shown(who) == *shown
            }
            (Proof::Token | Proof::Basic, _) => false,
        }
    }

    /// The credential of somebody as its file has it now.
    fn shown(&self, who: &Who) -> Shown {
        match who.proof {
            Proof::Token => Shown::Token(
                self.tokens.held().value.standing().find(|token| token.name == *who.name).cloned(),
            ),
            Proof::Basic => {
                let users = self.users.held();
                Shown::User(users.value.users.iter().find(|user| user.name == *who.name).cloned())
            }
            Proof::None | Proof::Certificate | Proof::Socket => Shown::Nothing,
        }
    }

    /// The role of a token that may be used, by its name.
    pub(crate) fn role_of_token(&self, name: &str) -> Option<Role> {
        let held = self.tokens.held();
        let now = crate::clock::now();
        let mut standing = held.value.standing();
        let token = standing.find(|token| token.name == name && token.expires.is_none_or(|end| end > now))?;
        Some(token.role)
    }

    /// The role of a person who may log in, by their name.
    pub(crate) fn role_of_user(&self, name: &str) -> Option<Role> {
        let held = self.users.held();
        held.value.users.iter().find(|user| user.name == name && !user.disabled).map(|user| user.role)
    }

    /// The certificate, when the port speaks TLS.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// What a client of the event socket door is greeted with: its own certificate, or else that of the interface.
    pub(crate) fn door_tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.door_tls.as_ref().or(self.tls.as_ref()).map(Tls::config)
    }

    /// The name of this machine, in lower case.
    pub(crate) fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Reads what has changed on the disk and writes down what must be; once a second. Not for the threads of a runtime.
    pub fn tick(&self) {
        self.tokens.refresh();
        self.users.refresh();
        for tls in self.tls.iter().chain(&self.door_tls) {
            tls.refresh();
        }
        self.uses.save(&self.tokens.held().value, false);
    }

    /// Reads the files at the next tick, changed or not; at SIGHUP.
    pub(crate) fn distrust(&self) {
        self.tokens.distrust();
        self.users.distrust();
        for tls in self.tls.iter().chain(&self.door_tls) {
            tls.distrust();
        }
    }

    /// Writes down what must be before the end.
    pub(crate) fn finish(&self) {
        self.uses.save(&self.tokens.held().value, true);
    }

    /// What an operator should mend.
    pub fn warnings(&self, config: &Config) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.is_exposed() {
            if !self.has_credentials(config) {
                warnings.push(NO_CREDENTIAL.to_owned());
            } else if self.tls.is_none() {
                warnings.push(NO_TLS.to_owned());
            }
        }
        warnings.extend(self.tokens.held().trouble.clone());
        warnings.extend(self.users.held().trouble.clone());
        let now = i64::try_from(crate::clock::now().secs()).unwrap_or(i64::MAX);
        warnings.extend(self.tls.iter().chain(&self.door_tls).flat_map(|tls| tls.warnings(now)));
        warnings
    }
}

impl Config {
    /// Where the tokens are: beside the store, unless something else is said.
    pub fn tokens_file(&self) -> PathBuf {
        self.api.tokens_file.clone().unwrap_or_else(|| self.store.path.with_file_name("tokens.json"))
    }

    /// Where the users are: beside the store, unless something else is said.
    pub fn users_file(&self) -> PathBuf {
        self.api.users_file.clone().unwrap_or_else(|| self.store.path.with_file_name("users.json"))
    }
}
