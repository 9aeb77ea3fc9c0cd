//! What somebody begins to listen to, and who comes in: written down as orders are.
//!
//! Whether it may be is the view's and the directory's to say; here it is counted against the caller's rate and written into the audit, as
//! one attempt that is over at once. What comes of wrong log-ins is bounded for all strangers together, however many they are: nobody who is
//! not known fills the audit, or pushes older lines out of it.

use super::attempt::{About, Place};
use super::{Desk, Refused, Visit};
use crate::audit::{Done, Entry, Verdict};
use crate::clock;
use crate::grant::Grant;
use crate::identity::Identity;
use crate::limits::Heard;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// What somebody listens to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listening {
    /// Events.
    Events,
    /// The log.
    Log,
    /// Other events of those than before: a filter comes or goes.
    Filter,
}

impl Listening {
    /// The word in the audit.
    fn form(self) -> &'static str {
        match self {
            Listening::Events => "events",
            Listening::Log => "log",
            Listening::Filter => "filter",
        }
    }
}

impl Desk {
    /// Somebody begins to listen to what they may: `wanted`, as they said it.
    ///
    /// # Errors
    /// When they are too fast, or it cannot be written down.
    pub fn listens(
        self: &Arc<Self>,
        visit: &Visit,
        what: Listening,
        wanted: &str,
        switch: Option<&str>,
    ) -> Result<(), Refused> {
        self.passes(visit, what.form(), &self.shown(wanted), switch, |grant| match what {
            Listening::Events | Listening::Filter => format!("the events of {}", whose(grant)),
            Listening::Log => format!("the log of {}", whose(grant)),
        })
    }

    /// Somebody wanted to listen to what they may not. Gives the reason back.
    pub fn keeps_from(
        self: &Arc<Self>,
        visit: &Visit,
        what: Listening,
        wanted: &str,
        switch: Option<&str>,
        why: Refused,
    ) -> Refused {
        let switch = self.switch(switch).map(|switch| &*switch.name).unwrap_or_default();
        self.refuse(visit, &About { form: what.form(), command: &self.shown(wanted), switch }, why)
    }

    /// Somebody comes in by a log-in, said `how` without its secrets.
    ///
    /// # Errors
    /// When they may do nothing just now, are too fast, or it cannot be written down.
    pub fn comes_in(self: &Arc<Self>, visit: &Visit, how: &str, switch: Option<&str>) -> Result<(), Refused> {
        self.passes(visit, LOGIN, how, switch, |grant| format!("comes in as {}", whose(grant)))
    }

    /// Somebody who is known is not let in. Gives the reason back.
    pub fn keeps_out(self: &Arc<Self>, visit: &Visit, how: &str, why: Refused) -> Refused {
        self.refuse(visit, &About { form: LOGIN, command: how, switch: "" }, why)
    }

    /// A log-in was wrong. `why` must not hold what was typed.
    pub fn turns_away(self: &Arc<Self>, source: Option<IpAddr>, door: super::Door, how: &str, why: &str) {
        self.counts.refuse(door);
        if self.journal.is_none() {
            return;
        }
        let visit = Visit { identity: Identity::nobody(), source, door };
        let about = About { form: LOGIN, command: how, switch: "" };
        match self.strangers().hear(&visit.counted(), clock::steady()) {
            // Nothing is done, so that nothing must be written down first.
            Heard::Write => _ = self.write(&visit, &about, Verdict::Refused, why),
            Heard::Counted { first: true } => _ = tokio::spawn(self.clone().tell_strangers(door)),
            Heard::Counted { first: false } => {}
        }
    }

    /// Writes down how many wrong log-ins were counted only.
    async fn tell_strangers(self: Arc<Self>, door: super::Door) {
        sleep(STRANGERS_COUNTED_FOR).await;
        let many = self.strangers().counted();
        let rule = format!("{many} more log-ins were wrong: too many to be written down one by one");
        let visit = Visit { identity: Identity::nobody(), source: None, door };
        _ = self.write(&visit, &About { form: LOGIN, command: "", switch: "" }, Verdict::Refused, &rule);
    }

    fn passes(
        self: &Arc<Self>,
        visit: &Visit,
        form: &'static str,
        command: &str,
        switch: Option<&str>,
        rule: impl FnOnce(&Grant) -> String,
    ) -> Result<(), Refused> {
        let about = |switch| About { form, command, switch };
        let named = self.switch(switch).map_err(|refused| self.refuse(visit, &about(""), refused))?;
        let about = about(&named.name);
        let grant = self.grant(visit).map_err(|shut| self.refuse(visit, &about, shut.into()))?;
        let _place =
            Place::take(self, visit, &grant.terms).map_err(|refused| self.refuse(visit, &about, refused))?;
        let written = self.write(visit, &about, Verdict::Allowed, &rule(&grant));
        let of = written.inspect_err(|_| self.counts.refuse(visit.door))?;
        self.counts.allow(visit.door);
        if let (Some(of), Some(journal)) = (of, &self.journal) {
            let done = Done { at: clock::now(), of, result: "ok", bytes: 0, micros: 0 };
            // A journal that fails tells so itself, and refuses the next.
            _ = journal.write(&Entry::Done(done));
        }
        Ok(())
    }
}

/// By whose rules.
fn whose(grant: &Grant) -> String {
    match grant.roles.is_empty() {
        true => "the user's own rules".into(),
        false => format!("the roles {}", grant.roles.join(", ")),
    }
}

const LOGIN: &str = "login";
/// How long wrong log-ins are counted before the number is written down.
const STRANGERS_COUNTED_FOR: Duration = Duration::from_secs(300);
