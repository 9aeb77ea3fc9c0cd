//! What a changed configuration means for a running daemon.
//!
//! [`Config::diff_reload`] only compares; taking the changes over is the daemon's part. Values are never part of the
//! answer, so it may be logged.

use super::keys::{self, SWITCH};
use super::model::{Config, Switch};

impl Config {
    /// The keys in which `new` differs: those that a reload (SIGHUP) takes over, and those that need a restart. A
    /// key of a switch reads `switch[NAME].port`; a switch that came or went reads `switch[NAME]`.
    pub fn diff_reload(&self, new: &Self) -> (Vec<String>, Vec<String>) {
        let (mut old, mut new) = (self.clone(), new.clone());
        let (mut live, mut restart) = (Vec::new(), Vec::new());
        for key in keys::keys() {
            if key.field.literal(&mut old) != key.field.literal(&mut new) {
                let list = if key.restart { &mut restart } else { &mut live };
                list.push(key.path.to_owned());
            }
        }
        let gone = old.switches.iter().filter(|switch| named(&new.switches, &switch.name).is_none());
        live.extend(gone.map(|switch| format!("switch[{}]", switch.name)));
        for switch in &new.switches {
            match named(&old.switches, &switch.name) {
                None => live.push(format!("switch[{}]", switch.name)),
                Some(before) => live.extend(changed(before.clone(), switch.clone())),
            }
        }
        (live, restart)
    }
}

fn named<'a>(switches: &'a [Switch], name: &str) -> Option<&'a Switch> {
    switches.iter().find(|switch| switch.name == name)
}

fn changed(mut old: Switch, mut new: Switch) -> impl Iterator<Item = String> {
    SWITCH.iter().filter_map(move |key| {
        let differs = key.field.literal(&mut old) != key.field.literal(&mut new);
        differs.then(|| format!("switch[{}].{}", new.name, key.path))
    })
}
