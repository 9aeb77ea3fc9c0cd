//! Tests of the configuration, by subject.

mod broker;
mod contract;
mod documents;
mod durations;
mod fraud;
mod guard_rules;
mod lenience;
mod limits;
mod messages;
mod notify;
mod reload;
mod rules;

use super::{Config, Format, Loaded, Problems, parse};

fn toml(text: &str) -> Result<Loaded, Problems> {
    parse(text, "switchward.toml", Format::Toml, |_| None)
}

fn json(text: &str) -> Result<Loaded, Problems> {
    parse(text, "config.json", Format::Json, |_| None)
}

/// A file of nothing, and these variables.
fn variables(all: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let find = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
    parse("", "switchward.toml", Format::Toml, find)
}

/// The lines of the errors and warnings of a configuration that cannot be used.
fn refusal(outcome: Result<Loaded, Problems>) -> Vec<String> {
    outcome.unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// The lines of the warnings of a configuration that can.
fn warnings(outcome: Result<Loaded, Problems>) -> Vec<String> {
    outcome.unwrap().warnings.iter().map(ToString::to_string).collect()
}

fn config(outcome: Result<Loaded, Problems>) -> Config {
    outcome.unwrap().config
}
