//! Several directories in order: [`Directories`].

use super::lanes::Lanes;
use super::memory::{Mark, Marker, Memory};
use super::{Claim, Directory, Found, Trouble};
use crate::identity::Identity;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until, timeout};

/// How much checking, and how long things are kept in mind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// For how long a right answer counts without asking again. Default 10 s; 0 asks always.
    pub right_kept: Duration,
    /// For how long a refusal counts without asking again. Default 2 s.
    pub refused_kept: Duration,
    /// Most answers of each kind that are kept. Default 4096.
    pub most_kept: usize,
    /// Checks at a time, for strangers and for familiar sources each. Default 8.
    pub at_once: usize,
    /// Most that wait for that, each. Default 64.
    pub waiting: usize,
    /// Most that may be under way for one source; four times as many for a familiar one. Default 8.
    pub share: usize,
    /// How long one directory may take, and how long one may wait for a place. Default 5 s.
    pub limit: Duration,
    /// A refusal comes no sooner than this, so that it costs the guesser time, and tells nothing of who is known. Default 250 ms.
    pub refusal_takes: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            right_kept: Duration::from_secs(10),
            refused_kept: Duration::from_secs(2),
            most_kept: 4_096,
            at_once: 8,
            waiting: 64,
            share: 8,
            limit: Duration::from_secs(5),
            refusal_takes: Duration::from_millis(250),
        }
    }
}

/// What came of a claim. Only [`Outcome::Right`] lets anybody in, and nobody outside may learn which of the others it was, but for
/// `Busy` and `Trouble`, which mean: try later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// This is who they are.
    Right(Identity),
    /// They are not who they say.
    Wrong {
        /// Whether there is such a user: for the audit and the guard.
        known: bool,
    },
    /// They are, but are kept out.
    Disabled,
    /// Too much is being checked, of this source or of all.
    Busy,
    /// A directory cannot be asked; which, and why.
    Trouble(String),
}

/// Counts since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Claims.
    pub asked: u64,
    /// Let in, those from memory included.
    pub right: u64,
    /// Not known, or a wrong password.
    pub wrong: u64,
    /// Of these: the user is known.
    pub wrong_known: u64,
    /// Kept out.
    pub disabled: u64,
    /// Put off.
    pub busy: u64,
    /// A directory could not be asked.
    pub trouble: u64,
    /// Answered from memory: right ones.
    pub remembered_right: u64,
    /// Answered from memory: refusals.
    pub remembered_refused: u64,
    /// Shared the check of an equal claim.
    pub shared: u64,
    /// Right answers in memory now.
    pub kept_right: usize,
    /// Refusals in memory now.
    pub kept_refused: usize,
}

/// Counts of one directory.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PartFigures {
    /// Its name.
    pub name: String,
    /// Claims that it was asked for.
    pub asked: u64,
    /// How many it could not answer.
    pub trouble: u64,
    /// Microseconds of all its checks.
    pub micros: u64,
    /// The last trouble, while nothing was answered since; else what the directory itself complains of.
    pub complaint: Option<String>,
}

/// Directories that are asked in order. See [`Settings`].
pub struct Directories {
    parts: Vec<Part>,
    settings: Settings,
    marker: Marker,
    memory: Mutex<Memory>,
    lanes: Lanes,
    under_way: Mutex<HashMap<(Mark, u64), Weak<Flight>>>,
    /// Grows when everything is forgotten: what was asked before is not kept after.
    generation: AtomicU64,
    counts: Counts,
}

/// A check that is under way, and who waits for it.
type Flight = OnceCell<Outcome>;

struct Part {
    directory: Arc<dyn Directory>,
    asked: AtomicU64,
    trouble: AtomicU64,
    micros: AtomicU64,
    state: Mutex<PartState>,
}

#[derive(Default)]
struct PartState {
    trouble: Option<String>,
    told: Option<Instant>,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    right: AtomicU64,
    wrong: AtomicU64,
    wrong_known: AtomicU64,
    disabled: AtomicU64,
    busy: AtomicU64,
    trouble: AtomicU64,
    remembered_right: AtomicU64,
    remembered_refused: AtomicU64,
    shared: AtomicU64,
}

