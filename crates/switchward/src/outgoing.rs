//! The HTTP client for what we tell others: bounded in every direction, and no proxy that nobody asked for.
//!
//! [`client`] makes it, [`post`] sends one request and reads no more of the answer than a person would; [`Failure`] never
//! holds the address, because addresses of web hooks are secrets.

use crate::clock;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, Proxy, StatusCode, Url, redirect};
use std::time::Duration;

/// Why something did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Failure {
    /// In words, without address and secrets, on one line.
    pub why: String,
    /// Whether another try may help.
    pub again: bool,
    /// How long the receiver wants us to wait before it.
    pub after: Option<Duration>,
}

impl Failure {
    /// One that another try may mend.
    pub fn passing(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), again: true, after: None }
    }

    /// One that stays until somebody mends it.
    pub fn lasting(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), again: false, after: None }
    }
}

/// A client that follows no redirect, keeps a connection or two, and believes the system's certificates and those of `ca`
/// (PEM).
///
/// # Errors
/// When the certificates or the proxy cannot be used.
pub fn client(timeout: Duration, ca: Option<&str>, proxy: Option<&str>) -> Result<Client, String> {
    crate::tls::provider();
    let extra = match ca {
        Some(pem) => Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| words(&error))?,
        None => Vec::new(),
    };
    let builder = || {
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .connect_timeout(timeout)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("switchward/", env!("CARGO_PKG_VERSION")));
        match proxy {
            Some(proxy) => Ok(builder.proxy(Proxy::all(proxy).map_err(|error| words(&error))?)),
            None => Ok::<_, String>(builder),
        }
    };
    match builder()?.tls_certs_merge(extra.clone()).build() {
        Ok(client) => Ok(client),
        // A machine without any certificates can still speak plain HTTP, or to whom `ca` vouches for.
        Err(_) => builder()?.tls_certs_only(extra).build().map_err(|error| words(&error)),
    }
}

/// Posts a JSON body; any answer below 300 is a success.
///
/// # Errors
/// Says whether to try again: after trouble on the way, a 5xx, a 408 and a 429.
pub async fn post(client: &Client, url: Url, headers: HeaderMap, body: Vec<u8>) -> Result<(), Failure> {
    let request =
        client.post(url.clone()).header("content-type", "application/json").headers(headers).body(body);
    let answer = request.send().await.map_err(|error| Failure::passing(words(&error)))?;
    let status = answer.status();
    if status.as_u16() < 300 {
        return Ok(());
    }
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(retry_after);
    let said = one_line(&scrubbed(beginning(answer).await, &url), LONGEST_WHY);
    let why = match said.is_empty() {
        true => format!("answered {status}"),
        false => format!("answered {status}: {said}"),
    };
    let again = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    Err(Failure { why, again, after })
}

/// What a person needs to know of where something goes: no path, no password.
pub fn place(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
        }
        Err(_) => String::new(),
    }
}

/// An error of the client without the address, with what is behind it.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    // The outermost words name the address; what is below says what went wrong.
    let mut inner = std::error::Error::source(error);
    let mut all: Vec<String> = Vec::new();
    while let Some(error) = inner {
        let text = error.to_string();
        if all.last() != Some(&text) {
            all.push(text);
        }
        inner = error.source();
    }
    match all.is_empty() {
        true => "the request could not be made".into(),
        false => one_line(&all.join(": "), LONGEST_WHY),
    }
}

/// The first words of an answer's body.
async fn beginning(mut answer: reqwest::Response) -> String {
    let mut body = Vec::new();
    while body.len() < READ
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(READ - body.len())]);
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// What a receiver said, without what it repeats of the address: any part of that may be a secret.
fn scrubbed(said: String, url: &Url) -> String {
    let mut parts: Vec<String> = [url.path(), url.username()].map(str::to_owned).into();
    parts.extend(url.query().into_iter().chain(url.password()).map(str::to_owned));
    parts.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
    parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    // The same as a receiver reads it.
    let mut read = url.clone();
    for part in parts.clone() {
        read.set_query(Some(&part.replace('&', "%26").replace('=', "%3D").replace('+', "%2B")));
        parts.extend(read.query_pairs().map(|(name, _)| name.into_owned()));
    }
    parts.retain(|part| part.len() >= SHORTEST_SECRET);
    // What holds another goes first.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    parts.iter().fold(said, |said, part| said.replace(part.as_str(), "***"))
}

/// Printable, on one line, and not longer than `most` characters.
pub fn one_line(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut kept: String = line.chars().filter(|c| !c.is_control()).take(most).collect();
    if line.chars().count() > most {
        kept.push('…');
    }
    kept
}

/// Seconds or a date (RFC 9110 section 10.2.3), an hour at most.
fn retry_after(value: &str) -> Option<Duration> {
    retry_after_at(value, clock::now().secs())
}

fn retry_after_at(value: &str, now: u64) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_second();
            u64::try_from(date).ok()?.saturating_sub(now)
        }
    };
    Some(Duration::from_secs(seconds.min(LONGEST_AFTER)))
}

/// Bytes of a part of an address that is kept out of an error; what is shorter could be any word.
const SHORTEST_SECRET: usize = 4;
/// Bytes of an answer that are read.
const READ: usize = 1024;
/// Characters of a reason.
const LONGEST_WHY: usize = 200;
/// The longest that a receiver may make us wait, in seconds.
const LONGEST_AFTER: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = 784_111_777;
        assert_eq!(retry_after_at("7", now), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:47 GMT";
        assert_eq!(retry_after_at(date, now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after_at(date, now + 60), Some(Duration::ZERO));
        assert_eq!(retry_after_at("99999999999", now), Some(Duration::from_secs(3600)));
        assert_eq!(retry_after_at("soon", now), None);
    }

    #[test]
    fn a_place_has_neither_path_nor_password() {
        assert_eq!(
            place("https://me:secret@hooks.example:8443/services/T0/B0/xyz?key=1"),
            "https://hooks.example:8443"
        );
        assert_eq!(place("http://192.0.2.1/secret"), "http://192.0.2.1");
        assert_eq!(place("nonsense"), "");
    }

    #[test]
    fn what_a_receiver_repeats_of_the_address_is_left_out() {
        let url = Url::parse("https://me:pass-w0rd@hooks.example/services/T0B0/x%2Fy-z?key=s%20cret&v=1#end")
            .unwrap();
        for said in [
            "no hook at /services/T0B0/x%2Fy-z",
            "no hook at /services/T0B0/x/y-z?key=s%20cret&v=1",
            "T0B0 is unknown",
            "who is me:pass-w0rd?",
            "key 's cret' is wrong",
        ] {
            let shown = scrubbed(said.into(), &url);
            assert!(shown.contains("***"), "{shown}");
            for secret in ["T0B0", "y-z", "cret", "w0rd"] {
                assert!(!shown.contains(secret), "{secret} is in {shown}");
            }
        }
        assert_eq!(scrubbed("invalid_payload v=1".into(), &url), "invalid_payload v=1");
    }

    #[test]
    fn a_foreign_text_becomes_one_short_line() {
        assert_eq!(one_line("a\r\n\tb\u{1b}[31m c", 100), "a b[31m c");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }
}
