//! One request and its answer over HTTP/1.1: plain, over TLS, or on the daemon's Unix socket.

use super::{Daemon, Events, Failure};
use crate::config::Secret;
use crate::http::ErrorBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Where the daemon is, and how its answers are to be printed.
pub(crate) struct Client {
    url: String,
    /// Host and port, as in the URL.
    authority: String,
    way: Way,
    /// What proves who we are.
    token: Option<Secret>,
    pub(super) json: bool,
}

/// The way to the daemon.
enum Way {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, config: Arc<ClientConfig> },
    Unix(PathBuf),
}

/// Anything that bytes go over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Client {
    /// Understands the URL; connects to nothing yet.
    pub(crate) fn new(daemon: &Daemon, url: &str) -> Result<Client, Failure> {
        let url = daemon.url.as_deref().unwrap_or(url).trim_end_matches('/');
        let bad = |reason| Failure::BadUrl { url: url.to_owned(), reason };
        let json = daemon.json;
        if let Some(path) = url.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(bad("a path that begins with / belongs behind unix:"));
            }
            // Whoever may open it may do everything: a token would only take rights away.
            let (way, authority) = (Way::Unix(path.into()), "localhost".to_owned());
            return Ok(Client { url: url.to_owned(), authority, way, token: None, json });
        }
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("http:// is missing")),
        };
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        if uri.path().len() > 1 || authority.as_str().contains('@') {
            return Err(bad("only host and port belong in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let way = match is_tls {
            true => Way::Tls { host, port, config: tls(daemon.ca.as_deref())? },
            false => Way::Tcp { host, port },
        };
        let token = token(daemon)?;
        // A configuration that lies about in some directory must not learn it.
        let is_near = matches!(&way, Way::Tcp { host, .. } if is_loopback(host));
        if token.is_some() && daemon.url.is_none() && !is_tls && !is_near {
            return Err(Failure::TokenInPlain(url.to_owned()));
        }
        Ok(Client { url: url.to_owned(), authority: authority.to_string(), way, token, json })
    }

    /// GET.
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Bytes, Failure> {
        self.order(Method::POST, path, body).await
    }

    /// POST of a text as it is.
    pub(crate) async fn upload(&self, path: &str, text: Bytes) -> Result<Bytes, Failure> {
        self.ask(Method::POST, path, text).await
    }

    /// GET of an answer of any length, which goes to `out` while it arrives. Returns its bytes.
    pub(crate) async fn download(&self, path: &str, out: &mut dyn Write) -> Result<u64, Failure> {
        let late = |_| self.not_running("it did not answer in time");
        let sending = self.send(Method::GET, path, Bytes::new(), None);
        let (response, _talking) = timeout(LONGEST_ANSWER, sending).await.map_err(late)??;
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            let body = timeout(LONGEST_ANSWER, body.collect()).await.map_err(late)?;
            let body = body.map_err(|error| self.stranger(error.to_string()))?;
            return Err(self.failure(head.status, &body.to_bytes()));
        }
        let mut bytes = 0;
        while let Some(frame) = timeout(LONGEST_ANSWER, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(|error| self.stranger(format!("the answer is cut off: {error}")))?;
            if let Ok(text) = frame.into_data() {
                out.write_all(&text)?;
                bytes += text.len() as u64;
            }
        }
        Ok(bytes)
    }

    /// Any method with a body.
    pub(crate) async fn order(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Bytes, Failure> {
        let body = serde_json::to_vec(body).map_err(std::io::Error::from)?;
        self.ask(method, path, body.into()).await
    }

    /// Follows server-sent events, after the one of this number.
    pub(crate) async fn open(&self, path: &str, last: Option<&str>) -> Result<Events, Failure> {
        let opening = self.send(Method::GET, path, Bytes::new(), last);
        let (response, talking) = timeout(LONGEST_ANSWER, opening)
            .await
            .map_err(|_| self.not_running("it did not answer in time"))??;
        let status = response.status();
        if status.is_success() {
            return Ok(Events::new(self.where_it_is(), response.into_body(), talking));
        }
        let body = response.into_body().collect().await.map_err(|error| self.stranger(error.to_string()))?;
        Err(self.failure(status, &body.to_bytes()))
    }

    /// Where the daemon is, as a person would write it.
    pub(crate) fn where_it_is(&self) -> String {
        self.url.clone()
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    /// Prints the answer as it came when that is wanted; else gives it back understood.
    pub(super) fn understand<T: DeserializeOwned>(
        &self,
        body: &Bytes,
        out: &mut dyn Write,
    ) -> Result<Option<T>, Failure> {
        if self.json {
            out.write_all(body)?;
            out.write_all(b"\n")?;
            return Ok(None);
        }
        self.parsed(body).map(Some)
    }

    /// The answer understood.
    pub(crate) fn parsed<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(body).map_err(|error| self.stranger(error.to_string()))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let asked = timeout(LONGEST_ANSWER, self.exchange(method, path, body)).await;
        let (status, body) = asked.map_err(|_| self.not_running("it did not answer in time"))??;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.failure(status, &body))
    }

    /// What an answer that is no success means.
    fn failure(&self, status: StatusCode, body: &[u8]) -> Failure {
        let Ok(ErrorBody { error }) = serde_json::from_slice(body) else {
            return self.stranger(format!("it said {status}"));
        };
        match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Failure::NotPermitted(error),
            // What is not there, or a daemon that does not know the path.
            StatusCode::NOT_FOUND if !error.starts_with("there is nothing at ") => Failure::Refused(error),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => self.stranger(error),
            status if status.is_client_error() => Failure::Refused(error),
            _ => Failure::Unable(error),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let (response, _talking) = self.send(method, path, body, None).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| self.stranger(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// Sends a request; its answer's head, and the connection, which lives as long as [`Talking`] does.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        last: Option<&str>,
    ) -> Result<(Response<Incoming>, Talking), Failure> {
        let stream = match timeout(LONGEST_CONNECT, self.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.not_running(error.to_string())),
            Err(_) => return Err(self.not_running("no connection within 5 s")),
        };
        let odd = |error: hyper::Error| self.stranger(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(odd)?;
        let talking = Talking(tokio::spawn(connection));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, body_type(path));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.stranger(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(odd)?;
        Ok((response, talking))
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        match &self.way {
            Way::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Way::Tcp { host, port } => Ok(Box::new(TcpStream::connect((host.as_str(), *port)).await?)),
            Way::Tls { host, port, config } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
                Ok(Box::new(TlsConnector::from(config.clone()).connect(name, stream).await?))
            }
        }
    }

    pub(crate) fn not_running(&self, reason: impl Into<String>) -> Failure {
        Failure::NotRunning { url: self.url.clone(), reason: reason.into() }
    }

    pub(crate) fn stranger(&self, reason: impl Into<String>) -> Failure {
        Failure::Stranger { url: self.url.clone(), reason: reason.into() }
    }
}

