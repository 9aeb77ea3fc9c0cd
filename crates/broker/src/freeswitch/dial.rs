//! Dial strings: each destination is an `originate` of its own, with the variables before it.

use super::Unfolding;
use super::expression::{closing, has_expression};
use crate::deed::Deed;

impl Unfolding<'_> {
    /// Every destination of a dial string.
    pub(super) fn dial_string(&mut self, text: &str) {
        let Some(text) = self.variable_blocks(text) else { return };
        // Enterprise originate, in sequence, at the same time.
        for group in text.split(":_:") {
            for mut legs in group.split('|') {
                loop {
                    // A comma in the variables of a leg ends none.
                    let start = legs.len() - legs.trim_start_matches(' ').len();
                    let block = match legs[start..].strip_prefix('[') {
                        Some(inside) => closing(inside, b'[', b']').map_or(0, |end| start + end + 2),
                        None => 0,
                    };
                    let end = legs[block..].find(',').map(|at| block + at);
                    let Some(leg) = self.variable_blocks(&legs[..end.unwrap_or(legs.len())]) else { return };
                    self.leg(leg.trim_matches(' '));
                    match end {
                        Some(end) => legs = &legs[end + 1..],
                        None => break,
                    }
                }
            }
        }
    }

    fn leg(&mut self, leg: &str) {
        if leg.is_empty() {
            return self.undecidable(leg, "a dial string without a destination");
        }
        if has_expression(leg)
            || leg.contains(['{', '}', '[', ']', '<', '>', '\'', '"', '\\', '(', ')', '&', ' '])
        {
            return self.undecidable(leg, "a destination that is made of something else");
        }
        let lower = leg.to_ascii_lowercase();
        if let Some(inside) = lower.strip_prefix("loopback/") {
            let dialplan = inside.split('/').nth(2).unwrap_or("xml");
            if inside.starts_with("app=") || dialplan != "xml" {
                return self.undecidable(leg, "a loopback that runs applications");
            }
        }
        self.deeds.push(Deed::Command { name: "originate".into(), arguments: leg.to_owned() });
    }

    /// What an originated call is put through to: `&app(args)`, or an extension with dialplan and context.
    pub(super) fn destination(&mut self, words: &[&str]) {
        let Some(first) = words.first() else { return };
        // Behind extension, dialplan and context stand the caller's name and number.
        for (at, name) in [(3, "origination_caller_id_name"), (4, "origination_caller_id_number")] {
            if let Some(value) = words.get(at).filter(|word| !word.eq_ignore_ascii_case("undef")) {
                self.set(name, value);
            }
        }
        if let Some(application) = first.strip_prefix('&') {
            match application.split_once('(') {
                None => self.application(application, ""),
                // The first bracket ends it, and a blank ends the word: the switch drops what follows.
                Some((name, rest)) => match rest.strip_suffix(')').filter(|rest| !rest.contains(')')) {
                    Some(arguments) => self.application(name, arguments),
                    None => self
                        .undecidable(first, "an application whose bracket is not closed, or not at the end"),
                },
            }
            return self.transfer(words);
        }
        if !words.get(1).is_some_and(|dialplan| dialplan.eq_ignore_ascii_case("inline")) {
            let arguments = words.iter().take(3).copied().collect::<Vec<_>>().join(" ");
            self.deeds.push(Deed::Application { name: "transfer".into(), arguments });
        }
        self.transfer(words);
    }

    /// An extension, its dialplan and context; only an inline dialplan says here what it runs. The dialplan's name is a language of its
    /// own ("a,b:c", and it is expanded), so only the plain ones are taken.
    pub(super) fn transfer(&mut self, words: &[&str]) {
        // A dialplan puts them into arguments that are expanded.
        if let Some(word) = words.iter().find(|word| has_expression(word)) {
            return self
                .undecidable(word, "an extension, dialplan or context that is made of something else");
        }
        match words.get(1) {
            Some(dialplan) if dialplan.eq_ignore_ascii_case("inline") => self.inline(words[0]),
            Some(dialplan) if !dialplan.eq_ignore_ascii_case("xml") => {
                self.undecidable(dialplan, "a dialplan other than XML and inline");
            }
            _ => {}
        }
    }

    /// An inline dialplan: "app:args,app:args".
    pub(super) fn inline(&mut self, text: &str) {
        if text.contains(['\'', '"', '\\', '^', '{', '[', '(']) {
            return self
                .undecidable(text, "an inline dialplan with quotes, escapes, brackets or another separator");
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
