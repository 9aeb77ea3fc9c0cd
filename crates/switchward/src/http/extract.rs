//! What a handler takes out of a request: [`Who`] asks, the [`Place`] in the path, the [`Json`] body.
//!
//! Each refuses with our own [`Error`], so that no answer is ever plain text.

use super::Error;
use super::error::WHY_METHODS;
use super::gate::ORIGIN_NEEDS_JSON;
pub use crate::access::Who;
use crate::access::record::Note;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use guard::source::parse_ip;
use guard::{Source, Target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Who, Error> {
        Ok(Who::of(&parts.extensions))
    }
}

/// The one parameter of a path, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, Error> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        match path {
            Ok(Path(text)) => Ok(Segment(text)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => {
                Err(Error::bad_request(error.body_text()))
            }
            Err(other) => Err(Error::internal(other.body_text())),
        }
    }
}

/// The address, network, or address and port that a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// What is meant.
    pub target: Target,
    /// The one address, when it is one (for IPv6 the target is its /64).
    pub ip: Option<IpAddr>,
}

impl Place {
    /// What a text names.
    ///
    /// # Errors
    /// 400 when it is neither an address nor a network.
    pub fn of(text: &str) -> Result<Place, Error> {
        let target = target(text)?;
        let ip = parse_ip(text.trim().as_bytes()).or(match target {
            Target::Host(source) => Some(source.first()),
            Target::Port(ip, _) => Some(ip),
            Target::Net(_) => None,
        });
        Ok(Place { target, ip })
    }

    /// The source of a single address.
    pub fn source(self) -> Option<Source> {
        self.ip.map(Source::of)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Place, Error> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        // A path that may hold slashes can have nothing behind it, so "/why", which only a GET has, arrives here.
        if text.ends_with("/why") && !matches!(parts.method, Method::GET | Method::HEAD) {
            return Err(Error::wrong_method(&parts.method, parts.uri.path(), WHY_METHODS));
        }
        Place::of(&text)
    }
}

/// What a ban or an allow entry is aimed at.
///
/// # Errors
/// 400 when the text is neither an address nor a network.
pub fn target(text: &str) -> Result<Target, Error> {
    if text.trim().is_empty() {
        return Err(Error::bad_request("ip is required: an IPv4 or IPv6 address or a CIDR"));
    }
    text.parse().map_err(|error: guard::source::BadTarget| Error::bad_request(error.to_string()))
}

/// A text for the ledger and the store, cut to what anybody reads; an absent one is empty.
pub(super) fn short(text: Option<String>) -> String {
    text.unwrap_or_default().chars().take(LONGEST_TEXT).collect()
}

/// The parameters behind the question mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Error> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(Error::bad_request(format!("the parameters of the address do not fit: {text}")))
            }
        }
    }
}

/// A JSON body, read or written.
///
/// A request without an `Origin` header may call its body what it likes, as the predecessor let it; a browser's must be
/// called JSON, so that no plain form of another site can be taken for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Json<T>, Error> {
        if request.headers().contains_key(ORIGIN) && !is_json(request.headers()) {
            return Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ORIGIN_NEEDS_JSON));
        }
        let note = request.extensions().get::<Note>().cloned();
        let body = match tokio::time::timeout(SLOWEST_BODY, Bytes::from_request(request, state)).await {
            Ok(Ok(body)) => body,
            Ok(Err(rejection)) => return Err(unread(&rejection)),
            Err(_) => {
                return Err(Error::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"));
            }
        };
        if body.is_empty() {
            return Err(Error::bad_request("a JSON body is required"));
        }
        if let Some(note) = note {
            note.about(&about(&body));
        }
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Json(value)),
            Err(error) if error.is_data() => {
                Err(Error::bad_request(format!("the body does not fit: {error}")))
            }
            Err(error) => Err(Error::bad_request(format!("the body is not JSON: {error}"))),
        }
    }
}

/// What the audit says of a body: its target or key, never the rest.
fn about(body: &[u8]) -> String {
    /// The members that name what an order is about.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct About {
        ip: Option<String>,
        target: Option<String>,
        pattern: Option<String>,
        level: Option<String>,
        command: Option<String>,
    }
    if body.trim_ascii_start().starts_with(b"[")
        && let Ok(all) = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body)
    {
        return format!("{} entries", all.len());
    }
    let Ok(about) = serde_json::from_slice::<About>(body) else { return String::new() };
    // Of a command its name: an argument may be anything.
    let command = about.command.as_deref().and_then(|command| command.split_whitespace().next());
    let named = about.ip.or(about.target).or(about.pattern).or(about.level);
    named.as_deref().or(command).unwrap_or_default().to_owned()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn unread(rejection: &BytesRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB; send it in parts")
        }
        status if status.is_client_error() => Error::new(status, "the body could not be read"),
        _ => Error::bad_request("the body could not be read"),
    }
}

/// Whether a request calls its body JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Characters that are kept of a reason, an account or a domain.
const LONGEST_TEXT: usize = 300;
/// The longest that a body may take to arrive.
const SLOWEST_BODY: Duration = Duration::from_secs(10);
