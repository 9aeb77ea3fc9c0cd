//! The audit of commands: who wanted what of a switch, what was decided and why, and what came of it. `GET /security/broker/audit`.
//!
//! Searched in the store's index; the record itself are the journal's files, which `switchward audit verify` checks.

use super::super::extract::{Json, Query as Asked};
use super::super::history::time;
use super::super::lists::page::page_length;
use super::super::{Error, blocking};
use crate::app::App;
use crate::clock;
use crate::store::commands::{Query, Row, select};
use axum::extract::State;
use axum::http::StatusCode;
use broker::audit::Verdict;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// Which attempts; conditions that are given must all hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CommandFilter {
    /// Only what is older than this one: the `next` of the page before.
    #[param(minimum = 1)]
    before: Option<i64>,
    /// Entries of a page, 1 to 1000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Only what this user asked, by the whole name.
    #[param(min_length = 1)]
    user: Option<String>,
    /// Only what was asked from this address.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Only what came in this way, such as `http` or `esl`.
    #[param(min_length = 1)]
    door: Option<String>,
    /// Only what was so decided.
    #[param(inline)]
    decision: Option<DecisionWord>,
    /// Only this command, by its name, such as `uuid_kill`; `sendmsg` and `sendevent` as well.
    #[param(min_length = 1)]
    verb: Option<String>,
    /// Only commands with this text in them.
    #[param(min_length = 1)]
    text: Option<String>,
    /// Only what was asked at this time or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
    /// Only what was asked before this time (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<String>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DecisionWord {
    /// It was done.
    Allowed,
    /// It was not, and nothing was sent.
    Refused,
    /// It was done, but rules in shadow say otherwise.
    Shadow,
}

/// A page of the audit of commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandPage {
    /// The newest first.
    pub commands: Vec<Command>,
    /// What `before` must be for the next page; left out when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// Lines that are written but cannot be found yet; 0 unless commands come faster than they are indexed.
    pub behind: u64,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditedCommand)]
pub struct Command {
    /// Its number in the journal.
    pub id: i64,
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// Who; empty without a credential.
    pub user: String,
    /// How that was proved: the directory, "token", "certificate", "socket", "none".
    pub proof: String,
    /// The account, `user@domain`; empty without one.
    pub account: String,
    /// The peer's address; empty on a Unix socket.
    pub source: String,
    /// The way in.
    pub door: String,
    /// The switch.
    pub switch: String,
    /// What kind of thing was asked: "api", "bgapi", "sendmsg", "sendevent", "events", "log", "login",
    /// "divert_events".
    pub form: String,
    /// The command, without secrets.
    pub command: String,
    /// What was decided: "allowed", "refused", "shadow" (done, though rules in shadow say otherwise).
    pub decision: String,
    /// The rule that decided, or why not.
    pub rule: String,
    /// What came of it, in words; `null` when it was refused, runs still, or the daemon ended before it did.
    pub result: Option<String>,
    /// Bytes of the reply.
    pub bytes: Option<u64>,
    /// How long it took, in microseconds.
    pub micros: Option<u64>,
}

impl From<Row> for Command {
    fn from(row: Row) -> Command {
        let (bytes, micros) = row.result.as_ref().map(|ended| (ended.bytes, ended.micros)).unzip();
        Command {
            id: row.sequence,
            at: clock::rfc3339(Some(row.at)),
            user: row.user,
            proof: row.proof,
            account: row.account,
            source: row.source,
            door: row.door,
            switch: row.switch,
            form: row.form,
            command: row.command,
            decision: row.decision,
            rule: row.rule,
            result: row.result.map(|ended| ended.result),
            bytes,
            micros,
        }
    }
}

impl CommandFilter {
    fn query(self) -> Result<(Query, usize), Error> {
        let limit = page_length(self.limit)?;
        let given = |name: &str, text: Option<String>| match text {
            Some(text) if text.is_empty() => {
                Err(Error::bad_request(format!("{name} is empty; leave it out to see all")))
            }
            text => Ok(text),
        };
        if self.before.is_some_and(|before| before < 1) {
            return Err(Error::bad_request("before is 1 or more"));
        }
        let decision = self.decision.map(|decision| match decision {
            DecisionWord::Allowed => Verdict::Allowed.word(),
            DecisionWord::Refused => Verdict::Refused.word(),
            DecisionWord::Shadow => Verdict::Shadow.word(),
        });
        let query = Query {
            before: self.before,
            // One more tells whether there is a next page.
            limit: limit as u32 + 1,
            user: given("user", self.user)?,
            source: given("source", self.source)?,
            door: given("door", self.door)?,
            decision: decision.map(str::to_owned),
            verb: given("verb", self.verb)?.map(|verb| verb.to_lowercase()),
            text: given("text", self.text)?,
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
        };
        Ok((query, limit))
    }
}

/// Who wanted what of a switch.
#[utoipa::path(
    get,
    path = "/security/broker/audit",
    tag = "access",
    params(CommandFilter),
    responses(
        (status = 200, description = "A page, the newest first", body = CommandPage),
        (status = 400, description = "A parameter that is unknown, empty or malformed"),
        (status = 503, description = "There is no store, so that nothing can be searched"),
    )
)]
pub(super) async fn commands(
    State(app): State<Arc<App>>,
    Asked(filter): Asked<CommandFilter>,
) -> Result<Json<CommandPage>, Error> {
    let (query, limit) = filter.query()?;
    let Some(store) = app.mirror.store().cloned() else {
        let text = "there is no store, so that nothing can be searched; the audit's files have it all";
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    // What was written just now is part of it.
    let behind = app.trail.caught_up(CATCH_UP).await;
    let rows = blocking(move || store.reader().and_then(|connection| select(&connection, &query))).await?;
    let mut rows = rows.map_err(|error| Error::internal(format!("the audit cannot be read: {error}")))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.sequence);
    Ok(Json(CommandPage { commands: rows.into_iter().map(Command::from).collect(), next, behind }))
}

/// How long a search waits for the index.
const CATCH_UP: Duration = Duration::from_secs(1);
