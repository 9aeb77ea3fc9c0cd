//! The keys of the rules and lists: `security`, `security.chandaemon`, `security.rate_limit`.

use super::{Field, Key, MILLION, Section, count, span, wait};
use crate::config::model::Config;
use crate::config::text::Shape;

type Setting = Key<Config>;

pub(super) const SECURITY: Section = Section {
    name: "security",
    intro: "The event socket, the rules and the lists.",
    keys: &[
        Setting::known(
            "security.enabled",
            "SECURITY_ENABLED",
            Field::Bool(|c| &mut c.security.enabled),
            "The guard is on.",
        )
        .restart(),
        Setting::known(
            "security.esl_host",
            "SECURITY_ESL_HOST",
            Field::Text(Shape::Host, |c| &mut c.security.esl_host),
            "Host of the event socket.",
        )
        .restart(),
        Setting::known(
            "security.esl_port",
            "SECURITY_ESL_PORT",
            Field::Port(|c| &mut c.security.esl_port),
            "Port of the event socket.",
        )
        .restart(),
        Setting::known(
            "security.esl_password",
            "SECURITY_ESL_PASSWORD",
            Field::Secret(|c| &mut c.security.esl_password),
            "Password of the event socket.",
        )
        .restart(),
        Setting::new(
            "security.esl_password_file",
            "SECURITY_ESL_PASSWORD_FILE",
            Field::OptionalPath(|c| &mut c.security.esl_password_file),
            "A file whose first line is the password; wins over esl_password. A relative path starts at the \
             configuration file.",
        )
        .restart(),
        Setting::known(
            "security.esl_allowed_commands",
            "SECURITY_ESL_ALLOWED_COMMANDS",
            Field::Texts(Shape::Command, |c| &mut c.security.esl_allowed_commands),
            "Commands that a caller without a user may run: each allows itself, and itself with arguments.",
        ),
        Setting::known(
            "security.max_failed_attempts",
            "SECURITY_MAX_FAILED_ATTEMPTS",
            count(|c| &mut c.security.max_failed_attempts, MILLION),
            "Failed registrations of a source within failed_attempts_window that make a ban.",
        ),
        Setting::known(
            "security.failed_attempts_window",
            "SECURITY_FAILED_WINDOW",
            span(|c| &mut c.security.failed_attempts_window),
            "The sliding window of failed registrations.",
        ),
        Setting::known(
            "security.auto_block_enabled",
            "SECURITY_AUTO_BLOCK",
            Field::Bool(|c| &mut c.security.auto_block_enabled),
            "Verdicts become bans in the kernel.",
        ),
        Setting::known(
            "security.block_duration",
            "SECURITY_BLOCK_DURATION",
            span(|c| &mut c.security.block_duration),
            "How long a ban holds.",
        ),
        Setting::new(
            "security.forgeable_ban_max",
            "SECURITY_FORGEABLE_BAN_MAX",
            span(|c| &mut c.security.forgeable_ban_max),
            "Longest ban on evidence that one forged packet can make.",
        ),
        Setting::known(
            "security.whitelist_enabled",
            "SECURITY_WHITELIST_ENABLED",
            Field::Bool(|c| &mut c.security.whitelist_enabled),
            "The allow list is heeded.",
        ),
        Setting::known(
            "security.whitelist_ttl",
            "SECURITY_WHITELIST_TTL",
            span(|c| &mut c.security.whitelist_ttl),
            "How long an entry of the allow list holds.",
        ),
        Setting::known(
            "security.auto_whitelist_on_success",
            "SECURITY_AUTO_WHITELIST_ON_SUCCESS",
            Field::Bool(|c| &mut c.security.auto_whitelist_on_success),
            "A successful registration puts its source on the allow list.",
        ),
        Setting::known(
            "security.trusted_networks",
            "SECURITY_TRUSTED_NETWORKS",
            Field::Networks(|c| &mut c.security.trusted_networks),
            "Addresses and networks that are never banned.",
        ),
        Setting::new(
            "security.allowed_names",
            "SECURITY_ALLOWED_NAMES",
            Field::Texts(Shape::HostName, |c| &mut c.security.allowed_names),
            "Full host names (at most 1000) whose addresses are on the allow list, as DNS tells them.",
        ),
        Setting::new(
            "security.name_servers",
            "SECURITY_NAME_SERVERS",
            Field::Texts(Shape::NameServer, |c| &mut c.security.name_servers),
            "Name servers that are asked for allowed names, an address each, perhaps with a port; [] asks those of \
             /etc/resolv.conf.",
        ),
        Setting::known(
            "security.untrusted_networks",
            "SECURITY_UNTRUSTED_NETWORKS",
            Field::Texts(Shape::Pattern, |c| &mut c.security.untrusted_networks),
            "Patterns of domains whose callers are banned.",
        ),
        Setting::known(
            "security.iptables_chain",
            "SECURITY_IPTABLES_CHAIN",
            Field::Text(Shape::ChainName, |c| &mut c.security.iptables_chain),
            "The chain that gets the one rule of firewall.mode \"ipset\".",
        )
        .restart(),
        Setting::known(
            "security.ipset_name",
            "SECURITY_IPSET_NAME",
            Field::Text(Shape::SetName, |c| &mut c.security.ipset_name),
            "The set of firewall.mode \"ipset\"; with a 6 behind it for IPv6.",
        )
        .restart(),
        Setting::known(
            "security.dry_run",
            "SECURITY_DRY_RUN",
            Field::Bool(|c| &mut c.security.dry_run),
            "Decide and log, but leave the kernel alone.",
        )
        .restart(),
        Setting::known(
            "security.esl_log_level",
            "SECURITY_ESL_LOG_LEVEL",
            Field::Word(|c| &mut c.security.esl_log_level),
            "The log level while log.level is absent.",
        ),
        Setting::known(
            "security.reconnect_backoff",
            "SECURITY_RECONNECT_BACKOFF",
            wait(|c| &mut c.security.reconnect_backoff),
            "First wait before a reconnect; doubles up to 60 s.",
        )
        .restart(),
        Setting::known(
            "security.max_wrong_call_states",
            "SECURITY_MAX_WRONG_CALL_STATES",
            count(|c| &mut c.security.max_wrong_call_states, MILLION),
            "Wrong call states of a source within wrong_call_state_window that make a ban.",
        ),
        Setting::known(
            "security.wrong_call_state_window",
            "SECURITY_WRONG_CALL_STATE_WINDOW",
            span(|c| &mut c.security.wrong_call_state_window),
            "The sliding window of wrong call states.",
        ),
    ],
};

