//! Which changed keys a reload can take over.

use super::{config, toml};
use crate::config::Config;

fn diff(text: &str) -> (Vec<String>, Vec<String>) {
    Config::default().diff_reload(&config(toml(text)))
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    assert_eq!(diff(""), (vec![], vec![]));
}

#[test]
fn what_holds_a_socket_a_file_or_a_kernel_set_needs_a_restart() {
    let (live, restart) = diff(
        "server.host = '::1'\nserver.port = 1\nserver.pprof_enabled = true\nserver.pprof_addr = '[::1]:1'\n\
         store.path = '/a'\nfirewall.mode = 'ipset'\nfirewall.table = 'a'\nsecurity.ipset_name = 'a'\n\
         security.iptables_chain = 'A'",
    );
    assert_eq!(live, [] as [&str; 0]);
    assert_eq!(
        restart,
        [
            "server.host",
            "server.port",
            "server.pprof_enabled",
            "server.pprof_addr",
            "security.iptables_chain",
            "security.ipset_name",
            "firewall.mode",
            "firewall.table",
            "store.path"
        ]
    );
}

#[test]
fn the_rest_is_taken_over_with_the_keys_that_follow() {
    let (live, restart) = diff("security.block_duration = '2h'\nsecurity.esl_log_level = 'debug'");
    assert_eq!(restart, [] as [&str; 0]);
    assert_eq!(
        live,
        [
            "security.block_duration",
            "security.esl_log_level",
            "log.level",
            "guard.wrong_call_state_block_duration",
            "guard.untrusted_block_duration"
        ]
    );
}

#[test]
fn switches_are_compared_by_name() {
    let old = config(toml(
        "[[switch]]\nname = 'a'\n[[switch]]\nname = 'b'\nport = 2\n[[switch]]\nname = 'gone'\nport = 3",
    ));
    let new = config(toml(
        "[[switch]]\nname = 'new'\nport = 4\n[[switch]]\nname = 'b'\nport = 5\npassword = 'p'\n[[switch]]\nname = 'a'",
    ));
    let (live, restart) = old.diff_reload(&new);
    assert_eq!(live, [] as [&str; 0]);
    assert_eq!(restart, ["switch[gone]", "switch[new]", "switch[b].port", "switch[b].password"]);
}

#[test]
fn what_needs_a_restart_stays_as_it_is_until_then_and_the_rest_changes() {
    let running = Config::default();
    let new = config(toml(
        "[server]\nhost = '::1'\nport = 1\npprof_enabled = true\npprof_addr = '[::1]:1'\nlog_requests = false\n\
         [freeswitch]\ndefault_domain = 'a.example'\n\
         [security]\nenabled = false\nesl_host = 'a'\nesl_port = 1\nesl_password = 'a'\niptables_chain = 'A'\n\
         ipset_name = 'a'\ndry_run = true\nreconnect_backoff = '1s'\nmax_failed_attempts = 9\n\
         [firewall]\nmode = 'ipset'\ntable = 'a'\nsip_ports = [1]\nmax_elements = 1\nconntrack = false\n\
         on_exit = 'flush'\n[store]\npath = '/a'\n[log]\nformat = 'json'\n\
         [guard]\nmax_sources = 9\nmax_registrations = 9\nsilence_alarm = '9m'\n",
    ));
    let (live, restart) = running.diff_reload(&new);
    assert_eq!(restart.len(), 26, "{restart:?}");
    let taken = new.without_restart(&running);
    assert_eq!(running.diff_reload(&taken), (live, vec![]));
    assert_eq!(taken.security.max_failed_attempts, 9);
}
