//! How the daemon is doing, in one answer: what `switchward status` prints.

use super::alarms::AlarmState;
use super::extract::Json;
use super::system::VERSION;
use super::{Error, blocking};
use crate::app::App;
use crate::clock;
use crate::config::duration::format_go;
use crate::switch::Switch;
use axum::extract::State;
use guard::counts::Count;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use utoipa::ToSchema;

mod firewall;
mod geo;

pub use firewall::{Bucket, FirewallState, Latency, OpenSipPort, SetState, SipPort, WriterState};
pub use geo::GeoFile;

/// How the daemon is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The daemon's version.
    pub version: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// How long ago (Go duration, whole seconds).
    pub uptime: String,
    /// Whether the guard is on.
    pub enabled: bool,
    /// Whether rules ban.
    pub auto_block: bool,
    /// Whether bans are only logged.
    pub dry_run: bool,
    /// The guarded switches.
    pub switches: Vec<SwitchState>,
    /// What was counted since the start.
    pub counts: Counted,
    /// The ledger.
    pub ledger: LedgerState,
    /// The engine's tables.
    pub engine: EngineState,
    /// The kernel's part.
    pub firewall: FirewallState,
    /// The database.
    pub store: StoreState,
    /// The alarms that are on, the worst first.
    #[serde(default)]
    pub alarms: Vec<AlarmState>,
    /// The log's level.
    pub log_level: String,
    /// The files of countries and autonomous systems; left out without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub geo: Vec<GeoFile>,
    /// What should be mended about who may come in, and about the files of countries.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Where operators and administrators proved their credentials lately: addresses that no rule bans.
    #[serde(default)]
    pub operators: Vec<OperatorPlace>,
}

/// An address that proved the credential of an operator or administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorPlace {
    /// The address.
    pub ip: String,
    /// Whose credential: "user alice", "token ops", "certificate alice".
    pub name: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub since: String,
    /// The last time, give or take a minute.
    #[schema(format = DateTime)]
    pub last: String,
    /// Until when no rule bans it, unless it comes again.
    #[schema(format = DateTime)]
    pub until: String,
}

/// A guarded switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchState {
    /// Its name.
    pub name: String,
    /// Host of its event socket.
    pub host: String,
    /// Port of its event socket.
    pub port: u16,
    /// Whether its events are read.
    pub connected: bool,
    /// Since when it has been so.
    #[schema(format = DateTime)]
    pub since: String,
    /// Why it is not connected, and the mend.
    pub trouble: Option<String>,
    /// Its version, once it told.
    pub version: Option<String>,
    /// When something came from it last.
    #[schema(format = DateTime)]
    pub last_event: Option<String>,
    /// Attempts to connect.
    pub connection_attempts: u64,
    /// Attempts that failed, and connections that broke.
    pub connection_errors: u64,
    /// Events read.
    pub events: u64,
    /// Events that the guard had no use for.
    pub unwanted: u64,
    /// Events that a client of the event socket forged.
    pub forged: u64,
    /// Events whose source is no address.
    pub bad_address: u64,
    /// Frames that were no event although they said so.
    pub malformed: u64,
    /// Whether its log is read too.
    #[serde(default)]
    pub log_read: bool,
    /// Addresses that are never banned because it told so, in order; at most 100.
    #[serde(default)]
    pub out_of_reach: Vec<OutOfReach>,
}

/// An address that is never banned because a switch told so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutOfReach {
    /// The address, or the network.
    pub ip: String,
    /// What it is: "gateway carrier1", "access list carriers".
    pub label: String,
}

/// What the guard counted since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Observations.
    pub observations: u64,
    /// Observations without a source.
    pub without_source: u64,
    /// Challenges; no strike.
    pub challenges: u64,
    /// Registrations that succeeded.
    pub registrations: u64,
    /// Refused credentials.
    pub failed: u64,
    /// Challenged calls that never came back.
    pub wrong_call_states: u64,
    /// Inbound calls.
    pub calls: u64,
    /// Strikes of sources that were banned already.
    pub heard_while_banned: u64,
    /// Bans on forgeable evidence.
    pub bans_forgeable: u64,
    /// Bans on likely evidence.
    pub bans_likely: u64,
    /// Bans on proven evidence.
    pub bans_proven: u64,
    /// Bans that would have been made if rules banned.
    pub would_ban: u64,
    /// Rules that fired and spared the source.
    pub spared: u64,
    /// Calls to be hung up.
    pub hang_ups: u64,
    /// Alerts.
    pub alerts: u64,
    /// Bans refused because the ledger was full.
    pub ledger_full: u64,
}

/// The ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerState {
    /// Bans.
    pub bans: usize,
    /// Allow entries.
    pub allows: usize,
    /// Untrusted-domain patterns that were added at run time.
    pub patterns: usize,
    /// Most bans it may hold.
    pub capacity: u32,
}

/// The engine's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineState {
    /// Windows in use.
    pub windows: usize,
    /// Live windows that had to go because the table was full.
    pub windows_evicted: u64,
    /// Registrations known.
    pub registrations: usize,
    /// Registrations not kept because the table was full.
    pub registrations_refused: u64,
    /// Bytes held by windows and names.
    pub bytes: usize,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreState {
    /// Whether there is one; without it nothing survives a restart.
    pub open: bool,
    /// Why the last write failed.
    pub failing: Option<String>,
    /// Changes committed.
    pub committed: u64,
    /// Commits that failed.
    pub errors: u64,
    /// Changes that wait.
    pub waiting: u64,
    /// Entries of the audit that were not kept because too many waited while the store failed; they are in the log alone.
    #[serde(default)]
    pub unaudited: u64,
}