/// A connection that is talked over; it ends with this.
pub(crate) struct Talking(JoinHandle<hyper::Result<()>>);

impl Drop for Talking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The token of the environment, or of a file.
fn token(daemon: &Daemon) -> Result<Option<Secret>, Failure> {
    if let Some(path) = &daemon.token_file {
        let text = std::fs::read_to_string(path);
        let text =
            text.map_err(|error| Failure::Files(format!("cannot read {}: {error}", path.display())))?;
        return Ok(Some(Secret::from(text.trim())));
    }
    let text = std::env::var("SWITCHWARD_TOKEN").unwrap_or_default();
    Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(Secret::from))
}

/// Trusts the authorities of a file, or those of the system.
fn tls(authorities: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Files(format!("TLS cannot be set up: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
    let config = match authorities {
        None => builder.with_platform_verifier().map_err(|error| wrong(&error))?.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            let all = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
            for certificate in all {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

/// A target, a pattern or an account as one part of a path, or a value of a query (RFC 3986 section 2.3).
pub(crate) fn in_path(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'*' => {
                path.push(char::from(byte));
            }
            _ => path += &format!("%{byte:02X}"),
        }
    }
    path
}

/// What the body of a request is called: only lists to import can be anything but JSON.
fn body_type(path: &str) -> &'static str {
    match path.contains("format=csv") || path.contains("format=ipset") {
        true => "text/plain",
        false => "application/json",
    }
}

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// Longer than the daemon takes to give a request up.
const LONGEST_ANSWER: Duration = Duration::from_secs(40);
