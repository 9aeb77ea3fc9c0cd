//! `POST /security/import`: a list as text, line by line through the checks of an order.

use super::super::extract::{Json, Query, is_json};
use super::super::lists::walking;
use super::super::schema::{ImportLines, ImportText};
use super::super::{Error, Who};
use super::record::Record;
use super::{Format, What, read, too_large};
use crate::access::record::Note;
use crate::app::App;
use crate::{clock, policy};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use guard::engine::{Amendment, Terms};
use guard::{Guard, Refusal, Target, Time};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};

/// Which list, in which form, and whether to change anything.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Which list; the bans when left out.
    #[param(inline, value_type = What, required = false)]
    pub what: What,
    /// In which form; JSON when left out.
    #[param(inline, value_type = Format, required = false)]
    pub format: Format,
    /// Only tell what would be done.
    #[param(required = false)]
    pub dry_run: bool,
}

/// What came of an import, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Lines that were read.
    pub lines: u64,
    /// Entries that are new.
    pub added: u64,
    /// Entries that stood and last longer, or drop more, now.
    pub extended: u64,
    /// Entries that stood and are as long already.
    pub unchanged: u64,
    /// Lines that must not be carried out: trusted, protected, on the other list, or no room.
    pub refused: u64,
    /// Lines that cannot be understood.
    pub bad: u64,
    /// The first thousand refused and bad lines.
    pub errors: Vec<LineError>,
    /// What did not go as it should have; left out when all did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A line that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineError {
    /// Its number; in JSON the number of the element. The first is 1.
    pub line: u64,
    /// What stands there, cut, made printable.
    pub text: String,
    /// Why it was not carried out.
    pub error: String,
}

/// Adds the bans or allow entries of a text; what stands already is never shortened. At most 32 MiB.
#[utoipa::path(
    post,
    path = "/security/import",
    tag = "bans",
    params(ImportQuery),
    request_body(description = "What /security/export writes", content(
        (ImportLines = "application/json"), (ImportText = "text/csv"), (ImportText = "text/plain")
    )),
    responses(
        (status = 200, description = "What came of each line", body = Imported),
        (status = 400, description = "A parameter that is unknown or malformed, no body, or JSON that is no array"),
        (status = 413, description = "The body is larger than 32 MiB"),
        (status = 503, description = "Two imports are under way")
    )
)]
pub(super) async fn import(
    State(app): State<Arc<App>>,
    who: Who,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<Imported>, Error> {
    // Before the body: what waits for its turn is in the kernel's buffers, not here.
    let Ok(turn) = IMPORTS.try_acquire() else {
        let text = "other imports are under way; try again when they are done";
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    if query.format != Format::Json && is_json(request.headers()) {
        return Err(Error::bad_request(
            "the body is called application/json, but the parameter format says otherwise",
        ));
    }
    let note = request.extensions().get::<Note>().cloned();
    let body = match tokio::time::timeout(SLOWEST_BODY, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return Err(too_large()),
        Ok(Err(_)) => return Err(Error::bad_request("the body could not be read")),
        Err(_) => return Err(Error::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive")),
    };
    let (working, by, dry_run) = (app.clone(), who.to_string(), query.dry_run);
    let mut imported = walking(move || {
        // Kept as long as the body.
        let _turn = turn;
        is_a_list(query.format, &body)?;
        let now = clock::now();
        let most = policy::limits(&working.config.load()).bans;
        let mut import = Import {
            guard: &working.guard,
            most,
            who: &by,
            now,
            networks: 0,
            done: Imported { dry_run, ..Imported::default() },
        };
        read::lines((query.what, query.format), &body, now, &mut |number, line| {
            import.line(query.what, number, line);
        });
        Ok::<_, Error>(import.done)
    })
    .await??;
    if let Some(note) = note {
        note.about(&imported.in_short(query.what));
    }
    if !dry_run {
        let Imported { added, extended, refused, bad, .. } = imported;
        tracing::info!(%who, what = ?query.what, added, extended, refused, bad, "a list was imported");
        imported.warnings = app.settle().await;
        if app.is_dry() {
            imported.warnings.push("dry run: the kernel drops nothing".into());
        }
    }
    Ok(Json(imported))
}

impl Imported {
    /// For the audit.
    fn in_short(&self, what: What) -> String {
        let mut text = match what {
            What::Bans => "bans".to_owned(),
            What::Allows => "allows".to_owned(),
        };
        if self.dry_run {
            text += ", dry run";
        }
        for (count, word) in [
            (self.added, "added"),
            (self.extended, "extended"),
            (self.unchanged, "unchanged"),
            (self.refused, "refused"),
            (self.bad, "bad"),
        ] {
            if count > 0 {
                text += &format!(", {count} {word}");
            }
        }
        text
    }
}

/// Refuses what is no list at all, before anything of it is carried out: a script that sends the wrong thing, or half of a
/// file, has an error and not an answer full of them.
fn is_a_list(format: Format, body: &[u8]) -> Result<(), Error> {
    let begin = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match (format, begin) {
        (_, None) => Err(Error::bad_request("a body is required: a list as GET /security/export writes it")),
        (Format::Json, Some(b'[')) => match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::bad_request(format!("the body is not JSON: {error}"))),
        },
        (Format::Json, Some(_)) => Err(Error::bad_request(
            "the body is not an array of objects; other forms want format=csv or format=ipset",
        )),
        _ => Ok(()),
    }
}

/// An import under way.
pub(super) struct Import<'a> {
    pub(super) guard: &'a Guard,
    /// Entries that a list may have.
    pub(super) most: usize,
    pub(super) who: &'a str,
    pub(super) now: Time,
    /// Networks to allow so far.
    pub(super) networks: u32,
    pub(super) done: Imported,
}

