//! The other ways in: TLS and a Unix socket.

use crate::support::*;
use broker::desk;
use broker::door::Tls;
use esl::server::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// TLS before the site's door, and a client that trusts it.
async fn secured(site: &Site) -> (SocketAddr, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["door.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let tls: Tls = Arc::new(move || config.clone());
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), site.door.server_config()).await.unwrap();
    let address = server.local_addr().unwrap();
    let door = site.door.clone();
    tokio::spawn(async move { door.serve(&server, desk::Door::EslTls, Some(tls)).await });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (address, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn over_tls_everything_is_the_same() {
    let site = Site::open().await;
    let (address, connector) = secured(&site).await;
    // One who never shakes hands holds up nobody.
    let _silent = TcpStream::connect(address).await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connector.connect(ServerName::try_from("door.example").unwrap(), stream).await.unwrap();
    let mut client = Talker::greeted(stream).await;
    assert_eq!(client.ask("auth token-monitor").await.text, "+OK accepted");
    assert!(client.ask("api status").await.body.starts_with("UP "));
    assert_eq!(client.ask("event plain HEARTBEAT").await.text, "+OK event listener enabled plain");
    site.switch.beat();
    assert!(client.event().await.body.contains("Event-Name: HEARTBEAT"));
    assert_eq!(site.door.clients()[0].door, desk::Door::EslTls);
    assert_eq!(client.ask("exit").await.text, "+OK bye");
    assert_eq!(client.next().await.unwrap().kind, "text/disconnect-notice");
}

#[tokio::test]
async fn whoever_speaks_without_tls_where_it_is_wanted_gets_nothing() {
    let site = Site::open().await;
    let (address, _) = secured(&site).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"auth token-monitor\n\napi status\n\n").await.unwrap();
    until(|| site.door.counts.handshakes_failed.load(Relaxed) == 1).await;
    assert!(site.received().is_empty() && site.door.clients().is_empty());
}

#[tokio::test]
async fn over_a_unix_socket_the_client_has_no_address() {
    let site = Site::open().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door.sock");
    let server = Server::over_unix(UnixListener::bind(&path).unwrap(), site.door.server_config());
    let door = site.door.clone();
    tokio::spawn(async move { door.serve(&server, desk::Door::EslSocket, None).await });
    let mut client = Talker::greeted(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(client.ask("auth token-monitor").await.text, "+OK accepted");
    assert!(client.ask("api status").await.body.starts_with("UP "));
    let seen = site.door.clients().remove(0);
    assert_eq!((seen.door, seen.peer.ip()), (desk::Door::EslSocket, None));
    let mut stranger = Talker::greeted(UnixStream::connect(&path).await.unwrap()).await;
    assert_eq!(stranger.ask("auth wrong").await.text, "-ERR invalid");
    assert_eq!(site.porter.failed.lock().unwrap().pop(), Some(("token".to_owned(), None)));
}
