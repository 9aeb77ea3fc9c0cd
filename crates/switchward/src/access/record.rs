//! The audit's way in: what was asked, by whom, and what came of it, into the store and the log.
//!
//! Changes are all written down. Refusals are what a stranger can make as many of as he likes, so they are bounded: so many a minute from
//! one source, so many from all; how many were left out is told with the next one. No body and no secret ever comes here.

use super::caller::{Proof, Who};
use crate::app::App;
use crate::clock;
use crate::store::Audited;
use guard::Source;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One request that changed something, or was refused.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// "POST /security/blacklist".
    pub(crate) action: String,
    /// About what.
    pub(crate) detail: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What came of it.
    pub(crate) result: String,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Writes down a request that was let in.
pub(crate) fn change(app: &App, who: &Who, asked: Asked) {
    let Asked { action, detail, status, result, .. } = &asked;
    tracing::info!(%who, door = who.door.word(), action, detail, status, result, "audit");
    write(app, who, asked);
}

/// Writes down a request that was refused, unless there are too many.
pub(crate) fn refusal(app: &App, who: &Who, mut asked: Asked) {
    let Some(left_out) = app.access.refusals.admit(who.peer.map(Source::of), Instant::now()) else { return };
    if left_out > 0 {
        asked.result = format!("{}; {left_out} refusals before it were not written down", asked.result);
    }
    let Asked { action, detail, status, result, .. } = &asked;
    tracing::info!(%who, door = who.door.word(), action, detail, status, result, "refused");
    write(app, who, asked);
}

fn write(app: &App, who: &Who, asked: Asked) {
    let Some(store) = app.mirror.store() else { return };
    let role = who.role.filter(|_| who.proof != Proof::None);
    store.audit(Audited {
        at: clock::now(),
        who: who.name.to_string(),
        role: role.map(|role| role.word().to_owned()).unwrap_or_default(),
        source: who.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        door: who.door.word().into(),
        action: asked.action,
        detail: asked.detail,
        status: asked.status,
        result: asked.result,
        micros: u64::try_from(asked.took.as_micros()).unwrap_or(u64::MAX),
    });
}

/// A place for what a request is about, in its extensions: the extractor of the body fills it, the gate reads it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Note(Arc<Mutex<String>>);

impl Note {
    /// What the request is about, short and printable.
    pub(crate) fn about(&self, text: &str) {
        let mut note = self.0.lock();
        if note.is_empty() {
            *note = brief(text);
        }
    }

    /// What came of it in numbers, behind what it is about.
    pub(crate) fn came_to(&self, text: &str) {
        let mut note = self.0.lock();
        if !note.is_empty() {
            note.push_str(": ");
        }
        note.push_str(&brief(text));
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().clone()
    }
}

/// A text of a peer's, fit for a line.
pub(crate) fn brief(text: &str) -> String {
    guard::printable(text.chars().take(LONGEST).collect::<String>().as_bytes())
}

/// Bounds what strangers can have written down.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    begun: Option<Instant>,
    all: u32,
    by_source: HashMap<Option<Source>, u32>,
    left_out: u64,
}

impl Refusals {
    /// Whether one more is written down; how many were not before it.
    fn admit(&self, source: Option<Source>, now: Instant) -> Option<u64> {
        let mut counted = self.0.lock();
        if counted.begun.is_none_or(|begun| now.duration_since(begun) >= MINUTE) {
            let left_out = counted.left_out;
            *counted = Counted { begun: Some(now), left_out, ..Counted::default() };
        }
        let own = counted.by_source.get(&source).copied().unwrap_or(0);
        if counted.all >= MOST || own >= MOST_OF_ONE {
            counted.left_out += 1;
            return None;
        }
        counted.all += 1;
        counted.by_source.insert(source, own + 1);
        Some(std::mem::take(&mut counted.left_out))
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Most refusals that are written down in a minute.
const MOST: u32 = 300;
/// Most of one source.
const MOST_OF_ONE: u32 = 20;
/// The longest text of a peer's, in characters.
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn a_flood_of_refusals_is_bounded_and_counted() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let source = |n: u32| Some(Source::of(IpAddr::from(n.to_be_bytes())));
        let one = (0..100).filter(|_| refusals.admit(source(1), start).is_some()).count();
        assert_eq!(one, 20);
        assert_eq!(refusals.admit(source(2), start), Some(80));
        let many = (0..10_000).filter(|n| refusals.admit(source(100 + n), start).is_some()).count();
        assert_eq!(many, 300 - 21);
        assert_eq!(refusals.admit(source(1), start + MINUTE), Some(10_000 - 279));
        assert_eq!(refusals.admit(source(1), start + MINUTE), Some(0));
    }

    #[test]
    fn a_note_is_short_and_one_line() {
        let note = Note::default();
        note.about(&format!("a\n{}", "x".repeat(500)));
        note.about("another");
        assert!(note.text().len() < 100 && note.text().starts_with("a\\u{a}x"), "{}", note.text());
    }
}
