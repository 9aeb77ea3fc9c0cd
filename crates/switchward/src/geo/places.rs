//! Where an address is, for the guard's rules: the files' answers, remembered for the sources that strike again and again.
//!
//! Start with [`Geo::places`]. Called on the threads that read the switches, so what was looked up lately costs one short lock.

use super::Geo;
use guard::Source;
use guard::engine::{Place, Places};
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What was found for a source, by which reading of the files.
type Found = Option<(Source, u64, Place)>;

/// Places found lately; each has one slot, in which the newest stays.
struct Lately(Vec<Mutex<Found>>);

impl Geo {
    /// The function that tells the guard where an address is.
    pub fn places(self: &Arc<Geo>) -> Places {
        let geo = self.clone();
        let lately = Lately((0..SLOTS).map(|_| Mutex::default()).collect());
        Arc::new(move |ip| lately.place(&geo, ip))
    }

    fn place(&self, ip: IpAddr) -> Place {
        let atlas = self.atlas.load();
        let book = |shelf: &Option<super::Shelf>| shelf.as_ref().and_then(|shelf| shelf.book.clone());
        let countries = book(&atlas.countries);
        let country = countries.as_ref().and_then(|book| book.country(ip)).map(|country| country.0);
        // Some files have both.
        let system = book(&atlas.systems).or(countries).and_then(|book| book.system_number(ip));
        Place { country, system }
    }
}

impl Lately {
    fn place(&self, geo: &Geo, ip: IpAddr) -> Place {
        let reading = geo.reading.load(Relaxed);
        let source = Source::of(ip);
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let Some(slot) = self.0.get(hasher.finish() as usize % SLOTS) else { return Place::default() };
        if let Some((known, when, place)) = *slot.lock()
            && (known, when) == (source, reading)
        {
            return place;
        }
        let place = geo.place(ip);
        *slot.lock() = Some((source, reading, place));
        place
    }
}

/// Sources remembered.
const SLOTS: usize = 4096;
