//! `switchward run` and `switchward demo`: the daemon in the foreground, until a signal ends it.

use super::{find, load, log_settings};
use crate::config::{self, Config, Loaded};
use crate::daemon::{self, Options, Running};
use crate::exit;
use crate::logs;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Guard a simulated switch with phones and attackers, for a look around.
#[derive(Args, Debug)]
#[command(after_long_help = "Examples:\n  switchward demo\n  sudo switchward demo --netns --seconds 60")]
pub(super) struct Demo {
    /// Enforce bans for real, in a network namespace of the demo's own (needs root).
    #[arg(long)]
    netns: bool,
    /// The same seed gives the same phones and attackers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of the HTTP interface; 0 takes a free one.
    #[arg(long, default_value_t = 8088)]
    port: u16,
    /// End after so many seconds; without it the demo runs until Ctrl-C.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl Demo {
    pub(super) fn run(self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        crate::demo::run(
            crate::demo::Settings {
                netns: self.netns,
                seed: self.seed,
                port: self.port,
                seconds: self.seconds,
            },
            out,
        )
    }
}

pub(super) fn run(path: Option<&Path>, dry_run: bool) -> anyhow::Result<ExitCode> {
    let (loaded, first_run) = match configuration(path) {
        Ok(found) => found,
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            return Ok(ExitCode::from(exit::USAGE));
        }
    };
    let mut config = loaded.config;
    config.security.dry_run |= dry_run;
    let (level, format, under_systemd) = log_settings(&config);
    let log = logs::init(level, format, under_systemd);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if first_run && let Some(path) = &loaded.path {
        tracing::info!(file = %path.display(), "wrote a default configuration");
    }
    let runtime = daemon::runtime()?;
    runtime.block_on(async {
        // Before anything else: a signal that comes during the start is not lost, and SIGHUP does not end us.
        let signals = Signals::listen()?;
        let options = Options { path: loaded.path.clone(), ..Options::default() };
        let running = match daemon::start(config, log, options).await {
            Ok(running) => running,
            Err(error) => {
                tracing::error!("{error}");
                return Ok(ExitCode::from(error.exit_code()));
            }
        };
        _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let end = serve(&running, signals, dry_run).await;
        _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        running.stop().await;
        Ok(ExitCode::from(end))
    })
}

/// The configuration to run with; the predecessor's default file is written when there is none.
fn configuration(path: Option<&Path>) -> Result<(Loaded, bool), String> {
    if let Some(path) = find(path).filter(|path| path.exists()) {
        return load(&path).map(|loaded| (loaded, false)).map_err(|error| error.to_string());
    }
    let path = path.map_or_else(|| PathBuf::from("config.json"), Path::to_path_buf);
    match config::write_default(&path) {
        Ok(()) => load(&path).map(|loaded| (loaded, true)).map_err(|error| error.to_string()),
        Err(error) => Err(format!(
            "there is no configuration at {}, and a default one cannot be written: {error}",
            path.display()
        )),
    }
}

/// Waits for the end; SIGHUP reads the configuration anew. Gives the exit code: that of a failure when a part of the daemon has died, so
/// that whoever watches it starts it again.
async fn serve(running: &Running, mut signals: Signals, dry_run: bool) -> u8 {
    loop {
        tokio::select! {
            _ = signals.hangup.recv() => reload(running, dry_run),
            _ = signals.terminate.recv() => return exit::DONE,
            _ = signals.interrupt.recv() => return exit::DONE,
            part = running.broken() => {
                tracing::error!(
                    "{part} has died, so nobody would be guarded as it seems: ending, to be started again; the kernel keeps the bans, the \
                     line before says what happened"
                );
                return exit::SOFTWARE;
            }
        }
    }
}

/// The signals that are heeded.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

fn reload(running: &Running, dry_run: bool) {
    let Some(path) = &running.app.config_path else {
        tracing::warn!("there is no configuration file to read anew");
        return;
    };
    _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading]);
    match load(path) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                tracing::warn!("{warning}");
            }
            let mut new: Config = loaded.config;
            new.security.dry_run |= dry_run;
            running.app.reload(new);
        }
        Err(error) => {
            tracing::error!("the configuration is as it was, because the new one has mistakes: {error}");
        }
    }
    _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogLevel;
    use std::time::Duration;

    /// A daemon in a dry run, with a store and a switch that is not there.
    fn end_after(harm: impl FnOnce(&Running)) -> u8 {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.port = 0;
        config.server.socket = String::new();
        config.security.dry_run = true;
        config.store.path = folder.path().join("switchward.db");
        let runtime = daemon::runtime().unwrap();
        let ended = runtime.block_on(async {
            let signals = Signals::listen().unwrap();
            let level = logs::Level::detached(LogLevel::Info);
            let running = daemon::start(config, level, Options::default()).await.unwrap();
            let early = tokio::time::timeout(Duration::from_millis(50), running.broken()).await;
            assert!(early.is_err(), "{early:?}");
            harm(&running);
            let code = tokio::time::timeout(Duration::from_secs(60), serve(&running, signals, true)).await;
            running.stop().await;
            code
        });
        ended.expect("it goes on as if nothing had happened")
    }

    #[test]
    fn a_daemon_whose_firewall_thread_panics_ends_as_failed() {
        let code = end_after(|running| {
            let element = netfilter::Element {
                target: netfilter::Target::host([198, 51, 100, 7].into()),
                scope: netfilter::Scope::All,
                timeout: None,
            };
            let bug = Box::new(|_| panic!("as a bug would"));
            running.app.mirror.firewall().unwrap().submit_with(netfilter::Change::Add(element), bug);
        });
        assert_eq!(code, exit::SOFTWARE);
    }

    #[test]
    fn a_daemon_whose_store_thread_ends_ends_as_failed() {
        let code = end_after(|running| {
            assert!(running.app.mirror.store().unwrap().stop(Duration::from_secs(60)));
        });
        assert_eq!(code, exit::SOFTWARE);
    }
}
