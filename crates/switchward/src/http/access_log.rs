//! One log line for each request, and its answer's body when `server.log_responses` is on.
//!
//! What the gate refused is told at debug alone. The line has method, path, status, milliseconds and the peer. What a request's body says is never logged.

use super::Who;
use crate::app::App;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt;
use std::sync::Arc;
use std::time::Instant;

/// Writes the line once the answer is known.
pub(super) async fn access_log(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (logs_requests, logs_responses) = {
        let server = &app.config.load().server;
        (server.log_requests, server.log_responses)
    };
    if !logs_requests && !logs_responses {
        return next.run(request).await;
    }
    let who = Who::of(request.extensions());
    // The path of an unban link is a secret until it is used.
    let path = if request.uri().path().starts_with("/unban/") { "/unban/…" } else { request.uri().path() };
    let (method, path) = (request.method().clone(), path.to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_micros() as f64 / 1e3);
    if is_refused(&response) {
        tracing::debug!(%method, path, status, ms, peer = %who, "request");
        return response;
    }
    if !logs_responses {
        tracing::info!(%method, path, status, ms, peer = %who, "request");
        return response;
    }
    let (response, body) = shown(response).await;
    tracing::info!(%method, path, status, ms, peer = %who, body, "request");
    response
}

/// Whether the gate let nobody in. Strangers can make as many of these as they like; the audit writes down a bounded number.
fn is_refused(response: &Response) -> bool {
    let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    refusals.contains(&response.status()) && response.extensions().get::<Who>().is_none()
}

/// The response, and its body as text when that is known to be short.
async fn shown(response: Response) -> (Response, String) {
    let (parts, body) = response.into_parts();
    match body.size_hint().exact() {
        Some(bytes) if bytes <= LONGEST_BODY => match body.collect().await {
            Ok(whole) => {
                let bytes = whole.to_bytes();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                (Response::from_parts(parts, Body::from(bytes)), text)
            }
            Err(error) => (Response::from_parts(parts, Body::empty()), format!("(failed: {error})")),
        },
        _ => (Response::from_parts(parts, body), "(long)".into()),
    }
}

/// The longest body that is logged, in bytes.
const LONGEST_BODY: u64 = 16 * 1024;
