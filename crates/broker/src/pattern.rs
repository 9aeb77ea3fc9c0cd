//! One line of a policy: which deeds it speaks of.
//!
//! | written | speaks of |
//! |---|---|
//! | `@read` | every command and application of that class |
//! | `show channels` | the command with these first arguments, and whatever follows |
//! | `status $` | the command with nothing more |
//! | `uuid_* {own}` | commands by glob; the argument must be a channel of the caller's own |
//! | `originate user/*@{domain}` | `{user}` and `{domain}` are the caller's |
//! | `&playback ivr/*` | an application |
//! | `$effective_caller_id_* *` | setting a variable |
//! | `sendmsg {own}` | messages to channels; what they run is asked for by itself |
//! | `!NOTIFY user={user} host={domain}` | sending an event with these headers; its headers that decide must all be named |
//! | `!CUSTOM crm::*` | sending a CUSTOM event of such a subclass |
//!
//! A `*` in a word matches no separator (`,` `|` `;`, quotes, brackets, `$`, `&`), so that what looks like one destination cannot be
//! two, and no way up (`..`), so that `ivr/*` stays below `ivr`. A word that holds quotes or a `${...}` is matched by nothing but the rest of the line.

use crate::catalogue::Class;
use crate::deed::Deed;
use event::Sent;
use std::fmt;

mod event;

/// Which deeds a rule speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: String,
    kind: Kind,
    /// Matches the name of a command, an application or a variable; in lower case.
    name: String,
    words: Vec<Word>,
    /// Nothing may follow the words.
    ends: bool,
    /// Of an event: the rest.
    sent: Option<Sent>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Class(Class),
    Command,
    Application,
    Variable,
    Event,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Word {
    /// A channel of the caller's own.
    Own,
    /// Literal text, placeholders and `*`.
    Glob(Vec<Part>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Any,
    User,
    Domain,
}

/// Why a text is no pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPattern {
    /// Nothing there.
    #[error("a pattern is empty; write a command such as \"show *\", or a class such as \"@read\"")]
    Empty,
    /// No such class.
    #[error("there is no class {0:?}; the classes are {all}", all = all_classes())]
    Class(String),
    /// Something else in braces.
    #[error("{0:?} is not known; the placeholders are {{own}}, {{user}} and {{domain}}")]
    Placeholder(String),
    /// `{own}` with something around it.
    #[error("{{own}} stands for a whole argument; {0:?} has more")]
    PartOfWord(String),
    /// Behind the name of an event stands neither a subclass nor a header.
    #[error("{0:?} says nothing of an event; write \"!CUSTOM subclass\" and \"header=value\"")]
    Event(String),
    /// The name holds what no name has.
    #[error("{0:?} is not the name of a command; it may have letters, digits, \"_\", \"-\", \".\" and \"*\"")]
    Name(String),
}

fn all_classes() -> String {
    Class::ALL.map(|class| format!("@{class}")).join(", ")
}

/// Who asks, as far as patterns want to know.
pub struct Who<'a> {
    /// The account's name.
    pub user: &'a str,
    /// Its domain.
    pub domain: &'a str,
    /// Whether a channel is its own.
    pub owns: &'a dyn Fn(&str) -> bool,
}

