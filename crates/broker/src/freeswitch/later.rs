//! What the switch does later with the value of a variable: it runs some, and puts others into what it dials and runs.
//!
//! `*execute_on_*` hold "app args" or "app::args", `*api_on_*` and its like a command, `*_after_bridge` and its like a destination: these
//! are followed. What cannot be followed, because it is expanded or put together at another time, is the deed `run_later NAME`, no command
//! but what a rule may speak of.

use super::Unfolding;
use super::expression::{closing, has_expression};
use crate::catalogue::{Class, Variable};
use crate::deed::Deed;

impl Unfolding<'_> {
    /// The value of a variable, its name in lower case.
    pub(super) fn later(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let (first, rest) = value.split_once(':').unwrap_or((value, ""));
        let known = self.catalogue.variable(name).map(Variable::classes).unwrap_or_default();
        match name {
            _ if name.contains("execute_on_") => self.application_text(value),
            _ if name.contains("api_on_") || COMMANDS.contains(&name) => self.later_line(name, value),
            "record_post_process_exec_app" => self.application(first, rest),
            "record_post_process_exec_api" => self.later_line(name, &format!("{first} {rest}")),
            // With what is in another variable.
            _ if is_application(name) => {
                self.application(first, rest);
                self.run_later(name);
            }
            _ if DESTINATIONS.contains(&name) => self.transfer(&value.split(':').collect::<Vec<_>>()),
            "conference_auto_outcall_prefix" => {
                // Nothing but variables: a destination would be dialled by itself.
                let is_more = self.variable_blocks(value).is_some_and(|rest| !rest.is_empty());
                self.run_later_if(is_more, name);
            }
            _ if is_put_together(name, value) => self.run_later(name),
            _ if is_switch(value) || PASSIVE.contains(&name) || name.ends_with("_context") => {}
            _ if name.ends_with("_dialplan") && value.eq_ignore_ascii_case("xml") => {}
            _ if known.has(Class::RunsCommands) || name.ends_with("_dialplan") => self.run_later(name),
            _ => {}
        }
    }

    /// A line that is expanded before it is run.
    fn later_line(&mut self, name: &str, line: &str) {
        self.line(line.trim_matches(' '));
        self.run_later_if(has_expression(line), name);
    }

    fn run_later_if(&mut self, is_so: bool, name: &str) {
        if is_so {
            self.run_later(name);
        }
    }

    fn run_later(&mut self, name: &str) {
        // Without the value: it may be a password.
        self.deeds.push(Deed::Command { name: "run_later".into(), arguments: name.into() });
    }
}

/// Whether the value is expanded again, or would be more than a value where it is put in.
fn is_put_together(name: &str, value: &str) -> bool {
    let is_of_user = name.starts_with("dialed_") || OF_THE_USER.contains(&name);
    has_expression(value) || dials(value) || (is_of_user && value.contains(crate::pattern::is_special))
}

/// Whether a value, put into a dial string or a transfer, would set variables, run applications, or choose how it is read.
fn dials(value: &str) -> bool {
    let sets = |(at, open): (usize, char)| {
        let close = match open {
            '{' => '}',
            '[' => ']',
            '<' => '>',
            _ => return false,
        };
        let inside = &value[at + 1..];
        let end = closing(inside, open as u8, close as u8).unwrap_or(inside.len());
        inside[..end].contains('=')
    };
    let mut words = value.split([' ', ':', '/', ',', '|']);
    value.char_indices().any(sets)
        || value.to_ascii_lowercase().contains("loopback/")
        || words.any(|word| word.eq_ignore_ascii_case("inline"))
}

/// "exec_after_bridge_app", "bridge_pre_execute_aleg_app".
fn is_application(name: &str) -> bool {
    name.ends_with("_app")
        && (name.starts_with("exec_after_bridge_") || name.starts_with("bridge_pre_execute_"))
}

/// Whether it switches something on or off, or counts it.
fn is_switch(value: &str) -> bool {
    matches!(value, "true" | "false") || value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Hold a command.
const COMMANDS: &[&str] = &["api_hangup_hook", "api_reporting_hook", "api_after_bridge"];
/// Hold "extension:dialplan:context".
const DESTINATIONS: &[&str] = &[
    "transfer_after_bridge",
    "hold_hangup_xfer_exten",
    "transfer_fallback_extension",
    "valet_parking_orbit_exten",
];
/// Every sample dialplan and directory puts them into what it dials.
const OF_THE_USER: &[&str] = &["domain", "domain_name", "user_name", "username"];
/// Run nothing by their value.
const PASSIVE: &[&str] = &["bridge_export_vars", "export_vars", "session_in_hangup_hook"];
