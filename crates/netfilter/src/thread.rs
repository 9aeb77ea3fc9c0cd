//! How the system's scheduler treats the calling thread: [`hurry`] for the few that drop packets, [`stand_back`] for the others.
//!
//! Neither asks for a privilege: a short slice costs its owner as much as it gains, and everybody may take less. What the kernel
//! refuses (an older one, a seccomp filter) stays as it is; nothing depends on it but how soon a thread gets a processor.

use std::mem::size_of;

/// Has the calling thread's wake-ups served before those of threads with longer slices, since Linux 6.12: it runs for a moment
/// and sleeps again. True when the kernel took it.
pub fn hurry() -> bool {
    // In a real-time class it is served first already.
    Attributes::of(OWN).is_some_and(|attributes| {
        attributes.policy != libc::SCHED_OTHER as u32 || Attributes { runtime: SHORT, ..attributes }.set()
    })
}

/// Puts the calling thread [`STEPS`] behind the process's first one, and its wake-ups interrupt nobody (`SCHED_BATCH`). True when
/// the kernel took it.
pub fn stand_back() -> bool {
    // Not behind its own place: it may have that from a thread that stands back itself.
    let first = std::process::id() as libc::pid_t;
    Attributes::of(first).is_some_and(|first| {
        let (policy, nice) = (libc::SCHED_BATCH as u32, (first.nice + STEPS).min(19));
        Attributes { policy, nice, ..Attributes::default() }.set()
    })
}

/// `struct sched_attr` of include/uapi/linux/sched/types.h, as far as every kernel knows it.
#[repr(C)]
#[derive(Default, Debug)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl Attributes {
    const SIZE: u32 = size_of::<Attributes>() as u32;

    fn of(thread: libc::pid_t) -> Option<Attributes> {
        let mut attributes = Attributes::default();
        let place = &raw mut attributes;
        // SAFETY: the kernel writes at most `SIZE` bytes into a live structure of that size, in which every bit pattern is valid.
        let result = unsafe { libc::syscall(libc::SYS_sched_getattr, thread, place, Attributes::SIZE, 0u32) };
        (result == 0).then_some(attributes)
    }

    /// For the calling thread.
    fn set(self) -> bool {
        let sized = Attributes { size: Attributes::SIZE, ..self };
        // SAFETY: the kernel reads the `SIZE` bytes of a live structure that says its own size.
        unsafe { libc::syscall(libc::SYS_sched_setattr, OWN, &raw const sized, 0u32) == 0 }
    }
}

/// The calling thread.
const OWN: libc::pid_t = 0;
/// How far threads stand back, by nice(2). No further: they hold locks for which the others wait.
const STEPS: i32 = 10;
/// The shortest slice that the kernel gives, in nanoseconds.
const SHORT: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_hurries_stays_where_it_was_and_one_that_stands_back_is_behind_once() {
        let place = |attributes: &Attributes| (attributes.policy, attributes.nice);
        let (normal, batch) = (libc::SCHED_OTHER as u32, libc::SCHED_BATCH as u32);
        std::thread::spawn(move || {
            let before = Attributes::of(OWN).unwrap();
            assert_eq!(before.policy, normal);
            assert!(hurry());
            let hurried = Attributes::of(OWN).unwrap();
            assert_eq!(place(&hurried), place(&before));
            // A kernel before 6.12 tells of no slice.
            assert!([SHORT, 0].contains(&hurried.runtime), "{hurried:?}");
            assert!(stand_back());
            let inherited = std::thread::spawn(move || {
                assert!(stand_back());
                Attributes::of(OWN).unwrap()
            });
            for behind in [Attributes::of(OWN).unwrap(), inherited.join().unwrap()] {
                assert_eq!(place(&behind), (batch, (before.nice + STEPS).min(19)));
                assert_ne!(behind.runtime, SHORT);
            }
        })
        .join()
        .unwrap();
    }
}
