//! Opens what can fail: listeners, the store, the firewall; and what the ledger gets from them at the start.

use super::StartError;
use crate::access::Access;
use crate::access::socket::{self, SocketFile};
use crate::clock;
use crate::config::Config;
use crate::mirror::{self, Mirror};
use crate::policy;
use crate::store::{Kept, OpenError, Store};
use guard::Guard;
use ipnet::IpNet;
use netfilter::Writer;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

pub(super) async fn listen(config: &Config, access: &Access) -> Result<TcpListener, StartError> {
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let wrong = |error| StartError::Listen { address: format!("{host}:{port}"), error };
    // A name with both kinds of addresses ("localhost") meant the IPv4 one to the predecessor, and to scripts.
    let mut addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(wrong)?.collect();
    addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
    let listener = TcpListener::bind(&addresses[..]).await.map_err(wrong)?;
    access.listens_on(listener.local_addr().map_err(wrong)?.ip(), config)?;
    Ok(listener)
}

pub(super) async fn listen_for_profiles(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let address = config.server.pprof_addr;
    crate::http::profiling::listen(config).await.map_err(|error| StartError::Profiling { address, error })
}

/// Opens the Unix socket. When its place cannot be used and nobody chose that place, the command line asks over HTTP.
pub(super) fn open_socket(config: &Config) -> Result<Option<(UnixListener, SocketFile)>, StartError> {
    let path = config.server.socket.as_str();
    if path.is_empty() {
        return Ok(None);
    }
    match socket::bind(Path::new(path)) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if path == Config::default().server.socket => {
            tracing::warn!(path, %error, "no Unix socket; the command line asks over HTTP (server.socket)");
            Ok(None)
        }
        Err(error) => Err(StartError::Socket { path: path.into(), error }),
    }
}

/// Opens the store. When its place cannot be used and nobody chose that place, one beside the daemon is tried, and then
/// the guard does without: guarding matters more than remembering.
pub(super) fn open_store(
    config: &Config,
    chosen: Option<&Path>,
) -> Result<Option<(Store, Kept)>, StartError> {
    let path = chosen.unwrap_or(&config.store.path);
    let is_default = chosen.is_none() && *path == Config::default().store.path;
    match Store::open(path) {
        Ok(opened) => Ok(Some(opened)),
        Err(error @ OpenError::Unusable { .. }) if is_default => {
            let beside = Path::new("switchward.db");
            tracing::warn!("{error}; using ./{} instead", beside.display());
            match Store::open(beside) {
                Ok(opened) => Ok(Some(opened)),
                Err(error @ OpenError::InUse(_)) => Err(error.into()),
                Err(error) => {
                    tracing::error!("{error}; bans will not survive a restart");
                    Ok(None)
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn restore(guard: &Guard, kept: Kept) {
    if let Some(aside) = &kept.damaged {
        tracing::error!(moved_to = %aside.display(), "the store was damaged and could not be read; starting with an empty one");
    }
    if kept.unreadable > 0 {
        tracing::error!(rows = kept.unreadable, "some rows of the store could not be read and are left out");
    }
    let now = clock::now();
    guard.ledger().restore(kept.bans, kept.allows, kept.patterns, now);
    if kept.past.key != [0, 0] {
        guard.past().restore(kept.past.key, &kept.past.rows, guard.policy().growth, now);
    }
    guard.fraud().restore(&kept.learnt, kept.calls_watched_since, now);
    crate::app::lift_out_of_reach(guard);
    let (bans, allowed) = guard.ledger().sizes();
    tracing::info!(bans, allowed, "ledger restored");
}

/// Opens the firewall and brings it in line with the ledger. Tells why bans are not enforced, where that is tolerated.
pub(super) fn open_firewall(
    config: &Config,
    own: &[IpNet],
    guard: &Arc<Guard>,
    mirror: &Mirror,
    adopt: bool,
) -> Result<Option<String>, StartError> {
    if adopt {
        adopt_from_kernel(config, own, guard);
    }
    let ledger = guard.clone();
    let desired = Box::new(move || mirror::desired(&ledger));
    match Writer::spawn(policy::firewall(config, own), desired) {
        Ok((writer, started)) => {
            let netfilter::Reconciled { added, removed, kept, refused } = started.reconciled;
            tracing::info!(backend = ?started.backend, added, removed, kept, "the kernel agrees with the ledger");
            for (target, reason) in refused.iter().take(10) {
                tracing::error!(%target, %reason, "a ban of the ledger is not in the kernel");
            }
            mirror.follow_with_firewall(writer);
            Ok(None)
        }
        Err(error) if !config.security.auto_block_enabled || !config.security.enabled => {
            tracing::warn!("no firewall, and none is needed while banning is off: {error}");
            Ok(Some(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// With a store that remembers nothing the kernel may: what the predecessor, or a lost store, has banned stays banned.
fn adopt_from_kernel(config: &Config, own: &[IpNet], guard: &Guard) {
    let opened = netfilter::Firewall::open(&policy::firewall(config, own));
    // Whatever is wrong with the firewall is said when it is opened for good.
    let Ok(elements) = opened.and_then(|mut firewall| firewall.elements()) else { return };
    let now = clock::now();
    for element in &elements {
        guard.ledger().ban(mirror::adopted(element, now), now);
    }
    crate::app::lift_out_of_reach(guard);
    if !elements.is_empty() {
        tracing::info!(bans = elements.len(), "bans found in the kernel are taken over");
    }
}

/// Opens the firewall on a thread that has a network namespace of its own; the firewall's thread inherits it.
pub(super) fn in_own_network(
    open: impl FnOnce() -> Result<Option<String>, StartError> + Send,
) -> Result<(Option<String>, Option<String>), StartError> {
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
                .map_err(|errno| StartError::Namespace(errno.into()))?;
            open()
        });
        let unenforced = opened.join().unwrap_or_else(|_| Err(netfilter::Error::Stopped.into()))?;
        Ok((unenforced, namespace_of_firewall()))
    })
}

/// The namespace's file, through the firewall's thread, which lives as long as the daemon.
fn namespace_of_firewall() -> Option<String> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    let firewall = tasks.flatten().find(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim_end() == "firewall")
    })?;
    Some(format!("/proc/{}/task/{}/ns/net", std::process::id(), firewall.file_name().to_string_lossy()))
}

/// Random keys for the hashes, so that nobody can choose names that collide.
pub(super) fn seed() -> [u64; 4] {
    std::array::from_fn(|_| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(IpAddr::from([0, 0, 0, 0]))
    })
}
