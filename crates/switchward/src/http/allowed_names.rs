//! Allow entries by name: `/security/allowed-names`, and what `/security/whitelist` does with a name.

use super::allows::Listed;
use super::answer::Ordered;
use super::extract::{Json, Segment, target};
use super::schema::FullName;
use super::{Error, Who, blocking};
use crate::app::App;
use crate::clock;
use crate::names::{Entry, HostName, NotAName, Pace, Removed, Terms, TooMany, wall};
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use guard::Target;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, remove))
}

/// What an allow entry is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Listable {
    /// An address or a network.
    Target(Target),
    /// A name.
    Name(HostName),
}

impl Listable {
    /// What a text means: an address whenever it can.
    ///
    /// # Errors
    /// 400 when it is neither; the words are those of an address.
    pub(super) fn of(text: &str) -> Result<Listable, Error> {
        match (target(text), text.parse()) {
            (Ok(target), _) => Ok(Listable::Target(target)),
            (Err(_), Ok(name)) => Ok(Listable::Name(name)),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

impl fmt::Display for Listable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listable::Target(target) => target.fmt(f),
            Listable::Name(name) => name.fmt(f),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Listable {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Listable, Error> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        Listable::of(&text)
    }
}

impl From<TooMany> for Error {
    fn from(error: TooMany) -> Error {
        Error::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<NotAName> for Error {
    fn from(error: NotAName) -> Error {
        Error::bad_request(error.to_string())
    }
}

/// A name of the allow-list, and how DNS is doing with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedName {
    /// The name.
    pub name: String,
    /// Whether `security.allowed_names` has it; then it goes when it leaves the file.
    pub configured: bool,
    /// Who ordered it; empty when only the configuration has it.
    pub who: String,
    /// Since when (RFC 3339).
    #[schema(format = DateTime)]
    pub added_at: String,
    /// Until when (RFC 3339); `null` until it is removed.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// The account that it is for; may be empty.
    pub user_id: String,
    /// Its domain; may be empty.
    pub domain: String,
    /// What it means now; of an IPv6 address the /64 is allowed.
    pub addresses: Vec<String>,
    /// When DNS last told what it means (RFC 3339).
    #[schema(format = DateTime)]
    pub last_answer: Option<String>,
    /// The time to live that DNS told, in seconds.
    pub ttl_seconds: Option<u64>,
    /// When DNS is asked next (RFC 3339).
    #[schema(format = DateTime)]
    pub next_look: String,
    /// Looks in a row that failed or told of no address, since the start of the daemon.
    pub failures: u32,
    /// Since when they do (RFC 3339).
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// Until when the addresses are kept if there is no answer (RFC 3339).
    #[schema(format = DateTime)]
    pub kept_until: Option<String>,
    /// What went wrong at the last look.
    pub error: Option<String>,
    /// Addresses that are not allowed although the name has them, and why.
    pub problems: Vec<String>,
}

/// All names of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowedNames {
    /// In the order of the alphabet.
    pub names: Vec<AllowedName>,
}

impl AllowedName {
    fn of(name: &HostName, entry: &Entry) -> AllowedName {
        let time = |time: Option<guard::Time>| time.map(|time| clock::rfc3339(Some(time)));
        let terms = entry.terms.as_ref();
        let refused = entry.refused.iter().map(|(target, why)| format!("{target}: {why}"));
        AllowedName {
            name: name.to_string(),
            configured: entry.configured,
            who: terms.map(|terms| terms.who.clone()).unwrap_or_default(),
            added_at: clock::rfc3339(Some(entry.added)),
            expires_at: time(entry.until()),
            user_id: terms.map(|terms| terms.user.clone()).unwrap_or_default(),
            domain: terms.map(|terms| terms.domain.clone()).unwrap_or_default(),
            addresses: entry.addresses.iter().map(ToString::to_string).collect(),
            last_answer: time(entry.answered),
            ttl_seconds: entry.ttl.map(|ttl| ttl.as_secs()),
            next_look: clock::rfc3339(Some(wall(entry.next))),
            failures: entry.failures,
            failing_since: time(entry.failing_since),
            kept_until: time(entry.kept_until(&Pace::default())),
            error: entry.error.clone(),
            problems: refused.chain(entry.left_out.iter().cloned()).collect(),
        }
    }
}

/// The names of the allow-list, and how DNS is doing with them.
#[utoipa::path(
    get,
    path = "/security/allowed-names",
    tag = "allow-list",
    responses((status = 200, description = "The names", body = AllowedNames))
)]
async fn list(State(app): State<Arc<App>>) -> Result<Json<AllowedNames>, Error> {
    let names = blocking(move || {
        let all = app.names.all();
        all.iter().map(|(name, entry)| AllowedName::of(name, entry)).collect()
    });
    Ok(Json(AllowedNames { names: names.await? }))
}

