//! The lists as programs want them: pages of bans and of allow entries, searched and sorted.
//!
//! Beside the predecessor's maps (`/security/blacklist`, `/security/whitelist`), which keep their shape. A request walks the
//! ledger once, in pieces, and keeps one page of it (see [`page`]); few walk at a time. Start with [`bans`].

use super::{Error, blocking};
use crate::app::App;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub mod allows;
pub mod amend;
pub mod bans;
pub mod page;
pub mod search;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(super::why::Alias::openapi())
        .routes(routes!(bans::list))
        .routes(routes!(allows::list))
        .routes(routes!(amend::amend))
}

/// Does what walks a whole list, a few at a time, so that readers leave the processors to the guard.
pub(super) async fn walking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    static WALKS: Semaphore = Semaphore::const_new(2);
    let permit = WALKS.acquire().await.map_err(|_| Error::internal("the daemon is stopping"))?;
    let done = blocking(work).await;
    drop(permit);
    done
}
