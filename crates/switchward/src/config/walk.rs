//! The tree of a file into [`Config`]: every key looked up in the table, every problem collected.
//!
//! Start with [`Walk::file`]. Like Go's JSON reader it takes `null` as absent, the last of two equal keys, and a key
//! in other capitals, and says so, because Go does not.

use super::Format;
use super::arrays::Array;
use super::findings::{Findings, Place};
use super::keys::{self, ARRAYS, Key, RETIRED, SECTIONS, Section};
use super::model::Config;
use super::nearest::nearest;
use super::read::read;
use super::tree::{Entry, Lines, Node, Value};

/// What a file and the environment have said so far.
pub(super) struct Walk {
    pub(super) config: Config,
    pub(super) findings: Findings,
}

/// What a name stands for in a table.
#[derive(Clone, Copy)]
enum Known {
    Key(&'static Key<Config>),
    Section(&'static Section),
    Array(&'static dyn Array),
    Retired(&'static str),
}

impl Walk {
    pub(super) fn new(file: &str) -> Self {
        // The one switch of a file without any is made at the end.
        let config = Config { switches: Vec::new(), ..Config::default() };
        Self { config, findings: Findings::new(file) }
    }

    /// Takes everything in the tree of the file over.
    pub(super) fn file(&mut self, root: &Node, page: &Page<'_>) {
        match &root.value {
            Value::Table(entries) => self.table("", entries, page),
            Value::Null => {}
            _ => self.findings.error(page.place("", root), &root.found(), "an object with the settings", ""),
        }
    }

    fn table(&mut self, section: &str, entries: &[Entry], page: &Page<'_>) {
        let known = children(section);
        let mut seen: Vec<&str> = Vec::new();
        for entry in entries {
            let path = join(section, &entry.key);
            let names = known.iter().map(|(name, _)| *name);
            let Some(name) = self.resolve(entry, &path, section, names, page) else { continue };
            self.refuse_second(&mut seen, name, &path, entry, page);
            match known.iter().find(|(child, _)| *child == name).map(|(_, child)| *child) {
                Some(Known::Key(key)) => {
                    page.value(key, key.path.into(), &mut self.config, entry, &mut self.findings);
                }
                Some(Known::Section(inner)) => self.section(inner.name, entry, page),
                Some(Known::Array(array)) => self.array(array, entry, page),
                Some(Known::Retired(why)) => self.findings.warning(
                    page.key_place(&path, entry),
                    "a key of an older release",
                    &format!("no such key: it no longer does anything, {why}"),
                    "remove it",
                ),
                None => {}
            }
        }
    }

    fn section(&mut self, name: &str, entry: &Entry, page: &Page<'_>) {
        match &entry.node.value {
            Value::Table(entries) => self.table(name, entries, page),
            Value::Null => {}
            _ => {
                let mend = match page.format {
                    Format::Json => format!("write \"{}\": {{ ... }}", entry.key),
                    Format::Toml => format!("write [{name}] and its keys below"),
                };
                self.findings.error(page.place(name, &entry.node), &entry.node.found(), "a table", &mend);
            }
        }
    }

    fn array(&mut self, array: &'static dyn Array, entry: &Entry, page: &Page<'_>) {
        let items = match &entry.node.value {
            Value::Array(items) => items.as_slice(),
            Value::Null => return,
            _ => std::slice::from_ref(&entry.node),
        };
        for (index, item) in items.iter().enumerate() {
            match (&item.value, &entry.node.value) {
                (Value::Table(entries), Value::Array(_)) => {
                    let path = format!("{}[{index}]", array.name());
                    self.findings.set(&path, page.place(&path, item));
                    array.read(self, &path, entries, page);
                }
                _ => {
                    let mend = match page.format {
                        Format::Json => format!("write \"{}\": [ {{ ... }} ]", entry.key),
                        Format::Toml => format!("write [[{}]] with two brackets", array.name()),
                    };
                    let place = page.place(array.name(), item);
                    self.findings.error(place, &item.found(), "an array of tables", &mend);
                }
            }
        }
    }

    /// One entry of an array of tables.
    pub(super) fn entry<T: Default>(
        &mut self,
        keys: &'static [Key<T>],
        path: &str,
        entries: &[Entry],
        page: &Page<'_>,
    ) -> T {
        let mut made = T::default();
        let mut seen: Vec<&str> = Vec::new();
        for entry in entries {
            let full = join(path, &entry.key);
            let names = keys.iter().map(|key| key.path);
            let Some(name) = self.resolve(entry, &full, path, names, page) else { continue };
            self.refuse_second(&mut seen, name, &full, entry, page);
            if let Some(key) = keys.iter().find(|key| key.path == name) {
                page.value(key, join(path, name), &mut made, entry, &mut self.findings);
            }
        }
        for key in keys {
            match &key.follows {
                Some(follows) if self.findings.place(&join(path, key.path)).is_none() => {
                    (follows.take)(&mut made);
                }
                _ => {}
            }
        }
        made
    }

    /// The known name that the entry means, or a warning.
    fn resolve(
        &mut self,
        entry: &Entry,
        path: &str,
        section: &str,
        names: impl Iterator<Item = &'static str> + Clone,
        page: &Page<'_>,
    ) -> Option<&'static str> {
        if let Some(name) = names.clone().find(|name| *name == entry.key) {
            return Some(name);
        }
        let place = page.key_place(path, entry);
        let capitals = names.clone().find(|name| name.eq_ignore_ascii_case(&entry.key));
        if let Some(name) = capitals {
            self.findings.warning(place, "other capitals", name, &format!("write {name}"));
            return Some(name);
        }
        let near = nearest(&entry.key, names).map(|name| join(section, name));
        let (expected, mend) = match near.or_else(|| elsewhere(&entry.key)) {
            Some(near) => (near, "rename it; as it stands it is ignored"),
            None => ("one of the keys in docs/configuration.md".into(), "remove it; it is ignored"),
        };
        self.findings.warning(place, "an unknown key", &expected, mend);
        None
    }

    fn refuse_second(
        &mut self,
        seen: &mut Vec<&'static str>,
        name: &'static str,
        path: &str,
        entry: &Entry,
        page: &Page<'_>,
    ) {
        if seen.contains(&name) {
            let place = page.key_place(path, entry);
            self.findings.warning(place, "the key a second time", "it once", "keep one; the last one holds");
        } else {
            seen.push(name);
        }
    }
}

/// The text that is walked: enough to point into it.
pub(super) struct Page<'a> {
    pub(super) file: &'a str,
    pub(super) lines: Lines<'a>,
    pub(super) format: Format,
}

impl Page<'_> {
    /// Reads one value into its field and notes where it was set, or what is wrong with it.
    fn value<T>(&self, key: &Key<T>, path: String, target: &mut T, entry: &Entry, findings: &mut Findings) {
        if entry.node.value == Value::Null {
            return;
        }
        findings.set(&path, self.place(&path, &entry.node));
        if let Value::Array(items) = &entry.node.value {
            for (index, item) in items.iter().enumerate() {
                let element = format!("{path}[{index}]");
                findings.set(&element, self.place(&element, item));
            }
        }
        let Err(all) = read(&key.field, target, &entry.node) else { return };
        let example = key.example(target);
        for wrong in all {
            let element = wrong.element.map(|index| format!("{path}[{index}]"));
            let place = self.place_at(element.as_deref().unwrap_or(&path), wrong.span.start);
            let mend = wrong.mend.unwrap_or_else(|| match self.format {
                Format::Json => format!("write \"{}\": {}", key.name(), example.json()),
                Format::Toml => format!("write {} = {}", key.name(), example.toml()),
            });
            findings.error(place, &wrong.found, &wrong.expected, &mend);
        }
    }

    fn place(&self, path: &str, node: &Node) -> Place {
        self.place_at(path, node.span.start)
    }

    fn key_place(&self, path: &str, entry: &Entry) -> Place {
        self.place_at(path, entry.key_span.start)
    }

    pub(super) fn place_at(&self, path: &str, offset: usize) -> Place {
        let (line, column) = self.lines.place(offset);
        Place { file: self.file.into(), line, column, key: path.into() }
    }
}

/// What may stand in a section: its keys, its sections, its retired keys.
fn children(section: &str) -> Vec<(&'static str, Known)> {
    let child = |path: &'static str| match path.rsplit_once('.') {
        Some((parent, name)) => (parent == section).then_some(name),
        None => section.is_empty().then_some(path),
    };
    let keys = keys::keys().filter_map(|key| child(key.path).map(|name| (name, Known::Key(key))));
    let sections =
        SECTIONS.iter().filter_map(|inner| child(inner.name).map(|name| (name, Known::Section(inner))));
    let retired =
        RETIRED.iter().filter_map(|(path, why)| child(path).map(|name| (name, Known::Retired(why))));
    let arrays =
        ARRAYS.iter().filter_map(|array| child(array.name()).map(|name| (name, Known::Array(*array))));
    keys.chain(sections).chain(retired).chain(arrays).collect()
}

/// A key or section of that very name in another section, or in an entry of an array.
fn elsewhere(name: &str) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next() == Some(name);
    let sections = SECTIONS.iter().map(|section| section.name);
    let mut paths =
        keys::keys().map(|key| key.path).chain(sections).chain(ARRAYS.iter().map(|array| array.name()));
    let in_entry = || {
        let of = |array: &&dyn Array| array.key_names().contains(&name).then(|| array.name());
        ARRAYS.iter().find_map(of).map(|array| format!("{array}[..].{name}"))
    };
    paths.find(|path| last(path)).map(str::to_owned).or_else(in_entry)
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.into() } else { format!("{section}.{name}") }
}
