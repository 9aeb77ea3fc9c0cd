//! Diverting a channel's own events to a client, through the desk.
//!
//! It is judged as the command `divert_events UUID`, which is none of the switch's API: the application on the channel no longer gets what it
//! waits for. What of it the client then sees is the view's business, as with every event.

use super::judged::Asking;
use super::{Desk, Refused, Visit};
use crate::deed::{Deed, Deeds};
use crate::upstream::Diverted;
use std::sync::Arc;

impl Desk {
    /// Diverts a channel's events.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn divert(
        self: &Arc<Self>,
        visit: &Visit,
        channel: &str,
        switch: Option<&str>,
    ) -> Result<Diverted, Refused> {
        let deeds = deeds(channel);
        let shown = format!("{channel} on");
        let channels = [channel];
        let asked = Asking { form: VERB, shown: &shown, deeds: &deeds, channels: &channels, switch };
        let (switch, _, attempt) = self.admit(visit, &asked).await?;
        match switch.upstream.divert(channel).await {
            Ok(diverted) => {
                attempt.end("ok", 0);
                Ok(diverted)
            }
            Err(error) => Err(self.failed(attempt, &switch.name, error)),
        }
    }

    /// Whether somebody to whom a channel's events are diverted may go on. Writes nothing down.
    pub async fn may_divert(&self, visit: &Visit, channel: &str, switch: Option<&str>) -> bool {
        let (Ok(grant), Ok(switch)) = (self.grant(visit), self.switch(switch)) else { return false };
        let deeds = deeds(channel);
        let asked = Asking { form: VERB, shown: "", deeds: &deeds, channels: &[channel], switch: None };
        let decided = self.decide(visit, &grant, &asked, switch).await;
        decided.is_ok_and(|(decision, _)| decision.allowed)
    }
}

fn deeds(channel: &str) -> Deeds {
    let mut deeds = Deeds::default();
    deeds.push(Deed::Command { name: VERB.into(), arguments: channel.into() });
    deeds
}

const VERB: &str = "divert_events";
