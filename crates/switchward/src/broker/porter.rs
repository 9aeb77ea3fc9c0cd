//! Who comes to the event socket door: the same credentials as at the API's, looked at by the same gate.
//!
//! `auth` takes a token, `userauth` the name and password of a person in the users file or in another directory. Wrong ones are counted and shown
//! to the guard there, so that guessing here is the attack that it is there; the door writes them into the audit of commands.

use super::caller;
use super::standing::Standing;
use crate::access::{Arrival, Door, identify, operators};
use crate::app::App;
use broker::desk;
use broker::directory::Claim;
use broker::door::{Admission, Credential, Identifying, Porter, Stays, Stranger};
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
        let (found, claimed) = match &claim {
            Credential::Token(token) => (identify::token(&app, &arrival, token).await, None),
            Credential::User(claim) => {
                let (login, password) = (login(claim), claim.password.expose());
                let found = identify::password(&app, &arrival, &login, password).await;
                (found, Some(Claim::of_login(&login, password)))
            }
        };
        match found {
            Ok(who) => {
                operators::note(&app, &who);
                let identity = caller::identity(&app, &who);
                let standing = Standing::new(&app, who, identity.clone(), claimed);
                Admission::Welcome(identity, Stays::while_true(move || standing.holds()))
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
}