impl Directories {
    /// These directories, in this order; none lets nobody in.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(directories: Vec<Arc<dyn Directory>>, settings: Settings) -> Result<Directories, Trouble> {
        let marker = Marker::new().map_err(|error| Trouble::new(format_args!("no random key: {error}")))?;
        let parts = directories.into_iter().map(Part::new).collect();
        let memory = Memory::new(settings.right_kept, settings.refused_kept, settings.most_kept);
        Ok(Directories {
            parts,
            marker,
            memory: Mutex::new(memory),
            lanes: Lanes::new(settings.at_once.max(1), settings.waiting, settings.share.max(1)),
            under_way: Mutex::default(),
            generation: AtomicU64::new(0),
            counts: Counts::default(),
            settings,
        })
    }

    /// Checks a claim that comes from `source` (none: a Unix socket). What was right a moment ago is not asked again and waits for nothing;
    /// who makes an equal claim meanwhile shares the check.
    pub async fn check(&self, claim: &Claim, source: Option<IpAddr>) -> Outcome {
        self.counts.asked.fetch_add(1, Relaxed);
        let mark = self.marker.mark(claim);
        let remembered = self.memory.lock().right(&mark, Instant::now());
        let outcome = match remembered {
            Some(right) => {
                self.counts.remembered_right.fetch_add(1, Relaxed);
                self.lanes.was_right(source);
                right
            }
            None => self.check_anew(claim, mark, source).await,
        };
        self.count(&outcome);
        outcome
    }

    /// Who made this claim and was right a moment ago. Asks nobody.
    pub fn recall(&self, claim: &Claim) -> Option<Identity> {
        let mark = self.marker.mark(claim);
        match self.memory.lock().right(&mark, Instant::now())? {
            Outcome::Right(identity) => Some(identity),
            _ => None,
        }
    }

    /// Forgets all answers, as after a change of the configuration; checks under way are not kept either.
    pub fn forget(&self) {
        let mut memory = self.memory.lock();
        self.generation.fetch_add(1, Relaxed);
        memory.clear();
        drop(memory);
        for part in &self.parts {
            part.directory.forget();
        }
    }

    /// Counts since the start.
    pub fn figures(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Relaxed);
        let (kept_right, kept_refused) = self.memory.lock().len();
        let counts = &self.counts;
        Figures {
            asked: read(&counts.asked),
            right: read(&counts.right),
            wrong: read(&counts.wrong),
            wrong_known: read(&counts.wrong_known),
            disabled: read(&counts.disabled),
            busy: read(&counts.busy),
            trouble: read(&counts.trouble),
            remembered_right: read(&counts.remembered_right),
            remembered_refused: read(&counts.remembered_refused),
            shared: read(&counts.shared),
            kept_right,
            kept_refused,
        }
    }

    /// Counts of each directory, in order.
    pub fn parts(&self) -> Vec<PartFigures> {
        self.parts.iter().map(Part::figures).collect()
    }

    async fn check_anew(&self, claim: &Claim, mark: Mark, source: Option<IpAddr>) -> Outcome {
        let generation = self.generation.load(Relaxed);
        let (cell, is_shared) = self.shared(mark, generation);
        if is_shared {
            self.counts.shared.fetch_add(1, Relaxed);
        }
        let outcome = cell.get_or_try_init(|| self.find_out(claim, mark, generation, source)).await;
        match outcome {
            Ok(outcome) => {
                if matches!(outcome, Outcome::Right(_)) {
                    self.lanes.was_right(source);
                }
                outcome.clone()
            }
            Err(NoPlace) => Outcome::Busy,
        }
    }

    /// The check itself. A refusal takes its time, and keeps the source's share meanwhile, but no place.
    async fn find_out(
        &self,
        claim: &Claim,
        mark: Mark,
        generation: u64,
        source: Option<IpAddr>,
    ) -> Result<Outcome, NoPlace> {
        let began = Instant::now();
        let _share = self.lanes.share(source).ok_or(NoPlace)?;
        let remembered = self.memory.lock().refused(&mark, began);
        let outcome = if let Some(refused) = remembered {
            self.counts.remembered_refused.fetch_add(1, Relaxed);
            refused
        } else if claim.is_hopeless() {
            Outcome::Wrong { known: false }
        } else {
            let _place = self.lanes.place(source, self.settings.limit).await.ok_or(NoPlace)?;
            let outcome = self.ask(claim).await;
            let mut memory = self.memory.lock();
            if self.generation.load(Relaxed) == generation {
                memory.keep(mark, &outcome, Instant::now());
            }
            outcome
        };
        if !matches!(outcome, Outcome::Right(_)) {
            sleep_until(began + self.settings.refusal_takes).await;
        }
        Ok(outcome)
    }

    async fn ask(&self, claim: &Claim) -> Outcome {
        for part in &self.parts {
            match part.check(claim, self.settings.limit).await {
                Ok(Found::Right(identity)) => return Outcome::Right(identity),
                Ok(Found::Wrong) => return Outcome::Wrong { known: true },
                Ok(Found::Disabled) => return Outcome::Disabled,
                Ok(Found::Unknown) => {}
                // A later directory might know somebody of the same name: that must not depend on whether this one can be asked.
                Err(trouble) => return Outcome::Trouble(format!("{}: {trouble}", part.directory.name())),
            }
        }
        Outcome::Wrong { known: false }
    }

    /// The check of this claim that is under way, or the one that begins; and which it is.
    fn shared(&self, mark: Mark, generation: u64) -> (Arc<Flight>, bool) {
        let mut under_way = self.under_way.lock();
        if let Some(shared) = under_way.get(&(mark, generation)).and_then(Weak::upgrade) {
            return (shared, true);
        }
        if under_way.len() >= SWEEP && under_way.len() == under_way.capacity() {
            under_way.retain(|_, shared| shared.strong_count() > 0);
        }
        let shared = Arc::default();
        under_way.insert((mark, generation), Arc::downgrade(&shared));
        (shared, false)
    }

    fn count(&self, outcome: &Outcome) {
        let counts = &self.counts;
        let count = match outcome {
            Outcome::Right(_) => &counts.right,
            Outcome::Wrong { known } => {
                counts.wrong_known.fetch_add(u64::from(*known), Relaxed);
                &counts.wrong
            }
            Outcome::Disabled => &counts.disabled,
            Outcome::Busy => &counts.busy,
            Outcome::Trouble(_) => &counts.trouble,
        };
        count.fetch_add(1, Relaxed);
    }
}

