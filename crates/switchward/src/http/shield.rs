//! What stands between a handler and the rest: a time limit, and a panic stays the fault of one request.
//!
//! Each request runs in a task of its own. An order that has begun is carried out although its caller hangs up.

use super::Error;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Runs the request apart, and answers for it when it does not.
pub(super) async fn shield(request: Request, next: Next) -> Response {
    let longest = if request.uri().path().starts_with(BROKERED) { LONGEST_AT_SWITCH } else { LONGEST };
    within(longest, request, next).await
}

async fn within(longest: Duration, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let running = tokio::spawn(next.run(request));
    match tokio::time::timeout(longest, running).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) => {
            let reason = words(failed);
            tracing::error!(%method, path, reason, "a request's handler panicked; please report this");
            Error::internal("internal error; the daemon's log says more").into_response()
        }
        Err(_) => {
            tracing::error!(%method, path, limit = ?longest, "a request took too long");
            Error::new(StatusCode::SERVICE_UNAVAILABLE, "this took too long; it may still be carried out")
                .into_response()
        }
    }
}

fn words(failed: tokio::task::JoinError) -> String {
    let Ok(panic) = failed.try_into_panic() else { return "it was cancelled".into() };
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no words".into(),
    }
}

/// The longest that a request may take; more than any of its parts may.
const LONGEST: Duration = Duration::from_secs(30);
/// Below this the switch works, for as long as the rules of the broker let it.
const BROKERED: &str = "/security/esl/";
const LONGEST_AT_SWITCH: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_one_json_500() {
        #[expect(clippy::panic, reason = "that is what is tested")]
        async fn panics() -> &'static str {
            panic!("as it should")
        }
        let router = Router::new().route("/", get(panics)).layer(from_fn(shield));
        let service = TowerToHyperService::new(router);
        for _ in 0..2 {
            let response = service.call(Request::new(Body::empty())).await.unwrap();
            assert_eq!(response.status(), 500);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(serde_json::from_slice::<super::super::error::ErrorBody>(&body).is_ok());
        }
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_answered() {
        let soon = |request, next| within(Duration::from_millis(10), request, next);
        let router = Router::new().route("/", get(std::future::pending::<&'static str>)).layer(from_fn(soon));
        let response = TowerToHyperService::new(router).call(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 503);
    }
}
