//! What `[broker]` says: the doors, the directories, roles and users, limits and the audit of commands.
//!
//! Start with [`Broker`]. A value here has passed [`check()`]; texts of rules are compiled by [`crate::broker::rules`].

mod check;

use super::Secret;
use super::findings::Findings;
use super::load::read_secret;
use super::model::{Config, words};
use ipnet::IpNet;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) use check::check;

/// Who may run which command of the switches, and see which event.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    /// The directories that are asked who somebody is, in order; see [`DIRECTORIES`].
    pub directories: Vec<String>,
    /// How long a command may take.
    pub timeout: Duration,
    /// How long a background job may take.
    pub job_timeout: Duration,
    /// Background jobs that may run at each switch at once.
    pub max_jobs: u32,
    /// Those of one caller; 0 for no limit.
    pub max_jobs_of_one: u32,
    /// Bytes of one answer.
    pub max_output: u64,
    /// Requests of a caller in a second; 0 for no limit.
    pub rate: u32,
    /// Requests of a caller at once; 0 for no limit.
    pub concurrency: u32,
    /// Connections to each switch.
    pub connections: u32,
    /// Background jobs over HTTP that are kept, of all callers together.
    pub jobs: u32,
    /// Further names whose values are secret.
    pub redact: Vec<String>,
    /// The directory on the switch below which whoever may record may do so; none: nowhere without a rule for the file.
    pub record_dir: Option<PathBuf>,
    /// A command is carried out even when it cannot be written down.
    pub allow_unaudited: bool,
    /// The directory of the audit's files; see [`Config::audit_dir`].
    pub audit_dir: Option<PathBuf>,
    /// Bytes of one file of the audit.
    pub audit_file_size: u64,
    /// Bytes of all of them.
    pub audit_max_size: u64,
    /// How long they are kept.
    pub audit_retention: Duration,
    /// When they are forced to the disk.
    pub audit_sync: AuditSync,
    /// A file with the key that seals them.
    pub audit_key_file: Option<PathBuf>,
    /// How long a right password is remembered.
    pub password_cache: Duration,
    /// How long a wrong one is.
    pub wrong_password_cache: Duration,
    /// The broker's roles of viewers of the API.
    pub viewer_roles: Vec<String>,
    /// Those of its operators.
    pub operator_roles: Vec<String>,
    /// Those of its admins.
    pub admin_roles: Vec<String>,
    /// The event socket protocol on a port of our own.
    pub door: Door,
    /// The directory of a FreeSWITCH that runs.
    pub freeswitch: FreeswitchDirectory,
    /// Its files on the disk.
    pub xml: XmlDirectory,
    /// An LDAP server.
    pub ldap: LdapDirectory,
    /// Roles, beside those that are built in.
    pub roles: Vec<Role>,
    /// Users, or several at once by `*`.
    pub users: Vec<User>,
}

/// The event socket protocol on a port of our own; off without port and socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Door {
    /// Address or host name to bind.
    pub host: String,
    /// TCP port to bind; none: no TCP.
    pub port: Option<u16>,
    /// Path of the Unix socket; empty for none.
    pub socket: String,
    /// The certificate chain (PEM).
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Clients at once.
    pub max_clients: u32,
    /// Clients of one user at once.
    pub max_clients_of_one: u32,
    /// Events that wait for a client.
    pub queue: u32,
    /// Bytes of them.
    pub queue_bytes: u64,
    /// Without TLS, wherever it listens.
    pub plain: bool,
    /// For logging in.
    pub login_time: Duration,
    /// How long a client may read nothing while something waits for it.
    pub stuck_time: Duration,
    /// How often further directories are asked again about who is in.
    pub recheck_time: Duration,
}

/// The directory of a FreeSWITCH that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FreeswitchDirectory {
    /// Which switch; empty for the first.
    pub switch: String,
    /// The params whose value lets in.
    pub accept: Vec<String>,
    /// The param or variable that keeps a user out; empty for none.
    pub disabled_by: String,
}

/// Directory files of a FreeSWITCH.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct XmlDirectory {
    /// A file, or a directory of them.
    pub path: Option<PathBuf>,
    /// The params whose value lets in.
    pub accept: Vec<String>,
    /// The param or variable that keeps a user out; empty for none.
    pub disabled_by: String,
}

/// An LDAP server.
#[derive(Clone, Debug, PartialEq)]
pub struct LdapDirectory {
    /// `ldaps://` or `ldap://`; empty for none.
    pub url: String,
    /// StartTLS after the connection (RFC 4511 section 4.14).
    pub start_tls: bool,
    /// Passwords go over the network as they are.
    pub allow_plain: bool,
    /// The name to bind with, `{user}` in it; empty to search for it.
    pub bind_dn: String,
    /// Where the search begins.
    pub search_base: String,
    /// What is searched, `{user}` in it.
    pub filter: String,
    /// Who searches; empty for anybody.
    pub search_bind_dn: String,
    /// Their password.
    pub search_password: Secret,
    /// A file whose first line is that password.
    pub search_password_file: Option<PathBuf>,
    /// The attribute with the account, "user@domain"; empty for none.
    pub account_attribute: String,
    /// The attribute with the name that rules are written for; empty for the one that is compared with `{user}`.
    pub name_attribute: String,
    /// The only domain that a user may name; empty for any.
    pub domain: String,
    /// A filter that is true of users who are kept out; empty for none.
    pub disabled_by: String,
    /// Authorities (PEM) that are believed beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The longest wait for an answer.
    pub timeout: Duration,
}

