//! What one value alone cannot show: values that follow others, passwords from two places, settings that contradict.
//!
//! Runs once, after the file and the environment; start with [`Walk::settle`].

use super::defaults::FACTORY_PASSWORD;
use super::findings::Place;
use super::keys;
use super::model::Switch;
use super::network::is_loopback;
use super::problem::Problems;
use super::walk::Walk;
use super::{Config, Problem};
use crate::names::MOST_NAMES;

impl Walk {
    /// Fills in what follows from other keys, checks the whole, and hands the result out.
    pub(super) fn settle(mut self) -> Result<(Config, Vec<Problem>), Problems> {
        self.follow();
        self.one_password();
        let entries = !self.config.switches.is_empty();
        self.fill_switches();
        self.check_switches(entries);
        self.check_networks();
        self.check_names();
        self.check_countries();
        self.check_chandaemon();
        self.check_listeners();
        self.check_honeypots();
        super::notify::check(&mut self.config.notify, &mut self.findings);
        super::broker::check(&self.config, &mut self.findings);
        self.check_fraud();
        super::rules::check(&self.config, &mut self.findings);
        let Self { config, findings, .. } = self;
        findings.finish().map(|warnings| (config, warnings))
    }

    fn check_honeypots(&mut self) {
        if let Err(error) = guard::suspicion::Honeypots::new(&self.config.guard.honeypots) {
            let place = self.findings.at("guard.honeypots");
            self.findings.error(place, &error.to_string(), "fewer", "write one with a \"*\" for many");
        }
    }

    fn follow(&mut self) {
        for key in keys::keys() {
            if let (Some(follows), None) = (&key.follows, self.findings.place(key.path)) {
                (follows.take)(&mut self.config);
            }
        }
    }

    /// A password and a password file: the environment wins over the file, then the password file over the password.
    fn one_password(&mut self) {
        let from = |path: &str| self.findings.place(path).map(Place::is_variable);
        match (from("security.esl_password"), from("security.esl_password_file")) {
            (Some(true), Some(false)) => self.config.security.esl_password_file = None,
            (Some(password), Some(file)) if password == file => {
                self.two_passwords("security.esl_password");
            }
            _ => {}
        }
    }

    fn two_passwords(&mut self, path: &str) {
        let place = self.findings.at(path);
        self.findings.warning(
            place,
            "a password beside a password file",
            "one of the two",
            "remove the password; the file wins",
        );
    }

    fn fill_switches(&mut self) {
        if self.config.switches.is_empty() {
            self.config.switches = vec![Switch::of_security(&self.config.security, &self.config.freeswitch)];
            return;
        }
        for (index, switch) in self.config.switches.iter_mut().enumerate() {
            if self.findings.place(&format!("switch[{index}].default_domain")).is_none() {
                switch.default_domain = self.config.freeswitch.default_domain.clone();
            }
        }
        for index in 0..self.config.switches.len() {
            let path = format!("switch[{index}].password");
            let file = self.findings.place(&format!("{path}_file"));
            if file.is_some() && self.findings.place(&path).is_some() {
                self.two_passwords(&path);
            }
        }
        let overruled = ["esl_host", "esl_port", "esl_password", "esl_password_file"]
            .map(|name| format!("security.{name}"))
            .into_iter()
            .find(|path| self.findings.place(path).is_some());
        if let Some(path) = overruled {
            self.findings.warning(
                self.findings.at(&path),
                "an event socket beside [[switch]]",
                "one of the two",
                "remove it; the [[switch]] entries win",
            );
        }
    }

    fn check_switches(&mut self, entries: bool) {
        for (index, switch) in self.config.switches.iter().enumerate() {
            let before = &self.config.switches[..index];
            let at = |name: &str| self.findings.at(&format!("switch[{index}].{name}"));
            let (name_at, host_at) = (at("name"), at("host"));
            let password_at =
                if entries { at("password") } else { self.findings.at("security.esl_password") };
            if before.iter().any(|other| other.name == switch.name) {
                let found = format!("\"{}\" a second time", switch.name);
                self.findings.error(name_at, &found, "a name of its own", "give each switch another name");
            } else if before.iter().any(|other| (&other.host, other.port) == (&switch.host, switch.port)) {
                let found = format!("{}:{} a second time", switch.host, switch.port);
                self.findings.warning(host_at, &found, "each switch once", "remove one of the two");
            }
            let factory = switch.password_file.is_none() && switch.password.expose() == FACTORY_PASSWORD;
            if factory && !is_loopback(&switch.host) {
                self.findings.warning(
                    password_at,
                    "the password that FreeSWITCH ships with, for a switch on the network",
                    "a password of your own",
                    "change it in event_socket.conf.xml and here",
                );
            }
        }
    }

