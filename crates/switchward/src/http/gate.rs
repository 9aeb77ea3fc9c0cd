//! The gate: who asks, whether they may, and a line in the audit for every change and every refusal.
//!
//! The peer is that of the connection; a forwarded header counts for nothing. [`admit`] finds out who it is (`access`), compares their
//! rights with what the request needs, and keeps out what a page of another site makes an operator's browser ask. A browser tells in
//! `Origin` which site made it ask; curl and scripts send none.

use super::{Error, Who};
use crate::access::record::{self, Asked, Note};
use crate::access::{Access, Arrival, Denied, Door, Role, identify, operators, role};
use crate::app::App;
use crate::config::{Authentication, Config};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, HOST, ORIGIN, REFERER, RETRY_AFTER, UPGRADE, USER_AGENT,
    WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lets a request pass whose sender may ask that, and writes down what came of it.
pub(super) async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let (mut parts, body) = request.into_parts();
    let arrival = parts.extensions.get::<Arrival>().cloned().unwrap_or_default();
    let route = parts.extensions.get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let action = format!("{} {}", parts.method, route.as_deref().unwrap_or("(no such path)"));
    // The path of an unban link is a secret until it is used.
    let is_secret = parts.uri.path().starts_with("/unban/");
    let path = if is_secret { String::new() } else { record::brief(parts.uri.path()) };
    let named = if route.as_deref() == Some(parts.uri.path()) { String::new() } else { path };
    let asked = |detail, status: StatusCode, result: String| {
        let (action, status, took) = (action.clone(), status.as_u16(), begun.elapsed());
        Asked { action, detail, status, result, took }
    };
    let who = match admit(&app, &arrival, &parts).await {
        Ok(who) => who,
        Err(refused) => {
            let Refused { who, why, mut response } = *refused;
            if !who.is_proven() {
                // A stranger who may not gives his place back, instead of asking on.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            record::refusal(&app, &who, asked(named, response.status(), why));
            return response;
        }
    };
    let changes = !role::is_read(parts.method.as_str());
    let note = Note::default();
    parts.extensions.insert(who.clone());
    parts.extensions.insert(note.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // What the desk judged it has written down itself, with more.
    if changes && response.extensions().get::<Judged>().is_none() {
        let detail = if named.is_empty() { note.text() } else { named };
        record::change(&app, &who, asked(detail, response.status(), outcome(response.status()).into()));
    }
    response.extensions_mut().insert(who);
    response
}

/// In the extensions of an answer: the broker's audit has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged;

/// What came of a request, in words that hold nothing of its body.
fn outcome(status: StatusCode) -> &'static str {
    match status {
        status if status.is_success() => "done",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "nothing of that kind",
        status if status.is_client_error() => "not carried out",
        _ => "failed",
    }
}

/// A request that is not let in.
struct Refused {
    who: Who,
    /// For the audit; the peer is told less.
    why: String,
    response: Response,
}

impl Refused {
    fn with(who: Who, why: impl Into<String>, status: StatusCode, text: &str) -> Box<Refused> {
        let response = Error::new(status, text).into_response();
        Box::new(Refused { who, why: why.into(), response })
    }

    /// 401, with what would be taken (RFC 9110 section 11.6.1).
    fn unproven(app: &App, who: Who, why: impl Into<String>, text: &str) -> Box<Refused> {
        let mut refused = Refused::with(who, why, StatusCode::UNAUTHORIZED, text);
        let headers = refused.response.headers_mut();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"switchward\""));
        if app.access.has_users() {
            let basic = HeaderValue::from_static("Basic realm=\"switchward\", charset=\"UTF-8\"");
            headers.append(WWW_AUTHENTICATE, basic);
        }
        refused
    }

    fn later(who: Who, why: &str, status: StatusCode, text: &str, wait: Duration) -> Box<Refused> {
        let mut refused = Refused::with(who, why, status, text);
        let seconds = HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        refused.response.headers_mut().insert(RETRY_AFTER, seconds);
        refused
    }
}