/// What can be written for a role and for a user alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Patterns that allow.
    pub allow: Vec<String>,
    /// Patterns that deny.
    pub deny: Vec<String>,
    /// Events that may be seen.
    pub events: Vec<String>,
    /// Which of those, and which rows of `show`.
    pub rows: Rows,
    /// From where; empty for everywhere.
    pub networks: Vec<IpNet>,
    /// When; empty for always.
    pub hours: Vec<String>,
    /// Requests in a second; 0 for no limit.
    pub rate: Option<u32>,
    /// Requests at once; 0 for no limit.
    pub concurrency: Option<u32>,
    /// Bytes of one answer.
    pub max_output: Option<u64>,
    /// How long a command may take.
    pub timeout: Option<Duration>,
    /// The same for some commands: "originate 60s".
    pub timeouts: Vec<String>,
    /// The most talkative level of the switch's log that may be read; empty for none.
    pub log: String,
    /// Looked at and written down, but not heeded.
    pub shadow: bool,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Role {
    /// Its name; that of a built-in role adds to it.
    pub name: String,
    /// Roles whose rules it has, too.
    pub extends: Vec<String>,
    /// Its own.
    pub rules: Rules,
}

/// A user, or several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    /// As the directory knows them; `*` stands for anything but an "@".
    pub name: String,
    /// Whose channels and domain are their own, when the directory does not say: "user@domain", or empty.
    pub account: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// What they have beside the roles.
    pub rules: Rules,
}

words! {
    /// When the audit's files are forced to the disk.
    AuditSync {
        /// The system decides.
        Never = "never",
        /// At most a second later.
        Second = "second",
        /// Each line, before the command is sent.
        Each = "each",
    }
}

words! {
    /// Of which channels events are seen.
    #[derive(Default)]
    Rows {
        /// The caller's own.
        #[default]
        OwnChannels = "own-channels",
        /// Those of the caller's domain.
        OwnDomain = "own-domain",
        /// All.
        All = "all",
    }
}

impl Default for Broker {
    fn default() -> Broker {
        Broker {
            directories: vec!["users".into()],
            timeout: Duration::from_secs(10),
            job_timeout: Duration::from_secs(3600),
            max_jobs: 1024,
            max_jobs_of_one: 512,
            max_output: 4 << 20,
            rate: 100,
            concurrency: 32,
            connections: 64,
            jobs: 1024,
            redact: Vec::new(),
            record_dir: None,
            allow_unaudited: false,
            audit_dir: None,
            audit_file_size: 64 << 20,
            audit_max_size: 4 << 30,
            audit_retention: Duration::from_secs(8760 * 3600),
            audit_sync: AuditSync::Second,
            audit_key_file: None,
            password_cache: Duration::from_secs(10),
            wrong_password_cache: Duration::from_secs(2),
            viewer_roles: vec!["monitor".into()],
            operator_roles: vec!["operator".into()],
            admin_roles: vec!["operator".into()],
            door: Door::default(),
            freeswitch: FreeswitchDirectory { accept: vec!["esl-password".into()], ..Default::default() },
            xml: XmlDirectory { accept: vec!["esl-password".into()], ..Default::default() },
            ldap: LdapDirectory::default(),
            roles: Vec::new(),
            users: Vec::new(),
        }
    }
}

impl Default for Door {
    fn default() -> Door {
        Door {
            host: "127.0.0.1".into(),
            port: None,
            socket: String::new(),
            tls_cert: None,
            tls_key: None,
            max_clients: 1000,
            max_clients_of_one: 100,
            queue: 10_000,
            queue_bytes: 16 << 20,
            plain: false,
            login_time: Duration::from_secs(10),
            stuck_time: Duration::from_secs(60),
            recheck_time: Duration::from_secs(180),
        }
    }
}

impl Default for LdapDirectory {
    fn default() -> LdapDirectory {
        LdapDirectory {
            url: String::new(),
            start_tls: false,
            allow_plain: false,
            bind_dn: String::new(),
            search_base: String::new(),
            filter: "(&(objectClass=person)(uid={user}))".into(),
            search_bind_dn: String::new(),
            search_password: Secret::default(),
            search_password_file: None,
            account_attribute: String::new(),
            name_attribute: String::new(),
            domain: String::new(),
            disabled_by: String::new(),
            ca_file: None,
            timeout: Duration::from_secs(5),
        }
    }
}

impl Door {
    /// Whether it listens on a TCP port.
    pub fn is_on(&self) -> bool {
        self.port.is_some() || !self.socket.is_empty()
    }
}

impl Config {
    /// Where the audit of commands is: beside the store, unless something else is said.
    pub fn audit_dir(&self) -> PathBuf {
        self.broker.audit_dir.clone().unwrap_or_else(|| self.store.path.with_file_name("audit"))
    }

    /// Certificate and key of the door: its own, else the server's.
    pub fn door_tls(&self) -> Option<(&Path, &Path)> {
        let own = self.broker.door.tls_cert.as_deref().zip(self.broker.door.tls_key.as_deref());
        own.or_else(|| self.server.tls_cert.as_deref().zip(self.server.tls_key.as_deref()))
    }
}

/// Reads the password of the one who searches the LDAP server.
pub(super) fn read_files(broker: &mut Broker, directory: &Path, findings: &mut Findings) {
    let Some(file) = &broker.ldap.search_password_file else { return };
    if let Some(password) = read_secret(&directory.join(file), "broker.ldap.search_password_file", findings) {
        broker.ldap.search_password = password;
    }
}

/// The directories that there are.
pub const DIRECTORIES: [&str; 4] = ["users", "freeswitch", "xml", "ldap"];
/// The params of a directory user that may hold what lets in.
pub const ACCEPTED: [&str; 3] = ["esl-password", "password", "a1-hash"];
