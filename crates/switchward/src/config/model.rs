//! The typed configuration and its defaults: what every other module of the program reads.
//!
//! Start with [`Config`]. A value here has passed every check: durations are durations, networks are networks, an
//! IPv4-mapped IPv6 address has become IPv4. Nothing here knows files, keys or messages.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use guard::rule::RuleChange;
use ipnet::IpNet;

use super::Secret;
use super::broker::Broker;
use super::notify::Notify;

/// The whole configuration of the daemon. `Config::default()` is what an empty file means.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The HTTP listener.
    pub server: Server,
    /// The guarded switches, at least one, with unique names.
    pub switches: Vec<Switch>,
    /// What holds for every FreeSWITCH.
    pub freeswitch: Freeswitch,
    /// The cache of GET answers.
    pub cache: Cache,
    /// The rules, the lists and the event socket of the predecessor's file.
    pub security: Security,
    /// The kernel's part.
    pub firewall: Firewall,
    /// The database.
    pub store: Store,
    /// The daemon's own log.
    pub log: Log,
    /// Bounds of the engine's state, and durations that are its own.
    pub guard: GuardLimits,
    /// Changes of the guard's rules, and rules of the operator's own.
    pub rules: Vec<RuleChange>,
    /// When alarms are raised.
    pub alarms: Alarms,
    /// Files that know countries and autonomous systems.
    pub geo: Geo,
    /// Calls that cost.
    pub fraud: Fraud,
    /// Captures of what the switches say.
    pub record: Record,
    /// Who may change state over HTTP.
    pub api: Api,
    /// Who may run which command of the switches.
    pub broker: Broker,
    /// Who is told what.
    pub notify: Notify,
}

/// The HTTP listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Address or host name to bind.
    pub host: String,
    /// TCP port to bind.
    pub port: u16,
    /// How customers reach this interface, for unban links; may be empty.
    pub public_url: String,
    /// One log line for each request.
    pub log_requests: bool,
    /// The answer's body in the log, too.
    pub log_responses: bool,
    /// The profiling listener is on.
    pub pprof_enabled: bool,
    /// Where it listens; loopback whenever it is on.
    pub pprof_addr: SocketAddr,
    /// The certificate chain (PEM); with it the port speaks TLS alone. Set together with `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Authorities (PEM) whose client certificates are credentials.
    pub tls_client_ca: Option<PathBuf>,
    /// Path of the Unix socket; empty for none.
    pub socket: String,
}

/// One guarded switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// Unique among the switches; the label in logs, metrics and the API.
    pub name: String,
    /// Which protocol it speaks.
    pub kind: SwitchKind,
    /// Host name or address of its event socket.
    pub host: String,
    /// TCP port of its event socket.
    pub port: u16,
    /// Password of its event socket; after [`super::load()`] the content of `password_file` when that is set.
    pub password: Secret,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// The domain of an account when the event carries none.
    pub default_domain: String,
}

/// What holds for every FreeSWITCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Freeswitch {
    /// The domain of an account when the event carries none.
    pub default_domain: String,
}

/// The cache of GET answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// The cache is on.
    pub enabled: bool,
    /// How long an answer is served.
    pub security_ttl: Duration,
    /// How often outdated answers are thrown away.
    pub cleanup_interval: Duration,
}

