//! Which rule of the broker decides about a command, and why.

use super::told;
use crate::access::Role;
use crate::app::App;
use crate::broker::caller;
use crate::http::extract::Json;
use crate::http::{Error, Who, schema};
use ::broker::desk::{Order, Visit};
use ::broker::policy::Says;
use ::broker::{Decision, Identity, Proof};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A question about the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainOrder {
    /// The command.
    #[schema(value_type = schema::SwitchCommand, required = true)]
    pub command: Option<String>,
    /// Whom it is about, as rules name them: "alice", "token:crm", "1000@pbx.example"; the caller when left out. Others are for
    /// administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// From which address they would come; the caller's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub source: Option<String>,
    /// The switch by its name in the configuration; the first when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
}

/// What the rules say about a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explained {
    /// Whom it is about; "nobody" for callers without a credential.
    pub user: String,
    /// Their roles that are in force from there at this time.
    pub roles: Vec<String>,
    /// The command.
    pub command: String,
    /// Whether it may be run.
    pub allowed: bool,
    /// The rule that allows it, or why it is refused.
    pub why: String,
    /// What was said about each thing that it would do, in order, up to the refused one.
    pub steps: Vec<ExplainedStep>,
    /// What the rules in shadow would say, when that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ExplainedShadow>,
}

/// What was said about one thing that a command would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStep {
    /// What it would do.
    pub deed: String,
    /// Whether that is allowed.
    pub allowed: bool,
    /// By which rule, or why not.
    pub why: String,
}

/// What the rules in shadow would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedShadow {
    /// Whether it might be run.
    pub allowed: bool,
    /// Why.
    pub why: String,
}

/// Says which rule of the broker decides about a command, and why. Nothing is sent to the switch.
#[utoipa::path(
    post,
    path = "/security/broker/explain",
    tag = "switch",
    request_body = ExplainOrder,
    responses(
        (status = 200, description = "The decision, and how it comes about", body = Explained),
        (status = 400, description = "No command, or control characters in it"),
        (status = 403, description = "It is about somebody else, and the caller is no administrator"),
        (status = 429, description = "Too fast, or too many at once"),
    )
)]
pub(in crate::http) async fn explain(
    State(app): State<Arc<App>>,
    who: Who,
    Json(order): Json<ExplainOrder>,
) -> Result<Json<Explained>, Error> {
    let asker = caller::visit(&app, &who);
    let mut visit = asker.clone();
    if let Some(user) = order.user.as_deref().filter(|user| **user != *visit.identity.name) {
        if who.role != Some(Role::Admin) {
            return Err(Error::forbidden("what others may do is told to administrators"));
        }
        visit.identity = somebody(&app, user);
    }
    if let Some(source) = &order.source {
        let source = source.trim().parse::<IpAddr>();
        visit.source = Some(source.map_err(|_| Error::bad_request("source is an IPv4 or IPv6 address"))?);
    }
    let command = order.command.as_deref().unwrap_or_default();
    let roles = app.desk.grant(&visit).map(|grant| grant.roles.clone()).unwrap_or_default();
    let asked = Order { command, switch: order.switch.as_deref() };
    match app.desk.explain(&asker, &visit, asked).await {
        Ok((decision, shadow)) => Ok(Json(explained(&visit, roles, command, &decision, shadow))),
        Err(::broker::desk::Refused::Shut(shut)) => {
            let decision =
                Decision { allowed: false, why: shut.to_string(), refused: None, steps: Vec::new() };
            Ok(Json(explained(&visit, roles, command, &decision, None)))
        }
        Err(error) => Err(told(&error)),
    }
}

/// Somebody of whom the rules know the name.
fn somebody(app: &App, user: &str) -> Identity {
    let proof = match user {
        "" | "nobody" => return Identity::nobody(),
        user if user.starts_with("token:") => Proof::Token,
        user if user.starts_with("cert:") => Proof::Certificate,
        user if user.starts_with("uid:") => Proof::Socket,
        _ => Proof::Password { directory: Arc::from("users") },
    };
    let role = match (&proof, user.split_once(':')) {
        (Proof::Token, Some((_, name))) => app.access.role_of_token(name),
        (Proof::Password { .. }, _) => app.access.role_of_user(user),
        _ => None,
    };
    let mut identity = Identity::new(user, proof);
    identity.roles = role.map(|role| caller::roles(&app.config.load(), role).to_vec()).unwrap_or_default();
    identity.account = app.desk.rules().book.account(user).cloned().or_else(|| user.parse().ok());
    identity
}

fn explained(
    visit: &Visit,
    roles: Vec<String>,
    command: &str,
    decision: &Decision,
    shadow: Option<Decision>,
) -> Explained {
    let steps = decision.steps.iter().map(|(deed, says)| {
        let (allowed, why) = match says {
            Says::Allowed(rule) => (true, rule.clone()),
            Says::Refused(why) => (false, why.clone()),
            Says::Goes(why) => (true, (*why).to_owned()),
        };
        ExplainedStep { deed: deed.to_string(), allowed, why }
    });
    Explained {
        user: visit.identity.to_string(),
        roles,
        command: command.trim().to_owned(),
        allowed: decision.allowed,
        why: decision.why.clone(),
        steps: steps.collect(),
        shadow: shadow.map(|shadow| ExplainedShadow { allowed: shadow.allowed, why: shadow.why }),
    }
}