impl Pattern {
    /// Understands a pattern.
    ///
    /// # Errors
    /// See [`BadPattern`].
    pub fn new(text: &str) -> Result<Pattern, BadPattern> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(class) = text.strip_prefix('@') {
            let class = class.parse().map_err(|()| BadPattern::Class(text.clone()))?;
            return Ok(Pattern {
                kind: Kind::Class(class),
                name: String::new(),
                words: Vec::new(),
                ends: false,
                sent: None,
                text,
            });
        }
        let mut words = text.split(' ');
        let first = words.next().unwrap_or_default();
        let (kind, name) = match first.chars().next() {
            None => return Err(BadPattern::Empty),
            Some('&') => (Kind::Application, &first[1..]),
            Some('$') => (Kind::Variable, &first[1..]),
            Some('!') => (Kind::Event, &first[1..]),
            Some(_) => (Kind::Command, first),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'*');
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(BadPattern::Name(first.into()));
        }
        let name = name.to_ascii_lowercase();
        let mut words: Vec<&str> = words.collect();
        let ends = words.last() == Some(&"$");
        // Whatever follows is matched all the same.
        while matches!(words.last(), Some(&"$" | &"*")) {
            words.pop();
        }
        let sent = match kind {
            Kind::Event => Some(Sent::new(&name, &std::mem::take(&mut words))?),
            _ => None,
        };
        let words = words.into_iter().map(Word::new).collect::<Result<_, _>>()?;
        Ok(Pattern { text, kind, name, words, ends, sent })
    }

    /// The class that it speaks of, when it is one.
    pub fn class(&self) -> Option<Class> {
        match self.kind {
            Kind::Class(class) => Some(class),
            _ => None,
        }
    }

    /// Whether it names its command, application or variable without a glob.
    pub fn is_literal(&self) -> bool {
        self.class().is_none() && !self.name.contains('*')
    }

    /// Whether it holds `{own}`.
    pub fn asks_for_owners(&self) -> bool {
        self.words.contains(&Word::Own) || self.sent.as_ref().is_some_and(Sent::asks_for_owners)
    }

    /// Whether it allows a deed. When in doubt, it does not.
    pub fn allows(&self, deed: &Deed, who: &Who<'_>) -> bool {
        if let (Some(sent), Deed::Event { name, subclass, headers }) = (&self.sent, deed) {
            return self.names(name) && sent.allows(subclass.as_deref(), headers, self.ends, who);
        }
        let Some(arguments) = self.about(deed) else { return false };
        let mut given = arguments.split(' ');
        for word in &self.words {
            let Some(given) = given.next().filter(|given| is_plain(given)) else { return false };
            if !word.matches(given, who) {
                return false;
            }
        }
        if self.ends {
            return given.next().is_none_or(|more| more.is_empty() && arguments.is_empty());
        }
        // Whoever may act on his own channels may not name another's further on.
        !self.words.contains(&Word::Own) || given.all(|word| !may_be_channel(word) || (who.owns)(word))
    }

    /// Whether it denies a deed. When in doubt, it does.
    pub fn denies(&self, deed: &Deed, who: &Who<'_>) -> bool {
        if let (Some(sent), Deed::Event { name, subclass, headers }) = (&self.sent, deed) {
            return self.names(name) && sent.denies(subclass.as_deref(), headers, self.ends, who);
        }
        let Some(arguments) = self.about(deed) else { return false };
        // The switch may split quoted text otherwise than at its blanks.
        if !self.words.is_empty()
            && !arguments.chars().all(|character| character == ' ' || !is_special(character))
        {
            return true;
        }
        let mut given = arguments.split(' ').filter(|word| !word.is_empty());
        self.words.iter().all(|word| given.next().is_some_and(|given| word.matches_loosely(given, who)))
            && !(self.ends && given.next().is_some())
    }

    /// The arguments of a deed whose name it matches.
    fn about<'a>(&self, deed: &'a Deed) -> Option<&'a str> {
        let (kind, name, arguments) = match deed {
            Deed::Command { name, arguments } => (Kind::Command, name, arguments.as_str()),
            Deed::Application { name, arguments } => (Kind::Application, name, arguments.as_str()),
            Deed::Set { name, value } => (Kind::Variable, name, value.as_str()),
            Deed::Read { name } => (Kind::Variable, name, ""),
            Deed::Event { .. } | Deed::Undecidable { .. } => return None,
        };
        (kind == self.kind && self.names(name)).then_some(arguments)
    }

    fn names(&self, name: &str) -> bool {
        wild(self.name.split('*'), name)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Word {
    fn new(text: &str) -> Result<Word, BadPattern> {
        if text == "{own}" {
            return Ok(Word::Own);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['*', '{']) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].into()));
            }
            let special = &rest[at..];
            let (part, length) = if special.starts_with('*') {
                (Part::Any, 1)
            } else if special.starts_with("{user}") {
                (Part::User, "{user}".len())
            } else if special.starts_with("{domain}") {
                (Part::Domain, "{domain}".len())
            } else if special.starts_with("{own}") {
                return Err(BadPattern::PartOfWord(text.into()));
            } else {
                return Err(BadPattern::Placeholder(text.into()));
            };
            parts.push(part);
            rest = &special[length..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Word::Glob(parts))
    }

    fn matches(&self, given: &str, who: &Who<'_>) -> bool {
        match self {
            Word::Own => (who.owns)(given),
            Word::Glob(parts) => parts_match(parts, given, who, false),
        }
    }

    fn matches_loosely(&self, given: &str, who: &Who<'_>) -> bool {
        match self {
            Word::Own => (who.owns)(given),
            Word::Glob(parts) => parts_match(parts, given, who, true),
        }
    }
}

/// Whether a word is matched by the parts, in whatever case when `loosely`.
fn parts_match(parts: &[Part], given: &str, who: &Who<'_>, loosely: bool) -> bool {
    // The literal texts between the `*`.
    let mut texts = vec![String::new()];
    for part in parts {
        let literal = match part {
            Part::Any => {
                texts.push(String::new());
                continue;
            }
            Part::Text(text) => text.as_str(),
            // An account without a name or domain matches nothing.
            Part::User if who.user.is_empty() => return false,
            Part::Domain if who.domain.is_empty() => return false,
            Part::User => who.user,
            Part::Domain => who.domain,
        };
        if let Some(text) = texts.last_mut() {
            *text += literal;
        }
    }
    if !loosely {
        return wild(texts.iter().map(String::as_str), given);
    }
    texts.iter_mut().for_each(|text| text.make_ascii_lowercase());
    wild(texts.iter().map(String::as_str), &given.to_ascii_lowercase())
}

/// Whether `given` is made of these texts in their order, with anything between them. Linear for each text.
fn wild<'a>(mut texts: impl DoubleEndedIterator<Item = &'a str>, given: &str) -> bool {
    let Some(first) = texts.next() else { return given.is_empty() };
    let Some(last) = texts.next_back() else { return given == first };
    let Some(rest) = given.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let mut rest = rest;
    for text in texts {
        let Some(at) = rest.find(text) else { return false };
        rest = &rest[at + text.len()..];
    }
    true
}

/// Whether everybody, the switch included, takes the word for one and the same thing.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && !word.contains(":_:")
        && !word.chars().any(is_special)
        && !word.split('/').any(|part| part == "..")
}

/// Separates, quotes, expands or escapes somewhere in the switch.
pub(crate) fn is_special(character: char) -> bool {
    matches!(
        character,
        ',' | '|'
            | ';'
            | '\''
            | '"'
            | '`'
            | '\\'
            | '{'
            | '}'
            | '['
            | ']'
            | '<'
            | '>'
            | '('
            | ')'
            | '$'
            | '&'
            | '^'
    )
}

/// Whether a word may name a channel: a UUID (RFC 9562 section 4), or "all" of them.
fn may_be_channel(word: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let looks = |word: &str| word.len() == 36 && word.bytes().enumerate().all(shape);
    word.eq_ignore_ascii_case("all")
        || looks(word)
        || word.as_bytes().windows(36).any(|part| std::str::from_utf8(part).is_ok_and(looks))
}