/// Who asks, if they may ask that.
async fn admit(app: &Arc<App>, arrival: &Arrival, parts: &Parts) -> Result<Who, Box<Refused>> {
    let headers = &parts.headers;
    let stranger = || Who::stranger(arrival);
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map_or_else(|| parts.uri.path(), MatchedPath::as_str);
    // Nobody is asked for a credential here, so that a wrong one is no matter.
    let Some(needed) = role::needed(parts.method.as_str(), route) else { return Ok(stranger()) };
    let config = app.config.load_full();
    let own = Own { config: &config, access: &app.access };
    // Before the credential is looked at: no page of another site uses up what the operator's address may get wrong. Passwords are
    // all that a browser sends by itself, with reads, too.
    // A page that opens a WebSocket may read what comes, which no rule of browsers keeps from it (RFC 6455 section 10.2).
    let is_change = !role::is_read(parts.method.as_str()) || headers.contains_key(UPGRADE);
    let is_by_password = || app.access.has_passwords() && shows_password(headers);
    if arrival.door != Door::Socket && (is_change || is_by_password()) && is_cross_site(headers, &own) {
        let (why, text) = match is_change {
            true => ("a page of another site tried to change state", CROSS_SITE),
            false => ("a page of another site used a password", CROSS_SITE_READ),
        };
        return Err(Refused::with(stranger(), why, StatusCode::FORBIDDEN, text));
    }
    let mut who = match identify(app, arrival, headers).await {
        Ok(who) => who,
        Err(Denied::Wrong(why)) => return Err(Refused::unproven(app, stranger(), why, WRONG)),
        Err(Denied::Wait(wait)) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Refused::later(stranger(), "too many wrong credentials", status, TOO_MANY, wait));
        }
        Err(Denied::Busy) => {
            let (status, wait) = (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1));
            return Err(Refused::later(stranger(), "too many log-ins at a time", status, BUSY, wait));
        }
    };
    who.role = app.access.rights(&who, &config);
    operators::note(app, &who);
    let is_for_broker = who.is_proven() && role::is_brokered(route);
    if !is_for_broker && who.role.is_none_or(|role| role < needed) {
        return Err(not_enough(app, &config, who, needed, &parts.method));
    }
    if who.door == Door::Socket {
        return Ok(who);
    }
    // What an address may read, a page that calls this machine by a name of its own could read for its maker.
    if !who.is_proven() && is_rebound(headers, &own) {
        return Err(Refused::with(
            who,
            "a browser called this machine by a foreign name",
            StatusCode::FORBIDDEN,
            REBOUND,
        ));
    }
    Ok(who)
}

/// Somebody who may not; 401 when a credential would mend it.
fn not_enough(app: &App, config: &Config, who: Who, needed: Role, method: &Method) -> Box<Refused> {
    let forbidden = StatusCode::FORBIDDEN;
    if who.is_proven() {
        let text = format!("the role {} may not do this; it needs {needed}", who.role.map_or("", Role::word));
        return Refused::with(who, format!("it needs {needed}"), forbidden, &text);
    }
    if config.api.authentication == Authentication::Required {
        return Refused::unproven(app, who, "no credential", REQUIRED);
    }
    if !role::is_read(method.as_str()) || who.role.is_some() {
        return Refused::with(
            who,
            "no credential, and not from an address that may",
            forbidden,
            NOT_PERMITTED,
        );
    }
    if app.access.has_credentials(config) {
        return Refused::unproven(app, who, "no credential", REQUIRED);
    }
    Refused::with(who, "no credential, and not from an address that may", forbidden, CLOSED)
}

/// What this machine is called.
struct Own<'a> {
    config: &'a Config,
    access: &'a Access,
}

impl Own<'_> {
    /// The name under which the central repository knows us.
    fn blocker(&self) -> Option<String> {
        let url = self.config.security.chandaemon.blocker_url.parse::<axum::http::Uri>().ok()?;
        url.host().map(str::to_owned)
    }

    fn is_called(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.config.server.host)
            || name.eq_ignore_ascii_case(self.access.hostname())
            || self.config.api.hosts.iter().any(|host| name.eq_ignore_ascii_case(host))
            || self.blocker().is_some_and(|host| name.eq_ignore_ascii_case(&host))
    }
}

/// Whether there is a name and password.
fn shows_password(headers: &HeaderMap) -> bool {
    headers.get_all(AUTHORIZATION).iter().any(|shown| {
        let shown = shown.as_bytes().trim_ascii_start();
        shown.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
    })
}

