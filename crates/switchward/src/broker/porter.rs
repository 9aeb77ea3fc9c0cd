//! Who comes to the event socket door: the same credentials as at the API's, looked at by the same gate.
//!
//! `auth` takes a token, `userauth` the name and password of a person in the users file or in another directory. Wrong ones are counted and shown
//! to the guard there, so that guessing here is the attack that it is there; the door writes them into the audit of commands.

use super::caller;
use crate::access::{Arrival, Door, identify, operators};
use crate::app::App;
use broker::desk::Visit;
use broker::directory::Claim;
use broker::door::{Admission, Credential, Identifying, Porter, Stranger};
use broker::{Proof, desk};
use std::sync::{Arc, Weak};

/// See the module.
pub struct Gate(Weak<App>);

impl Gate {
    /// The gate of this daemon.
    pub fn new(app: &Arc<App>) -> Gate {
        Gate(Arc::downgrade(app))
    }

    async fn look(&self, stranger: &Stranger, claim: Credential<'_>) -> Admission {
        let Some(app) = self.0.upgrade() else { return Admission::Later("stopping".into()) };
        let arrival = Arrival {
            peer: stranger.source().map(guard::source::fold),
            door: match stranger.door {
                desk::Door::EslTls => Door::EslTls,
                desk::Door::EslSocket => Door::EslSocket,
                _ => Door::Esl,
            },
            certificate: None,
            uid: None,
        };
        let found = match &claim {
            Credential::Token(token) => identify::token(&app, &arrival, token).await,
            Credential::User(claim) => {
                identify::password(&app, &arrival, &login(claim), claim.password.expose()).await
            }
        };
        match found {
            Ok(who) => {
                operators::note(&app, &who);
                Admission::Welcome(caller::identity(&app, &who))
            }
            Err(identify::Denied::Wrong(why)) => {
                tracing::info!(peer = %stranger.peer, door = arrival.door.word(), "refused at the event socket door: {why}");
                Admission::Wrong(why)
            }
            Err(identify::Denied::Wait(wait)) => Admission::Later(format!(
                "too many wrong passwords; try again in {} s",
                wait.as_secs().max(1)
            )),
            Err(identify::Denied::Busy) => {
                Admission::Later("too many passwords are being checked; try again".into())
            }
        }
    }
}

/// As it is written in the users file: with the domain, when one was given.
fn login(claim: &Claim) -> String {
    match &claim.domain {
        Some(domain) => format!("{}@{domain}", claim.user),
        None => claim.user.clone(),
    }
}

impl Porter for Gate {
    fn admits(&self, _: &Stranger) -> bool {
        self.0.strong_count() > 0
    }

    fn identify<'a>(&'a self, stranger: &'a Stranger, claim: Credential<'a>) -> Identifying<'a> {
        Box::pin(self.look(stranger, claim))
    }

    fn keeps(&self, visit: &Visit) -> bool {
        let Some(app) = self.0.upgrade() else { return false };
        let identity = &visit.identity;
        match &identity.proof {
            Proof::Token => identity
                .name
                .strip_prefix("token:")
                .is_some_and(|name| app.access.role_of_token(name).is_some()),
            Proof::Password { directory } if **directory == *caller::USERS => {
                app.access.role_of_user(&identity.name).is_some()
            }
            // Other directories are asked at the next log-in.
            _ => true,
        }
    }
}
