//! GET /security/fraud: who calls where, what it costs, and what the fraud rules made of it.

use super::extract::{Json, Query};
use super::lists::page::page_length;
use super::{Error, blocking};
use crate::app::App;
use crate::clock::{self, exact};
use axum::extract::State;
use guard::fraud::{AccountUse, FraudRule, Peaks, TenantUse};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is known of calls out of the house.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudView {
    /// Whether calls are looked at.
    pub enabled: bool,
    /// Whether nothing is done, only said.
    pub learning: bool,
    /// The home country; `null` when it is not set.
    pub home_country: Option<String>,
    /// Calls out of the house that run.
    pub calls_running: usize,
    /// Accounts that called at all, colleagues included.
    pub accounts_known: usize,
    /// The operator's table of prices.
    pub table: PriceTable,
    /// The rules.
    pub rules: Vec<FraudRuleView>,
    /// Accounts that called out of the house: those that do now first, then the dearest of the last 24 hours.
    pub accounts: Vec<FraudAccount>,
    /// Domains that did so in the last 24 hours, the dearest first.
    pub tenants: Vec<FraudTenant>,
}

/// The operator's table of prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceTable {
    /// Its file; `null` when none is named.
    pub file: Option<String>,
    /// Prefixes in use.
    pub prefixes: usize,
    /// Why what is there now cannot be used, with the line.
    pub trouble: Option<String>,
}

/// A rule about calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudRuleView {
    /// Its name.
    pub name: String,
    /// What is done: "alert", "hang-up", "block", "ban".
    pub actions: Vec<String>,
    /// How often it fired since the start.
    pub fired: u64,
    /// How often of that while learning.
    pub learning: u64,
}

/// An account that called out of the house. Sums are of the last 24 hours; costs are in the unit of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudAccount {
    /// User part.
    pub user: String,
    /// Domain.
    pub domain: String,
    /// When it called for the first time that is known.
    pub first_seen: String,
    /// When last.
    pub last_seen: String,
    /// Toll calls that run.
    pub running: u32,
    /// Calls out of the house.
    pub calls: u32,
    /// Those abroad and to dear numbers.
    pub toll_calls: u32,
    /// Seconds of all of them.
    pub seconds: u32,
    /// Seconds of toll calls.
    pub toll_seconds: u32,
    /// What they cost in the last hour.
    pub cost_hour: f64,
    /// And in the last 24 hours.
    pub cost_day: f64,
    /// The countries that it has called, the oldest first; "XX" for networks of no country.
    pub countries: Vec<FraudCountry>,
    /// The most that it ever did: what caps may be made of.
    pub peaks: FraudPeaks,
    /// The rules that told of it in the last 24 hours.
    pub told: Vec<String>,
}

/// A country that an account has called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudCountry {
    /// Two letters.
    pub country: String,
    /// When for the first time.
    pub first: String,
    /// When last.
    pub last: String,
    /// How often.
    pub calls: u32,
}

/// The most that an account did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudPeaks {
    /// Toll calls in a minute.
    pub rate: u32,
    /// Toll calls at a time.
    pub concurrent: u32,
    /// Seconds of toll calls in 24 hours.
    pub seconds: u64,
    /// Cost of all calls in 24 hours.
    pub cost: f64,
}

/// What all accounts of a domain did in the last 24 hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FraudTenant {
    /// The domain.
    pub domain: String,
    /// Calls out of the house.
    pub calls: u32,
    /// Seconds of them.
    pub seconds: u32,
    /// What they cost in the last hour.
    pub cost_hour: f64,
    /// And in the last 24 hours.
    pub cost_day: f64,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// Accounts and domains at most, 1 to 1000; 100 when it is left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(fraud))
}

/// Who calls where, and what it costs.
#[utoipa::path(
    get,
    path = "/security/fraud",
    tag = "monitoring",
    params(Wanted),
    responses(
        (status = 200, description = "Accounts with calls, minutes, cost and countries", body = FraudView),
        (status = 400, description = "A parameter that is unknown or malformed")
    )
)]
async fn fraud(State(app): State<Arc<App>>, Query(wanted): Query<Wanted>) -> Result<Json<FraudView>, Error> {
    let limit = page_length(wanted.limit)?;
    blocking(move || FraudView::of(&app, limit)).await.map(Json)
}

impl FraudView {
    fn of(app: &App, limit: usize) -> FraudView {
        let (fraud, now) = (app.guard.fraud(), clock::now());
        let (policy, state, shelf) = (fraud.policy(), fraud.state(), app.prices.shelf());
        let rule = |rule: FraudRule| FraudRuleView {
            name: rule.name().into(),
            actions: policy
                .actions(rule)
                .words()
                .split(", ")
                .filter(|word| !word.is_empty())
                .map(Into::into)
                .collect(),
            fired: fraud.counts().fired[rule as usize].value(),
            learning: fraud.counts().learning[rule as usize].value(),
        };
        FraudView {
            enabled: policy.enabled,
            learning: policy.learning,
            home_country: policy.home.map(|home| home.to_string()),
            calls_running: state.calls,
            accounts_known: state.accounts,
            table: PriceTable {
                file: shelf.path.map(|path| path.display().to_string()),
                prefixes: shelf.table.len(),
                trouble: shelf.trouble,
            },
            rules: FraudRule::ALL.map(rule).to_vec(),
            accounts: fraud.accounts(limit, now).into_iter().map(FraudAccount::of).collect(),
            tenants: fraud.tenants(limit, now).into_iter().map(FraudTenant::of).collect(),
        }
    }
}

impl FraudAccount {
    fn of(account: AccountUse) -> FraudAccount {
        let Peaks { rate, concurrent, seconds, micros } = account.peaks;
        FraudAccount {
            user: account.user,
            domain: account.domain,
            first_seen: exact(account.since),
            last_seen: exact(account.last),
            running: account.live,
            calls: account.calls,
            toll_calls: account.toll_calls,
            seconds: account.seconds,
            toll_seconds: account.toll_seconds,
            cost_hour: account.cost_hour.as_units(),
            cost_day: account.cost_day.as_units(),
            countries: account
                .countries
                .into_iter()
                .map(|called| FraudCountry {
                    country: called.country,
                    first: exact(called.first),
                    last: exact(called.last),
                    calls: called.calls,
                })
                .collect(),
            peaks: FraudPeaks {
                rate,
                concurrent,
                seconds,
                cost: guard::fraud::Cost::from_micros(micros).as_units(),
            },
            told: account.told.iter().map(|rule| rule.name().into()).collect(),
        }
    }
}

impl FraudTenant {
    fn of(tenant: TenantUse) -> FraudTenant {
        let TenantUse { domain, calls, seconds, cost_hour, cost_day } = tenant;
        FraudTenant { domain, calls, seconds, cost_hour: cost_hour.as_units(), cost_day: cost_day.as_units() }
    }
}
