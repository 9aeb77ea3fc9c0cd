//! Bans and the allow-list out and in: `GET /security/export`, `POST /security/import`, as JSON, CSV or `ipset save`.
//!
//! Start with [`record`], the line that all formats share. An export is written while it is sent. An import goes line by line through
//! the same checks as an order; it never shortens what stands, and a line that does not fit stops no other. A dry run answers
//! the same and changes nothing.

use super::Error;
use crate::app::App;
use axum::extract::DefaultBodyLimit;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod draft;
pub mod export;
pub mod import;
mod read;
mod record;
#[cfg(test)]
mod tests;
mod write;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    let import =
        OpenApiRouter::new().routes(routes!(import::import)).layer(DefaultBodyLimit::max(LARGEST_IMPORT));
    OpenApiRouter::new().routes(routes!(export::export)).merge(import)
}

/// Which list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The bans.
    #[default]
    Bans,
    /// The allow-list.
    Allows,
}

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An array of objects.
    #[default]
    Json,
    /// A table with a line of names.
    Csv,
    /// What `ipset restore` reads and `ipset save` writes.
    Ipset,
}

/// The largest body of an import, in bytes: about half a million lines.
pub const LARGEST_IMPORT: usize = 32 << 20;

fn too_large() -> Error {
    Error::new(axum::http::StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 32 MiB; send it in parts")
}
