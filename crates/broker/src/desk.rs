//! The one place where a request is judged, limited, written down, carried out and told.
//!
//! A door finds out who somebody is ([`Identity`]), makes a [`Visit`] of it, and gives every order here; nothing reaches a switch in
//! another way. The order of things: the text is checked, the caller's grant is looked up for their place and the time, the limits are
//! asked, the policy is asked about everything that the command would do, the attempt is written down, and only then is it sent. What
//! comes back is cut to the caller's bound, freed of secrets, and its end is written down, too, even when nobody waits for it any more.

use crate::clock;
use crate::freeswitch;
use crate::grant::Grant;
use crate::identity::{Identity, Proof};
use crate::journal::Journal;
use crate::judge::{Caller, Decision};
use crate::limits::{Refusals, Strangers, Usage};
use crate::line::Line;
use crate::redact::Redactor;
use crate::rulebook::{Rulebook, Shut};
use crate::upstream::{Answer, CallError, JobId, Upstream};
use arc_swap::ArcSwap;
use attempt::{Attempt, Place};
use carried::Carried;
use channels::channels;
use judged::{Asking, Ready};
use rows::Limited;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

mod attempt;
mod carried;
mod channels;
mod counts;
mod diverted;
mod judged;
mod listening;
mod refused;
mod rows;
mod sent;
mod view;
mod visit;
mod written;

pub use counts::Counts;
pub use listening::Listening;
pub use refused::Refused;
pub use view::{Shown, View};
pub use visit::{Door, Visit};

/// What holds until the next reload.
#[derive(Debug)]
pub struct Rules {
    /// Roles and users.
    pub book: Rulebook,
    /// What callers without a credential may do.
    pub nobody: Arc<Grant>,
    /// What is taken out of answers.
    pub redactor: Redactor,
    /// Whether a command is carried out that cannot be written down.
    pub allow_unaudited: bool,
}

/// What the switch printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Freed of secrets, cut to what the caller may have.
    pub text: Vec<u8>,
    /// Whether it was longer.
    pub cut: bool,
}

/// One switch, by its name.
#[derive(Debug)]
pub struct Switch {
    /// In the configuration.
    pub name: Arc<str>,
    /// The way to it.
    pub upstream: Arc<Upstream>,
}

/// See the module.
#[derive(Debug)]
pub struct Desk {
    rules: ArcSwap<Rules>,
    switches: Vec<Switch>,
    journal: Option<Arc<Journal>>,
    usage: Mutex<Usage>,
    refusals: Mutex<Refusals>,
    strangers: Mutex<Strangers>,
    /// What was counted.
    pub counts: Counts,
}

/// A command that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order<'a> {
    /// As it came.
    pub command: &'a str,
    /// The switch by name; none for the first.
    pub switch: Option<&'a str>,
}

/// A background job that was started.
#[derive(Debug)]
pub struct Started {
    /// Its id.
    pub job: JobId,
    /// Its end.
    pub result: oneshot::Receiver<Result<Reply, Refused>>,
}

impl Desk {
    /// A desk before these switches, at least one. Without a journal nothing is written down.
    pub fn new(rules: Rules, switches: Vec<Switch>, journal: Option<Arc<Journal>>) -> Arc<Desk> {
        let desk = Desk {
            rules: ArcSwap::from_pointee(rules),
            switches,
            journal,
            usage: Mutex::default(),
            refusals: Mutex::default(),
            strangers: Mutex::default(),
            counts: Counts::default(),
        };
        desk.know_owners();
        Arc::new(desk)
    }

    /// Puts other rules in force. What is under way goes on.
    pub fn apply(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
        self.know_owners();
    }

    /// Whose channel is which must be known of all channels while somebody may see only some.
    fn know_owners(&self) {
        let wanted = self.rules.load().book.limits_rows();
        self.switches.iter().for_each(|switch| switch.upstream.hub().know_owners(wanted));
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Whether orders are written down.
    pub fn is_audited(&self) -> bool {
        self.journal.is_some()
    }

    /// The switches, in order.
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }

