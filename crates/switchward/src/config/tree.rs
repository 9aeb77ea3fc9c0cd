//! The one tree that JSON, TOML and the environment all become: values with the place where they stand.
//!
//! [`Node`] is a value with its byte span, [`Lines`] turns a byte offset into line and column. No key is known here.

use std::ops::Range;

/// A value and the bytes of the text that it came from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

/// What JSON and TOML have in common, and TOML's dates, which no key takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Date(String),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// One key of a table, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
}

/// A syntax error: where, what was there, what should be, the mend.
pub(super) struct Syntax {
    pub(super) at: usize,
    pub(super) found: String,
    pub(super) expected: String,
    pub(super) mend: &'static str,
}

impl Node {
    /// The value as a message quotes it: short, on one line, without the inside of arrays and tables.
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Date(text) => format!("the date {text}"),
            Value::Str(text) => quote(text),
            Value::Array(_) | Value::Table(_) => self.kind().into(),
        }
    }

    /// The kind of value, for messages that must not show the value.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Str(_) => "a text",
            Value::Date(_) => "a date",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// `text` in quotes, escaped and cut after 60 characters.
pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    format!("\"{quoted}\"")
}

/// Where the lines of a text begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters.
    pub(super) fn place(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset.min(self.text.len())).unwrap_or_default();
        (clamp(line), clamp(before.chars().count() + 1))
    }
}

fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

const QUOTED: usize = 60;
