//! TLS: the certificate, its reload, and who a client certificate says its owner is.
//!
//! [`Tls::open`] at the start, [`Tls::refresh`] every second: files that have changed are taken over when they are sound, for the
//! connections that come; those there are go on. A broken file leaves the old certificate in force and says so.

use super::book::Stamp;
use super::role::Role;
use crate::config::Server;
use crate::config::broker::Door;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The files, and what they last said.
pub(crate) struct Tls {
    files: Files,
    current: ArcSwap<Current>,
    seen: Mutex<[Option<Stamp>; 3]>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authority: Option<PathBuf>,
}

/// What is in force.
struct Current {
    config: Arc<ServerConfig>,
    /// Seconds since 1970 at which the certificate ends.
    ends: i64,
    /// Why the present files cannot be used.
    trouble: Option<String>,
}

impl Tls {
    /// Reads the certificate, when there is to be one.
    ///
    /// # Errors
    /// What is wrong with the files, and the mend.
    pub(crate) fn open(server: &Server) -> Result<Option<Tls>, String> {
        let (Some(certificate), Some(key)) = (&server.tls_cert, &server.tls_key) else { return Ok(None) };
        Tls::read(certificate, key, server.tls_client_ca.as_ref()).map(Some)
    }

    /// The same for the event socket door, when it has a certificate of its own.
    ///
    /// # Errors
    /// What is wrong with the files, and the mend.
    pub(crate) fn open_for_door(door: &Door) -> Result<Option<Tls>, String> {
        let (Some(certificate), Some(key)) = (&door.tls_cert, &door.tls_key) else { return Ok(None) };
        Tls::read(certificate, key, None).map(Some)
    }

    fn read(certificate: &Path, key: &Path, authority: Option<&PathBuf>) -> Result<Tls, String> {
        let files = Files { certificate: certificate.into(), key: key.into(), authority: authority.cloned() };
        let seen = Mutex::new(files.stamps());
        let current = ArcSwap::from_pointee(files.read()?);
        Ok(Tls { files, current, seen })
    }

    /// What a new connection is greeted with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.current.load().config.clone()
    }

    /// The next [`Tls::refresh`] reads the files, changed or not.
    pub(crate) fn distrust(&self) {
        *self.seen.lock() = [None; 3];
    }

    /// Reads the files again when they have changed. Reads a disk: not for the threads of a runtime.
    pub(crate) fn refresh(&self) {
        let mut seen = self.seen.lock();
        let stamps = self.files.stamps();
        let said = self.current.load().trouble.clone();
        if *seen == stamps && said.is_none() {
            return;
        }
        *seen = stamps;
        match self.files.read() {
            Ok(fresh) => {
                self.current.store(Arc::new(fresh));
                tracing::info!(file = %self.files.certificate.display(), "the certificate is read anew");
            }
            Err(trouble) if said.as_ref() == Some(&trouble) => {}
            Err(trouble) => {
                tracing::error!("{trouble}; the certificate read before stays in force");
                let old = self.current.load();
                let (config, ends) = (old.config.clone(), old.ends);
                self.current.store(Arc::new(Current { config, ends, trouble: Some(trouble) }));
            }
        }
    }

    /// What an operator should mend.
    pub(crate) fn warnings(&self, now: i64) -> Vec<String> {
        let current = self.current.load();
        let file = self.files.certificate.display();
        let mut warnings: Vec<String> = current.trouble.iter().cloned().collect();
        match (current.ends - now) / 86_400 {
            _ if current.ends <= now => warnings.push(format!("the certificate {file} has ended; renew it")),
            days if days < 14 => {
                warnings.push(format!("the certificate {file} ends in {days} days; renew it"));
            }
            _ => {}
        }
        warnings
    }
}

impl Files {
    fn stamps(&self) -> [Option<Stamp>; 3] {
        let authority = self.authority.as_deref();
        [Stamp::of(&self.certificate), Stamp::of(&self.key), authority.and_then(Stamp::of)]
    }

    fn read(&self) -> Result<Current, String> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("server.tls_key {} cannot be used: {error}", self.key.display()))?;
        let ends = chain.first().and_then(|first| X509Certificate::from_der(first).ok());
        let ends = ends.map_or(i64::MAX, |(_, first)| first.validity().not_after.timestamp());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let wrong = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS cannot be set up", &error))?;
        let builder = match &self.authority {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| {
                        wrong(&format!("server.tls_client_ca {} cannot be used", path.display()), &error)
                    })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| wrong("client certificates cannot be checked", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            format!("server.tls_cert {certificate} and server.tls_key {key} do not make a pair that can be used: {error}")
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Current { config: Arc::new(config), ends, trouble: None })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong =
        |error: &dyn std::fmt::Display| format!("the certificate {} cannot be used: {error}", path.display());
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?.collect();
    let all = all.map_err(|error| wrong(&error))?;
    if all.is_empty() { Err(wrong(&"there is none in it")) } else { Ok(all) }
}

/// Whom a client certificate, found to be in order, is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// The common name first, then the alternative names; never none.
    pub names: Vec<String>,
}

impl Certificate {
    /// The names in a certificate (DER); `None` when there are none.
    pub(crate) fn of(der: &[u8]) -> Option<Certificate> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let mut names: Vec<String> = common.map(printable).collect();
        if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
            names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
                    Some(printable(text))
                }
                _ => None,
            }));
        }
        names.retain(|name| !name.is_empty());
        names.truncate(MOST_NAMES);
        (!names.is_empty()).then_some(Certificate { names })
    }

    /// The role that `api.certificate_roles` gives to one of the names: the first line that fits. A viewer's for all others.
    pub(crate) fn role(&self, roles: &[String]) -> Role {
        let given = roles.iter().filter_map(|line| {
            let (name, role) = line.rsplit_once('=')?;
            self.names.iter().any(|own| own == name.trim()).then(|| role.parse().ok())?
        });
        given.into_iter().next().unwrap_or(Role::Viewer)
    }
}

fn printable(text: &str) -> String {
    guard::printable(text.chars().take(64).collect::<String>().as_bytes())
}

/// Most names of one certificate that are looked at.
const MOST_NAMES: usize = 16;
