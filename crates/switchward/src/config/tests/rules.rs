//! Switches, and settings that only together are right or wrong.

use super::{config, refusal, toml, variables, warnings};
use crate::config::{Config, Format, SwitchKind, parse};

#[test]
fn a_switch_takes_what_it_does_not_say_from_elsewhere() {
    let config = config(toml(
        "freeswitch.default_domain = 'example.org'\n[[switch]]\nhost = '127.0.0.9'\n[[switch]]\nname = 'edge'\n\
         host = '::1'\nport = '8022'\npassword = 'p'\ndefault_domain = 'example.net'\nkind = 'FreeSWITCH'",
    ));
    let [first, second] = config.switches.as_slice() else { panic!("two switches") };
    assert_eq!((first.name.as_str(), first.port, first.password.expose()), ("127.0.0.9", 8021, "ClueCon"));
    assert_eq!(first.default_domain, "example.org");
    assert_eq!((second.name.as_str(), second.port, second.kind), ("edge", 8022, SwitchKind::Freeswitch));
    assert_eq!(second.default_domain, "example.net");
}

#[test]
fn two_switches_of_one_name_are_an_error_and_of_one_address_a_warning() {
    assert_eq!(
        refusal(toml("[[switch]]\nname = 'a'\n[[switch]]\nname = 'a'\nport = 1")),
        [
            "switchward.toml:4:8: switch[1].name: found \"a\" a second time, expected a name of its own; give each \
          switch another name"
        ]
    );
    assert_eq!(
        refusal(toml("[[switch]]\n[[switch]]")),
        [
            "switchward.toml: switch[1].name: found \"127.0.0.1\" a second time, expected a name of its own; give \
          each switch another name"
        ]
    );
    assert_eq!(
        warnings(toml("[[switch]]\nname = 'a'\n[[switch]]\nname = 'b'\nhost = '127.0.0.1'")),
        [
            "switchward.toml:5:8: switch[1].host: found 127.0.0.1:8021 a second time, expected each switch once; \
          remove one of the two"
        ]
    );
}

#[test]
fn switch_entries_win_over_the_predecessors_keys() {
    let text = "[security]\nesl_host = '127.0.0.7'\n[[switch]]\nname = 'a'";
    assert_eq!(config(toml(text)).switches[0].host, "127.0.0.1");
    assert_eq!(
        warnings(toml(text)),
        [
            "switchward.toml:2:12: security.esl_host: found an event socket beside [[switch]], expected one of the \
          two; remove it; the [[switch]] entries win"
        ]
    );
    let by_variable = parse("[[switch]]\nname = 'a'", "f", Format::Toml, |name| {
        (name == "SECURITY_ESL_HOST").then(|| "127.0.0.7".to_owned())
    });
    assert!(warnings(by_variable)[0].starts_with("environment: SECURITY_ESL_HOST: "));
}

#[test]
fn the_factory_password_over_the_network_is_a_warning() {
    let message = "found the password that FreeSWITCH ships with, for a switch on the network, expected a password \
                   of your own; change it in event_socket.conf.xml and here";
    assert_eq!(
        warnings(toml("security.esl_host = '192.0.2.1'")),
        [format!("switchward.toml: security.esl_password: {message}")]
    );
    assert_eq!(
        warnings(toml("[[switch]]\nhost = '192.0.2.1'\npassword = 'ClueCon'")),
        [format!("switchward.toml:3:12: switch[0].password: {message}")]
    );
    for host in ["localhost", "127.1.2.3", "::1", "[::1]", "::ffff:127.0.0.1"] {
        assert_eq!(warnings(toml(&format!("security.esl_host = '{host}'"))), [] as [&str; 0], "{host}");
    }
    assert_eq!(
        warnings(toml("security.esl_host = '192.0.2.1'\nsecurity.esl_password = 'x'")),
        [] as [&str; 0]
    );
}

#[test]
fn a_list_that_means_everybody_is_a_warning() {
    assert_eq!(
        warnings(toml("[security]\ntrusted_networks = ['192.0.2.1', '0.0.0.0/0']")),
        [
            "switchward.toml:2:20: security.trusted_networks: found 0.0.0.0/0, which is every address, so nobody is \
          ever banned, expected the networks that you know; name them"
        ]
    );
    assert_eq!(warnings(toml("api.allowed_ips = ['::/0']")).len(), 1);
    assert_eq!(warnings(toml("firewall.never_ban = ['0.0.0.0/0', '::/0']")).len(), 2);
}

#[test]
fn reports_need_an_address() {
    assert_eq!(
        refusal(toml("security.chandaemon.enabled = true")),
        [
            "switchward.toml:1:31: security.chandaemon.enabled: found true without report_url, expected the address \
          that bans are reported to; set security.chandaemon.report_url, or enabled to false"
        ]
    );
}

#[test]
fn profiling_stays_on_loopback() {
    let on = "server.pprof_enabled = true\nserver.pprof_addr = '0.0.0.0:6060'";
    assert_eq!(
        refusal(toml(on)),
        ["switchward.toml:2:21: server.pprof_addr: found 0.0.0.0:6060, expected a loopback address; write \
          127.0.0.1:6060"]
    );
    assert!(toml("server.pprof_addr = '0.0.0.0:6060'").is_ok(), "an address that is not used stops nothing");
}

#[test]
fn of_password_and_password_file_the_environment_wins_and_then_the_file() {
    let file = "security.esl_password_file = '/run/esl'";
    let by_variable = parse(file, "f", Format::Toml, |name| {
        (name == "SECURITY_ESL_PASSWORD").then(|| "of-the-variable".to_owned())
    });
    let config = config(by_variable);
    assert_eq!(config.switches[0].password_file, None);
    assert_eq!(config.switches[0].password.expose(), "of-the-variable");
    assert_eq!(
        warnings(toml("[security]\nesl_password = 'p'\nesl_password_file = '/run/esl'")),
        [
            "switchward.toml:2:16: security.esl_password: found a password beside a password file, expected one of \
          the two; remove the password; the file wins"
        ]
    );
    assert_eq!(warnings(toml("[[switch]]\npassword = 'p'\npassword_file = '/run/esl'")).len(), 1);
    let both = [("SECURITY_ESL_PASSWORD", "p"), ("SECURITY_ESL_PASSWORD_FILE", "/run/esl")];
    assert_eq!(warnings(variables(&both)).len(), 1);
}

#[test]
fn the_block_durations_of_forgeable_rules_follow_the_general_one() {
    let follows = config(toml("security.block_duration = '3h'"));
    assert_eq!(follows.guard.wrong_call_state_block_duration.as_secs(), 3 * 3600);
    assert_eq!(follows.guard.untrusted_block_duration.as_secs(), 3 * 3600);
    let own = config(toml("security.block_duration = '3h'\nguard.untrusted_block_duration = '5m'"));
    assert_eq!(own.guard.untrusted_block_duration.as_secs(), 300);
}

#[test]
fn state_may_be_changed_by_both_lists_and_else_by_loopback_alone() {
    let allowed = |text: &str| {
        config(toml(text)).api_allowed().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(Config::default().api_allowed().len(), 2);
    assert_eq!(allowed("security.chandaemon.allowed_api_ips = []"), "127.0.0.1/32 ::1/128");
    assert_eq!(allowed("api.allowed_ips = ['192.0.2.1']"), "127.0.0.1/32 ::1/128 192.0.2.1/32");
    assert_eq!(
        allowed("api.allowed_ips = ['192.0.2.1']\nsecurity.chandaemon.allowed_api_ips = []"),
        "192.0.2.1/32"
    );
}
