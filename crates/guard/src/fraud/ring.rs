//! Sums over the last while: a ring of buckets, each for the same length of time.
//!
//! What is summed is as old as the window at most, and younger by one bucket at times: a sum is never too large, so that nobody is cut off
//! before his cap. Nothing is allocated, and time that is set back counts for the newest bucket.

use crate::time::Time;

/// `N` buckets of `WIDTH` seconds each.
#[derive(Clone, Debug)]
pub(crate) struct Ring<T, const N: usize, const WIDTH: u64> {
    /// The number of the newest bucket since 1970.
    newest: u64,
    buckets: [T; N],
}

impl<T: Copy + Default, const N: usize, const WIDTH: u64> Default for Ring<T, N, WIDTH> {
    fn default() -> Self {
        Ring { newest: 0, buckets: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize, const WIDTH: u64> Ring<T, N, WIDTH> {
    /// The bucket of now.
    pub(crate) fn now(&mut self, now: Time) -> &mut T {
        self.turn(now.secs() / WIDTH);
        &mut self.buckets[(self.newest % N as u64) as usize]
    }

    /// The bucket of a number, as [`Ring::numbered`] tells it; `None` when it is older than the window.
    pub(crate) fn of(&mut self, number: u64) -> Option<&mut T> {
        self.turn(number);
        (self.newest - number < N as u64).then(|| &mut self.buckets[(number % N as u64) as usize])
    }

    fn turn(&mut self, number: u64) {
        if number > self.newest {
            let passed = (number - self.newest).min(N as u64);
            for back in 0..passed {
                self.buckets[((number - back) % N as u64) as usize] = T::default();
            }
            self.newest = number;
        }
    }

    /// The buckets of the window that ends now.
    pub(crate) fn window(&self, now: Time) -> impl Iterator<Item = T> {
        self.numbered(now).map(|(_, bucket)| bucket)
    }

    /// The same with their numbers, the oldest first.
    pub(crate) fn numbered(&self, now: Time) -> impl Iterator<Item = (u64, T)> {
        let number = (now.secs() / WIDTH).max(self.newest);
        let oldest = (number + 1).saturating_sub(N as u64);
        (oldest..=self.newest).map(|number| (number, self.buckets[(number % N as u64) as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ring_agrees_with_a_list_of_everything(steps in prop::collection::vec((0u64..200, 0u32..9), 1..200)) {
            let (mut ring, mut all) = (Ring::<u32, 12, 5>::default(), Vec::new());
            let mut now = 1_000_000;
            for (pause, amount) in steps {
                now += pause;
                *ring.now(Time::from_secs(now)) += amount;
                all.push((now, amount));
                let from = (now / 5 - 11) * 5;
                let wanted: u32 = all.iter().filter(|(at, _)| *at >= from).map(|(_, amount)| amount).sum();
                prop_assert_eq!(ring.window(Time::from_secs(now)).sum::<u32>(), wanted);
                // Nothing older than the window, everything but the last bucket of it.
                prop_assert!(now - from < 60 && now - from >= 55);
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut ring = Ring::<u32, 12, 5>::default();
        *ring.now(Time::from_secs(1000)) += 1;
        *ring.now(Time::from_secs(100)) += 1;
        assert_eq!(ring.window(Time::from_secs(100)).sum::<u32>(), 2);
        assert_eq!(ring.window(Time::from_secs(1060)).sum::<u32>(), 0);
    }
}
