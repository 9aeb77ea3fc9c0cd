//! Arrays of tables: `[[switch]]`, `[[broker.role]]`, `[[broker.user]]`, whatever struct an entry becomes.
//!
//! [`Entries`] is one array with its keys. [`Array`] is the same without the type of the entries, so that the table of keys can hold
//! all of them, and reading, example, documentation and reload can walk them alike.

use super::example;
use super::keys::Key;
use super::model::Config;
use super::reload;
use super::tree::Entry;
use super::walk::{Page, Walk};

/// One array with the keys of its entries.
pub(super) struct Entries<T: 'static> {
    /// `broker.role`
    pub(super) name: &'static str,
    /// One sentence for the documentation.
    pub(super) intro: &'static str,
    pub(super) keys: &'static [Key<T>],
    pub(super) all: fn(&mut Config) -> &mut Vec<T>,
    /// What an entry is known by.
    pub(super) label: fn(&T) -> &str,
    /// A changed entry needs a new process.
    pub(super) restart: bool,
}

/// [`Entries`] of whatever.
pub(super) trait Array: Sync {
    /// The path of the array.
    fn name(&self) -> &'static str;
    /// One sentence for the documentation.
    fn intro(&self) -> &'static str;
    /// Takes one entry over.
    fn read(&self, walk: &mut Walk, path: &str, entries: &[Entry], page: &Page<'_>);
    /// The keys in the example.
    fn example(&self, out: &mut String);
    /// The keys in the documentation.
    fn rows(&self, out: &mut String);
    /// What differs, by whether a reload takes it over.
    fn compare(&self, old: &mut Config, new: &mut Config, live: &mut Vec<String>, restart: &mut Vec<String>);
    /// The names of the keys.
    fn key_names(&self) -> Vec<&'static str>;
}

impl<T: Default> Array for Entries<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn intro(&self) -> &'static str {
        self.intro
    }

    fn read(&self, walk: &mut Walk, path: &str, entries: &[Entry], page: &Page<'_>) {
        let entry = walk.entry(self.keys, path, entries, page);
        (self.all)(&mut walk.config).push(entry);
    }

    fn example(&self, out: &mut String) {
        example::example_entry(out, self.keys);
    }

    fn rows(&self, out: &mut String) {
        example::rows(out, self.keys);
    }

    fn compare(&self, old: &mut Config, new: &mut Config, live: &mut Vec<String>, restart: &mut Vec<String>) {
        let changed = reload::compare(self.name, self.keys, self.label, (self.all)(old), (self.all)(new));
        if self.restart { restart.extend(changed) } else { live.extend(changed) }
    }

    fn key_names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.path).collect()
    }
}
