//! The documentation page: `GET /docs`, which shows `/openapi.json` and lets one try it, with nothing from elsewhere.
//!
//! Three files of our own are in the program. The policy sent with them lets a browser load these, ask this daemon, and do
//! nothing else.

use crate::app::App;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(page)).routes(routes!(style)).routes(routes!(script))
}

/// A page for people that shows this description.
#[utoipa::path(
    get,
    path = "/docs",
    tag = "interface",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
async fn page() -> impl IntoResponse {
    shown("text/html; charset=utf-8", include_str!("docs/page.html"))
}

/// How the page looks.
#[utoipa::path(
    get,
    path = "/docs/page.css",
    tag = "interface",
    responses((status = 200, description = "The style", body = String, content_type = "text/css"))
)]
async fn style() -> impl IntoResponse {
    shown("text/css; charset=utf-8", include_str!("docs/page.css"))
}

/// What the page does.
#[utoipa::path(
    get,
    path = "/docs/page.js",
    tag = "interface",
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript"))
)]
async fn script() -> impl IntoResponse {
    shown("text/javascript; charset=utf-8", include_str!("docs/page.js"))
}

fn shown(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text)
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
