//! No command that a policy allows makes the switch run what the policy does not allow.
//!
//! A small model of the switch, written apart from the broker's own reading, takes any text and runs it the way FreeSWITCH does:
//! quotes, escapes, expansion, nested commands, applications. It is generous where FreeSWITCH may be read in two ways: it runs both. Random
//! commands from the pieces that attacks are made of are judged, and what is allowed is run in the model. It keeps what variables hold, so
//! that one command can prepare another.

#![allow(clippy::unwrap_used, reason = "a test")]

use broker::{Line, Policy, freeswitch, judge};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const OWN: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-8888-7777-6666-555555555555";

/// What the model has run: commands, `&applications`, `->destinations`, `>files` that were written and `<files` that were read.
#[derive(Default)]
struct Switch {
    ran: BTreeSet<String>,
    variables: BTreeMap<String, String>,
    depth: usize,
}

impl Switch {
    fn api(&mut self, text: &str) {
        if self.depth > 12 || text.trim().is_empty() {
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
            "show" => {
                if let Some((_, command)) =
                    rest.split_once(' ').filter(|(what, _)| what.to_ascii_lowercase().starts_with("status"))
                {
                    self.api(command);
                }
            }
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
                    match words.get(1).map(|path| (path, path.split_once("::"))) {
                        Some((_, Some((app, args)))) => self.app(app.split('!').next().unwrap(), args),
                        Some((path, None)) => self.app("playback", path),
                        None => {}
                    }
                }
            }
            "uuid_record" => {
                for words in splits(rest) {
                    if let Some(path) = words.get(2).filter(|_| words[1] == "start") {
                        self.ran.insert(format!(">{path}"));
                    }
                }
            }
            "uuid_displace" => {
                for words in splits(rest) {
                    if let Some(path) = words.get(2).filter(|_| words[1] == "start") {
                        self.ran.insert(format!("<{path}"));
                    }
                }
            }
            "uuid_setvar_multi" => {
                for item in rest.split_once(' ').map_or("", |(_, items)| items).split(';') {
                    if let Some((name, value)) = item.split_once('=') {
                        self.set(name, value);
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
        if self.depth > 12 || name.trim().is_empty() {
            return;
        }
        self.depth += 1;
        let name = name.trim().to_ascii_lowercase();
        self.ran.insert(format!("&{name}"));
        let mut args = self.expand(args);
        while let Some((block, rest)) = args.trim().strip_prefix("%[").and_then(|rest| rest.split_once(']')) {
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.assign(&block, ',');
            args = rest;
        }
        match name.as_str() {
            "set" | "export" => {
                if let Some((name, value)) = args.split_once(['=', ',']) {
                    // Its value is expanded once more.
                    let value = self.expand(value);
                    self.set(name, &value);
                }
            }
            "multiset" => match args.strip_prefix("^^") {
                Some(rest) => {
                    let separator = rest.chars().next().unwrap_or(' ');
                    self.assign(rest.get(separator.len_utf8()..).unwrap_or_default(), separator);
                }
                None => self.assign(&args, ' '),
            },
            "strftime" => {
                if let Some((name, value)) = args.split_once('=') {
                    // "%p" is nothing in many a language.
                    self.set(name, &value.replace("%p", ""));
                }
            }
            "capture" => {
                let mut parts = args.split('|');
                if let (Some(name), Some(text)) = (parts.next(), parts.next()) {
                    self.set(name, text);
                }
            }
            "transfer" => {
                for words in splits(&args) {
                    let words: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
                    if words.get(1).is_some_and(|dialplan| dialplan.eq_ignore_ascii_case("inline")) {
                        self.inline(words[0]);
                    }
                }
            }
            "bridge" => self.dial(&args),
            "conference" => {
                if let Some((_, dial)) =
                    args.trim().strip_prefix("bridge:").and_then(|rest| rest.split_once(':'))
                {
                    self.dial(dial);
                }
            }
            "playback" => _ = self.ran.insert(format!("<{args}")),
            _ => {}
        }
        self.depth -= 1;
    }

    fn assign(&mut self, text: &str, separator: char) {
        for item in text.split(separator) {
            if let Some((name, value)) = item.split_once('=') {
                self.set(name, value);
            }
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let name = name.trim().trim_start_matches("nolocal:").to_ascii_lowercase();
        // A value is expanded when it is used.
        self.expand(value);
        self.variables.insert(name.clone(), value.to_owned());
        if name.starts_with("execute_on_") {
            let (app, args) = value.split_once("::").or(value.split_once(' ')).unwrap_or((value, ""));
            self.app(app, args);
        } else if name.starts_with("api_on_") || name == "api_hangup_hook" {
            let value = self.expand(value);
            self.api(&value);
        } else if name == "transfer_after_bridge" {
            let value = self.expand(value);
            let mut parts = value.split(':');
            if let (Some(extension), Some("inline")) = (parts.next(), parts.next()) {
                self.inline(extension);
            }
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
            // A comma in the variables of a leg ends none: what is left of them here is no destination.
            let leg = leg.trim().trim_start_matches(']');
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
            // What was set, expanded in its turn; else whatever a caller once said.
            match self.variables.get(&inside.to_ascii_lowercase()).cloned() {
                Some(value) => out += &self.expand(&value),
                None => out += "system",
            }
            rest = after;
        }
        out += rest;
        self.depth -= 1;
        // An escaped quote goes with its backslash.
        if text.contains("\\'") && self.depth < 12 { out.replace("\\'", "") } else { out }
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
    "$",
    "{system id}",
    "$\\'{system(id)}",
    "${x}",
    "${y}",
    "s${x}",
    "ystem:id inline",
    "ystem:id",
    "x=",
    "y=",
    "z=ystem",
    "s${z}::id",
    "set::",
    "log::",
    "export::",
    "multiset::",
    "transfer::",
    "bridge::",
    "conference::",
    "strftime::",
    "capture::",
    "bridge:c:",
    "%[",
    "%p",
    "api_on_answer=",
    "api_on_answer ",
    "transfer_after_bridge ",
    "{api_on_answer=system id}",
    "/etc/x.wav",
    "/../x.wav",
    "ridge:c:sofia/gateway/x/900",
    "b${x}",
    "ivr${x}",
    "playback::",
    "status system",
    "show ${x}",
    "/srv/rec/",
    "../",
    "ivr/x.wav",
    "start ",
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
        format!("uuid_broadcast {OWN} set::x="),
        format!("uuid_broadcast {OWN} set::"),
        format!("uuid_broadcast {OWN} transfer::"),
        format!("uuid_broadcast {OWN} bridge::"),
        format!("uuid_broadcast {OWN} multiset::"),
        format!("uuid_broadcast {OWN} conference::"),
        format!("uuid_setvar {OWN} x "),
        format!("uuid_setvar {OWN} y "),
        format!("uuid_setvar {OWN} execute_on_answer "),
        format!("uuid_setvar {OWN} api_on_answer "),
        format!("uuid_setvar_multi {OWN} x="),
        format!("uuid_record {OWN} start "),
        format!("uuid_displace {OWN} start "),
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

/// What the policy of the tests allows.
const ALLOW: &[&str] = &[
    "status",
    "show",
    "eval",
    "bgapi",
    "expand",
    "xml_wrap",
    "uuid_kill {own}",
    "uuid_setvar {own}",
    "uuid_setvar_multi {own}",
    "uuid_transfer {own}",
    "uuid_broadcast {own}",
    "uuid_record {own}",
    "uuid_displace {own}",
    "originate user/{user}@{domain} $",
    "&park",
    "&echo",
    "&set",
    "&export",
    "&multiset",
    "&transfer",
    "&bridge",
    "&conference",
    "&strftime",
    "&capture",
    "&playback",
    "&log",
    "$execute_on_answer",
    "$api_on_answer",
    "$transfer_after_bridge",
];

/// Runs what is allowed of some commands, one after the other, and gives what the switch has run, and which of them were allowed.
fn run(texts: &[String]) -> (Switch, Vec<&str>) {
    let mut policy = Policy::default();
    policy.add("test", ALLOW.iter().copied(), []).unwrap();
    policy.record_below(Some("/srv/rec".into()));
    let owns = |channel: &str| channel == OWN;
    let who = broker::Caller { user: "1000", domain: "pbx.example", owns: &owns };
    let (mut switch, mut allowed) = (Switch::default(), Vec::new());
    for text in texts {
        let Ok(line) = Line::new(text) else { continue };
        if judge(&policy, freeswitch::catalogue(), &who, line, freeswitch::unfold).allowed {
            switch.api(line.as_str());
            allowed.push(line.as_str());
        }
    }
    (switch, allowed)
}

/// Whether the policy allows what was run.
fn may_run(ran: &str) -> bool {
    let named = |ran: &str| ALLOW.iter().any(|rule| rule.split(' ').next() == Some(ran));
    if let Some(destination) = ran.strip_prefix("->") {
        return destination == "user/1000@pbx.example" || destination.starts_with("extension ");
    }
    if let Some(path) = ran.strip_prefix('>') {
        return path.starts_with("/srv/rec/") && path.split('/').all(|part| part != "..");
    }
    if let Some(path) = ran.strip_prefix('<') {
        return !path.starts_with('/') && path.split('/').all(|part| part != "..");
    }
    named(ran)
}

#[test]
fn a_variable_that_is_set_runs_nothing_when_it_is_used() {
    let attacks: &[&[&str]] = &[
        &["uuid_setvar OWN x ystem:id inline", "uuid_broadcast OWN transfer::s${x}"],
        &[
            "uuid_setvar OWN x 1,api_on_answer=system",
            "uuid_broadcast OWN bridge::{a=${x}}user/1000@pbx.example",
        ],
        &["uuid_setvar OWN x 1 api_on_answer=system", "uuid_broadcast OWN multiset::a=${x}"],
        &["uuid_setvar OWN x ridge:c:loopback/900", "uuid_broadcast OWN conference::b${x}"],
        &["uuid_broadcast OWN set::y=$\\'{system(id)}"],
        &["uuid_setvar OWN x $", "uuid_setvar OWN y {system id}", "uuid_broadcast OWN set::z=${x}${y}"],
        &["uuid_setvar OWN x ystem", "uuid_setvar OWN api_on_answer s${x}"],
        &["uuid_setvar OWN x ystem id", "expand s${x}"],
        &["uuid_setvar OWN x ystem:id inline", "eval ${uuid_transfer(OWN s${x})}"],
        &["uuid_broadcast OWN strftime::api_on_answer=sys%ptem"],
        &["uuid_broadcast OWN capture::api_hangup_hook|system|.*"],
        &["uuid_broadcast OWN set::api_hangup_hook,system"],
        &["uuid_setvar OWN x /etc/x.wav", "uuid_broadcast OWN playback::${x}"],
        &["uuid_broadcast OWN /etc/x.wav"],
        &["uuid_setvar OWN x ridge:c:sofia/gateway/x/900", "uuid_broadcast OWN conference::b${x}"],
        &["uuid_setvar OWN x /../../etc/x.wav", "uuid_broadcast OWN playback::ivr${x}"],
        &["uuid_setvar OWN x status system", "uuid_setvar OWN api_on_answer show ${x}"],
        &["uuid_record OWN start /srv/rec/../x.wav"],
        &["uuid_displace OWN start /srv/rec/x.wav"],
    ];
    for attack in attacks {
        let texts: Vec<String> = attack.iter().map(|text| text.replace("OWN", OWN)).collect();
        let (switch, _) = run(&texts);
        let beyond: Vec<&String> = switch.ran.iter().filter(|ran| !may_run(ran)).collect();
        assert!(beyond.is_empty(), "{attack:?} ran {beyond:?}");
        // The model is one in which it would have worked.
        let mut switch = Switch::default();
        texts.iter().for_each(|text| switch.api(text));
        assert!(switch.ran.iter().any(|ran| !may_run(ran)), "{attack:?} only ran {:?}", switch.ran);
    }
}

#[test]
fn what_is_harmless_is_run() {
    let texts = [
        format!("uuid_setvar {OWN} x hello"),
        format!("uuid_broadcast {OWN} set::y=hello"),
        format!("uuid_broadcast {OWN} bridge::{{x=y}}user/1000@pbx.example"),
        format!("uuid_broadcast {OWN} ivr/x.wav"),
        format!("uuid_record {OWN} start /srv/rec/x.wav"),
        format!("uuid_setvar {OWN} execute_on_answer park"),
    ];
    let (switch, allowed) = run(&texts);
    assert_eq!(allowed.len(), texts.len(), "{allowed:?}");
    for ran in ["->user/1000@pbx.example", "<ivr/x.wav", ">/srv/rec/x.wav", "&park"] {
        assert!(switch.ran.contains(ran), "{ran} is not in {:?}", switch.ran);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn nothing_runs_that_no_rule_allows(texts in prop::collection::vec(command(), 1..4)) {
        let (switch, allowed) = run(&texts);
        for ran in &switch.ran {
            prop_assert!(may_run(ran), "{allowed:?} ran {ran:?}");
        }
        // Another's channel is never named where the own one is wanted.
        prop_assert!(!allowed.iter().any(|text| text.starts_with("uuid_") && text.contains(OTHER)), "{allowed:?}");
    }
}
