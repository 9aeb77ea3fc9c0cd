//! The one error of the HTTP interface: a status and one sentence, shown as `{"error": "..."}`.

use axum::extract::Request;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use guard::Refusal;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// What a request is answered with when it is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    status: StatusCode,
    text: String,
    /// The methods that there are, when the one asked for is none of them.
    allow: Option<&'static str>,
    /// Seconds after which it may go better.
    wait: Option<u64>,
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// One sentence.
    pub error: String,
}

impl Error {
    /// An error with a status of its own.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Error {
        Error { status, text: text.into(), allow: None, wait: None }
    }

    /// 400: the request says something that cannot be carried out.
    pub fn bad_request(text: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, text)
    }

    /// 403: this caller may not.
    pub fn forbidden(text: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, text)
    }

    /// 405: the path has other methods, `allow` ("GET, HEAD").
    pub fn wrong_method(method: &Method, path: &str, allow: &'static str) -> Error {
        let text = format!("{method} is not a method of {path}");
        Error { allow: Some(allow), ..Error::new(StatusCode::METHOD_NOT_ALLOWED, text) }
    }

    /// 500: it is the daemon's fault, or that of what it stands on.
    pub fn internal(text: impl Into<String>) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// The same, and when to come again (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn later(self, wait: Duration) -> Error {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Error { wait: Some(seconds.max(1)), ..self }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let status = match refusal {
            Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Trusted { .. }
            | Refusal::Protected { .. }
            | Refusal::Learnt { .. }
            | Refusal::Operator { .. }
            | Refusal::AllowListed { .. }
            | Refusal::Covered { .. }
            | Refusal::Port(_) => StatusCode::BAD_REQUEST,
        };
        Error::new(status, refusal.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(ErrorBody { error: self.text })).into_response();
        if let Some(methods) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        }
        if let Some(seconds) = self.wait {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What an unknown path is answered with.
pub(super) async fn no_such_path(request: Request) -> Error {
    Error::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", request.uri().path()))
}

/// What a known path with another method is answered with; the `Allow` header says which methods there are.
pub(super) async fn wrong_method(request: Request) -> Error {
    let (method, path) = (request.method(), request.uri().path());
    // The one path that has no route of its own: that of the bans has more methods.
    if path.starts_with("/security/blacklist/") && is_why(path) {
        return Error::wrong_method(method, path, WHY_METHODS);
    }
    Error::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not a method of {path}"))
}

/// Whether a path ends with "/why", which may be percent-encoded.
fn is_why(path: &str) -> bool {
    path.ends_with("/why") || path.ends_with("%2Fwhy") || path.ends_with("%2fwhy")
}

/// The methods of `/security/blacklist/{ip}/why`, as a route of its own would list them.
pub(super) const WHY_METHODS: &str = "GET,HEAD";
