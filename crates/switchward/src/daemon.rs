//! Puts the daemon together, and takes it apart in order.
//!
//! [`start`] opens what can fail first (listener, store, firewall), restores the ledger, brings the kernel in line with it, and
//! only then reads the switches; [`Running::stop`] goes the other way round. Every failure says what to do ([`StartError`]).

use crate::access::socket::{self, SocketFile};
use crate::access::{self, Access};
use crate::app::App;
use crate::broker::entrance::{EntranceError, Listeners};
use crate::clock;
use crate::config::{Config, OnExit};
use crate::doors::{Kind, Place};
use crate::exit;
use crate::http::Doors;
use crate::logs::Level;
use crate::mirror::{self, Mirror};
use crate::monitor::Monitor;
use crate::names::{self, Names};
use crate::notify::{self, Notifier, Notifying};
use crate::policy;
use crate::report::{Reporting, Reports};
use crate::store::{Kept, OpenError, Store};
use crate::switch::Switch;
use crate::trail;
use crate::watch::{self, Reader};
use arc_swap::ArcSwap;
use guard::Guard;
use ipnet::IpNet;
use netfilter::Writer;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch as signal;
use tokio::task::JoinHandle;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP listener cannot be bound.
    #[error(
        "cannot listen at {address}: {error}; is another switchward running there? set server.host and server.port"
    )]
    Listen {
        /// Host and port.
        address: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The profiling listener cannot be bound.
    #[error(
        "cannot listen for profiles at {address}: {error}; set server.pprof_addr, or server.pprof_enabled = false"
    )]
    Profiling {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// Nobody could use the HTTP interface, or its certificate cannot be used.
    #[error(transparent)]
    Access(#[from] access::OpenError),
    /// The event socket door cannot be opened.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// The Unix socket that the configuration names cannot be made.
    #[error("cannot listen on server.socket {path}: {error}; name another path, or \"\" for none")]
    Socket {
        /// Its path.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The audit of commands cannot be sealed as the configuration wants it.
    #[error("{0}")]
    Audit(String),
    /// The kernel's sets cannot be made.
    #[error(
        "bans cannot be enforced: {0}. To look around without enforcing, use --dry-run or security.auto_block_enabled = false"
    )]
    Firewall(#[from] netfilter::Error),
    /// The broker's rules cannot be understood.
    #[error("the broker cannot be started: {0}")]
    Broker(String),
    /// Captures cannot be written as the configuration wants it.
    #[error("{0}; or set record.enabled = false")]
    Record(#[from] crate::record::OpenError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit of tasks (TasksMax, ulimit -u)")]
    Thread(std::io::Error),
    /// A network namespace cannot be made.
    #[error("a network namespace of our own cannot be made: {0}; that needs root")]
    Namespace(std::io::Error),
}

impl StartError {
    /// The exit code that tells it.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Firewall(_) | StartError::Namespace(_) => exit::NO_PERMISSION,
            StartError::Access(_) | StartError::Audit(_) | StartError::Broker(_) => exit::USAGE,
            StartError::Listen { .. }
            | StartError::Profiling { .. }
            | StartError::Socket { .. }
            | StartError::Entrance(_)
            | StartError::Store(_)
            | StartError::Record(_)
            | StartError::Thread(_) => exit::UNAVAILABLE,
        }
    }
}

/// Where the configuration came from, and how to behave.
#[derive(Default)]
pub struct Options {
    /// The configuration's file, for a reload.
    pub path: Option<PathBuf>,
    /// Keep the store here whatever the configuration says.
    pub store: Option<PathBuf>,
    /// Put the kernel's sets into a network namespace of the daemon's own, where they touch nobody (needs root).
    pub private_network: bool,
}

/// A daemon that runs.
pub struct Running {
    /// What its parts share.
    pub app: Arc<App>,
    /// Where its HTTP interface listens.
    pub address: std::net::SocketAddr,
    /// Where its event socket door listens, when it has a port.
    pub entrance: Option<std::net::SocketAddr>,
    /// The file of the network namespace that the kernel's sets are in, when it is our own.
    pub namespace: Option<String>,
    readers: Vec<Reader>,
    stop: signal::Sender<bool>,
    http: JoinHandle<()>,
    ticker: JoinHandle<()>,
    naming: JoinHandle<()>,
    trailing: JoinHandle<()>,
    remembering: JoinHandle<()>,
    pricing: JoinHandle<()>,
    notifying: Notifying,
    reporting: Reporting,
}

/// Connections for commands to one switch.
const COMMAND_CONNECTIONS: usize = 4;
/// How long the last notifications and reports may take.
const LAST_MESSAGES: Duration = Duration::from_millis(1500);

