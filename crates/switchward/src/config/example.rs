//! Files that the table of keys writes: the commented example, the predecessor's default, the documentation.
//!
//! `config-example.toml` and `docs/configuration.md` are in the tree; a test compares them with what comes out here.

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::keys::{self, ARRAYS, Key, RETIRED, SECTIONS};
use super::model::Config;

/// The predecessor's keys with their defaults, in the predecessor's types, so that it could read the file as well.
pub(super) fn default_json() -> String {
    let mut config = Config::default();
    let mut root = Map::new();
    for key in keys::keys().filter(|key| key.contract) {
        let mut parts: Vec<&str> = key.path.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        let mut table = &mut root;
        for part in parts {
            let inner = table.entry(part).or_insert_with(|| Json::Object(Map::new()));
            match inner {
                Json::Object(inner) => table = inner,
                _ => unreachable!("a section is an object"),
            }
        }
        table.insert(name.into(), key.field.literal(&mut config).json());
    }
    format!("{:#}\n", Json::Object(root))
}

/// The text of `config-example.toml`.
pub fn example_toml() -> String {
    let mut config = Config::default();
    let mut out = String::from(EXAMPLE_HEAD);
    for section in SECTIONS {
        let _ = write!(out, "\n\n# {}\n[{}]\n", section.intro, section.name);
        for key in section.keys {
            example_key(&mut out, key, &mut config);
        }
    }
    for array in ARRAYS {
        let _ = write!(out, "\n\n");
        comment(&mut out, array.intro());
        let _ = writeln!(out, "#[[{}]]", array.name());
        array.example(&mut out);
    }
    out
}

fn example_key(out: &mut String, key: &Key<Config>, config: &mut Config) {
    let _ = writeln!(out);
    comment(out, key.meaning);
    comment(out, &terms(key, config));
    let present = key.field.literal(config);
    let _ = match key.follows.is_some() || present == super::literal::Literal::Absent {
        true => writeln!(out, "#{} = {}", key.name(), key.example(config).toml()),
        false => writeln!(out, "{} = {}", key.name(), present.toml()),
    };
}

/// The keys of one entry of an array, all of them comments.
pub(super) fn example_entry<T: Default>(out: &mut String, keys: &[Key<T>]) {
    let mut entry = T::default();
    for key in keys {
        let _ = writeln!(out);
        comment(out, key.meaning);
        comment(out, &terms(key, &mut entry));
        let _ = writeln!(out, "#{} = {}", key.path, key.example(&mut entry).toml());
    }
}

/// Range, default, variable and reload of a key, in one sentence.
fn terms<T>(key: &Key<T>, target: &mut T) -> String {
    let mut text = key.field.expected(target);
    text[..1].make_ascii_uppercase();
    let _ = match (&key.follows, key.field.literal(target)) {
        (Some(follows), _) => write!(text, "; default: {}", follows.path),
        (None, super::literal::Literal::Absent) => write!(text, "; default: none"),
        (None, literal) => write!(text, "; default: {}", literal.toml()),
    };
    if !key.variable.is_empty() {
        let _ = write!(text, "; environment: {}", key.variable);
    }
    if key.restart {
        text.push_str("; a change needs a restart");
    }
    text.push('.');
    text
}

/// `text` as comment lines of at most 110 characters.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > 110 {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(out, "{line}");
}

/// The text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut config = Config::default();
    let mut out = String::from(REFERENCE_HEAD);
    for section in SECTIONS {
        let _ = write!(out, "\n## `{}`\n\n{}\n\n{TABLE_HEAD}", section.name, section.intro);
        for key in section.keys {
            row(&mut out, key, &mut config);
        }
    }
    for array in ARRAYS {
        let _ = write!(out, "\n## `[[{}]]`\n\n{}\n\n{TABLE_HEAD}", array.name(), array.intro());
        array.rows(&mut out);
    }
    let _ = write!(out, "\n## Keys of older files\n\nThey are accepted with a warning and do nothing.\n\n");
    for (path, why) in RETIRED {
        let _ = writeln!(out, "- `{path}`: {why}.");
    }
    out
}

/// The rows of one entry's keys.
pub(super) fn rows<T: Default>(out: &mut String, keys: &[Key<T>]) {
    let mut entry = T::default();
    keys.iter().for_each(|key| row(out, key, &mut entry));
}

fn row<T>(out: &mut String, key: &Key<T>, target: &mut T) {
    let default = match (&key.follows, key.field.literal(target)) {
        (Some(follows), _) => format!("as `{}`", follows.path),
        (None, super::literal::Literal::Absent) => "none".into(),
        (None, literal) => format!("`{}`", literal.toml()),
    };
    let variable = if key.variable.is_empty() { String::new() } else { format!("`{}`", key.variable) };
    let reload = if key.restart { "restart" } else { "reload" };
    let (name, expected, meaning) = (key.name(), key.field.expected(target), key.meaning);
    let meaning = if key.contract { meaning.to_owned() } else { format!("{meaning} (new)") };
    let _ = writeln!(out, "| `{name}` | {meaning} | {expected} | {default} | {variable} | {reload} |");
}

const EXAMPLE_HEAD: &str = "\
# Switchward: every setting with its default, so an empty file means the same. The same keys may be written as JSON.
# Durations are sums of numbers with units (ns, us, ms, s, m, h), such as \"90s\", \"5m\", \"1h30m\" or \"1.5h\".
# A variable of the environment wins over the file; there a list is a JSON array of texts.
# A setting that is commented out has no default of its own.
";

const REFERENCE_HEAD: &str = "\
# Configuration

Made from the table of keys in `crates/switchward/src/config/keys`; a test compares the two
(`UPDATE=1 cargo nextest run -p switchward config` rewrites this page and `config-example.toml`).

One file, JSON or TOML, with the same keys; the extension tells which, or the content when it is neither (a `{` in
front is JSON). An empty file means the defaults. A variable of the environment wins over the file; an empty one
counts as absent. Booleans there are `true`, `1`, `yes`, `false`, `0` or `no` in any case, lists are JSON arrays of
texts.

Durations are sums of decimal numbers with units, as Go writes them: `ns`, `us` (or `µs`), `ms`, `s`, `m`, `h`, such
as `\"90s\"`, `\"5m\"`, `\"1h30m\"`, `\"1.5h\"`. A network is a CIDR or a bare address, IPv4 or IPv6; an IPv4-mapped IPv6
address is IPv4. A port may be a number or a text.

An unknown key, and a key that no longer does anything, is a warning. A wrong type or value stops the start, with every
problem at once: file, line, column, key, what was found, what was expected, and the mend.

In the last column, \"reload\" means that SIGHUP takes a change over, \"restart\" that it needs a new process. \"(new)\"
marks what the predecessor does not know.
";

const TABLE_HEAD: &str = "\
| key | meaning | value | default | environment | change |
|---|---|---|---|---|---|
";
