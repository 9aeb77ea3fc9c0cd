//! The files of the catalogue, as they ship.

pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("commands/callcenter.toml", include_str!("../../catalogue/commands/callcenter.toml")),
    ("commands/conference.toml", include_str!("../../catalogue/commands/conference.toml")),
    ("commands/core.toml", include_str!("../../catalogue/commands/core.toml")),
    ("commands/data.toml", include_str!("../../catalogue/commands/data.toml")),
    ("commands/dptools.toml", include_str!("../../catalogue/commands/dptools.toml")),
    ("commands/endpoints.toml", include_str!("../../catalogue/commands/endpoints.toml")),
    ("commands/events.toml", include_str!("../../catalogue/commands/events.toml")),
    ("commands/fifo.toml", include_str!("../../catalogue/commands/fifo.toml")),
    ("commands/media.toml", include_str!("../../catalogue/commands/media.toml")),
    ("commands/messages.toml", include_str!("../../catalogue/commands/messages.toml")),
    ("commands/network.toml", include_str!("../../catalogue/commands/network.toml")),
    ("commands/scripts.toml", include_str!("../../catalogue/commands/scripts.toml")),
    ("commands/sofia.toml", include_str!("../../catalogue/commands/sofia.toml")),
    ("commands/voicemail.toml", include_str!("../../catalogue/commands/voicemail.toml")),
];

/// Without the chat plan's, which has names of its own and no way in.
pub(super) const APPLICATIONS: &[(&str, &str)] = &[
    ("applications/dptools.toml", include_str!("../../catalogue/applications/dptools.toml")),
    ("applications/modules.toml", include_str!("../../catalogue/applications/modules.toml")),
];

pub(super) const VARIABLES: &str = include_str!("../../catalogue/variables.toml");
pub(super) const SECRETS: &str = include_str!("../../catalogue/secrets.toml");
pub(super) const EVENTS: &str = include_str!("../../catalogue/events.toml");
