//! A list that can be walked in pieces while it changes: what is put in gets a place and keeps it.
//!
//! A walk over a million entries under one lock would hold verdicts up. So the walker takes [`Places::piece`] after piece and
//! lets go of the lock between them. What is there from the walk's beginning to its end is met once, unless it was replaced
//! meanwhile, when it is met once at most.

/// Things at numbered places; free ones are used again.
pub(super) struct Places<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T: Clone> Places<T> {
    pub(super) fn new() -> Places<T> {
        Places { places: Vec::new(), free: Vec::new() }
    }

    /// Puts `thing` at a free place and tells which.
    pub(super) fn put(&mut self, thing: T) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(thing);
                place
            }
            None => {
                self.places.push(Some(thing));
                (self.places.len() - 1) as u32
            }
        }
    }

    /// Puts another thing where one is.
    pub(super) fn replace(&mut self, place: u32, thing: T) {
        self.places[place as usize] = Some(thing);
    }

    /// Frees a place.
    pub(super) fn take(&mut self, place: u32) {
        if self.places[place as usize].take().is_some() {
            self.free.push(place);
        }
    }

    /// Adds the things at `most` places from `from` on to `found`; where to go on, unless that was the end.
    pub(super) fn piece(&self, from: usize, most: usize, found: &mut Vec<T>) -> Option<usize> {
        let end = (from + most).min(self.places.len());
        found.extend(self.places.get(from..end)?.iter().flatten().cloned());
        (end < self.places.len()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_in_pieces_meets_everything_that_stays() {
        let mut places = Places::new();
        let mut held: Vec<(u32, u32)> = (0..1000).map(|n| (places.put(n), n)).collect();
        let mut met = Vec::new();
        let mut at = Some(0);
        let mut round = 0;
        while let Some(from) = at {
            at = places.piece(from, 64, &mut met);
            // One goes and another comes while the walk rests; the first five hundred stay.
            let (place, _) = held.remove(500 + (round * 37) % 400);
            places.take(place);
            held.push((places.put(5000 + round as u32), 5000 + round as u32));
            round += 1;
        }
        for n in 0..500 {
            assert_eq!(met.iter().filter(|other| **other == n).count(), 1, "{n}");
        }
        assert!(places.places.len() <= 1001);
    }
}
