//! Which rows of `show` a caller is told: [`Limited`].
//!
//! A channel's row is somebody's when one of its calls or channels is known to be theirs (see [`owners`](crate::upstream::owners)), a
//! registration's by the user and the realm of the directory. What is not known to be somebody's is left out. Only of rows that claim, in what
//! their caller chose, to be of the caller's domain the switch is asked, of a few at a time: a call that was there before our connection was.

use crate::deed::{Deed, Deeds};
use crate::events::Rows;
use crate::freeswitch::show::{self, Asked, NotSo, Row, Show};
use crate::grant::Grant;
use crate::identity::{Account, Identity};
use crate::judge::Decision;
use crate::upstream::owners::MOST_ASKED;
use crate::upstream::{Answer, CallError, Upstream};
use std::time::Duration;
use tokio::time::timeout;

/// A `show` of which a caller is told some rows. See the module.
pub(super) struct Limited {
    show: Show,
    account: Account,
    rows: Rows,
    /// Bytes of the answer.
    most: usize,
}

/// Refuses what would tell rows that cannot be told apart; gives how the answer is to be limited, when it is.
pub(super) fn limit(
    grant: &Grant,
    who: &Identity,
    form: &str,
    deeds: &Deeds,
) -> Result<Option<Limited>, String> {
    if grant.rows == Rows::All {
        return Ok(None);
    }
    let mut limited = None;
    for (at, deed) in deeds.iter().enumerate() {
        let Deed::Command { name, arguments } = deed else { continue };
        if name != "show" {
            continue;
        }
        let is_itself = at == 0 && matches!(form, "api" | "bgapi");
        let show = match Show::of(arguments) {
            Ok(Asked::Nobodys) => continue,
            Ok(Asked::Rows(show)) if is_itself => show,
            Err(why) if is_itself => return Err(why.to_string()),
            Ok(Asked::Rows(_)) | Err(NotSo::Unclear | NotSo::Form) => {
                return Err(format!(
                    "\"show\" inside of something else tells all rows, not those of {}",
                    grant.rows
                ));
            }
        };
        let Some(account) = who.account.clone() else {
            let rows = grant.rows;
            return Err(format!(
                "the rows of {rows} are told, and {who} has no account; give one, or rows = \"all\""
            ));
        };
        limited = Some(Limited { show, account, rows: grant.rows, most: grant.terms.output });
    }
    Ok(limited)
}

/// The same decision, unless it allows what [`limit`] refuses.
pub(super) fn within(
    grant: &Grant,
    who: &Identity,
    form: &str,
    deeds: &Deeds,
    decision: Decision,
) -> Decision {
    if !decision.allowed {
        return decision;
    }
    match limit(grant, who, form, deeds) {
        Ok(_) => decision,
        Err(why) => Decision { allowed: false, why, refused: deeds.iter().next().cloned(), ..decision },
    }
}

impl Limited {
    /// What is sent in place of what was asked for.
    pub(super) fn command(&self) -> String {
        self.show.command()
    }

    /// The answer with the caller's rows alone, in the form that they wanted.
    pub(super) async fn keep(&self, upstream: &Upstream, answer: Answer) -> Result<Answer, CallError> {
        if answer.bytes.starts_with(b"-") {
            // Rows may come after an error.
            let line = answer.bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            return Ok(Answer::new(line, self.most));
        }
        let rows = if answer.cut { None } else { show::Rows::read(&answer.bytes) };
        let mut rows = rows.ok_or(CallError::NoRows)?;
        if self.show.is_of_registrations() {
            rows.retain(|row| {
                self.is_own(&Account {
                    user: row.value("reg_user").into(),
                    domain: row.value("realm").into(),
                })
            });
        } else {
            self.look(upstream, &rows).await;
            let owners = upstream.owners();
            let is_own = |channel: &str| owners.owner(channel).is_some_and(|owner| self.is_own(&owner));
            rows.retain(|row| channels(row).any(is_own));
        }
        Ok(Answer::new(self.show.write(&rows).as_bytes(), self.most))
    }

    fn is_own(&self, owner: &Account) -> bool {
        self.rows.hold(&self.account, owner)
    }

    /// Asks the switch about rows that may be the caller's.
    async fn look(&self, upstream: &Upstream, rows: &[Row]) {
        let claims = |row: &&Row| {
            CLAIMS.iter().any(|column| {
                let claimed = row.value(column).rsplit_once('@');
                claimed.is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(&self.account.domain))
            })
        };
        let owners = upstream.owners();
        let unknown = |channel: &&str| owners.is_unknown(channel);
        let asked: Vec<&str> =
            rows.iter().filter(claims).flat_map(channels).filter(unknown).take(MOST_ASKED).collect();
        if !asked.is_empty() {
            // What does not come is not known.
            _ = timeout(LOOK, owners.resolve(&asked)).await;
        }
    }
}

/// The channels that a row is about.
fn channels(row: &Row) -> impl Iterator<Item = &str> {
    ["uuid", "call_uuid", "b_uuid"]
        .into_iter()
        .map(|column| row.value(column))
        .filter(|uuid| !uuid.is_empty())
}

/// More than this of rows is not read.
pub(super) const MOST: usize = 16 << 20;
/// For all questions about one answer.
const LOOK: Duration = Duration::from_secs(3);
/// Columns whose value the caller of that call chose.
const CLAIMS: [&str; 2] = ["presence_id", "b_presence_id"];
