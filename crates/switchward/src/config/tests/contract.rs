//! Every key of the contract, by JSON, by TOML and by its variable, into the field that it names.

use super::{config, json, toml, variables};
use crate::config::{Config, Format, parse};

/// Path, variable, the value in the predecessor's JSON, the variable's text, and the field as the test reads it.
type Row = (&'static str, &'static str, &'static str, &'static str, fn(&Config) -> String, &'static str);

fn debug(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

macro_rules! row {
    ($path:ident $(. $rest:ident)*, $variable:literal, $json:literal, $text:literal, $is:literal) => {
        (
            stringify!($path $(. $rest)*),
            $variable,
            $json,
            $text,
            (|config: &Config| debug(&config.$path $(. $rest)*)) as fn(&Config) -> String,
            $is,
        )
    };
}

/// None of these values is the default.
const ROWS: &[Row] = &[
    row!(server.socket, "SERVER_SOCKET", r#""/run/a.sock""#, "/run/a.sock", r#""/run/a.sock""#),
    row!(api.authentication, "API_AUTHENTICATION", r#""required""#, "Required", "Required"),
    row!(api.tokens_file, "API_TOKENS_FILE", r#""/a/t""#, "/a/t", r#"Some("/a/t")"#),
    row!(api.users_file, "API_USERS_FILE", r#""/a/u""#, "/a/u", r#"Some("/a/u")"#),
    row!(server.host, "SERVER_HOST", r#""192.0.2.1""#, "192.0.2.1", r#""192.0.2.1""#),
    row!(server.port, "SERVER_PORT", r#""8080""#, "8080", "8080"),
    row!(server.log_requests, "SERVER_LOG_REQUESTS", "false", "no", "false"),
    row!(server.log_responses, "SERVER_LOG_RESPONSES", "true", "Yes", "true"),
    row!(server.pprof_enabled, "SERVER_PPROF_ENABLED", "true", "1", "true"),
    row!(server.pprof_addr, "SERVER_PPROF_ADDR", r#""127.0.0.2:7070""#, "127.0.0.2:7070", "127.0.0.2:7070"),
    row!(
        freeswitch.default_domain,
        "FS_DEFAULT_DOMAIN",
        r#""example.org""#,
        "example.org",
        r#""example.org""#
    ),
    row!(cache.enabled, "CACHE_ENABLED", "false", "0", "false"),
    row!(cache.security_ttl, "CACHE_SECURITY_TTL", r#""90s""#, "90s", "90s"),
    row!(cache.cleanup_interval, "CACHE_CLEANUP_INTERVAL", r#""1h30m""#, "1h30m", "5400s"),
    row!(security.enabled, "SECURITY_ENABLED", "false", "FALSE", "false"),
    row!(
        security.esl_host,
        "SECURITY_ESL_HOST",
        r#""switch.example.org""#,
        "switch.example.org",
        r#""switch.example.org""#
    ),
    row!(security.esl_port, "SECURITY_ESL_PORT", r#""8022""#, "8022", "8022"),
    row!(
        security.esl_allowed_commands,
        "SECURITY_ESL_ALLOWED_COMMANDS",
        r#"["status", "show calls"]"#,
        r#"["status","show calls"]"#,
        r#"["status", "show calls"]"#
    ),
    row!(security.max_failed_attempts, "SECURITY_MAX_FAILED_ATTEMPTS", "7", "7", "7"),
    row!(security.failed_attempts_window, "SECURITY_FAILED_WINDOW", r#""20m""#, "20m", "1200s"),
    row!(security.auto_block_enabled, "SECURITY_AUTO_BLOCK", "false", "no", "false"),
    row!(security.block_duration, "SECURITY_BLOCK_DURATION", r#""2h""#, "2h", "7200s"),
    row!(security.whitelist_enabled, "SECURITY_WHITELIST_ENABLED", "false", "no", "false"),
    row!(security.whitelist_ttl, "SECURITY_WHITELIST_TTL", r#""48h""#, "48h", "172800s"),
    row!(security.auto_whitelist_on_success, "SECURITY_AUTO_WHITELIST_ON_SUCCESS", "false", "no", "false"),
    row!(
        security.trusted_networks,
        "SECURITY_TRUSTED_NETWORKS",
        r#"["192.0.2.0/24"]"#,
        r#"["192.0.2.0/24"]"#,
        "[192.0.2.0/24]"
    ),
    row!(
        security.allowed_names,
        "SECURITY_ALLOWED_NAMES",
        r#"["sip.carrier.example"]"#,
        r#"["sip.carrier.example"]"#,
        r#"["sip.carrier.example"]"#
    ),
    row!(
        security.name_servers,
        "SECURITY_NAME_SERVERS",
        r#"["192.0.2.53", "127.0.0.1:5353"]"#,
        r#"["192.0.2.53", "127.0.0.1:5353"]"#,
        r#"["192.0.2.53", "127.0.0.1:5353"]"#
    ),
    row!(
        security.untrusted_networks,
        "SECURITY_UNTRUSTED_NETWORKS",
        r#"["bad.example"]"#,
        r#"["bad.example"]"#,
        r#"["bad.example"]"#
    ),
    row!(
        security.iptables_chain,
        "SECURITY_IPTABLES_CHAIN",
        r#""FREESWITCH""#,
        "FREESWITCH",
        r#""FREESWITCH""#
    ),
    row!(security.ipset_name, "SECURITY_IPSET_NAME", r#""banned""#, "banned", r#""banned""#),
    row!(security.dry_run, "SECURITY_DRY_RUN", "true", "true", "true"),
    row!(security.esl_log_level, "SECURITY_ESL_LOG_LEVEL", r#""debug""#, "DEBUG", "Debug"),
    row!(security.reconnect_backoff, "SECURITY_RECONNECT_BACKOFF", r#""500ms""#, "500ms", "500ms"),
    row!(security.max_wrong_call_states, "SECURITY_MAX_WRONG_CALL_STATES", "9", "9", "9"),
    row!(security.wrong_call_state_window, "SECURITY_WRONG_CALL_STATE_WINDOW", r#""1.5h""#, "1.5h", "5400s"),
    row!(
        security.chandaemon.report_url,
        "SECURITY_CHANDAEMON_REPORT_URL",
        r#""https://bans.example/r""#,
        "https://bans.example/r",
        r#""https://bans.example/r""#
    ),
    row!(
        security.chandaemon.blocker_url,
        "SECURITY_CHANDAEMON_BLOCKER_URL",
        r#""http://192.0.2.9:8088""#,
        "http://192.0.2.9:8088",
        r#""http://192.0.2.9:8088""#
    ),
    row!(
        security.chandaemon.service_name,
        "SECURITY_CHANDAEMON_SERVICE_NAME",
        r#""edge""#,
        "edge",
        r#""edge""#
    ),
    row!(security.chandaemon.report_timeout, "SECURITY_CHANDAEMON_REPORT_TIMEOUT", r#""3s""#, "3s", "3s"),
    row!(
        security.chandaemon.allowed_api_ips,
        "SECURITY_CHANDAEMON_ALLOWED_API_IPS",
        r#"["192.0.2.7", "2001:db8::7"]"#,
        r#"["192.0.2.7","2001:db8::7"]"#,
        "[192.0.2.7/32, 2001:db8::7/128]"
    ),
    row!(security.rate_limit.enabled, "SECURITY_RATE_LIMIT_ENABLED", "false", "no", "false"),
    row!(security.rate_limit.call_rate_limit, "SECURITY_RATE_LIMIT_CALL_LIMIT", "21", "21", "21"),
    row!(
        security.rate_limit.call_rate_interval,
        "SECURITY_RATE_LIMIT_CALL_INTERVAL",
        r#""2m""#,
        "2m",
        "120s"
    ),
    row!(security.rate_limit.registration_limit, "SECURITY_RATE_LIMIT_REG_LIMIT", "11", "11", "11"),
    row!(security.rate_limit.registration_window, "SECURITY_RATE_LIMIT_REG_WINDOW", r#""3m""#, "3m", "180s"),
    row!(security.rate_limit.auto_block_on_exceed, "SECURITY_RATE_LIMIT_AUTO_BLOCK", "false", "no", "false"),
    row!(security.rate_limit.block_duration, "SECURITY_RATE_LIMIT_BLOCK_DURATION", r#""16m""#, "16m", "960s"),
    row!(
        security.rate_limit.whitelist_bypass,
        "SECURITY_RATE_LIMIT_WHITELIST_BYPASS",
        "false",
        "no",
        "false"
    ),
    row!(
        security.rate_limit.cleanup_interval,
        "SECURITY_RATE_LIMIT_CLEANUP_INTERVAL",
        r#""6m""#,
        "6m",
        "360s"
    ),
    // New keys with a variable.
    row!(security.forgeable_ban_max, "SECURITY_FORGEABLE_BAN_MAX", r#""30s""#, "30s", "30s"),
    row!(firewall.mode, "FIREWALL_MODE", r#""nftables""#, "nftables", "Nftables"),
    row!(firewall.on_exit, "FIREWALL_ON_EXIT", r#""flush""#, "flush", "Flush"),
    row!(store.path, "STORE_PATH", r#""/tmp/w.db""#, "/tmp/w.db", r#""/tmp/w.db""#),
    row!(log.level, "LOG_LEVEL", r#""warn""#, "warn", "Warn"),
    row!(log.format, "LOG_FORMAT", r#""json""#, "json", "Json"),
];

/// New keys without a variable.
const NEW: &[Row] = &[
    row!(firewall.table, "", r#""edge""#, "", r#""edge""#),
    row!(
        firewall.sip_ports,
        "",
        r#"[5060, "5070-5080"]"#,
        "",
        "[PortRange { first: 5060, last: 5060 }, PortRange { first: 5070, last: 5080 }]"
    ),
    row!(firewall.max_elements, "", "16777216", "", "16777216"),
    row!(firewall.conntrack, "", "false", "", "false"),
    row!(firewall.learn_sip_ports, "", "false", "", "false"),
    row!(firewall.never_ban, "", r#"["198.51.100.0/24"]"#, "", "[198.51.100.0/24]"),
    row!(guard.max_sources, "", "5000", "", "5000"),
    row!(guard.max_remembered, "", "5000", "", "5000"),
    row!(guard.ban_growth, "", "3", "", "3"),
    row!(guard.ban_longest, "", r#""48h""#, "", "172800s"),
    row!(guard.priors_kept, "", r#""48h""#, "", "172800s"),
    row!(guard.max_bans_per_minute, "", "500", "", "500"),
    row!(guard.max_standing_bans_per_minute, "", "0", "", "0"),
    row!(guard.max_registrations, "", "6000", "", "6000"),
    row!(guard.timeline, "", "6000", "", "6000"),
    row!(guard.wrong_call_state_block_duration, "", r#""1m""#, "", "60s"),
    row!(guard.untrusted_block_duration, "", r#""3m""#, "", "180s"),
    row!(guard.log, "", "false", "", "false"),
    row!(guard.learn_acl, "", "false", "", "false"),
    row!(guard.silence_alarm, "", r#""10m""#, "", "600s"),
    row!(alarms.disconnected_after, "", r#""1m""#, "", "60s"),
    row!(alarms.reconnects, "", "7", "", "7"),
    row!(alarms.malformed, "", "20", "", "20"),
    row!(alarms.window, "", r#""10m""#, "", "600s"),
    row!(alarms.bans_per_minute, "", "50", "", "50"),
    row!(alarms.ledger_percent, "", "80", "", "80"),
    row!(alarms.rule_never_fired, "", r#""0""#, "", "0ns"),
    row!(alarms.clear_after, "", r#""2m""#, "", "120s"),
    row!(server.public_url, "", r#""https://g.example""#, "", r#""https://g.example""#),
    row!(record.enabled, "", "true", "", "true"),
    row!(record.directory, "", r#""/r""#, "", r#""/r""#),
    row!(record.file_size, "", r#""2MiB""#, "", "2097152"),
    row!(record.file_age, "", r#""2h""#, "", "7200s"),
    row!(record.total_size, "", r#""3MiB""#, "", "3145728"),
    row!(guard.signatures_file, "", r#""/s""#, "", r#"Some("/s")"#),
    row!(guard.honeypots, "", r#"["admin", "9*"]"#, "", r#"["admin", "9*"]"#),
    row!(geo.country_file, "", r#""/c""#, "", r#"Some("/c")"#),
    row!(geo.as_file, "", r#""/a""#, "", r#"Some("/a")"#),
    row!(fraud.enabled, "", "false", "", "false"),
    row!(fraud.learning, "", "true", "", "true"),
    row!(fraud.home_country, "", r#""DE""#, "", r#""DE""#),
    row!(fraud.trunk_prefixes, "", r#"["9"]"#, "", r#"["9"]"#),
    row!(fraud.international_prefixes, "", r#"["+"]"#, "", r#"["+"]"#),
    row!(fraud.table_file, "", r#""/p""#, "", r#"Some("/p")"#),
    row!(fraud.known_countries, "", r#"["AT"]"#, "", r#"["AT"]"#),
    row!(fraud.history, "", r#""2h""#, "", "7200s"),
    row!(fraud.call_rate, "", "7", "", "7"),
    row!(fraud.concurrent_calls, "", "0", "", "0"),
    row!(fraud.sequential_calls, "", "9", "", "9"),
    row!(fraud.call_duration, "", r#""0s""#, "", "0ns"),
    row!(fraud.account_duration, "", r#""2m""#, "", "120s"),
    row!(fraud.country_duration, "", r#""3m""#, "", "180s"),
    row!(fraud.account_cost_hour, "", "3", "", "3"),
    row!(fraud.account_cost_day, "", "4", "", "4"),
    row!(fraud.tenant_cost_hour, "", "5", "", "5"),
    row!(fraud.tenant_cost_day, "", "6", "", "6"),
    row!(fraud.hours, "", r#"["mon-fri 07:00-19:00"]"#, "", r#"["mon-fri 07:00-19:00"]"#),
    row!(fraud.time_zone, "", r#""UTC""#, "", r#""UTC""#),
    row!(fraud.on_premium, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_new_country, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_call_rate, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_concurrent, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_sequential, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_duration, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_cost, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_tenant_cost, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.on_off_hours, "", r#"["hang-up", "ban"]"#, "", r#"["hang-up", "ban"]"#),
    row!(fraud.block_command, "", r#""api lua b.lua {user}""#, "", r#""api lua b.lua {user}""#),
    row!(fraud.ban_duration, "", r#""2m""#, "", "120s"),
    row!(api.allowed_ips, "", r#"["192.0.2.8"]"#, "", "[192.0.2.8/32]"),
    row!(api.certificate_roles, "", r#"["a.example=admin"]"#, "", r#"["a.example=admin"]"#),
    row!(api.hosts, "", r#"["pbx.example"]"#, "", r#"["pbx.example"]"#),
    row!(api.max_failed_logins, "", "3", "", "3"),
    row!(api.failed_logins_window, "", r#""2m""#, "", "120s"),
];

fn as_json(path: &str, value: &str) -> String {
    path.split('.').rev().fold(value.to_owned(), |inner, part| format!("{{\"{part}\": {inner}}}"))
}

#[test]
fn every_key_of_a_json_file_reaches_its_field() {
    for (path, _, value, _, field, is) in ROWS.iter().chain(NEW) {
        assert_ne!(field(&Config::default()), *is, "{path}: the row says nothing");
        assert_eq!(field(&config(json(&as_json(path, value)))), *is, "{path}");
    }
}

#[test]
fn every_key_of_a_toml_file_reaches_its_field() {
    for (path, _, value, _, field, is) in ROWS.iter().chain(NEW) {
        assert_eq!(field(&config(toml(&format!("{path} = {value}")))), *is, "{path}");
    }
}

#[test]
fn every_variable_reaches_its_field() {
    for (path, variable, _, text, field, is) in ROWS {
        assert_eq!(field(&config(variables(&[(variable, text)]))), *is, "{path} by {variable}");
    }
}

#[test]
fn a_variable_wins_over_the_file_and_an_empty_one_does_not() {
    let file = "[security]\nmax_failed_attempts = 3\nesl_password = \"of-the-file\"";
    let with = |text: &'static str| {
        let find = move |name: &str| (name == "SECURITY_MAX_FAILED_ATTEMPTS").then(|| text.to_owned());
        config(parse(file, "switchward.toml", Format::Toml, find)).security.max_failed_attempts
    };
    assert_eq!(with("8"), 8);
    assert_eq!(with(""), 3);
}

#[test]
fn the_table_has_no_key_and_no_variable_that_these_rows_miss() {
    let apart = [
        "security.esl_password",
        "security.esl_password_file",
        "security.chandaemon.enabled",
        "server.tls_cert",
        "server.tls_key",
        "server.tls_client_ca",
        "geo.countries",
    ];
    for key in crate::config::keys::keys().filter(|key| !apart.contains(&key.path)) {
        // tests/notify.rs and tests/broker.rs have these.
        if key.path.starts_with("notify.") || key.path.starts_with("broker.") {
            continue;
        }
        let row = ROWS.iter().chain(NEW).find(|row| row.0 == key.path);
        assert_eq!(row.map(|row| row.1), Some(key.variable), "{}", key.path);
    }
}

#[test]
fn passwords_and_chandaemon_come_from_file_and_variable() {
    let by_file = config(json(r#"{"security": {"esl_password": "one"}}"#));
    assert_eq!(by_file.security.esl_password.expose(), "one");
    assert_eq!(by_file.switches[0].password.expose(), "one");
    let by_variable = config(variables(&[("SECURITY_ESL_PASSWORD", " two ")]));
    assert_eq!(by_variable.switches[0].password.expose(), " two ", "a password is not trimmed");
    let file = config(variables(&[("SECURITY_ESL_PASSWORD_FILE", "/run/esl")]));
    assert_eq!(file.switches[0].password_file.as_deref(), Some("/run/esl".as_ref()));
    let on =
        [("SECURITY_CHANDAEMON_ENABLED", "yes"), ("SECURITY_CHANDAEMON_REPORT_URL", "https://b.example/")];
    assert!(config(variables(&on)).security.chandaemon.enabled);
}

#[test]
fn rules_about_countries_need_a_file_of_countries() {
    let rules = "geo.countries = ['all: !KP', 'account *@pbx.example: DE']";
    let both = config(toml(&format!("{rules}\ngeo.country_file = '/c'")));
    assert_eq!(both.geo.countries, ["all: !KP", "account *@pbx.example: DE"]);
    assert!(toml(rules).unwrap_err().to_string().contains("geo.country_file"));
    assert!(toml("geo.countries = ['KP']\ngeo.country_file = '/c'").is_err());
}

#[test]
fn a_certificate_comes_with_its_key() {
    let all = "server.tls_cert = '/a/c'\nserver.tls_key = '/a/k'\nserver.tls_client_ca = '/a/ca'";
    let server = config(toml(all)).server;
    let variables = config(variables(&[
        ("SERVER_TLS_CERT", "/a/c"),
        ("SERVER_TLS_KEY", "/a/k"),
        ("SERVER_TLS_CLIENT_CA", "/a/ca"),
    ]));
    assert_eq!(variables.server, server);
    let path = |path: &str| Some(std::path::PathBuf::from(path));
    assert_eq!(
        (server.tls_cert, server.tls_key, server.tls_client_ca),
        (path("/a/c"), path("/a/k"), path("/a/ca"))
    );
    for alone in all.lines() {
        assert!(toml(alone).is_err(), "{alone}");
    }
}

#[test]
fn the_one_switch_is_made_of_the_security_section() {
    let made = config(json(
        r#"{"freeswitch": {"default_domain": "example.org"},
            "security": {"esl_host": "127.0.0.2", "esl_port": "8022", "esl_password": "x"}}"#,
    ));
    let [switch] = made.switches.as_slice() else { panic!("one switch") };
    assert_eq!((switch.name.as_str(), switch.host.as_str(), switch.port), ("freeswitch", "127.0.0.2", 8022));
    assert_eq!(switch.default_domain, "example.org");
}
