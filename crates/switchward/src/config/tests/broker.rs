//! What `[broker]` says, and the words for what is wrong with it.

use super::{config, json, refusal, toml, warnings};
use crate::broker::rules::{nobody, rulebook, trouble_of_entry};
use crate::config::Config;
use crate::config::broker::{AuditSync, Rows};
use crate::config::keys::{ARRAYS, keys};
use broker::Line;
use broker::freeswitch::catalogue;
use broker::pattern::Who;
use std::time::Duration;

/// Every key at a value that is not the default.
const ALL: &str = r#"
[[switch]]
name = "edge"

[broker]
directories = ["freeswitch", "xml", "ldap", "users"]
timeout = "5s"
job_timeout = "2h"
max_jobs = 16
max_jobs_of_one = 0
max_output = 65536
rate = 0
concurrency = 0
connections = 4
jobs = 8
redact = ["api_key"]
record_dir = "/srv/recordings"
allow_unaudited = true
audit_dir = "/srv/audit"
audit_file_size = "1MiB"
audit_max_size = "1 GiB"
audit_retention = "24h"
audit_sync = "each"
audit_key_file = "/etc/switchward/audit.key"
password_cache = "0s"
wrong_password_cache = "1s"
viewer_roles = []
operator_roles = ["reception"]
admin_roles = ["admin"]

[broker.door]
host = "::1"
port = 8022
socket = "/run/switchward/esl.sock"
tls_cert = "door.pem"
tls_key = "door.key"
max_clients = 10
max_clients_of_one = 2
queue = 100
queue_bytes = "1MiB"
plain = true
login_time = "5s"
stuck_time = "2m"
recheck_time = "1m"

[broker.freeswitch]
switch = "edge"
accept = ["a1-hash", "password"]
disabled_by = "esl-disabled"

[broker.xml]
path = "/etc/freeswitch/directory"
accept = ["password"]
disabled_by = "locked"

[broker.ldap]
url = "ldap://ldap.example.net"
start_tls = true
allow_plain = true
bind_dn = "uid={user},dc=example,dc=net"
search_base = "dc=example,dc=net"
filter = "(cn={user})"
search_bind_dn = "cn=switchward"
search_password = "hunter2"
search_password_file = "ldap.password"
account_attribute = "mail"
name_attribute = "cn"
domain = "example.net"
disabled_by = "(employeeType=former)"
ca_file = "ca.pem"
timeout = "1s"

[[broker.role]]
name = "reception"
extends = ["agent"]
allow = ["show channels"]
deny = ["@dangerous"]
events = ["CHANNEL_*"]
rows = "own-domain"
networks = ["192.0.2.0/24"]
hours = ["Mon-Fri 08:00-18:00"]
rate = 0
concurrency = 4
max_output = "1MiB"
timeout = "20s"
timeouts = ["originate user/* 60s"]
log = "info"
shadow = true

[[broker.user]]
name = "alice"
account = "1000@example.net"
roles = ["reception"]
allow = ["status"]
deny = ["reload"]
events = ["HEARTBEAT"]
rows = "all"
networks = ["2001:db8::/32"]
hours = ["Sat,Sun"]
rate = 7
concurrency = 0
max_output = 1024
timeout = "1m"
timeouts = ["status 1s"]
log = "debug"
shadow = true
"#;

