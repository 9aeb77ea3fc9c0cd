//! Before the first order: who a client is.

use super::answer;
use crate::desk::Visit;
use crate::directory::Claim;
use crate::door::order::Order;
use crate::door::{Admission, Credential, Door, Stays, Stranger};
use esl::reply;
use esl::server::Session;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How somebody leaves who never came in.
pub(super) enum Leaving {
    /// With the goodbye.
    Politely,
    /// The connection has ended.
    Ended,
}

/// Somebody who has come in.
pub(super) struct Known {
    pub(super) visit: Visit,
    pub(super) stays: Stays,
    /// With a credential of `userauth`, whose reply tells what is allowed.
    pub(super) by_name: bool,
}

/// Until somebody says who they are.
pub(super) async fn log_in(
    door: &Arc<Door>,
    session: &mut Session,
    stranger: &Stranger,
) -> Result<Known, Leaving> {
    for _ in 0..MOST_BEFORE_LOGIN {
        let request = session.next().await.map_err(|_| Leaving::Ended)?;
        let claim = match Order::of(&request) {
            Order::Auth(token) => Credential::Token(token),
            Order::UserAuth(argument) => Credential::User(Claim::of_userauth(argument)),
            Order::Exit => {
                answer(session, reply::BYE);
                return Err(Leaving::Politely);
            }
            _ => {
                answer(session, reply::COMMAND_NOT_FOUND);
                continue;
            }
        };
        let by_name = matches!(claim, Credential::User(_));
        match door.porter.identify(stranger, claim).await {
            Admission::Welcome(identity, stays) => {
                let visit = Visit { identity, source: stranger.source(), door: stranger.door };
                return Ok(Known { visit, stays, by_name });
            }
            Admission::Wrong(why) => {
                door.counts.wrong.fetch_add(1, Relaxed);
                door.desk.turns_away(stranger.source(), stranger.door, how(by_name), &why);
                answer(session, reply::INVALID);
            }
            Admission::Later(why) => {
                door.desk.turns_away(stranger.source(), stranger.door, how(by_name), &why);
                answer(session, &format!("-ERR {why}"));
            }
        }
        return Err(Leaving::Politely);
    }
    Err(Leaving::Politely)
}

/// The order, for the audit: a name that nobody has may be a password typed in the wrong place, and whose it is stands beside it otherwise.
pub(super) fn how(by_name: bool) -> &'static str {
    if by_name { "userauth" } else { "auth" }
}

/// Packets before the login.
const MOST_BEFORE_LOGIN: usize = 16;