pub(super) const CHANDAEMON: Section = Section {
    name: "security.chandaemon",
    intro: "The central repository that bans are reported to.",
    keys: &[
        Setting::known(
            "security.chandaemon.enabled",
            "SECURITY_CHANDAEMON_ENABLED",
            Field::Bool(|c| &mut c.security.chandaemon.enabled),
            "Report bans.",
        ),
        Setting::known(
            "security.chandaemon.report_url",
            "SECURITY_CHANDAEMON_REPORT_URL",
            Field::Text(Shape::Url, |c| &mut c.security.chandaemon.report_url),
            "Where a ban is POSTed.",
        ),
        Setting::known(
            "security.chandaemon.blocker_url",
            "SECURITY_CHANDAEMON_BLOCKER_URL",
            Field::Text(Shape::Url, |c| &mut c.security.chandaemon.blocker_url),
            "Our own address, at which the repository lifts a ban.",
        ),
        Setting::known(
            "security.chandaemon.service_name",
            "SECURITY_CHANDAEMON_SERVICE_NAME",
            Field::Text(Shape::Name, |c| &mut c.security.chandaemon.service_name),
            "The name that we report under.",
        ),
        Setting::known(
            "security.chandaemon.report_timeout",
            "SECURITY_CHANDAEMON_REPORT_TIMEOUT",
            wait(|c| &mut c.security.chandaemon.report_timeout),
            "Longest wait for the answer to one report.",
        ),
        Setting::known(
            "security.chandaemon.allowed_api_ips",
            "SECURITY_CHANDAEMON_ALLOWED_API_IPS",
            Field::Networks(|c| &mut c.security.chandaemon.allowed_api_ips),
            "Addresses and networks that may change state over HTTP, beside api.allowed_ips.",
        ),
    ],
};

pub(super) const RATE_LIMIT: Section = Section {
    name: "security.rate_limit",
    intro: "Calls and registrations per source.",
    keys: &[
        Setting::known(
            "security.rate_limit.enabled",
            "SECURITY_RATE_LIMIT_ENABLED",
            Field::Bool(|c| &mut c.security.rate_limit.enabled),
            "The limits are on.",
        ),
        Setting::known(
            "security.rate_limit.call_rate_limit",
            "SECURITY_RATE_LIMIT_CALL_LIMIT",
            count(|c| &mut c.security.rate_limit.call_rate_limit, MILLION),
            "Calls of a source within call_rate_interval.",
        ),
        Setting::known(
            "security.rate_limit.call_rate_interval",
            "SECURITY_RATE_LIMIT_CALL_INTERVAL",
            span(|c| &mut c.security.rate_limit.call_rate_interval),
            "The sliding window of calls.",
        ),
        Setting::known(
            "security.rate_limit.registration_limit",
            "SECURITY_RATE_LIMIT_REG_LIMIT",
            count(|c| &mut c.security.rate_limit.registration_limit, MILLION),
            "Registrations of a source within registration_window.",
        ),
        Setting::known(
            "security.rate_limit.registration_window",
            "SECURITY_RATE_LIMIT_REG_WINDOW",
            span(|c| &mut c.security.rate_limit.registration_window),
            "The sliding window of registrations.",
        ),
        Setting::known(
            "security.rate_limit.auto_block_on_exceed",
            "SECURITY_RATE_LIMIT_AUTO_BLOCK",
            Field::Bool(|c| &mut c.security.rate_limit.auto_block_on_exceed),
            "Beyond the limit the source is banned, not only counted.",
        ),
        Setting::known(
            "security.rate_limit.block_duration",
            "SECURITY_RATE_LIMIT_BLOCK_DURATION",
            span(|c| &mut c.security.rate_limit.block_duration),
            "How long a ban for exceeding a limit holds.",
        ),
        Setting::known(
            "security.rate_limit.whitelist_bypass",
            "SECURITY_RATE_LIMIT_WHITELIST_BYPASS",
            Field::Bool(|c| &mut c.security.rate_limit.whitelist_bypass),
            "Sources on the allow list are not limited.",
        ),
        Setting::known(
            "security.rate_limit.cleanup_interval",
            "SECURITY_RATE_LIMIT_CLEANUP_INTERVAL",
            span(|c| &mut c.security.rate_limit.cleanup_interval),
            "How often outdated counters are thrown away.",
        ),
    ],
};
