//! The figures that the stream tells periodically: totals since the start, of which a reader makes rates.

use crate::app::App;
use crate::clock;
use crate::switch::Switch;
use guard::counts::Count;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::Relaxed;
use utoipa::ToSchema;

/// Totals since the start of the daemon, and what is at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// When they were read.
    pub at: String,
    /// The same in microseconds since 1970, for rates.
    pub at_micros: u64,
    /// The switches.
    pub switches: Vec<SwitchCounters>,
    /// Observations.
    pub observations: u64,
    /// Registrations that succeeded.
    pub registrations: u64,
    /// Refused credentials.
    pub failed: u64,
    /// Inbound calls.
    pub calls: u64,
    /// Challenged calls that never came back.
    pub wrong_call_states: u64,
    /// Bans that rules made.
    pub bans_made: u64,
    /// Bans that would have been made if rules banned.
    pub would_ban: u64,
    /// Rules that fired and spared the source.
    pub spared: u64,
    /// Calls to be hung up.
    pub hang_ups: u64,
    /// Alerts.
    pub alerts: u64,
    /// Bans in the ledger now.
    pub bans: u64,
    /// Allow entries now.
    pub allows: u64,
    /// Bans in the kernel now by the writer's count; `null` when nothing enforces.
    pub bans_in_kernel: Option<u64>,
    /// Changes that wait for the kernel now.
    pub firewall_queue: u64,
    /// How long the last ban took from the verdict to the kernel, in microseconds.
    pub last_ban_us: u64,
    /// Changes that wait for the disk now.
    pub store_queue: u64,
    /// Alarms that are on.
    pub alarms: u64,
    /// Live streams now.
    pub streams: u64,
}

/// The totals of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchCounters {
    /// Its name.
    pub name: String,
    /// Whether its events are read.
    pub connected: bool,
    /// Events read.
    pub events: u64,
    /// Events that a client of the event socket forged.
    pub forged: u64,
    /// Frames that were no event although they said so.
    pub malformed: u64,
}

impl Counters {
    pub(super) fn now(app: &App) -> Counters {
        let (counts, now) = (app.guard.counts(), clock::now());
        let (bans, allows) = app.guard.ledger().sizes();
        let kernel = app.mirror.firewall().map(netfilter::Writer::stats);
        let value = Count::value;
        Counters {
            at: clock::exact(now),
            at_micros: now.micros(),
            switches: app.switches.iter().map(|switch| SwitchCounters::now(switch)).collect(),
            observations: counts.observations(),
            registrations: value(&counts.registrations),
            failed: value(&counts.failed),
            calls: value(&counts.calls),
            wrong_call_states: value(&counts.wrong_call_states),
            bans_made: counts.all_bans(),
            would_ban: value(&counts.would_ban),
            spared: value(&counts.spared),
            hang_ups: value(&counts.hang_ups),
            alerts: value(&counts.alerts),
            bans: bans as u64,
            allows: allows as u64,
            bans_in_kernel: kernel.as_ref().filter(|_| app.is_enforcing()).map(|stats| stats.elements),
            firewall_queue: kernel.as_ref().map_or(0, |stats| stats.queue_depth as u64),
            last_ban_us: kernel.as_ref().map_or(0, |stats| stats.last_latency_us),
            store_queue: app.mirror.store().map_or(0, |store| store.health().waiting),
            alarms: app.monitor.alarms.active().len() as u64,
            streams: app.monitor.streams.count() as u64,
        }
    }
}

impl SwitchCounters {
    fn now(switch: &Switch) -> SwitchCounters {
        let counts = &switch.counts;
        SwitchCounters {
            name: switch.name.clone(),
            connected: switch.is_connected(),
            events: counts.events.load(Relaxed),
            forged: counts.forged.load(Relaxed),
            malformed: counts.malformed.load(Relaxed),
        }
    }
}