#[test]
fn every_key_sets_something_and_a_reload_sees_it() {
    let changed = config(toml(ALL));
    let (live, restart) = Config::default().diff_reload(&changed);
    let both = [live.clone(), restart.clone()].concat();
    for key in keys().filter(|key| key.path.starts_with("broker.")) {
        assert!(both.contains(&key.path.to_owned()), "{}", key.path);
        let kept = Config::default().without_restart(&changed);
        let (_, left) = changed.diff_reload(&kept);
        assert!(!left.contains(&key.path.to_owned()), "{} needs a restart but was taken over", key.path);
    }
    assert!(live.contains(&"broker.role[reception]".to_owned()));
    assert!(live.contains(&"broker.user[alice]".to_owned()));
    assert!(restart.contains(&"broker.door.port".to_owned()));
    let broker = changed.broker;
    assert_eq!((broker.max_output, broker.audit_max_size), (65536, 1 << 30));
    assert_eq!((broker.audit_sync, broker.password_cache), (AuditSync::Each, Duration::ZERO));
    assert_eq!((broker.door.port, broker.door.queue_bytes), (Some(8022), 1 << 20));
    let (role, user) = (&broker.roles[0], &broker.users[0]);
    assert_eq!((role.rules.rate, role.rules.max_output), (Some(0), Some(1 << 20)));
    assert_eq!((role.rules.rows, role.rules.log.as_str()), (Rows::OwnDomain, "info"));
    assert_eq!(
        (user.account.as_str(), user.rules.timeout),
        ("1000@example.net", Some(Duration::from_secs(60)))
    );
}

#[test]
fn every_key_of_an_entry_differs_and_is_named_with_the_entry() {
    let old = config(toml(
        "[[switch]]\nname = 'edge'\n[[broker.role]]\nname = 'reception'\n[[broker.user]]\nname = 'alice'\nroles = ['agent']",
    ));
    let (live, _) = old.diff_reload(&config(toml(ALL)));
    for array in ARRAYS.iter().filter(|array| array.name().starts_with("broker.")) {
        let name = if array.name() == "broker.role" { "reception" } else { "alice" };
        for key in array.key_names().iter().filter(|key| **key != "name") {
            let path = format!("{}[{name}].{key}", array.name());
            assert!(live.contains(&path), "{path}");
        }
    }
}

#[test]
fn json_says_the_same() {
    let loaded = config(json(
        r#"{"broker": {"door": {"port": "8022"}, "role": [{"name": "a", "allow": ["status"], "max_output": 2048}],
            "user": [{"name": "alice", "roles": ["a"], "rate": 3}]}}"#,
    ));
    assert_eq!(loaded.broker.door.port, Some(8022));
    assert_eq!(loaded.broker.roles[0].rules.allow, ["status"]);
    assert_eq!(loaded.broker.roles[0].rules.max_output, Some(2048));
    assert_eq!(loaded.broker.users[0].rules.rate, Some(3));
    assert_eq!(
        refusal(json("{\"broker\": {\"role\": {\"name\": \"a\"}}}")),
        [
            "config.json:1:21: broker.role: found a table, expected an array of tables; write \"role\": [ { ... } ]"
        ]
    );
}

/// The one message of a configuration.
fn says(text: &str) -> String {
    let lines = refusal(toml(text));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.into_iter().next().unwrap()
}

