//! What holds when the file and the environment say nothing.
//!
//! The values of the predecessor's keys are the predecessor's, but for the central ban repository: it is off here,
//! and no vendor's address is in it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::broker::Broker;
use super::model::{
    Alarms, Api, Authentication, Cache, Chandaemon, Config, Firewall, FirewallMode, Fraud, Freeswitch, Geo,
    GuardLimits, Log, LogFormat, LogLevel, OnExit, PortRange, RateLimit, Record, Security, Server, Store,
    Switch, SwitchKind,
};
use super::notify::Notify;
use super::secret::Secret;

impl Default for Config {
    fn default() -> Self {
        let security = Security::default();
        let freeswitch = Freeswitch::default();
        Self {
            server: Server::default(),
            switches: vec![Switch::of_security(&security, &freeswitch)],
            freeswitch,
            cache: Cache::default(),
            security,
            firewall: Firewall::default(),
            store: Store { path: PathBuf::from("/var/lib/switchward/switchward.db") },
            log: Log { level: LogLevel::Info, format: LogFormat::Auto },
            guard: GuardLimits::default(),
            rules: Vec::new(),
            alarms: Alarms::default(),
            geo: Geo::default(),
            fraud: Fraud::default(),
            record: Record::default(),
            api: Api::default(),
            broker: Broker::default(),
            notify: Notify::default(),
        }
    }
}

impl Config {
    /// Who may change state over HTTP: both lists together, and loopback alone when both are empty.
    pub fn api_allowed(&self) -> Vec<IpNet> {
        let both: Vec<IpNet> =
            self.security.chandaemon.allowed_api_ips.iter().chain(&self.api.allowed_ips).copied().collect();
        if both.is_empty() { loopback() } else { both }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8088,
            public_url: String::new(),
            log_requests: true,
            log_responses: false,
            pprof_enabled: false,
            pprof_addr: SocketAddr::from(([127, 0, 0, 1], 6060)),
            tls_cert: None,
            tls_key: None,
            tls_client_ca: None,
            socket: "/run/switchward/switchward.sock".into(),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            allowed_ips: Vec::new(),
            authentication: Authentication::Auto,
            tokens_file: None,
            users_file: None,
            certificate_roles: Vec::new(),
            hosts: Vec::new(),
            max_failed_logins: 10,
            failed_logins_window: minutes(10),
        }
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: SwitchKind::Freeswitch,
            host: "127.0.0.1".into(),
            port: 8021,
            password: Secret::from(FACTORY_PASSWORD),
            password_file: None,
            default_domain: String::new(),
        }
    }
}

impl Switch {
    /// The one switch of a configuration without `[[switch]]`.
    pub(super) fn of_security(security: &Security, freeswitch: &Freeswitch) -> Self {
        Self {
            name: "freeswitch".into(),
            kind: SwitchKind::Freeswitch,
            host: security.esl_host.clone(),
            port: security.esl_port,
            password: security.esl_password.clone(),
            password_file: security.esl_password_file.clone(),
            default_domain: freeswitch.default_domain.clone(),
        }
    }
}

impl Default for Freeswitch {
    fn default() -> Self {
        Self { default_domain: "example.com".into() }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { enabled: true, security_ttl: minutes(5), cleanup_interval: minutes(5) }
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            enabled: true,
            esl_host: "127.0.0.1".into(),
            esl_port: 8021,
            esl_password: Secret::from(FACTORY_PASSWORD),
            esl_password_file: None,
            esl_allowed_commands: ["status", "uptime", "version"].map(String::from).to_vec(),
            max_failed_attempts: 5,
            failed_attempts_window: minutes(10),
            auto_block_enabled: true,
            block_duration: minutes(60),
            forgeable_ban_max: minutes(2),
            whitelist_enabled: true,
            whitelist_ttl: minutes(24 * 60),
            auto_whitelist_on_success: true,
            trusted_networks: vec![
                v4([127, 0, 0, 0], 8),
                v4([10, 0, 0, 0], 8),
                v4([172, 16, 0, 0], 12),
                v4([192, 168, 0, 0], 16),
            ],
            allowed_names: Vec::new(),
            name_servers: Vec::new(),
            untrusted_networks: Vec::new(),
            iptables_chain: "INPUT".into(),
            ipset_name: "freeswitch-security".into(),
            dry_run: false,
            esl_log_level: LogLevel::Info,
            reconnect_backoff: Duration::from_secs(5),
            max_wrong_call_states: 5,
            wrong_call_state_window: minutes(10),
            chandaemon: Chandaemon::default(),
            rate_limit: RateLimit::default(),
        }
    }
}

