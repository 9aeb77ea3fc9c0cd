//! The switches: connections, events, how fast they are judged.

use super::exposition::Family;
use crate::app::App;
use crate::switch::Counts;
use extract::freeswitch::KINDS;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) fn families(app: &App) -> Vec<Family> {
    let mut connected = Family::gauge("switchward_switch_connected", "Whether the switch's events are read.");
    let mut heard = Family::gauge(
        "switchward_switch_last_heard_timestamp_seconds",
        "When something came from the switch last; absent before anything did.",
    );
    let mut events = Family::counter("switchward_events", "Events that the guard wants, by kind.");
    let mut ignored = Family::counter(
        "switchward_events_ignored",
        "Events that were ignored: unwanted, forged by a client of the event socket, with a bad-address, or malformed.",
    );
    let mut verdict = Family::histogram(
        "switchward_verdict_duration_seconds",
        "From the read of the socket to a verdict, for events that led to one.",
    );
    let mut batch = Family::histogram(
        "switchward_batch_duration_seconds",
        "From the read of the socket until all that it held was judged.",
    );
    for switch in &app.switches {
        let (name, counts) = (switch.name.as_str(), &switch.counts);
        connected = connected.flag(&[("switch", name)], switch.is_connected());
        if let Some(time) = switch.last_heard() {
            heard = heard.number(&[("switch", name)], time.micros() as f64 / 1e6);
        }
        for (kind, count) in KINDS.iter().zip(&counts.kinds) {
            events = events.count(&[("switch", name), ("kind", kind)], count.load(Relaxed));
        }
        for (reason, count) in [
            ("unwanted", &counts.unwanted),
            ("forged", &counts.forged),
            ("bad-address", &counts.bad_address),
            ("malformed", &counts.malformed),
        ] {
            ignored = ignored.count(&[("switch", name), ("reason", reason)], count.load(Relaxed));
        }
        verdict = verdict.durations(&[("switch", name)], &counts.verdict);
        batch = batch.durations(&[("switch", name)], &counts.batch);
    }
    let mut log = Family::counter(
        "switchward_log_lines",
        "Lines of the switch's log: read; of those matched (they became observations), repeated (an event tells the same), \
         ambiguous (they can be read in two ways and were refused) or skipped (too many in a second).",
    );
    let mut log_read = Family::gauge("switchward_switch_log_read", "Whether the switch's log is read.");
    for switch in &app.switches {
        let (name, lines) = (switch.name.as_str(), &switch.counts.log);
        log_read = log_read.flag(&[("switch", name)], lines.reading.load(Relaxed));
        for (state, count) in [
            ("read", &lines.read),
            ("matched", &lines.matched),
            ("repeated", &lines.repeated),
            ("ambiguous", &lines.ambiguous),
            ("skipped", &lines.skipped),
        ] {
            log = log.count(&[("switch", name), ("state", state)], count.load(Relaxed));
        }
    }
    let each = |family: Family, count: fn(&Counts) -> &AtomicU64| {
        let switches = app.switches.iter();
        switches.fold(family, |family, switch| {
            family.count(&[("switch", &switch.name)], count(&switch.counts).load(Relaxed))
        })
    };
    let attempts =
        Family::counter("switchward_switch_connection_attempts", "Attempts to connect to the switch.");
    let connections =
        Family::counter("switchward_switch_connections", "Connections to the switch that were made.");
    let errors = Family::counter(
        "switchward_switch_connection_errors",
        "Attempts to connect to the switch that failed, and connections that broke.",
    );
    let killed = Family::counter(
        "switchward_switch_killed_listener",
        "Times that the switch dropped the connection because it was read too slowly; events were lost.",
    );
    vec![
        connected,
        heard,
        each(attempts, |counts| &counts.attempts),
        each(connections, |counts| &counts.connects),
        each(errors, |counts| &counts.errors),
        each(killed, |counts| &counts.killed),
        events,
        ignored,
        log_read,
        log,
        verdict,
        batch,
    ]
}
