//! The process, under the names that Prometheus' own libraries use, and the build.

use super::exposition::Family;
use crate::app::App;
use crate::http::system::memory;

pub(super) fn families(app: &App) -> Vec<Family> {
    let stat = Stat::read(&std::fs::read_to_string("/proc/self/stat").unwrap_or_default());
    let limit = open_files_limit(&std::fs::read_to_string("/proc/self/limits").unwrap_or_default());
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let mut families = vec![
        Family::gauge("switchward_build_info", "The program; always 1.")
            .count(&[("version", env!("CARGO_PKG_VERSION"))], 1),
        Family::gauge("process_start_time_seconds", "When the daemon started, in seconds since 1970.")
            .number(&[], app.started.micros() as f64 / 1e6),
        Family::gauge("process_open_fds", "Open files and sockets.").count(&[], open as u64),
    ];
    if let Some(limit) = limit {
        families.push(Family::gauge("process_max_fds", "Most open files and sockets.").count(&[], limit));
    }
    if let Some(stat) = stat {
        families.extend([
            Family::counter("process_cpu_seconds", "Time on processors, of user and system.")
                .number(&[], stat.ticks as f64 / TICKS),
            Family::gauge("process_threads", "Threads.").count(&[], stat.threads),
        ]);
    }
    let memory = memory(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    families.extend([
        Family::gauge("process_virtual_memory_bytes", "Address space.").count(&[], memory.address_space),
        Family::gauge("process_resident_memory_bytes", "Memory in RAM.").count(&[], memory.resident),
    ]);
    let allocated =
        tikv_jemalloc_ctl::epoch::advance().and_then(|_| tikv_jemalloc_ctl::stats::allocated::read());
    if let Ok(bytes) = allocated {
        let heap = Family::gauge(
            "switchward_heap_allocated_bytes",
            "Memory that the program has asked for and not given back.",
        );
        families.push(heap.count(&[], bytes as u64));
    }
    families
}

/// Of proc(5), `/proc/pid/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    ticks: u64,
    threads: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Stat> {
        // The name in brackets may hold anything; the fields behind it are counted from 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Stat { ticks: field(14)? + field(15)?, threads: field(20)? })
    }
}

fn open_files_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// USER_HZ, which is 100 on every architecture that Linux runs this on (time(7)).
const TICKS: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_found_whatever_the_name() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 100 1048576 300 18446744073709551615 1";
        let stat = Stat { ticks: 300, threads: 5 };
        assert_eq!(Stat::read(text), Some(stat));
        assert_eq!(Stat::read("7 (a) S 1"), None);
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(open_files_limit(limits), Some(1024));
    }
}
