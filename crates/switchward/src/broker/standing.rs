//! Whether somebody at the event socket door would still be let in: [`Standing`].
//!
//! What is on this machine is looked at each time: the token or the user as they were at the log-in, the roles that go with theirs. A further
//! directory cannot be asked without the password, which is kept for that while the connection lasts, and is asked every few minutes. While it
//! cannot be asked, who is in stays in.

use super::caller;
use crate::access::{Pass, Who};
use crate::app::App;
use broker::Identity;
use broker::directory::{Claim, Outcome};
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// See the module.
pub(super) struct Standing {
    app: Weak<App>,
    who: Who,
    pass: Pass,
    identity: Identity,
    elsewhere: Option<Elsewhere>,
}

/// Somebody whom a further directory knows.
struct Elsewhere {
    claim: Claim,
    source: Option<IpAddr>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// Asked again after that.
    Known(Instant),
    Asking,
    Gone,
}

impl Standing {
    /// Of somebody who has just come in as `identity`, with this claim when it was by a name.
    pub(super) fn new(app: &Arc<App>, who: Who, identity: Identity, claim: Option<Claim>) -> Arc<Standing> {
        let config = app.config.load_full();
        let source = who.peer;
        let every = config.broker.door.recheck_time;
        let elsewhere = claim.filter(|_| who.identity.is_some()).map(|claim| Elsewhere {
            claim,
            source,
            state: Mutex::new(State::Known(Instant::now() + every)),
        });
        let pass = app.access.pass(&who, &config);
        Arc::new(Standing { app: Arc::downgrade(app), who, pass, identity, elsewhere })
    }

    /// Whether they would be let in now, as who they are.
    pub(super) fn holds(self: &Arc<Self>) -> bool {
        let Some(app) = self.app.upgrade() else { return false };
        app.access.still_lets(&self.pass, &app.config.load())
            && caller::identity(&app, &self.who) == self.identity
            && self.elsewhere.as_ref().is_none_or(|elsewhere| self.is_known(elsewhere, &app))
    }

    fn is_known(self: &Arc<Self>, elsewhere: &Elsewhere, app: &Arc<App>) -> bool {
        let mut state = elsewhere.state.lock();
        match *state {
            State::Gone => return false,
            State::Known(until) if Instant::now() >= until => {
                *state = State::Asking;
                tokio::spawn(self.clone().ask(app.clone()));
            }
            State::Known(_) | State::Asking => {}
        }
        true
    }

    async fn ask(self: Arc<Self>, app: Arc<App>) {
        let Some(elsewhere) = &self.elsewhere else { return };
        let outcome = app.logins.check(&elsewhere.claim, elsewhere.source).await;
        let next = match outcome {
            Some(Outcome::Right(now)) if self.who.identity.as_deref() == Some(&now) => {
                State::Known(Instant::now() + app.config.load().broker.door.recheck_time)
            }
            Some(Outcome::Busy | Outcome::Trouble(_)) => State::Known(Instant::now() + AGAIN),
            // Another password, another account, another bound, kept out, or no such directory any more.
            Some(Outcome::Right(_) | Outcome::Wrong { .. } | Outcome::Disabled) | None => State::Gone,
        };
        *elsewhere.state.lock() = next;
    }
}

/// When a directory could not be asked.
const AGAIN: Duration = Duration::from_secs(10);
