//! FreeSWITCH's commands: what a line would do, all the way down.
//!
//! [`unfold`] gives the command itself and everything that its arguments would run: commands inside commands (`bgapi`, `expand`,
//! `sched_api`), applications (`originate ... &app()`, `uuid_broadcast ... app::args`, inline dialplans), destinations of dial strings,
//! variables whose values are run, and every `${...}` wherever it stands, because a value is expanded again when it is used. It leans
//! to the safe side: what has two readings is [`Deed::Undecidable`].

use crate::catalogue::Catalogue;
use crate::deed::{Deed, Deeds};
use crate::line::{Line, is_name};
use std::sync::LazyLock;

mod data;
mod dial;
mod expression;
mod files;
mod json;
mod later;
mod sent;
mod shapes;
pub mod show;
#[cfg(test)]
mod tests;
mod variables;

pub(crate) use sent::{unfold_announcement, unfold_message};

/// What a command would do; the command itself first.
pub fn unfold(line: Line<'_>, catalogue: &Catalogue) -> Deeds {
    let mut unfolding = Unfolding { catalogue, deeds: Deeds::default(), depth: 0 };
    if cuts_the_line(line.as_str()) {
        unfolding
            .undecidable(line.as_str(), "the event socket takes it for an order to reload or unload itself");
        return unfolding.deeds;
    }
    unfolding.command(line.verb(), line.arguments());
    unfolding.deeds
}

/// The catalogue of what ships with FreeSWITCH.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        // A test reads it: what is wrong with it never ships. Without a catalogue everything is refused.
        Catalogue::read(data::COMMANDS, data::APPLICATIONS, data::VARIABLES, data::SECRETS, data::EVENTS)
            .unwrap_or_default()
    });
    &CATALOGUE
}

/// mod_event_socket makes "bgapi unload mod_event_socket" of every line that has both words anywhere.
pub(crate) fn cuts_the_line(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("mod_event_socket") && (text.contains("unload") || text.contains("reload"))
}

/// "^^#a#b#c" are the arguments a, b and c to whatever splits them (`switch_separate_string`), in each place that is split once more.
fn separates_otherwise(arguments: &str) -> bool {
    arguments.contains("^^")
}

/// The walk through one command.
struct Unfolding<'a> {
    catalogue: &'a Catalogue,
    deeds: Deeds,
    /// How many commands, applications and expressions we are inside of.
    depth: usize,
}

impl Unfolding<'_> {
    /// A command, and what it runs.
    fn command(&mut self, name: &str, arguments: &str) {
        self.within(arguments, |walk| {
            if !is_name(name) {
                return walk.undecidable(name, "is not the name of a command");
            }
            if separates_otherwise(arguments) {
                return walk.undecidable(arguments, "arguments with a separator of their own");
            }
            let name = name.to_ascii_lowercase();
            walk.command_shape(&name, arguments);
            walk.expressions(arguments);
        });
    }

    /// A command with its arguments in one text.
    fn line(&mut self, text: &str) {
        let text = text.trim_matches(' ');
        let (name, arguments) = text.split_once(' ').unwrap_or((text, ""));
        self.command(name, arguments.trim_matches(' '));
    }

    /// A line that the switch expands before it runs it.
    fn expanded_line(&mut self, text: &str) {
        match expression::has_expression(text) {
            true => self.undecidable(text, "a command that is made of something else"),
            false => self.line(text),
        }
    }

    /// An application, and what it runs.
    fn application(&mut self, name: &str, arguments: &str) {
        self.within(arguments, |walk| {
            let name = name.trim_matches(' ');
            if !is_name(name) {
                return walk.undecidable(name, "is not the name of an application");
            }
            if separates_otherwise(arguments) {
                return walk.undecidable(arguments, "arguments with a separator of their own");
            }
            let name = name.to_ascii_lowercase();
            walk.application_shape(&name, arguments);
            walk.expressions(arguments);
        });
    }

    /// One level down, unless that is too deep.
    fn within(&mut self, what: &str, walk: impl FnOnce(&mut Self)) {
        if self.depth == DEEPEST {
            return self.undecidable(what, "nested too deeply");
        }
        self.depth += 1;
        walk(self);
        self.depth -= 1;
    }

    fn undecidable(&mut self, what: &str, why: &'static str) {
        self.deeds.push(Deed::undecidable(what, why));
    }
}

/// Commands inside commands that are followed.
const DEEPEST: usize = 16;
