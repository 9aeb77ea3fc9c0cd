//! TLS: its reload, client certificates, and what plain HTTP is told.

use crate::support::{Daemon, Kernel, within};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and what it signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key (PEM).
struct Pair {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, alternative: &str) -> Pair {
        let mut params = CertificateParams::new(vec![alternative.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }
}

fn write(folder: &Path, pair: &Pair) {
    std::fs::write(folder.join("key.pem"), &pair.key).unwrap();
    std::fs::write(folder.join("cert.pem"), &pair.certificate).unwrap();
}

/// A connection that trusts `authority`, with a client certificate or without.
async fn connect(
    daemon: &Daemon,
    authority: &Authority,
    own: Option<&Pair>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(daemon.address).await?;
    let name = ServerName::try_from("pbx.example").unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// The status of an answer, on a connection that goes on.
async fn ask(stream: &mut TlsStream<TcpStream>, line: &str) -> std::io::Result<u16> {
    let body = r#"{"ip": "203.0.113.5"}"#;
    let head =
        format!("{line} HTTP/1.1\r\nHost: pbx.example\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = within(stream.read(&mut piece)).await?;
        answer.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else {
            assert!(length > 0, "cut off: {text}");
            continue;
        };
        let head = head.to_ascii_lowercase();
        let wanted =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if rest.len() >= wanted {
            return Ok(head.split(' ').nth(1).unwrap().parse().unwrap());
        }
    }
}

async fn daemon(folder: &Path, authority: Option<&Authority>) -> Daemon {
    if let Some(authority) = authority {
        std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    }
    Daemon::with(Kernel::None, |config| {
        config.server.tls_cert = Some(folder.join("cert.pem"));
        config.server.tls_key = Some(folder.join("key.pem"));
        config.server.tls_client_ca = authority.map(|_| folder.join("ca.pem"));
        config.security.chandaemon.allowed_api_ips = vec!["192.0.2.1/32".parse().unwrap()];
        config.api.certificate_roles = vec!["olga=operator".into(), "cron.example=admin".into()];
    })
    .await
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_open_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    write(folder.path(), &old.sign("pbx", "pbx.example"));
    let daemon = daemon(folder.path(), None).await;
    let mut open = connect(&daemon, &old, None).await.unwrap();
    assert_eq!(ask(&mut open, "GET /security/status").await.unwrap(), 200);
    // One that cannot be used changes nothing, and is told.
    std::fs::write(folder.path().join("cert.pem"), "no certificate").unwrap();
    daemon.app.access.tick();
    connect(&daemon, &old, None).await.unwrap();
    let warnings = daemon.app.access.warnings(&daemon.app.config.load());
    assert!(warnings.iter().any(|warning| warning.contains("cert.pem cannot be used")), "{warnings:?}");
    // A certificate without its own key is none, either.
    std::fs::write(folder.path().join("cert.pem"), new.sign("pbx", "pbx.example").certificate).unwrap();
    daemon.app.access.tick();
    connect(&daemon, &old, None).await.unwrap();
    write(folder.path(), &new.sign("pbx", "pbx.example"));
    daemon.app.access.tick();
    assert!(connect(&daemon, &old, None).await.is_err(), "the old one is no longer shown");
    connect(&daemon, &new, None).await.unwrap();
    assert_eq!(ask(&mut open, "GET /security/status").await.unwrap(), 200);
    assert!(daemon.app.access.warnings(&daemon.app.config.load()).is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_a_credential_with_the_role_that_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let (server, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    write(folder.path(), &server.sign("pbx", "pbx.example"));
    let daemon = daemon(folder.path(), Some(&clients)).await;
    for (pair, read, change, admin) in [
        (Some(clients.sign("vera", "vera.example")), 200, 403, 403),
        (Some(clients.sign("olga", "olga.example")), 200, 200, 403),
        // There is no level in the body: 400 tells that the order was let through.
        (Some(clients.sign("cron job", "cron.example")), 200, 200, 400),
        (None, 200, 403, 403),
    ] {
        // One connection for each: a stranger that is refused loses his.
        for (asked, status) in [
            ("GET /security/status", read),
            ("POST /security/blacklist", change),
            ("POST /security/esl/log-level", admin),
        ] {
            let mut stream = connect(&daemon, &server, pair.as_ref()).await.unwrap();
            assert_eq!(ask(&mut stream, asked).await.unwrap(), status, "{asked}");
        }
    }
    // With TLS 1.3 a client learns at its first read that its certificate was not taken.
    let stranger = strangers.sign("olga", "olga.example");
    let refused = match connect(&daemon, &server, Some(&stranger)).await {
        Ok(mut stream) => ask(&mut stream, "GET /security/status").await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "anybody can make a certificate in olga's name");
    let store = daemon.app.mirror.store().unwrap().clone();
    store.settle().await.unwrap();
    let rows = tokio::task::spawn_blocking(move || {
        let query = switchward::store::audit::Query { limit: 100, ..Default::default() };
        switchward::store::audit::select(&store.reader().unwrap(), &query).unwrap()
    });
    let rows = rows.await.unwrap();
    let olga = rows.iter().find(|row| row.entry.who == "olga" && row.entry.status == 200).unwrap();
    assert_eq!((olga.entry.role.as_str(), olga.entry.door.as_str()), ("operator", "https"));
}

#[tokio::test]
async fn plain_http_is_told_that_the_port_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &Authority::new().sign("pbx", "pbx.example"));
    let daemon = daemon(folder.path(), None).await;
    let answer = daemon.get("/health").await;
    assert_eq!(answer.error(400), "this port speaks TLS: write https:// for it");
    // What is neither is closed, and the daemon goes on.
    let mut stream = TcpStream::connect(daemon.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).await.unwrap();
    let mut rest = Vec::new();
    _ = within(stream.read_to_end(&mut rest)).await;
    assert_eq!(daemon.get("/health").await.status, 400);
}