/// One name of the allow-list.
#[utoipa::path(
    get,
    path = "/security/allowed-names/{name}",
    tag = "allow-list",
    params(("name" = FullName, Path, description = "The name")),
    responses(
        (status = 200, description = "The name", body = AllowedName),
        (status = 404, description = "It is not on the allow-list")
    )
)]
async fn one(State(app): State<Arc<App>>, Segment(text): Segment) -> Result<Json<AllowedName>, Error> {
    let name: HostName = text.parse()?;
    let entry = app.names.one(&name).ok_or_else(|| not_there(&name))?;
    Ok(Json(AllowedName::of(&name, &entry)))
}

/// Takes a name from the allow-list, and the addresses that only it has.
#[utoipa::path(
    delete,
    path = "/security/allowed-names/{name}",
    tag = "allow-list",
    params(("name" = FullName, Path, description = "The name")),
    responses(
        (status = 200, description = "It is gone", body = Ordered),
        (status = 404, description = "It is not on the allow-list"),
        (status = 409, description = "The configuration has it")
    )
)]
async fn remove(
    State(app): State<Arc<App>>,
    who: Who,
    Segment(text): Segment,
) -> Result<Json<Ordered>, Error> {
    let name: HostName = text.parse()?;
    let removed = take_away(&app, &name, &who).await?;
    removed.map(Json).ok_or_else(|| not_there(&name))
}

fn not_there(name: &HostName) -> Error {
    Error::new(StatusCode::NOT_FOUND, format!("{name} is not on the allow-list"))
}

/// The terms of an order for a name.
pub(super) fn terms(who: &Who, ttl: Option<Duration>, user: String, domain: String) -> Terms {
    Terms { who: who.to_string(), until: ttl.map(|ttl| clock::now() + ttl), user, domain }
}

/// Allows a name, and waits a moment for what DNS says.
pub(super) async fn add(
    app: &Arc<App>,
    name: HostName,
    terms: Terms,
    how_long: String,
) -> Result<Ordered, Error> {
    app.names.order(app, &name, terms)?;
    app.names.looked_up(&name, FIRST_LOOK).await;
    let mut warnings = app.settle().await;
    let mut message = format!("{name} added to whitelist {how_long}");
    if let Some(entry) = app.names.one(&name) {
        match &entry.addresses[..] {
            [] => {}
            [one] => message += &format!(", its address is {one}"),
            many => message += &format!(", it has {} addresses", many.len()),
        }
        let shown = AllowedName::of(&name, &entry);
        warnings.extend(shown.problems);
        match shown.error {
            Some(error) => warnings.push(format!("{name} is asked for again: {error}")),
            None if entry.answered.is_none() => {
                warnings.push(format!("DNS has not answered yet; GET /security/allowed-names/{name} tells"));
            }
            None => {}
        }
    }
    Ok(Ordered::with(message, warnings))
}

/// Removes a name; `None` when it was not there.
///
/// # Errors
/// 409 when only the configuration has it.
pub(super) async fn take_away(app: &Arc<App>, name: &HostName, who: &Who) -> Result<Option<Ordered>, Error> {
    let still = "security.allowed_names has it: take it out of the file and reload";
    let removed = app.names.remove(app, name);
    if matches!(removed, Removed::Gone | Removed::StaysConfigured) {
        tracing::info!(%name, %who, "allowed name removed by order");
    }
    match removed {
        Removed::Unknown => Ok(None),
        Removed::IsConfigured => Err(Error::new(StatusCode::CONFLICT, format!("{name} stays: {still}"))),
        Removed::Gone => {
            let warnings = app.settle().await;
            Ok(Some(Ordered::with(format!("{name} removed from whitelist"), warnings)))
        }
        Removed::StaysConfigured => {
            let mut warnings = app.settle().await;
            warnings.push(format!("{name} is still allowed: {still}"));
            Ok(Some(Ordered::with(format!("the order for {name} is removed"), warnings)))
        }
    }
}

/// Whether a name is on the allow-list.
pub(super) fn listed(app: &App, name: &HostName) -> Listed {
    let entry = app.names.one(name);
    let shown = entry.map(|entry| AllowedName::of(name, &entry));
    Listed {
        ip: name.to_string(),
        whitelisted: shown.is_some(),
        user_id: shown.as_ref().map(|shown| shown.user_id.clone()),
        domain: shown.as_ref().map(|shown| shown.domain.clone()),
        addresses: shown.map(|shown| shown.addresses),
    }
}

/// How long an order waits for the first answer.
const FIRST_LOOK: Duration = Duration::from_secs(3);
