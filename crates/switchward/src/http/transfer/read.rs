//! Text as lines of a list. Whatever stands in it, each line is understood or has its error; nothing here changes anything.

use super::draft::{Cell, Draft, is_known};
use super::record::{Line, Record};
use super::write::FORMULAS;
use super::{Format, What};
use guard::Time;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use std::fmt;
use std::time::Duration;

/// Tells each line of `text` with its number: the record, or why there is none and what stood there.
pub(super) fn lines(
    (what, format): (What, Format),
    text: &[u8],
    now: Time,
    each: &mut dyn FnMut(u64, Result<Record, (String, String)>),
) {
    match format {
        Format::Json => json(text, now, each),
        Format::Csv => csv(text, now, each),
        Format::Ipset => ipset(what, text, now, each),
    }
}

type Each<'a> = &'a mut dyn FnMut(u64, Result<Record, (String, String)>);

fn json(text: &[u8], now: Time, each: Each<'_>) {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let mut told = 0;
    let list = List { now, each, told: &mut told };
    let read = list.deserialize(&mut reader).and_then(|()| reader.end());
    if let Err(error) = read {
        each(told + 1, Err((format!("the rest is no array of objects: {error}"), String::new())));
    }
}

/// An array whose elements are told one after the other; none of them stays in memory.
struct List<'a> {
    now: Time,
    each: Each<'a>,
    told: &'a mut u64,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(draft) = elements.next_element::<Draft>()? {
            *self.told += 1;
            (self.each)(*self.told, draft.parse(self.now));
        }
        Ok(())
    }
}

fn csv(text: &[u8], now: Time, each: Each<'_>) {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let names = match reader.headers() {
        Ok(names) => names.clone(),
        Err(error) => return each(1, Err((error.to_string(), String::new()))),
    };
    if !names.iter().any(|name| name.trim() == "ip") {
        let shown = names.iter().collect::<Vec<_>>().join(",");
        return each(1, Err(("the first line names the columns; one of them is \"ip\"".into(), shown)));
    }
    if let Some(name) = names.iter().find(|name| !is_known(name.trim())) {
        // Whatever it means, rows without it may mean another thing.
        return each(1, Err((format!("the column {name:?} is not known here"), name.to_owned())));
    }
    for (index, row) in reader.records().enumerate() {
        // The line of the names is the first.
        let number = index as u64 + 2;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                each(number, Err((error.to_string(), String::new())));
                continue;
            }
        };
        let number = row.position().map_or(number, csv::Position::line);
        let shown = || row.iter().collect::<Vec<_>>().join(",");
        if row.len() != names.len() {
            let error = format!("there are {} cells, but {} columns", row.len(), names.len());
            each(number, Err((error, shown())));
            continue;
        }
        let mut draft = Draft::default();
        for (name, cell) in names.iter().zip(&row) {
            draft.set(name.trim(), Cell::Text(plain(cell)));
        }
        each(number, draft.parse(now).map_err(|(error, _)| (error, shown())));
    }
}

/// A cell without the apostrophe that keeps spreadsheets from taking it for a formula.
fn plain(cell: &str) -> String {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULAS) => rest.to_owned(),
        _ => cell.to_owned(),
    }
}

fn ipset(what: What, text: &[u8], now: Time, each: Each<'_>) {
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("create ") || line == "COMMIT" {
            continue;
        }
        each(index as u64 + 1, added(what, line, now).map_err(|error| (error, line.to_owned())));
    }
}

/// `add SET ENTRY [timeout SECONDS] [comment "TEXT"]`. Counters and marks are passed over; an option that is not known may turn the
/// meaning of an entry round, and is refused.
fn added(what: What, line: &str, now: Time) -> Result<Record, String> {
    let rest = line.strip_prefix("add ").ok_or("only lines with \"create\" and \"add\" are known here")?;
    let (before, comment) = rest.split_once(" comment \"").unwrap_or((rest, ""));
    let (comment, after) = comment.split_once('"').unwrap_or((comment, ""));
    let options = format!("{before} {after}");
    let mut words = options.split_whitespace();
    let (Some(set), Some(entry)) = (words.next(), words.next()) else {
        return Err("an entry is \"add SET ADDRESS\"".into());
    };
    let own = set.strip_prefix("switchward-").and_then(|own| own.split('-').next());
    match (own, what) {
        (Some("allow"), What::Bans) => {
            return Err("an entry of an allow-list is no ban; import it with what=allows".into());
        }
        (Some("all" | "sip"), What::Allows) => return Err("a ban is no entry of an allow-list".into()),
        _ => {}
    }
    if entry.contains(',') {
        return Err("only addresses and networks are read, no ports and no pairs".into());
    }
    let mut until = None;
    while let Some(word) = words.next() {
        match word {
            "timeout" => {
                let seconds = words.next().and_then(|word| word.parse::<u64>().ok());
                let seconds = seconds.ok_or("timeout is a number of seconds")?;
                until = (seconds > 0).then(|| now + Duration::from_secs(seconds));
            }
            "packets" | "bytes" | "skbmark" | "skbprio" | "skbqueue" => _ = words.next(),
            "-exist" | "-!" => {}
            "nomatch" => return Err("an exception (nomatch) has no place in the list".into()),
            _ => return Err("an option that is not known here".into()),
        }
    }
    let scope = if what == What::Bans && set.contains("-sip-") { "sip" } else { "" };
    let line = Line { ip: entry.into(), scope: scope.into(), reason: comment.into(), ..Line::default() };
    let record = line.parse(now)?;
    Ok(Record { until, ..record })
}
