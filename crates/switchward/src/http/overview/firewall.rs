//! The kernel's part of the overview: whether bans are enforced, what the kernel holds, how fast the writer is.

use super::super::blocking;
use super::super::why::unenforced;
use crate::app::App;
use netfilter::{LATENCY_BOUNDS, Writer, WriterStats};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// The kernel's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallState {
    /// Whether a ban drops packets.
    pub enforcing: bool,
    /// Why it does not.
    pub unenforced: Option<String>,
    /// The configured mode.
    pub mode: String,
    /// The mechanism in use; `null` without a firewall, or when its thread does not answer.
    pub backend: Option<String>,
    /// What of ours is missing in the kernel or was changed; empty is healthy.
    pub problems: Vec<String>,
    /// What was wished for and is not in the kernel, and why.
    pub degraded: Option<String>,
    /// Bans that the kernel holds; `null` without a firewall.
    pub bans_in_kernel: Option<u64>,
    /// Whether the kernel itself told that number, or the writer counted.
    pub told_by_kernel: bool,
    /// The kernel's sets.
    pub sets: Vec<SetState>,
    /// What the writer did; `null` without a firewall.
    pub writer: Option<WriterState>,
    /// The ports that a ban of the SIP ports closes, as the configuration writes them; "0-65535" in ipset mode.
    #[serde(default)]
    pub sip_ports: Vec<String>,
    /// Those of them that are not in the configuration, but told by a switch.
    #[serde(default)]
    pub learnt_sip_ports: Vec<SipPort>,
    /// Ports of the switches' profiles that such a ban does not close.
    #[serde(default)]
    pub open_sip_ports: Vec<OpenSipPort>,
}

/// A port that a switch's profile listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SipPort {
    /// The port.
    pub port: u16,
    /// Whose: "profile internal of freeswitch".
    pub of: String,
}

/// A port of a profile that a ban of the SIP ports does not close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenSipPort {
    /// The port.
    pub port: u16,
    /// Whose: "profile internal of freeswitch".
    pub of: String,
    /// What to do.
    pub mend: String,
}

/// One set of the kernel, as the kernel tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetState {
    /// Its name.
    pub name: String,
    /// Its elements (two for a port's ban in ipset mode); `null` when the kernel does not tell without a listing.
    pub elements: Option<u64>,
    /// How many it may hold.
    pub capacity: u32,
}

/// What the firewall's writer did since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WriterState {
    /// Jobs that wait.
    pub queue_length: usize,
    /// The most that ever waited.
    pub queue_high_water_mark: u64,
    /// Changes handed in.
    pub submitted: u64,
    /// Changes that the kernel took.
    pub applied: u64,
    /// Changes that the kernel did not take.
    pub failed: u64,
    /// Changes that would have hit a protected network.
    pub refused: u64,
    /// Times that the list was put in again after a failure.
    pub retried: u64,
    /// Runs of changes carried out together.
    pub batches: u64,
    /// Times that everything was put in anew.
    pub rebuilds: u64,
    /// Times that somebody else had destroyed or changed what is ours.
    pub foreign_flushes: u64,
    /// Connection-tracking entries removed.
    pub conntrack_removed: u64,
    /// Why something failed last.
    pub last_error: Option<String>,
    /// From the verdict's submission to the kernel's answer.
    pub latency: Latency,
}

/// How long bans took to be in the kernel, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// Bans measured.
    pub count: u64,
    /// The last one.
    pub last_us: u64,
    /// The mean.
    pub mean_us: f64,
    /// How many took at most so long; the last bucket has no bound.
    pub buckets: Vec<Bucket>,
}

/// One bucket of a histogram; not cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// Its upper bound in microseconds; `null` for none.
    pub up_to_us: Option<u64>,
    /// How many.
    pub count: u64,
}

