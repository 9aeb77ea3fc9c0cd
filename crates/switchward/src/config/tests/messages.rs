//! The exact words of every kind of problem.

use super::{json, refusal, toml, variables, warnings};

/// The one message that a line of TOML makes.
fn says(line: &str) -> String {
    let lines = refusal(toml(line));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn a_wrong_value_of_each_kind_is_named_with_what_was_expected_and_the_mend() {
    let cases = [
        (
            "[security]\nmax_failed_attempts = \"five\"",
            "switchward.toml:2:23: security.max_failed_attempts: found \"five\", expected a whole number from 1 to \
             1000000; write max_failed_attempts = 5",
        ),
        (
            "security.max_failed_attempts = 0",
            "switchward.toml:1:32: security.max_failed_attempts: found 0, expected a whole number from 1 to 1000000; \
             write max_failed_attempts = 5",
        ),
        (
            "security.max_failed_attempts = 2.5",
            "switchward.toml:1:32: security.max_failed_attempts: found 2.5, expected a whole number from 1 to \
             1000000; write max_failed_attempts = 5",
        ),
        (
            "security.max_failed_attempts = 5.0",
            "switchward.toml:1:32: security.max_failed_attempts: found 5.0, expected a whole number from 1 to \
             1000000; write max_failed_attempts = 5",
        ),
        (
            "security.esl_host = '192.0.2.1:8021'",
            "switchward.toml:1:21: security.esl_host: found \"192.0.2.1:8021\", expected a host name or address, not \
             empty, without blanks and without a port; write esl_host = \"127.0.0.1\"",
        ),
        (
            "firewall.max_elements = 16777217",
            "switchward.toml:1:25: firewall.max_elements: found 16777217, expected a whole number from 1 to \
             16777216; write max_elements = 1000000",
        ),
        (
            "cache.enabled = \"true\"",
            "switchward.toml:1:17: cache.enabled: found \"true\", expected true or false; write enabled = true",
        ),
        (
            "server.port = 0",
            "switchward.toml:1:15: server.port: found 0, expected a port from 1 to 65535; write port = 8088",
        ),
        (
            "server.port = '65536'",
            "switchward.toml:1:15: server.port: found \"65536\", expected a port from 1 to 65535; write port = 8088",
        ),
        (
            "security.block_duration = '0s'",
            "switchward.toml:1:27: security.block_duration: found \"0s\", expected a duration from 1s to 87600h, such \
             as \"90s\", \"5m\" or \"1h30m\"; write block_duration = \"1h\"",
        ),
        (
            "security.block_duration = '-5m'",
            "switchward.toml:1:27: security.block_duration: found \"-5m\" (negative), expected a duration from 1s to \
             87600h, such as \"90s\", \"5m\" or \"1h30m\"; write block_duration = \"1h\"",
        ),
        (
            "security.block_duration = '1 day'",
            "switchward.toml:1:27: security.block_duration: found \"1 day\" (unknown unit \" day\"), expected a \
             duration from 1s to 87600h, such as \"90s\", \"5m\" or \"1h30m\"; write block_duration = \"1h\"",
        ),
        (
            "security.failed_attempts_window = 300",
            "switchward.toml:1:35: security.failed_attempts_window: found 300, expected a duration from 1s to \
             87600h, such as \"90s\", \"5m\" or \"1h30m\"; write failed_attempts_window = \"10m\"",
        ),
        (
            "security.trusted_networks = ['192.0.2.0/33']",
            "switchward.toml:1:30: security.trusted_networks[0]: found \"192.0.2.0/33\" (the prefix length exceeds \
             32), expected an address or a network, such as \"192.0.2.1\" or \"192.0.2.0/24\"; write a prefix length \
             from 0 to 32",
        ),
        (
            "security.trusted_networks = '192.0.2.0/24'",
            "switchward.toml:1:29: security.trusted_networks: found \"192.0.2.0/24\", expected an array of addresses \
             and networks; write [\"192.0.2.0/24\"]",
        ),
        (
            "api.allowed_ips = ['192.0.2.1', 'localhost']",
            "switchward.toml:1:33: api.allowed_ips[1]: found \"localhost\" (not an IPv4 or IPv6 address), expected an \
             address or a network, such as \"192.0.2.1\" or \"192.0.2.0/24\"; mend or remove this element",
        ),
        (
            "firewall.mode = 'iptables'",
            "switchward.toml:1:17: firewall.mode: found \"iptables\", expected \"auto\", \"nftables\" or \"ipset\"; \
             write mode = \"auto\"",
        ),
        (
            "firewall.sip_ports = ['5061-5060']",
            "switchward.toml:1:23: firewall.sip_ports[0]: found \"5061-5060\", expected a port from 1 to 65535, or a \
             range such as \"5060-5061\"; mend or remove this element",
        ),
        (
            "firewall.sip_ports = []",
            "switchward.toml:1:22: firewall.sip_ports: found an empty array, expected an array of ports and ranges \
             of ports, not empty; write sip_ports = [\"5060-5061\", \"5080-5081\", 5066, 7443]",
        ),
        (
            "security.ipset_name = 'a-name-of-thirty-one-characters'",
            "switchward.toml:1:23: security.ipset_name: found \"a-name-of-thirty-one-characters\", expected a set \
             name of 1 to 29 letters, digits, \"_\", \"-\" or \".\" with no \"-\" in front (31 bytes less \"6p\" for the \
             sets beside it); \
             write ipset_name = \"freeswitch-security\"",
        ),
        (
            "security.iptables_chain = '-j ACCEPT'",
            "switchward.toml:1:27: security.iptables_chain: found \"-j ACCEPT\", expected a chain name of 1 to 28 \
             bytes without blanks and with no \"-\" or \"!\" in front; write iptables_chain = \"INPUT\"",
        ),
        (
            "security.esl_allowed_commands = [\"status\\n\\napi system\"]",
            "switchward.toml:1:34: security.esl_allowed_commands[0]: found \"status\\n\\napi system\", expected a \
             command, not empty and without control characters; mend or remove this element",
        ),
        (
            "security.chandaemon.report_url = 'bans.example'",
            "switchward.toml:1:34: security.chandaemon.report_url: found \"bans.example\", expected an http:// or \
             https:// address, or an empty text; write report_url = \"https://bans.example.net/\"",
        ),
        (
            "store.path = 2026-01-01",
            "switchward.toml:1:14: store.path: found the date 2026-01-01, expected a path; write path = \
             \"/var/lib/switchward/switchward.db\"",
        ),
        (
            "server = 1",
            "switchward.toml:1:10: server: found 1, expected a table; write [server] and its keys below",
        ),
        (
            "[switch]\nname = 'a'",
            "switchward.toml:1:1: switch: found a table, expected an array of tables; write [[switch]] with two \
             brackets",
        ),
        (
            "server.pprof_addr = '127.0.0.1'",
            "switchward.toml:1:21: server.pprof_addr: found \"127.0.0.1\", expected an address and a port, such as \
             \"127.0.0.1:6060\"; write pprof_addr = \"127.0.0.1:6060\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(says(text), message);
    }
}

#[test]
fn a_mend_for_json_is_json() {
    assert_eq!(
        refusal(json("{\n  \"security\": {\"esl_port\": \"http\"},\n  \"server\": []\n}")),
        [
            "config.json:2:28: security.esl_port: found \"http\", expected a port from 1 to 65535; write \
             \"esl_port\": \"8021\"",
            "config.json:3:13: server: found an array, expected a table; write \"server\": { ... }",
        ]
    );
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_lines() {
    let text = "[security]\nmax_failed_attempts = 'x'\nblock_duration = 5\ntrusted_networks = ['a', '192.0.2.1', 'b']\n\
                [security.rate_limit]\ncall_rate_limit = -1\nblok_duration = '1m'\n[[switch]]\nport = 0\nhos = 'a'";
    let lines = refusal(toml(text));
    let starts: Vec<String> =
        lines.iter().map(|line| line.split(": found").next().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        starts,
        [
            "switchward.toml:2:23: security.max_failed_attempts",
            "switchward.toml:3:18: security.block_duration",
            "switchward.toml:4:21: security.trusted_networks[0]",
            "switchward.toml:4:39: security.trusted_networks[2]",
            "switchward.toml:6:19: security.rate_limit.call_rate_limit",
            "switchward.toml:7:1: security.rate_limit.blok_duration",
            "switchward.toml:9:8: switch[0].port",
            "switchward.toml:10:1: switch[0].hos",
        ]
    );
}

#[test]
fn the_whole_list_says_which_are_errors() {
    let problems = toml("server.port = 0\nsever = 1").unwrap_err();
    assert_eq!(problems.errors().count(), 1);
    let text = problems.to_string();
    let words: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(words, ["error", "warning"]);
}

#[test]
fn an_unknown_key_is_a_warning_with_the_nearest_known_one() {
    let cases = [
        ("security.max_failed_attempt = 3", "security.max_failed_attempts"),
        ("security.ratelimit = {}", "security.rate_limit"),
        ("sever = {}", "server"),
        ("[[switch]]\ndefualt_domain = 'x'", "switch[0].default_domain"),
        ("server.log-request = true", "server.log_requests"),
        ("rate_limit.enabled = true", "security.rate_limit"),
        ("forgeable_ban_max = '1m'", "security.forgeable_ban_max"),
    ];
    for (text, nearest) in cases {
        let lines = warnings(toml(text));
        let expected =
            format!("found an unknown key, expected {nearest}; rename it; as it stands it is ignored");
        assert!(lines.len() == 1 && lines[0].ends_with(&expected), "{lines:?}");
    }
    assert_eq!(
        warnings(toml("[server]\n banana = 1")),
        ["switchward.toml:2:2: server.banana: found an unknown key, expected one of the keys in \
          docs/configuration.md; remove it; it is ignored"]
    );
}

#[test]
fn a_column_counts_characters() {
    let lines = warnings(json("{\"freeswitch\": {\"default_domain\": \"münchen.example\", \"ö\": 1}}"));
    assert!(lines[0].starts_with("config.json:1:54: freeswitch.ö: "), "{lines:?}");
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    let cases = [
        (
            json("{\n  \"server\": {\n    \"port\": \"1\"\n    \"host\": \"a\"\n  }\n}"),
            "config.json:3:16: found no comma after this value, expected one; put a comma there",
        ),
        (
            json("{\n \"a\": True\n}"),
            "config.json:2:7: found unexpected word, expected JSON; put the text in double quotes",
        ),
        (json("{\"a\": {"), "config.json:1:7: found unterminated object, expected JSON; close it with }"),
        (json("{} {}"), "config.json:1:4: found text after the last bracket, expected the end"),
        (json("[]"), "config.json:1:1: found an array, expected an object with the settings"),
        (
            toml("[server]\nport 1"),
            "switchward.toml:2:6: found key with no value, expected `=`; write KEY = VALUE",
        ),
        (
            toml("[server]\nport = 1\nport = 2"),
            "switchward.toml:3:1: found duplicate key, expected TOML; keep one of the two",
        ),
        (toml("[server\nport = 1"), "switchward.toml:1:8: found unclosed table, expected `]`"),
    ];
    for (outcome, message) in cases {
        assert_eq!(refusal(outcome), [message]);
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let cases = [
        (
            ("SECURITY_DRY_RUN", "maybe"),
            "environment: SECURITY_DRY_RUN: found \"maybe\", expected true, 1, yes, false, 0 or no; write \
             SECURITY_DRY_RUN=false",
        ),
        (
            ("SECURITY_MAX_FAILED_ATTEMPTS", "5x"),
            "environment: SECURITY_MAX_FAILED_ATTEMPTS: found \"5x\", expected a whole number from 1 to 1000000; \
             write SECURITY_MAX_FAILED_ATTEMPTS=5",
        ),
        (
            ("SECURITY_TRUSTED_NETWORKS", "192.0.2.0/24"),
            "environment: SECURITY_TRUSTED_NETWORKS: found \"192.0.2.0/24\", expected a JSON array of texts; write \
             SECURITY_TRUSTED_NETWORKS=[\"127.0.0.0/8\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"]",
        ),
        (
            ("SECURITY_CHANDAEMON_ALLOWED_API_IPS", "[\"192.0.2.1\", \"x\"]"),
            "environment: SECURITY_CHANDAEMON_ALLOWED_API_IPS[1]: found \"x\" (not an IPv4 or IPv6 address), \
             expected an address or a network, such as \"192.0.2.1\" or \"192.0.2.0/24\"; mend or remove this \
             element",
        ),
        (
            ("CACHE_SECURITY_TTL", "5"),
            "environment: CACHE_SECURITY_TTL: found \"5\" (no unit after \"5\"), expected a duration from 1s to \
             87600h, such as \"90s\", \"5m\" or \"1h30m\"; write CACHE_SECURITY_TTL=5m",
        ),
        (
            ("FIREWALL_MODE", "pf"),
            "environment: FIREWALL_MODE: found \"pf\", expected \"auto\", \"nftables\" or \"ipset\"; write \
             FIREWALL_MODE=auto",
        ),
    ];
    for (variable, message) in cases {
        assert_eq!(refusal(variables(&[variable])), [message]);
    }
}

#[test]
fn no_message_shows_a_password() {
    let outcomes = [
        toml("[[switch]]\npassword = \"hunter2\\nhunter2\""),
        toml("security.esl_password = 'hunter2\u{1}'"),
        json(r#"{"security": {"esl_password": "hunter2\n"}}"#),
        variables(&[("SECURITY_ESL_PASSWORD", "hunter2\r\nexit")]),
        toml("security.esl_password = 5551234"),
    ];
    for outcome in outcomes {
        let lines = refusal(outcome);
        assert!(lines.iter().all(|line| !line.contains("hunter2") && !line.contains("5551234")), "{lines:?}");
    }
    let loaded = toml("security.esl_password = 'hunter2'\nsecurity.esl_host = '192.0.2.1'").unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
}
