//! Events as FreeSWITCH sent them, with places to fill in: [`Template`], [`Values`], [`Kind`].
//!
//! The files in `templates/` are events of the captures; what differs from one to the next is `{a name}`. A brace
//! never occurs in a plain event otherwise, because the format encodes it. Rendering percent-encodes the values.

use crate::{clock, event::Event};
use esl::percent;
use std::io::Write as _;

mod field;
mod kind;

pub(crate) use field::Field;
pub(crate) use kind::Kind;

/// The moments of a call and of an event, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) now: u64,
    pub(crate) created: u64,
    pub(crate) answered: u64,
    pub(crate) ended: u64,
}

/// What is filled in, not yet encoded.
#[derive(Debug, Clone)]
pub(crate) struct Values<'a> {
    fields: [&'a str; Field::COUNT],
    pub(crate) times: Times,
}

impl<'a> Values<'a> {
    pub(crate) fn new(times: Times) -> Self {
        Self { fields: [""; Field::COUNT], times }
    }

    pub(crate) fn set(&mut self, field: Field, value: &'a str) -> &mut Self {
        self.fields[field as usize] = value;
        self
    }
}

/// One kind of event.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
    length: usize,
}

#[derive(Debug)]
enum Part {
    Text(Box<[u8]>),
    Field(Field),
    Time(Moment, TimeForm),
    Span(Span, Unit),
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Now,
    Created,
    Answered,
    Ended,
}

#[derive(Debug, Clone, Copy)]
enum TimeForm {
    Micros,
    Seconds,
    Stamp,
    Gmt,
}

#[derive(Debug, Clone, Copy)]
enum Span {
    Duration,
    Bill,
    Setup,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Seconds,
    Millis,
    Micros,
}

impl Template {
    /// Reads a file of `templates/`.
    ///
    /// # Panics
    /// On a name that does not exist: the files are part of the program.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before.as_bytes().into()));
            }
            let (name, after) = after.split_once('}').expect("a brace in a template is closed");
            parts.push(part(name));
            rest = after;
        }
        parts.push(Part::Text(rest.as_bytes().into()));
        Self { parts, length: text.len() + text.len() / 8 }
    }

    pub(crate) fn render(&self, values: &Values<'_>) -> Event {
        let mut out = Vec::with_capacity(self.length);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Field(field) => push_value(values.fields[*field as usize].as_bytes(), &mut out),
                Part::Time(moment, form) => push_time(&values.times, *moment, *form, &mut out),
                Part::Span(span, unit) => push_span(&values.times, *span, *unit, &mut out),
            }
        }
        out.push(b'\n');
        Event::from_template(&out)
    }
}

/// Most values are words and addresses, which need no encoding.
fn push_value(value: &[u8], out: &mut Vec<u8>) {
    if value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        out.extend_from_slice(value);
    } else {
        percent::encode(value, out);
    }
}

fn part(name: &str) -> Part {
    let (base, suffix) = name.rsplit_once('_').unwrap_or((name, ""));
    let span = match base {
        "duration" => Some(Span::Duration),
        "bill" => Some(Span::Bill),
        "setup" => Some(Span::Setup),
        _ => None,
    };
    let unit = match suffix {
        "s" => Some(Unit::Seconds),
        "ms" => Some(Unit::Millis),
        "us" => Some(Unit::Micros),
        _ => None,
    };
    if let (Some(span), Some(unit)) = (span, unit) {
        return Part::Span(span, unit);
    }
    let (base, form) = match suffix {
        "s" => (base, TimeForm::Seconds),
        "stamp" => (base, TimeForm::Stamp),
        "gmt" => (base, TimeForm::Gmt),
        _ => (name, TimeForm::Micros),
    };
    let moment = match base {
        "now" => Moment::Now,
        "created" => Moment::Created,
        "answered" => Moment::Answered,
        "ended" => Moment::Ended,
        _ => return Part::Field(Field::named(name)),
    };
    Part::Time(moment, form)
}

fn push_time(times: &Times, moment: Moment, form: TimeForm, out: &mut Vec<u8>) {
    let micros = match moment {
        Moment::Now => times.now,
        Moment::Created => times.created,
        Moment::Answered => times.answered,
        Moment::Ended => times.ended,
    };
    // Writing to a vector cannot fail.
    let _ = match form {
        TimeForm::Micros => write!(out, "{micros}"),
        TimeForm::Seconds => write!(out, "{}", micros / 1_000_000),
        TimeForm::Stamp => {
            clock::push_stamp(micros, out);
            Ok(())
        }
        TimeForm::Gmt => {
            clock::push_gmt(micros, out);
            Ok(())
        }
    };
}

fn push_span(times: &Times, span: Span, unit: Unit, out: &mut Vec<u8>) {
    let (from, to) = match span {
        Span::Duration => (times.created, times.ended),
        Span::Bill => (times.answered, times.ended),
        Span::Setup => (times.created, times.answered),
    };
    let length = match unit {
        // FreeSWITCH subtracts whole seconds: a call from x.9 to y.1 lasts a second.
        Unit::Seconds => (to / 1_000_000).saturating_sub(from / 1_000_000),
        Unit::Millis => to.saturating_sub(from) / 1000,
        Unit::Micros => to.saturating_sub(from),
    };
    let _ = write!(out, "{length}");
}
