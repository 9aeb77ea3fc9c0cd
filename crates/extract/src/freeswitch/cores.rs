//! The cores (runs of the switch) that were heard of lately: which HEARTBEAT is the first of a new one.
//!
//! A few are kept: a recording may hold the events of two switches in turn, and neither is started anew with each of its heartbeats.

/// The last few cores.
#[derive(Debug, Default)]
pub(super) struct Cores {
    names: Vec<Vec<u8>>,
    next: usize,
}

impl Cores {
    /// Notes a core; true when it is new and another one was known before.
    pub(super) fn is_restart(&mut self, core: &[u8]) -> bool {
        let core = &core[..core.len().min(LONGEST)];
        if core.is_empty() || self.names.iter().any(|known| known == core) {
            return false;
        }
        let is_restart = !self.names.is_empty();
        if self.names.len() < KEPT {
            self.names.push(core.to_vec());
        } else {
            let oldest = &mut self.names[self.next];
            oldest.clear();
            oldest.extend_from_slice(core);
            self.next = (self.next + 1) % KEPT;
        }
        is_restart
    }
}

const KEPT: usize = 8;
/// A UUID has 36 characters.
const LONGEST: usize = 64;
