//! Texts that somebody else chose, as JSON that also a terminal may be shown.

/// Appends a JSON string. Control characters, and those that turn or hide text on a screen, are escaped.
pub(super) fn push(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let escape = match character {
            '"' => Some("\\\"".to_owned()),
            '\\' => Some("\\\\".to_owned()),
            ' '..='~' => None,
            _ if is_odd(character) => Some(escaped(character)),
            _ => None,
        };
        if let Some(escape) = escape {
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            out.extend_from_slice(escape.as_bytes());
            plain = at + character.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// The text's beginning, at most `most` bytes, and how many bytes are left out.
pub(super) fn cut(text: &str, most: usize) -> (&str, usize) {
    if text.len() <= most {
        return (text, 0);
    }
    let end = text.floor_char_boundary(most);
    (&text[..end], text.len() - end)
}

/// Control characters, separators of lines, direction marks and overrides, joiners without width, tags.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(character, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// As UTF-16 units (RFC 8259 section 7).
fn escaped(character: char) -> String {
    let mut units = [0; 2];
    character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        push(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_screen_would_obey_is_escaped() {
        assert_eq!(
            json("a\"b\\c\n\u{1b}[31m\u{202e}é\u{7f}\u{9b}"),
            r#""a\"b\\c\u000a\u001b[31m\u202eé\u007f\u009b""#
        );
        assert_eq!(json("\u{e0041}"), r#""\udb40\udc41""#);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aéb", 2), ("a", 3));
        assert_eq!(cut("aéb", 3), ("aé", 1));
        assert_eq!(cut("aéb", 4), ("aéb", 0));
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_the_same(text in any::<String>()) {
            let json = json(&text);
            prop_assert!(!json.chars().any(is_odd));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
