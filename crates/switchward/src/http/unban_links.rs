//! One-time unban links: an operator has one made (`POST /security/unban-links`), a customer opens it (`GET /unban/{token}`) and presses its button.
//!
//! The page needs no credential, no script and nothing from elsewhere: the token is the credential, for one ban and once (see
//! [`crate::access::links`]). A token that we have not made is a wrong log-in of whoever sent it.

use super::extract::{Json, target};
use super::gate::Judged;
use super::lifetime::lifetime;
use super::{Error, Who, ordered, schema};
use crate::access::links::{LONGEST_TIME, Link, NoLink};
use crate::access::record::{self, Asked, Note};
use crate::access::{Arrival, identify};
use crate::app::App;
use crate::clock;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use guard::Ban;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The paths of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(make)).routes(routes!(page, open))
}

/// An order for a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct LinkOrder {
    /// What is banned: an address, a CIDR, or an address and port.
    #[schema(value_type = schema::Target, required = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// For how long the link may be used (Go duration, at most 720h); 24h when left out.
    #[schema(value_type = Option<schema::GoDuration>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeLink {
    /// What it lifts the ban of.
    pub ip: String,
    /// The link to send; it begins with `server.public_url`, or is a path when that is empty.
    pub link: String,
    /// Until when it may be used.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// Makes a link that lifts one ban, once, for whoever opens it.
#[utoipa::path(
    post,
    path = "/security/unban-links",
    tag = "bans",
    request_body = LinkOrder,
    responses(
        (status = 200, description = "The link; it is told this once", body = MadeLink),
        (status = 404, description = "There is no such ban", body = super::ErrorBody)
    )
)]
async fn make(
    State(app): State<Arc<App>>,
    who: Who,
    note: Option<Extension<Note>>,
    Json(order): Json<LinkOrder>,
) -> Result<Json<MadeLink>, Error> {
    let text = order.ip.as_deref().unwrap_or_default();
    if let Some(note) = note {
        note.about(text);
    }
    let target = target(text)?;
    let ttl = lifetime(None, order.ttl.as_deref(), DAY)?.unwrap_or(DAY);
    if ttl > LONGEST_TIME {
        return Err(Error::bad_request("a link may be used for 720h (30 days) at most"));
    }
    let now = clock::now();
    let ban = app.guard.ledger().ban_of(target, now).ok_or_else(|| {
        Error::new(StatusCode::NOT_FOUND, format!("{target} is not banned, so there is nothing to lift"))
    })?;
    let made_by: String = who.to_string().chars().take(64).collect();
    let link = Link { target, since: ban.since, until: now + ttl, who: made_by };
    let token =
        app.links.make(&link).ok_or_else(|| Error::internal("there is no key to sign a link with"))?;
    let base = app.config.load().server.public_url.trim_end_matches('/').to_owned();
    let expires_at = clock::rfc3339(Some(link.until));
    Ok(Json(MadeLink { ip: target.to_string(), link: format!("{base}/unban/{token}"), expires_at }))
}

/// The page that a customer opens; it says what its button does.
#[utoipa::path(
    get,
    path = "/unban/{token}",
    tag = "bans",
    params(("token" = String, Path, description = "What the link ends with")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 404, description = "The link is not, or no longer, good", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong ones", body = String, content_type = "text/html")
    )
)]
async fn page(
    State(app): State<Arc<App>>,
    arrival: Option<Extension<Arrival>>,
    Path(token): Path<String>,
) -> Response {
    match good(&app, arrival, &token) {
        Ok((link, _)) => shown(StatusCode::OK, &QUESTION.replace("{address}", &link.target.to_string())),
        Err(refused) => *refused,
    }
}

/// Lifts the ban.
#[utoipa::path(
    post,
    path = "/unban/{token}",
    tag = "bans",
    params(("token" = String, Path, description = "What the link ends with")),
    responses(
        (status = 200, description = "The ban is lifted", body = String, content_type = "text/html"),
        (status = 404, description = "The link is not, or no longer, good", body = String, content_type = "text/html"),
        (status = 429, description = "Too many wrong ones", body = String, content_type = "text/html")
    )
)]
async fn open(
    State(app): State<Arc<App>>,
    arrival: Option<Extension<Arrival>>,
    note: Option<Extension<Note>>,
    Path(token): Path<String>,
) -> Response {
    let (link, ban) = match good(&app, arrival, &token) {
        Ok(good) => good,
        Err(refused) => return *refused,
    };
    if let Some(note) = note {
        note.about(&format!("{} by the link of {}", link.target, link.who));
    }
    let who = format!("the link of {}", link.who);
    let lifting = app.clone();
    match ordered(async move { lifting.lift_one(ban.target, ban.since, &who).await }).await {
        Ok(None) => gone(),
        Ok(Some(_)) => shown(StatusCode::OK, &DONE.replace("{address}", &link.target.to_string())),
        Err(error) => error.into_response(),
    }
}

/// The link of a token, and the ban that it lifts.
fn good(
    app: &Arc<App>,
    arrival: Option<Extension<Arrival>>,
    token: &str,
) -> Result<(Link, Arc<Ban>), Box<Response>> {
    let who = Who::stranger(&arrival.map(|Extension(arrival)| arrival).unwrap_or_default());
    if let Some(wait) = identify::must_wait(app, &who) {
        let mut answer = shown(StatusCode::TOO_MANY_REQUESTS, LATER);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return Err(Box::new(answer));
    }
    let now = clock::now();
    let link = match app.links.read(token, now) {
        Ok(link) => link,
        Err(why) => {
            let result = match why {
                NoLink::Expired => "an unban link whose time is over",
                NoLink::Forged => "an unban link that we have not made",
            };
            if why == NoLink::Forged {
                identify::wrong_link(app, &who);
            }
            let action = "an unban link".to_owned();
            let (status, took) = (StatusCode::NOT_FOUND.as_u16(), Duration::ZERO);
            let asked = Asked { action, detail: String::new(), status, result: result.into(), took };
            record::refusal(app, &who, asked);
            return Err(Box::new(gone()));
        }
    };
    let ban = app.guard.ledger().ban_of(link.target, now).filter(|ban| ban.since == link.since);
    ban.map(|ban| (link, ban)).ok_or_else(|| Box::new(gone()))
}

fn gone() -> Response {
    shown(StatusCode::NOT_FOUND, GONE)
}

/// A page; the gate has no line to write about what this file has written about itself.
fn shown(status: StatusCode, body: &str) -> Response {
    let page = format!("{HEAD}{body}</body></html>\n");
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    let mut response = (status, headers, page).into_response();
    if status != StatusCode::OK {
        response.extensions_mut().insert(Judged);
    }
    response
}

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Unban</title>\
    <style>body{font:1.1rem sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem}</style>\
    </head><body>";
const QUESTION: &str = "<h1>Your address was blocked</h1><p>The telephone system does not take calls from <b>{address}</b> at \
    the moment, because wrong passwords or other faults came from there.</p><p>Look first whether the password in every phone is \
    right; else it will be blocked again.</p><form method=\"post\"><button>Unblock {address}</button></form>";
const DONE: &str =
    "<h1>Unblocked</h1><p><b>{address}</b> may use the telephone system again. This link is used up.</p>";
const GONE: &str = "<h1>This link is not good any more</h1><p>It was used, its time is over, or the block has ended by itself. Try your \
    phone; if it does not work, ask for another link.</p>";
const LATER: &str = "<h1>Too many tries</h1><p>Wait a minute, and open the link again.</p>";
const DAY: Duration = Duration::from_secs(24 * 3600);