/// The runtime for everything but the way from the switch to the kernel.
///
/// Its threads stand back behind those of the readers and of the firewall, so that a crowd of requests delays no ban where processors
/// are short. Call [`start`] with `block_on` from a thread that is not its own: threads inherit the place of the one that started them.
///
/// # Errors
/// When the system gives no thread.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let stand_back = || _ = netfilter::thread::stand_back();
    tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(stand_back).build()
}

/// How long the last block of a recording may take.
const LAST_BLOCK: Duration = Duration::from_secs(2);

/// Starts the daemon. The network namespace of the firewall is that of the calling thread.
///
/// # Errors
/// See [`StartError`]; nothing is left behind.
pub async fn start(config: Config, log: Level, options: Options) -> Result<Running, StartError> {
    let access = Access::open(&config)?;
    let listener = listen(&config, &access).await?;
    let entrance = Listeners::open(&config, access.door_tls().is_some()).await?;
    let entrance_address = entrance.address();
    let profiling = listen_for_profiles(&config).await?;
    let own = own();
    let mirror = Arc::new(Mirror::new(config.security.dry_run));
    let policy = policy::policy(&config, &own);
    let guard = Arc::new(Guard::new(policy, policy::limits(&config), seed(), mirror.journal()));
    let names = Arc::new(Names::default());
    let (mut adopt, mut kept_names) = (false, Vec::new());
    if let Some((store, mut kept)) = open_store(&config, options.store.as_deref())? {
        let (whole, named) = (guard.clone(), names.clone());
        store.mirror(Box::new(move || mirror::whole(&whole, &named)));
        mirror.follow_with_store(store);
        adopt = !config.security.dry_run && (kept.is_new || kept.damaged.is_some());
        kept_names = std::mem::take(&mut kept.names);
        restore(&guard, kept);
    }
    let has_store = mirror.store().is_some();
    // After the store: its lock tells a second daemon what is the matter.
    let trail = trail::open(&config, mirror.store()).map_err(StartError::Audit)?;
    // After the store: two daemons with one store are told so, not that they have one socket.
    let socket = open_socket(&config)?;
    let (unenforced, namespace) = if options.private_network {
        in_own_network(|| open_firewall(&config, &own, &guard, &mirror, adopt))?
    } else {
        (open_firewall(&config, &own, &guard, &mirror, adopt)?, None)
    };
    let switches = config.switches.iter().enumerate().map(|(number, switch)| {
        let pool =
            esl::Pool::new(watch::connection(switch, config.security.reconnect_backoff), COMMAND_CONNECTIONS);
        Arc::new(Switch::new(number as u16, switch, pool, clock::now()))
    });
    let desk =
        crate::broker::wiring::open(&config, Some(trail.journal.clone())).map_err(StartError::Broker)?;
    let recorder = crate::record::of(&config)?;
    let app = Arc::new(App {
        guard,
        mirror,
        names,
        switches: switches.collect(),
        access,
        config: ArcSwap::from_pointee(config.clone()),
        config_path: options.path,
        own,
        log,
        unenforced,
        trail: Arc::new(trail),
        notifier: Arc::new(Notifier::default()),
        reports: Arc::new(Reports::default()),
        started: clock::now(),
        cache: Default::default(),
        geo: Arc::default(),
        links: crate::access::links::Links::open(
            has_store.then(|| options.store.as_deref().unwrap_or(&config.store.path)),
        ),
        prices: Arc::default(),
        suspects: Default::default(),
        recorder,
        desk,
        logins: Default::default(),
        entrance: Default::default(),
        jobs: crate::broker::jobs::Jobs::new(config.broker.jobs),
        monitor: Monitor::default(),
    });
    app.prices.look(&app.guard, &config);
    app.logins.apply(&config, &app.desk).map_err(StartError::Broker)?;
    let address =
        listener.local_addr().map_err(|error| StartError::Listen { address: String::new(), error })?;
    app.names.restore(&app, kept_names, &config);
    let (notifying, reporting) = tell_others(&app, options.store.as_deref());
    for warning in app.access.warnings(&config) {
        tracing::warn!(%address, "{warning}");
    }
    let (stop, stopped) = signal::channel(false);
    let doors = Doors::from(listener).with_socket(socket);
    if let Some(door) = entrance.serve(&app, &stopped) {
        _ = app.entrance.set(door);
    }
    let http = tokio::spawn(serve(app.clone(), doors, stopped.clone()));
    if let Some(listener) = profiling {
        if let Ok(address) = listener.local_addr() {
            app.monitor.listening.opened(Kind::Profiling, Place::Tcp(address, false));
        }
        let mut stopped = stopped.clone();
        let until = async move { _ = stopped.wait_for(|stopped| *stopped).await };
        tokio::spawn(crate::http::profiling::serve(listener, until));
    }
    app.guard.set_places(Some(app.geo.places()));
    tokio::spawn(crate::geo::watch(app.clone(), stopped.clone()));
    // Before the first event is judged.
    crate::suspects::take_over(&app);
    tokio::spawn(crate::suspects::watch(app.clone(), stopped.clone()));
    if let Some(recorder) = &app.recorder {
        recorder.begin_with(crate::record::known::of_daemon(&app));
        tokio::spawn(crate::record::known::follow(app.clone(), stopped.clone()));
    }
    let naming = tokio::spawn(names::follow(app.clone(), names::Pace::default(), stopped.clone()));
    let trailing = tokio::spawn(trail::follow(app.clone(), stopped.clone()));
    let remembering = tokio::spawn(crate::past::follow(app.clone(), stopped.clone()));
    let pricing = tokio::spawn(crate::fraud::watch(app.clone(), stopped.clone()));
    let ticker = tokio::spawn(tick(app.clone(), stopped));
    let readers = if config.security.enabled { start_readers(&app, &config)? } else { Vec::new() };
    if !config.security.enabled {
        tracing::warn!("security.enabled is false: nothing is guarded, only the interface is there");
    }
    tracing::info!(%address, switches = app.switches.len(), "ready");
    Ok(Running {
        app,
        address,
        entrance: entrance_address,
        namespace,
        readers,
        stop,
        http,
        ticker,
        naming,
        trailing,
        remembering,
        pricing,
        notifying,
        reporting,
    })
}

