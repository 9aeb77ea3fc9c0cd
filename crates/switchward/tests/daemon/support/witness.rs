//! What the kernel and the disk hold, asked of `nft`, `ipset` and SQLite, behind the daemon's back.

use super::sh;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Targets as the ledger writes them, with the seconds that their timeout was set to; `None` is for good.
pub(crate) type Held = BTreeMap<String, Option<u64>>;

/// Every target in the sets of our nftables table, whatever the scope.
pub(crate) fn nft() -> Held {
    let listing: Value = serde_json::from_str(&sh("nft -j list sets table inet switchward")).unwrap();
    let sets = listing["nftables"].as_array().unwrap().iter().filter_map(|item| item.get("set"));
    let mut held = Held::new();
    for set in sets {
        let name = set["name"].as_str().unwrap();
        if !name.starts_with("all_") && !name.starts_with("sip_v") {
            continue;
        }
        for element in set["elem"].as_array().into_iter().flatten() {
            let inner = element.get("elem");
            let value = inner.map_or(element, |inner| &inner["val"]);
            let timeout = inner.and_then(|inner| inner["timeout"].as_u64());
            let target = name_of(name, value);
            assert!(held.insert(target.clone(), timeout).is_none(), "{target} is in two sets");
        }
    }
    held
}

/// Whether our nftables table is there.
pub(crate) fn has_table() -> bool {
    sh("nft list tables").lines().any(|line| line == "table inet switchward")
}

fn name_of(set: &str, value: &Value) -> String {
    if let Some(parts) = value.get("concat") {
        let (ip, port) = (parts[0].as_str().unwrap(), &parts[1]);
        return if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    }
    let ip = value.as_str().unwrap();
    match set.rsplit_once("_net") {
        Some((_, length)) => format!("{ip}/{length}"),
        None if ip.contains(':') => format!("{ip}/64"),
        None => ip.to_owned(),
    }
}

/// Every target in the classic mode's ipsets.
pub(crate) fn ipset() -> Held {
    let mut held = Held::new();
    for line in sh("ipset save").lines().filter_map(|line| line.strip_prefix("add ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let timeout =
            words.iter().position(|word| *word == "timeout").map(|at| words[at + 1].parse().unwrap());
        let target = if words[1].contains(':') && !words[1].contains('/') {
            format!("{}/64", words[1])
        } else {
            words[1].into()
        };
        held.insert(target, timeout.filter(|seconds| *seconds > 0));
    }
    held
}

/// The targets of the store's bans.
pub(crate) fn store(path: &Path) -> BTreeSet<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut statement = connection.prepare("SELECT target FROM bans").unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The targets alone.
pub(crate) fn targets(held: &Held) -> BTreeSet<String> {
    held.keys().cloned().collect()
}

/// Asserts that two lists of targets are the same, and names a few that are not.
#[track_caller]
pub(crate) fn assert_same(left: (&str, &BTreeSet<String>), right: (&str, &BTreeSet<String>)) {
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        one.difference(other).take(5).cloned().collect::<Vec<_>>()
    };
    assert!(
        left.1 == right.1,
        "{} {} holds, {} {} holds; only in {}: {:?}, only in {}: {:?}",
        left.1.len(),
        left.0,
        right.1.len(),
        right.0,
        left.0,
        only(left.1, right.1),
        right.0,
        only(right.1, left.1)
    );
}