/// The rules and lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Security {
    /// The guard is on.
    pub enabled: bool,
    /// Host of the event socket; behind `Config::switches`, and what the API shows.
    pub esl_host: String,
    /// Port of the event socket.
    pub esl_port: u16,
    /// Password of the event socket.
    pub esl_password: Secret,
    /// A file whose first line is that password.
    pub esl_password_file: Option<PathBuf>,
    /// Commands that a caller without a user may run; free of control characters.
    pub esl_allowed_commands: Vec<String>,
    /// Failed registrations of a source within the window that make a ban.
    pub max_failed_attempts: u32,
    /// The sliding window of failed registrations.
    pub failed_attempts_window: Duration,
    /// Verdicts become bans in the kernel.
    pub auto_block_enabled: bool,
    /// How long a ban holds.
    pub block_duration: Duration,
    /// Cap of a ban that stands on forgeable evidence alone.
    pub forgeable_ban_max: Duration,
    /// The allow list is heeded.
    pub whitelist_enabled: bool,
    /// How long an allow-list entry holds.
    pub whitelist_ttl: Duration,
    /// A successful registration puts its source on the allow list.
    pub auto_whitelist_on_success: bool,
    /// Never banned.
    pub trusted_networks: Vec<IpNet>,
    /// Host names whose addresses are on the allow list.
    pub allowed_names: Vec<String>,
    /// Name servers that are asked for them; empty for those of the host.
    pub name_servers: Vec<String>,
    /// Patterns of domains whose callers are banned.
    pub untrusted_networks: Vec<String>,
    /// The chain that gets the one rule of the classic mode.
    pub iptables_chain: String,
    /// The set of the classic mode (IPv4; "6" is appended for IPv6); at most 29 bytes.
    pub ipset_name: String,
    /// Decide and log, but leave the kernel alone.
    pub dry_run: bool,
    /// The predecessor's log level; `Log::level` follows it when not set itself.
    pub esl_log_level: LogLevel,
    /// First wait before a reconnect; doubles up to 60 s.
    pub reconnect_backoff: Duration,
    /// Wrong call states of a source within the window that make a ban.
    pub max_wrong_call_states: u32,
    /// The sliding window of wrong call states.
    pub wrong_call_state_window: Duration,
    /// The central ban repository.
    pub chandaemon: Chandaemon,
    /// Calls and registrations per source.
    pub rate_limit: RateLimit,
}

/// The central ban repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Chandaemon {
    /// Bans are reported.
    pub enabled: bool,
    /// Where a ban is POSTed; not empty when enabled.
    pub report_url: String,
    /// Our own address as the repository sees it.
    pub blocker_url: String,
    /// The name that we report under.
    pub service_name: String,
    /// Longest wait for one report's answer.
    pub report_timeout: Duration,
    /// Who may change state over HTTP; see [`Config::api_allowed`].
    pub allowed_api_ips: Vec<IpNet>,
}

/// Calls and registrations per source.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// The limits are on.
    pub enabled: bool,
    /// Calls of a source per interval.
    pub call_rate_limit: u32,
    /// The sliding window of calls.
    pub call_rate_interval: Duration,
    /// Registrations of a source per window.
    pub registration_limit: u32,
    /// The sliding window of registrations.
    pub registration_window: Duration,
    /// Above the limit the source is banned, not only counted.
    pub auto_block_on_exceed: bool,
    /// How long a ban for exceeding holds.
    pub block_duration: Duration,
    /// Sources on the allow list are not limited.
    pub whitelist_bypass: bool,
    /// How often outdated counters are thrown away.
    pub cleanup_interval: Duration,
}

/// The kernel's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Firewall {
    /// How packets are dropped.
    pub mode: FirewallMode,
    /// Name of our own nftables table.
    pub table: String,
    /// Ports that a ban with the SIP scope closes.
    pub sip_ports: Vec<PortRange>,
    /// Whether it closes the ports of the switches' profiles, too.
    pub learn_sip_ports: bool,
    /// Most elements of one kernel set, 1 to 16,777,216.
    pub max_elements: u32,
    /// Remove the connection-tracking entries of a banned source.
    pub conntrack: bool,
    /// What happens to the kernel's sets when the daemon ends.
    pub on_exit: OnExit,
    /// Never banned, checked once more in the firewall writer.
    pub never_ban: Vec<IpNet>,
}

/// The database.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The SQLite file.
    pub path: PathBuf,
}

/// The daemon's own log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// Its shape.
    pub format: LogFormat,
}

