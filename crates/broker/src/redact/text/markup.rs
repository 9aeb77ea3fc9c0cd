//! Values in JSON and XML: members, elements, and `<param name="..." value="..."/>`, also where the quotes are escaped.

use super::{Cut, Scan};
use memchr::memchr;

impl Scan<'_> {
    /// Whether the word stands in a tag as its name or as the value of its `name`; gives the place from where to go on.
    pub(super) fn markup(&mut self, from: usize, to: usize, is_header: bool) -> Option<usize> {
        let before = &self.text[..from];
        if is_header && before.ends_with(b"<") && !matches!(self.byte(to), Some(b'=' | b':' | b',')) {
            return Some(self.tag(from - 1));
        }
        let quoted = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'"))?;
        let start = trim_backslashes(quoted).trim_ascii_end().strip_suffix(b"=")?.trim_ascii_end();
        let is_name = start.len() >= 4 && start[start.len() - 4..].eq_ignore_ascii_case(b"name");
        // Without a bracket before it: the line, so that its other attributes are still found.
        is_name.then(|| self.tag(self.tag.unwrap_or(self.line)))
    }

    /// Takes out the values of all attributes but the name, and the content that follows.
    fn tag(&mut self, from: usize) -> usize {
        let mut at = from + 1;
        let close = loop {
            let Some(next) = memchr::memchr3(b'"', b'\'', b'>', self.rest(at)) else {
                return self.all_from(at);
            };
            let quote = at + next;
            if self.text[quote] == b'>' {
                break quote;
            }
            let level = self.backslashes(quote);
            let attribute =
                self.text[..quote - level].trim_ascii_end().strip_suffix(b"=").map(<[u8]>::trim_ascii_end);
            let is_shown = attribute.is_none_or(|text| {
                [&b"name"[..], b"type", b"direction", b"id"].iter().any(|shown| {
                    text.len() > shown.len() && {
                        let (before, word) = text.split_at(text.len() - shown.len());
                        word.eq_ignore_ascii_case(shown) && before.ends_with(b" ")
                    }
                })
            });
            let Some(end) = self.closing_quote(quote) else { return self.all_from(quote + 1) };
            if !is_shown {
                self.cuts.push(Cut::new(quote + 1..end - level));
            }
            at = end + 1;
        };
        let content = close + 1;
        if self.text[..close].ends_with(b"/") || self.text[..close].ends_with(b"?") {
            return content;
        }
        let end = memchr(b'<', self.rest(content)).map_or(self.text.len(), |length| content + length);
        // An empty one between its tags stays as it is.
        if self.text[content..end].iter().all(u8::is_ascii_whitespace) {
            return content;
        }
        self.take(content..end)
    }

    /// After a name at whose end a quote stands: a member of an object, or nothing.
    pub(super) fn member(&mut self, at: usize, is_header: bool) -> usize {
        let level = self.rest(at).iter().take_while(|byte| **byte == b'\\').count();
        if !matches!(self.byte(at + level), Some(b'"' | b'\'')) {
            return at;
        }
        let after = at + level + 1;
        let colon = after + self.blanks(after);
        match self.byte(colon) {
            Some(b':') if is_header && !self.is_call_id(at) => {}
            Some(b'=') => return self.until_line_end(colon + 1),
            _ => return at,
        }
        let from = colon + 1 + self.blanks(colon + 1);
        let escapes = self.rest(from).iter().take_while(|byte| **byte == b'\\').count();
        match self.byte(from + escapes) {
            Some(b'"' | b'\'') => match self.closing_quote(from + escapes) {
                Some(end) => {
                    let inner = end.saturating_sub(escapes).max(from + escapes + 1);
                    self.cuts.push(Cut::new(from + escapes + 1..inner));
                    end + 1
                }
                None => self.all_from(from),
            },
            Some(b'[' | b'{') => {
                let end = self.closing_bracket(from);
                self.cuts.push(Cut { range: from..end, is_quoted: level == 0 });
                end
            }
            _ => {
                let rest = self.rest(from);
                let stops = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let end = from + rest.iter().position(stops).unwrap_or(rest.len());
                self.cuts.push(Cut { range: from..end, is_quoted: level == 0 });
                end
            }
        }
    }

    /// In the core's table of registrations "token" is the Call-ID of the registration.
    fn is_call_id(&self, end: usize) -> bool {
        self.form == super::Form::Table && self.text[..end].ends_with(b"\"token")
    }

    fn blanks(&self, from: usize) -> usize {
        self.rest(from).iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    }

    fn backslashes(&self, to: usize) -> usize {
        self.text[..to].len() - trim_backslashes(&self.text[..to]).len()
    }

    fn all_from(&mut self, from: usize) -> usize {
        self.take(from..self.text.len())
    }

    /// Where the quote is closed that stands here, perhaps after backslashes: as deeply escaped as it is itself.
    pub(super) fn closing_quote(&self, quote: usize) -> Option<usize> {
        let level = self.backslashes(quote);
        let kind = self.byte(quote)?;
        let mut at = quote + 1;
        loop {
            let end = at + memchr(kind, self.rest(at))?;
            let run = end - at - trim_backslashes(&self.text[at..end]).len();
            if run >= level && (run - level).is_multiple_of(2 * (level + 1)) {
                return Some(end);
            }
            at = end + 1;
        }
    }

    /// Behind the bracket that closes the one here; strings are passed over.
    fn closing_bracket(&self, from: usize) -> usize {
        let mut depth = 0usize;
        let mut at = from;
        while let Some(byte) = self.byte(at) {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth <= 1 => return at + 1,
                b']' | b'}' => depth -= 1,
                b'"' => match self.closing_quote(at) {
                    Some(end) => at = end,
                    None => return self.text.len(),
                },
                _ => {}
            }
            at += 1;
        }
        self.text.len()
    }
}

fn trim_backslashes(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let Some(rest) = text.strip_suffix(b"\\") {
        text = rest;
    }
    text
}
