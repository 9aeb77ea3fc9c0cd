//! Where in the arguments of a command or an application others stand.
//!
//! What the catalogue says runs others and what has no shape here is undecidable: a new command is refused until somebody has looked
//! at it.

use super::Unfolding;
use super::expression::has_expression;
use crate::catalogue::{Class, Classes, Entry};
use crate::deed::Deed;
use crate::pattern::is_special;

impl Unfolding<'_> {
    /// A command, its name in lower case.
    pub(super) fn command_shape(&mut self, name: &str, arguments: &str) {
        if name == "originate" {
            return self.originate(arguments);
        }
        self.deeds.push(Deed::Command { name: name.into(), arguments: arguments.into() });
        match name {
            "bgapi" => self.line(without_channel(arguments)),
            "expand" | "kz_expand" => self.expanded_line(without_channel(arguments)),
            "xml_wrap" => match first(arguments).eq_ignore_ascii_case("encoded") {
                true => self.line(after(arguments, 1)),
                false => self.line(arguments),
            },
            "json" => self.json(arguments),
            // Expanded and shown; the expressions are judged by themselves.
            "eval" | "kz_eval" | "first-of" => {}
            // "show status NAME" runs NAME.
            "show" if first(arguments).to_ascii_lowercase().starts_with("status") => {
                self.undecidable(arguments, "\"show status\" runs another command");
            }
            // "c=5;line": the switch ends the line at byte 5 of it without asking how long it is.
            "console_complete" | "console_complete_xml" if is_behind_its_line(arguments) => {
                self.undecidable(arguments, "a cursor that is not in its line");
            }
            // The directory's dial string is expanded, not these arguments.
            "group_call" => {}
            // Split at the first blank and at the next: of two together the second ends an empty group's name.
            "sched_api" => match arguments.split_once(' ').map(|(_, rest)| rest) {
                Some(rest) if rest.starts_with(' ') => {
                    self.undecidable(arguments, "blanks that make the group's name empty");
                }
                _ => self.line(after(arguments, 2).trim_end_matches('&')),
            },
            "alias" => match first(arguments) {
                "add" | "stickyadd" => self.line(after(arguments, 2)),
                "del" => {}
                _ => self.undecidable(arguments, "an alias is added, added for good or taken away"),
            },
            "uuid_broadcast" => self.structured(arguments, |walk, words| walk.broadcast(words.get(1))),
            "sched_broadcast" => self.structured(arguments, |walk, words| walk.broadcast(words.get(2))),
            "uuid_transfer" => self.structured(arguments, |walk, words| {
                let leg = usize::from(words.get(1).is_some_and(|word| word.starts_with('-')));
                walk.transfer(words.get(1 + leg..).unwrap_or_default());
            }),
            "sched_transfer" => {
                self.structured(arguments, |walk, words| walk.transfer(words.get(2..).unwrap_or_default()));
            }
            "uuid_dual_transfer" => self.structured(arguments, |walk, words| {
                for end in words.iter().skip(1) {
                    let parts: Vec<&str> = end.split('/').collect();
                    // One that ends in "/inline" is an inline dialplan as a whole, whatever other "/" it holds.
                    let is_inline = parts.iter().any(|part| part.eq_ignore_ascii_case("inline"));
                    match is_inline && parts.len() > 2 {
                        true => walk.undecidable(end, "an inline dialplan with slashes"),
                        false => walk.transfer(&parts),
                    }
                }
            }),
            "uuid_setvar" => self.structured(arguments, |walk, words| {
                if let Some(name) = words.get(1) {
                    walk.set(name, after(arguments, 2));
                }
            }),
            "uuid_setvar_multi" => self.assignments(after(arguments, 1), ';'),
            "global_setvar" => match arguments.split_once('=') {
                Some((name, value)) => self.set(name, value),
                None => self.set(arguments, ""),
            },
            "tone_detect" => self.structured(arguments, |walk, words| {
                if let Some(application) = words.get(5) {
                    walk.application(application, words.get(6).copied().unwrap_or_default());
                }
            }),
            "conference" => self.conference(arguments),
            "callcenter_config" => self.structured(arguments, |walk, words| {
                let is = |at: usize, word: &str| {
                    words.get(at).is_some_and(|given| given.eq_ignore_ascii_case(word))
                };
                if is(0, "agent") && is(1, "set") && is(2, "contact") {
                    walk.dial_string(words.get(4).copied().unwrap_or_default());
                }
            }),
            "fifo_member" => self.structured(arguments, |walk, words| {
                if words.first().is_some_and(|word| word.eq_ignore_ascii_case("add")) {
                    walk.dial_string(words.get(2).copied().unwrap_or_default());
                }
            }),
            "fifo_add_outbound" => self.structured(arguments, |walk, words| {
                walk.dial_string(words.get(1).copied().unwrap_or_default());
            }),
            // The last argument is variables in an encoding of their own.
            "uuid_record" if !after(arguments, 4).is_empty() => {
                self.undecidable(arguments, "variables in an encoding of their own");
            }
            "uuid_record" => self.structured(arguments, |walk, words| {
                walk.opens(arguments);
                let is_over = words.get(1).is_some_and(|action| {
                    OF_A_RECORDING.iter().any(|word| action.eq_ignore_ascii_case(word))
                });
                if let Some(path) = words.get(2).filter(|_| !is_over) {
                    walk.records(path);
                }
            }),
            "uuid_displace" => self.structured(arguments, |walk, words| match words.get(1) {
                Some(action) if action.eq_ignore_ascii_case("stop") => walk.opens(arguments),
                _ => walk.media(arguments),
            }),
            // "truncate" cuts the file off; others may be added.
            "uuid_fileman" => {
                let order = after(arguments, 1).split(':').next().unwrap_or_default();
                if !order.is_empty() && !OF_A_FILE.contains(&order) {
                    self.undecidable(
                        arguments,
                        "an order to the file that is played that is not known to leave it whole",
                    );
                }
            }
            "group" => {
                if arguments.to_ascii_lowercase().starts_with("insert") || is_quoted(arguments) {
                    self.undecidable(arguments, "a dial string that is stored");
                }
            }
            "uuid_limit" => {
                self.structured(arguments, |walk, words| walk.transfer(words.get(5..).unwrap_or_default()));
            }
            // What they run is theirs: their class says it.
            _ if OPAQUE.contains(&name) => {}
            _ => {
                match classes(self.catalogue.command(name)).has(Class::Media) {
                    true => self.media(arguments),
                    false => self.program(arguments),
                }
                if self.catalogue.command(name).is_some_and(|entry| !entry.runs.is_empty()) {
                    self.undecidable(name, "runs others in a way that is not followed");
                }
            }
        }
    }

    /// An application, its name in lower case.
    pub(super) fn application_shape(&mut self, name: &str, arguments: &str) {
        // "%[name=value]" sets variables, also when it comes out of an expression at the beginning.
        if arguments.trim_start_matches([' ', '\'', '"']).starts_with(['%', '$', '\\']) && name != "bridge" {
            self.undecidable(arguments, "variables may stand before the argument");
        }
        // The switch puts the contents of variables in before the application sees its argument, and they may be anybody's: a caller's name,
        // what was set a moment ago.
        if has_expression(arguments) && !TEXT_ONLY.contains(&name) {
            self.undecidable(arguments, "an application's argument that is made of something else");
        }
        if name == "bridge" {
            return self.dial_string(arguments);
        }
        self.deeds.push(Deed::Application { name: name.into(), arguments: arguments.into() });
        match name {
            // The caller profile decides by which dialplan the next transfer goes.
            "set_profile_var" => {
                let (name, value) = arguments.split_once('=').unwrap_or((arguments, ""));
                match name.trim_matches(' ').to_ascii_lowercase().as_str() {
                    "dialplan" => self.set("force_transfer_dialplan", value),
                    "context" => self.set("force_transfer_context", value),
                    _ => self.set(name, value),
                }
            }
            "set" | "set_global" | "export" | "bridge_export" => match arguments.split_once('=') {
                Some((name, value)) => self.set(name, value),
                None => self.set(arguments, ""),
            },
            "multiset" => match arguments.contains("^^") {
                true => self.undecidable(arguments, "variables with another separator"),
                false => self.assignments(arguments, ' '),
            },
            "eval" => {}
            // "name=format", "name|text|pattern": both set that variable.
            "strftime" => match arguments.split_once('=') {
                // Some of what stands behind a "%" gives nothing.
                Some((name, value)) if !value.contains(is_special) => self.set(name, value),
                _ => self.undecidable(arguments, "is no name=format of days and hours"),
            },
            "capture" => match (is_quoted(arguments), arguments.split_once('|')) {
                // Any part of the text may become the value.
                (false, Some((name, value))) if self.catalogue.variable(name).is_none() => {
                    self.set(name, value);
                }
                _ => self.undecidable(
                    arguments,
                    "is no name|text|pattern, or of a variable that does more than hold a value",
                ),
            },
            // The deed itself names extension, dialplan and context.
            "transfer" | "execute_extension" => self.structured(arguments, |walk, words| {
                let leg = usize::from(words.first().is_some_and(|word| word.starts_with('-')));
                walk.transfer(words.get(leg..).unwrap_or_default());
            }),
            "att_xfer" => self.dial_string(arguments),
            "bind_meta_app" => {
                self.structured(arguments, |walk, _| walk.application_text(after(arguments, 3)));
            }
            "playback" => self.media(arguments),
            "sched_transfer" => {
                self.structured(arguments, |walk, words| walk.transfer(words.get(1..).unwrap_or_default()));
            }
            "conference" => {
                if arguments.trim_start_matches(' ').to_ascii_lowercase().starts_with("bridge:") {
                    self.undecidable(arguments, "a conference that dials");
                }
            }
            // "min max tries timeout ends file invalid variable pattern digit-timeout extension"
            "play_and_get_digits" => self.structured(arguments, |walk, words| {
                walk.media(arguments);
                if let Some(name) = words.get(7) {
                    walk.set(name, "");
                }
                if words.len() > 10 {
                    walk.undecidable(arguments, "an extension that is gone to on failure");
                }
            }),
            "record_session" if arguments.contains(['{', '[']) => {
                self.undecidable(arguments, "variables in an encoding of their own");
            }
            "record" | "record_session" | "record_av" | "record_fsv" | "rxfax" | "snapshot" => {
                self.opens(arguments);
                match is_quoted(arguments) || after(arguments, 1).contains('/') {
                    true => self.records(arguments),
                    // Seconds, "read" or "write", and the name.
                    false if name == "snapshot" => self.records(after(arguments, 3)),
                    false => self.records(first(arguments)),
                }
            }
            // The engine is the first part; that which runs a program is refused as a path of its name is.
            "speak" | "say" => self.opens(arguments),
            // No media by their class, but a file may stand at the end.
            "detect_audio" | "detect_silence" | "wait_for_silence" => self.media(arguments),
            _ if OPAQUE.contains(&name) => {}
            _ => {
                match classes(self.catalogue.application(name)).has(Class::Media) {
                    true => self.media(arguments),
                    false => self.program(arguments),
                }
                if self.catalogue.application(name).is_some_and(|entry| !entry.runs.is_empty()) {
                    self.undecidable(name, "runs others in a way that is not followed");
                }
            }
        }
    }

    fn originate(&mut self, arguments: &str) {
        if arguments.is_empty() {
            return self.deeds.push(Deed::Command { name: "originate".into(), arguments: String::new() });
        }
        self.quoted(arguments, |walk, words| {
            // An old word that changes nothing.
            let skipped = usize::from(words[0].eq_ignore_ascii_case("machine"));
            walk.dial_string(words.get(skipped).copied().unwrap_or_default());
            walk.destination(words.get(skipped + 1..).unwrap_or_default());
        });
    }

    /// "app::args", "app!cause::args", or a file to be played.
    fn broadcast(&mut self, what: Option<&&str>) {
        let Some(what) = what else { return };
        match what.split_once("::") {
            Some((name, arguments)) => {
                self.application(name.split('!').next().unwrap_or_default(), arguments);
            }
            None if has_expression(what) => {
                self.undecidable(what, "what is played is made of something else");
            }
            None => self.application("playback", what),
        }
    }

    /// The same where words stand in single quotes, as a name with a blank does: the switch splits outside of them and takes them away, and
    /// so do we. Inside is nothing but words, so that nobody takes it for more.
    fn quoted(&mut self, arguments: &str, look: impl FnOnce(&mut Self, &[&str])) {
        let parts: Vec<&str> = arguments.split('\'').collect();
        let is_inner = |character: char| character.is_alphanumeric() || " _-.".contains(character);
        let are_words = parts.iter().skip(1).step_by(2).all(|inside| inside.chars().all(is_inner));
        if parts.len() == 1 || parts.len().is_multiple_of(2) || !are_words || arguments.contains(['"', '\\'])
        {
            return self.structured(arguments, look);
        }
        let mut words = vec![String::new()];
        for (at, part) in parts.iter().enumerate() {
            for (place, piece) in part.split(' ').enumerate() {
                if place > 0 && at % 2 == 0 {
                    words.push(String::new());
                }
                if let Some(word) = words.last_mut() {
                    let blank = if place > 0 && at % 2 == 1 { " " } else { "" };
                    *word += blank;
                    *word += piece;
                }
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            look(self, &words);
        }
    }

    /// Arguments whose places matter. Quotes and escapes move them, so with those nobody can say.
    pub(super) fn structured(&mut self, arguments: &str, look: impl FnOnce(&mut Self, &[&str])) {
        if is_quoted(arguments) {
            return self.undecidable(arguments, "quotes or escapes where the place of an argument matters");
        }
        let words: Vec<&str> = arguments.split(' ').filter(|word| !word.is_empty()).collect();
        if !words.is_empty() {
            look(self, &words);
        }
    }
}

