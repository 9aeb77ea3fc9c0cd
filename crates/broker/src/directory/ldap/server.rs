//! How to connect to the server: [`connecting`].

use super::super::Trouble;
use super::LdapSettings;
use ldap3::LdapConnSettings;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// Checks the URL and reads the authorities' certificates. No certificate is ever taken unchecked.
pub(super) fn connecting(settings: &LdapSettings) -> Result<LdapConnSettings, Trouble> {
    let url = &settings.url;
    let wrong =
        || Trouble::new(format_args!("{url:?} is no LDAP URL; write it as \"ldaps://ldap.example.org\""));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (host, port) = host(rest).ok_or_else(wrong)?;
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(wrong());
    }
    match scheme {
        "ldaps" if settings.start_tls => {
            return Err(Trouble::new("start_tls goes with ldap://; ldaps:// is TLS already"));
        }
        "ldaps" => {}
        "ldap" if settings.start_tls || settings.allow_plain || is_here(host) => {}
        "ldap" => {
            return Err(Trouble::new(format_args!(
                "passwords would go to {host} in plain text: use ldaps:// or start_tls, or set allow_plain"
            )));
        }
        _ => return Err(wrong()),
    }
    let connecting = LdapConnSettings::new().set_starttls(settings.start_tls);
    if scheme == "ldap" && !settings.start_tls {
        return Ok(connecting);
    }
    if host.contains(':') {
        return Err(Trouble::new("TLS to an LDAP server takes a name or an IPv4 address"));
    }
    Ok(connecting.set_config(Arc::new(tls(settings.authorities.as_deref())?)))
}

/// The host, an IPv6 address without its brackets, and the port.
fn host(rest: &str) -> Option<(&str, Option<&str>)> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let is_host = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    let (host, behind) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, behind)
        }
        None => {
            let (host, behind) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
            (!host.is_empty() && is_host(host)).then_some((host, behind))?
        }
    };
    match behind {
        "" => Some((host, None)),
        port => Some((host, Some(port.strip_prefix(':')?))),
    }
}

fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(authorities: Option<&Path>) -> Result<ClientConfig, Trouble> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let wrong =
                |error: &dyn std::fmt::Display| Trouble::new(format_args!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"no certificate in it"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Trouble::new(
                    "the system knows no certificate authorities; name a file with the LDAP server's",
                ));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(Trouble::new)?.with_root_certificates(roots).with_no_client_auth())
}
