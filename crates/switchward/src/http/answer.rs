//! The answers that several orders share.

use crate::access::record::Note;
use axum::Extension;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ordered {
    /// "success".
    pub status: String,
    /// What was done, in a few words.
    pub message: String,
    /// What did not go as it should have; left out when all did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Ordered {
    /// A success without warnings.
    pub(super) fn new(message: impl Into<String>) -> Ordered {
        Ordered::with(message, Vec::new())
    }

    /// A success, and what did not go as it should have.
    pub(super) fn with(message: impl Into<String>, warnings: Vec<String>) -> Ordered {
        Ordered { status: SUCCESS.into(), message: message.into(), warnings }
    }
}

/// Several orders were carried out, or some of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Batch {
    /// One for each order, in their order.
    pub results: Vec<BatchResult>,
    /// What did not go as it should have; left out when all did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What became of one order of several: it has a status or an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchResult {
    /// What it was about; an unreadable one as it was given.
    pub ip: String,
    /// "success".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl BatchResult {
    /// The result for what was `given`.
    pub(super) fn of(given: &str, result: Result<impl std::fmt::Display, super::Error>) -> BatchResult {
        match result {
            Ok(target) => BatchResult { ip: target.to_string(), status: Some(SUCCESS.into()), error: None },
            Err(error) => BatchResult {
                ip: given.chars().take(LONGEST_ECHO).collect(),
                status: None,
                error: Some(error.to_string()),
            },
        }
    }
}

/// Has the audit say how many orders of a batch were carried out, and whether that was a dry run.
pub(super) fn noted(note: Option<Extension<Note>>, results: &[BatchResult], is_dry: bool) {
    let done = results.iter().filter(|result| result.status.is_some()).count();
    let refused = results.len() - done;
    if let Some(Extension(note)) = note {
        note.came_to(&format!("{done} done, {refused} refused{}", if is_dry { ", dry run" } else { "" }));
    }
}

/// Refuses a batch that is too long.
///
/// # Errors
/// 400 above [`LARGEST_BATCH`].
pub(super) fn check_length(orders: usize) -> Result<(), super::Error> {
    if orders <= LARGEST_BATCH {
        return Ok(());
    }
    Err(super::Error::bad_request(format!(
        "{orders} entries are too many for one batch; at most {LARGEST_BATCH}"
    )))
}

const SUCCESS: &str = "success";
/// Most orders in one batch.
pub const LARGEST_BATCH: usize = 1000;
/// Characters of an unreadable address that are sent back.
const LONGEST_ECHO: usize = 64;
