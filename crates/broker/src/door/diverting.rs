//! A channel's own events on their way to one client: [`Diverting`].
//!
//! They come over a connection of the switch's own, so a task of its own reads them. It asks every few seconds whether the client still may,
//! and gives the channel its events back when it may not, when the client is gone, or when it wants no more.

use super::Door;
use super::listener::Listener;
use crate::desk::{Refused, Visit};
use crate::upstream::Diverted;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// Events are diverted until this is dropped, or the channel ends.
#[derive(Debug)]
pub(super) struct Diverting {
    stop: oneshot::Sender<()>,
    /// Dropped with the task.
    over: oneshot::Receiver<()>,
}

impl Diverting {
    /// Diverts a channel's events to a client.
    pub(super) async fn begin(
        door: &Arc<Door>,
        visit: &Visit,
        channel: &str,
        listener: &Listener,
    ) -> Result<Diverting, Refused> {
        let diverted = door.desk.divert(visit, channel, door.settings.switch.as_deref()).await?;
        let (stop, stopped) = oneshot::channel();
        let (alive, over) = oneshot::channel();
        let way = Way {
            door: door.clone(),
            visit: visit.clone(),
            channel: channel.to_owned(),
            listener: listener.clone(),
            _alive: alive,
        };
        tokio::spawn(way.run(diverted, stopped));
        Ok(Diverting { stop, over })
    }

    /// Ends it, and waits until the switch knows.
    pub(super) async fn end(self) {
        drop(self.stop);
        // Nothing is ever sent.
        _ = self.over.await;
    }

    /// Whether it goes on.
    pub(super) fn is_on(&mut self) -> bool {
        self.over.try_recv() == Err(oneshot::error::TryRecvError::Empty)
    }
}

struct Way {
    door: Arc<Door>,
    visit: Visit,
    channel: String,
    listener: Listener,
    _alive: oneshot::Sender<()>,
}

impl Way {
    async fn run(self, mut diverted: Diverted, mut stopped: oneshot::Receiver<()>) {
        let mut checks = interval(CHECKED);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let switch = self.door.settings.switch.as_deref();
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                _ = checks.tick() => {
                    if !self.door.desk.may_divert(&self.visit, &self.channel, switch).await {
                        tracing::info!(user = %self.visit.identity, "a channel's events are diverted no more: not permitted any more");
                        break;
                    }
                }
                event = diverted.next() => match event {
                    Ok(event) => {
                        if let Some(shown) = self.listener.view().of_channel(&event, &self.channel).await {
                            self.listener.diverted(&shown);
                        }
                    }
                    // The channel has ended, or the switch is gone.
                    Err(_) => break,
                },
            }
        }
        diverted.stop().await;
    }
}

/// Between two looks at whether the client still may.
const CHECKED: Duration = Duration::from_secs(2);
