//! A set of our name but of another make (the predecessor's `hash:ip`, or another maximum) becomes ours, and its
//! entries are dropped at every moment in between.
//!
//! The kernel renames and swaps only what no rule looks up or what is of the same type. So a stand-in set with a rule
//! of its own takes the entries first; then the old rule and set go, ours come, and the stand-in goes.

use super::Set;
use super::protocol::{self, Entry, Header};
use super::rules::Rule;
use crate::error::Error;
use crate::netlink::Socket;

/// Puts a set as `set` describes it in the place of the one with this header, with its entries.
pub(super) fn replace(socket: &mut Socket, set: &Set, old: &Header, max: u32) -> Result<(), Error> {
    let name = &set.rule.set;
    tracing::info!(
        set = name,
        kind = old.kind,
        timeouts = old.timeouts,
        "taking over an ipset of another make"
    );
    let fields = old.kind.matches(',').count();
    let readable = old.family == set.family && fields == set.kind.matches(',').count();
    let entries = if readable { protocol::entries(socket, name)? } else { Vec::new() };
    let usable: Vec<Entry> = entries.into_iter().filter(|entry| entry.prefix > 0).collect();

    let stand_in = stand_in(set);
    if protocol::header(socket, &stand_in.set)?.is_none() {
        protocol::create(socket, &stand_in.set, set.kind, set.family, max)?;
    }
    protocol::change(socket, &stand_in.set, true, &usable)?;
    if set.has_rule() {
        stand_in.insert()?;
        set.rule.delete()?;
    }
    if let Err(error) = protocol::destroy(socket, name) {
        if set.has_rule() {
            set.rule.insert()?;
            stand_in.delete()?;
        }
        protocol::destroy(socket, &stand_in.set)?;
        return Err(Error::Config(format!(
            "ipset {name} exists as {} and cannot be replaced ({error}): delete the other rules that use it, or choose \
             another ipset_name",
            old.kind
        )));
    }
    finish(socket, set, max)
}

/// Moves what is in the stand-in set, if there is one, to ours. Also after a crash in the middle of a take-over.
pub(super) fn finish(socket: &mut Socket, set: &Set, max: u32) -> Result<(), Error> {
    let stand_in = stand_in(set);
    if protocol::header(socket, &stand_in.set)?.is_none() {
        return Ok(());
    }
    let name = &set.rule.set;
    match protocol::header(socket, name)? {
        None => protocol::create(socket, name, set.kind, set.family, max)?,
        Some(header) if set.fits(&header, max) => {}
        // The crash came before the old one was gone: the take-over starts over.
        Some(_) => return Ok(()),
    }
    let entries = protocol::entries(socket, &stand_in.set)?;
    protocol::change(socket, name, true, &entries)?;
    if set.has_rule() {
        set.rule.insert()?;
        stand_in.delete()?;
    }
    protocol::destroy(socket, &stand_in.set)
}

fn stand_in(set: &Set) -> Rule {
    Rule { set: stand_in_name(&set.rule.set), ..set.rule.clone() }
}

/// At most 31 bytes (IPSET_MAXNAMELEN), and of each of our four sets another one. Names are ASCII (`Config::check`).
fn stand_in_name(name: &str) -> String {
    if name.len() <= 29 {
        return format!("{name}-t");
    }
    format!("{}{}-t", &name[..26], &name[name.len() - 3..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_in_names_fit_and_differ() {
        for base in ["x".to_string(), "n".repeat(28), "n".repeat(29)] {
            let mut names =
                ["", "6", "p", "6p"].map(|suffix| stand_in_name(&format!("{base}{suffix}"))).to_vec();
            assert!(names.iter().all(|name| name.len() <= 31));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 4);
        }
    }
}
