//! The end of the daemon: [`Running::stop`] when it is told to, [`Running::broken`] when a part of it has died.

use super::Running;
use crate::config::OnExit;
use std::time::Duration;

impl Running {
    /// Waits until a part that must live as long as the daemon has ended, be it by a panic; says which. A daemon that lacks one of them
    /// guards only seemingly: it should end and be started again, which the kernel's sets and the store outlast.
    pub async fn broken(&self) -> String {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Some(part) = self.dead() {
                return part;
            }
        }
    }

    fn dead(&self) -> Option<String> {
        if self.app.mirror.firewall().is_some_and(netfilter::Writer::has_ended) {
            return Some("the firewall's thread".into());
        }
        if self.app.mirror.store().is_some_and(crate::store::Store::has_ended) {
            return Some("the store's thread".into());
        }
        if let Some(reader) = self.readers.iter().find(|reader| reader.has_ended()) {
            return Some(format!("the thread that reads the events of {}", reader.name()));
        }
        let tasks = [
            ("the HTTP interface", &self.http),
            ("the housekeeping", &self.ticker),
            ("the task of the allow-list's names", &self.naming),
            ("the task of the audit", &self.trailing),
            ("the task that writes down what is known of sources", &self.remembering),
            ("the task of the fraud rules", &self.pricing),
            ("the task of the host's own addresses", &self.owning),
        ];
        tasks.iter().find(|(_, task)| task.is_finished()).map(|(name, _)| (*name).to_owned())
    }

    /// Stops in order: no more events, no more orders, then what is queued goes to the kernel and to the disk.
    pub async fn stop(self) {
        // All of them at once: each may take its second.
        let stopping: Vec<_> = self
            .readers
            .into_iter()
            .map(|reader| tokio::spawn(reader.stop(Duration::from_secs(1))))
            .collect();
        for stopped in stopping {
            _ = stopped.await;
        }
        _ = self.stop.send(true);
        _ = tokio::time::timeout(Duration::from_secs(1), self.http).await;
        // The last lines of the audit, onto the disk.
        _ = tokio::time::timeout(Duration::from_secs(1), self.trailing).await;
        _ = tokio::time::timeout(Duration::from_secs(2), self.remembering).await;
        // What accounts learnt, likewise.
        _ = tokio::time::timeout(Duration::from_secs(1), self.pricing).await;
        self.ticker.abort();
        self.naming.abort();
        self.owning.abort();
        let flush = self.app.config.load().firewall.on_exit == OnExit::Flush;
        let dry = !self.app.is_enforcing();
        let app = self.app;
        let ended = tokio::task::spawn_blocking(move || {
            let kernel = app
                .mirror
                .firewall()
                .is_none_or(|writer| writer.clone().shutdown(flush, Duration::from_secs(2)));
            let disk = app.mirror.store().is_none_or(|store| store.stop(Duration::from_secs(1)));
            if app.recorder.as_ref().is_some_and(|recorder| !recorder.stop(LAST_BLOCK)) {
                tracing::warn!("the end of the recording is not on the disk");
            }
            (kernel, disk)
        });
        let ended = ended.await;
        // Last, because the kernel has just taken the last bans, and because it may take longest.
        tokio::join!(self.notifying.stop(LAST_MESSAGES), self.reporting.stop(LAST_MESSAGES));
        match ended {
            Ok((true, true)) if dry => tracing::info!("stopped"),
            Ok((true, true)) if flush => tracing::info!("stopped; the kernel's sets are removed"),
            Ok((true, true)) => tracing::info!("stopped; the kernel keeps the bans"),
            Ok((kernel, disk)) => tracing::error!(kernel, disk, "stopped before everything was written"),
            Err(error) => tracing::error!(%error, "stopping failed"),
        }
    }
}

/// How often is looked whether all parts live.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the last notifications and reports may take.
const LAST_MESSAGES: Duration = Duration::from_millis(1500);
/// How long the last block of a recording may take.
const LAST_BLOCK: Duration = Duration::from_secs(2);
