//! What a changed configuration means for a running daemon.
//!
//! [`Config::diff_reload`] only compares; taking the changes over is the daemon's part. Values are never part of the
//! answer, so it may be logged.

use super::keys::{self, SWITCH};
use super::model::{Api, Config, Firewall, GuardLimits, Log, Security, Server, Switch};

impl Config {
    /// The keys in which `new` differs: those that a reload (SIGHUP) takes over, and those that need a restart. A
    /// key of a switch reads `switch[NAME].port`; a switch that came or went reads `switch[NAME]`.
    pub fn diff_reload(&self, new: &Self) -> (Vec<String>, Vec<String>) {
        let (mut old, mut new) = (self.clone(), new.clone());
        let (mut live, mut restart) = (Vec::new(), Vec::new());
        for key in keys::keys() {
            if key.field.literal(&mut old) != key.field.literal(&mut new) {
                let list = if key.restart { &mut restart } else { &mut live };
                list.push(key.path.to_owned());
            }
        }
        let gone = old.switches.iter().filter(|switch| named(&new.switches, &switch.name).is_none());
        restart.extend(gone.map(|switch| format!("switch[{}]", switch.name)));
        for switch in &new.switches {
            match named(&old.switches, &switch.name) {
                None => restart.push(format!("switch[{}]", switch.name)),
                Some(before) => restart.extend(changed(before.clone(), switch.clone())),
            }
        }
        (live, restart)
    }

    /// This configuration with what only a restart could change taken from `running`.
    pub fn without_restart(self, running: &Self) -> Self {
        let old = running.clone();
        Self {
            server: Server {
                host: old.server.host,
                port: old.server.port,
                pprof_enabled: old.server.pprof_enabled,
                pprof_addr: old.server.pprof_addr,
                tls_cert: old.server.tls_cert,
                tls_key: old.server.tls_key,
                tls_client_ca: old.server.tls_client_ca,
                socket: old.server.socket,
                ..self.server
            },
            switches: old.switches,
            freeswitch: old.freeswitch,
            security: Security {
                enabled: old.security.enabled,
                esl_host: old.security.esl_host,
                esl_port: old.security.esl_port,
                esl_password: old.security.esl_password,
                esl_password_file: old.security.esl_password_file,
                iptables_chain: old.security.iptables_chain,
                ipset_name: old.security.ipset_name,
                dry_run: old.security.dry_run,
                reconnect_backoff: old.security.reconnect_backoff,
                ..self.security
            },
            firewall: Firewall {
                on_exit: self.firewall.on_exit,
                never_ban: self.firewall.never_ban,
                ..old.firewall
            },
            store: old.store,
            log: Log { format: old.log.format, ..self.log },
            guard: GuardLimits {
                max_sources: old.guard.max_sources,
                max_registrations: old.guard.max_registrations,
                timeline: old.guard.timeline,
                ..self.guard
            },
            cache: self.cache,
            alarms: self.alarms,
            geo: self.geo,
            api: Api { tokens_file: old.api.tokens_file, users_file: old.api.users_file, ..self.api },
            notify: self.notify,
        }
    }
}

fn named<'a>(switches: &'a [Switch], name: &str) -> Option<&'a Switch> {
    switches.iter().find(|switch| switch.name == name)
}

fn changed(mut old: Switch, mut new: Switch) -> impl Iterator<Item = String> {
    SWITCH.iter().filter_map(move |key| {
        let differs = key.field.literal(&mut old) != key.field.literal(&mut new);
        differs.then(|| format!("switch[{}].{}", new.name, key.path))
    })
}
