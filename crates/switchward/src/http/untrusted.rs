//! The untrusted domains: those of the configuration, and those that were added while the daemon ran.

use super::answer::Ordered;
use super::extract::{Json, Segment};
use super::schema::Pattern;
use super::{Error, Who};
use crate::app::App;
use crate::config::Config;
use axum::extract::State;
use guard::pattern::DomainPattern;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// An order to distrust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PatternOrder {
    /// A domain, `*.suffix` or a glob.
    #[schema(value_type = Pattern, required = true)]
    pub pattern: Option<String>,
}

/// Whether a domain is untrusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainTest {
    /// The domain asked about.
    pub domain: String,
    /// Whether a pattern matches it.
    pub is_untrusted: bool,
}

/// The patterns of untrusted domains.
#[utoipa::path(
    get,
    path = "/security/untrusted-networks",
    tag = "untrusted domains",
    responses((status = 200, description = "The patterns", body = Vec<String>))
)]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Vec<DomainPattern>> {
    Json(patterns(&app))
}

/// Adds a pattern; it survives a restart.
#[utoipa::path(
    post,
    path = "/security/untrusted-networks",
    tag = "untrusted domains",
    request_body = PatternOrder,
    responses(
        (status = 200, description = "It is there", body = Ordered),
        (status = 400, description = "Malformed, or there already")
    )
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<PatternOrder>,
) -> Result<Json<Ordered>, Error> {
    let pattern = parse(&order.pattern.unwrap_or_default())?;
    if configured(&app.config.load()).any(|other| other == pattern)
        || !app.guard.ledger().add_pattern(pattern.clone())
    {
        return Err(Error::bad_request(format!("pattern {pattern} exists already")));
    }
    tracing::info!(%pattern, %who, "untrusted pattern added by order");
    Ok(Json(Ordered::with(format!("{pattern} added to untrusted networks"), app.settle().await)))
}

/// Removes a pattern.
///
/// One of the configuration is removed until the next start, as the predecessor did it, and the answer says so.
#[utoipa::path(
    delete,
    path = "/security/untrusted-networks/{pattern}",
    tag = "untrusted domains",
    params(("pattern" = Pattern, Path, description = "The pattern")),
    responses(
        (status = 200, description = "It is gone", body = Ordered),
        (status = 400, description = "Malformed, or not there")
    )
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    who: Who,
    Segment(text): Segment,
) -> Result<Json<Ordered>, Error> {
    let pattern = parse(&text)?;
    let was_added = app.guard.ledger().remove_pattern(&pattern);
    let was_configured = configured(&app.config.load()).any(|other| other == pattern);
    if !was_added && !was_configured {
        return Err(Error::bad_request(format!("pattern {pattern} not found")));
    }
    if was_configured {
        app.config.rcu(|config| {
            let mut config = Config::clone(config);
            let keeps = |text: &String| DomainPattern::new(text).map_or(true, |other| other != pattern);
            config.security.untrusted_networks.retain(keeps);
            config
        });
        app.judge_anew();
    }
    tracing::info!(%pattern, %who, "untrusted pattern removed by order");
    let mut warnings = app.settle().await;
    if was_configured {
        warnings.push(format!(
            "{pattern} is in the configuration (security.untrusted_networks) and comes back at the next start"
        ));
    }
    Ok(Json(Ordered::with(format!("{pattern} removed from untrusted networks"), warnings)))
}

/// Whether a domain is untrusted.
#[utoipa::path(
    get,
    path = "/security/untrusted-networks/test/{domain}",
    tag = "untrusted domains",
    params(("domain" = String, Path, description = "The domain", min_length = 1)),
    responses((status = 200, description = "Whether it is", body = DomainTest))
)]
pub(super) async fn test(State(app): State<Arc<App>>, Segment(domain): Segment) -> Json<DomainTest> {
    let is_untrusted = patterns(&app).iter().any(|pattern| pattern.matches(domain.as_bytes()));
    Json(DomainTest { domain, is_untrusted })
}

fn patterns(app: &App) -> Vec<DomainPattern> {
    let mut patterns: Vec<DomainPattern> = configured(&app.config.load()).collect();
    patterns.extend(app.guard.ledger().patterns().iter().cloned());
    patterns.sort_unstable();
    patterns.dedup();
    patterns
}

fn configured(config: &Config) -> impl Iterator<Item = DomainPattern> {
    config.security.untrusted_networks.iter().filter_map(|text| DomainPattern::new(text).ok())
}

fn parse(text: &str) -> Result<DomainPattern, Error> {
    if text.trim().is_empty() {
        return Err(Error::bad_request("pattern is required: a domain, \"*.suffix\" or a glob"));
    }
    DomainPattern::new(text).map_err(|error| Error::bad_request(error.to_string()))
}
