//! One request and its answer over plain HTTP/1.1.

use super::{Daemon, Events, Failure};
use crate::http::ErrorBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Where the daemon is, and how its answers are to be printed.
pub(crate) struct Client {
    url: String,
    /// Host and port, as in the URL.
    authority: String,
    host: String,
    port: u16,
    pub(super) json: bool,
}

impl Client {
    /// Understands the URL; connects to nothing yet.
    pub(crate) fn new(daemon: &Daemon, url: &str) -> Result<Client, Failure> {
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
    pub(crate) async fn read(&self, path: &str) -> Result<Bytes, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Bytes, Failure> {
        self.order(Method::POST, path, body).await
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
        serde_json::from_slice(body).map(Some).map_err(|error| self.stranger(error.to_string()))
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
            StatusCode::FORBIDDEN => Failure::NotPermitted(error),
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
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = match timeout(LONGEST_CONNECT, connecting).await {
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
            .header(CONTENT_TYPE, "application/json");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.stranger(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(odd)?;
        Ok((response, talking))
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

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// Longer than the daemon takes to give a request up.
const LONGEST_ANSWER: Duration = Duration::from_secs(40);
