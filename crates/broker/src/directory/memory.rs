//! What was found a moment ago: [`Memory`].
//!
//! Keyed by an HMAC under a key that this process alone has, so that no password is kept, nor anything from which one could be found out.
//! What was right and what was refused are kept apart: a flood of wrong passwords forgets no right one. Both are bounded; the oldest goes.

use super::{Claim, Outcome};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// What stands for a claim.
pub(super) type Mark = [u8; 32];

/// The key for [`Mark`]s.
pub(super) struct Marker(Hmac<Sha256>);

impl Marker {
    pub(super) fn new() -> Result<Marker, getrandom::Error> {
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        let mac = <Hmac<Sha256> as KeyInit>::new(&key.into());
        Ok(Marker(mac))
    }

    /// The parts are told apart by their lengths, and no domain from an empty one.
    pub(super) fn mark(&self, claim: &Claim) -> Mark {
        let mut mac = self.0.clone();
        let domain = claim.domain.as_deref();
        mac.update(&[u8::from(domain.is_some())]);
        for part in [&claim.user, domain.unwrap_or_default(), claim.password.expose()] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

/// See the module.
pub(super) struct Memory {
    right: Kept,
    refused: Kept,
}

impl Memory {
    /// For how long what was right is kept, and for how long what was refused; at most so many of each.
    pub(super) fn new(right: Duration, refused: Duration, most: usize) -> Memory {
        Memory { right: Kept::new(right, most), refused: Kept::new(refused, most) }
    }

    pub(super) fn right(&self, mark: &Mark, now: Instant) -> Option<Outcome> {
        self.right.find(mark, now)
    }

    pub(super) fn refused(&self, mark: &Mark, now: Instant) -> Option<Outcome> {
        self.refused.find(mark, now)
    }

    /// Keeps a decision in mind; that something is busy or in trouble is none.
    pub(super) fn keep(&mut self, mark: Mark, outcome: &Outcome, now: Instant) {
        match outcome {
            Outcome::Right(_) => {
                self.refused.forget(&mark);
                self.right.keep(mark, outcome.clone(), now);
            }
            Outcome::Wrong { .. } | Outcome::Disabled => {
                self.right.forget(&mark);
                self.refused.keep(mark, outcome.clone(), now);
            }
            Outcome::Busy | Outcome::Trouble(_) => {}
        }
    }

    pub(super) fn clear(&mut self) {
        self.right.clear();
        self.refused.clear();
    }

    /// How many right and how many refused ones are kept.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.right.found.len(), self.refused.found.len())
    }
}

/// Outcomes of one kind. All are kept equally long, so the first that came in is the first to go.
struct Kept {
    time: Duration,
    most: usize,
    found: HashMap<Mark, (Outcome, Instant)>,
    order: VecDeque<(Mark, Instant)>,
}

impl Kept {
    fn new(time: Duration, most: usize) -> Kept {
        Kept { time, most, found: HashMap::new(), order: VecDeque::new() }
    }

    fn find(&self, mark: &Mark, now: Instant) -> Option<Outcome> {
        self.found.get(mark).filter(|(_, until)| *until > now).map(|(outcome, _)| outcome.clone())
    }

    fn keep(&mut self, mark: Mark, outcome: Outcome, now: Instant) {
        if self.time.is_zero() || self.most == 0 {
            return;
        }
        while let Some((oldest, until)) = self.order.front()
            && (*until <= now || self.order.len() >= self.most)
        {
            // It may have been kept anew since.
            if self.found.get(oldest).is_some_and(|(_, kept_until)| kept_until == until) {
                self.found.remove(oldest);
            }
            self.order.pop_front();
        }
        let until = now + self.time;
        self.found.insert(mark, (outcome, until));
        self.order.push_back((mark, until));
    }

    fn forget(&mut self, mark: &Mark) {
        self.found.remove(mark);
    }

    fn clear(&mut self) {
        self.found.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, Proof};

    fn right() -> Outcome {
        Outcome::Right(Identity::new("alice", Proof::Token))
    }

    fn mark(n: u32) -> Mark {
        let mut mark = [0; 32];
        mark[..4].copy_from_slice(&n.to_le_bytes());
        mark
    }

    #[test]
    fn the_parts_of_a_claim_cannot_be_shifted() {
        let marker = Marker::new().unwrap();
        let of = |user, domain, password| marker.mark(&Claim::new(user, domain, password));
        let first = of("ab", Some("c"), "d");
        assert_eq!(first, of("ab", Some("c"), "d"));
        for other in [
            of("a", Some("bc"), "d"),
            of("ab", Some(""), "cd"),
            of("ab", None, "cd"),
            of("abc", Some("d"), ""),
        ] {
            assert_ne!(first, other);
        }
        assert_ne!(of("a", None, "b"), of("a", Some(""), "b"));
        assert_ne!(
            first,
            Marker::new().unwrap().mark(&Claim::new("ab", Some("c"), "d")),
            "the key is random"
        );
    }

    #[test]
    fn a_flood_of_wrong_passwords_forgets_no_right_one_and_is_bounded() {
        let now = Instant::now();
        let mut memory = Memory::new(Duration::from_secs(10), Duration::from_secs(2), 100);
        memory.keep(mark(0), &right(), now);
        for n in 1..10_000 {
            memory.keep(mark(n), &Outcome::Wrong { known: false }, now);
        }
        assert_eq!(memory.len(), (1, 100));
        assert_eq!(memory.right(&mark(0), now), Some(right()));
        assert_eq!(memory.refused(&mark(1), now), None, "the oldest went");
        assert!(memory.refused(&mark(9_999), now).is_some());
    }

    #[test]
    fn each_is_kept_for_its_time_and_what_is_no_decision_not_at_all() {
        let now = Instant::now();
        let mut memory = Memory::new(Duration::from_secs(10), Duration::from_secs(2), 100);
        memory.keep(mark(0), &right(), now);
        memory.keep(mark(1), &Outcome::Disabled, now);
        memory.keep(mark(2), &Outcome::Busy, now);
        memory.keep(mark(3), &Outcome::Trouble("gone".into()), now);
        assert_eq!(memory.len(), (1, 1));
        let later = now + Duration::from_millis(2_001);
        assert_eq!((memory.refused(&mark(1), later), memory.right(&mark(0), later)), (None, Some(right())));
        assert_eq!(memory.right(&mark(0), now + Duration::from_secs(10)), None);
    }

    #[test]
    fn what_is_kept_anew_lives_for_its_new_time() {
        let now = Instant::now();
        let mut memory = Memory::new(Duration::from_secs(10), Duration::from_secs(2), 100);
        memory.keep(mark(0), &right(), now);
        memory.keep(mark(0), &right(), now + Duration::from_secs(9));
        memory.keep(mark(1), &right(), now + Duration::from_secs(11));
        assert_eq!(memory.right(&mark(0), now + Duration::from_secs(12)), Some(right()));
        memory.keep(mark(0), &Outcome::Wrong { known: true }, now + Duration::from_secs(12));
        assert_eq!(memory.right(&mark(0), now + Duration::from_secs(12)), None, "it is wrong now");
    }
}
