//! Which country and which autonomous system an address belongs to, by files of the operator's own.
//!
//! The files are in MaxMind DB format (`geo.country_file`, `geo.as_file`) and read into memory whole; [`book`] reads one. Start
//! with [`Geo::atlas`]: what is known at this moment, for as many lookups as a request needs. [`watch`] looks for changed files
//! on a thread of its own. A file that cannot be read leaves the one before in use. Nothing here judges:
//! [`Geo::places`] tells the guard's rules where an address is.

use crate::app::App;
use crate::clock;
use crate::config;
use arc_swap::ArcSwap;
use guard::{Target, Time};
use parking_lot::Mutex;
use std::fmt;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, watch as signal};

mod book;
mod places;
#[cfg(test)]
pub(crate) mod tests;

pub use book::Book;

/// The files, and what they say.
#[derive(Default)]
pub struct Geo {
    atlas: ArcSwap<Atlas>,
    /// How often the files were read.
    reading: AtomicU64,
    /// One look at the files at a time.
    looking: Mutex<()>,
    bell: Notify,
}

/// What is known at one moment.
#[derive(Clone, Debug, Default)]
pub struct Atlas {
    countries: Option<Shelf>,
    systems: Option<Shelf>,
}

/// A place for a file that the configuration names.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// Its key in the configuration.
    pub key: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// What was read last, from there or from where the configuration said before.
    pub book: Option<Arc<Book>>,
    /// Why what is there now cannot be used, and the mend.
    pub trouble: Option<String>,
    /// What was there when it was tried last.
    stamp: Option<Stamp>,
}

/// Tells whether a file is another one or was written: device and inode, change of content or rights in ns, length.
type Stamp = (u64, u64, i128, u64);

/// Where an address belongs; something of it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The country.
    pub country: Option<Country>,
    /// The number of the autonomous system.
    pub as_number: Option<u32>,
    /// Who runs that system; printable and short.
    pub as_name: Option<String>,
}

/// A country by its two capital letters (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Geo {
    /// What is known now.
    pub fn atlas(&self) -> Arc<Atlas> {
        self.atlas.load_full()
    }

    /// Has the files looked at soon.
    pub fn look_soon(&self) {
        self.bell.notify_one();
    }

    /// Looks at the files that the configuration names, and reads what has changed. Blocks.
    pub fn look(&self, wanted: &config::Geo) {
        let _alone = self.looking.lock();
        let before = self.atlas();
        let countries = looked_at(COUNTRY_FILE, wanted.country_file.as_deref(), before.countries.as_ref());
        let systems = looked_at(AS_FILE, wanted.as_file.as_deref(), before.systems.as_ref());
        self.atlas.store(Arc::new(Atlas { countries, systems }));
        self.reading.fetch_add(1, Relaxed);
    }
}

impl Atlas {
    /// Whether a file of countries is in use.
    pub fn has_countries(&self) -> bool {
        self.countries.as_ref().is_some_and(|shelf| shelf.book.is_some())
    }

    /// The country of a target: that of its address, of a network that of its first.
    pub fn country(&self, target: Target) -> Option<Country> {
        self.countries.as_ref()?.book.as_ref()?.country(first(target))
    }

    /// Where a target belongs: its address, of a network the first.
    pub fn place(&self, target: Target) -> Option<Place> {
        self.lookup(first(target))
    }

    /// Where an address belongs.
    pub fn lookup(&self, ip: IpAddr) -> Option<Place> {
        let book = |shelf: &Option<Shelf>| shelf.as_ref().and_then(|shelf| shelf.book.clone());
        let countries = book(&self.countries);
        let country = countries.as_ref().and_then(|book| book.country(ip));
        // Some files have both.
        let (as_number, as_name) = book(&self.systems).or(countries)?.system(ip);
        let is_known = country.is_some() || as_number.is_some() || as_name.is_some();
        is_known.then_some(Place { country, as_number, as_name })
    }

