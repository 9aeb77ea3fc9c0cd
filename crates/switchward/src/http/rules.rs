//! GET /security/rules: every rule of the guard as it holds now, and what became of it.
//!
//! Start with [`RuleState`]; the command line makes the same of a configuration file alone, without hits.

use super::extract::Json;
use crate::app::App;
use crate::clock;
use crate::config::duration::format_go;
use axum::extract::State;
use guard::Guard;
use guard::counts::{Count, Outcome};
use guard::rule::{Action, Applies, Distinct, KeyKind, Rule, RuleOrigin};
use guard::signal::Signals;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Those that count, in the order in which they are judged.
    pub rules: Vec<RuleState>,
    /// What became of rules that count nothing (untrusted-domain), and of those that a reload took away.
    pub others: Vec<RuleHits>,
}

/// A rule as it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleState {
    /// Its name.
    pub name: String,
    /// "built-in", "changed" (a built-in one, by the configuration) or "own".
    pub origin: String,
    /// Whether it counts at all.
    pub enabled: bool,
    /// Whether it only says what it would do.
    pub shadow: bool,
    /// What its strikes are called.
    pub what: String,
    /// The signals that are strikes.
    pub counts: Vec<String>,
    /// The signals that take a strike back.
    pub undone_by: Vec<String>,
    /// Whose strikes are counted together.
    pub key: String,
    /// What is counted once, however often it comes: "accounts", "sources" or "nets"; `null` when every strike counts.
    pub distinct: Option<String>,
    /// How many make it fire.
    pub threshold: u32,
    /// Within how long (Go duration).
    pub window: String,
    /// How long a strike waits to be taken back (Go duration).
    pub patience: String,
    /// Which sources it is for: "everyone", "strangers", "known" or "phone".
    pub applies: String,
    /// "ban" or "alert".
    pub action: String,
    /// How long a ban lasts (Go duration); `null` when it only alerts.
    pub ban: Option<String>,
    /// Which packets a ban drops: "sip" or "all"; `null` when it only alerts.
    pub scope: Option<String>,
    /// The evidence that it takes at the least.
    pub evidence: String,
    /// What became of it since the daemon's start; left out when no daemon was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<RuleHits>,
}

/// What became of a rule when it fired, since the daemon's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleHits {
    /// The rule.
    pub name: String,
    /// Bans that were made, extended or widened.
    pub ban: u64,
    /// Bans that would have been made: it is in shadow, or bans are not enforced.
    pub would_ban: u64,
    /// Alerts.
    pub alert: u64,
    /// Sources that were spared: trusted, allowed, registered.
    pub spared: u64,
    /// Bans for which the ledger had no room.
    pub ledger_full: u64,
    /// When it last fired; `null` for not since the start.
    #[schema(format = DateTime)]
    pub last_fired: Option<String>,
}

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(rules))
}

/// Every rule of the guard, what it counts, what it does, and what became of it since the start.
#[utoipa::path(
    get,
    path = "/security/rules",
    tag = "state",
    responses((status = 200, description = "The rules", body = Rules))
)]
async fn rules(State(app): State<Arc<App>>) -> Json<Rules> {
    Json(of(&app.guard))
}

fn of(guard: &Guard) -> Rules {
    let mut hits: Vec<Option<RuleHits>> = guard
        .rule_names()
        .iter()
        .enumerate()
        .map(|(slot, name)| Some(RuleHits::of(guard, slot, name)))
        .collect();
    let mut take = |name: &str| hits.iter_mut().find_map(|hit| hit.take_if(|hit| hit.name == name));
    let rules = guard.policy().rules();
    let rules =
        rules.iter().map(|rule| RuleState { hits: take(&rule.name), ..RuleState::of(rule) }).collect();
    let is_of_use = |hit: &RuleHits| hit.name == guard::policy::UNTRUSTED_DOMAIN || hit.last_fired.is_some();
    Rules { rules, others: hits.into_iter().flatten().filter(is_of_use).collect() }
}

impl RuleState {
    /// The rule without what became of it.
    pub fn of(rule: &Rule) -> RuleState {
        let words = |signals: Signals| signals.iter().map(|signal| signal.word().to_owned()).collect();
        let bans = rule.action == Action::Ban;
        RuleState {
            name: rule.name.to_string(),
            origin: match rule.origin {
                RuleOrigin::BuiltIn => "built-in",
                RuleOrigin::Changed => "changed",
                RuleOrigin::Own => "own",
            }
            .into(),
            enabled: rule.enabled,
            shadow: rule.shadow,
            what: rule.what.to_string(),
            counts: words(rule.counts),
            undone_by: words(rule.undone_by),
            key: word(&KeyKind::WORDS, rule.key),
            distinct: rule.distinct.map(|distinct| word(&Distinct::WORDS, distinct)),
            threshold: rule.limit.threshold,
            window: format_go(rule.limit.window),
            patience: format_go(rule.patience),
            applies: word(&Applies::WORDS, rule.applies),
            action: word(&Action::WORDS, rule.action),
            ban: bans.then(|| format_go(rule.limit.ban)),
            scope: bans.then(|| rule.scope.to_string()),
            evidence: rule.evidence.to_string(),
            hits: None,
        }
    }
}

impl RuleHits {
    fn of(guard: &Guard, slot: usize, name: &str) -> RuleHits {
        let counts = guard.counts();
        let became = |outcome: Outcome| {
            let outcomes = counts.decisions.of(slot);
            outcomes.map_or(0, |outcomes| outcomes[outcome as usize].iter().map(Count::value).sum())
        };
        RuleHits {
            name: name.into(),
            ban: became(Outcome::Ban),
            would_ban: became(Outcome::WouldBan),
            alert: became(Outcome::Alert),
            spared: became(Outcome::Spared),
            ledger_full: became(Outcome::LedgerFull),
            last_fired: counts.last_fired(slot).map(|time| clock::rfc3339(Some(time))),
        }
    }

    /// How often it fired, whatever became of it.
    pub fn all(&self) -> u64 {
        self.ban + self.would_ban + self.alert + self.spared + self.ledger_full
    }
}

/// The word in a table of them.
fn word<T: Copy + PartialEq>(table: &[(&'static str, T)], value: T) -> String {
    table.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| *word).into()
}
