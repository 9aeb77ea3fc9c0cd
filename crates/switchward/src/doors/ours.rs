//! The daemon's own listeners: how each is secured, and what is weak about it.
//!
//! Start with [`doors`].

use super::{Door, ELSEWHERE, Finding, HERE, Kind, Opened, Place, note, warning};
use crate::access::Access;
use crate::app::App;
use crate::clock;
use crate::config::{Authentication, Config};
use guard::source::fold;
use ipnet::IpNet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Those that listen now.
pub(super) async fn doors(app: &Arc<App>) -> Vec<Door> {
    let open = app.monitor.listening.open.lock().clone();
    let app = app.clone();
    // A file is looked at, which may wait for a disk.
    let looked = tokio::task::spawn_blocking(move || {
        let config = app.config.load();
        open.iter().map(|opened| door(opened, &config, &app.access)).collect()
    });
    looked.await.unwrap_or_default()
}

fn door(opened: &Opened, config: &Config, access: &Access) -> Door {
    let (listens, reach, transport) = match &opened.place {
        Place::Tcp(address, tls) => {
            let reach = if is_exposed(opened) { ELSEWHERE } else { HERE };
            (address.to_string(), reach, if *tls { "TLS" } else { "plain" })
        }
        Place::Unix(path) => (path.display().to_string(), "whoever may open the file", "Unix socket"),
    };
    let (kind, credentials, acl, findings) = match opened.kind {
        Kind::Http => {
            ("http", http_credentials(opened, config), http_acl(config), http(opened, config, access))
        }
        Kind::HttpSocket => {
            let credentials = "none: whoever may open the file may do everything";
            ("http socket", credentials.to_owned(), "the file's mode".to_owned(), Vec::new())
        }
        Kind::Profiling => {
            let weak = note(
                "whoever is on this machine may read which functions run and where memory goes; no values are in it",
                "set server.pprof_enabled = false when nobody looks",
            );
            ("profiling", "none".to_owned(), "loopback".to_owned(), vec![weak])
        }
        Kind::Esl => ("event socket", ESL.to_owned(), "networks of roles and users".to_owned(), esl(opened)),
        Kind::EslSocket => {
            ("event socket on a Unix socket", ESL.to_owned(), "the file's mode".to_owned(), Vec::new())
        }
    };
    let mut door = Door {
        kind: kind.into(),
        of: "switchward".into(),
        listens: vec![listens],
        since: Some(clock::rfc3339(Some(opened.since))),
        since_means: "it began to listen".into(),
        reach: reach.into(),
        transport: transport.into(),
        credentials,
        acl,
        findings,
    };
    if let Place::Unix(path) = &opened.place {
        file(path, &mut door);
    }
    door
}

fn is_exposed(opened: &Opened) -> bool {
    matches!(&opened.place, Place::Tcp(address, _) if !fold(address.ip()).is_loopback())
}

fn http_credentials(opened: &Opened, config: &Config) -> String {
    let proofs = match config.server.tls_client_ca.is_some() {
        true => "a token, a password or a client certificate",
        false => "a token or a password",
    };
    match (config.api.authentication, is_exposed(opened)) {
        (Authentication::Required, _) => format!("{proofs}; none for /health alone"),
        (Authentication::Auto, true) => format!("{proofs}; none for the addresses that may change state"),
        (Authentication::Auto, false) => {
            format!("none to read; {proofs} or an address of the list to change something")
        }
    }
}

fn http_acl(config: &Config) -> String {
    match config.api.authentication {
        Authentication::Required => "none".into(),
        Authentication::Auto => format!("changes without a credential: {}", words(&config.api_allowed())),
    }
}

fn http(opened: &Opened, config: &Config, access: &Access) -> Vec<Finding> {
    let mut findings: Vec<Finding> = access
        .warnings(config)
        .iter()
        .map(|text| match text.rsplit_once("; ") {
            Some((what, mend)) => warning(what, mend),
            None => warning(text, "see docs/access.md"),
        })
        .collect();
    if config.api.authentication == Authentication::Required {
        return findings;
    }
    let allowed = config.api_allowed();
    let far: Vec<IpNet> = allowed.iter().filter(|net| !net.addr().is_loopback()).copied().collect();
    if let Some(all) = far.iter().find(|net| net.prefix_len() == 0) {
        findings.push(warning(
            format!("anybody may change state without a credential: {all} is on the list of addresses"),
            "name the addresses in api.allowed_ips and security.chandaemon.allowed_api_ips",
        ));
    } else if is_exposed(opened) && !far.is_empty() {
        findings.push(note(
            format!("whoever has an address of {} changes state without a credential", words(&far)),
            "set api.authentication = \"required\" when no script depends on it any more",
        ));
    }
    if allowed.len() > far.len() {
        findings.push(note(
            "every user and program of this machine may read, and change what is banned, without a credential",
            "set api.authentication = \"required\" when no script depends on it any more",
        ));
    }
    findings
}

fn esl(opened: &Opened) -> Vec<Finding> {
    match &opened.place {
        Place::Tcp(_, false) if is_exposed(opened) => vec![warning(
            "it can be reached from elsewhere without TLS: tokens and passwords can be read on their way",
            "set broker.door.tls_cert and tls_key and remove broker.door.plain, or host = \"127.0.0.1\"",
        )],
        _ => Vec::new(),
    }
}

/// Who may open a Unix socket.
fn file(path: &Path, door: &mut Door) {
    match std::fs::symlink_metadata(path) {
        Ok(there) => {
            let mode = there.permissions().mode() & 0o777;
            door.acl = format!("mode {mode:04o}, user {}, group {}", there.uid(), there.gid());
            if mode & 0o006 != 0 {
                door.findings.push(warning(
                    format!("every user of this machine may open it (mode {mode:04o})"),
                    format!("chmod 660 {}", path.display()),
                ));
            }
        }
        Err(error) => door.findings.push(warning(
            format!("nobody can open it any more: {error}"),
            "restart the daemon, and find out who removed the file",
        )),
    }
}

fn words(nets: &[IpNet]) -> String {
    let word = |net: &IpNet| match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    };
    nets.iter().map(word).collect::<Vec<_>>().join(", ")
}

const ESL: &str = "a token, or a name and password of a directory";
