//! The documents that the table of keys makes are the ones in the tree.

use std::path::{Path, PathBuf};

use crate::config::example::{default_json, example_toml, reference};
use crate::config::keys::{ARRAYS, keys};
use crate::config::{Config, EXAMPLE_TOML, Format, parse};

fn is_in_the_tree(relative: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(relative);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(stored, text, "{relative} is out of date; UPDATE=1 rewrites it");
}

#[test]
fn the_example_in_the_tree_is_the_one_that_the_table_makes() {
    is_in_the_tree("config-example.toml", &example_toml());
}

#[test]
fn the_reference_in_the_tree_is_the_one_that_the_table_makes() {
    is_in_the_tree("../../docs/configuration.md", &reference());
}

#[test]
fn the_example_means_the_defaults_and_warns_of_nothing() {
    let loaded = parse(EXAMPLE_TOML, "config-example.toml", Format::Toml, |_| None).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn the_example_holds_every_key_and_each_commented_one_is_right() {
    // `#key = value` is a setting, `# text` is prose.
    let uncommented: String = EXAMPLE_TOML
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let document: toml::Table = uncommented.parse().unwrap();
    for key in keys() {
        let mut value = Some(&toml::Value::Table(document.clone())).cloned();
        for part in key.path.split('.') {
            value = value.and_then(|table| table.get(part).cloned());
        }
        assert!(value.is_some(), "{} is not in the example", key.path);
    }
    for array in ARRAYS {
        let root = toml::Value::Table(document.clone());
        let mut table = &root;
        for part in array.name().split('.') {
            table = &table[part];
        }
        assert!(array.key_names().iter().all(|key| table[0].get(key).is_some()), "{}", array.name());
    }
    let loaded = parse(&uncommented, "example", Format::Toml, |_| None).unwrap();
    assert!(
        loaded.warnings.iter().all(|warning| !warning.found.contains("unknown")),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn the_default_json_means_the_defaults_and_keeps_the_predecessors_types() {
    let text = default_json();
    let loaded = parse(&text, "config.json", Format::Json, |_| None).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config, Config::default());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["server"]["port"], "8088");
    assert_eq!(json["security"]["esl_port"], "8021");
    assert_eq!(json["security"]["rate_limit"]["block_duration"], "15m");
    assert!(json.get("firewall").is_none());
}
