//! Templates: plain text with `{variables}` out of a fixed list for each event.
//!
//! [`Template::new`] reads one when the configuration is checked; [`Template::fill`] puts values in. Values are put in once and
//! never read as a template, whatever they hold.

use super::Kind;

/// What a template is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// One event.
    Event(Kind),
    /// What exceeded the limit of messages.
    Digest,
    /// A message to see whether messages arrive.
    Test,
    /// A target's own, around the text of any of them.
    Around,
}

/// A text with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(String),
    Variable(&'static str),
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is there.
    pub found: String,
    /// What could be there.
    pub expected: String,
    /// What to write.
    pub mend: String,
}

impl Text {
    /// Each that the configuration has a template for.
    pub const ALL: [Text; 8] = [
        Text::Event(Kind::Alarm),
        Text::Event(Kind::Alert),
        Text::Event(Kind::Ban),
        Text::Event(Kind::Unban),
        Text::Event(Kind::WouldBan),
        Text::Event(Kind::HangUp),
        Text::Event(Kind::Switch),
        Text::Digest,
    ];

    /// The word for it in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Text::Event(kind) => kind.word(),
            Text::Digest => "digest",
            Text::Test => "test",
            Text::Around => "",
        }
    }

    /// The variables of its own; those of `COMMON` go with every text.
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            Text::Event(Kind::Alarm) => &["name", "subject", "state", "since", "message"],
            Text::Event(Kind::Alert) => &["kind", "source", "message"],
            Text::Event(Kind::Ban | Kind::WouldBan) => &[
                "target", "scope", "length", "until", "rule", "evidence", "count", "reason", "users",
                "domains", "agents", "who", "country", "as",
            ],
            Text::Event(Kind::Unban) => &["target", "who", "rule", "reason"],
            Text::Event(Kind::HangUp) => &["source", "reason"],
            Text::Event(Kind::Switch) => &["state", "trouble"],
            Text::Digest => &["total", "missed", "from", "to", "summary"],
            Text::Test | Text::Around => &["text"],
        }
    }
}

/// Variables that every text has.
pub(super) const COMMON: [&str; 6] = ["event", "title", "time", "host", "severity", "switch"];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Names a variable that is not there, or a brace without its other half.
    pub fn new(text: &str, of: Text) -> Result<Template, Wrong> {
        let known = || of.variables().iter().chain(&COMMON).copied();
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                words.push_str(brace);
                rest = after;
                continue;
            }
            let name = match (brace, rest.split_once('}')) {
                ("{", Some((name, after))) => {
                    rest = after;
                    name.trim()
                }
                _ => return Err(lone(brace)),
            };
            let Some(name) = known().find(|known| *known == name) else { return Err(unknown(name, known())) };
            if !words.is_empty() {
                pieces.push(Piece::Words(std::mem::take(&mut words)));
            }
            pieces.push(Piece::Variable(name));
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Template(pieces))
    }

    /// The text, with what `value` knows of each variable.
    pub fn fill(&self, value: impl Fn(&str) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Words(words) => words.clone(),
            Piece::Variable(name) => value(name),
        });
        pieces.collect()
    }
}

fn lone(brace: &str) -> Wrong {
    Wrong {
        found: format!("a \"{brace}\" without its other half"),
        expected: "{variable}".into(),
        mend: format!("write {brace}{brace} for the sign itself"),
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Wrong {
    let near = crate::config::nearest(name, known.clone());
    let name: String = name.chars().take(40).flat_map(char::escape_debug).collect();
    Wrong {
        found: format!("the variable {{{name}}}"),
        expected: format!("one of {}", known.collect::<Vec<_>>().join(", ")),
        mend: near.map_or("take one of these".into(), |near| format!("write {{{near}}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(text: &str) -> Result<Template, Wrong> {
        Template::new(text, Text::Event(Kind::Ban))
    }

    #[test]
    fn values_are_put_in_once_and_never_read_as_a_template() {
        let template = ban("{{{target}}} by { who }{rule}").unwrap();
        let filled = template.fill(|name| match name {
            "target" => "192.0.2.1".into(),
            "who" => "{rule}{target}{{".into(),
            _ => String::new(),
        });
        assert_eq!(filled, "{192.0.2.1} by {rule}{target}{{");
    }

    #[test]
    fn a_wrong_variable_is_named_with_the_right_one() {
        let wrong = ban("{taget}").unwrap_err();
        assert_eq!(wrong.found, "the variable {taget}");
        assert_eq!(wrong.mend, "write {target}");
        let wrong = Template::new("{target}", Text::Event(Kind::Alarm)).unwrap_err();
        assert!(wrong.expected.starts_with("one of name, subject"), "{wrong:?}");
        for text in ["{", "}", "{target", "a } b", "{}"] {
            assert!(ban(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_without_variables_stays_as_it_is() {
        assert_eq!(ban("ä\n}}").unwrap().fill(|_| "x".into()), "ä\n}");
        assert_eq!(ban("").unwrap().fill(|_| "x".into()), "");
    }
}
