//! Waiting for one of several descriptors, and waking the waiter up from another thread.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::error::Error;

/// An eventfd: [`Bell::ring`] from any thread, and the thread that waits in [`wait`] goes on.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: no pointers; the result is checked before it is used.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if raw < 0 {
            return Err(Error::last_os("making an eventfd"));
        }
        // SAFETY: `raw` is a descriptor that was just made and that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Wakes the waiter, now or when it next waits.
    pub(crate) fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes are read from `one`. A full counter (EAGAIN) means that it rings already.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Takes the ring back.
    pub(crate) fn quiet(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are written to `count`. Nothing to read (EAGAIN) is fine.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Sleeps until a descriptor can be read or the time is over. An interruption counts as the time being over.
pub(crate) fn wait(descriptors: &[RawFd], timeout: Duration) {
    let mut list: Vec<libc::pollfd> =
        descriptors.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    let milliseconds = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: pointer and count are those of one live vector.
    unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, milliseconds) };
}