/// Bounds of the engine's state, and durations that are its own.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardLimits {
    /// Most sources tracked at a time.
    pub max_sources: u32,
    /// Most live registrations tracked at a time.
    pub max_registrations: u32,
    /// Ban for wrong call states, before the cap on forgeable evidence.
    pub wrong_call_state_block_duration: Duration,
    /// Ban for calls from untrusted domains, before the cap on forgeable evidence.
    pub untrusted_block_duration: Duration,
    /// Records of what sources and accounts did lately, kept in memory.
    pub timeline: u32,
    /// Read the switches' logs too.
    pub log: bool,
    /// Whether whom the switches' access lists let in is out of reach.
    pub learn_acl: bool,
    /// A switch that sends no event for so long raises an alarm.
    pub silence_alarm: Duration,
    /// Sources, accounts and earlier bans remembered over weeks, each.
    pub max_remembered: u32,
    /// What each earlier ban multiplies the time of the next by.
    pub ban_growth: u32,
    /// The longest that a ban grows to.
    pub ban_longest: Duration,
    /// How long after its end a ban is remembered.
    pub priors_kept: Duration,
    /// Bans of the guard in a minute.
    pub max_bans_per_minute: u32,
    /// Those of sources with standing.
    pub max_standing_bans_per_minute: u32,
    /// Signatures of scanners beside the built-in ones.
    pub signatures_file: Option<PathBuf>,
    /// Accounts and numbers that nobody uses.
    pub honeypots: Vec<String>,
}

/// When alarms are raised, beside [`GuardLimits::silence_alarm`].
#[derive(Clone, Debug, PartialEq)]
pub struct Alarms {
    /// A switch that is not connected for so long.
    pub disconnected_after: Duration,
    /// More connections to a switch than so many within the window.
    pub reconnects: u32,
    /// So many unreadable events of a switch, or more, within the window.
    pub malformed: u32,
    /// The window in which they are counted.
    pub window: Duration,
    /// More bans than so many within a minute.
    pub bans_per_minute: u32,
    /// The ledger is full to so many per cent.
    pub ledger_percent: u32,
    /// A rule has not fired for so long since the start; zero for never.
    pub rule_never_fired: Duration,
    /// An alarm is over when its cause was gone for so long.
    pub clear_after: Duration,
}

/// Captures of what the switches say.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Whether they are written.
    pub enabled: bool,
    /// Where.
    pub directory: PathBuf,
    /// Bytes of a file.
    pub file_size: u64,
    /// Age of a file.
    pub file_age: Duration,
    /// Bytes of all files.
    pub total_size: u64,
}

/// Files that know countries and autonomous systems, in MaxMind DB format.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Geo {
    /// Countries.
    pub country_file: Option<PathBuf>,
    /// Autonomous systems; without it the file of countries is asked.
    pub as_file: Option<PathBuf>,
    /// From which countries who may come; see [`guard::countries::CountryRule`].
    pub countries: Vec<String>,
}

/// Toll fraud: calls that cost, and what is done about them. A cap of 0 is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Fraud {
    /// Calls are looked at.
    pub enabled: bool,
    /// Nothing is done, only said.
    pub learning: bool,
    /// Two letters; may be empty.
    pub home_country: String,
    /// What is dialled for a line out.
    pub trunk_prefixes: Vec<String>,
    /// What is dialled before a country code.
    pub international_prefixes: Vec<String>,
    /// Prices.
    pub table_file: Option<PathBuf>,
    /// Countries that are never new.
    pub known_countries: Vec<String>,
    /// How long log-ins must have been watched before a country is new to an account.
    pub history: Duration,
    /// Toll calls of an account in a minute.
    pub call_rate: u32,
    /// At a time.
    pub concurrent_calls: u32,
    /// To one number, one after the other.
    pub sequential_calls: u32,
    /// How long one may be.
    pub call_duration: Duration,
    /// How long all of an account may be in 24 hours.
    pub account_duration: Duration,
    /// The same, to one country.
    pub country_duration: Duration,
    /// What an account may spend in an hour.
    pub account_cost_hour: u32,
    /// In 24 hours.
    pub account_cost_day: u32,
    /// What a domain may spend in an hour.
    pub tenant_cost_hour: u32,
    /// In 24 hours.
    pub tenant_cost_day: u32,
    /// Office hours; empty is always.
    pub hours: Vec<String>,
    /// Their time zone; empty is the machine's.
    pub time_zone: String,
    /// What is done about premium numbers and satellites.
    pub on_premium: Vec<String>,
    /// About a new country.
    pub on_new_country: Vec<String>,
    /// About too many calls in a minute.
    pub on_call_rate: Vec<String>,
    /// About too many at a time.
    pub on_concurrent: Vec<String>,
    /// About too many in a row.
    pub on_sequential: Vec<String>,
    /// About too long ones.
    pub on_duration: Vec<String>,
    /// About too dear ones of an account.
    pub on_cost: Vec<String>,
    /// About too dear ones of a domain.
    pub on_tenant_cost: Vec<String>,
    /// About those at night.
    pub on_off_hours: Vec<String>,
    /// What "block" runs at the switch; may be empty.
    pub block_command: String,
    /// How long "ban" bans.
    pub ban_duration: Duration,
}

