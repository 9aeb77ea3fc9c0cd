//! The keys of the files that know countries and autonomous systems.

use super::{Field, Key, Section};
use crate::config::model::Config;

type Setting = Key<Config>;

pub(super) const GEO: Section = Section {
    name: "geo",
    intro: "Country and autonomous system of addresses, out of files of your own in MaxMind DB format; docs/lists.md. Only shown \
            and searched, never judged by.",
    keys: &[
        Setting::new(
            "geo.country_file",
            "",
            Field::OptionalPath(|c| &mut c.geo.country_file),
            "The file of countries (.mmdb). A changed file is taken over by itself.",
        ),
        Setting::new(
            "geo.as_file",
            "",
            Field::OptionalPath(|c| &mut c.geo.as_file),
            "The file of autonomous systems (.mmdb); without it the file of countries is asked, which may have both.",
        ),
    ],
};