impl Default for Chandaemon {
    fn default() -> Self {
        Self {
            enabled: false,
            report_url: String::new(),
            blocker_url: String::new(),
            service_name: "switchward".into(),
            report_timeout: Duration::from_secs(5),
            allowed_api_ips: loopback(),
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            enabled: true,
            call_rate_limit: 20,
            call_rate_interval: minutes(1),
            registration_limit: 10,
            registration_window: minutes(1),
            auto_block_on_exceed: true,
            block_duration: minutes(15),
            whitelist_bypass: true,
            cleanup_interval: minutes(5),
        }
    }
}

impl Default for Firewall {
    fn default() -> Self {
        let ports = |first, last| PortRange { first, last };
        Self {
            mode: FirewallMode::Auto,
            table: "switchward".into(),
            sip_ports: vec![ports(5060, 5061), ports(5080, 5081), ports(5066, 5066), ports(7443, 7443)],
            learn_sip_ports: true,
            max_elements: 1_000_000,
            conntrack: true,
            on_exit: OnExit::Keep,
            never_ban: Vec::new(),
        }
    }
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            max_sources: 1_000_000,
            max_registrations: 200_000,
            timeline: 65_536,
            wrong_call_state_block_duration: minutes(60),
            untrusted_block_duration: minutes(60),
            log: true,
            learn_acl: true,
            silence_alarm: minutes(5),
            max_remembered: 200_000,
            ban_growth: 2,
            ban_longest: minutes(7 * 24 * 60),
            priors_kept: minutes(28 * 24 * 60),
            max_bans_per_minute: 30_000,
            max_standing_bans_per_minute: 10,
            signatures_file: None,
            honeypots: Vec::new(),
        }
    }
}

impl Default for Fraud {
    /// Tells and ends nothing; the same as `guard::fraud::FraudPolicy`.
    fn default() -> Self {
        let alert = || vec!["alert".to_owned()];
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        Self {
            enabled: true,
            learning: false,
            home_country: String::new(),
            trunk_prefixes: Vec::new(),
            international_prefixes: ["+", "00", "011"].map(String::from).to_vec(),
            table_file: None,
            known_countries: Vec::new(),
            history: hours(24),
            call_rate: 30,
            concurrent_calls: 10,
            sequential_calls: 20,
            call_duration: hours(4),
            account_duration: hours(16),
            country_duration: hours(8),
            account_cost_hour: 0,
            account_cost_day: 100,
            tenant_cost_hour: 0,
            tenant_cost_day: 1_000,
            hours: Vec::new(),
            time_zone: String::new(),
            on_premium: alert(),
            on_new_country: alert(),
            on_call_rate: alert(),
            on_concurrent: alert(),
            on_sequential: alert(),
            on_duration: alert(),
            on_cost: alert(),
            on_tenant_cost: alert(),
            on_off_hours: alert(),
            block_command: String::new(),
            ban_duration: hours(1),
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            enabled: false,
            directory: PathBuf::from("/var/lib/switchward/record"),
            file_size: 64 << 20,
            file_age: minutes(60),
            total_size: 1 << 30,
        }
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            disconnected_after: Duration::from_secs(30),
            reconnects: 5,
            malformed: 10,
            window: minutes(5),
            bans_per_minute: 1000,
            ledger_percent: 90,
            rule_never_fired: minutes(7 * 24 * 60),
            clear_after: minutes(1),
        }
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

fn v4(address: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from(address), prefix))
}

fn loopback() -> Vec<IpNet> {
    vec![
        IpNet::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpNet::from(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ]
}

/// What FreeSWITCH ships with.
pub(crate) const FACTORY_PASSWORD: &str = "ClueCon";
