//! What the guard saw and decided, how full its tables are, and the ledger.

use super::exposition::Family;
use crate::app::App;
use guard::Evidence;
use guard::counts::{Count, Outcome};
use guard::observation::WHATS;

pub(super) fn families(app: &App) -> Vec<Family> {
    let counts = app.guard.counts();
    let mut seen = Family::counter(
        "switchward_observations",
        "What the switches saw sources do, by how hard it is to forge.",
    );
    for (what, grades) in WHATS.iter().zip(&counts.seen) {
        seen = graded(seen, &[("what", what)], grades);
    }
    let mut decisions = Family::counter(
        "switchward_decisions",
        "Rules that fired, by what became of it: ban, would-ban, alert, spared, ledger-full.",
    );
    for (slot, rule) in app.guard.rule_names().iter().enumerate() {
        let Some(outcomes) = counts.decisions.of(slot) else { continue };
        for (outcome, grades) in Outcome::ALL.iter().zip(outcomes) {
            decisions = graded(decisions, &[("rule", rule), ("outcome", outcome.word())], grades);
        }
    }
    let plain = |name, help, count: &Count| Family::counter(name, help).count(&[], count.value());
    let mut families = vec![
        seen,
        decisions,
        plain(
            "switchward_observations_without_source",
            "Observations that name no source address.",
            &counts.without_source,
        ),
        plain(
            "switchward_heard_while_banned",
            "Strikes of sources that were banned already.",
            &counts.heard_while_banned,
        ),
        plain("switchward_hang_ups", "Calls to be hung up.", &counts.hang_ups),
        plain("switchward_alerts", "Things that the guard had for a person.", &counts.alerts),
    ];
    families.push(unseen(app));
    families.extend(tables(app));
    families.extend(ledger(app));
    families
}

/// What became of calls whose events were lost.
fn unseen(app: &App) -> Family {
    let counts = app.guard.fraud().counts();
    Family::counter(
        "switchward_fraud_unseen_calls",
        "Calls that had begun or ended unseen, answers of switches about calls that were not understood, and calls too many to follow.",
    )
    .count(&[("what", "begun")], counts.learnt.value())
    .count(&[("what", "ended")], counts.ended_unseen.value())
    .count(&[("what", "odd-answer")], counts.odd_answers.value())
    .count(&[("what", "untracked")], counts.untracked.value())
}

/// Adds a sample for each grade of evidence.
fn graded(family: Family, labels: &[(&'static str, &str)], grades: &[Count; 3]) -> Family {
    Evidence::ALL.iter().zip(grades).fold(family, |family, (grade, count)| {
        let mut labels = labels.to_vec();
        labels.push(("evidence", grade.word()));
        family.count(&labels, count.value())
    })
}

fn tables(app: &App) -> [Family; 6] {
    let state = app.guard.state();
    let past = app.guard.past().state(crate::clock::now());
    [
        Family::gauge("switchward_windows", "Windows in use, over all rules and sources.")
            .count(&[], state.windows as u64),
        Family::counter(
            "switchward_windows_evicted",
            "Live windows that had to go because the table was full.",
        )
        .count(&[], state.windows_evicted),
        Family::gauge("switchward_registrations", "Registrations known.")
            .count(&[], state.registrations as u64),
        Family::counter(
            "switchward_registrations_refused",
            "Registrations that were not kept because the table was full.",
        )
        .count(&[], state.registrations_refused),
        Family::gauge("switchward_remembered", "What is remembered over weeks, by what it is about.")
            .count(&[("about", "sources")], past.sources as u64)
            .count(&[("about", "accounts")], past.accounts as u64)
            .count(&[("about", "earlier-bans")], past.priors as u64),
        Family::gauge("switchward_engine_memory_bytes", "Memory of windows, names and what is remembered.")
            .count(&[], state.bytes as u64),
    ]
}

fn ledger(app: &App) -> [Family; 4] {
    let ledger = app.guard.ledger();
    let (_, allows) = ledger.sizes();
    let census = ledger.census().map(|kinds| kinds.map(|count| count as u64));
    [
        by_kind(Family::gauge("switchward_ledger_bans", "Bans in the ledger."), &census),
        Family::gauge("switchward_ledger_bans_limit", "Most bans that the ledger may hold.")
            .count(&[], u64::from(app.config.load().firewall.max_elements)),
        Family::gauge("switchward_ledger_allows", "Allow entries.").count(&[], allows as u64),
        Family::gauge("switchward_ledger_patterns", "Untrusted-domain patterns that were added at run time.")
            .count(&[], ledger.patterns().len() as u64),
    ]
}

/// Adds a sample for each scope and kind of target.
pub(super) fn by_kind(mut family: Family, census: &[[u64; 3]; 2]) -> Family {
    for (scope, kinds) in ["sip", "all"].into_iter().zip(census) {
        for (target, count) in ["host", "port", "network"].into_iter().zip(kinds) {
            family = family.count(&[("scope", scope), ("target", target)], *count);
        }
    }
    family
}
