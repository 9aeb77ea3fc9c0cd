//! Files that are played and recorded: `play_file PATH` and `record_file PATH`, which are no commands, but what rules speak of.
//!
//! Whatever opens a file by a name of the caller's asks for one of them besides; a place that is not a file is `open_url`. A sound below
//! the sounds directory needs no rule, see [`crate::policy`]. What may be more than a path is taken as it stands, so that only a rule for any
//! file at all allows it.

use super::Unfolding;
use super::shapes::{after, first, is_quoted};
use crate::catalogue::{Class, Variable};
use crate::deed::Deed;
use crate::paths::is_sound;

impl Unfolding<'_> {
    /// Something is played: a file, or what its scheme says.
    pub(super) fn media(&mut self, text: &str) {
        self.opens(text);
        for word in text.split(' ').filter(|word| word.contains(['/', '\\'])) {
            self.plays(word);
        }
    }

    /// It is recorded to this path.
    pub(super) fn records(&mut self, path: &str) {
        // Elsewhere is asked for as such.
        let leads_away = is_elsewhere(path)
            && path
                .split_once("://")
                .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.contains("://"));
        if !leads_away {
            self.deeds.push(Deed::Command { name: "record_file".into(), arguments: path.into() });
        }
    }

    /// A path or an engine may be one that runs a program, or lead to another host.
    pub(super) fn opens(&mut self, text: &str) {
        self.program(text);
        let text = unquoted(text);
        if is_elsewhere(&text) {
            self.deeds.push(Deed::Command { name: "open_url".into(), arguments: text });
        }
    }

    /// A path or an engine may be one that runs a program.
    pub(super) fn program(&mut self, text: &str) {
        // The switch takes quotes out of the middle of a word, too.
        let text = unquoted(text);
        if ["shell_stream:", "tts_commandline"].iter().any(|scheme| text.contains(scheme)) {
            self.undecidable(&text, "a path that runs a program");
        }
    }

    /// The value of a variable may be the path of a file, or the name of an engine.
    pub(super) fn names_file(&mut self, variable: &str, value: &str) {
        let known = self.catalogue.variable(variable).map(Variable::classes).unwrap_or_default();
        if !known.has(Class::Media) && !variable.starts_with("conference_") {
            return self.program(value);
        }
        let is_path = value.contains(['/', '\\']);
        let is_record =
            variable.contains("record") && (is_path || matches!(variable, "conference_auto_record"));
        match is_record && !matches!(value, "" | "true" | "false") {
            true => {
                self.opens(value);
                self.records(value);
            }
            // A prefix holds variables and begins a dial string.
            false if variable == "conference_auto_outcall_prefix" => self.program(value),
            false => self.media(value),
        }
    }

    /// What a conference is to do.
    pub(super) fn conference(&mut self, arguments: &str) {
        let action = after(arguments, 1);
        // Quotes may end after a blank, and then another word is the action.
        if [first(arguments), first(action)].iter().any(|word| is_quoted(word)) {
            self.opens(arguments);
            return self.undecidable(arguments, "quotes or escapes before what the conference is to do");
        }
        let is_dial = |text: &str| matches!(first(text).to_ascii_lowercase().as_str(), "dial" | "bgdial");
        // "conference dial ..." has no name before it when there is no conference called "dial".
        for dial in [arguments, action] {
            if is_dial(dial) {
                self.structured(after(dial, 1), |walk, words| {
                    walk.dial_string(words.first().copied().unwrap_or_default());
                });
            }
        }
        let what = after(action, 1);
        match first(action).to_ascii_lowercase().as_str() {
            "record" | "vid-write-png" => {
                self.opens(arguments);
                self.records(what);
            }
            "recording" => {
                self.opens(arguments);
                match first(what).to_ascii_lowercase().as_str() {
                    "stop" | "check" | "pause" | "resume" => {}
                    "start" => self.records(after(what, 1)),
                    _ => self.records(what),
                }
            }
            "norecord" | "pause" | "resume" | "chkrecord" | "say" | "saymember" | "transfer" => {
                self.opens(arguments);
            }
            // Sounds are taken from there afterwards.
            "set" | "setvar" if what.to_ascii_lowercase().contains("sound_prefix") => {
                self.opens(arguments);
                self.plays(what);
            }
            // Where a dial string stands there is no file; a media action's name has no "/" in it.
            "dial" | "bgdial" => self.opens(arguments),
            destination if is_dial(arguments) && destination.contains('/') => self.opens(arguments),
            _ => self.media(action),
        }
    }

    /// One word that may be a path.
    fn plays(&mut self, word: &str) {
        let harmless = word.split_once("://").is_some_and(|(scheme, rest)| match scheme {
            // A path in either would read a file.
            "tone_stream" | "silence_stream" => !rest.contains(['/', '\\']) && !rest.contains("path="),
            "local_stream" => is_sound(rest),
            _ => is_scheme(scheme) && is_elsewhere(word) && !rest.contains("://"),
        });
        if !harmless {
            self.deeds.push(Deed::Command { name: "play_file".into(), arguments: word.into() });
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether some scheme in a text leads away from the switch's own files.
fn is_elsewhere(text: &str) -> bool {
    let text = unquoted(text);
    text.match_indices("://").any(|(at, _)| {
        let start =
            text[..at].rfind(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        !INSIDE.contains(&&text[start.map_or(0, |start| start + 1)..at])
    })
}

fn unquoted(text: &str) -> String {
    text.replace(['\'', '"', '\\'], "").to_ascii_lowercase()
}

/// Schemes of what the switch holds or makes itself.
const INSIDE: &[&str] =
    &["file", "file_string", "tone_stream", "silence_stream", "local_stream", "say", "phrase"];
