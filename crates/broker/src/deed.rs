//! What a command would do: one [`Deed`] for each thing, those of nested commands included.

use std::fmt;

/// One thing that a command would do. Names are in lower case: the switch does not heed their case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Run a command.
    Command {
        /// Which.
        name: String,
        /// With what.
        arguments: String,
    },
    /// Run an application on a channel.
    Application {
        /// Which.
        name: String,
        /// With what.
        arguments: String,
    },
    /// Set a variable of a channel, or of all.
    Set {
        /// Which.
        name: String,
        /// To what.
        value: String,
    },
    /// Put the value of a variable where it can be seen.
    Read {
        /// Which.
        name: String,
    },
    /// Send an event to all who listen.
    Event {
        /// Which.
        name: String,
        /// Of which kind, when it is CUSTOM; with its case.
        subclass: Option<String>,
        /// With what; each name once.
        headers: Vec<EventHeader>,
    },
    /// Nobody can say what. Always refused.
    Undecidable {
        /// What stands there, cut.
        what: String,
        /// Why it cannot be said.
        why: &'static str,
    },
}

/// A header of an event that is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventHeader {
    /// In lower case.
    pub name: String,
    /// With what.
    pub value: String,
    /// It says where the event goes or what is done: a rule that speaks of headers must speak of it.
    pub decides: bool,
}

/// The deeds of one command, in the order in which they were found; the command itself is the first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Deeds(Vec<Deed>);

impl Deeds {
    /// Most deeds of one command.
    pub const MOST: usize = 256;

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Deed> {
        self.0.iter()
    }

    /// One more; beyond the most, the last says that nobody can tell.
    pub(crate) fn push(&mut self, deed: Deed) {
        match self.0.len() {
            0..Deeds::MOST => self.0.push(deed),
            Deeds::MOST => self.0.push(Deed::undecidable("", "it would do too many things")),
            _ => {}
        }
    }
}

impl<'a> IntoIterator for &'a Deeds {
    type Item = &'a Deed;
    type IntoIter = std::slice::Iter<'a, Deed>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Deed {
    pub(crate) fn undecidable(what: &str, why: &'static str) -> Deed {
        Deed::Undecidable { what: what.chars().take(LONGEST_SHOWN).collect(), why }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |text: &str| text.chars().take(LONGEST_SHOWN).collect::<String>();
        match self {
            Deed::Command { name, arguments } if arguments.is_empty() => f.write_str(name),
            Deed::Command { name, arguments } => write!(f, "{name} {}", cut(arguments)),
            Deed::Application { name, arguments } => write!(f, "&{name}({})", cut(arguments)),
            // A value may be a password.
            Deed::Set { name, .. } => write!(f, "${name}="),
            Deed::Read { name } => write!(f, "${{{name}}}"),
            Deed::Event { name, subclass, .. } => {
                write!(f, "!{}", name.to_ascii_uppercase())?;
                subclass.as_ref().map_or(Ok(()), |subclass| write!(f, " {}", cut(subclass)))
            }
            Deed::Undecidable { what, why } => write!(f, "{what:?} ({why})"),
        }
    }
}

/// Characters of a deed that are shown.
const LONGEST_SHOWN: usize = 200;
