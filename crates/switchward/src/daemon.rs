//! Puts the daemon together, and takes it apart in order.
//!
//! [`start`] opens what can fail first (listener, store, firewall), restores the ledger, brings the kernel in line with it, and
//! only then reads the switches; [`Running::stop`] goes the other way round. Every failure says what to do ([`StartError`]).
//! `open` opens, `tasks` has what runs beside the readers, `end` the stop and what happens when a part has died.

mod end;
mod error;
mod open;
mod tasks;

use crate::access::Access;
use crate::app::App;
use crate::broker::entrance::Listeners;
use crate::clock;
use crate::config::Config;
use crate::doors::{Kind, Place};
use crate::http::Doors;
use crate::logs::Level;
use crate::mirror::{self, Mirror};
use crate::monitor::Monitor;
use crate::names::{self, Names};
use crate::notify::{self, Notifier, Notifying};
use crate::own::{self, Own};
use crate::policy;
use crate::report::{Reporting, Reports};
use crate::switch::Switch;
use crate::trail;
use crate::watch::{self, Reader};
use arc_swap::ArcSwap;
pub use error::StartError;
use guard::Guard;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch as signal;
use tokio::task::JoinHandle;

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
    owning: JoinHandle<()>,
    notifying: Notifying,
    reporting: Reporting,
}

/// Connections for commands to one switch.
const COMMAND_CONNECTIONS: usize = 4;

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

/// Starts the daemon. The network namespace of the firewall is that of the calling thread.
///
/// # Errors
/// See [`StartError`]; nothing is left behind.
pub async fn start(config: Config, log: Level, options: Options) -> Result<Running, StartError> {
    let access = Access::open(&config)?;
    let listener = open::listen(&config, &access).await?;
    let entrance = Listeners::open(&config, access.door_tls().is_some()).await?;
    let entrance_address = entrance.address();
    let profiling = open::listen_for_profiles(&config).await?;
    let own = Own::read();
    let mirror = Arc::new(Mirror::new(config.security.dry_run));
    let policy = policy::policy(&config, &own.all());
    let guard = Arc::new(Guard::new(policy, policy::limits(&config), open::seed(), mirror.journal()));
    let names = Arc::new(Names::default());
    let (mut adopt, mut kept_names) = (false, Vec::new());
    if let Some((store, mut kept)) = open::open_store(&config, options.store.as_deref())? {
        let (whole, named) = (guard.clone(), names.clone());
        store.mirror(Box::new(move || mirror::whole(&whole, &named)));
        mirror.follow_with_store(store);
        adopt = !config.security.dry_run && (kept.is_new || kept.damaged.is_some());
        kept_names = std::mem::take(&mut kept.names);
        open::restore(&guard, kept);
    }
    let has_store = mirror.store().is_some();
    // After the store: its lock tells a second daemon what is the matter.
    let trail = trail::open(&config, mirror.store()).map_err(StartError::Audit)?;
    // After the store: two daemons with one store are told so, not that they have one socket.
    let socket = open::open_socket(&config)?;
    let (unenforced, namespace) = if options.private_network {
        open::in_own_network(|| open::open_firewall(&config, &own.all(), &guard, &mirror, adopt))?
    } else {
        (open::open_firewall(&config, &own.all(), &guard, &mirror, adopt)?, None)
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
    let http = tokio::spawn(tasks::serve(app.clone(), doors, stopped.clone()));
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
    let owning = tokio::spawn(own::follow(app.clone(), stopped.clone()));
    let pricing = tokio::spawn(crate::fraud::watch(app.clone(), stopped.clone()));
    let ticker = tokio::spawn(tasks::tick(app.clone(), stopped));
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
        owning,
        notifying,
        reporting,
    })
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
