//! Dial strings: each destination is an `originate` of its own, with the variables before it.

use super::Unfolding;
use super::expression::has_expression;
use crate::deed::Deed;

impl Unfolding<'_> {
    /// Every destination of a dial string.
    pub(super) fn dial_string(&mut self, text: &str) {
        let Some(text) = self.variable_blocks(text) else { return };
        // Enterprise originate, in sequence, at the same time.
        for group in text.split(":_:") {
            for leg in group.split([',', '|']) {
                let Some(leg) = self.variable_blocks(leg) else { return };
                self.leg(leg.trim_matches(' '));
            }
        }
    }

    fn leg(&mut self, leg: &str) {
        if leg.is_empty() {
            return self.undecidable(leg, "a dial string without a destination");
        }
        if has_expression(leg) || leg.contains(['{', '}', '[', ']', '<', '>', '\'', '"', '\\', '(', ')', '&', ' ']) {
            return self.undecidable(leg, "a destination that is made of something else");
        }
        self.deeds.push(Deed::Command { name: "originate".into(), arguments: leg.to_owned() });
    }

    /// What an originated call is put through to: `&app(args)`, or an extension with dialplan and context.
    pub(super) fn destination(&mut self, words: &[&str]) {
        let Some(first) = words.first() else { return };
        if let Some(application) = first.strip_prefix('&') {
            let text = format!("{application} {}", words[1..].join(" "));
            return match text.split_once('(') {
                None => self.application(text.split(' ').next().unwrap_or_default(), ""),
                Some((name, rest)) => match rest.rfind(')') {
                    Some(end) => self.application(name, &rest[..end]),
                    None => self.undecidable(&text, "an application whose bracket is not closed"),
                },
            };
        }
        match words.get(1) {
            Some(dialplan) if has_expression(dialplan) => self.undecidable(dialplan, "a dialplan that is made of something else"),
            Some(dialplan) if dialplan.eq_ignore_ascii_case("inline") => self.inline(first),
            _ => {
                let arguments = words.iter().take(3).copied().collect::<Vec<_>>().join(" ");
                self.deeds.push(Deed::Application { name: "transfer".into(), arguments });
            }
        }
    }

    /// An inline dialplan: "app:args,app:args".
    pub(super) fn inline(&mut self, text: &str) {
        if text.contains(['\'', '"', '\\', '^', '{', '[', '(']) {
            return self.undecidable(text, "an inline dialplan with quotes, escapes, brackets or another separator");
        }
        if let Some(mode) = text.strip_prefix("m:") {
            return self.undecidable(mode, "an inline dialplan with a separator of its own");
        }
        for item in text.split(',') {
            let (name, arguments) = item.split_once(':').unwrap_or((item, ""));
            self.application(name, arguments);
        }
    }
}
