//! What runs beside the readers as long as the daemon: the HTTP interface, the housekeeping.

use crate::app::App;
use crate::clock;
use crate::http::Doors;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as signal;

pub(super) async fn serve(app: Arc<App>, doors: Doors, mut stopped: signal::Receiver<bool>) {
    let until = async move { _ = stopped.wait_for(|stopped| *stopped).await };
    if let Err(error) = crate::http::serve(app, doors, until).await {
        tracing::error!(%error, "the HTTP interface has stopped");
    }
}

/// Housekeeping, once a second.
pub(super) async fn tick(app: Arc<App>, mut stopped: signal::Receiver<bool>) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = crate::alarms::watch::Watch::new(&app);
    let mut steady = clock::Steady::new();
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        crate::access::operators::sweep(&app);
        for ban in app.guard.tick(clock::now()) {
            tracing::info!(target = %ban.target, "ban ran out");
        }
        crate::fraud::tick(&app);
        // The ledger goes by the wall clock and the kernel by one that nobody sets: after a jump they are brought together.
        if steady.was_set() {
            tracing::warn!("the wall clock was set; the kernel's timeouts are put in anew");
            if let Some(writer) = app.mirror.firewall() {
                writer.rebuild();
            }
        }
        watch.look(&app);
    }
}
