//! Takes secrets out of what people see who may not see them: answers, events, log lines, and commands in the audit.
//!
//! Names are what it goes by (`catalogue/secrets.toml`, and those of the configuration): the value of a header, a variable, a parameter or
//! a member of such a name gives way to [`MARK`]. When it is not clear where a value ends, more is taken out. Work is linear in the
//! length of the text. Whoever may see secrets does not come here. Start with [`Redactor`].

use crate::catalogue::Catalogue;
use crate::line::Line;
use esl::{EventView, EventWriter, Format};
use names::{Names, Place};
use std::borrow::Cow;
use std::io::Write as _;
use text::Form;

mod command;
mod names;
#[cfg(test)]
mod tests;
mod text;

/// Stands where a secret stood.
pub const MARK: &str = "***";

/// See the module.
#[derive(Debug, Clone)]
pub struct Redactor {
    names: Names,
    /// Events and subclasses whose body may be anything; in lower case.
    bodies: Vec<String>,
}

impl Redactor {
    /// With the catalogue's names and further ones, in which a `*` may stand at the beginning and the end.
    pub fn new(catalogue: &Catalogue, extra: &[String]) -> Redactor {
        let secrets = catalogue.secrets();
        let is_body = |place: &[String]| place.iter().any(|place| place == "body");
        Redactor {
            names: Names::new(secrets, extra),
            bodies: secrets
                .iter()
                .filter(|secret| is_body(&secret.place))
                .map(|secret| secret.name.clone())
                .collect(),
        }
    }

    /// The same, but what has one of these names stays, whatever the catalogue and the configuration say. For what is judged by it and is no secret by
    /// itself.
    pub fn keeping(mut self, names: &[&'static str]) -> Redactor {
        self.names = self.names.keeping(names);
        self
    }

    /// Whether a header, a variable or a parameter of this name holds a secret.
    pub fn is_secret(&self, name: &str) -> bool {
        self.names.has(name.as_bytes(), Place::Any)
    }

    /// What the switch printed for a command.
    pub fn reply(&self, command: Line<'_>, text: Vec<u8>) -> Vec<u8> {
        if command::asks_for(&self.names, command.arguments()) && !is_status(&text) {
            return MARK.into();
        }
        let form = text::Form::of_reply(command);
        match text::redacted(&self.names, &text, form) {
            Some(redacted) => redacted,
            None => text,
        }
    }

    /// A command, for the audit and for logs. What it does, and to whom, can still be read.
    pub fn command<'t>(&self, line: Line<'t>) -> Cow<'t, str> {
        self.text(line.as_str())
    }

    /// A text that holds a command or several.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match command::redacted(&self.names, text) {
            // Only ASCII was looked at, so it is still a text.
            Some(redacted) => String::from_utf8_lossy(&redacted).into_owned().into(),
            None => text.into(),
        }
    }

    /// A line of the switch's log, or other text of which nothing is known.
    pub fn bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match text::redacted(&self.names, text, Form::Free) {
            Some(redacted) => redacted.into(),
            None => text.into(),
        }
    }

    /// Appends an event as a whole frame in the wanted format. Without secrets a plain one is as it came.
    pub fn event(&self, event: &EventView<'_>, format: Format, out: &mut Vec<u8>) {
        let body = event.body().map(|body| {
            let body = body.decoded();
            let subclass = event.subclass().map(|value| value.decoded());
            let is_event = |name: &[u8]| {
                name.eq_ignore_ascii_case(event.name())
                    || subclass.as_deref().is_some_and(|subclass| name.eq_ignore_ascii_case(subclass))
            };
            if self.bodies.iter().any(|name| is_event(name.as_bytes())) {
                return MARK.as_bytes().into();
            }
            match text::redacted(&self.names, &body, Form::Free) {
                Some(redacted) => Cow::Owned(redacted),
                None => body,
            }
        });
        match (event.format(), format) {
            (Format::Plain, Format::Plain) => self.plain(event, body.as_deref(), out),
            _ => self.rewritten(event, format, body.as_deref(), out),
        }
    }

    /// From plain to plain: values that stay are copied as they are.
    fn plain(&self, event: &EventView<'_>, body: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut text = Vec::with_capacity(4096);
        let mut scratch = Vec::new();
        for (name, value) in event.headers() {
            text.extend_from_slice(name);
            text.extend_from_slice(b": ");
            match (name, body) {
                (b"Content-Length", Some(body)) => push_number(&mut text, body.len()),
                _ if self.names.has(name, Place::Any) => text.extend_from_slice(MARK.as_bytes()),
                _ => match text::redacted(&self.names, value.decode_into(&mut scratch), Form::Free) {
                    Some(redacted) => esl::percent::encode(&redacted, &mut text),
                    None => text.extend_from_slice(value.raw()),
                },
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(body.unwrap_or_default());
        out.extend_from_slice(b"Content-Length: ");
        push_number(out, text.len());
        out.extend_from_slice(b"\nContent-Type: text/event-plain\n\n");
        out.append(&mut text);
    }

    fn rewritten(&self, event: &EventView<'_>, format: Format, body: Option<&[u8]>, out: &mut Vec<u8>) {
        let mut writer = EventWriter::new(format);
        let mut scratch = Vec::new();
        for (name, value) in event.headers() {
            // The writer gives it.
            if name == b"Content-Length" {
                continue;
            }
            let shown = String::from_utf8_lossy(name);
            if self.names.has(name, Place::Any) {
                writer.header(&shown, MARK.as_bytes());
                continue;
            }
            let value = value.decode_into(&mut scratch);
            match text::redacted(&self.names, value, Form::Free) {
                Some(redacted) => writer.header(&shown, &redacted),
                None => writer.header(&shown, value),
            };
        }
        writer.finish(body, out);
    }
}

/// Whether an answer only says how it went.
fn is_status(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    // "+OK" with the id of a new call.
    let is_uuid =
        |text: &[u8]| text.len() == 36 && text.iter().all(|byte| *byte == b'-' || byte.is_ascii_hexdigit());
    let is_done = text.strip_prefix(b"+OK").is_some_and(|rest| rest.is_empty() || is_uuid(rest.trim_ascii()));
    text.is_empty() || is_done || text.starts_with(b"-ERR") || text.starts_with(b"-USAGE")
}

fn push_number(out: &mut Vec<u8>, number: usize) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{number}");
}
