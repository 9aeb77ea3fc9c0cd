//! What a changed configuration means for a running daemon.
//!
//! [`Config::diff_reload`] only compares; taking the changes over is the daemon's part. Values are never part of the
//! answer, so it may be logged.

use super::broker::Broker;
use super::keys::{self, ARRAYS, Key};
use super::model::{Api, Config, Firewall, GuardLimits, Log, Security, Server};

impl Config {
    /// The keys in which `new` differs: those that a reload (SIGHUP) takes over, and those that need a restart. A
    /// key of an entry of an array reads `switch[NAME].port`; an entry that came or went reads `switch[NAME]`.
    pub fn diff_reload(&self, new: &Self) -> (Vec<String>, Vec<String>) {
        let (mut old, mut new) = (self.clone(), new.clone());
        let (mut live, mut restart) = (Vec::new(), Vec::new());
        for key in keys::keys() {
            if key.field.literal(&mut old) != key.field.literal(&mut new) {
                let list = if key.restart { &mut restart } else { &mut live };
                list.push(key.path.to_owned());
            }
        }
        for array in ARRAYS {
            array.compare(&mut old, &mut new, &mut live, &mut restart);
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
                learn_sip_ports: self.firewall.learn_sip_ports,
                ..old.firewall
            },
            store: old.store,
            log: Log { format: old.log.format, ..self.log },
            guard: GuardLimits {
                max_sources: old.guard.max_sources,
                max_registrations: old.guard.max_registrations,
                timeline: old.guard.timeline,
                max_remembered: old.guard.max_remembered,
                log: old.guard.log,
                ..self.guard
            },
            cache: self.cache,
            rules: self.rules,
            alarms: self.alarms,
            geo: self.geo,
            fraud: self.fraud,
            record: old.record,
            api: Api { tokens_file: old.api.tokens_file, users_file: old.api.users_file, ..self.api },
            broker: Broker {
                timeout: self.broker.timeout,
                job_timeout: self.broker.job_timeout,
                max_jobs_of_one: self.broker.max_jobs_of_one,
                max_output: self.broker.max_output,
                rate: self.broker.rate,
                concurrency: self.broker.concurrency,
                redact: self.broker.redact,
                record_dir: self.broker.record_dir,
                allow_unaudited: self.broker.allow_unaudited,
                viewer_roles: self.broker.viewer_roles,
                operator_roles: self.broker.operator_roles,
                admin_roles: self.broker.admin_roles,
                roles: self.broker.roles,
                users: self.broker.users,
                ..old.broker
            },
            notify: self.notify,
        }
    }
}

/// The entries of two arrays by their labels: what came, what went, and the keys in which the others differ.
pub(super) fn compare<T>(
    array: &str,
    keys: &'static [Key<T>],
    label: fn(&T) -> &str,
    old: &mut [T],
    new: &mut [T],
) -> Vec<String> {
    let mut changed = Vec::new();
    let has = |all: &[T], name: &str| all.iter().any(|entry| label(entry) == name);
    let gone = old.iter().map(label).filter(|name| !has(new, name));
    changed.extend(gone.map(|name| format!("{array}[{name}]")));
    for entry in new {
        let name = label(entry).to_owned();
        let Some(before) = old.iter_mut().find(|before| label(before) == name) else {
            changed.push(format!("{array}[{name}]"));
            continue;
        };
        let differing = keys.iter().filter(|key| key.field.literal(before) != key.field.literal(entry));
        changed.extend(differing.map(|key| format!("{array}[{name}].{}", key.path)));
    }
    changed
}