impl Running {
    /// Stops in order: no more events, no more orders, then what is queued goes to the kernel and to the disk.
    pub async fn stop(self) {
        // All of them at once: each may take its second.
        let stopping: Vec<_> = self
            .readers
            .into_iter()
            .map(|reader| tokio::spawn(reader.stop(Duration::from_secs(1))))
            .collect();
        for stopped in stopping {
            _ = stopped.await;
        }
        _ = self.stop.send(true);
        _ = tokio::time::timeout(Duration::from_secs(1), self.http).await;
        // The last lines of the audit, onto the disk.
        _ = tokio::time::timeout(Duration::from_secs(1), self.trailing).await;
        _ = tokio::time::timeout(Duration::from_secs(2), self.remembering).await;
        // What accounts learnt, likewise.
        _ = tokio::time::timeout(Duration::from_secs(1), self.pricing).await;
        self.ticker.abort();
        self.naming.abort();
        let flush = self.app.config.load().firewall.on_exit == OnExit::Flush;
        let dry = !self.app.is_enforcing();
        let app = self.app;
        let ended = tokio::task::spawn_blocking(move || {
            let kernel = app
                .mirror
                .firewall()
                .is_none_or(|writer| writer.clone().shutdown(flush, Duration::from_secs(2)));
            let disk = app.mirror.store().is_none_or(|store| store.stop(Duration::from_secs(1)));
            if app.recorder.as_ref().is_some_and(|recorder| !recorder.stop(LAST_BLOCK)) {
                tracing::warn!("the end of the recording is not on the disk");
            }
            (kernel, disk)
        });
        let ended = ended.await;
        // Last, because the kernel has just taken the last bans, and because it may take longest.
        tokio::join!(self.notifying.stop(LAST_MESSAGES), self.reporting.stop(LAST_MESSAGES));
        match ended {
            Ok((true, true)) if dry => tracing::info!("stopped"),
            Ok((true, true)) if flush => tracing::info!("stopped; the kernel's sets are removed"),
            Ok((true, true)) => tracing::info!("stopped; the kernel keeps the bans"),
            Ok((kernel, disk)) => tracing::error!(kernel, disk, "stopped before everything was written"),
            Err(error) => tracing::error!(%error, "stopping failed"),
        }
    }
}

/// Notifications and reports, from now on.
fn tell_others(app: &Arc<App>, store: Option<&Path>) -> (Notifying, Reporting) {
    let config = app.config.load();
    app.notifier.apply(&config);
    app.reports.apply(&config);
    app.mirror.follow_with_reports(app.reports.clone());
    let dead_letters = notify::dead_letter_file(store.unwrap_or(&config.store.path));
    (Notifier::start(app, app.mirror.store().is_some().then_some(dead_letters)), Reports::start(app))
}

