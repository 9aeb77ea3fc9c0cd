//! The configuration of the daemon: file (JSON or TOML, the same keys), environment over it, checks, messages.
//!
//! [`load()`] reads a file and the passwords it points at, [`parse`] works on text alone; both end in a [`Config`]
//! in which every value is typed and checked, or in all the problems at once, each with its line, its key, what was
//! found, what was expected and the mend. The keys live in one table (`keys`) that drives the reading, the
//! suggestions, the example and `docs/configuration.md`. The predecessor's JSON file and variables keep working.
//!
//! Nothing here reads `std::env`: the environment is an argument.

mod arrays;
pub mod broker;
mod check;
mod choice;
mod defaults;
pub mod duration;
mod environment;
mod example;
mod findings;
mod from_json;
mod from_toml;
mod keys;
mod literal;
mod load;
mod model;
mod nearest;
mod network;
mod notify;
mod problem;
mod read;
mod reload;
pub mod rules;
mod secret;
mod size;
mod text;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use broker::Broker;
pub use example::{example_toml, reference};
pub use load::{LoadError, load, write_default};
pub use model::{
    Alarms, Api, Authentication, Cache, Chandaemon, Config, Firewall, FirewallMode, Fraud, Freeswitch, Geo,
    GuardLimits, Log, LogFormat, LogLevel, OnExit, PortRange, RateLimit, Record, Security, Server, Store,
    Switch, SwitchKind,
};
pub use network::{NetworkError, parse_network};
pub use notify::{Facility, Mail, MailTls, Notify, Slack, Syslog, Telegram, Templates, Webhook};
pub use problem::{Problem, Problems, Severity};
pub use secret::Secret;

pub(crate) use defaults::FACTORY_PASSWORD;
pub(crate) use nearest::nearest;
pub(crate) use size::parse as parse_size;
pub(crate) use text::pattern_span;

use findings::Findings;
use tree::{Lines, Node, Syntax};
use walk::{Page, Walk};

/// A configuration that can be used, and what the operator should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Unknown keys, keys of older releases, settings that are probably a mistake.
    pub warnings: Vec<Problem>,
    /// The file, when there was one.
    pub path: Option<PathBuf>,
    /// How it was written.
    pub format: Format,
}

/// How a configuration is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The predecessor's; comments and a comma after the last element are let through.
    Json,
    /// TOML 1.
    Toml,
}

impl Format {
    /// By the extension, or by the content when that is neither `.json` nor `.toml`: a `{` in front is JSON.
    pub fn of(path: &Path, text: &str) -> Self {
        Self::by_extension(path).unwrap_or_else(|| match strip_mark(text).trim_start().starts_with('{') {
            true => Self::Json,
            false => Self::Toml,
        })
    }

    fn by_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?;
        [("json", Self::Json), ("toml", Self::Toml)]
            .into_iter()
            .find_map(|(known, format)| extension.eq_ignore_ascii_case(known).then_some(format))
    }
}

/// Reads a configuration from text. `file` is its name in messages; `environment` answers for a variable's name.
///
/// Password files are not read: that is [`load()`]'s part. Text beyond [`MAX_BYTES`] is refused.
pub fn parse(
    text: &str,
    file: &str,
    format: Format,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Loaded, Problems> {
    let text = strip_mark(text);
    let mut walk = Walk::new(file);
    let page = Page { file, lines: Lines::new(text), format };
    match tree(text, format) {
        Ok(root) => walk.file(&root, &page),
        Err(errors) => {
            let mut findings = Findings::new(file);
            for Syntax { at, found, expected, mend } in errors {
                findings.error(page.place_at("", at), &found, &expected, mend);
            }
            findings.finish()?;
        }
    }
    walk.environment(environment);
    let (config, warnings) = walk.settle()?;
    Ok(Loaded { config, warnings, path: None, format })
}

fn tree(text: &str, format: Format) -> Result<Node, Vec<Syntax>> {
    if text.len() > MAX_BYTES {
        let found = format!("{} bytes", text.len());
        let mend = "name another file";
        return Err(vec![Syntax { at: 0, found, expected: format!("at most {MAX_BYTES} bytes"), mend }]);
    }
    match format {
        Format::Json => from_json::parse(text).map_err(|error| vec![error]),
        Format::Toml => from_toml::parse(text),
    }
}

/// Without the byte order mark that some editors put in front.
fn strip_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The largest configuration that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A commented TOML file with every key at its default; what a first run writes.
pub const EXAMPLE_TOML: &str = include_str!("../config-example.toml");
