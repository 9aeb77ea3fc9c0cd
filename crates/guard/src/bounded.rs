//! A table with a hard cap: the cheapest of a few entries goes when it is full, or the newcomer stays outside.
//!
//! For what is known over weeks (reputation, earlier bans), where throwing something out is a loss. The caller says what an entry is
//! worth; entries that changed are marked until whoever writes them down has seen them. Start with [`Bounded::make`].

use ahash::RandomState;
use hashbrown::HashTable;
use std::hash::Hash;

struct Slot<K, V> {
    key: K,
    value: V,
    used: bool,
    /// Changed since [`Bounded::take_changed`] last came by.
    changed: bool,
}

/// A bounded table.
pub(crate) struct Bounded<K, V> {
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hand: usize,
    capacity: usize,
    hasher: RandomState,
    evicted: u64,
    refused: u64,
}

/// How many entries the search for a victim looks at.
const LOOK_AT: usize = 8;
/// The least capacity.
const SMALLEST: usize = 8 * LOOK_AT;

impl<K: Copy + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(capacity: usize, hasher: RandomState) -> Bounded<K, V> {
        Bounded {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hand: 0,
            capacity: capacity.clamp(SMALLEST, u32::MAX as usize),
            hasher,
            evicted: 0,
            refused: 0,
        }
    }

    fn find(&self, key: &K) -> Option<usize> {
        let found = self.index.find(self.hasher.hash_one(key), |&slot| self.slots[slot as usize].key == *key);
        found.map(|&slot| slot as usize)
    }

    /// The entry of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).map(|slot| &self.slots[slot].value)
    }

    /// Whether any entry is such. Looks at all of them.
    pub(crate) fn any(&self, mut is_such: impl FnMut(&K, &V) -> bool) -> bool {
        self.slots.iter().any(|slot| slot.used && is_such(&slot.key, &slot.value))
    }

    /// Changes the entry of a key; it counts as changed when `change` says so. False when there is none.
    pub(crate) fn change(&mut self, key: &K, change: impl FnOnce(&mut V) -> bool) -> bool {
        let Some(slot) = self.find(key) else { return false };
        let slot = &mut self.slots[slot];
        slot.changed |= change(&mut slot.value);
        true
    }

    /// Makes an entry of a key that has none. When the table is full the cheapest of the next few goes, but only one that is worth
    /// no more than `most`; false when there is none among them.
    pub(crate) fn make<P: Ord>(&mut self, key: K, value: V, worth: impl Fn(&V) -> P, most: &P) -> bool {
        if self.len() >= self.capacity && !self.evict(worth, most) {
            self.refused += 1;
            return false;
        }
        let slot = Slot { key, value, used: true, changed: true };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // By a quarter: doubling would leave half of a large table unused.
                    self.slots.reserve_exact((self.slots.len() / 4).max(SMALLEST));
                }
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash = |&slot: &u32| hasher.hash_one(slots[slot as usize].key);
        self.index.insert_unique(hash(&place), place, hash);
        true
    }

    /// Takes out the entry that has to go for one more, when the table is full, as [`Bounded::make`] would.
    pub(crate) fn crowd_out<P: Ord>(&mut self, worth: impl Fn(&V) -> P, most: &P) -> Option<V>
    where
        V: Clone,
    {
        if self.len() < self.capacity {
            return None;
        }
        let place = self.victim(worth, most)?;
        let value = self.slots[place].value.clone();
        self.evicted += 1;
        self.remove_slot(place);
        Some(value)
    }

    fn evict<P: Ord>(&mut self, worth: impl Fn(&V) -> P, most: &P) -> bool {
        let victim = self.victim(worth, most);
        if let Some(place) = victim {
            self.evicted += 1;
            self.remove_slot(place);
        }
        victim.is_some()
    }

    /// The cheapest of the next few that is worth no more than `most`.
    fn victim<P: Ord>(&mut self, worth: impl Fn(&V) -> P, most: &P) -> Option<usize> {
        let mut victim: Option<(usize, P)> = None;
        let mut looked = 0;
        while looked < LOOK_AT {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &self.slots[self.hand];
            if !slot.used {
                continue;
            }
            looked += 1;
            let price = worth(&slot.value);
            if price <= *most && victim.as_ref().is_none_or(|(_, lowest)| price < *lowest) {
                victim = Some((self.hand, price));
            }
        }
        victim.map(|(place, _)| place)
    }

    fn remove_slot(&mut self, place: usize) {
        let hash = self.hasher.hash_one(self.slots[place].key);
        if let Ok(found) = self.index.find_entry(hash, |&other| other as usize == place) {
            found.remove();
        }
        self.slots[place].used = false;
        self.slots[place].changed = false;
        self.free.push(place as u32);
    }

    /// Looks at the next `count` places and forgets what is over.
    pub(crate) fn sweep(&mut self, count: usize, is_over: impl Fn(&V) -> bool) {
        for _ in 0..count.min(self.slots.len()) {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &self.slots[self.hand];
            if slot.used && !slot.changed && is_over(&slot.value) {
                self.remove_slot(self.hand);
            }
        }
    }

    /// Shows what has changed to `take`, which must keep it, from a place on and at most [`PIECE`] places far; tells where to go on.
    pub(crate) fn take_changed(&mut self, from: usize, mut take: impl FnMut(&K, &V)) -> Option<usize> {
        for slot in self.slots.iter_mut().skip(from).take(PIECE).filter(|slot| slot.used && slot.changed) {
            slot.changed = false;
            take(&slot.key, &slot.value);
        }
        (from + PIECE < self.slots.len()).then_some(from + PIECE)
    }

    /// Shows entries, from a place on and at most [`PIECE`] places far; tells where to go on.
    pub(crate) fn visit(&self, from: usize, mut show: impl FnMut(&K, &V)) -> Option<usize> {
        self.slots
            .iter()
            .skip(from)
            .take(PIECE)
            .filter(|slot| slot.used)
            .for_each(|slot| show(&slot.key, &slot.value));
        (from + PIECE < self.slots.len()).then_some(from + PIECE)
    }

    /// Takes the entry of a key out.
    pub(crate) fn take(&mut self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        let place = self.find(key)?;
        let value = self.slots[place].value.clone();
        self.remove_slot(place);
        Some(value)
    }

    /// All of it is as it is written down.
    pub(crate) fn settle(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.changed = false);
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Entries that had to go, and newcomers that were not let in, because the table was full.
    pub(crate) fn turned_away(&self) -> (u64, u64) {
        (self.evicted, self.refused)
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<K, V>>() + self.free.capacity() * 4 + self.index.capacity() * 5
    }
}