    /// The files that the configuration names.
    pub fn shelves(&self) -> impl Iterator<Item = &Shelf> {
        self.countries.iter().chain(&self.systems)
    }

    /// What should be mended.
    pub fn warnings(&self, now: Time) -> Vec<String> {
        let of = |shelf: &Shelf| shelf.trouble.clone().or_else(|| shelf.too_old(now));
        self.shelves().filter_map(of).collect()
    }
}

impl Shelf {
    fn too_old(&self, now: Time) -> Option<String> {
        let age = self.book.as_ref()?.age(now).filter(|age| *age > TOO_OLD)?;
        let days = age.as_secs() / DAY;
        Some(format!("{} {}: built {days} days ago; get a newer one", self.key, self.path.display()))
    }
}

/// What is on a shelf after a look at the file.
fn looked_at(key: &'static str, path: Option<&Path>, before: Option<&Shelf>) -> Option<Shelf> {
    let path = path.filter(|path| !path.as_os_str().is_empty())?;
    let stamp = stamp(path);
    if let Some(same) = before.filter(|shelf| shelf.path == path && shelf.stamp == stamp)
        && (stamp.is_some() || same.trouble.is_some())
    {
        return Some(same.clone());
    }
    let mut shelf = Shelf {
        key,
        path: path.into(),
        book: before.and_then(|shelf| shelf.book.clone()),
        trouble: None,
        stamp,
    };
    match Book::open(path) {
        Ok(book) => {
            tracing::info!(path = %path.display(), kind = book.kind(), built = book.built_at(), "{key} is read");
            shelf.book = Some(Arc::new(book));
            if let Some(warning) = shelf.too_old(clock::now()) {
                tracing::warn!("{warning}");
            }
        }
        Err(reason) => {
            let so =
                if shelf.book.is_some() { "the one read before stays in use" } else { "it is done without" };
            let trouble = format!("{key} {}: {reason}; {so}", path.display());
            tracing::warn!("{trouble}");
            shelf.trouble = Some(trouble);
        }
    }
    Some(shelf)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    let changed = i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec());
    Some((file.dev(), file.ino(), changed, file.len()))
}

fn first(target: Target) -> IpAddr {
    target.covers().network()
}

/// Looks at the files at once, then every [`LOOK_EVERY`] and when it is told to, until the end.
pub(crate) async fn watch(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.geo.bell.notified() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let looking = app.clone();
        let looked = tokio::task::spawn_blocking(move || looking.geo.look(&looking.config.load().geo)).await;
        if let Err(error) = looked {
            tracing::error!(%error, "looking at the files of countries failed");
        }
    }
}

impl Country {
    /// The country that two letters name, in either case.
    pub fn new(text: &str) -> Option<Country> {
        match text.as_bytes() {
            [one, two] if one.is_ascii_alphabetic() && two.is_ascii_alphabetic() => {
                Some(Country([one.to_ascii_uppercase(), two.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// A number that sorts as the letters do.
    pub fn rank(self) -> u64 {
        u64::from(u16::from_be_bytes(self.0))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(self.0[0]), char::from(self.0[1]))
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Place {
    /// The same in words; none when nothing of it is known.
    pub fn words(&self) -> Option<String> {
        Some(self.to_string()).filter(|words| !words.is_empty())
    }
}

/// "DE, AS64496 Example Net", or what of it is known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        if let Some(country) = self.country {
            write!(f, "{country}")?;
            between = ", ";
        }
        if let Some(number) = self.as_number {
            write!(f, "{between}AS{number}")?;
            between = " ";
        }
        match &self.as_name {
            Some(name) => write!(f, "{between}{name}"),
            None => Ok(()),
        }
    }
}

const COUNTRY_FILE: &str = "geo.country_file";
const AS_FILE: &str = "geo.as_file";
/// How often changed files are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const DAY: u64 = 86_400;
/// Networks move from one country to another; an older file is told of.
const TOO_OLD: Duration = Duration::from_secs(180 * DAY);
