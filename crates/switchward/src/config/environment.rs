//! The environment over the file: each variable becomes a value of the tree and is read like one of the file.
//!
//! An empty variable counts as absent, as it does for the predecessor. A word that is no boolean is an error here;
//! the predecessor took it for false.

use super::findings::Place;
use super::from_json;
use super::keys::{self, Field, Key};
use super::model::Config;
use super::read::read;
use super::tree::{Node, Value, quote};
use super::walk::Walk;

impl Walk {
    /// Takes over every variable that is set.
    pub(super) fn environment(&mut self, environment: impl Fn(&str) -> Option<String>) {
        for key in keys::keys().filter(|key| !key.variable.is_empty()) {
            if let Some(text) = environment(key.variable).filter(|text| !text.trim().is_empty()) {
                self.variable(key, &text);
            }
        }
    }

    fn variable(&mut self, key: &Key<Config>, text: &str) {
        let node = Node { value: value(&key.field, text), span: 0..0 };
        self.findings.set(key.path, Place::variable(key.variable));
        let Err(all) = read(&key.field, &mut self.config, &node) else { return };
        let example = key.example(&mut self.config).variable();
        for wrong in all {
            let name = match wrong.element {
                Some(index) => format!("{}[{index}]", key.variable),
                None => key.variable.to_owned(),
            };
            let (found, expected, mend) = match key.field {
                // As written: 5x is no number, and a list is a JSON array.
                Field::Bool(_) | Field::OptionalBool(_) => {
                    (quote(text), "true, 1, yes, false, 0 or no".to_owned(), None)
                }
                Field::Networks(_) | Field::Texts(..) | Field::Signals(_) | Field::Ports(_)
                    if wrong.element.is_none() =>
                {
                    (quote(text), "a JSON array of texts".to_owned(), None)
                }
                _ => (wrong.found, wrong.expected, wrong.mend),
            };
            let mend = mend.unwrap_or_else(|| format!("write {}={example}", key.variable));
            self.findings.error(Place::variable(&name), &found, &expected, &mend);
        }
    }
}

/// The variable's text as the kind of value that the field reads; the text itself when it is none.
fn value<T>(field: &Field<T>, text: &str) -> Value {
    let bare = text.trim();
    let as_text = || Value::Str(text.to_owned());
    match field {
        Field::Bool(_) | Field::OptionalBool(_) => boolean(bare).map_or_else(as_text, Value::Bool),
        Field::Count { .. } | Field::OptionalCount { .. } => {
            bare.parse().map_or_else(|_| as_text(), Value::Int)
        }
        Field::Networks(_) | Field::Texts(..) | Field::Signals(_) | Field::Ports(_) => {
            from_json::parse(text).map_or_else(|_| as_text(), |node| node.value)
        }
        _ => as_text(),
    }
}

fn boolean(word: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    match (is_one_of(["true", "1", "yes"]), is_one_of(["false", "0", "no"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}