impl Part {
    fn new(directory: Arc<dyn Directory>) -> Part {
        let zero = || AtomicU64::new(0);
        Part { directory, asked: zero(), trouble: zero(), micros: zero(), state: Mutex::default() }
    }

    async fn check(&self, claim: &Claim, limit: Duration) -> Result<Found, Trouble> {
        self.asked.fetch_add(1, Relaxed);
        let began = Instant::now();
        let found = match timeout(limit, self.directory.check(claim)).await {
            Ok(found) => found,
            Err(_) => Err(Trouble::new(format_args!("no answer within {limit:?}"))),
        };
        self.micros.fetch_add(began.elapsed().as_micros().try_into().unwrap_or(u64::MAX), Relaxed);
        self.note(found.as_ref().err());
        found
    }

    /// Tells the log when the directory gets into trouble and out of it, at most every ten seconds.
    fn note(&self, trouble: Option<&Trouble>) {
        let mut state = self.state.lock();
        if let Some(trouble) = trouble {
            self.trouble.fetch_add(1, Relaxed);
            let is_news = state.trouble.is_none() && state.told.is_none_or(|at| at.elapsed() > TOLD_EVERY);
            state.trouble = Some(trouble.to_string());
            if is_news {
                state.told = Some(Instant::now());
                tracing::warn!(directory = self.directory.name(), %trouble, "a directory cannot be asked; nobody of it gets in");
            }
        } else if state.trouble.take().is_some() {
            tracing::info!(directory = self.directory.name(), "a directory answers again");
        }
    }

    fn figures(&self) -> PartFigures {
        let trouble = self.state.lock().trouble.clone();
        PartFigures {
            name: self.directory.name().to_owned(),
            asked: self.asked.load(Relaxed),
            trouble: self.trouble.load(Relaxed),
            micros: self.micros.load(Relaxed),
            complaint: trouble.or_else(|| self.directory.complaint()),
        }
    }
}

/// No place for a check.
struct NoPlace;

/// From how many on those that ended are swept out of the table of checks under way.
const SWEEP: usize = 64;
/// Between two lines of the log about one directory.
const TOLD_EVERY: Duration = Duration::from_secs(10);
