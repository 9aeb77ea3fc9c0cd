//! How the broker stands: the rules in force, its connections to the switches, what was counted.

use crate::app::App;
use crate::http::extract::Json;
use ::broker::desk::Door;
use ::broker::upstream::{Counts, Link};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use utoipa::ToSchema;

/// How the broker stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerView {
    /// The roles that there are.
    pub roles: Vec<String>,
    /// The names that rules are written for in `broker.user`.
    pub users: Vec<String>,
    /// Whether every order is written down before it is sent.
    pub audited: bool,
    /// Orders of each door since the start.
    pub doors: Vec<DoorCounts>,
    /// Orders about which rules in shadow would have said something else.
    pub shadow: u64,
    /// The connections to each switch.
    pub switches: Vec<BrokerSwitch>,
    /// Background jobs of the HTTP interface.
    pub jobs: JobCounts,
    /// Live streams of the HTTP interface, those of the daemon's own news included.
    pub streams: u64,
    /// Events that readers of the HTTP interface missed because they were too slow.
    pub events_missed: u64,
}

/// Orders of one door since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoorCounts {
    /// "http", "https", "socket", "esl", "esl-tls", "esl-socket".
    pub door: String,
    /// Those that were carried out.
    pub allowed: u64,
    /// Those that were refused.
    pub refused: u64,
}

/// Background jobs of the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCounts {
    /// Those that run.
    pub running: u64,
    /// Those, and the ended ones whose result is kept.
    pub kept: u64,
}

/// The broker's connections to one switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerSwitch {
    /// Its name in the configuration.
    pub name: String,
    /// Those for commands.
    pub commands: LinkView,
    /// The one for background jobs.
    pub jobs: LinkView,
    /// The one for events and log lines.
    pub events: LinkView,
    /// Commands that wait for a connection.
    pub waiting: u64,
    /// Connections for commands in use.
    pub busy: u64,
    /// Connections for commands at rest.
    pub idle: u64,
    /// Background jobs that run.
    pub running_jobs: u64,
    /// Who follows its events.
    pub followers: u64,
    /// Commands that were sent.
    pub sent: u64,
    /// Commands without an answer in time.
    pub timed_out: u64,
    /// Commands without an answer because the connection was lost.
    pub lost: u64,
    /// Commands that were not sent because too many waited.
    pub turned_away: u64,
    /// Times that the connection for events was lost: each time an unknown number of events is missing.
    pub gaps: u64,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// Whether it is there.
    pub connected: bool,
    /// For how long, or since when not and why.
    pub text: String,
}

/// How the broker stands: rules, connections, counts.
#[utoipa::path(
    get,
    path = "/security/broker",
    tag = "switch",
    responses((status = 200, description = "How it stands", body = BrokerView))
)]
pub(in crate::http) async fn overview(State(app): State<Arc<App>>) -> Json<BrokerView> {
    let config = app.config.load();
    let rules = app.desk.rules();
    let (running, kept) = app.jobs.count();
    let doors = Door::ALL.map(|door| {
        let (allowed, refused) = app.desk.counts.of(door);
        DoorCounts { door: door.word().to_owned(), allowed, refused }
    });
    let switches = app.desk.switches().iter().map(|switch| {
        let (state, counts) = (switch.upstream.state(), switch.upstream.counts());
        let links = [&state.commands, &state.jobs, &state.events].map(link);
        view(&switch.name, links, &counts)
    });
    Json(BrokerView {
        roles: rules.book.role_names().into_iter().map(str::to_owned).collect(),
        users: config.broker.users.iter().map(|user| user.name.clone()).collect(),
        audited: app.desk.is_audited(),
        doors: doors.into(),
        shadow: app.desk.counts.shadow.load(Relaxed),
        switches: switches.collect(),
        jobs: JobCounts { running: running as u64, kept: kept as u64 },
        streams: app.monitor.streams.count() as u64,
        events_missed: app.monitor.events_missed.value(),
    })
}

fn view(name: &str, [commands, jobs, events]: [LinkView; 3], counts: &Counts) -> BrokerSwitch {
    BrokerSwitch {
        name: name.to_owned(),
        commands,
        jobs,
        events,
        waiting: counts.waiting as u64,
        busy: counts.busy as u64,
        idle: counts.idle as u64,
        running_jobs: counts.jobs as u64,
        followers: counts.followers as u64,
        sent: counts.commands,
        timed_out: counts.timed_out,
        lost: counts.lost,
        turned_away: counts.refused,
        gaps: counts.gaps,
    }
}

fn link(link: &Link) -> LinkView {
    LinkView { connected: link.is_up(), text: link.to_string() }
}