impl Fraud {
    /// What is done when a rule fires.
    pub fn on(&self, rule: guard::fraud::FraudRule) -> &[String] {
        use guard::fraud::FraudRule;
        match rule {
            FraudRule::Premium => &self.on_premium,
            FraudRule::NewCountry => &self.on_new_country,
            FraudRule::CallRate => &self.on_call_rate,
            FraudRule::Concurrent => &self.on_concurrent,
            FraudRule::Sequential => &self.on_sequential,
            FraudRule::Duration => &self.on_duration,
            FraudRule::Cost => &self.on_cost,
            FraudRule::OffHours => &self.on_off_hours,
            FraudRule::TenantCost => &self.on_tenant_cost,
        }
    }
}

/// Who may come in over HTTP, and with which rights.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Beside `security.chandaemon.allowed_api_ips`; see [`Config::api_allowed`].
    pub allowed_ips: Vec<IpNet>,
    /// Who must show a credential.
    pub authentication: Authentication,
    /// The tokens; see [`Config::tokens_file`].
    pub tokens_file: Option<PathBuf>,
    /// The people; see [`Config::users_file`].
    pub users_file: Option<PathBuf>,
    /// Roles of client certificates: "NAME=ROLE".
    pub certificate_roles: Vec<String>,
    /// Names of this machine, beside `server.host`, that a browser may call it by.
    pub hosts: Vec<String>,
    /// Wrong credentials of a peer within the window that make a ban.
    pub max_failed_logins: u32,
    /// The sliding window of wrong credentials.
    pub failed_logins_window: Duration,
}

/// An inclusive range of ports; `first <= last`, never port 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// An enum that a configuration writes as one word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl super::choice::Choice for $name {
            fn words(&self) -> &'static [&'static str] {
                &[$($word),+]
            }
            fn word(&self) -> &'static str {
                self.as_str()
            }
            fn choose(&mut self, word: &str) -> bool {
                $(if word.eq_ignore_ascii_case($word) {
                    *self = Self::$variant;
                    return true;
                })+
                false
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use words;

words! {
    /// Who must show a credential over HTTP.
    Authentication {
        /// Whoever may not come in by its address.
        Auto = "auto",
        /// Everybody but those on the Unix socket.
        Required = "required",
    }
}

words! {
    /// Which protocol a switch speaks.
    SwitchKind {
        /// The FreeSWITCH event socket.
        Freeswitch = "freeswitch",
    }
}

words! {
    /// How packets are dropped.
    FirewallMode {
        /// nftables when the kernel has it, the classic mode otherwise.
        Auto = "auto",
        /// Sets and a chain in a table of our own.
        Nftables = "nftables",
        /// The predecessor's way: an ipset and one rule in `iptables_chain`.
        Ipset = "ipset",
    }
}

words! {
    /// What happens to the kernel's sets when the daemon ends.
    OnExit {
        /// They stay, so that a restart leaves no gap.
        Keep = "keep",
        /// They are emptied and removed.
        Flush = "flush",
    }
}

words! {
    /// Levels of the log, the most important first.
    LogLevel {
        /// Something does not work.
        Error = "error",
        /// Something needs a look.
        Warn = "warn",
        /// What the daemon does.
        Info = "info",
        /// How it does it; may name accounts.
        Debug = "debug",
        /// Every event.
        Trace = "trace",
    }
}

words! {
    /// Shape of the log.
    LogFormat {
        /// journald under systemd, human otherwise.
        Auto = "auto",
        /// For a terminal.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
        /// The journal's native protocol.
        Journald = "journald",
    }
}