/// Places that are looked at under one lock.
pub(crate) const PIECE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn table(capacity: usize) -> Bounded<u32, u32> {
        Bounded::new(capacity, RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn what_is_worth_more_than_a_newcomer_stays() {
        let mut table = table(1000);
        for key in 0..1000 {
            assert!(table.make(key, if key % 2 == 0 { 9 } else { 1 }, |value| *value, &1));
        }
        for key in 1000..20_000 {
            table.make(key, 1, |value| *value, &1);
            assert_eq!(table.len(), 1000);
        }
        assert!((0..1000).step_by(2).all(|key| table.get(&key) == Some(&9)));
        let (evicted, refused) = table.turned_away();
        assert_eq!(evicted + refused, 19_000);
        assert!(table.bytes() < 40_000, "{}", table.bytes());
        // A table of nothing but what is worth more lets nobody in.
        let mut table = self::table(100);
        (0..100).for_each(|key| assert!(table.make(key, 9, |value| *value, &1)));
        assert!(!table.make(100, 1, |value| *value, &1));
        assert_eq!(table.turned_away(), (0, 1));
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_a_map_and_tells_each_change_once(steps in proptest::collection::vec((0u32..50, 0u32..5), 0..400)) {
            let mut table = table(1000);
            let mut model: HashMap<u32, u32> = HashMap::new();
            let mut written: HashMap<u32, u32> = HashMap::new();
            for (key, what) in steps {
                match what {
                    0 | 1 => {
                        let next = model.get(&key).map_or(0, |value| value + 1);
                        model.insert(key, next);
                        if !table.change(&key, |value| { *value += 1; true }) {
                            table.make(key, 0, |_| 0, &0);
                        }
                    }
                    2 => _ = table.take_changed(0, |key, value| _ = written.insert(*key, *value)),
                    3 => _ = table.change(&key, |_| false),
                    _ => {
                        table.take_changed(0, |key, value| _ = written.insert(*key, *value));
                        table.sweep(1000, |value| *value >= 3);
                        model.retain(|_, value| *value < 3);
                        written.retain(|_, value| *value < 3);
                    }
                }
                proptest::prop_assert_eq!(table.len(), model.len());
                proptest::prop_assert_eq!(table.get(&key), model.get(&key));
            }
            table.take_changed(0, |key, value| _ = written.insert(*key, *value));
            proptest::prop_assert_eq!(&written, &model);
            table.take_changed(0, |_, _| panic!("told twice"));
        }
    }
}