    /// An account can only be blocked by a command.
    fn check_fraud(&mut self) {
        let fraud = &self.config.fraud;
        if !fraud.block_command.is_empty() {
            return;
        }
        for rule in guard::fraud::FraudRule::ALL
            .into_iter()
            .filter(|rule| fraud.on(*rule).iter().any(|word| word == "block"))
        {
            let place = self
                .findings
                .at(&format!("fraud.on_{}", rule.name().trim_start_matches("fraud-").replace('-', "_")));
            self.findings.error(
                place,
                "\"block\" without fraud.block_command",
                "a command that blocks an account",
                "set fraud.block_command, or take \"block\" out",
            );
        }
    }

    /// A certificate is nothing without its key, and client certificates are nothing without TLS.
    fn check_tls(&mut self) {
        let server = &self.config.server;
        for (is_alone, path, other) in [
            (server.tls_cert.is_some() && server.tls_key.is_none(), "server.tls_cert", "server.tls_key"),
            (server.tls_key.is_some() && server.tls_cert.is_none(), "server.tls_key", "server.tls_cert"),
            (
                server.tls_client_ca.is_some() && server.tls_cert.is_none(),
                "server.tls_client_ca",
                "server.tls_cert",
            ),
        ] {
            if is_alone {
                let place = self.findings.at(path);
                self.findings.error(
                    place,
                    &format!("a file without {other}"),
                    "both",
                    &format!("set {other}, too"),
                );
            }
        }
    }

    fn check_networks(&mut self) {
        let everyone = [
            ("security.trusted_networks", &self.config.security.trusted_networks, "so nobody is ever banned"),
            ("firewall.never_ban", &self.config.firewall.never_ban, "so nobody is ever banned"),
            (
                "security.chandaemon.allowed_api_ips",
                &self.config.security.chandaemon.allowed_api_ips,
                "so anybody may change state",
            ),
            ("api.allowed_ips", &self.config.api.allowed_ips, "so anybody may change state"),
        ];
        for (path, networks, so) in everyone {
            for network in networks.iter().filter(|network| network.prefix_len() == 0) {
                self.findings.warning(
                    self.findings.at(path),
                    &format!("{network}, which is every address, {so}"),
                    "the networks that you know",
                    "name them",
                );
            }
        }
    }

    /// A rule about countries without a file of countries can never fire.
    fn check_countries(&mut self) {
        if !self.config.geo.countries.is_empty() && self.config.geo.country_file.is_none() {
            self.findings.error(
                self.findings.at("geo.countries"),
                "rules about countries without a file that knows them",
                "geo.country_file, too",
                "set geo.country_file, or remove the rules",
            );
        }
    }

    fn check_names(&mut self) {
        let count = self.config.security.allowed_names.len();
        if count > MOST_NAMES {
            self.findings.error(
                self.findings.at("security.allowed_names"),
                &format!("{count} names"),
                &format!("at most {MOST_NAMES}"),
                "allow networks instead (security.trusted_networks)",
            );
        }
    }

    fn check_chandaemon(&mut self) {
        let chandaemon = &self.config.security.chandaemon;
        if chandaemon.enabled && chandaemon.report_url.is_empty() {
            self.findings.error(
                self.findings.at("security.chandaemon.enabled"),
                "true without report_url",
                "the address that bans are reported to",
                "set security.chandaemon.report_url, or enabled to false",
            );
        }
        if chandaemon.enabled && !chandaemon.report_url.is_empty() && chandaemon.blocker_url.is_empty() {
            self.findings.warning(
                self.findings.at("security.chandaemon.enabled"),
                "true without blocker_url",
                "the address at which the repository finds this daemon, so that it can lift a ban",
                "set security.chandaemon.blocker_url",
            );
        }
    }

    fn check_listeners(&mut self) {
        self.check_tls();
        let server = &mut self.config.server;
        // Go listens on every address, IPv4 and IPv6, when the host is empty.
        if server.host.is_empty() {
            server.host = "::".into();
        }
        if server.pprof_enabled && !server.pprof_addr.ip().is_loopback() {
            self.findings.error(
                self.findings.at("server.pprof_addr"),
                &format!("{}", server.pprof_addr),
                "a loopback address",
                "write 127.0.0.1:6060",
            );
        }
    }
}