#[test]
fn a_mistake_in_a_rule_is_named_with_line_key_and_mend() {
    let cases = [
        (
            "[[broker.role]]\nname = 'a'\nallow = [\n  'status',\n  '@raed',\n]",
            "switchward.toml:5:3: broker.role[0].allow[1]: found \"@raed\", expected a pattern; there is no class \
             \"@raed\"; the classes are @read, @read-secret, @call-control, @originate, @media, @registration, \
             @config, @data, @network, @file, @runs-commands, @script, @system, @dangerous",
        ),
        (
            "[[broker.role]]\nname = 'a'\n[[broker.role]]\nname = 'b'\ndeny = ['uuid_kill x{own}']",
            "switchward.toml:5:9: broker.role[1].deny[0]: found \"uuid_kill x{own}\", expected a pattern; {own} stands \
             for a whole argument; \"x{own}\" has more",
        ),
        (
            "[[broker.user]]\nname = 'alice'\nroles = ['operater']",
            "switchward.toml:3:10: broker.user[0].roles[0]: found \"operater\", expected a role; there is no role \
             \"operater\"; the roles are admin, agent, dialer, monitor, operator",
        ),
        (
            "[[broker.role]]\nname = 'a'\nevents = ['HEARTBEAT', 'a b']",
            "switchward.toml:3:24: broker.role[0].events[1]: found \"a b\", expected events; \"a b\" names no events; \
             write them like \"CHANNEL_*\", \"CUSTOM sofia::*\" or \"*\"",
        ),
        (
            "[[broker.role]]\nname = 'a'\nextends = ['b']",
            "switchward.toml:3:12: broker.role[0].extends[0]: found \"b\", expected a role; there is no role \"b\"; the \
             roles are a, admin, agent, dialer, monitor, operator",
        ),
        (
            "[[broker.user]]\nname = 'alice'\nroles = ['agent']\nhours = ['8-18']",
            "switchward.toml:4:10: broker.user[0].hours[0]: found \"8-18\", expected days and times; \"8-18\" says no \
             hours; write them like \"Mon-Fri 08:00-18:00\", \"Sat,Sun\" or \"22:00-06:00\"",
        ),
        (
            "[[broker.role]]\nname = 'a'\n[[broker.role]]\nname = 'a'",
            "switchward.toml:4:8: broker.role[1].name: found \"a\", expected a name of its own; is there twice; give \
             each role one entry",
        ),
        (
            "[[broker.role]]\nname = 'a'\ntimeouts = ['originate', 'status 1s']",
            "switchward.toml:3:13: broker.role[0].timeouts[0]: found \"originate\", expected a command and a duration \
             from 100ms to 1h, such as \"originate 60s\" or \"sofia status 5s\"; mend or remove this element",
        ),
        (
            "[[broker.role]]\nname = 'a'\ntimeouts = ['@raed 1s']",
            "switchward.toml:3:13: broker.role[0].timeouts[0]: found \"@raed\", expected a command and a duration; \
             there is no class \"@raed\"; the classes are @read, @read-secret, @call-control, @originate, @media, \
             @registration, @config, @data, @network, @file, @runs-commands, @script, @system, @dangerous",
        ),
        (
            "[[broker.role]]\nallow = ['status']",
            "switchward.toml:1:1: broker.role[0]: found no name, expected one; write name = \"...\"",
        ),
        (
            "[[broker.role]]\nname = 'a'\nlog = 'loud'",
            "switchward.toml:3:7: broker.role[0].log: found \"loud\", expected \"console\", \"alert\", \"crit\", \"err\", \
             \"warning\", \"notice\", \"info\", \"debug\", or an empty text; write log = \"info\"",
        ),
        (
            "[[broker.role]]\nname = 'a'\nmax_output = '1'",
            "switchward.toml:3:14: broker.role[0].max_output: found \"1\", expected a number of bytes from 1KiB to \
             64MiB, such as \"64KiB\" or \"4MiB\"; write max_output = \"1MiB\"",
        ),
        (
            "[[broker.role]]\nname = 'a'\nrate = -1",
            "switchward.toml:3:8: broker.role[0].rate: found -1, expected a whole number from 0 to 1000000; write \
             rate = 10",
        ),
        (
            "[broker.role]\nname = 'a'",
            "switchward.toml:1:1: broker.role: found a table, expected an array of tables; write [[broker.role]] with \
             two brackets",
        ),
        (
            "broker.admin_roles = ['operator', 'Admin']",
            "switchward.toml:1:35: broker.admin_roles[1]: found \"Admin\", expected a role: admin, agent, dialer, \
             monitor, operator; write \"admin\"",
        ),
        (
            "broker.directories = ['users', 'sql']",
            "switchward.toml:1:32: broker.directories[1]: found \"sql\", expected \"users\", \"freeswitch\", \"xml\" or \
             \"ldap\"; mend or remove this element",
        ),
        (
            "broker.redact = ['*_pin', 'card*number']",
            "switchward.toml:1:27: broker.redact[1]: found \"card*number\", expected a name of 1 to 100 letters, digits, \
             \"_\", \"-\" or \".\", with \"*\" at its ends alone; mend or remove this element",
        ),
        (
            "broker.directories = ['users', 'xml']",
            "switchward.toml:1:32: broker.directories[1]: found \"xml\" without broker.xml.path, expected both; set \
             broker.xml.path: name the file or directory",
        ),
        (
            "[broker.freeswitch]\nswitch = 'main'",
            "switchward.toml:2:10: broker.freeswitch.switch: found \"main\", expected a switch: \"freeswitch\"; write \
             one of them",
        ),
        (
            "[broker]\naudit_max_size = '1MiB'",
            "switchward.toml: broker.audit_file_size: found more than broker.audit_max_size, expected at most that; \
             make one file smaller, or broker.audit_max_size larger",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(says(text), message);
    }
}

#[test]
fn a_misspelt_key_of_a_role_is_told_with_the_near_one() {
    assert_eq!(
        warnings(toml("[[broker.role]]\nname = 'a'\nalow = ['status']")),
        [
            "switchward.toml:3:1: broker.role[0].alow: found an unknown key, expected broker.role[0].allow; rename it; \
             as it stands it is ignored"
        ]
    );
    assert_eq!(
        warnings(toml("[broker]\nallow = ['status']")),
        [
            "switchward.toml:2:1: broker.allow: found an unknown key, expected broker.role[..].allow; rename it; as it \
             stands it is ignored"
        ]
    );
    assert_eq!(
        warnings(toml("[[broker.roles]]\nname = 'a'")),
        [
            "switchward.toml:1:10: broker.roles: found an unknown key, expected broker.role; rename it; as it stands it \
             is ignored"
        ]
    );
}

#[test]
fn a_door_beyond_loopback_wants_tls_or_to_be_told_that_it_is_plain() {
    let refused = |host: &str, found: &str| {
        assert_eq!(
            says(&format!("[broker.door]\nport = 8022\nhost = '{host}'")),
            format!(
                "switchward.toml:3:8: broker.door.host: found {found} without a certificate, expected TLS beyond \
                 loopback; set broker.door.tls_cert and tls_key (or server.tls_cert and tls_key), or host = \
                 \"127.0.0.1\"; broker.door.plain = true takes the risk"
            )
        );
    };
    refused("192.0.2.1", "\"192.0.2.1\"");
    refused("", "every address");
    refused("::", "\"::\"");
    for fine in [
        "[broker.door]\nhost = '192.0.2.1'",
        "[broker.door]\nport = 0\nhost = '192.0.2.1'",
        "[broker.door]\nport = 8022\nhost = 'localhost'",
        "[broker.door]\nport = 8022\nhost = '192.0.2.1'\ntls_cert = 'a'\ntls_key = 'b'",
        "[broker.door]\nport = 8022\nhost = '192.0.2.1'\n[server]\ntls_cert = 'a'\ntls_key = 'b'",
    ] {
        assert_eq!(warnings(toml(fine)), [] as [&str; 0], "{fine}");
    }
    assert_eq!(
        warnings(toml("[broker.door]\nport = 8022\nhost = '192.0.2.1'\nplain = true")),
        [
            "switchward.toml:3:8: broker.door.host: found \"192.0.2.1\" without TLS: passwords can be read on their \
             way, expected TLS; set broker.door.tls_cert and tls_key, and remove broker.door.plain"
        ]
    );
    assert!(says("[broker.door]\ntls_cert = 'a'").contains("set broker.door.tls_key, too"));
    assert!(says("[broker.door]\nport = 8088").contains("which is server.port"));
}

#[test]
fn no_password_goes_to_an_ldap_server_in_the_clear() {
    let ldap = |text: &str| format!("[broker.ldap]\nbind_dn = 'uid={{user}}'\n{text}");
    assert!(says(&ldap("url = 'ldap://ldap.example.net'")).contains("expected TLS; write ldaps://"));
    for fine in [
        "url = 'ldaps://ldap.example.net'",
        "url = 'ldap://ldap.example.net'\nstart_tls = true",
        "url = 'ldap://ldap.example.net'\nallow_plain = true",
        "url = 'ldap://127.0.0.1:3890'",
        "url = 'ldap://[::1]/'",
    ] {
        assert_eq!(warnings(toml(&ldap(fine))), [] as [&str; 0], "{fine}");
    }
    assert!(says("[broker.ldap]\nurl = 'ldaps://a'").contains("no way to find a user"));
    assert!(
        says("[broker.ldap]\nurl = 'ldaps://a'\nbind_dn = 'uid=alice'")
            .contains("everybody would be the same")
    );
    assert!(says("[broker.ldap]\nurl = 'http://a'").contains("an ldaps:// or ldap:// address"));
}

#[test]
fn who_may_do_nothing_and_an_admin_who_is_everybody_are_pointed_out() {
    assert_eq!(
        warnings(toml("[[broker.user]]\nname = 'alice'")),
        [
            "switchward.toml:2:8: broker.user[0].name: found \"alice\" without roles and without anything allowed, \
             expected one of them; give a role, or allow something"
        ]
    );
    assert_eq!(
        warnings(toml("[[broker.user]]\nname = '*'\nroles = ['admin']")),
        [
            "switchward.toml:2:8: broker.user[0].name: found the role \"admin\" for \"*\", which is everybody with a \
             password, expected it for those that you know; name them; an admin runs any program on the switch's \
             machine"
        ]
    );
}

#[test]
fn an_entry_for_callers_without_a_credential_that_lets_nothing_through_is_a_warning() {
    assert_eq!(
        warnings(toml("[security]\nesl_allowed_commands = ['status', 'show *', '@read', 'bgapi reloadxml']")),
        [
            "switchward.toml:2:35: security.esl_allowed_commands[1]: found \"show *\", which lets nothing through: \
             patterns are not understood here, expected a command as it stands, perhaps with its first arguments, and \
             all that it runs; allow it in a [[broker.role]] for a user, or remove it",
            "switchward.toml:2:45: security.esl_allowed_commands[2]: found \"@read\", which lets nothing through: \
             patterns are not understood here, expected a command as it stands, perhaps with its first arguments, and \
             all that it runs; allow it in a [[broker.role]] for a user, or remove it",
            "switchward.toml:2:54: security.esl_allowed_commands[3]: found \"bgapi reloadxml\", which lets nothing \
             through: it would do \"reloadxml\": no rule allows it; it is @config, expected a command as it stands, \
             perhaps with its first arguments, and all that it runs; allow it in a [[broker.role]] for a user, or \
             remove it",
        ]
    );
}

#[test]
fn an_entry_allows_itself_and_its_arguments_and_nothing_else() {
    let text = "[security]\nesl_allowed_commands = ['status', 'sofia status', '*', 'originate', 'show', 'my_command', 'uuid_kill']";
    let nobody = nobody(&config(toml(text)));
    let may = |text: &str| {
        let who = Who { user: "", domain: "", owns: &|_| false };
        nobody.judge(&who, None, Line::new(text).unwrap(), catalogue()).allowed
    };
    for allowed in [
        "status",
        "STATUS",
        "status x",
        "sofia status",
        "sofia status profile internal",
        "show calls",
        "my_command a",
    ] {
        assert!(may(allowed), "{allowed}");
    }
    for refused in [
        "statusx",
        "sofia",
        "sofia profile internal restart",
        "sofia statusx",
        "version",
        "system id",
        "bgapi status",
        "originate user/1000 &system(id)",
        "status ${system(id)}",
    ] {
        assert!(!may(refused), "{refused}");
    }
    for entry in ["status", "show", "originate", "uuid_kill", "sofia status", "my_command"] {
        assert_eq!(trouble_of_entry(entry, &nobody, catalogue()), None, "{entry}");
    }
}

#[test]
fn the_rulebook_has_what_the_file_says() {
    let config = config(toml(ALL));
    let book = rulebook(&config).unwrap();
    assert_eq!(book.role_names(), ["admin", "agent", "dialer", "monitor", "operator", "reception"]);
    assert_eq!(book.account("alice").unwrap().to_string(), "1000@example.net");
    assert!(!format!("{:?}", config.broker).contains("hunter2"));
}
