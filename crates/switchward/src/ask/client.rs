//! One request and its answer over plain HTTP/1.1.

use super::{Daemon, Failure};
use crate::http::ErrorBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where the daemon is, and how its answers are to be printed.
pub(super) struct Client {
    url: String,
    /// Host and port, as in the URL.
    authority: String,
    host: String,
    port: u16,
    pub(super) json: bool,
}

impl Client {
    /// Understands the URL; connects to nothing yet.
    pub(super) fn new(daemon: &Daemon, url: &str) -> Result<Client, Failure> {
        let url = daemon.url.as_deref().unwrap_or(url).trim_end_matches('/');
        let bad = |reason| Failure::BadUrl { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("https is not spoken here")),
            _ => return Err(bad("http:// is missing")),
        }
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        if uri.path().len() > 1 || authority.as_str().contains('@') {
            return Err(bad("only host and port belong in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        Ok(Client { url: url.to_owned(), authority: authority.to_string(), host, port, json: daemon.json })
    }

    /// GET.
    pub(super) async fn read(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// POST.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Bytes, Failure> {
        let body = serde_json::to_vec(body).map_err(std::io::Error::from)?;
        self.ask(Method::POST, path, body.into()).await
    }

    /// DELETE.
    pub(super) async fn delete(&self, path: &str) -> Result<Bytes, Failure> {
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
        serde_json::from_slice(body).map(Some).map_err(|error| self.stranger(error.to_string()))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Failure> {
        let asked = timeout(LONGEST_ANSWER, self.exchange(method, path, body)).await;
        let (status, body) = asked.map_err(|_| self.not_running("it did not answer in time"))??;
        if status.is_success() {
            return Ok(body);
        }
        let Ok(ErrorBody { error }) = serde_json::from_slice(&body) else {
            return Err(self.stranger(format!("it said {status}")));
        };
        Err(match status {
            StatusCode::FORBIDDEN => Failure::NotPermitted(error),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => self.stranger(error),
            status if status.is_client_error() => Failure::Refused(error),
            _ => Failure::Unable(error),
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = match timeout(LONGEST_CONNECT, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.not_running(error.to_string())),
            Err(_) => return Err(self.not_running("no connection within 5 s")),
        };
        let odd = |error: hyper::Error| self.stranger(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(odd)?;
        let talking = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.stranger(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(odd)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(odd)?.to_bytes();
        talking.abort();
        Ok((status, body))
    }

    fn not_running(&self, reason: impl Into<String>) -> Failure {
        Failure::NotRunning { url: self.url.clone(), reason: reason.into() }
    }

    fn stranger(&self, reason: impl Into<String>) -> Failure {
        Failure::Stranger { url: self.url.clone(), reason: reason.into() }
    }
}

/// A target as a part of a path.
pub(super) fn in_path(target: &str) -> String {
    target.replace('/', "%2F").replace('[', "%5B").replace(']', "%5D")
}

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// Longer than the daemon takes to give a request up.
const LONGEST_ANSWER: Duration = Duration::from_secs(40);
