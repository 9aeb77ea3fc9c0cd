//! The audit of commands: what a line of it says, the chain of hashes that ties the lines together, and the walk that finds where
//! somebody changed them.
//!
//! Pure: lines are made and checked as bytes; the files are `journal`'s. Each attempt is one `asked` line with the decision, written
//! before anything is sent to a switch, and, unless it was refused, one `done` line with what came of it. Secrets must be out of an
//! [`Entry`] before it gets here. Start with [`Entry`], [`Chain`] and [`Walk`].

mod chain;
mod line;
mod read;
mod stamp;
mod text;
mod walk;

pub use chain::{Anchor, Chain, Digest, Key};
pub use line::LONGEST as LONGEST_LINE;
#[cfg(feature = "tokio")]
pub(crate) use line::anchor as line_anchor;
pub use read::{Kind, Record};
pub use stamp::{micros as micros_of_stamp, stamp};
pub use walk::{Broken, Gap, MOST_GAPS, Report, Torn, Walk, What};

#[cfg(test)]
mod tests;

/// Something to write down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry<'a> {
    /// An attempt and the decision about it.
    Asked(Asked<'a>),
    /// What came of an attempt that was allowed.
    Done(Done<'a>),
    /// The journal tells something about itself.
    Note {
        /// When, in microseconds since 1970 UTC.
        at: u64,
        /// What.
        text: &'a str,
    },
    /// The first line of a file; the journal writes it.
    Head(Head<'a>),
}

/// An attempt. Texts over their limit are cut, and the line says how many bytes are left out of the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asked<'a> {
    /// When, in microseconds since 1970 UTC.
    pub at: u64,
    /// Who, as rules name them; empty for nobody.
    pub user: &'a str,
    /// How that was proved: [`crate::Proof::word`].
    pub proof: &'a str,
    /// The account `user@domain`; empty without one.
    pub account: &'a str,
    /// The peer's address; empty on a Unix socket.
    pub source: &'a str,
    /// The way in: "http", "https", "socket", "esl".
    pub door: &'a str,
    /// The switch that is meant.
    pub switch: &'a str,
    /// What kind of thing was asked: "api", "bgapi", "sendmsg", "sendevent", "events", "log", "login",
    /// "divert_events".
    pub form: &'a str,
    /// The command, without secrets.
    pub command: &'a str,
    /// What was decided.
    pub verdict: Verdict,
    /// The rule that decided, or why not.
    pub rule: &'a str,
}

/// What came of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Done<'a> {
    /// When it ended, in microseconds since 1970 UTC.
    pub at: u64,
    /// The sequence number of its `asked` line.
    pub of: u64,
    /// In a few words: "ok", the switch's own error, "timed out".
    pub result: &'a str,
    /// Bytes of the reply.
    pub bytes: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// The first line of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head<'a> {
    /// When, in microseconds since 1970 UTC.
    pub at: u64,
    /// Why a new file was begun.
    pub why: &'a str,
    /// How many lines the journal knows to be lost before this one.
    pub lost: u64,
}

/// What was decided about an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// It may not, and nothing is sent.
    #[default]
    Refused,
    /// It is done, but the policy that runs in shadow would refuse it.
    Shadow,
}

impl Verdict {
    /// The word in a line.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Refused => "refused",
            Verdict::Shadow => "shadow",
        }
    }
}

/// The longest command that is written whole, in bytes: no command that could be run is longer.
pub const LONGEST_COMMAND: usize = crate::Line::LONGEST;
/// The longest of the other texts, in bytes.
pub const LONGEST_TEXT: usize = 512;