/// Asks the writer, and through it the kernel.
pub(super) async fn firewall(app: &App) -> FirewallState {
    let mut state = FirewallState {
        enforcing: app.is_enforcing(),
        unenforced: unenforced(app),
        mode: app.config.load().firewall.mode.to_string(),
        backend: None,
        problems: Vec::new(),
        degraded: None,
        bans_in_kernel: None,
        told_by_kernel: false,
        sets: Vec::new(),
        writer: None,
        sip_ports: Vec::new(),
        learnt_sip_ports: Vec::new(),
        open_sip_ports: Vec::new(),
    };
    let Some(writer) = app.mirror.firewall() else { return state };
    ask_health(writer.clone(), &mut state).await;
    let ports = crate::ports::look(app);
    state.sip_ports = ports.ranges();
    let of = |one: &crate::ports::Learnt| SipPort { port: one.port, of: one.of.to_string() };
    state.learnt_sip_ports = ports.learnt.iter().map(of).collect();
    let open = |one: &crate::ports::Open| OpenSipPort {
        port: one.port,
        of: one.of.to_string(),
        mend: one.mend.into(),
    };
    state.open_sip_ports = ports.open.iter().map(open).collect();
    let stats = writer.stats();
    state.degraded.clone_from(&stats.degraded);
    let told = told_bans(&state, &app.config.load().security.ipset_name);
    state.told_by_kernel = told.is_some();
    state.bans_in_kernel = told.or(Some(stats.elements)).filter(|_| state.enforcing).or(Some(0));
    state.writer = Some(WriterState::of(stats));
    state
}

/// How many bans the kernel says that its sets hold, when it says so for each.
fn told_bans(state: &FirewallState, ipset: &str) -> Option<u64> {
    if state.sets.is_empty() {
        return None;
    }
    // UDP and TCP are two elements of an ipset with ports.
    let per_ban = |name: &str| if matches!(name.strip_prefix(ipset), Some("p" | "6p")) { 2 } else { 1 };
    state.sets.iter().map(|set| Some(set.elements? / per_ban(&set.name))).sum()
}

/// Asks the writer's thread how the kernel is doing; a thread that is stuck is a problem to be told, not one to share.
async fn ask_health(writer: Writer, state: &mut FirewallState) {
    let asked = blocking(move || writer.health());
    match tokio::time::timeout(LONGEST, asked).await {
        Ok(Ok(Ok(health))) => {
            state.backend = Some(health.backend.to_string());
            state.problems = health.problems;
            let shown = |set: netfilter::SetHealth| SetState {
                name: set.name,
                elements: set.elements,
                capacity: set.max,
            };
            state.sets = health.sets.into_iter().map(shown).collect();
        }
        Ok(Ok(Err(error))) => {
            state.problems.push(format!("the kernel does not tell how it is doing: {error}"));
        }
        Ok(Err(error)) => state.problems.push(error.to_string()),
        Err(_) => state.problems.push("the firewall's thread does not answer".into()),
    }
}

impl WriterState {
    fn of(stats: WriterStats) -> WriterState {
        let count: u64 = stats.latency.iter().sum();
        let bounds = LATENCY_BOUNDS.into_iter().map(Some).chain([None]);
        let buckets = bounds.zip(stats.latency).map(|(up_to_us, count)| Bucket { up_to_us, count });
        WriterState {
            queue_length: stats.queue_depth,
            queue_high_water_mark: stats.queue_high_water,
            submitted: stats.submitted,
            applied: stats.applied,
            failed: stats.failed,
            refused: stats.refused,
            retried: stats.retried,
            batches: stats.batches,
            rebuilds: stats.rebuilds,
            foreign_flushes: stats.foreign_flushes,
            conntrack_removed: stats.conntrack_removed,
            last_error: stats.last_error,
            latency: Latency {
                count,
                last_us: stats.last_latency_us,
                mean_us: stats.latency_sum_us as f64 / count.max(1) as f64,
                buckets: buckets.collect(),
            },
        }
    }
}

/// The longest that the firewall's thread may take to say how it is doing.
const LONGEST: Duration = Duration::from_secs(3);
