//! The keys of a `[[switch]]` entry, and the keys of older files that no longer do anything.

use super::{Entries, Field, Key};
use crate::config::model::Switch;
use crate::config::text::Shape;

type Setting = Key<Switch>;

pub(super) static SWITCHES: Entries<Switch> = Entries {
    name: "switch",
    intro: "One entry for each guarded switch. Without any, one named \"freeswitch\" is made from security.esl_host, \
            esl_port and esl_password.",
    keys: &SWITCH,
    all: |config| &mut config.switches,
    label: |switch| &switch.name,
    restart: true,
};

/// The keys of one entry.
static SWITCH: [Key<Switch>; 7] = [
    Setting::new(
        "name",
        "",
        Field::Text(Shape::Name, |s| &mut s.name),
        "Unique; the label in logs, metrics and the API.",
    )
    .follows("host", |s| s.name = s.host.clone())
    .sample(&["freeswitch"]),
    Setting::new("kind", "", Field::Word(|s| &mut s.kind), "Which protocol it speaks."),
    Setting::new("host", "", Field::Text(Shape::Host, |s| &mut s.host), "Host of its event socket."),
    Setting::new("port", "", Field::Port(|s| &mut s.port), "Port of its event socket."),
    Setting::new("password", "", Field::Secret(|s| &mut s.password), "Password of its event socket."),
    Setting::new(
        "password_file",
        "",
        Field::OptionalPath(|s| &mut s.password_file),
        "A file whose first line is the password; wins over password. A relative path starts at the \
         configuration file.",
    ),
    Setting::new(
        "default_domain",
        "",
        Field::Text(Shape::Domain, |s| &mut s.default_domain),
        "The domain of an account when the event carries none.",
    )
    // Taken over when all is read: it stands elsewhere.
    .follows("freeswitch.default_domain", |_| {})
    .sample(&["example.com"]),
];

/// Keys of older releases with what became of them.
pub(in crate::config) static RETIRED: [(&str, &str); 3] = [
    ("cache.max_entries_in_window", "the cache bounds itself"),
    ("cache.max_entry_size", "the cache bounds itself"),
    ("cache.shard_count", "the cache bounds itself"),
];
