//! The keys of the files that know countries and autonomous systems.

use super::{Field, Key, Section};
use crate::config::model::Config;
use crate::config::text::Shape;

type Setting = Key<Config>;

pub(super) const GEO: Section = Section {
    name: "geo",
    intro: "Country and autonomous system of addresses, out of files of your own in MaxMind DB format; docs/lists.md. Shown \
            and searched, and judged by where rules ask for it.",
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
        Setting::new(
            "geo.countries",
            "",
            Field::Texts(Shape::Countries, |c| &mut c.geo.countries),
            "From which countries who may come: \"WHO: COUNTRIES\". WHO is \"all\", \"profile NAME\" or \"account USER@DOMAIN\" (* for any); \
             countries are two letters, with \"!\" denied, without it those alone allowed. The most particular rule decides; an address \
             whose country is not known is never denied. What is denied counts under the rule denied-country.",
        ),
    ],
};
