//! What an order must pass before it is sent: the text, the grant, the limits, the policy, and the audit.

use super::attempt::{About, Attempt, Place, Seat};
use super::channels::channels;
use super::rows::{self, Limited};
use super::{Desk, Order, Refused, Switch, Visit, caller, with_shadow};
use crate::deed::Deeds;
use crate::grant::{Grant, Waiting};
use crate::identity::Identity;
use crate::judge::Decision;
use crate::line::Line;
use crate::upstream::{Ask, Upstream};
use crate::{Class, freeswitch};
use std::sync::Arc;
use std::time::Duration;

/// A command that may be sent, and on which terms.
pub(super) struct Ready<'a> {
    /// As it was asked for.
    pub(super) line: Line<'a>,
    pub(super) attempt: Attempt,
    pub(super) upstream: Arc<Upstream>,
    pub(super) switch: Arc<str>,
    pub(super) ask: Ask,
    /// It goes as a job of the switch's, which holds up no connection.
    pub(super) is_job: bool,
    pub(super) tells_secrets: bool,
    /// Some rows of its answer are told; another command is sent then.
    pub(super) limited: Option<Limited>,
}

/// What somebody wants, as far as the rules want to know.
pub(super) struct Asking<'a> {
    /// For the audit: "api", "bgapi", "sendmsg".
    pub(super) form: &'static str,
    /// For the audit, freed of secrets.
    pub(super) shown: &'a str,
    /// What it would do.
    pub(super) deeds: &'a Deeds,
    /// The channels that it names.
    pub(super) channels: &'a [&'a str],
    /// The switch by name; none for the first.
    pub(super) switch: Option<&'a str>,
}

/// What may be done, and is not yet written down.
struct Judged<'d> {
    switch: &'d Switch,
    grant: Arc<Grant>,
    decision: Decision,
    shadow: Option<Decision>,
    place: Place,
}

