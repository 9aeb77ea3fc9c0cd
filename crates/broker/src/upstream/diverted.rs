//! What a channel keeps for itself, for one client: [`Diverted`].
//!
//! Recognised speech and events that somebody sent to a channel alone wait in a queue of the channel's own, for the application that runs there.
//! FreeSWITCH gives that queue to a connection that is bound to the channel (`myevents`) and says `divert_events on`. Ours gives up the
//! subscription that comes with `myevents`: the channel's other events come through the hub already. The mark on the channel stays when
//! a connection is gone, so it is taken away before ours ends, unless another of ours has the same channel; else the application would wait
//! for ever for what nobody gets.

use super::{CallError, Dedicated, Happening, Upstream};
use esl::{Command, Disconnect, Format, FrameKind, Subscription, client::Reply};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::timeout};

/// See the module.
#[derive(Debug)]
pub struct Diverted {
    connection: Dedicated,
    channel: Box<str>,
    all: All,
}

/// How many connections of ours each channel's events are diverted to. Held while the switch is told, so that nobody's end undoes another's
/// beginning.
pub(super) type All = Arc<Mutex<HashMap<Box<str>, usize>>>;

impl Upstream {
    /// Diverts a channel's events to a connection of their own.
    ///
    /// # Errors
    /// [`CallError::Refused`] when there is no such channel, and what else keeps it from being done.
    pub async fn divert(&self, channel: &str) -> Result<Diverted, CallError> {
        let mut connection = self.dedicate().await?;
        let nothing = Subscription::all(Format::Plain);
        let steps = [
            // With a format the switch says when there is no such channel.
            Command::MyEvents { uuid: channel, format: Some(Format::Plain) },
            Command::NixEvent(&nothing),
            Command::DivertEvents(true),
        ];
        let mut diverted = self.diverted.lock().await;
        let all = async {
            for step in steps {
                match connection.ask(step).await.map_err(CallError::lost)? {
                    Reply::Text(text) if text.starts_with("+OK") => {}
                    Reply::Text(text) => return Err(CallError::refused(text)),
                    Reply::Response(_) => return Err(CallError::refused("an answer to no command".into())),
                }
            }
            Ok(())
        };
        timeout(LIMIT, all).await.unwrap_or(Err(CallError::Timeout(LIMIT)))?;
        *diverted.entry(channel.into()).or_default() += 1;
        Ok(Diverted { connection, channel: channel.into(), all: self.diverted.clone() })
    }
}

impl Diverted {
    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// How the connection ended; with its channel it does so by itself.
    pub async fn next(&mut self) -> Result<Happening, Disconnect> {
        loop {
            while let Some(frame) = self.connection.next()? {
                if matches!(frame.kind(), FrameKind::Event(_))
                    && let Some(event) = Happening::from_plain(frame.body())
                {
                    return Ok(event);
                }
            }
            self.connection.turn().await?;
        }
    }

    /// Gives the channel its events back; to be called after its end, too. What is under way to us is lost.
    pub async fn stop(mut self) {
        let mut all = self.all.lock().await;
        let others = all.get_mut(&self.channel).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if others == 0 {
            all.remove(&self.channel);
            // A switch that does not answer has ended the call, or is gone.
            _ = timeout(LIMIT, self.connection.ask(Command::DivertEvents(false))).await;
        }
        self.connection.exit().await;
    }
}

/// For all that is to be said.
const LIMIT: Duration = Duration::from_secs(5);
