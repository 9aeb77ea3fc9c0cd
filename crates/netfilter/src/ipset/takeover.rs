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

    let stand_in = Rule { set: stand_in_name(name), ..set.rule.clone() };
    if protocol::header(socket, &stand_in.set)?.is_none() {
        protocol::create(socket, &stand_in.set, set.kind, set.family, max)?;
    }
    protocol::change(socket, &stand_in.set, true, &usable)?;
    if set.has_rule() {
        stand_in.insert()?;
        set.rule.delete()?;
    }
    let result = protocol::destroy(socket, name);
    if let Err(error) = result {
        let _ = set.rule.insert();
        let _ = stand_in.delete();
        let _ = protocol::destroy(socket, &stand_in.set);
        return Err(Error::Config(format!(
            "ipset {name} exists as {} and cannot be replaced ({error}): delete the other rules that use it, or choose \
             another ipset_name",
            old.kind
        )));
    }
    protocol::create(socket, name, set.kind, set.family, max)?;
    protocol::change(socket, name, true, &usable)?;
    if set.has_rule() {
        set.rule.insert()?;
        stand_in.delete()?;
    }
    protocol::destroy(socket, &stand_in.set)
}

/// At most 31 bytes (IPSET_MAXNAMELEN), and not the name of any other of ours.
fn stand_in_name(name: &str) -> String {
    format!("{}-t", &name[..name.len().min(29)])
}
