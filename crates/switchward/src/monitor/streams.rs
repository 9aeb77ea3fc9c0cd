//! The live streams: how many there may be, how many were cut off, and the sign that all must end.
//!
//! Start with [`Streams::enter`].

use guard::Source;
use guard::counts::Count;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Most live streams at a time.
pub const MOST: usize = 64;
/// Most of them of one peer.
pub const MOST_OF_ONE: usize = 16;

/// The live streams.
pub struct Streams {
    open: Arc<Mutex<HashMap<Option<Source>, usize>>>,
    closing: watch::Sender<bool>,
    /// Streams that were refused because there were too many.
    pub refused: Count,
    /// Streams whose reader was too slow.
    pub cut_off: Count,
    /// Items that a stream had to leave out.
    pub missed: Count,
}

/// The place of one stream; given back when dropped.
pub struct Seat {
    open: Arc<Mutex<HashMap<Option<Source>, usize>>>,
    /// An IPv6 peer has a whole /64, so that is what counts; none on the Unix socket.
    peer: Option<Source>,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams {
            open: Arc::default(),
            closing: watch::Sender::new(false),
            refused: Count::default(),
            cut_off: Count::default(),
            missed: Count::default(),
        }
    }
}

impl Streams {
    /// A place for one more stream of `peer`, unless there are too many.
    pub fn enter(&self, peer: Option<IpAddr>) -> Option<Seat> {
        let peer = peer.map(Source::of);
        let mut open = self.open.lock();
        let own = open.get(&peer).copied().unwrap_or(0);
        if own >= MOST_OF_ONE || open.values().sum::<usize>() >= MOST {
            self.refused.up();
            return None;
        }
        open.insert(peer, own + 1);
        Some(Seat { open: self.open.clone(), peer })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.lock().values().sum()
    }

    /// All streams end, and no new one lives: the daemon stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until all must end.
    pub async fn closed(&self) {
        // Without a sender there is nothing left to wait for.
        _ = self.closing().wait_for(|closing| *closing).await;
    }

    /// Turns true when all must end.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        match open.get_mut(&self.peer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => _ = open.remove(&self.peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_64_has_the_share_of_one_peer() {
        let streams = Streams::default();
        let peer = |n: u128| Some(IpAddr::from((0x2001_0db8u128 << 96 | n).to_be_bytes()));
        let one: Vec<Seat> = (0..100).filter_map(|n| streams.enter(peer(n))).collect();
        assert_eq!(one.len(), MOST_OF_ONE);
    }

    #[test]
    fn one_peer_has_a_share_and_places_come_back() {
        let streams = Streams::default();
        let peer = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        let one: Vec<Seat> = std::iter::from_fn(|| streams.enter(peer(1))).collect();
        assert_eq!(one.len(), MOST_OF_ONE);
        let others: Vec<Seat> = (2..200).filter_map(|n| streams.enter(peer(n))).collect();
        assert_eq!((one.len() + others.len(), streams.count()), (MOST, MOST));
        drop((one, others));
        assert_eq!(streams.count(), 0);
        assert!(streams.enter(peer(1)).is_some());
    }
}
