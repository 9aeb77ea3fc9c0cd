//! No command that a policy allows makes the switch run what the policy does not allow.
//!
//! A small model of the switch, written apart from the broker's own reading, takes any text and runs it the way FreeSWITCH does:
//! quotes, escapes, expansion, nested commands, applications. It is generous where FreeSWITCH may be read in two ways: it runs both. Random
//! commands from the pieces that attacks are made of are judged, and what is allowed is run in the model.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::{Line, Policy, freeswitch, judge};
use proptest::prelude::*;
use std::collections::BTreeSet;

const OWN: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-8888-7777-6666-555555555555";

/// What the model has run: commands, `&applications` and `->destinations`.
#[derive(Default)]
struct Switch {
    ran: BTreeSet<String>,
    depth: usize,
}

impl Switch {
    fn api(&mut self, text: &str) {
        if self.depth > 12 {
            return;
        }
        self.depth += 1;
        let text = text.trim();
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (name, rest) = (name.to_ascii_lowercase(), rest.trim());
        self.ran.insert(name.clone());
        match name.as_str() {
            "bgapi" | "xml_wrap" => self.api(rest),
            "expand" => {
                let expanded = self.expand(rest);
                self.api(&expanded);
            }
            "eval" => _ = self.expand(rest),
            "sched_api" => {
                let words: Vec<&str> = rest.splitn(3, ' ').collect();
                if let Some(command) = words.get(2) {
                    self.api(command);
                }
            }
            "originate" => {
                for words in splits(rest) {
                    self.originate(&words);
                }
            }
            "uuid_broadcast" => {
                for words in splits(rest) {
                    if let Some((app, args)) = words.get(1).and_then(|path| path.split_once("::")) {
                        self.app(app.split('!').next().unwrap(), args);
                    }
                }
            }
            "uuid_transfer" => {
                for words in splits(rest) {
                    let words: Vec<&String> =
                        words.iter().skip(1).filter(|word| !word.starts_with('-')).collect();
                    if words.get(1).is_some_and(|dialplan| dialplan.eq_ignore_ascii_case("inline")) {
                        self.inline(words[0]);
                    }
                }
            }
            "uuid_setvar" => {
                for words in splits(rest) {
                    if words.len() > 2 {
                        self.set(&words[1], &words[2..].join(" "));
                    }
                }
            }
            _ => {}
        }
        self.depth -= 1;
    }

    fn app(&mut self, name: &str, args: &str) {
        if self.depth > 12 {
            return;
        }
        self.depth += 1;
        let name = name.trim().to_ascii_lowercase();
        self.ran.insert(format!("&{name}"));
        let args = self.expand(args);
        match name.as_str() {
            "set" | "export" => {
                if let Some((name, value)) = args.split_once('=') {
                    self.set(name, value);
                }
            }
            "bridge" => self.dial(&args),
            _ => {}
        }
        self.depth -= 1;
    }

    fn set(&mut self, name: &str, value: &str) {
        let name = name.trim().trim_start_matches("nolocal:").to_ascii_lowercase();
        // A value is expanded when it is used.
        self.expand(value);
        if name.starts_with("execute_on_") {
            let (app, args) = value.split_once("::").or(value.split_once(' ')).unwrap_or((value, ""));
            self.app(app, args);
        } else if name.starts_with("api_on_") || name == "api_hangup_hook" {
            self.api(value);
        }
    }

    fn inline(&mut self, text: &str) {
        let (separator, text) = match text.strip_prefix("m:") {
            Some(rest) => (rest.chars().next().unwrap_or(','), rest.get(2..).unwrap_or_default()),
            None => (',', text),
        };
        for item in text.split(separator) {
            let (app, args) = item.split_once(':').unwrap_or((item, ""));
            self.app(app, args);
        }
    }

    fn originate(&mut self, words: &[String]) {
        let Some(dial) = words.first() else { return };
        let dial = self.expand(dial);
        self.dial(&dial);
        let Some(to) = words.get(1) else { return };
        match to.strip_prefix('&') {
            Some(_) => {
                let all = words[1..].join(" ");
                let (app, args) = all[1..].split_once('(').unwrap_or((&all[1..], ""));
                self.app(
                    app.split(' ').next().unwrap(),
                    args.rsplit_once(')').map_or(args, |(args, _)| args),
                );
            }
            None if words.get(2).is_some_and(|word| word.eq_ignore_ascii_case("inline")) => self.inline(to),
            None => _ = self.ran.insert(format!("->extension {to}")),
        }
    }

    fn dial(&mut self, text: &str) {
        let mut rest = text.trim();
        while let Some(close) = rest.chars().next().and_then(|open| match open {
            '{' => Some('}'),
            '[' => Some(']'),
            '<' => Some('>'),
            _ => None,
        }) {
            let Some(end) = rest.find(close) else { return };
            let block = &rest[1..end];
            let (separator, block) = match block.strip_prefix("^^") {
                Some(other) => (other.chars().next().unwrap_or(','), other.get(1..).unwrap_or_default()),
                None => (',', block),
            };
            for item in block.split(separator) {
                if let Some((name, value)) = item.split_once('=') {
                    self.set(name, value.trim_matches('\''));
                }
            }
            rest = rest[end + 1..].trim();
        }
        for leg in rest.split(":_:").flat_map(|group| group.split([',', '|'])) {
            let leg = leg.trim();
            if leg.starts_with(['{', '[', '<']) {
                self.dial(leg);
            } else if !leg.is_empty() {
                self.ran.insert(format!("->{leg}"));
            }
        }
    }