/// What a line comes to.
enum Outcome {
    Added,
    Extended,
    Unchanged,
}

impl Import<'_> {
    pub(super) fn line(&mut self, what: What, number: u64, line: Result<Record, (String, String)>) {
        self.done.lines += 1;
        let record = match line {
            Ok(record) => record,
            Err((error, text)) => {
                self.done.bad += 1;
                return self.tell(number, &text, error);
            }
        };
        let is_network = matches!(record.target, Target::Net(_));
        if is_network && what == What::Allows {
            self.networks += 1;
            if self.networks > MOST_NETWORKS {
                self.done.bad += 1;
                let error = format!("an import may allow {MOST_NETWORKS} networks; send the rest in another");
                return self.tell(number, &record.target.to_string(), error);
            }
        }
        let begun = Instant::now();
        let outcome = match what {
            What::Bans => self.ban(&record),
            What::Allows => self.allow(&record),
        };
        if is_network {
            // A network walks the ledger under its lock: the guard gets as much time as that took.
            let took = begun.elapsed();
            if took >= LONG {
                std::thread::sleep(took);
            }
        }
        match outcome {
            Ok(Outcome::Added) => self.done.added += 1,
            Ok(Outcome::Extended) => self.done.extended += 1,
            Ok(Outcome::Unchanged) => self.done.unchanged += 1,
            Err(refusal) => {
                self.done.refused += 1;
                self.tell(number, &record.target.to_string(), refusal.to_string());
            }
        }
    }

    fn tell(&mut self, line: u64, text: &str, error: String) {
        if self.done.errors.len() < MOST_ERRORS {
            let cut = |text: &str| -> String { text.chars().take(LONGEST_SHOWN).collect() };
            let text = guard::printable(cut(text).as_bytes());
            let error =
                guard::printable(error.chars().take(2 * LONGEST_SHOWN).collect::<String>().as_bytes());
            self.done.errors.push(LineError { line, text, error });
        }
    }

    fn ban(&self, record: &Record) -> Result<Outcome, Refusal> {
        let &Record { target, scope, until, ref reason, ref note, .. } = record;
        self.guard.may_be_banned(target, self.now)?;
        let ledger = self.guard.ledger();
        if let Some(standing) = ledger.ban_of(target, self.now) {
            let (until, scope) = (later(until, standing.until), scope.max(standing.scope));
            if (until, scope) == (standing.until, standing.scope) {
                return Ok(Outcome::Unchanged);
            }
            if !self.done.dry_run {
                let amendment = Amendment { until: Some(until), scope: Some(scope), note: None };
                self.guard.order_amend(target, amendment, self.now);
            }
            return Ok(Outcome::Extended);
        }
        if ledger.sizes().0 >= self.most {
            return Err(Refusal::Full);
        }
        if !self.done.dry_run {
            let terms = Terms { until, scope, text: reason, note };
            self.guard.order_ban_noted(target, terms, self.who, self.now)?;
        }
        Ok(Outcome::Added)
    }

    fn allow(&self, record: &Record) -> Result<Outcome, Refusal> {
        let &Record { target, until, ref user, ref domain, .. } = record;
        self.guard.may_be_allowed(target, self.now)?;
        let ledger = self.guard.ledger();
        let standing = ledger.allow_entry(target, self.now).filter(|entry| entry.target == target);
        let outcome = match &standing {
            // An operator's entry protects from more than one that a success made.
            Some(entry) if entry.origin.is_operator() && later(until, entry.until) == entry.until => {
                return Ok(Outcome::Unchanged);
            }
            Some(_) => Outcome::Extended,
            None if ledger.sizes().1 >= self.most => return Err(Refusal::Full),
            None => Outcome::Added,
        };
        if !self.done.dry_run {
            let until = standing.map_or(until, |entry| later(until, entry.until));
            let ttl = until.map(|until| until.since(self.now));
            self.guard.order_allow(target, ttl, user, domain, self.who, self.now)?;
        }
        Ok(outcome)
    }
}

/// The later of two ends; `None` is never.
fn later(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.zip(other).map(|(one, other)| one.max(other))
}

/// Imports whose bodies may be in memory at a time.
static IMPORTS: Semaphore = Semaphore::const_new(2);
/// Networks that one import may allow: each looks for the bans within it.
const MOST_NETWORKS: u32 = 10_000;
/// What a line may take without a rest.
const LONG: Duration = Duration::from_micros(200);
/// The longest that a body may take to arrive.
const SLOWEST_BODY: Duration = Duration::from_secs(20);
/// Errors that are told one by one.
const MOST_ERRORS: usize = 1000;
/// Characters of a line that are sent back.
const LONGEST_SHOWN: usize = 120;