/// Whether a browser calls this machine by a name that somebody else's DNS may have made up (DNS rebinding). What is no browser may
/// call it what it likes.
fn is_rebound(headers: &HeaderMap, own: &Own<'_>) -> bool {
    // Not `Sec-Fetch-Mode` and not any language: Node and Deno send "cors" and "*", and they are programs.
    let signs = [ORIGIN.as_str(), REFERER.as_str(), "sec-fetch-site"];
    let agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let speaks = headers.get(ACCEPT_LANGUAGE).is_some_and(|language| language.as_bytes() != b"*");
    let is_browser =
        speaks || signs.iter().any(|sign| headers.contains_key(*sign)) || agent.starts_with(b"Mozilla/");
    if !is_browser {
        return false;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    !is_home(&host.to_ascii_lowercase(), |name| own.is_called(name))
}

/// Whether a browser asks on behalf of a page from elsewhere (RFC 6454 section 7).
///
/// A name that somebody else's DNS points at this machine is elsewhere, too: at home are addresses, `localhost` and
/// its own names.
fn is_cross_site(headers: &HeaderMap, own: &Own<'_>) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
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
    origins.next().is_some() || bare(named) != bare(&host) || !is_home(&host, |name| own.is_called(name))
}

/// Whether a `Host` header (in lower case) names this machine in a way that no foreign DNS can make up.
pub(super) fn is_home(host: &str, is_own: impl FnOnce(&str) -> bool) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name == "localhost" || is_own(name)
}

/// What a peer that may not change state is told; the contract's words.
const NOT_PERMITTED: &str = "source IP not permitted for this operation";
/// What a peer that may not even read is told.
const CLOSED: &str =
    "nothing is answered from here until there is a credential: switchward token add NAME --role viewer";
const REQUIRED: &str = "a credential is required: a token (Authorization: Bearer ...) or name and password";
/// Which of the two is wrong, or whether it was right once, is nobody's business.
const WRONG: &str = "the credential is not valid";
const TOO_MANY: &str = "too many wrong credentials came from your address; try again later";
const BUSY: &str = "too many log-ins are being checked; try again at once";
const REBOUND: &str = "this machine is not known by that name; use its address, or add the name to api.hosts";
const CROSS_SITE_READ: &str = "a page of another site may not use a password here; open the address itself";
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
        with_own(|own| is_cross_site(&headers, own))
    }

    fn with_own<T>(ask: impl FnOnce(&Own<'_>) -> T) -> T {
        let mut config = Config::default();
        config.server.host = "pbx.example".into();
        config.api.hosts = vec!["pbx.example.net".into()];
        let access = Access::open(&config).unwrap();
        ask(&Own { config: &config, access: &access })
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
        assert!(with_own(|own| !is_cross_site(&HeaderMap::new(), own)));
    }

    #[test]
    fn two_origins_are_one_too_many() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "a".parse().unwrap());
        headers.append(ORIGIN, "http://a".parse().unwrap());
        headers.append(ORIGIN, "http://b".parse().unwrap());
        assert!(with_own(|own| is_cross_site(&headers, own)));
    }

    #[test]
    fn what_a_browser_says_of_the_site_counts_without_an_origin() {
        for (site, is_foreign) in
            [("cross-site", true), ("same-site", true), ("same-origin", false), ("none", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", site.parse().unwrap());
            assert_eq!(with_own(|own| is_cross_site(&headers, own)), is_foreign, "{site}");
        }
    }

    #[test]
    fn a_browser_is_at_home_only_under_names_of_ours() {
        let browser = |host: &str, sign: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            headers.insert(
                axum::http::HeaderName::from_bytes(sign.as_bytes()).unwrap(),
                "Mozilla/5.0".parse().unwrap(),
            );
            with_own(|own| is_rebound(&headers, own))
        };
        for host in ["127.0.0.1:8088", "[::1]:8088", "localhost", "pbx.example:8088", "PBX.example.net"] {
            assert!(!browser(host, "user-agent"), "{host}");
        }
        for sign in ["user-agent", "accept-language", "referer", "origin", "sec-fetch-site"] {
            assert!(browser("rebound.example:8088", sign), "{sign}");
        }
        for sign in ["x-anything", "sec-fetch-mode"] {
            assert!(!browser("rebound.example:8088", sign), "a script may use any name: {sign}");
        }
    }
}
