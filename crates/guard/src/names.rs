//! The few names an attacker used: kept for the reason of a ban, in bounded memory.
//!
//! Account names, domains and user agents repeat a lot, so each is kept once and referred to by a four-byte [`NameId`]. The
//! table has a fixed number of slots that are used again in turn; an id of a name that had to go reads as `None`, never as
//! another name.

use ahash::RandomState;
use hashbrown::HashTable;

/// Refers to a name: slot in the low 16 bits, generation of the slot above. Zero is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NameId(u32);

impl NameId {
    pub(crate) const NONE: NameId = NameId(0);
}

/// Longest name kept, in bytes; the rest is cut off.
pub(crate) const LONGEST_NAME: usize = 64;

struct Slot {
    hash: u64,
    generation: u16,
    text: Vec<u8>,
}

/// The names of one shard.
pub(crate) struct Names {
    slots: Vec<Slot>,
    index: HashTable<u16>,
    next: usize,
    capacity: usize,
    hasher: RandomState,
}

impl Names {
    /// Room for `capacity` names, at most 65,535.
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Names {
        Names {
            slots: Vec::new(),
            index: HashTable::new(),
            next: 0,
            capacity: capacity.clamp(1, 65_535),
            hasher,
        }
    }

    /// The id of a name, which is kept from now on. An empty name is [`NameId::NONE`].
    pub(crate) fn intern(&mut self, name: &[u8]) -> NameId {
        if name.is_empty() {
            return NameId::NONE;
        }
        let name = &name[..name.len().min(LONGEST_NAME)];
        let hash = self.hasher.hash_one(name);
        let slots = &self.slots;
        if let Some(&slot) = self.index.find(hash, |&slot| slots[slot as usize].text == name) {
            return id(slot, slots[slot as usize].generation);
        }
        let slot = self.make_room(hash, name);
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| slots[slot as usize].hash);
        id(slot, self.slots[slot as usize].generation)
    }

    /// A slot that holds `name`: a new one, or the oldest one used again.
    fn make_room(&mut self, hash: u64, name: &[u8]) -> u16 {
        if self.slots.len() < self.capacity {
            self.slots.push(Slot { hash, generation: 1, text: name.to_vec() });
            return (self.slots.len() - 1) as u16;
        }
        let slot = self.next as u16;
        self.next = (self.next + 1) % self.capacity;
        if let Ok(entry) = self.index.find_entry(self.slots[slot as usize].hash, |&other| other == slot) {
            entry.remove();
        }
        let used = &mut self.slots[slot as usize];
        used.hash = hash;
        used.generation = used.generation.checked_add(1).unwrap_or(1);
        used.text.clear();
        used.text.extend_from_slice(name);
        slot
    }

    /// The name of an id, unless it had to go.
    pub(crate) fn name(&self, id: NameId) -> Option<&[u8]> {
        let slot = self.slots.get((id.0 & 0xffff) as usize)?;
        (u32::from(slot.generation) == id.0 >> 16).then_some(slot.text.as_slice())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.iter().map(|slot| size_of::<Slot>() + slot.text.capacity()).sum::<usize>()
            + self.index.capacity() * 3
    }
}

fn id(slot: u16, generation: u16) -> NameId {
    NameId(u32::from(slot) | u32::from(generation) << 16)
}

/// Keeps the first few different ids of a list.
pub(crate) fn remember(list: &mut [NameId], id: NameId) {
    if id == NameId::NONE {
        return;
    }
    for place in list.iter_mut() {
        if *place == id {
            return;
        }
        if *place == NameId::NONE {
            *place = id;
            return;
        }
    }
    // Full: the newest takes the last place, so that the list tells the beginning and the end.
    if let Some(last) = list.last_mut() {
        *last = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_had_to_go_is_none_and_never_another_name() {
        let mut names = Names::new(4, RandomState::with_seeds(1, 2, 3, 4));
        let first = names.intern(b"1000");
        assert_eq!(names.intern(b"1000"), first);
        assert_eq!(names.name(first), Some(&b"1000"[..]));
        for round in 0..100_000u32 {
            let name = round.to_string();
            let id = names.intern(name.as_bytes());
            assert_eq!(names.name(id), Some(name.as_bytes()));
        }
        assert_eq!(names.name(first), None);
        assert!(names.bytes() < 2_000);
        assert_eq!(names.name(NameId::NONE), None);
    }

    #[test]
    fn long_names_are_cut() {
        let mut names = Names::new(4, RandomState::with_seeds(1, 2, 3, 4));
        let id = names.intern(&[b'x'; 5000]);
        assert_eq!(names.name(id).map(<[u8]>::len), Some(LONGEST_NAME));
    }
}