/// Run programs, scripts, the commands of another machine, or what the switch's own configuration says: a policy allows them by name or
/// class, or not at all.
const OPAQUE: &[&str] = &[
    "system",
    "bgsystem",
    "bg_system",
    "spawn",
    "bg_spawn",
    "spawn_stream",
    "lua",
    "luarun",
    "jsrun",
    "jsapi",
    "javascript",
    "python",
    "pyrun",
    "perl",
    "perlrun",
    "java",
    "managed",
    "managedrun",
    "basic",
    "esl",
    "socket",
    "httapi",
    "erlang",
    "rayo",
    "ivr",
    "phrase",
];

/// Applications whose argument is text to them and nothing else: what variables hold can make them do nothing.
const TEXT_ONLY: &[&str] = &["eval", "hangup", "log"];

/// What `uuid_record` does to a recording that is there.
const OF_A_RECORDING: &[&str] = &["stop", "pause", "resume", "mask", "unmask"];

/// What `uuid_fileman` does that leaves a file as it is.
const OF_A_FILE: &[&str] = &["speed", "volume", "gain", "pause", "stop", "restart", "seek"];

/// Whether the cursor of "c=CURSOR;LINE", wherever it stands, is anywhere but in the line.
fn is_behind_its_line(arguments: &str) -> bool {
    let Some((_, rest)) = arguments.split_once("c=") else { return false };
    let Some((cursor, line)) = rest.split_once(';') else { return false };
    !cursor.parse::<usize>().is_ok_and(|cursor| cursor <= line.len())
}

/// Whether quotes or escapes may move the places of arguments.
pub(super) fn is_quoted(text: &str) -> bool {
    text.contains(['\'', '"', '\\'])
}

/// All classes of an entry.
fn classes(entry: Option<&Entry>) -> Classes {
    entry.map(|entry| entry.classes("")).unwrap_or_default()
}

/// The first word.
pub(super) fn first(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// What stands after the first `words` words.
pub(super) fn after(text: &str, words: usize) -> &str {
    (0..words).fold(text, |text, _| text.split_once(' ').map_or("", |(_, rest)| rest.trim_start_matches(' ')))
}

/// Without the "uuid:NAME " that says in whose name something is expanded.
fn without_channel(text: &str) -> &str {
    match first(text).to_ascii_lowercase().starts_with("uuid:") {
        true => after(text, 1),
        false => text,
    }
}
