//! Who may change state: permitted peers only, and no page of another site through an operator's browser.
//!
//! The peer is that of the connection; a forwarded header counts for nothing. A browser tells in `Origin` which site
//! made it ask; curl and scripts send none.

use super::{Error, Who};
use crate::app::App;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

/// Lets a request pass that only reads, or whose peer may change state.
pub(super) async fn gate(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(next.run(request).await);
    }
    let who = Who::of(request.extensions());
    let allowed = app.config.load().api_allowed();
    if !who.peer.is_some_and(|peer| allowed.iter().any(|net| net.contains(&peer))) {
        tracing::info!(%who, method = %request.method(), path = request.uri().path(), "a peer that may not change state tried to");
        return Err(Error::forbidden(NOT_PERMITTED));
    }
    if is_cross_site(request.headers(), &app.config.load().server.host) {
        tracing::info!(%who, method = %request.method(), path = request.uri().path(), "a page of another site tried to change state");
        return Err(Error::forbidden(CROSS_SITE));
    }
    Ok(next.run(request).await)
}

/// Whether a browser asks on behalf of a page from elsewhere (RFC 6454 section 7).
///
/// A name that somebody else's DNS points at this machine is elsewhere, too: at home are addresses, `localhost` and
/// `own`, the configured host.
fn is_cross_site(headers: &HeaderMap, own: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_ascii_lowercase);
    let (Ok(origin), Some(Ok(host))) = (text(origin), headers.get(HOST).map(text)) else { return true };
    let standard = match origin.split_once("://") {
        Some(("http", _)) => ":80",
        Some(("https", _)) => ":443",
        // "null" is what a browser says for a page that has no origin to name.
        _ => return true,
    };
    let named = origin.split_once("://").map_or("", |(_, named)| named);
    let bare = |text: &str| text.strip_suffix(standard).unwrap_or(text).to_owned();
    origins.next().is_some() || bare(named) != bare(&host) || !is_home(&host, own)
}

/// Whether a `Host` header (in lower case) names this machine in a way that no foreign DNS can make up.
pub(super) fn is_home(host: &str, own: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.eq_ignore_ascii_case(own)
}

/// What a peer that may not change state is told; the contract's words.
const NOT_PERMITTED: &str = "source IP not permitted for this operation";
const CROSS_SITE: &str = "a page of another site may not change state here";
/// What a browser's request with another content type is told.
pub(super) const ORIGIN_NEEDS_JSON: &str = "the body must be called application/json";

#[cfg(test)]
mod tests {
    use super::*;

    fn cross_site(origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(HOST, host.parse().unwrap());
        is_cross_site(&headers, "pbx.example")
    }

    #[test]
    fn an_origin_is_at_home_only_on_its_own_host_and_port() {
        for (origin, host) in [
            ("http://127.0.0.1:8088", "127.0.0.1:8088"),
            ("http://pbx.example", "pbx.example"),
            ("http://pbx.example:80", "PBX.example"),
            ("https://pbx.example", "pbx.example:443"),
            ("http://[2001:db8::1]:8088", "[2001:db8::1]:8088"),
            ("http://localhost:8088", "localhost:8088"),
        ] {
            assert!(!cross_site(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://evil.example", "127.0.0.1:8088"),
            ("http://127.0.0.1:9", "127.0.0.1:8088"),
            ("http://127.0.0.1", "127.0.0.1:8088"),
            ("null", "127.0.0.1:8088"),
            ("file://", "127.0.0.1:8088"),
            ("http://127.0.0.1:8088.evil.example", "127.0.0.1:8088"),
            ("https://pbx.example", "pbx.example:80"),
            // A foreign name that resolves to this machine.
            ("http://rebound.example:8088", "rebound.example:8088"),
        ] {
            assert!(cross_site(origin, host), "{origin} {host}");
        }
        assert!(!is_cross_site(&HeaderMap::new(), ""));
    }

    #[test]
    fn two_origins_are_one_too_many() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "a".parse().unwrap());
        headers.append(ORIGIN, "http://a".parse().unwrap());
        headers.append(ORIGIN, "http://b".parse().unwrap());
        assert!(is_cross_site(&headers, "a"));
    }
}
