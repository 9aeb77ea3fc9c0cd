//! What can be told: the words of the configuration, and how grave each is.

use crate::news::Event;

/// A kind of event that a target may want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A state of the daemon that should be mended, and its end.
    Alarm,
    /// Something that a person should know.
    Alert,
    /// A ban was made, extended or widened.
    Ban,
    /// A ban was lifted.
    Unban,
    /// A ban that was not made: banning is off, or its rule is in shadow.
    WouldBan,
    /// A call is ended.
    HangUp,
    /// The connection to a switch was made or lost.
    Switch,
}

impl Kind {
    /// Each there is.
    pub const ALL: [Kind; 7] =
        [Kind::Alarm, Kind::Alert, Kind::Ban, Kind::Unban, Kind::WouldBan, Kind::HangUp, Kind::Switch];

    /// The word in the configuration and in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Alarm => "alarm",
            Kind::Alert => "alert",
            Kind::Ban => "ban",
            Kind::Unban => "unban",
            Kind::WouldBan => "would-ban",
            Kind::HangUp => "hang-up",
            Kind::Switch => "switch",
        }
    }

    /// What a word means.
    pub fn of(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What an event is, when it is one that can be told.
    pub fn of_event(event: &Event) -> Option<Kind> {
        match event {
            Event::Alarm(_) => Some(Kind::Alarm),
            Event::Alert { .. } => Some(Kind::Alert),
            Event::Banned(_) => Some(Kind::Ban),
            Event::Lifted(..) => Some(Kind::Unban),
            Event::WouldBan(_) => Some(Kind::WouldBan),
            Event::HangUp { .. } => Some(Kind::HangUp),
            Event::Switch { .. } => Some(Kind::Switch),
            Event::Expired(_) | Event::Allowed(_) | Event::Disallowed(..) => None,
        }
    }

    /// Whether room is kept for it.
    pub fn is_urgent(self) -> bool {
        matches!(self, Kind::Alarm | Kind::Alert)
    }
}

/// How grave it is, with the number of syslog (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody should look now.
    Critical = 2,
    /// Something does not work.
    Error = 3,
    /// Something was done about an attack.
    Warning = 4,
    /// Something is over, or was done by order.
    Notice = 5,
    /// Good to know.
    Info = 6,
}

impl Severity {
    /// The word in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Info => "info",
        }
    }
}
