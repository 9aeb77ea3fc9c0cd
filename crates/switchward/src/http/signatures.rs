//! What gives scanners away, and how often it did: `/security/signatures`.

use super::Error;
use super::extract::Json;
use crate::app::App;
use axum::extract::State;
use guard::signature::{Origin, Signature};
use guard::suspicion::honeypot::Honeypot;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(signatures))
}

/// What gives scanners away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Given {
    /// User agents of scanners.
    pub signatures: Vec<SignatureItem>,
    /// Accounts and numbers that nobody uses.
    pub honeypots: Vec<HoneypotItem>,
    /// The operator's file (`guard.signatures_file`); empty when there is none.
    pub file: String,
    /// What is wrong with the file, with its lines; while something is, the signatures before stay in force.
    pub troubles: Vec<String>,
}

/// A signature in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureItem {
    /// What is looked for in the user agent, in lower case; `^` marks its beginning, `$` its end.
    pub signature: String,
    /// "built-in" or "file".
    pub origin: String,
    /// The line of the file; `null` for a built-in one.
    pub line: Option<u32>,
    /// What is known of it; empty for one of the file.
    pub about: String,
    /// How many requests had it since the daemon started.
    pub hits: u64,
}

/// A honeypot in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoneypotItem {
    /// The account or the number, in lower case, perhaps with `*`.
    pub honeypot: String,
    /// How many requests named it since the daemon started.
    pub hits: u64,
}

/// The signatures of scanners and the honeypots, with their hits.
#[utoipa::path(
    get,
    path = "/security/signatures",
    tag = "counters",
    responses((status = 200, description = "Signatures, honeypots and the file's mistakes", body = Given))
)]
async fn signatures(State(app): State<Arc<App>>) -> Result<Json<Given>, Error> {
    super::blocking(move || {
        let suspicion = app.suspects.suspicion();
        let file = app.config.load().guard.signatures_file.clone().unwrap_or_default();
        let of = suspicion.as_deref();
        Json(Given {
            signatures: of
                .map_or_else(Vec::new, |of| of.signatures().iter().map(SignatureItem::of).collect()),
            honeypots: of.map_or_else(Vec::new, |of| of.honeypots().iter().map(HoneypotItem::of).collect()),
            file: file.display().to_string(),
            troubles: app.suspects.troubles(),
        })
    })
    .await
}

impl SignatureItem {
    fn of(signature: &Signature) -> SignatureItem {
        let (origin, line) = match signature.origin {
            Origin::BuiltIn => ("built-in", None),
            Origin::File(line) => ("file", Some(line)),
        };
        SignatureItem {
            signature: signature.pattern.to_string(),
            origin: origin.into(),
            line,
            about: signature.about.into(),
            hits: signature.hits(),
        }
    }
}

impl HoneypotItem {
    fn of(honeypot: &Honeypot) -> HoneypotItem {
        HoneypotItem { honeypot: honeypot.name().into(), hits: honeypot.hits() }
    }
}