    /// A switch by its name, or the first.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn switch(&self, name: Option<&str>) -> Result<&Switch, Refused> {
        let found = match name {
            None => self.switches.first(),
            Some(name) => self.switches.iter().find(|switch| &*switch.name == name),
        };
        found.ok_or_else(|| Refused::NoSuchSwitch(name.unwrap_or_default().to_owned()))
    }

    /// What somebody may do just now.
    ///
    /// # Errors
    /// When that is nothing.
    pub fn grant(&self, visit: &Visit) -> Result<Arc<Grant>, Shut> {
        let rules = self.rules.load();
        match visit.identity.proof {
            Proof::None => Ok(rules.nobody.clone()),
            _ => rules.book.grant(&visit.identity, visit.source, clock::moment()),
        }
    }

    /// Runs a command and waits for what it prints.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn run(self: &Arc<Self>, visit: &Visit, order: Order<'_>) -> Result<Reply, Refused> {
        let ready = self.ready(visit, order, "api").await?;
        let Ready { line, mut attempt, upstream, switch, ask, is_job, tells_secrets, limited } = ready;
        let (desk, text) = (self.clone(), line.as_str().to_owned());
        let work = async move {
            let sent = limited.as_ref().map(Limited::command);
            // Both were lines a moment ago.
            let (line, sent) = (Line::new(&text)?, Line::new(sent.as_ref().unwrap_or(&text))?);
            let answer = match is_job {
                false => upstream.api(sent, ask).await,
                true => match upstream.bgapi(sent, None, ask).await {
                    Ok(started) => {
                        attempt.is_taken();
                        started.result.wait().await
                    }
                    Err(error) => Err(error),
                },
            };
            let answer = kept(limited.as_ref(), &upstream, answer).await;
            desk.told(line, attempt, &switch, tells_secrets, answer)
        };
        Carried::new(work).await
    }

    /// Starts a command as a background job. It is carried to its end whether or not anybody waits for it.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn start(
        self: &Arc<Self>,
        visit: &Visit,
        order: Order<'_>,
        job: Option<JobId>,
    ) -> Result<Started, Refused> {
        let ready = self.ready(visit, order, "bgapi").await?;
        let Ready { line, mut attempt, upstream, switch, ask, tells_secrets, limited, .. } = ready;
        let (desk, text) = (self.clone(), line.as_str().to_owned());
        let work = async move {
            let sent = limited.as_ref().map(Limited::command);
            // It was a line a moment ago.
            let started = match upstream.bgapi(Line::new(sent.as_ref().unwrap_or(&text))?, job, ask).await {
                Ok(started) => started,
                Err(error) => return Err(desk.failed(attempt, &switch, error)),
            };
            attempt.is_taken();
            let (tell, result) = oneshot::channel();
            let job = started.job;
            tokio::spawn(async move {
                let answer = kept(limited.as_ref(), &upstream, started.result.wait().await).await;
                let Ok(line) = Line::new(&text) else { return };
                // Whoever started it may be gone.
                _ = tell.send(desk.told(line, attempt, &switch, tells_secrets, answer));
            });
            Ok(Started { job, result })
        };
        Carried::new(work).await
    }

    /// What somebody sees of a switch's events and log.
    ///
    /// # Errors
    /// When there is no such switch, or the caller may do nothing just now.
    pub fn view(self: &Arc<Self>, visit: &Visit, switch: Option<&str>) -> Result<View, Refused> {
        let switch = self.switch(switch)?;
        self.grant(visit)?;
        Ok(View::new(self, visit, &switch.upstream))
    }

    /// Decides about a command, and what rules in shadow would say when that is something else. Writes nothing down. The question counts
    /// against the limits of `asker`, who may be somebody else: the switch may have to be asked whose channels are named.
    ///
    /// # Errors
    /// When there is nothing to decide, or the asker is too fast.
    pub async fn explain(
        self: &Arc<Self>,
        asker: &Visit,
        visit: &Visit,
        order: Order<'_>,
    ) -> Result<(Decision, Option<Decision>), Refused> {
        let line = Line::new(order.command)?;
        let switch = self.switch(order.switch)?;
        let grant = self.grant(visit)?;
        // Who may do nothing at the switch may still ask, no faster than strangers.
        let asking = self.grant(asker).unwrap_or_else(|_| self.rules.load().nobody.clone());
        let _place = Place::take(self, asker, &asking.terms)?;
        let asked = Asking {
            form: "api",
            shown: order.command,
            deeds: &freeswitch::unfold(line, freeswitch::catalogue()),
            channels: &channels(line.as_str()),
            switch: order.switch,
        };
        self.decide(visit, &grant, &asked, switch).await
    }

    /// What came back, as the caller may see it; the attempt ends.
    fn told(
        &self,
        line: Line<'_>,
        attempt: Attempt,
        switch: &str,
        tells_secrets: bool,
        answer: Result<Answer, CallError>,
    ) -> Result<Reply, Refused> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(attempt, switch, error)),
        };
        let text = match tells_secrets {
            true => answer.bytes,
            false => self.rules.load().redactor.reply(line, answer.bytes),
        };
        attempt.end(summary(&text, answer.cut), text.len());
        Ok(Reply { text, cut: answer.cut })
    }

    fn failed(&self, attempt: Attempt, switch: &str, error: CallError) -> Refused {
        attempt.end(&error.to_string(), 0);
        Refused::Failed { switch: switch.to_owned(), error }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer with the rows that may be told.
async fn kept(
    limited: Option<&Limited>,
    upstream: &Upstream,
    answer: Result<Answer, CallError>,
) -> Result<Answer, CallError> {
    match (limited, answer) {
        (Some(limited), Ok(answer)) => limited.keep(upstream, answer).await,
        (_, answer) => answer,
    }
}

fn caller<'a>(identity: &'a Identity, owns: &'a dyn Fn(&str) -> bool) -> Caller<'a> {
    Caller { user: identity.user(), domain: identity.domain(), owns }
}

/// The reason, and what the rules in shadow would say.
fn with_shadow(why: &str, shadow: Option<&Decision>) -> String {
    match shadow {
        None => why.to_owned(),
        Some(shadow) if shadow.allowed => format!("{why}; in shadow allowed: {}", shadow.why),
        Some(shadow) => format!("{why}; in shadow refused: {}", shadow.why),
    }
}

/// The answer in the audit: how it went, not what it said.
fn summary(text: &[u8], cut: bool) -> &'static str {
    match (text.starts_with(b"-ERR") || text.starts_with(b"-USAGE"), cut) {
        (true, _) => "error",
        (false, true) => "ok, cut",
        (false, false) => "ok",
    }
}
