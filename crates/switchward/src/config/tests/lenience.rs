//! What an older or a hand-written file may hold: the predecessor's own examples, older keys, odd but clear values.

use super::{config, json, toml, variables, warnings};
use crate::config::{Config, Format, LogLevel};

/// The shape of a file of the release before the last: ports as texts, the cache's old keys, a chain of its own.
const OLDER: &str = r#"{
  "server": { "host": "127.0.0.1", "port": "8080", "log_requests": true, "log_responses": false },
  "freeswitch": { "default_domain": "your-domain.com" },
  "cache": {
    "enabled": true,
    "security_ttl": "5m",
    "cleanup_interval": "5m",
    "max_entries_in_window": 10000,
    "max_entry_size": 500,
    "shard_count": 1024
  },
  "security": {
    "esl_allowed_commands": ["status", "show channels"],
    "trusted_networks": ["127.0.0.1/8", "10.0.0.0/8"],
    "iptables_chain": "FREESWITCH",
    "rate_limit": { "block_duration": "15m" }
  }
}"#;

#[test]
fn an_older_file_is_accepted_with_one_warning_for_each_key_that_does_nothing() {
    assert_eq!(
        warnings(json(OLDER)),
        [
            "config.json:8:5: cache.max_entries_in_window: found a key of an older release, expected no such key: \
             it no longer does anything, the cache bounds itself; remove it",
            "config.json:9:5: cache.max_entry_size: found a key of an older release, expected no such key: it no \
             longer does anything, the cache bounds itself; remove it",
            "config.json:10:5: cache.shard_count: found a key of an older release, expected no such key: it no \
             longer does anything, the cache bounds itself; remove it",
        ]
    );
    let config = config(json(OLDER));
    assert_eq!(config.server.port, 8080);
    assert_eq!(config.security.trusted_networks[0].to_string(), "127.0.0.0/8");
}

#[test]
fn an_empty_text_is_the_defaults() {
    for text in ["", " \n\t\n", "\u{feff}", "\u{feff}\n"] {
        for outcome in [json(text), toml(text)] {
            let loaded = outcome.unwrap();
            assert_eq!((loaded.config, loaded.warnings), (Config::default(), vec![]), "{text:?}");
        }
    }
    assert_eq!(config(toml("# only a comment")), Config::default());
    assert_eq!(config(json("{}")), Config::default());
    assert_eq!(config(json("null")), Config::default());
}

#[test]
fn a_byte_order_mark_shifts_no_column() {
    let with_mark = |text: &str| format!("\u{feff}{text}");
    assert_eq!(config(json(&with_mark(r#"{"server": {"port": 1}}"#))).server.port, 1);
    assert_eq!(
        super::refusal(toml(&with_mark("server.port = 0")))[0].split(": ").next(),
        Some("switchward.toml:1:15")
    );
}

#[test]
fn comments_and_a_last_comma_are_let_through_in_json() {
    let text = "{ // why\n \"server\": { \"port\": 1, /* one */ },\n}";
    assert_eq!(config(json(text)).server.port, 1);
}

#[test]
fn windows_line_ends_are_read() {
    assert_eq!(config(toml("[server]\r\nport = 1\r\n")).server.port, 1);
    assert_eq!(
        super::refusal(toml("[server]\r\nport = 0\r\n"))[0].split(": ").next(),
        Some("switchward.toml:2:8")
    );
}

#[test]
fn a_null_is_an_absent_key() {
    let text =
        r#"{"server": null, "security": {"block_duration": null}, "log": {"level": null}, "switch": null}"#;
    let loaded = json(text).unwrap();
    assert_eq!((loaded.config, loaded.warnings), (Config::default(), vec![]));
}

#[test]
fn other_capitals_are_accepted_as_go_does_and_named() {
    let outcome = || json(r#"{"Security": {"DRY_RUN": true}}"#);
    assert!(config(outcome()).security.dry_run);
    assert_eq!(
        warnings(outcome()),
        [
            "config.json:1:2: Security: found other capitals, expected security; write security",
            "config.json:1:15: security.DRY_RUN: found other capitals, expected dry_run; write dry_run",
        ]
    );
}

#[test]
fn of_two_equal_keys_the_last_holds_as_in_go() {
    let outcome = || json(r#"{"server": {"port": 1, "port": 2}, "server": {"log_requests": false}}"#);
    let server = config(outcome()).server;
    assert_eq!((server.port, server.log_requests), (2, false));
    assert_eq!(
        warnings(outcome()),
        [
            "config.json:1:24: server.port: found the key a second time, expected it once; keep one; the last one holds",
            "config.json:1:36: server: found the key a second time, expected it once; keep one; the last one holds",
        ]
    );
}

#[test]
fn a_port_may_be_a_number_or_a_text() {
    for text in ["8021", "\"8021\"", "\" 8021 \""] {
        assert_eq!(config(toml(&format!("security.esl_port = {text}"))).switches[0].port, 8021);
    }
}

#[test]
fn networks_are_cut_to_their_prefix_and_mapped_addresses_are_ipv4() {
    let text = "security.trusted_networks = ['192.0.2.77/24', '::ffff:192.0.2.1', '::ffff:198.51.100.9/120', \
                '2001:db8::1/32', '2001:DB8::5', '::ffff:0:0/95']";
    let networks: Vec<String> =
        config(toml(text)).security.trusted_networks.iter().map(ToString::to_string).collect();
    assert_eq!(
        networks,
        [
            "192.0.2.0/24",
            "192.0.2.1/32",
            "198.51.100.0/24",
            "2001:db8::/32",
            "2001:db8::5/128",
            "::fffe:0:0/95"
        ]
    );
}

#[test]
fn the_log_level_follows_the_predecessors_key_unless_it_is_set() {
    assert_eq!(config(toml("security.esl_log_level = 'debug'")).log.level, LogLevel::Debug);
    assert_eq!(
        config(toml("security.esl_log_level = 'debug'\nlog.level = 'warn'")).log.level,
        LogLevel::Warn
    );
    assert_eq!(config(variables(&[("SECURITY_ESL_LOG_LEVEL", "trace")])).log.level, LogLevel::Trace);
}

#[test]
fn an_empty_host_listens_everywhere_as_in_go() {
    assert_eq!(config(json(r#"{"server": {"host": ""}}"#)).server.host, "::");
}

#[test]
fn the_profiling_address_may_leave_the_host_out() {
    for text in ["localhost:7000", ":7000", "127.0.0.1:7000"] {
        let addr = config(toml(&format!("server.pprof_addr = '{text}'"))).server.pprof_addr;
        assert_eq!(addr.to_string(), "127.0.0.1:7000");
    }
}

#[test]
fn the_format_is_told_by_the_extension_or_else_by_the_content() {
    let of = |name: &str, text: &str| Format::of(name.as_ref(), text);
    assert_eq!(of("a.json", "x = 1"), Format::Json);
    assert_eq!(of("a.TOML", "{"), Format::Toml);
    assert_eq!(of("a.conf", "\u{feff} \n {}"), Format::Json);
    assert_eq!(of("a", "[server]"), Format::Toml);
    assert_eq!(of("a", ""), Format::Toml);
}

#[test]
fn an_ipv6_host_loses_its_brackets() {
    for (text, host) in [("[::1]", "::1"), ("2001:db8::1", "2001:db8::1"), ("fe80::1%eth0", "fe80::1%eth0")] {
        let text = format!("security.esl_host = '{text}'\nsecurity.esl_password = 'x'");
        assert_eq!(config(toml(&text)).switches[0].host, host);
    }
}
