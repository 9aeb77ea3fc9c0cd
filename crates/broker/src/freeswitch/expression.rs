//! `${...}` and `$${...}`, wherever they stand: a variable is read, or a command is run.
//!
//! `${name}`, `${name[2]}`, `${name:0:3}` read a variable; `${command(arguments)}` and `${command arguments}` run a command. Everything
//! else, a name that is made of another expression among it, has more than one reading. A backslash before it protects nothing.

use super::Unfolding;
use crate::deed::Deed;
use crate::line::is_name;

/// Whether a text holds something that is expanded before it is used, or would after the switch has taken quotes and escapes away.
pub(super) fn has_expression(text: &str) -> bool {
    text.contains("${") || bare(text).contains("${")
}

/// Without what a splitting or an expansion may take away: `$\'{` is `${` the next time.
fn bare(text: &str) -> String {
    text.replace(['\\', '\'', '"'], "")
}

impl Unfolding<'_> {
    /// Every expression of a text.
    pub(super) fn expressions(&mut self, text: &str) {
        if bare(text).matches("${").count() > text.matches("${").count() {
            return self.undecidable(text, "an expression with quotes or escapes inside of its beginning");
        }
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let inside = &rest[at + 2..];
            let Some(end) = closing(inside, b'{', b'}') else {
                return self.undecidable(&rest[at..], "an expression that does not end");
            };
            self.expression(&inside[..end]);
            rest = &inside[end + 1..];
        }
    }

    /// What stands between the braces.
    fn expression(&mut self, inside: &str) {
        // The inner one goes first, and what it gives is a part of the name or the argument.
        if has_expression(inside) {
            return self.undecidable(inside, "an expression that is made of another one");
        }
        let (bracket, blank) = (inside.find('('), inside.find(' '));
        let Some(bracket) = bracket.filter(|bracket| {
            blank.is_none_or(|blank| blank > *bracket || inside[blank..*bracket].trim().is_empty())
        }) else {
            return match blank {
                Some(_) => self.line(inside),
                None => self.reading(inside),
            };
        };
        let (name, arguments) = (&inside[..bracket], &inside[bracket + 1..]);
        let Some(arguments) = arguments.trim_end_matches(' ').strip_suffix(')') else {
            return self.undecidable(inside, "an expression with a bracket that does not end it");
        };
        // "name(a) b(c)" would be cut off here and elsewhere there.
        if closing(arguments, b'(', b')').is_some() {
            return self.undecidable(inside, "an expression with brackets that do not match");
        }
        self.command(name.trim_matches(' '), arguments.trim_matches(' '));
    }

    fn reading(&mut self, inside: &str) {
        let name = inside.split([':', '[']).next().unwrap_or_default();
        let rest = &inside[name.len()..];
        let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b':' | b'-' | b'[' | b']');
        if is_name(name) && rest.bytes().all(is_part) {
            self.deeds.push(Deed::Read { name: name.to_ascii_lowercase() });
        } else {
            self.undecidable(inside, "an expression that is neither a variable nor a command");
        }
    }
}

/// Where the bracket that is open before `text` is closed.
pub(super) fn closing(text: &str, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            match depth {
                0 => return Some(at),
                _ => depth -= 1,
            }
        }
    }
    None
}
