//! A line of an import as it was written: members of an object, or cells of a row, one by one.
//!
//! [`Draft::set`] takes what exports, orders and the predecessor's lists say of an entry, and refuses every other name: whoever writes
//! "expires" and is not understood must not get an entry for good. An element of JSON is read straight into a [`Draft`]; nothing of it
//! that is not wanted stays in memory, and what is wrong with it is the fault of that line alone.

use super::super::lifetime::lifetime;
use super::record::{Line, Record, time};
use guard::Time;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// A line that is being read.
#[derive(Default)]
pub(super) struct Draft {
    line: Line,
    ttl: String,
    expires_at: String,
    permanent: Option<bool>,
    /// What is wrong with it, first of all.
    trouble: Option<String>,
}

/// A value, as far as a line has a place for it.
pub(super) enum Cell {
    Nothing,
    Text(String),
    Truth(bool),
    /// A number, a list, an object.
    Other,
}

impl Draft {
    /// Takes in one member.
    pub(super) fn set(&mut self, name: &str, cell: Cell) {
        if let Err(error) = self.put(name, cell)
            && self.trouble.is_none()
        {
            self.trouble = Some(error);
        }
    }

    fn put(&mut self, name: &str, cell: Cell) -> Result<(), String> {
        let line = &mut self.line;
        let place = match name {
            "ip" => &mut line.ip,
            "scope" => &mut line.scope,
            "until" => &mut line.until,
            "reason" => &mut line.reason,
            "note" => &mut line.note,
            "userId" => &mut line.user_id,
            "domain" => &mut line.domain,
            "ttl" => &mut self.ttl,
            "expiresAt" => &mut self.expires_at,
            "permanent" => {
                self.permanent = match cell {
                    Cell::Nothing => return Ok(()),
                    Cell::Truth(is) => Some(is),
                    Cell::Text(text) if text.is_empty() => return Ok(()),
                    Cell::Text(text) => {
                        Some(text.trim().parse().map_err(|_| "permanent is true or false".to_owned())?)
                    }
                    Cell::Other => return Err("permanent is true or false".into()),
                };
                return Ok(());
            }
            name if is_passed_over(name) => return Ok(()),
            _ => {
                let shown: String = name.chars().take(32).collect();
                return Err(format!("{shown:?} is not known here"));
            }
        };
        match cell {
            Cell::Nothing => Ok(()),
            Cell::Text(text) if place.is_empty() => {
                *place = text;
                Ok(())
            }
            Cell::Text(_) => Err(format!("{name} is there twice")),
            Cell::Truth(_) | Cell::Other => Err(format!("{name} is a text")),
        }
    }

    /// What the line says, or why it cannot be understood and what stood there.
    pub(super) fn parse(mut self, now: Time) -> Result<Record, (String, String)> {
        let shown = self.line.ip.clone();
        let parsed = match self.trouble.take() {
            Some(trouble) => Err(trouble),
            None => self.understood(now),
        };
        parsed.map_err(|error| (error, shown))
    }

    fn understood(self, now: Time) -> Result<Record, String> {
        let Draft { mut line, ttl, expires_at, permanent, .. } = self;
        let expires_at = match expires_at.trim() {
            // What the predecessor's lists say of an entry for good; beside `permanent: false` it makes no sense.
            NEVER if permanent != Some(false) => "",
            other => other,
        };
        let ends = [line.until.trim(), ttl.trim(), expires_at];
        let ends = ends.iter().filter(|end| !end.is_empty()).count();
        match (permanent, ends) {
            (_, 2..) => {
                return Err("until, ttl and expiresAt contradict each other; leave all but one out".into());
            }
            (Some(true), 1) => return Err("permanent and an end contradict each other; leave one out".into()),
            (Some(false), 0) => return Err("not permanent, but without until, ttl or expiresAt".into()),
            _ => {}
        }
        let mut until = None;
        if !expires_at.is_empty() {
            until = Some(time("expiresAt", expires_at)?);
        } else if !ttl.trim().is_empty() {
            let ttl = lifetime(None, Some(ttl.trim()), Duration::ZERO).map_err(|error| error.to_string())?;
            until = ttl.map(|ttl| now + ttl);
        }
        if until.is_some_and(|until| until <= now) {
            return Err("it ran out already".into());
        }
        line.until = line.until.trim().to_owned();
        let record = line.parse(now)?;
        Ok(Record { until: until.or(record.until), ..record })
    }
}

/// Whether exports and lists tell this, and nothing follows from it.
pub(super) fn is_passed_over(name: &str) -> bool {
    ["since", "by", "rule", "addedAt", "lastSeen", "failCount"].contains(&name)
}

/// Whether a column of this name can be read.
pub(super) fn is_known(name: &str) -> bool {
    let read =
        ["ip", "scope", "until", "reason", "note", "userId", "domain", "ttl", "expiresAt", "permanent"];
    read.contains(&name) || is_passed_over(name)
}

impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Draft, D::Error> {
        deserializer.deserialize_any(DraftOf)
    }
}

struct DraftOf;

impl<'de> Visitor<'de> for DraftOf {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some((name, cell)) = members.next_entry::<String, Cell>()? {
            draft.set(&name, cell);
        }
        Ok(draft)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Draft, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(no_object())
    }

    fn visit_str<E>(self, _: &str) -> Result<Draft, E> {
        Ok(no_object())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Draft, E> {
        Ok(no_object())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Draft, E> {
        Ok(no_object())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Draft, E> {
        Ok(no_object())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Draft, E> {
        Ok(no_object())
    }

    fn visit_unit<E>(self) -> Result<Draft, E> {
        Ok(no_object())
    }
}

fn no_object() -> Draft {
    Draft {
        trouble: Some("an entry is an object such as {\"ip\": \"192.0.2.1\"}".into()),
        ..Draft::default()
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell, D::Error> {
        deserializer.deserialize_any(CellOf)
    }
}

struct CellOf;

impl<'de> Visitor<'de> for CellOf {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell, E> {
        Ok(Cell::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Cell, E> {
        Ok(Cell::Truth(is))
    }

    fn visit_unit<E>(self) -> Result<Cell, E> {
        Ok(Cell::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell, E> {
        Ok(Cell::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Cell, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Cell, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other)
    }
}

/// How the predecessor's lists write that an entry never ends.
const NEVER: &str = "0001-01-01T00:00:00Z";