impl Desk {
    /// Asks about a command; `form` is "api" or "bgapi".
    pub(super) async fn ready<'a>(
        self: &Arc<Self>,
        visit: &Visit,
        order: Order<'a>,
        form: &'static str,
    ) -> Result<Ready<'a>, Refused> {
        let line = match Line::new(order.command) {
            Ok(line) => line,
            Err(error) => {
                let shown = self.rules.load().redactor.text(order.command).into_owned();
                let about = About { form, command: &shown, switch: "" };
                return Err(self.refuse(visit, &about, error.into()));
            }
        };
        let rules = self.rules.load_full();
        let deeds = freeswitch::unfold(line, freeswitch::catalogue());
        let asked = Asking {
            form,
            shown: &rules.redactor.command(line),
            deeds: &deeds,
            channels: &channels(line.as_str()),
            switch: order.switch,
        };
        let judged = self.judge(visit, &asked).await?;
        let (switch, grant) = (judged.switch, judged.grant.clone());
        let catalogue = freeswitch::catalogue();
        let waiting = match form {
            "bgapi" => Waiting::Job,
            _ if judged.decision.classes(catalogue).has(Class::Originate) => Waiting::Call,
            _ => Waiting::Answer,
        };
        let limit = grant.timeout(&caller(&visit.identity, &|_| false), line, waiting);
        let is_job = waiting != Waiting::Answer || limit > LONG;
        let is_read = judged.decision.only_reads(catalogue);
        // It was allowed a moment ago.
        let limited =
            rows::limit(&grant, &visit.identity, form, &deeds).map_err(|why| Refused::Denied { why })?;
        if limited.is_some() {
            switch.upstream.hub().know_owners(true);
        }
        let most = if limited.is_some() { rows::MOST } else { grant.terms.output };
        let attempt = self.begin(judged, visit, &asked, is_job)?;
        Ok(Ready {
            line,
            attempt,
            upstream: switch.upstream.clone(),
            switch: switch.name.clone(),
            ask: Ask { limit, most, is_read },
            is_job,
            tells_secrets: grant.tells_secrets(),
            limited,
        })
    }

    /// Asks the rules and the limits, and writes the attempt down.
    pub(super) async fn admit(
        self: &Arc<Self>,
        visit: &Visit,
        asked: &Asking<'_>,
    ) -> Result<(&Switch, Arc<Grant>, Attempt), Refused> {
        let judged = self.judge(visit, asked).await?;
        let (switch, grant) = (judged.switch, judged.grant.clone());
        Ok((switch, grant, self.begin(judged, visit, asked, false)?))
    }

    /// Asks the rules and the limits.
    async fn judge(self: &Arc<Self>, visit: &Visit, asked: &Asking<'_>) -> Result<Judged<'_>, Refused> {
        let about = |switch| About { form: asked.form, command: asked.shown, switch };
        let switch = match self.switch(asked.switch) {
            Ok(switch) => switch,
            Err(refused) => return Err(self.refuse(visit, &about(""), refused)),
        };
        let about = about(&switch.name);
        let grant = match self.grant(visit) {
            Ok(grant) => grant,
            Err(shut) => return Err(self.refuse(visit, &about, shut.into())),
        };
        // Before the switch is asked whose channels are named: that costs it something, whatever is decided.
        let place = match Place::take(self, visit, &grant.terms) {
            Ok(place) => place,
            Err(refused) => return Err(self.refuse(visit, &about, refused)),
        };
        let (decision, shadow) = match self.decide(visit, &grant, asked, switch).await {
            Ok(decided) => decided,
            Err(refused) => return Err(self.refuse(visit, &about, refused)),
        };
        if !decision.allowed {
            let why = with_shadow(&decision.why, shadow.as_ref());
            return Err(self.refuse(visit, &about, Refused::Denied { why }));
        }
        Ok(Judged { switch, grant, decision, shadow, place })
    }

    /// Writes down that it is tried. A job wants a seat among the caller's jobs.
    fn begin(
        self: &Arc<Self>,
        judged: Judged<'_>,
        visit: &Visit,
        asked: &Asking<'_>,
        is_job: bool,
    ) -> Result<Attempt, Refused> {
        let Judged { switch, grant, decision, shadow, place } = judged;
        let about = About { form: asked.form, command: asked.shown, switch: &switch.name };
        let seat = match is_job {
            false => None,
            true => match Seat::take(&place, grant.terms.jobs) {
                Ok(seat) => Some(seat),
                Err(refused) => return Err(self.refuse(visit, &about, refused)),
            },
        };
        Attempt::begin(place, seat, visit, &about, &decision.why, shadow.as_ref())
    }

    /// Asks the policy, with the owners of the channels that are named.
    pub(super) async fn decide(
        &self,
        visit: &Visit,
        grant: &Grant,
        asked: &Asking<'_>,
        switch: &Switch,
    ) -> Result<(Decision, Option<Decision>), Refused> {
        let own = self.own_channels(&visit.identity, grant, switch, asked.channels).await?;
        let owns = |channel: &str| own.iter().any(|uuid| uuid.eq_ignore_ascii_case(channel));
        let who = caller(&visit.identity, &owns);
        let (bound, catalogue) = (visit.identity.bound.as_deref(), freeswitch::catalogue());
        let real = grant.decide(&who, bound, asked.deeds, catalogue);
        let shadow = grant.decide_in_shadow(&who, bound, asked.deeds, catalogue, &real);
        Ok((rows::within(grant, &visit.identity, asked.form, asked.deeds, real), shadow))
    }

    /// Those of the channels that are the caller's own; only asked for when a rule wants to know.
    pub(crate) async fn own_channels(
        &self,
        identity: &Identity,
        grant: &Grant,
        switch: &Switch,
        channels: &[&str],
    ) -> Result<Vec<String>, Refused> {
        let asks = grant.policy.asks_for_owners()
            || grant.shadow.as_ref().is_some_and(crate::Policy::asks_for_owners);
        let Some(account) = identity.account.as_ref().filter(|_| asks && !channels.is_empty()) else {
            return Ok(Vec::new());
        };
        let owners = switch.upstream.owners().resolve(channels).await;
        let owners = owners.map_err(|error| Refused::Failed { switch: switch.name.to_string(), error })?;
        Ok(owners.into_iter().filter(|(_, owner)| owner == account).map(|(channel, _)| channel).collect())
    }
}

/// Longer than this a command is better run as a job.
const LONG: Duration = Duration::from_secs(10);
