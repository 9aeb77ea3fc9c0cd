//! What is told to others: notifications by target, reports to a central repository, captures.

use super::exposition::Family;
use crate::app::App;
use crate::notify::TargetStats;

pub(super) fn families(app: &App) -> Vec<Family> {
    let targets = app.notifier.stats();
    let of = |family: Family, figure: fn(&TargetStats) -> u64| {
        targets
            .iter()
            .fold(family, |family, stats| family.count(&[("target", stats.channel.word())], figure(stats)))
    };
    let reports = app.reports.stats();
    let record = app.recorder.as_ref().map(|recorder| recorder.stats()).unwrap_or_default();
    vec![
        Family::counter("switchward_record_frames", "Events and log lines written to captures.")
            .count(&[], record.frames),
        Family::counter("switchward_record_written_bytes", "Bytes of captures written to the disk.")
            .count(&[], record.bytes),
        Family::counter("switchward_record_dropped", "Events and log lines left out of the captures.")
            .count(&[], record.dropped),
        Family::gauge("switchward_record_waiting_bytes", "Bytes that wait to be written to captures.")
            .count(&[], record.waiting),
        Family::gauge("switchward_record_kept_bytes", "Bytes of all captures.").count(&[], record.kept),
        of(Family::counter("switchward_notifications_sent", "Notifications that a target took."), |s| s.sent),
        of(Family::counter("switchward_notifications_failed", "Tries that failed."), |s| s.failed),
        of(Family::counter("switchward_notifications_retried", "Tries after a failure."), |s| s.retried),
        of(Family::counter("switchward_notifications_dead", "Notifications that were given up."), |s| s.dead),
        of(Family::counter("switchward_notifications_suppressed", "Events told in a digest alone."), |s| {
            s.suppressed
        }),
        of(Family::gauge("switchward_notifications_waiting", "Notifications that wait."), |s| {
            s.waiting as u64
        }),
        Family::counter("switchward_reports_sent", "Bans that the central repository took.")
            .count(&[], reports.sent),
        Family::counter("switchward_reports_failed", "Bans that it did not take.").count(&[], reports.failed),
        Family::gauge("switchward_reports_waiting", "Bans that wait to be reported.")
            .count(&[], reports.waiting as u64),
    ]
}
