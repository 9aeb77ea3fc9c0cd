//! Setting a variable. Every one that the catalogue knows is judged by its name; the rest only hold a value. What a value would run
//! later is in [`super::later`].

use super::Unfolding;
use super::expression::closing;
use crate::deed::Deed;
use crate::line::is_name;

impl Unfolding<'_> {
    /// A variable is set.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let name = name.trim_matches(' ');
        // "nolocal:x" and "x[2]" are still x.
        let bare = name.strip_prefix("nolocal:").or(name.strip_prefix("_nolocal_")).unwrap_or(name);
        let bare = bare.split('[').next().unwrap_or_default();
        if !is_name(bare) {
            return self.undecidable(name, "is not the name of a variable");
        }
        let bare = bare.to_ascii_lowercase();
        self.expressions(value);
        self.deeds.push(Deed::Set { name: bare.clone(), value: value.to_owned() });
        self.names_file(&bare, value);
        self.later(&bare, value.trim_matches([' ', '\'']));
    }

    /// "name=value" items, separated by `separator`.
    pub(super) fn assignments(&mut self, text: &str, separator: char) {
        if text.contains(['\'', '"', '\\', '^', '(']) {
            // Quotes, escapes and "^^:" change where an item ends.
            return self.undecidable(text, "variables with quotes, escapes or another separator");
        }
        for item in text.split(separator).filter(|item| !item.trim_matches(' ').is_empty()) {
            match item.split_once('=') {
                Some((name, value)) => self.set(name, value),
                None => self.undecidable(item, "is no name=value"),
            }
        }
    }

    /// The blocks of variables at the beginning of a dial string; gives what follows them.
    pub(super) fn variable_blocks<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let mut rest = text.trim_start_matches(' ');
        loop {
            let (open, close) = match rest.bytes().next() {
                Some(b'{') => (b'{', b'}'),
                Some(b'[') => (b'[', b']'),
                Some(b'<') => (b'<', b'>'),
                _ => return Some(rest),
            };
            let inside = &rest[1..];
            let Some(end) = closing(inside, open, close) else {
                self.undecidable(rest, "variables whose bracket is not closed");
                return None;
            };
            self.assignments(&inside[..end], ',');
            rest = inside[end + 1..].trim_start_matches(' ');
        }
    }

    /// "app args" or "app::args", as execute_on_* and others take it.
    pub(super) fn application_text(&mut self, text: &str) {
        let text = text.trim_matches(' ');
        let (name, arguments) = match (text.split_once("::"), text.split_once(' ')) {
            (Some((name, arguments)), _) if is_name(name) => (name, arguments),
            (_, Some((name, arguments))) => (name, arguments),
            _ => (text, ""),
        };
        self.application(name, arguments);
    }
}
