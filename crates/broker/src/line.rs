//! A command as one line of text, checked before anything else looks at it.
//!
//! The event socket ends a command at a line feed, so a control character in a command is another command. A [`Line`] has none;
//! what is sent to the switch is exactly what [`Line::as_str`] gives.

use std::fmt;

/// A command: a verb, and its arguments after the first blank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a>(&'a str);

/// Why a text is no command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadLine {
    /// Nothing but blanks.
    #[error("the command is empty")]
    Empty,
    /// Over [`Line::LONGEST`] bytes.
    #[error("the command is longer than {} bytes", Line::LONGEST)]
    TooLong,
    /// A line feed, a tab, a NUL, an escape: nothing that a command needs.
    #[error("the command holds a control character (U+{:04X}) at byte {at}", *.character as u32)]
    Control {
        /// Which.
        character: char,
        /// Where, from 0.
        at: usize,
    },
    /// Two semicolons: the switch's console takes them for the end of a command.
    #[error("the command holds \";;\", which separates commands on the switch's console")]
    Separator,
    /// The verb is not made of letters, digits, `_`, `-` and `.`.
    #[error("the name of the command holds a character that no command's name has")]
    Verb,
}

impl<'a> Line<'a> {
    /// The longest command, in bytes.
    pub const LONGEST: usize = 16 * 1024;

    /// Checks a text; blanks before and after it are not part of the command.
    ///
    /// # Errors
    /// See [`BadLine`].
    pub fn new(text: &'a str) -> Result<Line<'a>, BadLine> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(BadLine::Empty);
        }
        if text.len() > Line::LONGEST {
            return Err(BadLine::TooLong);
        }
        if let Some((at, character)) = text.char_indices().find(|(_, character)| is_control(*character)) {
            return Err(BadLine::Control { character, at });
        }
        if text.contains(";;") {
            return Err(BadLine::Separator);
        }
        let line = Line(text);
        if !is_name(line.verb()) {
            return Err(BadLine::Verb);
        }
        Ok(line)
    }

    /// The name of the command, as written: the switch does not heed its case.
    pub fn verb(self) -> &'a str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// What stands after the first blank, without blanks around it; empty when there is nothing.
    pub fn arguments(self) -> &'a str {
        self.0.split_once(' ').map_or("", |(_, rest)| rest.trim_matches(' '))
    }

    /// The whole command.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a text can be the name of a command, an application or a variable.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// C0, DEL, C1, and the separators of lines and paragraphs.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_verb_and_the_rest() {
        let line = Line::new("  uuid_kill  1234 NORMAL_CLEARING ").unwrap();
        assert_eq!((line.verb(), line.arguments()), ("uuid_kill", "1234 NORMAL_CLEARING"));
        assert_eq!(Line::new("status").unwrap().arguments(), "");
    }

    #[test]
    fn what_is_more_than_one_command_is_refused() {
        for (text, why) in [
            ("", BadLine::Empty),
            ("   ", BadLine::Empty),
            ("status\n\napi system id", BadLine::Control { character: '\n', at: 6 }),
            ("status\r", BadLine::Control { character: '\r', at: 6 }),
            ("status\0", BadLine::Control { character: '\0', at: 6 }),
            ("show\tcalls", BadLine::Control { character: '\t', at: 4 }),
            ("show \u{85}calls", BadLine::Control { character: '\u{85}', at: 5 }),
            ("show \u{2028}calls", BadLine::Control { character: '\u{2028}', at: 5 }),
            ("status;;system id", BadLine::Separator),
            ("status;", BadLine::Verb),
            ("${system(id)}", BadLine::Verb),
            ("státus", BadLine::Verb),
        ] {
            assert_eq!(Line::new(text), Err(why), "{text:?}");
        }
        assert_eq!(Line::new(&"x".repeat(Line::LONGEST + 1)), Err(BadLine::TooLong));
    }
}
