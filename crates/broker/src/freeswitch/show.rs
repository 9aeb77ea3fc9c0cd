//! The rows of `show`, for callers who may see only some of them: [`Show`] reads what is asked for, [`Rows`] what the switch tells.
//!
//! The switch is asked for JSON, in which each value stands for itself; what is kept is written again in the form that was asked for, as
//! FreeSWITCH writes it (`show_function` of its mod_commands.c). What is not plainly one of these forms is refused: FreeSWITCH takes
//! quotes and backslashes out of arguments, and what it makes of them nobody needs.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Show {
    what: &'static str,
    /// Of `channels like`.
    like: Option<String>,
    form: Form,
}

/// How it is to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// A line for each row, with this between its values.
    Table(String),
    Json,
    Count,
    CountAsJson,
}

/// What `show` is asked for, as far as rows are somebody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Nobody's: modules, codecs, and the like.
    Nobodys,
    /// Rows, each of them somebody's.
    Rows(Show),
}

/// Why rows cannot be told to somebody who may see only some.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSo {
    /// It is written in a way that may mean anything.
    #[error("who may see only some rows writes plainly: show channels [count|like TEXT] [as json]")]
    Unclear,
    /// The form cannot be written.
    #[error("who may see only some rows gets a table or JSON: leave \"as xml\" out, or write \"as json\"")]
    Form,
}

impl Show {
    /// Reads what stands behind `show`.
    ///
    /// # Errors
    /// When it is not clear, or cannot be told in part.
    pub fn of(arguments: &str) -> Result<Asked, NotSo> {
        let words: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
        let is_plain =
            |word: &&str| word.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"\\`$^".contains(&byte));
        if words.len() > MOST_WORDS || !words.iter().all(is_plain) {
            return Err(NotSo::Unclear);
        }
        let Some((first, rest)) = words.split_first() else { return Ok(Asked::Nobodys) };
        let is = |word: &str, text: &str| word.eq_ignore_ascii_case(text);
        if NOBODYS.iter().any(|prefix| first.get(..prefix.len()).is_some_and(|start| is(start, prefix))) {
            return Ok(Asked::Nobodys);
        }
        let what = WHOSE.iter().find(|what| is(first, what)).ok_or(NotSo::Unclear)?;
        let (like, rest) = match rest {
            [like, text, rest @ ..] if is(like, "like") && *what == "channels" && !is(text, "as") => {
                (Some((*text).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let form = match rest {
            [] => Form::Table(",".into()),
            [count] if is(count, "count") && like.is_none() => Form::Count,
            [count, word, json]
                if is(count, "count") && is(word, "as") && is(json, "json") && like.is_none() =>
            {
                Form::CountAsJson
            }
            [word, json] if is(word, "as") && is(json, "json") => Form::Json,
            [word, delim] if is(word, "as") && (is(delim, "delim") || is(delim, "csv")) => {
                Form::Table(",".into())
            }
            [word, delim, between]
                if is(word, "as") && (is(delim, "delim") || is(delim, "csv")) && like.is_none() =>
            {
                Form::Table((*between).to_owned())
            }
            [word, ..] if is(word, "as") => return Err(NotSo::Form),
            _ => return Err(NotSo::Unclear),
        };
        Ok(Asked::Rows(Show { what, like, form }))
    }

    /// Whether the rows are those of phones that are registered; else they are of channels.
    pub fn is_of_registrations(&self) -> bool {
        self.what == REGISTRATIONS
    }

    /// The command that brings all rows as JSON.
    pub fn command(&self) -> String {
        match &self.like {
            Some(text) => format!("show {} like {text} as json", self.what),
            None => format!("show {} as json", self.what),
        }
    }

    /// Writes rows in the form that was asked for.
    pub fn write(&self, rows: &[Row]) -> String {
        match &self.form {
            Form::Count => format!("\n{} total.\n", rows.len()),
            Form::CountAsJson => format!("{{\"row_count\":{}}}", rows.len()),
            Form::Table(between) => table(rows, between),
            Form::Json if rows.is_empty() => "{\"row_count\": 0}\n".into(),
            Form::Json => {
                let mut out = format!("{{\"row_count\":{},\"rows\":[", rows.len());
                for (at, row) in rows.iter().enumerate() {
                    out.push_str(if at == 0 { "{" } else { ",{" });
                    for (at, (name, value)) in row.0.iter().enumerate() {
                        out.push_str(if at == 0 { "" } else { "," });
                        out.push_str(&quoted(name));
                        out.push(':');
                        out.push_str(&quoted(value));
                    }
                    out.push('}');
                }
                out + "]}"
            }
        }
    }
}

/// One row: names and values in the order of the switch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row(Vec<(String, String)>);

impl Row {
    /// The value of a column; empty when there is none.
    pub fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(column, _)| column == name).map_or("", |(_, value)| value)
    }
}

/// What the switch told.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Rows {
    /// Left out when there are none.
    #[serde(default)]
    rows: Vec<Row>,
}

impl Rows {
    /// Reads an answer to [`Show::command`]. `None` when it is none: nothing of it can be told then.
    pub fn read(answer: &[u8]) -> Option<Vec<Row>> {
        // A caller's name may be any bytes, and must not keep others from their rows.
        serde_json::from_str::<Rows>(&String::from_utf8_lossy(answer)).ok().map(|read| read.rows)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut row = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    row.push((name, value.unwrap_or_default()));
                }
                Ok(Row(row))
            }
        }
        deserializer.deserialize_map(Columns)
    }
}

fn table(rows: &[Row], between: &str) -> String {
    let mut out = String::new();
    // A line feed in a value would begin a row that is none.
    let line = |out: &mut String, values: &mut dyn Iterator<Item = &String>| {
        for (at, value) in values.enumerate() {
            out.push_str(if at == 0 { "" } else { between });
            out.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        out.push('\n');
    };
    if let Some(first) = rows.first() {
        line(&mut out, &mut first.0.iter().map(|(name, _)| name));
    }
    for row in rows {
        line(&mut out, &mut row.0.iter().map(|(_, value)| value));
    }
    out + &format!("\n{} total.\n", rows.len())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What `show` tells whose rows are somebody's. FreeSWITCH wants these words in full, in any case.
pub const WHOSE: [&str; 7] = [
    "channels",
    "calls",
    "detailed_calls",
    "bridged_calls",
    "detailed_bridged_calls",
    "distinct_channels",
    REGISTRATIONS,
];
const REGISTRATIONS: &str = "registrations";
/// Words with which what is nobody's begins; FreeSWITCH looks at so much of them only, or an ending does no harm.
const NOBODYS: [&str; 17] = [
    "codec",
    "dialplan",
    "file",
    "timer",
    "chat",
    "limit",
    "say",
    "management",
    "endpoint",
    "module",
    "interface",
    "application",
    "api",
    "aliases",
    "complete",
    "nat_map",
    "help",
];
/// FreeSWITCH looks at 6.
const MOST_WORDS: usize = 6;

#[cfg(test)]
mod tests;
