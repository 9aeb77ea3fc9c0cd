//! The guard and its connection to the switch in figures, in the predecessor's words.

use super::extract::Json;
use crate::app::App;
use crate::clock;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use utoipa::ToSchema;

/// The guard at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether the guard is on.
    pub enabled: bool,
    /// Whether rules ban.
    pub auto_block: bool,
    /// Allow entries.
    pub whitelist_count: usize,
    /// Bans.
    pub blacklist_count: usize,
    /// Whether the first switch's events are read.
    pub esl_connected: bool,
    /// Its host.
    pub esl_host: String,
    /// Its port.
    pub esl_port: String,
}

/// What was counted since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Registrations that succeeded.
    pub total_registrations: u64,
    /// Refused credentials.
    pub failed_registrations: u64,
    /// Bans that rules made.
    pub blocked_attempts: u64,
    /// Challenged calls that never came back.
    pub wrong_call_states: u64,
    /// The last success.
    #[schema(format = DateTime)]
    pub last_registration_time: String,
    /// The last refusal.
    #[schema(format = DateTime)]
    pub last_failed_time: String,
    /// The last abandoned call.
    #[schema(format = DateTime)]
    pub last_wrong_call_state_time: String,
    /// Allow entries.
    pub active_whitelist_entries: usize,
    /// Bans.
    pub active_blacklist_entries: usize,
    /// Bans reported to the central repository.
    pub reports_sent: u64,
    /// Reports that failed.
    pub reports_failed: u64,
}

/// The connection for events of the first switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Esl {
    /// Whether its events are read.
    pub connected: bool,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: String,
    /// Attempts to connect.
    pub connection_attempts: u64,
    /// Attempts that failed, and connections that broke.
    pub connection_errors: u64,
    /// Events read; each is judged as it is read.
    pub events_processed: u64,
    /// Always 0: no event waits.
    pub events_queued: u64,
    /// Always 0: no event is dropped.
    pub events_dropped: u64,
    /// The log's level.
    pub log_level: String,
    /// Readers, one for each switch.
    pub worker_count: usize,
    /// Always 0, see `events_queued`.
    pub queue_length: u64,
    /// Always 0, see `events_queued`.
    pub queue_capacity: u64,
}

/// A queue behind the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What waits now.
    pub length: u64,
    /// Most that may wait; `null` when it grows as it must, because a ban is never dropped.
    pub capacity: Option<u64>,
    /// Most that ever waited; `null` when that is not counted.
    pub high_water_mark: Option<u64>,
    /// What was dropped.
    pub dropped: u64,
    /// How often the capacity was changed.
    pub resizes: u64,
}

/// The guard at a glance.
#[utoipa::path(
    get,
    path = "/security/status",
    tag = "state",
    responses((status = 200, description = "Its state", body = Status))
)]
pub(super) async fn status(State(app): State<Arc<App>>) -> Json<Status> {
    let config = app.config.load();
    let (blacklist_count, whitelist_count) = app.guard.ledger().sizes();
    let switch = app.switches.first();
    Json(Status {
        enabled: config.security.enabled,
        auto_block: config.security.auto_block_enabled,
        whitelist_count,
        blacklist_count,
        esl_connected: switch.is_some_and(|switch| switch.is_connected()),
        esl_host: switch.map(|switch| switch.host.clone()).unwrap_or_default(),
        esl_port: switch.map(|switch| switch.port.to_string()).unwrap_or_default(),
    })
}

/// What was counted since the start, and how long the lists are.
#[utoipa::path(
    get,
    path = "/security/stats",
    tag = "state",
    responses((status = 200, description = "The figures", body = Stats))
)]
pub(super) async fn stats(State(app): State<Arc<App>>) -> Json<Stats> {
    let counts = app.guard.counts();
    let (active_blacklist_entries, active_whitelist_entries) = app.guard.ledger().sizes();
    Json(Stats {
        total_registrations: counts.registrations.value(),
        failed_registrations: counts.failed.value(),
        blocked_attempts: counts.all_bans(),
        wrong_call_states: counts.wrong_call_states.value(),
        last_registration_time: clock::rfc3339(counts.last_registration()),
        last_failed_time: clock::rfc3339(counts.last_failed()),
        last_wrong_call_state_time: clock::rfc3339(counts.last_wrong_call_state()),
        active_whitelist_entries,
        active_blacklist_entries,
        reports_sent: 0,
        reports_failed: 0,
    })
}

/// The connection for events of the first switch.
#[utoipa::path(
    get,
    path = "/security/esl",
    tag = "switch",
    responses((status = 200, description = "Its state", body = Esl))
)]
pub(super) async fn esl(State(app): State<Arc<App>>) -> Json<Esl> {
    let switch = app.switches.first();
    let count = |count: fn(&crate::switch::Counts) -> &AtomicU64| {
        switch.map_or(0, |switch| count(&switch.counts).load(Relaxed))
    };
    Json(Esl {
        connected: switch.is_some_and(|switch| switch.is_connected()),
        host: switch.map(|switch| switch.host.clone()).unwrap_or_default(),
        port: switch.map(|switch| switch.port.to_string()).unwrap_or_default(),
        connection_attempts: count(|counts| &counts.attempts),
        connection_errors: count(|counts| &counts.errors),
        events_processed: count(|counts| &counts.events),
        events_queued: 0,
        events_dropped: 0,
        log_level: app.log.level().to_string(),
        worker_count: app.switches.len(),
        queue_length: 0,
        queue_capacity: 0,
    })
}

/// The queues behind the verdict, by name.
#[utoipa::path(
    get,
    path = "/security/channels",
    tag = "state",
    responses((status = 200, description = "The queues", body = BTreeMap<String, Channel>))
)]
pub(super) async fn channels(State(app): State<Arc<App>>) -> Json<BTreeMap<String, Channel>> {
    let mut channels = BTreeMap::new();
    let mut add = |name: &str, length: u64, high_water_mark: Option<u64>| {
        let channel =
            Channel { name: name.into(), length, capacity: None, high_water_mark, dropped: 0, resizes: 0 };
        channels.insert(name.to_owned(), channel);
    };
    if let Some(writer) = app.mirror.firewall() {
        let stats = writer.stats();
        add("firewall", stats.queue_depth as u64, Some(stats.queue_high_water));
    }
    if let Some(store) = app.mirror.store() {
        add("store", store.health().waiting, None);
    }
    Json(channels)
}
