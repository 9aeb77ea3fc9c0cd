//! GET /security/doors: every listener of ours and of the switches, how it is secured, and what is weak.

use super::extract::Json;
use crate::app::App;
use crate::doors::{Report, report};
use axum::extract::State;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(doors))
}

/// Where the daemon and the switches listen, since when, how that is secured, and the mend for each weakness.
#[utoipa::path(
    get,
    path = "/security/doors",
    tag = "access",
    responses((status = 200, description = "Every door", body = Report))
)]
async fn doors(State(app): State<Arc<App>>) -> Json<Report> {
    Json(report(&app).await)
}
