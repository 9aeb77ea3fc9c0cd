//! The daemon as a process: that it is there, and what it uses.

use super::extract::Json;
use super::{Error, blocking};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The daemon is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// "ok".
    pub status: String,
    /// The daemon's version.
    pub version: String,
}

/// What the daemon uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemStats {
    /// The daemon's version.
    pub version: String,
    /// Cores that it may use.
    pub cpu_cores: usize,
    /// Its memory.
    pub memory: Memory,
    /// Its tasks.
    pub tasks: Tasks,
}

/// The daemon's memory in bytes (proc(5), `/proc/pid/status`); 0 where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// In RAM now.
    pub resident: u64,
    /// The most that ever was.
    pub peak: u64,
    /// Data and heap.
    pub data: u64,
    /// Address space.
    #[serde(rename = "virtual")]
    pub address_space: u64,
}

/// The tasks of the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tasks {
    /// Not yet finished.
    pub alive: usize,
    /// Waiting for a thread.
    pub queued: usize,
    /// Threads that run them.
    pub workers: usize,
}

/// The daemon is there.
#[utoipa::path(
    get,
    path = "/health",
    tag = "state",
    responses((status = 200, description = "It is", body = Health))
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok".into(), version: VERSION.into() })
}

/// What the daemon uses: cores, memory, tasks.
#[utoipa::path(
    get,
    path = "/system/stats",
    tag = "state",
    responses((status = 200, description = "Its use", body = SystemStats))
)]
pub(super) async fn stats() -> Result<Json<SystemStats>, Error> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let tasks = Tasks {
        alive: metrics.num_alive_tasks(),
        queued: metrics.global_queue_depth(),
        workers: metrics.num_workers(),
    };
    let (cpu_cores, memory) = blocking(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        (std::thread::available_parallelism().map_or(1, usize::from), memory(&status))
    })
    .await?;
    Ok(Json(SystemStats { version: VERSION.into(), cpu_cores, memory, tasks }))
}

fn memory(status: &str) -> Memory {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    Memory {
        resident: bytes("VmRSS"),
        peak: bytes("VmHWM"),
        data: bytes("VmData"),
        address_space: bytes("VmSize"),
    }
}

/// The version that answers show.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text =
            "VmPeak:\t  9 kB\nVmSize:\t    2048 kB\nVmHWM:\t  12 kB\nVmRSS:\t      8 kB\nThreads:\t3\n";
        assert_eq!(memory(text), Memory { resident: 8192, peak: 12_288, data: 0, address_space: 2_097_152 });
        assert_eq!(memory(""), Memory::default());
    }
}
