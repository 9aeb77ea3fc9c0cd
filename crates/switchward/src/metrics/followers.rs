//! What follows the ledger: the kernel, the store, the news, and the queues to them.

use super::exposition::Family;
use super::judgement::by_kind;
use crate::app::App;
use crate::news::KEPT;
use netfilter::{LATENCY_BOUNDS, WriterStats};

pub(super) fn families(app: &App) -> Vec<Family> {
    let stats = app.mirror.firewall().map(netfilter::Writer::stats);
    let mut families = vec![
        app.monitor.alarms.counts().iter().fold(
            Family::gauge("switchward_alarm_active", "Alarms that are on, by kind."),
            |family, (kind, count)| {
                family.count(&[("alarm", kind.name), ("severity", kind.severity.word())], *count)
            },
        ),
        Family::gauge("switchward_enforcing", "Whether a ban drops packets.").flag(&[], app.is_enforcing()),
    ];
    families.extend(queues(app, stats.as_ref()));
    if let Some(stats) = &stats {
        families.extend(kernel(app, stats));
    }
    families.extend(store(app));
    families.extend(audit(app));
    families
}

fn kernel(app: &App, stats: &WriterStats) -> Vec<Family> {
    let changes = Family::counter(
        "switchward_firewall_changes",
        "Changes handed to the firewall, by what became of them: applied, failed, or refused by the protection.",
    );
    let plain = |name, help, count| Family::counter(name, help).count(&[], count);
    let mut families = vec![
        Family::gauge(
            "switchward_firewall_degraded",
            "Whether something that was wished for is not in the kernel.",
        )
        .flag(&[], stats.degraded.is_some()),
        changes
            .count(&[("result", "applied")], stats.applied)
            .count(&[("result", "failed")], stats.failed)
            .count(&[("result", "refused")], stats.refused),
        plain("switchward_firewall_batches", "Runs of changes carried out together.", stats.batches),
        plain(
            "switchward_firewall_errors",
            "Times that the kernel did not do what netlink asked.",
            stats.errors,
        ),
        plain(
            "switchward_firewall_retries",
            "Times that the list was put in again after a failure.",
            stats.retried,
        ),
        plain("switchward_firewall_rebuilds", "Times that everything was put in anew.", stats.rebuilds),
        plain(
            "switchward_firewall_foreign_changes",
            "Times that somebody else had destroyed or changed what is ours.",
            stats.foreign_flushes,
        ),
        plain(
            "switchward_conntrack_removed",
            "Connection-tracking entries removed.",
            stats.conntrack_removed,
        ),
        Family::histogram(
            "switchward_kernel_duration_seconds",
            "From a verdict to the kernel's answer that it drops the source.",
        )
        .buckets(
            &[],
            LATENCY_BOUNDS.map(|micros| micros as f64 / 1e6),
            stats.latency,
            stats.latency_sum_us as f64 / 1e6,
        ),
    ];
    if app.is_enforcing() {
        let (bans, _) = app.guard.ledger().sizes();
        families.push(by_kind(Family::gauge("switchward_kernel_bans", "Bans in the kernel."), &stats.census));
        families.push(
            Family::gauge(
                "switchward_kernel_bans_missing",
                "Bans in the ledger less bans in the kernel; changes on their way make it other than 0 for a moment.",
            )
            .number(&[], bans as f64 - stats.elements as f64),
        );
    }
    families
}

fn queues(app: &App, stats: Option<&WriterStats>) -> [Family; 4] {
    let news = app.mirror.news().told();
    let mut length = Family::gauge("switchward_queue_length", "What waits now.");
    let mut peak = Family::gauge("switchward_queue_length_peak", "The most that ever waited.");
    if let Some(stats) = stats {
        length = length.count(&[("queue", "firewall")], stats.queue_depth as u64);
        peak = peak.count(&[("queue", "firewall")], stats.queue_high_water);
    }
    if let Some(store) = app.mirror.store() {
        let health = store.health();
        length = length.count(&[("queue", "store")], health.waiting);
        peak = peak.count(&[("queue", "store")], health.most_waiting);
    }
    let kept = news.min(KEPT as u64);
    [
        length.count(&[("queue", "news")], kept),
        peak.count(&[("queue", "news")], kept),
        Family::gauge(
            "switchward_queue_limit",
            "The most that may wait; absent for a queue that grows as it must, because a ban is never dropped.",
        )
        .count(&[("queue", "news")], KEPT as u64),
        Family::counter("switchward_queue_dropped", "What was dropped, and what a follower of the news has missed.")
            .count(&[("queue", "store")], app.mirror.store().map_or(0, |store| store.health().dropped))
            .count(&[("queue", "audit")], app.mirror.store().map_or(0, |store| store.health().unaudited))
            .count(&[("queue", "news")], app.monitor.streams.missed.value()),
    ]
}

fn store(app: &App) -> Vec<Family> {
    let open = Family::gauge(
        "switchward_store_open",
        "Whether there is a store; without it nothing survives a restart.",
    );
    let Some(health) = app.mirror.store().map(crate::store::Store::health) else {
        return vec![open.flag(&[], false)];
    };
    vec![
        open.flag(&[], true),
        Family::gauge("switchward_store_failing", "Whether the last write failed.")
            .flag(&[], health.failing.is_some()),
        Family::counter("switchward_store_changes", "Changes committed.").count(&[], health.committed),
        Family::counter("switchward_store_errors", "Commits that failed.").count(&[], health.errors),
    ]
}

fn audit(app: &App) -> Vec<Family> {
    let health = app.trail.journal.health();
    let (newest, indexed) = app.trail.ends();
    vec![
        Family::counter("switchward_audit_entries", "Entries of the audit of commands that were written.")
            .count(&[], health.entries),
        Family::counter(
            "switchward_audit_failures",
            "Times that the audit of commands could not be written.",
        )
        .count(&[], health.failures),
        Family::gauge("switchward_audit_failing", "Whether the audit of commands cannot be written.")
            .flag(&[], health.failing.is_some()),
        Family::gauge(
            "switchward_audit_unindexed",
            "Lines of the audit of commands that cannot be searched yet.",
        )
        .count(&[], newest.saturating_sub(indexed)),
        Family::counter(
            "switchward_audit_unreadable",
            "Lines of the audit of commands that the index could not read.",
        )
        .count(&[], app.trail.unreadable()),
    ]
}