    /// Runs the commands in `${...}` and puts what they would print in their place: nothing good.
    fn expand(&mut self, text: &str) -> String {
        if self.depth > 12 {
            return String::new();
        }
        self.depth += 1;
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            out += &rest[..at];
            let inside = &rest[at + 2..];
            let mut depth = 0;
            let end = inside.char_indices().find(|(_, character)| {
                depth += i32::from(*character == '{') - i32::from(*character == '}');
                depth < 0
            });
            let (inside, after) = match end {
                Some((end, _)) => (&inside[..end], &inside[end + 1..]),
                None => (inside, ""),
            };
            let inside = self.expand(inside);
            if let Some((name, args)) = inside.split_once('(') {
                self.api(&format!("{name} {}", args.trim_end_matches(')')));
            } else if let Some((name, args)) = inside.split_once(' ') {
                self.api(&format!("{name} {args}"));
            }
            // The value is whatever a caller once said.
            out += "system";
            rest = after;
        }
        out += rest;
        self.depth -= 1;
        out
    }
}

/// The words of a text: split at blanks alone, and with quotes and escapes heeded.
fn splits(text: &str) -> Vec<Vec<String>> {
    let plain = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let mut quoted = vec![String::new()];
    let (mut inside, mut escaped) = (None, false);
    for character in text.chars() {
        match (character, inside) {
            _ if escaped => {
                escaped = false;
                quoted.last_mut().unwrap().push(character);
            }
            ('\\', _) => escaped = true,
            ('\'' | '"', None) => inside = Some(character),
            (close, Some(open)) if close == open => inside = None,
            (' ', None) => quoted.push(String::new()),
            _ => quoted.last_mut().unwrap().push(character),
        }
    }
    quoted.retain(|word| !word.is_empty());
    // "^^#a#b" has a separator of its own.
    let own = text.strip_prefix("^^").and_then(|rest| {
        let separator = rest.chars().next()?;
        Some(rest[separator.len_utf8()..].split(separator).map(str::to_owned).collect())
    });
    [plain, quoted].into_iter().chain(own).collect()
}

const PIECES: &[&str] = &[
    "status",
    "show calls",
    "system id",
    "system",
    "lua x",
    "bgapi ",
    "BGAPI ",
    "expand ",
    "eval ",
    "xml_wrap ",
    "sched_api +1 none ",
    "originate ",
    "uuid_broadcast ",
    "uuid_transfer ",
    "uuid_setvar ",
    "uuid_kill ",
    OWN,
    OTHER,
    "user/1000@pbx.example",
    "user/1001@pbx.example",
    "sofia/gateway/x/900",
    "loopback/900",
    "&park",
    "&park()",
    "&echo",
    "&system(id)",
    "&bridge(",
    "${",
    "$${",
    "}",
    "(",
    ")",
    "{",
    "[",
    "]",
    "<",
    ">",
    "'",
    "\"",
    "\\",
    ",",
    "|",
    ":_:",
    "::",
    ":",
    ";",
    "^^:",
    "^^#",
    "#",
    "=",
    "system::id",
    "system:id",
    " inline",
    "m:|:",
    "-both ",
    "execute_on_answer=",
    "execute_on_answer ",
    "api_hangup_hook=",
    "api_hangup_hook ",
    "nolocal:",
    "x=y",
    "x",
    "hostname",
    " ",
    " ",
    " ",
    " ",
];

/// The rest of a command that begins as an allowed one does: random ones alone would nearly all be refused.
fn command() -> impl Strategy<Value = String> {
    let pieces =
        prop::collection::vec(prop::sample::select(PIECES), 0..10).prop_map(|pieces| pieces.concat());
    let begin = prop::sample::select(vec![
        String::new(),
        format!("uuid_kill {OWN} "),
        format!("uuid_setvar {OWN} "),
        format!("uuid_transfer {OWN} "),
        format!("uuid_broadcast {OWN} "),
        "originate user/1000@pbx.example ".into(),
        "originate {".into(),
        "originate [".into(),
        "originate user/1000@pbx.example,[x=y,".into(),
        "originate ^^#user/1000@pbx.example#".into(),
        format!("uuid_transfer ^^#{OWN}#"),
        "status ".into(),
        "show ".into(),
        "bgapi ".into(),
        "eval ${".into(),
    ]);
    (begin, pieces).prop_map(|(begin, pieces)| begin + &pieces)
}

proptest! {
    #![proptest_config(ProptestConfig { ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn nothing_runs_that_no_rule_allows(text in command()) {
        let allow = [
            "status", "show", "eval", "bgapi", "expand", "xml_wrap", "uuid_kill {own}", "uuid_setvar {own}",
            "uuid_transfer {own}", "uuid_broadcast {own}", "originate user/{user}@{domain} $", "&park", "&echo",
        ];
        let mut policy = Policy::default();
        policy.add("test", allow, []).unwrap();
        let owns = |channel: &str| channel == OWN;
        let who = broker::Caller { user: "1000", domain: "pbx.example", owns: &owns };
        let Ok(line) = Line::new(&text) else { return Ok(()) };
        if !judge(&policy, freeswitch::catalogue(), &who, line, freeswitch::unfold).allowed {
            return Ok(());
        }
        let mut switch = Switch::default();
        switch.api(line.as_str());
        for ran in &switch.ran {
            let is_allowed = match ran.strip_prefix("->") {
                Some(destination) => destination == "user/1000@pbx.example",
                None => match ran.strip_prefix('&') {
                    Some(application) => ["park", "echo"].contains(&application),
                    None => allow.iter().any(|rule| rule.split(' ').next() == Some(ran)),
                },
            };
            prop_assert!(is_allowed, "{text:?} ran {ran:?}");
        }
        // Another's channel is never named where the own one is wanted.
        prop_assert!(!(text.starts_with("uuid_") && text.contains(OTHER)), "{text:?}");
    }
}
