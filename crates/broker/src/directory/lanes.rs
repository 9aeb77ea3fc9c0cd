//! How much checking may go on at once: [`Lanes`].
//!
//! Every source has a share, so that one guesser does not fill all places; sources from which a right password came lately have a lane of
//! their own, so that no number of strangers keeps them out. A source is an IPv4 address or an IPv6 /64.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// See the module.
pub(super) struct Lanes {
    strangers: Lane,
    familiar: Lane,
    /// Checks under way by source.
    under_way: Mutex<HashMap<Source, usize>>,
    share: usize,
    seen: Mutex<Seen>,
}

/// Where a claim comes from; none for a Unix socket.
type Source = Option<IpAddr>;

struct Lane {
    places: Semaphore,
    /// Those in a place and those that wait for one.
    all: Semaphore,
}

/// Sources of right passwords; the first that came is the first to go.
#[derive(Default)]
struct Seen {
    at: HashMap<IpAddr, Instant>,
    order: VecDeque<IpAddr>,
}

/// A place, until it is dropped.
pub(super) struct Place<'a> {
    _all: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

/// One of a source's checks, until it is dropped.
pub(super) struct Share<'a>(&'a Lanes, Source);

impl Lanes {
    pub(super) fn new(at_once: usize, waiting: usize, share: usize) -> Lanes {
        let lane = || Lane { places: Semaphore::new(at_once), all: Semaphore::new(at_once + waiting) };
        Lanes {
            strangers: lane(),
            familiar: lane(),
            under_way: Mutex::default(),
            share,
            seen: Mutex::default(),
        }
    }

    /// One of the checks that may be under way for a source; four times as many for a familiar one, which may be a gateway for many people.
    pub(super) fn share(&self, source: Option<IpAddr>) -> Option<Share<'_>> {
        let most = if self.is_familiar(source) { 4 * self.share } else { self.share };
        let source = source.map(network);
        let mut under_way = self.under_way.lock();
        let number = under_way.entry(source).or_default();
        if *number >= most.max(1) {
            return None;
        }
        *number += 1;
        Some(Share(self, source))
    }

    /// A place, when one becomes free in time and not too many wait.
    pub(super) async fn place(&self, source: Option<IpAddr>, limit: Duration) -> Option<Place<'_>> {
        let lane = if self.is_familiar(source) { &self.familiar } else { &self.strangers };
        let all = lane.all.try_acquire().ok()?;
        let place = timeout(limit, lane.places.acquire()).await.ok()?.ok()?;
        Some(Place { _all: all, _place: place })
    }

    /// A right password came from there.
    pub(super) fn was_right(&self, source: Option<IpAddr>) {
        let Some(source) = source.map(network) else { return };
        let mut seen = self.seen.lock();
        if seen.at.insert(source, Instant::now()).is_none() {
            seen.order.push_back(source);
            if seen.order.len() > MOST_SEEN
                && let Some(oldest) = seen.order.pop_front()
            {
                seen.at.remove(&oldest);
            }
        }
    }

    /// Who may open a Unix socket is familiar.
    fn is_familiar(&self, source: Option<IpAddr>) -> bool {
        let Some(source) = source.map(network) else { return true };
        self.seen.lock().at.get(&source).is_some_and(|at| at.elapsed() < FAMILIAR)
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.lock().is_empty()
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.under_way.lock();
        if let Some(number) = under_way.get_mut(&self.1) {
            *number -= 1;
            if *number == 0 {
                under_way.remove(&self.1);
            }
        }
    }
}

/// An IPv4 address, also one that comes as `::ffff:192.0.2.1`, or the /64 of an IPv6 address.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// Most sources of right passwords that are kept in mind.
const MOST_SEEN: usize = 4_096;
/// For how long they are familiar.
const FAMILIAR: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_or_a_64() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[tokio::test]
    async fn a_share_comes_back_when_it_is_dropped_and_a_familiar_source_has_more() {
        let lanes = Lanes::new(2, 2, 2);
        let source = Some("192.0.2.1".parse().unwrap());
        let held: Vec<_> = (0..3).map(|_| lanes.share(source)).collect();
        assert_eq!(held.iter().filter(|share| share.is_some()).count(), 2);
        assert!(lanes.share(Some("192.0.2.2".parse().unwrap())).is_some());
        lanes.was_right(source);
        assert!(lanes.share(source).is_some());
        drop(held);
        assert!(lanes.is_idle());
    }

    #[tokio::test]
    async fn familiar_sources_are_kept_in_bounded_number() {
        let lanes = Lanes::new(1, 1, 1);
        for n in 0..2 * MOST_SEEN as u32 {
            lanes.was_right(Some(IpAddr::from((0xc612_0000 + n).to_be_bytes())));
        }
        let seen = lanes.seen.lock();
        assert_eq!((seen.at.len(), seen.order.len()), (MOST_SEEN, MOST_SEEN));
    }
}
