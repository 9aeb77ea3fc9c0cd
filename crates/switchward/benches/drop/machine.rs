//! What else the machine was doing: a latency on a busy machine is not the daemon's alone.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::time::Instant;

/// Processor time up to a moment, in seconds. Start with [`Spent::now`].
pub(crate) struct Spent {
    at: Instant,
    /// Nobody used it.
    idle: f64,
    /// This process did.
    own: f64,
}

impl Spent {
    pub(crate) fn now() -> Spent {
        let stat = std::fs::read_to_string("/proc/stat").unwrap();
        let fields = stat.lines().next().unwrap().split_whitespace();
        // proc_stat(5): the word "cpu", user, nice, system, idle, iowait, in hundredths of a second. Only idle time is
        // measured; the others are guessed at each tick, and miss who sleeps and wakes between two of them.
        let idle: f64 = fields.skip(4).take(2).map(|word| word.parse::<f64>().unwrap()).sum();
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let own = (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6;
        Spent { at: Instant::now(), idle: idle / 100.0, own }
    }

    /// How much of the machine this process and others have used since then, in percent.
    pub(crate) fn shares(&self) -> (f64, f64) {
        let now = Spent::now();
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        let all = (now.at - self.at).as_secs_f64() * cores;
        let own = now.own - self.own;
        let others = all - (now.idle - self.idle) - own;
        (100.0 * own / all, (100.0 * others / all).max(0.0))
    }
}
