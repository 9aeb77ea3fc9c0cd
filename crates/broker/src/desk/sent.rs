//! Messages to channels and events for all, through the desk.

use super::judged::Asking;
use super::{Attempt, Carried, Desk, Refused, Visit, caller, channels};
use crate::announcement::Announcement;
use crate::freeswitch;
use crate::grant::Waiting;
use crate::line::Line;
use crate::message::Message;
use crate::upstream::CallError;
use std::sync::Arc;
use std::time::Duration;

impl Desk {
    /// Sends a message to a channel (`sendmsg`) and gives the switch's reply.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn message(
        self: &Arc<Self>,
        visit: &Visit,
        message: &Message,
        switch: Option<&str>,
    ) -> Result<String, Refused> {
        let Some(channel) = message.channel() else {
            return Err(Refused::Malformed("invalid session id []".into()));
        };
        let deeds = message.deeds(freeswitch::catalogue());
        let written = message.to_string();
        let mut named = channels(&written);
        // A channel may have any name, not only a UUID.
        if !named.contains(&channel) {
            named.insert(0, channel);
        }
        let asked =
            Asking { form: "sendmsg", shown: &self.shown(&written), deeds: &deeds, channels: &named, switch };
        let (switch, limit, attempt) = self.admit_sent(visit, &asked, "sendmsg").await?;
        let (desk, upstream, name) = (self.clone(), switch.upstream.clone(), switch.name.clone());
        let (message, channel) = (message.clone(), channel.to_owned());
        let work = async move {
            let answer = upstream.message(&channel, &message.headers(), None, limit).await;
            desk.answered(attempt, &name, answer)
        };
        Carried::new(work).await
    }

    /// Sends an event to everybody who listens (`sendevent`) and gives the switch's reply.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn announce(
        self: &Arc<Self>,
        visit: &Visit,
        announcement: &Announcement,
        switch: Option<&str>,
    ) -> Result<String, Refused> {
        let deeds = announcement.deeds(freeswitch::catalogue());
        let written = announcement.to_string();
        let named = channels(&written);
        let asked = Asking {
            form: "sendevent",
            shown: &self.shown(&written),
            deeds: &deeds,
            channels: &named,
            switch,
        };
        let (switch, limit, attempt) = self.admit_sent(visit, &asked, "sendevent").await?;
        let (desk, upstream, name) = (self.clone(), switch.upstream.clone(), switch.name.clone());
        let event = announcement.clone();
        let work = async move {
            let answer = upstream.announce(event.name(), &event.headers(), event.body(), limit).await;
            desk.answered(attempt, &name, answer)
        };
        Carried::new(work).await
    }

    async fn admit_sent(
        self: &Arc<Self>,
        visit: &Visit,
        asked: &Asking<'_>,
        verb: &str,
    ) -> Result<(&super::Switch, Duration, Attempt), Refused> {
        let (switch, grant, attempt) = self.admit(visit, asked).await?;
        let line = Line::new(verb)?;
        let limit = grant.timeout(&caller(&visit.identity, &|_| false), line, Waiting::Answer);
        Ok((switch, limit, attempt))
    }

    fn answered(
        &self,
        attempt: Attempt,
        switch: &str,
        answer: Result<String, CallError>,
    ) -> Result<String, Refused> {
        match answer {
            Ok(text) => {
                attempt.end(if text.starts_with("-ERR") { "error" } else { "ok" }, text.len());
                Ok(text)
            }
            Err(error) => Err(self.failed(attempt, switch, error)),
        }
    }

    /// For the audit.
    pub(super) fn shown(&self, written: &str) -> String {
        self.rules.load().redactor.text(written).into_owned()
    }
}
