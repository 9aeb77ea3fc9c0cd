//! The keys of captures of what the switches say.

use super::{Field, Key, Section, span};
use crate::config::model::Config;

type Setting = Key<Config>;

/// A kilobyte holds no block; more than a terabyte is a mistake.
const fn size(at: fn(&mut Config) -> &mut u64) -> Field<Config> {
    Field::Size { at, min: 1 << 20, max: 1 << 40 }
}

pub(super) const RECORD: Section = Section {
    name: "record",
    intro: "Captures of what the switches say, for `switchward replay`; docs/record.md.",
    keys: &[
        Setting::new(
            "record.enabled",
            "",
            Field::Bool(|c| &mut c.record.enabled),
            "Write captures. They say who calls whom; secrets are taken out.",
        )
        .restart(),
        Setting::new(
            "record.directory",
            "",
            Field::Path(|c| &mut c.record.directory),
            "Where; made when it is missing, and nobody else may enter it.",
        )
        .restart(),
        Setting::new(
            "record.file_size",
            "",
            size(|c| &mut c.record.file_size),
            "A file of this size is ended and the next one begun.",
        )
        .restart(),
        Setting::new(
            "record.file_age",
            "",
            span(|c| &mut c.record.file_age),
            "A file of this age is ended and the next one begun.",
        )
        .restart(),
        Setting::new(
            "record.total_size",
            "",
            size(|c| &mut c.record.total_size),
            "Where all files would be larger, the oldest are deleted.",
        )
        .restart(),
    ],
};