fn start_readers(app: &Arc<App>, config: &Config) -> Result<Vec<Reader>, StartError> {
    let backoff = config.security.reconnect_backoff;
    let pairs = app.switches.iter().zip(&config.switches);
    let started = pairs.map(|(switch, config)| watch::start(app.clone(), switch.clone(), config, backoff));
    started.collect::<std::io::Result<_>>().map_err(StartError::Thread)
}

async fn listen(config: &Config, access: &Access) -> Result<TcpListener, StartError> {
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let wrong = |error| StartError::Listen { address: format!("{host}:{port}"), error };
    // A name with both kinds of addresses ("localhost") meant the IPv4 one to the predecessor, and to scripts.
    let mut addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(wrong)?.collect();
    addresses.sort_by_key(std::net::SocketAddr::is_ipv6);
    let listener = TcpListener::bind(&addresses[..]).await.map_err(wrong)?;
    access.listens_on(listener.local_addr().map_err(wrong)?.ip(), config)?;
    Ok(listener)
}

async fn listen_for_profiles(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let address = config.server.pprof_addr;
    crate::http::profiling::listen(config).await.map_err(|error| StartError::Profiling { address, error })
}

/// Opens the Unix socket. When its place cannot be used and nobody chose that place, the command line asks over HTTP.
fn open_socket(config: &Config) -> Result<Option<(UnixListener, SocketFile)>, StartError> {
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
fn open_store(config: &Config, chosen: Option<&Path>) -> Result<Option<(Store, Kept)>, StartError> {
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

fn restore(guard: &Guard, kept: Kept) {
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
    guard.fraud().restore(&kept.learnt);
    crate::app::lift_out_of_reach(guard);
    let (bans, allowed) = guard.ledger().sizes();
    tracing::info!(bans, allowed, "ledger restored");
}

/// Opens the firewall and brings it in line with the ledger. Tells why bans are not enforced, where that is tolerated.
fn open_firewall(
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
fn in_own_network(
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

/// What belongs to this host and is never banned: its addresses and its name servers.
pub(crate) fn own() -> Vec<IpNet> {
    own_addresses().into_iter().chain(resolvers()).collect()
}

/// The host's own addresses: banning one of them would be banning ourselves. Those of the loopback interface are left to
/// `security.trusted_networks`.
fn own_addresses() -> Vec<IpNet> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces
            .iter()
            .filter(|interface| interface.name != "lo")
            .map(|interface| IpNet::from(interface.ip()))
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "the host's own addresses are not known; add them to firewall.never_ban");
            Vec::new()
        }
    }
}

/// The name servers of this host (resolv.conf(5)): whoever forges their address must not cut the host off from its names.
fn resolvers() -> Vec<IpNet> {
    name_servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn name_servers(text: &str) -> Vec<IpNet> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|rest| rest.split_whitespace().next()?.split('%').next());
    addresses.filter_map(|address| guard::source::parse_ip(address.as_bytes())).map(IpNet::from).collect()
}

/// Random keys for the hashes, so that nobody can choose names that collide.
fn seed() -> [u64; 4] {
    std::array::from_fn(|_| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(IpAddr::from([0, 0, 0, 0]))
    })
}

async fn serve(app: Arc<App>, doors: Doors, mut stopped: signal::Receiver<bool>) {
    let until = async move { _ = stopped.wait_for(|stopped| *stopped).await };
    if let Err(error) = crate::http::serve(app, doors, until).await {
        tracing::error!(%error, "the HTTP interface has stopped");
    }
}

/// Housekeeping, once a second.
async fn tick(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = crate::alarms::watch::Watch::new(&app);
    let mut steady = clock::Steady::new();
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        crate::access::operators::sweep(&app);
        for ban in app.guard.tick(clock::now()) {
            tracing::info!(target = %ban.target, "ban ran out");
        }
        crate::fraud::tick(&app);
        // The ledger goes by the wall clock and the kernel by one that nobody sets: after a jump they are brought together.
        if steady.was_set() {
            tracing::warn!("the wall clock was set; the kernel's timeouts are put in anew");
            if let Some(writer) = app.mirror.firewall() {
                writer.rebuild();
            }
        }
        watch.look(&app);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_found_whatever_stands_around_them() {
        let text = "# made by hand\nsearch pbx.example\n nameserver 192.0.2.53 # first\nnameserver\t2001:db8::53\n\
                    nameserver fe80::1%eth0\nnameserver\nnameserver nonsense\noptions edns0\n";
        let found: Vec<String> = name_servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53/32", "2001:db8::53/128", "fe80::1/128"]);
    }
}
