//! The broker: orders by door and decision, how long they took, its connections to the switches, jobs, who follows events.

use super::exposition::Family;
use crate::app::App;
use ::broker::desk::{Counts, Door};
use ::broker::upstream;

pub(super) fn families(app: &App) -> Vec<Family> {
    let counts = &app.desk.counts;
    let mut orders = Family::counter(
        "switchward_broker_commands",
        "Commands and other orders for a switch, by the door and the decision.",
    );
    for door in Door::ALL {
        let (allowed, refused) = counts.of(door);
        orders = orders
            .count(&[("door", door.word()), ("decision", "allowed")], allowed)
            .count(&[("door", door.word()), ("decision", "refused")], refused);
    }
    let shadow = counts.shadow.load(std::sync::atomic::Ordering::Relaxed);
    let (took, sum) = counts.took();
    let (running, kept) = app.jobs.count();
    let mut families = vec![
        orders,
        Family::counter(
            "switchward_broker_shadow",
            "Orders that were carried out and would not have been if the rules in shadow were heeded, or the other way round.",
        )
        .count(&[], shadow),
        Family::histogram(
            "switchward_broker_duration_seconds",
            "From the decision about an order to its answer.",
        )
        .buckets(&[], Counts::BOUNDS.map(|bound| bound.as_secs_f64()), took, sum),
        Family::gauge("switchward_broker_http_jobs", "Background jobs of the HTTP interface that are running.")
            .number(&[], running as f64),
        Family::gauge("switchward_broker_http_jobs_kept", "Those, and the ended ones whose result is kept.")
            .number(&[], kept as f64),
        Family::counter(
            "switchward_broker_http_events_missed",
            "Events that readers of the HTTP interface missed because they were too slow.",
        )
        .count(&[], app.monitor.events_missed.value()),
    ];
    families.extend(connections(app));
    families
}

/// The connections to the switches.
fn connections(app: &App) -> Vec<Family> {
    let mut connected = Family::gauge(
        "switchward_broker_connected",
        "Whether the broker is connected to the switch, by what the connection is for.",
    );
    for switch in app.desk.switches() {
        let state = switch.upstream.state();
        for (purpose, link) in
            [("commands", &state.commands), ("jobs", &state.jobs), ("events", &state.events)]
        {
            connected = connected.flag(&[("switch", &switch.name), ("for", purpose)], link.is_up());
        }
    }
    let read: Vec<_> =
        app.desk.switches().iter().map(|switch| (switch.name.clone(), switch.upstream.counts())).collect();
    let each = |family: Family, count: fn(&upstream::Counts) -> u64| {
        read.iter().fold(family, |family, (name, counts)| family.count(&[("switch", name)], count(counts)))
    };
    let now = |family: Family, count: fn(&upstream::Counts) -> usize| {
        read.iter()
            .fold(family, |family, (name, counts)| family.number(&[("switch", name)], count(counts) as f64))
    };
    vec![
        connected,
        each(
            Family::counter("switchward_broker_sent", "Commands sent to the switch, jobs left out."),
            |counts| counts.commands,
        ),
        each(
            Family::counter(
                "switchward_broker_retried",
                "Commands that were sent once more because the connection was lost.",
            ),
            |counts| counts.retried,
        ),
        each(
            Family::counter("switchward_broker_timed_out", "Commands without an answer in time."),
            |counts| counts.timed_out,
        ),
        each(
            Family::counter(
                "switchward_broker_lost",
                "Commands without an answer because the connection was lost.",
            ),
            |counts| counts.lost,
        ),
        each(
            Family::counter(
                "switchward_broker_turned_away",
                "Commands that were not sent because too many waited.",
            ),
            |counts| counts.refused,
        ),
        now(Family::gauge("switchward_broker_waiting", "Commands that wait for a connection."), |counts| {
            counts.waiting
        }),
        now(
            Family::gauge("switchward_broker_connections_busy", "Connections for commands in use."),
            |counts| counts.busy,
        ),
        now(
            Family::gauge("switchward_broker_connections_idle", "Connections for commands at rest."),
            |counts| counts.idle,
        ),
        now(Family::gauge("switchward_broker_jobs", "Background jobs that run, of all doors."), |counts| {
            counts.jobs
        }),
        each(
            Family::counter("switchward_broker_events", "Events that came from the switch for callers."),
            |counts| counts.events,
        ),
        now(Family::gauge("switchward_broker_followers", "Who follows the switch's events."), |counts| {
            counts.followers
        }),
        each(
            Family::counter(
                "switchward_broker_gaps",
                "Times that the connection for events was lost: each time an unknown number of events is missing.",
            ),
            |counts| counts.gaps,
        ),
    ]
}