/// How the daemon is doing, in one answer: switches, counters, tables, firewall, store.
#[utoipa::path(
    get,
    path = "/security/overview",
    tag = "state",
    responses((status = 200, description = "All of it", body = Overview))
)]
pub(super) async fn overview(State(app): State<Arc<App>>) -> Result<Json<Overview>, Error> {
    let asked = app.clone();
    // The tables are behind the readers' locks.
    let engine = blocking(move || asked.guard.state()).await?;
    let firewall = firewall::firewall(&app).await;
    let config = app.config.load();
    let (bans, allows) = app.guard.ledger().sizes();
    let (atlas, now) = (app.geo.atlas(), clock::now());
    let up = now.since(app.started);
    let mut warnings = app.access.warnings(&config);
    warnings.extend(atlas.warnings(now));
    warnings.extend(app.suspects.troubles());
    Ok(Json(Overview {
        version: VERSION.into(),
        started_at: clock::rfc3339(Some(app.started)),
        uptime: format_go(Duration::from_secs(up.as_secs())),
        enabled: config.security.enabled,
        auto_block: config.security.auto_block_enabled,
        dry_run: config.security.dry_run,
        switches: app.switches.iter().map(|switch| SwitchState::of(switch)).collect(),
        counts: Counted::of(app.guard.counts()),
        ledger: LedgerState {
            bans,
            allows,
            patterns: app.guard.ledger().patterns().len(),
            capacity: config.firewall.max_elements,
        },
        engine: EngineState {
            windows: engine.windows,
            windows_evicted: engine.windows_evicted,
            registrations: engine.registrations,
            registrations_refused: engine.registrations_refused,
            bytes: engine.bytes,
        },
        firewall,
        store: StoreState::of(&app),
        alarms: super::alarms::active(&app),
        log_level: app.log.level().to_string(),
        geo: atlas.shelves().map(|shelf| GeoFile::of(shelf, now)).collect(),
        warnings,
        operators: app.guard.operators(now).iter().map(OperatorPlace::of).collect(),
    }))
}

impl OperatorPlace {
    pub(crate) fn of(operator: &guard::engine::Operator) -> OperatorPlace {
        let time = |time| clock::rfc3339(Some(time));
        OperatorPlace {
            ip: operator.ip.to_string(),
            name: operator.name.to_string(),
            since: time(operator.since),
            last: time(operator.last),
            until: time(operator.until()),
        }
    }
}

impl SwitchState {
    fn of(switch: &Switch) -> SwitchState {
        let state = switch.state();
        let counts = &switch.counts;
        SwitchState {
            name: switch.name.clone(),
            host: switch.host.clone(),
            port: switch.port,
            connected: switch.is_connected(),
            since: clock::rfc3339(Some(state.since)),
            trouble: state.trouble,
            version: state.version,
            last_event: switch.last_heard().map(|time| clock::rfc3339(Some(time))),
            connection_attempts: counts.attempts.load(Relaxed),
            connection_errors: counts.errors.load(Relaxed),
            events: counts.events.load(Relaxed),
            unwanted: counts.unwanted.load(Relaxed),
            forged: counts.forged.load(Relaxed),
            bad_address: counts.bad_address.load(Relaxed),
            malformed: counts.malformed.load(Relaxed),
            log_read: counts.log.reading.load(Relaxed),
            out_of_reach: switch.learnt.all().iter().take(MOST_OUT_OF_REACH).map(OutOfReach::of).collect(),
        }
    }
}

impl OutOfReach {
    fn of(learnt: &guard::engine::Learnt) -> OutOfReach {
        OutOfReach { ip: learnt.place().to_string(), label: learnt.label.to_string() }
    }
}

/// Addresses of a switch that are listed.
const MOST_OUT_OF_REACH: usize = 100;

impl Counted {
    fn of(counts: &guard::counts::Counts) -> Counted {
        let [bans_forgeable, bans_likely, bans_proven] =
            [0, 1, 2].map(|grade: usize| counts.bans[grade].value());
        let value = Count::value;
        Counted {
            observations: counts.observations(),
            without_source: value(&counts.without_source),
            challenges: value(&counts.challenges),
            registrations: value(&counts.registrations),
            failed: value(&counts.failed),
            wrong_call_states: value(&counts.wrong_call_states),
            calls: value(&counts.calls),
            heard_while_banned: value(&counts.heard_while_banned),
            bans_forgeable,
            bans_likely,
            bans_proven,
            would_ban: value(&counts.would_ban),
            spared: value(&counts.spared),
            hang_ups: value(&counts.hang_ups),
            alerts: value(&counts.alerts),
            ledger_full: value(&counts.ledger_full),
        }
    }
}

impl StoreState {
    fn of(app: &App) -> StoreState {
        let health = app.mirror.store().map(crate::store::Store::health);
        let open = health.is_some();
        let crate::store::Health { failing, committed, errors, waiting, unaudited, .. } =
            health.unwrap_or_default();
        StoreState { open, failing, committed, errors, waiting, unaudited }
    }
}
