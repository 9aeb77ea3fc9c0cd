//! The one error of the HTTP interface: a status and one sentence, shown as `{"error": "..."}`.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use guard::Refusal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a request is answered with when it is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    status: StatusCode,
    text: String,
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
        Error { status, text: text.into() }
    }

    /// 400: the request says something that cannot be carried out.
    pub fn bad_request(text: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, text)
    }

    /// 403: this caller may not.
    pub fn forbidden(text: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, text)
    }

    /// 500: it is the daemon's fault, or that of what it stands on.
    pub fn internal(text: impl Into<String>) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, text)
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
            | Refusal::AllowListed { .. }
            | Refusal::Covered { .. }
            | Refusal::Port(_) => StatusCode::BAD_REQUEST,
        };
        Error::new(status, refusal.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, axum::Json(ErrorBody { error: self.text })).into_response()
    }
}

/// What an unknown path is answered with.
pub(super) async fn no_such_path(request: Request) -> Error {
    Error::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", request.uri().path()))
}

/// What a known path with another method is answered with; the `Allow` header says which methods there are.
pub(super) async fn wrong_method(request: Request) -> Error {
    let (method, path) = (request.method(), request.uri().path());
    Error::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not a method of {path}"))
}
