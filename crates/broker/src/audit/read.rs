//! A line read back, for an index and for people.

use super::{Anchor, Digest, Verdict, micros_of_stamp};
use serde::Deserialize;

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An attempt and its decision.
    Asked,
    /// What came of one.
    Done,
    /// The journal about itself.
    Note,
    /// The first line of a file.
    Head,
}

/// All that a line says; what its kind has not is empty or 0. [`Record::read`] does not check the chain.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Record {
    /// The line's number.
    #[serde(rename = "seq")]
    pub sequence: u64,
    /// What it is about.
    pub kind: Kind,
    /// When, in microseconds since 1970 UTC.
    #[serde(deserialize_with = "time")]
    pub at: u64,
    /// Asked: who.
    #[serde(default)]
    pub user: String,
    /// Asked: how that was proved.
    #[serde(default)]
    pub proof: String,
    /// Asked: the account.
    #[serde(default)]
    pub account: String,
    /// Asked: the peer's address.
    #[serde(default)]
    pub source: String,
    /// Asked: the way in.
    #[serde(default)]
    pub door: String,
    /// Asked: the switch.
    #[serde(default)]
    pub switch: String,
    /// Asked: the kind of thing.
    #[serde(default)]
    pub form: String,
    /// Asked: the command.
    #[serde(default)]
    pub command: String,
    /// Asked: bytes that are not in `command`.
    #[serde(default)]
    pub left_out: u64,
    /// Asked: what was decided.
    #[serde(default, rename = "decision")]
    pub verdict: Option<Verdict>,
    /// Asked: the rule.
    #[serde(default)]
    pub rule: String,
    /// Done: the number of the `asked` line.
    #[serde(default)]
    pub of: u64,
    /// Done: what came of it.
    #[serde(default)]
    pub result: String,
    /// Done: bytes of the reply.
    #[serde(default)]
    pub bytes: u64,
    /// Done: how long it took, in microseconds.
    #[serde(default)]
    pub micros: u64,
    /// Note: the text.
    #[serde(default)]
    pub text: String,
    /// Head: why the file was begun.
    #[serde(default)]
    pub why: String,
    /// Head: lines that are lost before it.
    #[serde(default)]
    pub lost: u64,
    /// Head: the name of the key.
    #[serde(default)]
    pub key: String,
    /// The line's hash.
    #[serde(deserialize_with = "digest")]
    pub hash: Digest,
}

impl Record {
    /// Reads a line, with or without its line feed; `None` when it is none of ours.
    pub fn read(line: &[u8]) -> Option<Record> {
        serde_json::from_slice(line).ok()
    }

    /// The line as an anchor.
    pub fn anchor(&self) -> Anchor {
        Anchor { sequence: self.sequence, hash: self.hash }
    }

    /// What commands are searched by: the first word in lower case of what is run, else the form.
    pub fn verb(&self) -> String {
        match self.form.as_str() {
            "" | "api" | "bgapi" => self.command.split(' ').next().unwrap_or_default().to_lowercase(),
            form => form.to_lowercase(),
        }
    }
}

fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    micros_of_stamp(&text).ok_or_else(|| serde::de::Error::custom("not a time of an audit"))
}

fn digest<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::from_hex(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("not a hash"))
}
