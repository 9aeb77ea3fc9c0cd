//! Writes what the guard knows of the past down: about once a minute, and at the stop.
//!
//! A kill loses at most that minute of reputation and of earlier bans, and nothing of the bans themselves, which the ledger's mirror has.
//! Start with [`follow`].

use crate::app::App;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as signal;

/// Writes what has changed, until the daemon stops and once more then.
pub async fn follow(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            _ = every.tick() => false,
            _ = stopped.wait_for(|stopped| *stopped) => true,
        };
        write(&app).await;
        if is_last {
            return;
        }
    }
}

/// Writes what has changed. What the store does not take is tried again the next time; the store itself says what is the matter.
pub async fn write(app: &App) {
    let Some(store) = app.mirror.store() else { return };
    let rows = app.guard.past().take_changed();
    if let Err((rows, reason)) = store.write_past(rows).await {
        tracing::warn!(rows = rows.len(), %reason, "what is known of sources could not be written down; trying again in a minute");
        app.guard.past().unwritten(&rows);
    }
}

/// How much of it a kill may lose.
const EVERY: Duration = Duration::from_secs(60);
