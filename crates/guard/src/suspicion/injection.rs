//! Characters in a user part that only an injection has: into a database, a shell, a dial string, a web page, a line of a log.
//!
//! RFC 3261 section 25.1 allows `- _ . ! ~ * ' ( )` and `& = + $ , ; ? /` in a user part beside letters and digits; people do have names such
//! as `o'brien`, and numbers carry `;phone-context=` and `#`. None of those is a sign by itself. What the grammar forbids unescaped and no account
//! needs is: quotation marks, angle brackets, braces, the bar, backslash, backquote and control characters. Of what it allows, only sequences
//! count that no name has. A `%` escape counts as what it stands for, once. Start with [`is_in`].

/// Whether a user part, or a number called, holds an injection. Looks at its first 256 bytes.
pub fn is_in(text: &[u8]) -> bool {
    let mut rest = &text[..text.len().min(LOOKED_AT)];
    let (mut before, mut earlier) = (0u8, 0u8);
    let (mut quotes, mut helpers) = (0u32, false);
    while let [first, tail @ ..] = rest {
        let byte = match (first, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                digit(*high) << 4 | digit(*low)
            }
            _ => {
                rest = tail;
                *first
            }
        };
        match (before, byte) {
            (_, b'"' | b'<' | b'>' | b'{' | b'}' | b'|' | b'\\' | b'`' | 0..=0x1f | 0x7f)
            | (b'$', b'(')
            | (b'/', b'*')
            | (b'&', b'&') => return true,
            (b'.', b'/') if earlier == b'.' => return true,
            (_, b'\'') => quotes += 1,
            (_, b'=' | b';' | b'#') | (b'-', b'-') => helpers = true,
            _ => {}
        }
        (earlier, before) = (before, byte);
    }
    // An apostrophe is a part of names; one with what SQL needs beside it is not, nor are several around a word.
    quotes > 0 && helpers || quotes > 2
}

/// Only so much is looked at: whoever sends more pays no more of our time.
const LOOKED_AT: usize = 256;

fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_phones_and_people_are_called_is_no_injection() {
        for user in [
            "",
            "1001",
            "+442071234567",
            "*97",
            "*72*1002#",
            "#31#0301234567",
            "o'brien",
            "d'arcy-o'neill",
            "alice.smith_2~x",
            "first--last",
            "x&y",
            "a=b",
            "1002;phone-context=pbx.example",
            "+1-212-555-0101;npdi;rn=+12125550100",
            "conf(room)1!",
            "50%",
            "a/b?c,d$e",
            "john%20smith",
            "%C3%BCmit",
            "gw+carrier1",
            "user%40pbx.example",
            "300.txt",
        ] {
            assert!(!is_in(user.as_bytes()), "{user}");
        }
        assert!(!is_in("zoë".as_bytes()));
        assert!(!is_in(&[b'x'; 65536]));
    }

    #[test]
    fn what_only_an_injection_has_is_one_escaped_or_not() {
        for user in [
            "a'or'3=3--",
            "1' OR '1'='1",
            "1001';drop table x",
            "x'--",
            "'a'b'",
            "\"1001\"",
            "1001<script>",
            "1>2",
            "a\\b",
            "`id`",
            "$(id)",
            "x&&reboot",
            "x|sh",
            "{absolute_codec_string=x}1001",
            "${hash}",
            "../../etc/passwd",
            "a/*x*/",
            "a\r\nb",
            "a\0",
            "\x7f",
            "%22x%22",
            "a%0d%0ab",
            "a%27or%273%3D3",
        ] {
            assert!(is_in(user.as_bytes()), "{user:?}");
        }
    }

    #[test]
    fn an_escape_is_read_once_and_one_that_is_none_stands_for_itself() {
        assert!(!is_in(b"%2522"));
        assert!(!is_in(b"%2"));
        assert!(!is_in(b"%zz"));
        assert!(is_in(b"%3c"));
        assert!(is_in(b"%3C"));
    }
}
