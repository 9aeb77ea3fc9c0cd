//! One contiguous read buffer, used again and again: [`ReadBuffer`].
//!
//! Bytes are read into [`ReadBuffer::space`] and taken off the front with [`ReadBuffer::consume`]. The unread rest is
//! moved only when it is small or when the buffer is full, so that every byte is moved a bounded number of times; a
//! buffer that had to grow for one huge frame shrinks when that frame is gone. It does not know what a frame is.

/// See the module.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    /// Always fully initialised; `start..end` holds what was read and not yet consumed.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0 }
    }

    /// Room to read into, at least [`MIN_SPACE`] bytes.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.make_room(MIN_SPACE);
        &mut self.bytes[self.end..]
    }

    /// Says that the first `n` bytes of the last [`Self::space`] now hold data.
    pub(crate) fn filled(&mut self, n: usize) {
        assert!(n <= self.bytes.len() - self.end, "more bytes filled than there was space");
        self.end += n;
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.make_room(data.len());
        self.bytes[self.end..self.end + data.len()].copy_from_slice(data);
        self.end += data.len();
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Drops `n` bytes from the front and gives them out until the buffer is touched again.
    pub(crate) fn consume(&mut self, n: usize) -> &[u8] {
        let from = self.start;
        self.start += n;
        debug_assert!(self.start <= self.end);
        &self.bytes[from..self.start]
    }

    fn make_room(&mut self, wanted: usize) {
        let held = self.len();
        if held <= SMALL_TAIL {
            if self.bytes.len() > SHRINK_ABOVE || self.bytes.is_empty() {
                self.reallocate(BASE.max((held + wanted).next_power_of_two()));
                return;
            }
            self.move_to_front();
        }
        if self.bytes.len() - self.end >= wanted {
            return;
        }
        // Moving costs `held`; it pays when at least as much is won, or when growing can be avoided by it.
        if self.start >= held && self.bytes.len() - held >= wanted {
            self.move_to_front();
        } else {
            self.reallocate(
                (held + wanted).max(self.bytes.len()).max(BASE).next_power_of_two().max(held * 2),
            );
        }
    }

    fn move_to_front(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    fn reallocate(&mut self, size: usize) {
        let held = self.len();
        let mut bytes = vec![0; size];
        bytes[..held].copy_from_slice(self.data());
        self.bytes = bytes;
        self.start = 0;
        self.end = held;
    }
}

/// A read should be offered this much at least.
const MIN_SPACE: usize = 64 * 1024;
/// The size at rest: a full read behind a partial frame.
const BASE: usize = 2 * MIN_SPACE;
/// A tail of up to this much is moved to the front before every read: cheaper than touching fresh cache lines.
const SMALL_TAIL: usize = 16 * 1024;
/// A buffer above this size is given back once its content is small again.
const SHRINK_ABOVE: usize = 1024 * 1024;
