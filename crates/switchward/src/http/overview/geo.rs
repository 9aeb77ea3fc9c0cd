//! The files of countries and autonomous systems, as the overview tells them.

use crate::geo::Shelf;
use guard::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A file of countries or of autonomous systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeoFile {
    /// Its key in the configuration.
    pub key: String,
    /// Its path.
    pub path: String,
    /// Whether such a file is in use: this one, or with `trouble` the one that was read before.
    pub loaded: bool,
    /// What it says it is; `null` when none is in use.
    pub kind: Option<String>,
    /// When it was built (RFC 3339), if it says so.
    #[schema(format = DateTime)]
    pub built: Option<String>,
    /// How many days ago.
    pub age_days: Option<u64>,
    /// Why what is there cannot be used, and the mend.
    pub trouble: Option<String>,
}

impl GeoFile {
    /// What is on a shelf at `now`.
    pub(super) fn of(shelf: &Shelf, now: Time) -> GeoFile {
        let book = shelf.book.as_ref();
        GeoFile {
            key: shelf.key.into(),
            path: shelf.path.display().to_string(),
            loaded: book.is_some(),
            kind: book.map(|book| book.kind().to_owned()),
            built: book.and_then(|book| book.built_at()),
            age_days: book.and_then(|book| book.age(now)).map(|age| age.as_secs() / 86_400),
            trouble: shelf.trouble.clone(),
        }
    }
}
